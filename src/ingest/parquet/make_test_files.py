"""Writes the Parquet files that parquet_source_test.cc reads into the directory given."""
import datetime
import decimal
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

out = sys.argv[1]
os.makedirs(out, exist_ok=True)


def write(name, columns, **options):
    pq.write_table(pa.table(columns), os.path.join(out, name), **options)


utc = datetime.timezone.utc
write("types.parquet", {
    "id": pa.array([1, 2], pa.int64()),
    "vector": pa.array([[1.0, 2.0], [3.0, -0.5]], pa.list_(pa.float32())),
    "text": pa.array(['a"b', None], pa.string()),
    "category": pa.array(["x", "x"]).dictionary_encode(),
    "small": pa.array([-1, 2], pa.int8()),
    "large": pa.array([2**64 - 1, 0], pa.uint64()),
    "float": pa.array([5.0, 0.1], pa.float32()),
    "flag": pa.array([True, None], pa.bool_()),
    "none": pa.array([None, None], pa.null()),
    "when": pa.array([datetime.datetime(2024, 2, 29, 12, 30, 1, 250000, utc), datetime.datetime(1969, 12, 31, 23, 59, 59, 0, utc)],
                     pa.timestamp("ms", "UTC")),
    "day": pa.array([datetime.date(2024, 2, 29), None], pa.date32()),
    "price": pa.array([decimal.Decimal("12.50"), None], pa.decimal128(6, 2)),
    "tags": pa.array([["x", None], []], pa.list_(pa.string())),
    "deep": pa.array([{"a": 1, "b": [1, 2]}, {"a": None, "b": None}],
                     pa.struct([("a", pa.int32()), ("b", pa.list_(pa.int16()))])),
    "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int32())),
    "bytes": pa.array([b"\x00", b"\x01"], pa.binary()),
})
rows = 1000
write("groups.parquet", {
    "key": pa.array([f"row-{i}" for i in range(rows)]),
    "emb": pa.array([[float(i), 1.0, 2.0] for i in range(rows)], pa.list_(pa.float64(), 3)),
    "n": pa.array(range(rows), pa.int32()),
}, row_group_size=150)
write("half.parquet", {
    "id": pa.array(["a"]),
    "vector": pa.array([[0.5, -2.0]], pa.list_(pa.float16())),
})
write("holes.parquet", {
    "id": pa.array(["ok", None, "null-vector", "null-element", "short"]),
    "vector": pa.array([[1.0, 2.0], [1.0, 2.0], None, [1.0, None], [1.0]], pa.list_(pa.float32())),
})
write("no_vector.parquet", {"id": pa.array(["a"]), "text": pa.array(["b"])})
write("text_vector.parquet", {"id": pa.array(["a"]), "vector": pa.array(["1 2"])})
with open(os.path.join(out, "groups.parquet"), "rb") as whole, open(os.path.join(out, "truncated.parquet"), "wb") as cut:
    cut.write(whole.read()[:2000])
