import unittest

from scenarios import filter_ratios


class FilterRatios(unittest.TestCase):
    points = [{"parameter": 0.8, "recall": 0.9, "qps": 400}, {"parameter": 0.95, "recall": 0.97, "qps": 300}, {"parameter": 10, "recall": 0.5, "qps": 900}]
    plain = [{"recall": 0.5, "qps": 1000}, {"recall": 0.99, "qps": 1000}]

    def test_the_recall_is_that_of_the_level_asked_for(self):
        self.assertEqual(filter_ratios({"akidb": self.points}, self.plain)[0], 0.97)

    def test_where_less_was_asked_for_and_was_enough_it_is_that(self):
        self.assertEqual(filter_ratios({"akidb": [{"parameter": 0.8, "recall": 1.0, "qps": 400}, self.points[2]]}, self.plain)[0], 1.0)

    def test_the_best_of_the_others_counts(self):
        others = {"hnswlib": [{"recall": 0.99, "qps": 50}], "hnswlib-filter": [{"recall": 0.99, "qps": 100}]}
        self.assertAlmostEqual(filter_ratios({"akidb": [{"parameter": 0.9, "recall": 0.99, "qps": 400}], **others}, self.plain)[2], 4)


if __name__ == "__main__":
    unittest.main()
