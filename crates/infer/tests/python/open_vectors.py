"""Opens the files of `infer embed` with the programs that people use.

    python open_vectors.py INFER MODEL

runs INFER with the model folder MODEL in a temporary folder, writes every format and type of numbers,
and compares what numpy, safetensors, pandas, polars, DuckDB, pyarrow and, if it is installed, torch read.
"""

import json
import os
import subprocess
import sys
import tempfile

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import safetensors
from safetensors.numpy import load_file

try:
    import torch
except ImportError:
    torch = None

infer, model = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
temporary = tempfile.TemporaryDirectory()
os.chdir(temporary.name)
ids = ["A", "B", "Ü 3"]
titles = ["steel kettle", 'a "quoted", title', "élan"]
pd.DataFrame({"sku": ids, "title": titles}).to_csv("products.csv", index=False)


def embed(output, *options, model=model):
    command = [infer, "embed", "--model", model, "--device", "cpu", "--input", "products.csv"]
    command += ["--column", "title", "--id-column", "sku", "--output", output, *options]
    subprocess.run(command, check=True)


for ending in ["parquet", "safetensors", "npy", "pt", "jsonl"]:
    embed(f"v.{ending}")
expected = np.load("v.npy")
assert expected.dtype == np.float32 and expected.shape[0] == 3
assert open("v.npy.ids.txt", encoding="utf-8").read().splitlines() == ids

# safetensors
assert np.array_equal(load_file("v.safetensors")["embeddings"], expected)
with safetensors.safe_open("v.safetensors", framework="numpy") as file:
    metadata = file.metadata()
assert json.loads(metadata["ids"]) == ids
made_of = json.loads(metadata["mpnet-burn"])
assert made_of["columns"] == ["title"] and made_of["precision"] == "f32", made_of
assert len(made_of["texts"]) == 64 and made_of["dimensions"] == expected.shape[1]

# torch
if torch is not None:
    tensor = torch.load("v.pt", weights_only=True)
    assert np.array_equal(tensor.numpy(), expected)

# Parquet
table = pq.read_table("v.parquet")
assert table.column_names == ["id", "title", "vector"], table.column_names
assert str(table.schema.field("vector").type).startswith("fixed_size_list<element: float not null>")
assert json.loads(pq.read_metadata("v.parquet").metadata[b"mpnet-burn"]) == made_of
frame = pd.read_parquet("v.parquet")
assert frame["id"].tolist() == ids and frame["title"].tolist() == titles
assert np.array_equal(np.stack(frame["vector"]), expected)
frame = pl.read_parquet("v.parquet")
assert frame["id"].to_list() == ids and frame["title"].to_list() == titles
assert np.array_equal(frame["vector"].to_numpy(), expected)
rows = duckdb.sql("select id, title, vector from 'v.parquet'").fetchall()
assert [row[0] for row in rows] == ids and [row[1] for row in rows] == titles
assert np.array_equal(np.array([row[2] for row in rows], dtype=np.float32), expected)

# JSON Lines
frame = pd.read_json("v.jsonl", lines=True)
assert frame["id"].tolist() == ids and frame["text"].tolist() == titles
assert np.array_equal(np.array(frame["embedding"].tolist(), dtype=np.float32), expected)

# The types of numbers
for name, dtype in [
    ("f16", np.float16),
    ("int8", np.int8),
    ("u8", np.uint8),
    ("binary", np.int8),
    ("ubinary", np.uint8),
]:
    embed(f"{name}.npy", "--output-type", name)
    numbers = np.load(f"{name}.npy")
    assert numbers.dtype == dtype, (name, numbers.dtype)
    for ending in ["parquet", "safetensors", "jsonl"]:
        embed(f"{name}.{ending}", "--output-type", name)
    assert np.array_equal(load_file(f"{name}.safetensors")["embeddings"], numbers)
    read = pq.read_table(f"{name}.parquet")["vector"].combine_chunks().values.to_numpy(zero_copy_only=False)
    assert np.array_equal(read.reshape(numbers.shape), numbers), name
    read = pd.read_json(f"{name}.jsonl", lines=True)["embedding"].tolist()
    assert np.array_equal(np.array(read).astype(dtype), numbers), name
    if name in ["int8", "u8"]:
        ranges = np.load(f"{name}.npy.ranges.npy")
        assert np.array_equal(ranges, np.vstack((expected.min(axis=0), expected.max(axis=0))))

# Files of these programs are read again: the other way round.
for name in ["pandas", "polars", "duckdb"]:
    if name == "pandas":
        pd.DataFrame({"id": ids, "vector": list(expected)}).to_parquet("other.parquet")
    elif name == "polars":
        pl.DataFrame({"id": ids, "vector": expected}).write_parquet("other.parquet")
    else:
        duckdb.sql("copy (select id, vector from 'v.parquet') to 'other.parquet' (format parquet)")
    command = [infer, "search", "kettle", "--model", model, "--device", "cpu", "--corpus", "products.csv"]
    command += ["--column", "title", "--id-column", "sku", "--vectors", "other.parquet", "-k", "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

print("every file opens in numpy, safetensors, pandas, polars, DuckDB, pyarrow", "and torch" if torch else "")
os.chdir("/")
