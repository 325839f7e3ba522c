#!/usr/bin/env python3
"""Times exact and 1-bit search beside faiss-cpu, in turn, on the same vectors.

Packages: faiss-cpu, numpy.

    cargo build --release -p search --example time_search
    python3 benchmarks/python/vector_search.py TITLES.npy QUERIES.npy FOLDER > RESULT.json

TITLES and QUERIES are float32 arrays of `infer embed`. FOLDER takes the larger sets (200,000 rows are 0.6 GB, a million 3 GB):
copies of the titles plus normally distributed noise of length 0.3, then scaled to length 1. Queries are the given ones, then copies
of them with noise, so that every batch is another one.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import faiss
import numpy as np

NOISE = 0.3
"""Length of the noise of a copy."""

K = 10


def scaled(rows):
    norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.maximum(norms, 1e-30)).astype(np.float32)


def with_noise(rows, count, seed):
    """`count` rows: the given ones first, then copies of them with noise."""
    random = np.random.default_rng(seed)
    parts = [rows[:count]]
    done = len(parts[0])
    while done < count:
        part = rows[: count - done]
        noise = random.standard_normal(part.shape, dtype=np.float32) * (NOISE / part.shape[1] ** 0.5)
        parts.append(scaled(part + noise))
        done += len(part)
    return np.concatenate(parts)


def written(rows, path):
    if not path.exists() or path.stat().st_size != rows.nbytes:
        rows.tofile(path)
    return path


class Ours:
    """`time_search` in a process of its own, whose threads are rayon's."""

    def __init__(self, program, vectors, queries, width):
        self.command = [program, vectors, queries, str(width), str(K)]

    def run(self, batch, repetitions, form, threads, hits=None):
        command = [*self.command, str(batch), str(repetitions), str(form), *([str(hits)] if hits else [])]
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        result = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        return json.loads(result.stdout)


def times_of_faiss(index, queries, batch, repetitions, threads):
    faiss.omp_set_num_threads(threads)
    batches = [queries[first : first + batch] for first in range(0, len(queries) - batch + 1, batch)]
    times = []
    for repetition in range(repetitions):
        start = time.perf_counter()
        index.search(batches[repetition % len(batches)], K)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def recall(found, exact):
    pairs = zip(found, exact, strict=True)
    return float(np.mean([len(set(one) & set(other)) / K for one, other in pairs]))


def summary(times):
    """The median and the fastest of all calls but the first two."""
    times = sorted(times[2:])
    return {"median_ms": round(times[len(times) // 2], 3), "fastest_ms": round(times[0], 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", type=pathlib.Path)
    parser.add_argument("queries", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="target/release/examples/time_search")
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 200_000, 1_000_000], help="0: the titles alone")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3, help="each program is run so often, in turn")
    parser.add_argument("--candidates", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--approximate", action="store_true", help="1-bit codes too, one query at a time, beside faiss's quantizers")
    arguments = parser.parse_args()
    titles, queries = (scaled(np.load(path)) for path in (arguments.titles, arguments.queries))
    width = titles.shape[1]
    queries = with_noise(queries, 1024, 7)
    queries_file = written(queries, arguments.folder / "queries.f32")
    results = []
    for count in arguments.rows:
        count = count or len(titles)
        path = arguments.folder / f"rows-{count}.f32"
        if not path.exists():
            written(with_noise(titles, count, 11), path)
        rows = np.fromfile(path, dtype=np.float32).reshape(-1, width)
        ours = Ours(arguments.program, path, queries_file, width)
        flat = faiss.IndexFlatIP(width)
        flat.add(rows)
        sample = queries[:128]
        exact = flat.search(sample, K)[1]
        singles = 60 if count > 500_000 else 200
        batches = 5 if count > 500_000 else 8

        def measure(name, call, batch, threads, extra):
            results.append({"program": name, "rows": count, "batch": batch, "threads": threads, **extra, **summary(call)})
            print(json.dumps(results[-1]), file=sys.stderr)

        for threads in arguments.threads:
            for batch, repetitions in ((1, singles), (256, batches)):
                mine, theirs = [], []
                hits = arguments.folder / "hits.u32"
                for _ in range(arguments.rounds):
                    report = ours.run(batch, repetitions, "exact", threads, hits)
                    mine += report["ms"]
                    theirs += times_of_faiss(flat, queries, batch, repetitions, threads)
                sizes = {name: report[name] for name in ("codes_s", "read_s", "int8_bytes")}
                found = np.fromfile(hits, dtype=np.uint32).reshape(-1, K)[: len(sample)]
                # Below 1 where scores are equal, or differ by less than rounding: faiss adds in another order.
                extra = {"equal_hits": recall(found, exact), **sizes}
                measure("search, exact", mine, batch, threads, extra)
                measure("faiss-cpu IndexFlatIP", theirs, batch, threads, {})
        if not arguments.approximate:
            continue
        del flat
        for candidates in arguments.candidates:
            for threads in arguments.threads:
                report = ours.run(1, singles, candidates, threads, hits)
                found = np.fromfile(hits, dtype=np.uint32).reshape(-1, K)[: len(sample)]
                extra = {"recall": recall(found, exact), "one_bit_bytes": report["one_bit_bytes"]}
                measure(f"search, 1 bit, {candidates} candidates", report["ms"], 1, threads, extra)
        for name, factory in (
            ("IndexScalarQuantizer QT_8bit", "SQ8"),
            ("IndexRaBitQ, refined", "RaBitQ,Refine(Flat)"),
            ("IndexRaBitQFastScan, refined", "RaBitQfs,Refine(Flat)"),
        ):
            try:
                index = faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
                index.train(rows[:100_000])
                index.add(rows)
            except RuntimeError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            for factor in (10, 40) if "refined" in name else (None,):
                if factor:
                    index.k_factor = factor
                found = recall(index.search(sample, K)[1], exact)
                for threads in arguments.threads:
                    call = times_of_faiss(index, queries, 1, singles, threads)
                    title = f"faiss-cpu {name}" + (f" of {factor * K}" if factor else "")
                    measure(title, call, 1, threads, {"recall": found})
            del index
    json.dump(results, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
