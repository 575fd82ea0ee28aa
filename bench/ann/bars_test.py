import unittest

from bars import EVERYBODY, Bar, judge, verdict


def flat(qps, most=0.999):
    return [{"recall": 0.5, "qps": qps}, {"recall": most, "qps": qps * 0.999}]


class Bars(unittest.TestCase):
    bar = Bar("all", EVERYBODY, 0.95, 1.0, 1.3)

    def test_the_ratio_is_to_the_best_of_the_others(self):
        ratio, who = judge(self.bar, {"akidb": flat(300), "hnswlib": flat(100), "svs-f16": flat(200)}, {})
        self.assertAlmostEqual(ratio, 1.5, places=2)
        self.assertEqual(who, "svs-f16")

    def test_a_peer_that_does_not_reach_the_recall_is_no_peer_there(self):
        ratio, who = judge(self.bar, {"akidb": flat(300), "hnswlib": flat(100), "svs-f16": flat(900, most=0.94)}, {})
        self.assertAlmostEqual(ratio, 3, places=2)
        self.assertEqual(who, "hnswlib")

    def test_ours_that_does_not_reach_it_has_missed(self):
        ratio, _ = judge(self.bar, {"akidb": flat(300, most=0.9), "hnswlib": flat(100)}, {})
        self.assertEqual(verdict(self.bar, ratio), "missed")

    def test_without_a_peer_there_is_nothing_to_say(self):
        self.assertIsNone(judge(self.bar, {"akidb": flat(300)}, {}))

    def test_under_a_limit_of_memory_only_those_of_ours_that_keep_it_count(self):
        bar = Bar("small", EVERYBODY, 0.95, 0.8, 1.2, share=0.6, share_of="symphonyqg")
        points = {"akidb": flat(300), "akidb-compact": flat(150), "symphonyqg": flat(100)}
        ratio, _ = judge(bar, points, {"akidb": 3000, "akidb-compact": 1000, "symphonyqg": 4000})
        self.assertAlmostEqual(ratio, 1.5, places=2)

    def test_a_limit_of_memory_that_none_of_ours_keeps_is_missed(self):
        bar = Bar("small", EVERYBODY, 0.95, 0.8, 1.2, share=0.6, share_of="symphonyqg")
        ratio, _ = judge(bar, {"akidb": flat(300), "symphonyqg": flat(100)}, {"akidb": 3000, "symphonyqg": 4000})
        self.assertEqual(verdict(bar, ratio), "missed")

    def test_floor_and_target_are_told_apart(self):
        self.assertEqual([verdict(self.bar, r) for r in (0.99, 1.0, 1.29, 1.3)], ["missed", "floor", "floor", "target"])


if __name__ == "__main__":
    unittest.main()
