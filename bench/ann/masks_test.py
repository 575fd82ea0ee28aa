import types
import unittest

try:
    import numpy as np
except ImportError:
    np = None

import churn
import masks
import sets


@unittest.skipIf(np is None, "numpy is not installed")
class Masks(unittest.TestCase):
    def setUp(self):
        base = np.random.default_rng(1).standard_normal((2000, 8)).astype("f4")
        self.data = types.SimpleNamespace(rows=2000, base=base)
        self.queries = base[:50] + 0.01

    def test_a_share_of_the_rows_passes(self):
        for name in masks.names():
            allowed = masks.make(np, name, self.data, self.queries)
            self.assertEqual(int(allowed.sum()), max(1, round(2000 * float(name.rsplit("-", 1)[1]))), name)

    def test_near_rows_are_nearer_to_each_other_than_rows_at_random(self):
        def width(name):
            passing = self.data.base[masks.make(np, name, self.data, self.queries) == 1]
            return float(passing.var(axis=0).sum())
        self.assertLess(width("near-0.1"), width("random-0.1"))

    def test_far_rows_are_farther_from_the_queries_than_all_others(self):
        allowed = masks.make(np, "far-0.1", self.data, self.queries) == 1
        distances = ((self.data.base - self.queries.mean(axis=0)) ** 2).sum(axis=1)
        self.assertGreaterEqual(distances[allowed].min(), distances[~allowed].max())


@unittest.skipIf(np is None, "numpy is not installed")
class Truth(unittest.TestCase):
    def test_exact_rows_are_the_nearest_ties_by_number(self):
        base = np.array([[0, 1], [1, 0], [1, 0], [3, 3]], "f2")
        self.assertEqual(sets.exact(np, base, np.array([[1, 0]], "f2"), "l2", 3).tolist(), [[1, 2, 0]])

    def test_under_cosine_length_does_not_matter(self):
        base = np.array([[0, 1], [5, 1], [0.5, 0.5]], "f2")
        self.assertEqual(sets.exact(np, base, np.array([[2, 2]], "f2"), "cosine", 2).tolist(), [[2, 1]])

    def test_a_cut_is_named_by_thousands(self):
        self.assertEqual(sets.split("emb768-100k"), ("emb768", 100000))
        self.assertEqual(sets.split("uniform"), ("uniform", 0))
        self.assertRaises(SystemExit, sets.split, "emb768-lots")


@unittest.skipIf(np is None, "numpy is not installed")
class Churn(unittest.TestCase):
    def test_every_round_deletes_rows_that_are_there_and_inserts_rows_that_are_not(self):
        first, steps = churn.plan(np, 1000, rounds=15)
        live = set(first.tolist())
        for deleted, inserted in steps:
            self.assertEqual(len(deleted), 50)
            self.assertEqual(len(inserted), 50)
            self.assertTrue(set(deleted.tolist()) <= live)
            live -= set(deleted.tolist())
            self.assertFalse(set(inserted.tolist()) & live)
            live |= set(inserted.tolist())
        self.assertEqual(len(live), len(first))


if __name__ == "__main__":
    unittest.main()
