"""Scores of pairs: those of sentence-transformers."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import FIXTURES, TOLERANCE, fixture, reference

from mpnet_burn import CrossEncoder

BERT = str(FIXTURES / "rerankers/bert")


@pytest.mark.parametrize("name", ["bert", "distilbert", "mpnet", "roberta", "xlm-roberta"])
def test_scores_are_those_of_sentence_transformers(name: str) -> None:
    expected = fixture(f"rerankers/{name}.json")
    reranker = CrossEncoder(str(FIXTURES / "rerankers" / name), device="cpu")
    scores = reranker.predict(expected["pairs"])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected["scores"], atol=TOLERANCE, rtol=0)


def test_one_pair_has_one_score() -> None:
    reranker, expected = CrossEncoder(BERT), reference()
    pair = expected["texts"][:2]
    for single in (pair, tuple(pair), np.array(pair)):
        score = reranker.predict(single)
        assert isinstance(score, np.float32)
        assert score == pytest.approx(expected["single_score"], abs=TOLERANCE)
    assert reranker.predict([]).shape == (0,)


def test_documents_are_ranked_as_in_sentence_transformers() -> None:
    reranker, expected = CrossEncoder(BERT), reference()
    query, *documents = expected["texts"]
    hits = reranker.rank(query, documents, return_documents=True)
    assert [(hit["corpus_id"], hit["text"]) for hit in hits] == [(hit["corpus_id"], hit["text"]) for hit in expected["rank"]]
    assert [hit["score"] for hit in hits] == pytest.approx([hit["score"] for hit in expected["rank"]], abs=TOLERANCE)
    assert reranker.rank(query, documents, top_k=2) == [{k: hit[k] for k in ("corpus_id", "score")} for hit in hits[:2]]
    assert reranker.rank(query, []) == []


def test_settings() -> None:
    reranker = CrossEncoder(BERT, precision="int8", max_length=20)
    assert (reranker.precision, reranker.max_length, reranker.max_seq_length, reranker.num_labels) == ("int8", 20, 20, 1)
    reranker.max_seq_length = 30
    assert reranker.max_length == 30
    with pytest.raises(ValueError):
        reranker.max_seq_length = 1
    assert reranker.max_length == 30


def test_what_is_no_pair_is_an_error() -> None:
    reranker = CrossEncoder(BERT)
    with pytest.raises(ValueError, match="item 0 is no pair"):
        reranker.predict(["only one text"])
    with pytest.raises(TypeError, match="text 0 is a int, not a str"):
        reranker.predict([("query", 3)])
    with pytest.raises(OSError):
        CrossEncoder(str(FIXTURES / "tiny-mpnet"))
