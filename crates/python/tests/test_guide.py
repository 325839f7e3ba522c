"""The blocks of the guide "From Python", as a reader would run them, on the tiny models.

A comment before a block says that it is run; packages behind `test: python` must be there, or it is not.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, PROJECT, TINY

GUIDE = PROJECT / "docs/src/guides/python.md"
BLOCK = re.compile(r"<!-- test: python ?(?P<packages>[^>]*?) -->\n```python\n(?P<code>.*?)```", re.DOTALL)
MODELS = {
    "all-mpnet-base-v2": TINY,
    "cross-encoder/ms-marco-MiniLM-L6-v2": str(FIXTURES / "rerankers/bert"),
}


def test_the_blocks_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets").symlink_to(PROJECT / "datasets")
    monkeypatch.chdir(tmp_path)
    # A block puts the package in the place of another.
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    names: dict[str, Any] = {}
    blocks = list(BLOCK.finditer(GUIDE.read_text(encoding="utf-8")))
    assert len(blocks) >= 5
    for block in blocks:
        code = block["code"]
        if not all(importlib.util.find_spec(package) for package in block["packages"].split()):
            continue
        for model, folder in MODELS.items():
            code = code.replace(f'"{model}"', repr(folder))
        with contextlib.redirect_stdout(None):
            exec(compile(code, str(GUIDE), "exec"), names)
    index = names["index"]
    assert len(index) == len(names["rows"])
    assert index.search("trail running shoes", 1, mode="words")[0].id == "new-1"
