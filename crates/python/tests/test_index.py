"""An index: that of the program, whoever of both writes or asks it."""

from __future__ import annotations

import csv
import json
import pickle
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIXTURES, PROJECT, TINY, run

from mpnet_burn import Hit, Index, SentenceTransformer
from mpnet_burn._index import Mode

MODES: tuple[Mode, ...] = ("hybrid", "meaning", "words")
QUERIES = ["gift for a runner", "water bottle", "478578"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    with (PROJECT / "datasets/products.tsv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file, delimiter="\t"))
    for number, row in enumerate(rows):
        # A blank description is left out of the text that is embedded.
        row["description"] = "" if number % 5 == 0 else row["description"]
        row["price"] = None if number % 7 == 0 else 10.5 * number
        row["new"] = number % 2 == 0
    return rows


def columns(rows: list[dict[str, Any]], *names: str) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}


def build(folder: Path, model: SentenceTransformer, rows: list[dict[str, Any]]) -> Index:
    texts, values = columns(rows, "title", "description"), columns(rows, "price", "new")
    return Index.build(folder, model, [row["id"] for row in rows], texts, values)


def asked(infer: str, folder: Path, query: str, *options: str) -> list[tuple[str, float]]:
    """Ids and scores of the program."""
    answer = json.loads(run(infer, "search", query, "--index", str(folder), "--json", "-k", "5", "--offline", *options))
    return [(hit["id"], hit["score"]) for hit in answer["hits"]]


def found(hits: list[Hit]) -> Any:
    return [(hit.id, pytest.approx(hit.score, abs=0, rel=1e-7)) for hit in hits]


def test_an_index_is_that_of_the_program(
    tmp_path: Path, infer: str, model: SentenceTransformer, rows: list[dict[str, Any]]
) -> None:
    corpus = tmp_path / "products.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = ["--column", "title", "--column", "description", "--id-column", "id", "--model", TINY, "--offline"]
    filters = ["--filter-column", "price:number", "--filter-column", "new:boolean"]
    theirs = tmp_path / "theirs"
    run(infer, "index", "build", "--corpus", str(corpus), "--output", str(theirs), *given, *filters)
    ours = tmp_path / "ours"
    index = build(ours, model, rows)
    assert len(index) == len(rows)
    for query in QUERIES:
        for mode in MODES:
            expected = asked(infer, theirs, query, "--mode", mode)
            assert expected == asked(infer, ours, query, "--mode", mode)
            assert expected == found(index.search(query, 5, mode=mode)), (query, mode)
            assert expected == found(Index.open(theirs).search(query, 5, mode=mode)), (query, mode)
    # The program adds what is new, to an index of ours, and nothing is.
    told = run(infer, "index", "info", str(ours), "--json")
    run(infer, "index", "add", str(ours), "--corpus", str(corpus), "--offline")
    assert run(infer, "index", "info", str(ours), "--json") == told


def test_searches(tmp_path: Path, model: SentenceTransformer, rows: list[dict[str, Any]]) -> None:
    index = build(tmp_path / "index", model, rows)
    cheap = index.search("bottle", 100, filter="price < 50 AND new = true", sort="-price", mode="meaning")
    prices = [hit.values["price"] for hit in cheap]
    assert prices == sorted((row["price"] for row in rows if row["new"] and row["price"] and row["price"] < 50), reverse=True)
    first, second = index.search(["bottle", "runner"], 3)
    assert (first, second) == (index.search("bottle", 3), index.search("runner", 3))
    assert index.search("bottle", 2, offset=1) == index.search("bottle", 3)[1:]
    row = next(row for row in rows if row["id"] == first[0].id)
    assert first[0].texts == {name: row[name] for name in ("title", "description")}
    assert first[0].values == {"price": row["price"], "new": row["new"]}
    assert index.search([]) == []
    with pytest.raises(ValueError, match="there is no filter column `colour`"):
        index.search("bottle", sort="colour")
    with pytest.raises(ValueError, match="the mode `sense` is unknown"):
        index.search("bottle", mode="sense")  # type: ignore[call-overload]


def test_rows_are_added_replaced_and_removed(tmp_path: Path, model: SentenceTransformer) -> None:
    index = Index.build(tmp_path / "index", model, [1, 2, 3], ["red kettle", "blue mug", " "], language="none")
    assert len(index) == 2
    other = Index.open(tmp_path / "index")
    assert index.add([2, 4], ["blue mug", "green jug"]) == 1
    assert index.add([1], ["black kettle"]) == 1
    assert len(other) == 3
    assert [hit.texts for hit in other.search("kettle", 1, mode="words")] == [{"text": "black kettle"}]
    assert other.remove([1, 9]) == 1
    assert index.search("kettle", mode="words") == []
    # A second call of `build` goes on.
    again = Index.build(tmp_path / "index", model, [4, 5], ["green jug", "tall glass"], language="none")
    assert len(again) == 3
    copy = pickle.loads(pickle.dumps(again))
    assert copy.search("jug", 1) == again.search("jug", 1)


def test_kinds_of_values(tmp_path: Path, model: SentenceTransformer) -> None:
    values = {
        "day": [None, date(2026, 11, 29)],
        "brand": ["Acme", None],
        "size": [float("nan"), 3],
        "part": ["X-1", "Y-2"],
    }
    index = Index.build(tmp_path / "index", model, ["a", "b"], ["red kettle", "mug"], values, kinds={"part": "key"})
    assert index.search("y-2", 1)[0].values == {"day": "2026-11-29", "brand": None, "size": 3.0, "part": "Y-2"}
    assert [hit.id for hit in index.search("mug", filter="day > 2026-01-01")] == ["b"]
    with pytest.raises(ValueError, match="row `c`, column `size`"):
        index.add(["c"], ["jug"], {"day": [None], "brand": [None], "size": ["large"], "part": [None]})


def test_rows_come_from_many_kinds_of_columns(tmp_path: Path, model: SentenceTransformer) -> None:
    class Frame:
        """As a data frame of pandas: columns by their names."""

        def __init__(self, **columns: Any) -> None:
            self.columns, self.given = list(columns), columns

        def __getitem__(self, name: str) -> Any:
            return self.given[name]

    class NAType:
        """As the missing value of pandas, which is neither true nor false."""

        def __bool__(self) -> bool:
            raise TypeError("boolean value of NA is ambiguous")

        def __ne__(self, other: object) -> Any:
            return self

    texts = Frame(title=["red kettle", None, "mug"], more=["of steel", NAType(), float("nan")])
    values = Frame(price=[NAType(), Decimal("2.5"), 3], day=np.array(["NaT", "2026-11-29", "2026-11-30"], "datetime64[ns]"))
    # Iterators can be read once.
    index = Index.build(tmp_path / "index", model, iter(["a", "b", "c"]), texts, values)
    assert len(index) == 2
    hit = index.search("mug", 1, mode="words")[0]
    assert hit.texts == {"title": "mug", "more": ""}
    assert hit.values["price"] == 3 and str(hit.values["day"]).startswith("2026-11-30")
    # A later batch has no value of a column.
    again = Frame(price=[None], day=[None])
    assert len(Index.build(tmp_path / "index", model, ["d"], Frame(title=["jug"], more=[""]), again)) == 3
    wrongs: list[Any] = ["12", b"12", {"12": 1}, texts]
    for wrong in wrongs:
        with pytest.raises(TypeError, match="is needed"):
            index.remove(wrong)
    assert len(index) == 3
    with pytest.raises(TypeError, match="row e, column title: a text is a str, not a int"):
        index.add(["e"], {"title": [7], "more": [""]}, {"price": [1], "day": [None]})
    with pytest.raises(ValueError, match="column text has 1 rows for 2 ids"):
        Index.build(tmp_path / "none", model, ["a", "b"], ["kettle"])
    assert not (tmp_path / "none").exists()


def test_vectors_of_two_models_are_never_together(tmp_path: Path, model: SentenceTransformer, infer: str) -> None:
    folder = tmp_path / "index"
    own = SentenceTransformer(TINY)
    index = Index.build(folder, own, ["a"], ["red kettle"])
    own.max_seq_length = 8
    with pytest.raises(ValueError, match="length"):
        index.search("kettle")
    with pytest.raises(ValueError, match="length"):
        index.add(["b"], ["mug"])
    opened = Index.open(folder, model)
    assert len(opened.search("kettle")) == 1
    run(infer, "index", "rebuild", str(folder), "--precision", "int8", "--offline")
    with pytest.raises(ValueError, match="precision"):
        opened.search("kettle")
    with pytest.raises(ValueError, match="precision"):
        opened.add(["b"], ["mug"])


def test_impossible_calls_are_errors(tmp_path: Path, model: SentenceTransformer) -> None:
    with pytest.raises(OSError, match="holds no index"):
        Index.open(tmp_path / "nothing")
    Index.build(tmp_path / "index", model, [], [])
    with pytest.raises(ValueError, match="no column colour"):
        Index.build(tmp_path / "other", model, ["a"], ["kettle"], kinds={"colour": "text"})
    with pytest.raises(ValueError, match="prompts and the dimensions of its files"):
        Index.build(tmp_path / "other", SentenceTransformer(TINY, truncate_dim=8), ["a"], ["kettle"])
    index = Index.open(tmp_path / "index")
    with pytest.raises(ValueError, match="text columns"):
        index.add(["a"], {"title": ["kettle"]})
    with pytest.raises(ValueError, match="precision"):
        Index.open(tmp_path / "index", SentenceTransformer(TINY, precision="int8"))
    with pytest.raises(ValueError, match="files"):
        Index.open(tmp_path / "index", SentenceTransformer(str(FIXTURES / "architectures/bert")))
    with pytest.raises(ValueError, match="another language"):
        Index.build(tmp_path / "index", model, ["a"], ["kettle"], language="german")
