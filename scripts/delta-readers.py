"""Reads Delta tables with the Python package deltalake, which shares no code with asof.

    delta-readers.py compare MANIFEST    compares tables row by row with what asof read
    delta-readers.py append TABLE N      appends N commits to a table, as any other writer would

A row is a JSON array in which nothing is lost: integers and instants (microseconds) as digits, floats as their bits,
bytes in hexadecimal, maps as entries sorted by key, structs as arrays.
"""

import json
import struct
import os
import sys
from collections import Counter

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake


def canonical(scalar):
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if pa.types.is_dictionary(kind):
        return canonical(scalar.dictionary[scalar.index.as_py()])
    if pa.types.is_boolean(kind) or is_text(kind):
        return scalar.as_py()
    if pa.types.is_integer(kind):
        return str(scalar.as_py())
    if pa.types.is_timestamp(kind):
        if kind.unit != "us" or kind.tz != "UTC":
            raise ValueError(f"a timestamp of type {kind}")
        return str(scalar.value)
    if pa.types.is_float32(kind):
        return bits(">f", scalar.as_py())
    if pa.types.is_float64(kind):
        return bits(">d", scalar.as_py())
    if is_bytes(kind):
        return scalar.as_py().hex()
    if pa.types.is_map(kind):
        pairs = zip(scalar.values.field(0), scalar.values.field(1))
        return sorted([canonical(key), canonical(value)] for key, value in pairs)
    if pa.types.is_struct(kind):
        return [canonical(scalar[index]) for index in range(kind.num_fields)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [canonical(item) for item in scalar.values]
    raise ValueError(f"no canonical form of type {kind}")


def is_text(kind):
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_bytes(kind):
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def bits(form, value):
    return "nan" if value != value else struct.pack(form, value).hex()


def rows_of(path, version):
    table = DeltaTable(path, version=version).to_pyarrow_table()
    columns = [[canonical(scalar) for scalar in column] for column in table.columns]
    return table.column_names, Counter(json.dumps(row) for row in zip(*columns))


def normal(line):
    return json.dumps(json.loads(line))


def compare(manifest_path):
    with open(manifest_path, encoding="utf-8") as file:
        manifest = json.load(file)
    different = 0
    for entry in manifest:
        label = f"{entry['table']} at version {entry['version']}"
        try:
            names, theirs = rows_of(entry["path"], entry["version"])
        except Exception as error:  # Whatever it cannot read is a difference, and the next table is still looked at.
            print(f"{label}: deltalake cannot read it: {error}")
            different += 1
            continue
        with open(entry["rows"], encoding="utf-8") as file:
            ours = Counter(normal(line) for line in file)
        if names != entry["columns"]:
            print(f"{label}: columns differ: {entry['columns']} and {names}")
        elif ours != theirs:
            print(f"{label}: rows differ")
            for name, rest in (("asof", ours - theirs), ("deltalake", theirs - ours)):
                for row, times in list(rest.items())[:3]:
                    print(f"  only {name} reads, {times} times: {row[:400]}")
        else:
            continue
        different += 1
    if different > 0:
        print(f"{different} of {len(manifest)} tables differ")
        return 1
    print(f"{len({entry['path'] for entry in manifest})} tables equal, at {len(manifest)} versions")
    return 0


def append(path, count):
    for index in range(count):
        schema = DeltaTable(path).to_pyarrow_table().schema
        rows = pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)
        rows = rows.set_column(0, schema.field(0), pa.array([f"theirs{index}"], schema.field(0).type))
        write_deltalake(path, rows, mode="append")
    DeltaTable(path).create_checkpoint()
    return 0


def leave(status):
    # The libraries' threads may abort the process while the interpreter is taken apart, after all is said.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        leave(compare(sys.argv[2]))
    leave(append(sys.argv[2], int(sys.argv[3])))
