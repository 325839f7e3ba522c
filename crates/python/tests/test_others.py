"""Projects of the Python world that take the package in the place of sentence-transformers. Part of the long checks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import TINY

import mpnet_burn
from mpnet_burn import SentenceTransformer

TEXTS = ["insulated steel bottle for hikers", "smart speaker with alarm clock", "slim Bluetooth keyboard for tablets"]


@pytest.fixture
def in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", mpnet_burn)


def test_langchain_embeds(in_its_place: None) -> None:
    langchain = pytest.importorskip("langchain_huggingface")
    embeddings = langchain.HuggingFaceEmbeddings(model_name=TINY, encode_kwargs={"normalize_embeddings": True})
    model = SentenceTransformer(TINY)
    assert np.array_equal(embeddings.embed_documents(TEXTS), model.encode_document(TEXTS).tolist())
    assert np.array_equal(embeddings.embed_query(TEXTS[0]), model.encode_query(TEXTS[0]).tolist())


def test_langchain_searches(in_its_place: None) -> None:
    langchain = pytest.importorskip("langchain_huggingface")
    stores = pytest.importorskip("langchain_core.vectorstores")
    store = stores.InMemoryVectorStore.from_texts(TEXTS, langchain.HuggingFaceEmbeddings(model_name=TINY))
    assert store.similarity_search(TEXTS[1], k=1)[0].page_content == TEXTS[1]


def test_keybert_finds_keywords() -> None:
    keybert = pytest.importorskip("keybert")
    backend = pytest.importorskip("keybert.backend")
    model = SentenceTransformer(TINY)

    class Embedder(backend.BaseEmbedder):  # type: ignore[misc, name-defined]
        def embed(self, documents: list[str], verbose: bool = False) -> object:
            return model.encode(documents, show_progress_bar=verbose)

    keywords = keybert.KeyBERT(model=Embedder()).extract_keywords(TEXTS[0], top_n=2)
    assert len(keywords) == 2
    words = [word for word, _ in keywords]
    scores = model.similarity(model.encode(words), model.encode(TEXTS[0]))[:, 0]
    assert scores.tolist() == pytest.approx([score for _, score in keywords], abs=1e-4)


def test_daft_embeds() -> None:
    daft = pytest.importorskip("daft")

    @daft.cls
    class Encoder:
        def __init__(self) -> None:
            self.model = SentenceTransformer(TINY)

        @daft.method.batch(return_dtype=daft.DataType.embedding(daft.DataType.float32(), 32))
        def __call__(self, texts: object) -> object:
            return self.model.encode(texts)

    table = daft.from_pydict({"title": TEXTS}).with_column("embedding", Encoder()(daft.col("title"))).to_pydict()
    assert np.array_equal(np.array(table["embedding"]), SentenceTransformer(TINY).encode(TEXTS))
