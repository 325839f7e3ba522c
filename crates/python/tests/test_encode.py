"""Vectors: those of the program bit for bit, and those of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIXTURES, TINY, TOLERANCE, edge_cases, embedded, fixture, reference, rows_of_files

import mpnet_burn
from mpnet_burn import SentenceTransformer, quantize_embeddings


@pytest.mark.parametrize("precision", ["f32", "int8", "bf16"])
def test_vectors_are_those_of_the_program_bit_for_bit(precision: str, infer: str, tmp_path: Path) -> None:
    model = SentenceTransformer(TINY, precision=precision, device="cpu")
    vectors = model.encode(rows_of_files())
    assert vectors.dtype == np.float32 and vectors.shape == (63, 32)
    expected = embedded(infer, tmp_path, rows_of_files(), "--precision", precision, "--device", "cpu")
    assert np.array_equal(vectors, expected)
    assert model.precision == precision and model.device == "cpu"


def test_options_are_those_of_the_program_bit_for_bit(model: SentenceTransformer, infer: str, tmp_path: Path) -> None:
    texts = rows_of_files()
    cut = model.encode(texts, truncate_dim=8, normalize_embeddings=True)
    assert np.array_equal(cut, embedded(infer, tmp_path, texts, "--dimensions", "8"))
    prompted = model.encode(texts, prompt="title: ")
    assert np.array_equal(prompted, embedded(infer, tmp_path, texts, "--prompt", "title: "))
    short = SentenceTransformer(TINY, max_seq_length=10).encode(texts)
    assert np.array_equal(short, embedded(infer, tmp_path, texts, "--max-length", "10"))
    one_thread = SentenceTransformer(TINY, threads=1).encode(texts)
    assert np.array_equal(one_thread, model.encode(texts))


@pytest.mark.parametrize("name", list(reference()["calls"]))
def test_keywords_are_those_of_sentence_transformers(name: str, model: SentenceTransformer) -> None:
    expected = reference()
    vectors = model.encode(expected["texts"], **expected["calls"][name])
    np.testing.assert_allclose(vectors, expected["vectors"][name], atol=TOLERANCE, rtol=0)


def with_settings(folder: Path, changes: dict[str, Any]) -> str:
    """The tiny model with a JSON merge patch (RFC 7396) for each file."""

    def merged(old: Any, patch: Any) -> Any:
        if not isinstance(patch, dict):
            return patch
        result = dict(old) if isinstance(old, dict) else {}
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(result.get(key), value)
        return result

    shutil.copytree(TINY, folder)
    for name, patch in changes.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(merged(old, patch)), encoding="utf-8")
    return str(folder)


SETTINGS = fixture("settings.json")
PROMPT_CASES = [name for name, case in SETTINGS["cases"].items() if "vectors" in case and not case.get("remove")]


@pytest.mark.parametrize("name", PROMPT_CASES)
def test_settings_of_models_are_those_of_sentence_transformers(name: str, tmp_path: Path) -> None:
    case, texts = SETTINGS["cases"][name], SETTINGS["texts"]
    model = SentenceTransformer(with_settings(tmp_path / "model", case["merge"]))
    expected = np.array(case["vectors"]).reshape(len(texts), -1)
    np.testing.assert_allclose(model.encode(texts), expected, atol=TOLERANCE, rtol=0)
    for side, encode in {"query": model.encode_query, "document": model.encode_document}.items():
        of_side = np.array(case.get(side, case["vectors"])).reshape(len(texts), -1)
        np.testing.assert_allclose(encode(texts), of_side, atol=TOLERANCE, rtol=0)
    assert model.get_embedding_dimension() == model.get_sentence_embedding_dimension() == case["width"]
    assert model.max_seq_length == model.get_max_seq_length() == case["max_seq_length"]
    assert model.similarity_fn_name == case["similarity"]
    assert model.prompts == case["prompts"]


def test_a_model_with_a_router_has_two_sides() -> None:
    model = SentenceTransformer(str(FIXTURES / "router"))
    query, document = model.encode_query("red kettle"), model.encode_document("red kettle")
    assert query.shape == document.shape and not np.allclose(query, document)
    # The route is that of queries, whatever the prompt.
    assert np.array_equal(model.encode_query("red kettle", prompt=model.prompts["query"]), query)


def test_every_collection_of_texts_gives_the_same(model: SentenceTransformer) -> None:
    texts = ["kettle", "mug", ""]
    expected = model.encode(texts)
    for other in (tuple(texts), np.array(texts), np.array(texts, dtype=object), iter(texts), dict.fromkeys(texts).keys()):
        assert np.array_equal(model.encode(other), expected), type(other)
    single = model.encode("kettle")
    assert single.shape == (32,) and np.array_equal(single, expected[0])
    assert model.encode([]).shape == (0, 32)
    # Its items are names, and not what it holds.
    with pytest.raises(TypeError, match="a column is needed, not a dict"):
        model.encode({"title": texts})
    with pytest.raises(TypeError, match="text 1 is a float, not a str"):
        model.encode(["kettle", float("nan")])
    with pytest.raises(UnicodeEncodeError):
        model.encode(["\ud800"])


def test_prompts_of_the_caller() -> None:
    model = SentenceTransformer(TINY, prompts={"title": "title: "}, default_prompt_name="title")
    assert model.prompts == {"query": "", "document": "", "title": "title: "}
    expected = model.encode("kettle", prompt="title: ")
    assert np.array_equal(model.encode("kettle"), expected)
    assert np.array_equal(model.encode("kettle", prompt_name="title"), expected)
    assert np.array_equal(model.encode_query("kettle"), model.encode("kettle", prompt=""))
    with pytest.raises(ValueError, match="Prompt name 'quarry' not found"):
        model.encode("kettle", prompt_name="quarry")
    with pytest.raises(ValueError, match="Default prompt name 'quarry' not found"):
        SentenceTransformer(TINY, default_prompt_name="quarry")


def test_dimensions_of_the_model_and_of_a_context(model: SentenceTransformer) -> None:
    texts = ["kettle", "mug"]
    cut = SentenceTransformer(TINY, truncate_dim=8)
    assert cut.get_embedding_dimension() == 8
    assert np.array_equal(cut.encode(texts), model.encode(texts)[:, :8])
    with model.truncate_embeddings(4):
        assert model.encode(texts).shape == (2, 4)
    assert model.encode(texts).shape == (2, 32)


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"batch_size": 0}, ValueError),
        ({"precision": "int4"}, ValueError),
        ({"output_value": "token_embeddings"}, ValueError),
        ({"truncate_dim": 0}, ValueError),
        ({"device": "cuda"}, ValueError),
        ({"chunk_size": 3}, TypeError),
    ],
)
def test_impossible_keywords_are_errors(keywords: Any, error: type[Exception], model: SentenceTransformer) -> None:
    with pytest.raises(error):
        model.encode("kettle", **keywords)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"precision": "int4"}, ValueError, "int4"),
        ({"threads": 0}, ValueError, "threads: `0` is not a number from 1 to 1024"),
        ({"device": "tpu"}, ValueError, "`tpu` is not a device"),
        ({"max_seq_length": 10_000}, ValueError, "10000"),
        ({"cache_folder": "models"}, ValueError, "HF_HOME"),
        ({"trust_remote_code": True}, ValueError, "never run"),
        ({"backend": "onnx"}, TypeError, "backend"),
    ],
)
def test_impossible_models_are_errors(keywords: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SentenceTransformer(TINY, **keywords)


def test_a_model_that_is_nowhere_is_named() -> None:
    with pytest.raises(OSError, match="no-such-model"):
        SentenceTransformer("owner/no-such-model", local_files_only=True)


def test_tokens_are_those_of_sentence_transformers(model: SentenceTransformer) -> None:
    expected = reference()
    tokens = model.preprocess(expected["texts"])
    assert tokens["input_ids"].tolist() == expected["input_ids"]
    assert tokens["attention_mask"].tolist() == expected["attention_mask"]
    assert {key: array.shape for key, array in model.tokenize([]).items()} == {
        "input_ids": (0, 0),
        "attention_mask": (0, 0),
    }
    offsets = SentenceTransformer(str(FIXTURES / "static/root")).tokenize(["red kettle", "mug"])["offsets"]
    assert offsets[0] == 0 and offsets[1] > 0


@pytest.mark.parametrize("measure", list(reference()["similarity"]))
def test_similarities_are_those_of_sentence_transformers(measure: Any) -> None:
    expected = reference()
    model = SentenceTransformer(TINY, similarity_fn_name=measure)
    vectors = model.encode(expected["texts"])
    matrix = model.similarity(vectors, vectors[:2])
    np.testing.assert_allclose(matrix, expected["similarity"][measure], atol=TOLERANCE, rtol=0)
    assert np.array_equal(model.similarity_pairwise(vectors, vectors[::-1]), model.similarity(vectors, vectors[::-1]).diagonal())
    assert model.similarity(vectors[0], vectors).shape == (1, 5)
    with pytest.raises(ValueError):
        model.similarity(vectors, vectors[:, :8])


def test_precisions_of_the_result_are_those_of_sentence_transformers(model: SentenceTransformer) -> None:
    stored = json.loads((FIXTURES / "../../../infer/tests/fixtures/quantized.json").read_text(encoding="utf-8"))
    values = np.array(stored["values"], dtype=np.float32).reshape(-1, stored["width"])
    ranges = np.array(stored["ranges"], dtype=np.float32).reshape(2, -1)
    for precision in ("int8", "uint8"):
        assert quantize_embeddings(values, precision).ravel().tolist() == stored[precision]
        narrow = quantize_embeddings(values, precision, ranges=ranges)
        assert narrow.ravel().tolist() == stored[f"{precision}_narrow"]
    for bits in ("binary", "ubinary"):
        assert quantize_embeddings(values, bits).ravel().tolist() == stored[bits]
    texts = edge_cases()
    assert np.array_equal(model.encode(texts, precision="uint8"), quantize_embeddings(model.encode(texts), "uint8"))
    assert model.encode("kettle", precision="binary").shape == (4,)
    assert np.array_equal(quantize_embeddings(model.encode("kettle"), "binary"), model.encode("kettle", precision="binary"))
    assert model.encode([], precision="binary").shape == (0, 4)
    assert np.array_equal(model.encode(sentences=["kettle"]), model.encode(["kettle"]))
    assert model.encode([], precision="int8").dtype == np.int8
    with pytest.raises(ValueError, match="a single vector has none"):
        model.encode("kettle", precision="int8")
    with pytest.raises(ValueError, match="not int8 or uint8"):
        quantize_embeddings(np.zeros((2, 2), dtype=np.int8), "binary")


def test_the_version_is_that_of_the_programs() -> None:
    assert mpnet_burn.__version__ == "0.1.0"
