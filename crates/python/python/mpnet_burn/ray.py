"""Vectors of more texts than one machine embeds, with Ray Data.

An actor a node embeds with all threads that it is given. A vector depends neither on its batch nor on its actor, so that a
distributed run gives the bits of a local one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # Ray Data needs it too.
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray

from mpnet_burn import SentenceTransformer

# What an actor leaves of its CPUs to the tasks that read, which take one each: with none left, Ray waits for ever.
_FOR_READERS = 1

# Bytes that an actor asks for. One with a single thread needs no CPU by the rule above, and Ray spreads over the nodes only
# actors that need something.
_MEMORY = 1 << 20

# Rows whose vectors are in memory together: 50 MB of float32.
_ROWS = 16_384

# The beginning of the names of the files of vectors.
_PREFIX = "vectors-"

# The name of a file of vectors, or of an unfinished one.
_OURS = re.compile(rf"\.?{_PREFIX}[0-9a-f]{{32}}\.parquet")


@dataclass(frozen=True)
class Plan:
    """How texts are embedded: the arguments of every actor."""

    column: str
    out: str
    model: str
    task: str | None
    dtype: str
    keywords: dict[str, Any]


class _Embedder:
    """An actor: it loads the model once, and adds a column of vectors to every batch."""

    def __init__(self, plan: Plan, threads: int) -> None:
        self.plan = plan
        self.model = SentenceTransformer(plan.model, threads=threads, **plan.keywords)
        self.encode = {
            None: self.model.encode,
            "query": self.model.encode_query,
            "document": self.model.encode_document,
        }[plan.task]

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self.embedded(batch)

    def embedded(self, batch: pa.Table) -> pa.Table:
        # As `infer embed` does: the vector of a blank text is as close to one product as to another.
        # A column without any text has no type of texts.
        texts = batch.column(self.plan.column).cast(pa.large_string())
        batch = batch.filter(pc.fill_null(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), False))
        texts = batch.column(self.plan.column).to_pylist()
        vectors = self.encode(texts).astype(self.plan.dtype, copy=False)
        numbers = pa.array(vectors.reshape(-1))
        return batch.append_column(self.plan.out, pa.FixedSizeListArray.from_arrays(numbers, vectors.shape[1]))


class _Writer(_Embedder):
    """An actor that writes a file for every batch, unless it is there."""

    def __init__(self, plan: Plan, threads: int, folder: str) -> None:
        super().__init__(plan, threads)
        self.folder = Path(folder)
        # Of the files of the model too: a folder may be trained again.
        self.made_of = f"{plan} {self.model._loaded.model().identity} {self.model.precision}"

    def __call__(self, batch: pa.Table) -> pa.Table:
        if batch.num_rows == 0:
            return pa.table({"file": pa.array([], pa.string()), "rows": pa.array([], pa.int64())})
        name = f"{_PREFIX}{_digest(batch, self.made_of)}.parquet"
        path = self.folder / name
        if not path.exists():
            # A name of its own: another actor may be at the same batch, where this one was taken for dead.
            unfinished = self.folder / f".{name}.{platform.node()}-{os.getpid()}"
            self.write(batch, unfinished)
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
            unfinished.replace(path)
        return pa.table({"file": [name], "rows": [pq.read_metadata(path).num_rows]})

    def write(self, batch: pa.Table, path: Path) -> None:
        # A block of titles has millions of rows, whose vectors together are more than a machine's memory.
        first = self.embedded(batch.slice(0, _ROWS))
        with pq.ParquetWriter(path, first.schema) as file:
            file.write_table(first)
            for start in range(_ROWS, batch.num_rows, _ROWS):
                file.write_table(self.embedded(batch.slice(start, _ROWS)))


def _digest(batch: pa.Table, made_of: str) -> str:
    """The same for the same rows whose vectors are made the same way."""
    digest = hashlib.sha256(made_of.encode())
    # The stream has the rows alone, not the buffers that they are a part of.
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as stream:
        stream.write_table(batch.replace_schema_metadata(None).combine_chunks())
    digest.update(sink.getvalue())
    return digest.hexdigest()[:32]


def embed(
    ds: ray.data.Dataset,
    column: str,
    out: str = "embedding",
    model: str = "all-mpnet-base-v2",
    *,
    task: str | None = "document",
    dtype: str = "float32",
    threads: int | None = None,
    actors: int | None = None,
    batch_size: int | None = 4096,
    **keywords: Any,
) -> ray.data.Dataset:
    """A data set with a column ``out`` of vectors of the texts in ``column``: lists of a fixed size. Rows whose text is
    blank or null are left out.

    :param task: ``document``, ``query``, or none for neither: the prompt and the route of the model.
    :param dtype: ``float32`` or ``float16``.
    :param threads: The threads of an actor; unless given, all CPUs of the smallest node.
    :param actors: The number of actors; unless given, as many as the nodes have room for.
    :param batch_size: The rows that an actor takes at a time.
    :param keywords: Those of :class:`mpnet_burn.SentenceTransformer`. A folder must be there on every node.
    :raises ValueError: For more threads or actors than the cluster has CPUs for: Ray would wait for ever.
    """
    plan = Plan(column, out, model, task, _dtype(dtype), keywords)
    return _mapped(ds, _Embedder, plan, (), threads, actors, batch_size)


def embed_to_parquet(
    ds: ray.data.Dataset,
    folder: str | os.PathLike[str],
    column: str,
    out: str = "embedding",
    model: str = "all-mpnet-base-v2",
    *,
    task: str | None = "document",
    dtype: str = "float32",
    threads: int | None = None,
    actors: int | None = None,
    **keywords: Any,
) -> int:
    """As :func:`embed`, into Parquet files in a folder that all nodes share; returns the number of rows.

    Every block of the data set becomes a file, whose name is a hash of its rows and of the arguments. After a crash,
    whatever it was of, the same call goes on: files that are whole stay, and no row is there twice. Files of blocks that
    the finished data set has not are removed, as those of other arguments.

    :raises ValueError: As :func:`embed`.
    """
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    plan = Plan(column, out, model, task, _dtype(dtype), keywords)
    written = _mapped(ds, _Writer, plan, (str(path),), threads, actors, None).take_all()
    # Two equal blocks share a file, which would then lack rows.
    names = {row["file"] for row in written}
    if len(names) != len(written):
        raise ValueError("two blocks of the data set have the same rows: give every row an id")
    for file in path.iterdir():
        if _OURS.match(file.name) and file.name not in names:
            file.unlink()
    return sum(row["rows"] for row in written)


def _mapped(
    ds: ray.data.Dataset,
    actor: type[_Embedder],
    plan: Plan,
    arguments: tuple[Any, ...],
    threads: int | None,
    actors: int | None,
    batch_size: int | None,
) -> ray.data.Dataset:
    """The data set, through actors on all nodes."""
    cpus = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    cpus = [number for number in cpus if number > 0]
    threads = threads or min(cpus, default=0)
    possible = sum(number // threads for number in cpus) if threads > 0 else 0
    actors = actors or possible
    if not 0 < actors <= possible:
        raise ValueError(f"the nodes have {cpus} CPUs: too few for {actors or 1} actors with {threads} threads each")
    return ds.map_batches(
        actor,
        fn_constructor_args=(plan, threads, *arguments),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=max(threads - _FOR_READERS, 0),
        memory=_MEMORY,
        scheduling_strategy="SPREAD",
        zero_copy_batch=True,
    )


def _dtype(name: str) -> str:
    if np.dtype(name) not in (np.float32, np.float16):
        raise ValueError(f"dtype {name} is not supported, only float32 and float16")
    return name
