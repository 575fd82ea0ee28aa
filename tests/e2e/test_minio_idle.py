"""What a node costs its store while nobody asks for anything."""

import concurrent.futures
import time

from test_minio import DIM, make_node, row, start_empty, until  # noqa: F401  (make_node is a fixture)

COLLECTIONS = 1000
SECONDS = 10
FOLLOW_SECONDS_MAX = 5  # between two looks at a collection that is in use


def requests_in(proxy, seconds):
    before = len(proxy.exchanges)
    time.sleep(seconds)
    return [f"{each.method} {each.target}" for each in proxy.exchanges[before:]]


def assert_quiet(proxy, who):
    sent = requests_in(proxy, SECONDS)
    print(f"{who}: {len(sent)} requests in {SECONDS} s")
    assert len(sent) <= SECONDS, sent


def test_a_thousand_idle_collections_cost_less_than_a_request_a_second(make_node, minio, bucket, proxy, request):  # noqa: F811
    slow = request.config.getoption("--slow")
    node = make_node(minio, bucket, "--set", "engine.trim_delay=1s", endpoint=proxy.endpoint).start()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: node.create(f"c{n}", DIM), range(COLLECTIONS)))
        list(pool.map(lambda n: node.upsert(f"c{n}", [row(1)]), range(COLLECTIONS if slow else 20)))
    if slow:
        # The writer of all of them looks for other nodes' manifests until they were not used for a minute.
        until(lambda: len(requests_in(proxy, 2 * FOLLOW_SECONDS_MAX)) < 100, "they count as idle", seconds=300)
        assert_quiet(proxy, "the writer of all")
    node.kill()
    start_empty(node)
    node.ok("GET", "/collections")
    until(lambda: len(requests_in(proxy, 1)) <= 1, "the start is over")
    assert_quiet(proxy, "a node that has just started")
    assert len(node.ok("GET", "/collections")["collections"]) == COLLECTIONS
