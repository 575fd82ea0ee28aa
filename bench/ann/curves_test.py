import unittest

from curves import best_curve, medians, qps_at


def points(*pairs):
    return [{"recall": recall, "qps": qps} for recall, qps in pairs]


class Curves(unittest.TestCase):
    def test_speed_between_two_points_goes_straight_in_the_logarithm(self):
        self.assertAlmostEqual(qps_at(points((0.9, 1000), (1.0, 10)), 0.95), 100)

    def test_a_point_that_another_beats_in_both_does_not_count(self):
        self.assertEqual(best_curve(points((0.9, 100), (0.95, 200), (0.99, 50))), [(0.95, 200), (0.99, 50)])

    def test_a_recall_that_no_point_has_is_not_reached(self):
        self.assertIsNone(qps_at(points((0.9, 100), (0.94, 90)), 0.95))

    def test_where_all_points_are_better_the_fastest_of_them_is_a_lower_bound(self):
        self.assertEqual(qps_at(points((0.97, 80), (0.99, 50)), 0.95), 80)

    def test_a_point_at_the_level_counts_as_it_is(self):
        self.assertAlmostEqual(qps_at(points((0.9, 100), (0.95, 60), (0.99, 10)), 0.95), 60)

    def test_rounds_of_a_parameter_become_one_point_with_the_median_speed(self):
        records = [{"parameter": 10, "recall": 0.9, "qps": qps, "round": i} for i, qps in enumerate((5, 100, 7))]
        self.assertEqual(medians(records), [{"parameter": 10, "recall": 0.9, "qps": 7, "rounds": 3}])


if __name__ == "__main__":
    unittest.main()
