import pathlib
import tempfile
import unittest

from store import Results

POINT = {"queries": "in", "mask": None, "parameter": 64, "round": 0, "qps": 5.0, "recall": 0.9}


class ResultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "set" / "system.jsonl"

    def find(self, results):
        return results.find(queries="in", mask=None, parameter=64, round=0)

    def test_a_point_is_there_in_the_next_run(self):
        Results(self.path, "1.0").add(POINT)
        self.assertEqual(self.find(Results(self.path, "1.0")), POINT)

    def test_another_version_does_not_see_it(self):
        Results(self.path, "1.0").add(POINT)
        self.assertIsNone(self.find(Results(self.path, "1.1")))

    def test_a_fresh_run_does_not_see_it(self):
        Results(self.path, "1.0").add(POINT)
        self.assertIsNone(self.find(Results(self.path, "1.0", fresh=True)))

    def test_the_later_of_two_counts(self):
        results = Results(self.path, "1.0")
        results.add(POINT)
        results.add({**POINT, "qps": 6.0})
        self.assertEqual(self.find(Results(self.path, "1.0"))["qps"], 6.0)

    def test_a_line_that_was_cut_off_is_passed_over(self):
        Results(self.path, "1.0").add(POINT)
        with open(self.path, "a") as out:
            out.write('{"queries": "in", "par')
        self.assertEqual(self.find(Results(self.path, "1.0")), POINT)

    def test_filters_are_kept_apart(self):
        results = Results(self.path, "1.0")
        results.add(POINT)
        results.add({**POINT, "mask": "random-0.1"})
        self.assertEqual(len(results.of("in")), 1)
        self.assertEqual(len(results.of("in", "random-0.1")), 1)


if __name__ == "__main__":
    unittest.main()
