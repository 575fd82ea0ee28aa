import unittest
import xml.etree.ElementTree as ElementTree

import svg


class Svg(unittest.TestCase):
    curves = [("ours <1>", [(0.85, 9000), (0.95, 5000), (0.99, 800)], True), ("other", [(0.9, 700), (0.97, 90)], False)]

    def test_a_plot_is_xml_with_a_line_and_a_name_for_each_curve(self):
        tree = ElementTree.fromstring(svg.plot("a & b", self.curves))
        texts = [t.text for t in tree.iter("{http://www.w3.org/2000/svg}text")]
        self.assertEqual(len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))), 2)
        self.assertTrue({"ours <1>", "other", "a & b"} <= set(texts))

    def test_all_points_lie_inside(self):
        for circle in ElementTree.fromstring(svg.plot("t", self.curves)).iter("{http://www.w3.org/2000/svg}circle"):
            self.assertTrue(svg.LEFT <= float(circle.get("cx")) <= svg.WIDTH - svg.RIGHT)
            self.assertTrue(svg.TOP <= float(circle.get("cy")) <= svg.HEIGHT - svg.BOTTOM)

    def test_points_beyond_the_scale_are_left_out(self):
        drawn = svg.plot("t", [("a", [(0.5, 10), (0.9, 5), (1.0, 1)], False)])
        self.assertEqual(drawn.count("<circle"), 1)

    def test_without_points_there_is_no_plot(self):
        self.assertIsNone(svg.plot("t", [("a", [(0.5, 10)], False)]))

    def test_names_keep_their_distance_and_their_order(self):
        places = svg.spread([10, 11, 12, 300], 13, 0, 300)
        self.assertTrue(all(b - a >= 13 for a, b in zip(places, places[1:])))
        self.assertLessEqual(places[-1], 300)


if __name__ == "__main__":
    unittest.main()
