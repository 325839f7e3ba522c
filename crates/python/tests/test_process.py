"""What a process may do with a model: threads, forks, pickles, Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import FIXTURES, TINY, edge_cases

from mpnet_burn import CrossEncoder, Index, SentenceTransformer

# A child that waits for threads which it does not have waits for ever.
PATIENCE = 60.0


def in_child(model: SentenceTransformer, expected: bytes) -> int:
    """Forks, and encodes in the child too: 0 if it gets the same vectors."""
    child = os.fork()
    if child == 0:
        same = model.encode(edge_cases()).tobytes() == expected
        os._exit(0 if same else 1)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_model_survives_a_fork(threads: int | None) -> None:
    model = SentenceTransformer(TINY, threads=threads)
    expected = model.encode(edge_cases()).tobytes()
    assert in_child(model, expected) == 0
    # The parent's threads are still its own.
    assert model.encode(edge_cases()).tobytes() == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_model_is_loaded_in_a_forked_pool() -> None:
    model = SentenceTransformer(TINY)
    expected = model.encode(edge_cases())
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        for vectors in pool.map(model.encode, [edge_cases()] * 4, timeout=PATIENCE):
            assert np.array_equal(vectors, expected)


def test_a_pickle_has_the_settings_and_loads_when_it_is_used() -> None:
    model = SentenceTransformer(TINY, precision="int8", threads=1, prompts={"title": "title: "}, truncate_dim=8)
    pickled = pickle.dumps(model)
    assert len(pickled) < 1000
    copy = pickle.loads(pickled)
    assert copy._loaded._model is None
    assert (copy.prompts, copy.truncate_dim) == (model.prompts, 8)
    assert np.array_equal(copy.encode("kettle", prompt_name="title"), model.encode("kettle", prompt_name="title"))
    assert copy.precision == "int8"
    reranker = CrossEncoder(str(FIXTURES / "rerankers/bert"))
    pair = ("bottle", "insulated bottle")
    assert pickle.loads(pickle.dumps(reranker)).predict(pair) == reranker.predict(pair)


def test_other_threads_run_meanwhile(model: SentenceTransformer) -> None:
    counted, stop = 0, threading.Event()

    def count() -> None:
        nonlocal counted
        while not stop.wait(0.001):
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    before, start = counted, time.monotonic()
    model.encode(edge_cases() * 100)
    seconds, ticks = time.monotonic() - start, counted - before
    stop.set()
    thread.join()
    # A thread that waits for the interpreter's lock counts nothing. A busy machine wakes it late.
    assert ticks > 20 * seconds, (ticks, seconds)


def test_threads_may_share_a_model(model: SentenceTransformer) -> None:
    expected = model.encode(edge_cases())
    results: list[bool] = []
    work = lambda: results.append(np.array_equal(model.encode(edge_cases()), expected))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def own_threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not list threads")
def test_a_model_of_one_thread_computes_with_no_other(tmp_path: Path) -> None:
    # In a process of its own: in this one the threads of all models run already.
    child = multiprocessing.get_context("spawn").Process(target=computes_with_one_thread, args=(tmp_path,))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 0


def computes_with_one_thread(folder: Path) -> None:
    model = SentenceTransformer(TINY, threads=1)
    vectors = model.encode(edge_cases())
    before = own_threads()
    model.similarity(vectors, vectors)
    model.similarity_pairwise(vectors, vectors)
    assert own_threads() == before
    index = Index.build(folder / "index", model, ["a", "b"], ["red kettle", "blue mug"])
    index.search(["kettle", "mug"])
    Index.open(folder / "index", threads=1).search("kettle", mode="words")
    # One for each index.
    assert own_threads() <= before + 2


ENDLESS = """
import signal
import sys
# A job in the background of a shell begins with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from mpnet_burn import SentenceTransformer
model = SentenceTransformer(sys.argv[1])
texts = ["kettle " * 40] * 1_000_000
print("ready", flush=True)
try:
    model.encode(texts)
except KeyboardInterrupt:
    model.encode("kettle")
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="another program cannot be sent a Ctrl-C there")
def test_ctrl_c_ends_it_between_batches() -> None:
    program = [sys.executable, "-c", ENDLESS, TINY]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(3)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        try:
            out, _ = child.communicate(timeout=PATIENCE)
        finally:
            child.kill()
    assert (out, child.returncode) == ("interrupted\n", 0)


def test_an_array_owns_the_memory_it_was_computed_in(model: SentenceTransformer) -> None:
    vectors = model.encode(["kettle", "mug"])
    assert not vectors.flags.owndata and type(vectors.base).__name__ == "PySliceContainer"
    assert vectors.flags.c_contiguous
    vectors[0, 0] = 1.0


def test_progress_is_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    model = SentenceTransformer(TINY)
    model.encode(edge_cases() * 100, show_progress_bar=True)
    shown = capsys.readouterr().err
    assert shown.startswith("\r") and shown.endswith("\r6500 of 6500\n")
