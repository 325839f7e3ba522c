"""What the tests share: the tiny models of crates/model, and the program `infer` of the same build."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mpnet_burn import SentenceTransformer

PROJECT = Path(__file__).resolve().parents[3]
FIXTURES = PROJECT / "crates/model/tests/fixtures"
TINY = str(FIXTURES / "tiny-mpnet")

# Vectors and scores of PyTorch; the order of sums differs.
TOLERANCE = 1e-5


def fixture(path: str) -> Any:
    """A JSON file of the tests of crates/model."""
    return json.loads((FIXTURES / path).read_text(encoding="utf-8"))


def reference() -> Any:
    """What sentence-transformers answered: see reference.py."""
    return json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))


def edge_cases() -> list[str]:
    """65 texts: empty, long, repeated, and in many scripts."""
    texts: list[str] = fixture("tiny_tokens.json")["texts"]
    assert len(texts) == 65
    return texts


def rows_of_files() -> list[str]:
    """Those of them that `infer embed` does not leave out, as it does rows without a text."""
    texts = [text for text in edge_cases() if text.strip()]
    assert len(texts) == 63
    return texts


@pytest.fixture(scope="session")
def model() -> SentenceTransformer:
    return SentenceTransformer(TINY)


@pytest.fixture(scope="session")
def infer() -> str:
    """The program, which `.ci/python` builds before the tests."""
    program = os.environ.get("MPNET_BURN_INFER")
    if program is None:
        pytest.skip("MPNET_BURN_INFER does not name the program infer")
    return program


def run(program: str, *arguments: str) -> str:
    """Standard output of a program that must succeed."""
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def embedded(program: str, folder: Path, texts: list[str], *options: str) -> NDArray[np.float32]:
    """The vectors of `infer embed`."""
    rows, output = folder / "texts.jsonl", folder / "vectors.npy"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    output.unlink(missing_ok=True)
    given = ["--input", str(rows), "--column", "text", "--output", str(output), "--model", TINY, "--offline"]
    run(program, "embed", *given, *options)
    vectors: NDArray[np.float32] = np.load(output)
    return vectors
