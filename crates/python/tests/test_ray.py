"""A cluster of two nodes on this machine: the bits of the program, also after crashes. Part of the long checks."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, run

ray = pytest.importorskip("ray")
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from mpnet_burn.ray import embed, embed_to_parquet  # noqa: E402

ROWS = int(os.environ.get("RAY_ROWS", "10000"))
KILLS = int(os.environ.get("RAY_KILLS", "3"))
# Some rows have no title, and get no vector.
BLANK = {7: None, 8: " "}
FILLED = sum(number % 50 not in BLANK for number in range(ROWS))
FILES = 16
WORDS = ["red", "blue", "steel", "kettle", "mug", "jug", "lamp", "trail", "shoe", "bottle", "keyboard", "slim"]

DRIVER = textwrap.dedent(
    """
    import sys, ray
    from mpnet_burn.ray import embed_to_parquet
    ray.init(address=sys.argv[1], log_to_driver=False)
    rows = ray.data.read_json(sys.argv[2])
    print("begin", flush=True)
    print(embed_to_parquet(rows, sys.argv[3], "title", model=sys.argv[4], threads=1, actors=2), flush=True)
    """
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of gzipped JSON Lines."""
    folder = tmp_path_factory.mktemp("rows")
    chance = random.Random(7)
    files = [gzip.open(folder / f"{number:02}.jsonl.gz", "wt", encoding="utf-8") for number in range(FILES)]
    for number in range(ROWS):
        title = BLANK.get(number % 50, " ".join(chance.choices(WORDS, k=chance.randint(1, 12))))
        files[number % FILES].write(json.dumps({"id": f"p{number:07}", "title": title}) + "\n")
    for file in files:
        file.close()
    return folder


@pytest.fixture(scope="module")
def expected(rows: Path, infer: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    """Ids and vectors of the program, by id."""
    output = tmp_path_factory.mktemp("program") / "vectors.parquet"
    given = ["--column", "title", "--id-column", "id", "--model", TINY, "--offline", "--threads", "2"]
    start = time.monotonic()
    run(infer, "embed", "--input", str(rows / "*.jsonl.gz"), "--output", str(output), *given)
    print(f"infer: {time.monotonic() - start:.1f} s for {ROWS} rows", file=sys.stderr)
    return in_order(pq.read_table(output, columns=["id", "vector"]), "vector")


def in_order(table: object, column: str) -> tuple[list[str], bytes]:
    """Ids in their order, and the bytes of their vectors."""
    table = table.combine_chunks().sort_by("id")  # type: ignore[attr-defined]
    numbers = table.column(column).combine_chunks().flatten().to_numpy()
    return table.column("id").to_pylist(), numbers.astype(np.float32).tobytes()


def test_vectors_of_a_cluster_are_those_of_the_program(
    cluster: Cluster, rows: Path, expected: tuple[list[str], bytes], tmp_path: Path
) -> None:
    start = time.monotonic()
    with Watched() as watched:
        written = embed_to_parquet(ray.data.read_json(str(rows)), tmp_path / "out", "title", model=TINY, threads=1, actors=2)
    print(f"ray: {time.monotonic() - start:.1f} s for {ROWS} rows", file=sys.stderr)
    assert written == FILLED
    assert len(watched.nodes) == 2, "the actors of both nodes embed"
    assert in_order(pq.read_table(tmp_path / "out"), "embedding") == expected
    # Nothing is left to do, and nothing is written again.
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert embed_to_parquet(ray.data.read_json(str(rows)), tmp_path / "out", "title", model=TINY, threads=1, actors=2) == FILLED
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


def test_a_data_set_gets_a_column(cluster: Cluster, rows: Path, expected: tuple[list[str], bytes]) -> None:
    table = ray.data.read_json(str(rows))
    vectors = embed(table, "title", model=TINY, threads=1)
    tables = [batch for batch in vectors.iter_batches(batch_format="pyarrow", batch_size=None)]
    assert in_order(pa.concat_tables(tables).select(["id", "embedding"]), "embedding") == expected
    half = embed(table.limit(10), "title", model=TINY, dtype="float16", threads=1).schema()
    assert "embedding" in half.names


def test_what_would_hang_is_refused(cluster: Cluster, rows: Path) -> None:
    table = ray.data.read_json(str(rows))
    for keywords in ({"threads": 8}, {"threads": 1, "actors": 9}):
        with pytest.raises(ValueError, match="too few"):
            embed(table, "title", model=TINY, **keywords)
    with pytest.raises(ValueError, match="float64"):
        embed(table, "title", model=TINY, dtype="float64")


def started(cluster: Cluster, rows: Path, out: Path) -> subprocess.Popen[str]:
    arguments = [cluster.address, str(rows), str(out), TINY]
    child = subprocess.Popen([sys.executable, "-c", DRIVER, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "begin\n"
    return child


class Watched:
    """Notes the nodes on which actors are meanwhile, by the process that started the actor."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            for pid in actors():
                try:
                    # The name in front is in parentheses, and may have any characters.
                    self.nodes.add(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue


def actors() -> list[int]:
    """Processes of the actors that embed."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            title = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
        except OSError:
            continue
        if title.startswith(b"ray::") and b"Writer" in title:
            found.append(int(process.name))
    return found


def struck(child: subprocess.Popen[str], victim: str, seconds: float, remove_node: Callable[[], None]) -> bool:
    """Waits for so long, and for what is to be killed, and kills it. False if the run is over by then."""
    time.sleep(seconds)
    while child.poll() is None:
        if victim == "driver":
            child.kill()
            return True
        if victim == "node":
            remove_node()
            return True
        for pid in actors()[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", range(KILLS))
@pytest.mark.parametrize("victim", ["driver", "actor", "node"])
def test_a_kill_loses_no_row_and_doubles_none(
    victim: str, number: int, cluster: Cluster, rows: Path, expected: tuple[list[str], bytes], tmp_path: Path
) -> None:
    chance = random.Random(f"{victim} {number}")
    node = cluster.add_node(num_cpus=2) if victim == "node" else None
    remove_node = lambda: cluster.remove_node(node, allow_graceful=False)  # noqa: E731
    out_folder = tmp_path / "0"
    child = started(cluster, rows, out_folder)
    longest = 8.0
    while not struck(child, victim, chance.uniform(0, longest), remove_node):
        # The run was faster than the kill: another one, and earlier.
        child.communicate(timeout=600)
        longest /= 2
        assert longest > 0.01, "no kill strikes"
        out_folder = tmp_path / str(longest)
        child = started(cluster, rows, out_folder)
    whole = {path: path.stat().st_mtime_ns for path in out_folder.glob("vectors-*")}
    out, _ = child.communicate(timeout=600)
    if victim != "driver" and child.returncode == 0:
        # Ray writes about the node there too, also behind the number.
        assert str(FILLED) in out.splitlines()
    else:
        # A data set whose blocks went with a node may be lost as a whole: the same call goes on.
        again = started(cluster, rows, out_folder)
        assert str(FILLED) in again.communicate(timeout=600)[0].splitlines()
    assert in_order(pq.read_table(out_folder), "embedding") == expected
    left = {path: path.stat().st_mtime_ns for path in whole if path.exists()}
    assert left == whole
