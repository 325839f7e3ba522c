"""Writes reference.json beside this script: what sentence-transformers answers to the keywords of `encode`.

usage: python reference.py
needs: sentence-transformers==5.7.0

The model is the tiny one of crates/model/tests/fixtures. What depends on settings of a model is in settings.json there.
"""

import json
from pathlib import Path

import sentence_transformers
from sentence_transformers import CrossEncoder, SentenceTransformer

assert sentence_transformers.__version__ == "5.7.0", sentence_transformers.__version__

HERE = Path(__file__).parent
FIXTURES = HERE / "../../model/tests/fixtures"
TEXTS = ["high end water bottle", "insulated steel bottle", "", "smart speaker with alarm clock", "Café ☕ 東京"]
CALLS = {
    "truncated": {"truncate_dim": 8},
    "truncated and normalized": {"truncate_dim": 8, "normalize_embeddings": True},
    "prompt": {"prompt": "title: "},
    "more dimensions than there are": {"truncate_dim": 1000},
}


def main() -> None:
    model = SentenceTransformer(str(FIXTURES / "tiny-mpnet"), device="cpu")
    vectors = {name: model.encode(TEXTS, **keywords).tolist() for name, keywords in CALLS.items()}
    tokens = model.preprocess(TEXTS)
    bottles = model.encode(TEXTS)
    similarity = {}
    for measure in ("cosine", "dot", "euclidean", "manhattan"):
        model.similarity_fn_name = measure
        similarity[measure] = model.similarity(bottles, bottles[:2]).tolist()
    reranker = CrossEncoder(str(FIXTURES / "rerankers/bert"), device="cpu")
    rank = reranker.rank(TEXTS[0], TEXTS[1:], return_documents=True)
    answers = {
        "texts": TEXTS,
        "calls": CALLS,
        "vectors": vectors,
        "input_ids": tokens["input_ids"].tolist(),
        "attention_mask": tokens["attention_mask"].tolist(),
        "similarity": similarity,
        "rank": [{**hit, "score": float(hit["score"])} for hit in rank],
        "single_score": float(reranker.predict([TEXTS[0], TEXTS[1]])),
    }
    (HERE / "reference.json").write_text(json.dumps(answers) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
