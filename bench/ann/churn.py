"""How recall bears deletes and inserts: a tenth of the rows goes and a tenth comes, twenty times, without a rebuild.

A system takes part by a class with these, added to SYSTEMS:
    insert(rows, vectors)     rows are numbers that it has never had, or that it was told to delete
    delete(rows)
    search(queries) -> rows   k numbers a query, at one fixed effort
"""
import sets
from truth import K

ROUNDS = 20
SHARE = 0.1
# Rows beyond those that are there at first come in their turn, then those that went first.
FIRST_SHARE = 0.5


class Hnswlib:
    """Deleted nodes are replaced in their places, as the library recommends."""

    def __init__(self, dim, capacity):
        import hnswlib
        self.index = hnswlib.Index(space="l2", dim=dim)
        self.index.init_index(max_elements=capacity, M=16, ef_construction=200, allow_replace_deleted=True)
        self.index.set_ef(64)

    def insert(self, rows, vectors):
        self.index.add_items(vectors, rows, num_threads=2, replace_deleted=True)

    def delete(self, rows):
        for row in rows:
            self.index.mark_deleted(row)

    def search(self, queries):
        return self.index.knn_query(queries, k=K, num_threads=1)[0]


SYSTEMS = {"hnswlib": Hnswlib}


def plan(np, rows, rounds=ROUNDS, share=SHARE):
    """(rows at first, [(deleted, inserted)]): each round's deleted rows are random ones of those that are there."""
    draw = np.random.default_rng(31)
    order = draw.permutation(rows)
    first = int(rows * FIRST_SHARE)
    live, waiting = list(order[:first]), list(order[first:])
    size = int(first * share)
    steps = []
    for _ in range(rounds):
        gone = set(draw.choice(len(live), size, replace=False).tolist())
        deleted = [row for i, row in enumerate(live) if i in gone]
        inserted, waiting = waiting[:size], waiting[size:] + deleted
        live = [row for i, row in enumerate(live) if i not in gone] + inserted
        steps.append((np.array(deleted), np.array(inserted)))
    return order[:first], steps


def run(np, data, system):
    """Recall at first and after each round."""
    first, steps = plan(np, data.rows)
    index = system(data.dim, len(first))
    index.insert(first, data.base[first])
    queries = data.queries["in"]
    live = np.zeros(data.rows, bool)
    live[first] = True
    recalls = [_recall(np, data, live, index.search(queries))]
    for deleted, inserted in steps:
        index.delete(deleted)
        index.insert(inserted, data.base[inserted])
        live[deleted], live[inserted] = False, True
        recalls.append(_recall(np, data, live, index.search(queries)))
    return recalls


def _recall(np, data, live, found):
    rows = np.flatnonzero(live)
    true = rows[sets.exact(np, data.base[rows], data.queries["in"], data.metric, K)]
    return sum(len(set(t) & set(f)) for t, f in zip(true.tolist(), np.asarray(found).tolist())) / true.size
