"""`SentenceTransformer`: texts into vectors, with the arguments of sentence-transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnet_burn import _native
from mpnet_burn._loading import Loaded, settings
from mpnet_burn._quantization import OutputPrecision, check_precision, quantize_embeddings
from mpnet_burn._texts import as_list, as_tensor, check_batch_size, check_device, counter

if TYPE_CHECKING:
    from typing_extensions import Unpack

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]


class EncodeOptions(TypedDict, total=False):
    """The keywords of :meth:`SentenceTransformer.encode` that do not concern prompts."""

    sentences: Any
    """The older name of ``inputs``."""
    batch_size: int
    """No vector depends on it."""
    show_progress_bar: bool | None
    """Whether to count the texts on standard error."""
    output_value: Literal["sentence_embedding"]
    """Only vectors of whole texts are possible."""
    precision: OutputPrecision
    """The precision of the result, as of :func:`mpnet_burn.quantize_embeddings`."""
    convert_to_numpy: bool
    """Without it, the result is a list of tensors."""
    convert_to_tensor: bool
    """The result is a tensor of PyTorch, if that is installed."""
    device: object
    """The device of the model, or none: it cannot be changed here."""
    normalize_embeddings: bool
    """Scale vectors to length 1. Many models do so in any case."""
    truncate_dim: int | None
    """The number of dimensions to keep, in the place of that of the model."""


class SentenceTransformer:
    """A model that turns texts into vectors.

    It has the arguments and the results of sentence-transformers 5.7, with these differences: arrays of numpy come in
    the place of tensors; ``batch_size`` changes neither vectors nor memory; an empty list gives an array ``[0, width]``;
    an argument that is not known is an error. The interpreter's lock is released while vectors are computed, and Ctrl-C
    ends that. A copy in another process, forked or by pickle, computes with threads of its own; the model is loaded
    there when it is first used.

    :param model_name_or_path: A folder that sentence-transformers or mpnet-burn wrote, ``static``, or a name on the
        Hugging Face hub. A name without an owner is one of ``sentence-transformers``.
    :param precision: The precision of the weights: ``f32``, ``bf16``, ``f16`` or ``int8``. Unless given, that of the
        model's files. The precision of the returned vectors is an argument of :meth:`encode`.
    :param threads: The threads of this model alone. Unless given, all such models share as many as there are cores.
    :param device: ``cpu``, ``auto``, or another device for which the package was built.
    :param prompts: Prompts by their names, in addition to those of the model.
    :param default_prompt_name: The prompt of :meth:`encode`, unless it is given another one.
    :param similarity_fn_name: The measure of :meth:`similarity`; unless given, that of the model.
    :param truncate_dim: The number of dimensions to keep.
    :param revision: A branch, tag or commit on the hub.
    :param local_files_only: Use no network.
    :param max_seq_length: Maximum tokens of a text; unless given, that of the model.
    :raises ValueError: For an argument that is not possible.
    :raises OSError: When the model cannot be found, fetched or read.
    """

    def __init__(
        self,
        model_name_or_path: str = _native.DEFAULT_MODEL,
        *,
        precision: str | None = None,
        threads: int | None = None,
        device: object = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: Similarity | None = None,
        truncate_dim: int | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        max_seq_length: int | None = None,
        cache_folder: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        found = settings(
            model_name_or_path,
            precision=precision,
            threads=threads,
            device=device,
            revision=revision,
            offline=local_files_only,
            max_length=max_seq_length,
            cache_folder=cache_folder,
            trust_remote_code=trust_remote_code,
        )
        self._loaded = Loaded(_native.Encoder, found)
        model = self._loaded.model()
        self.prompts: dict[str, str] = {**model.prompts, **(prompts or {})}
        self.default_prompt_name = default_prompt_name or model.default_prompt_name
        if self.default_prompt_name is not None and self.default_prompt_name not in self.prompts:
            raise ValueError(
                f"Default prompt name '{self.default_prompt_name}' not found in the configured prompts dictionary "
                f"with keys {list(self.prompts)!r}."
            )
        if similarity_fn_name is not None and similarity_fn_name not in get_args(Similarity):
            raise ValueError(
                f"similarity_fn_name {similarity_fn_name!r} is not supported, must be one of {get_args(Similarity)}"
            )
        self.similarity_fn_name: str = similarity_fn_name or model.similarity
        own = model.width if model.width < model.full_width else None
        self.truncate_dim: int | None = truncate_dim if truncate_dim is not None else own

    def encode(
        self, inputs: Any = None, prompt_name: str | None = None, prompt: str | None = None, **options: Unpack[EncodeOptions]
    ) -> Any:
        """The vectors of texts: ``[texts, width]``, or ``[width]`` of a single ``str``.

        :param inputs: A text, or texts: a list, a tuple, an array, a column of pandas, polars or Arrow.
        :param prompt_name: The name of one of :attr:`prompts`, whose text is put before every text.
        :param prompt: A text to put before every text, whatever ``prompt_name`` says.
        :param options: The keywords of :class:`EncodeOptions`.
        :raises ValueError: For an argument that is not possible.
        :raises TypeError: For an item that is no text and for an unknown keyword.
        :raises RuntimeError: When the device fails.
        """
        return self._encode(None, inputs, self._prompt(prompt, prompt_name, ()), options)

    def encode_query(
        self, inputs: Any = None, prompt_name: str | None = None, prompt: str | None = None, **options: Unpack[EncodeOptions]
    ) -> Any:
        """The vectors of queries of a search, as :meth:`encode`: with the prompt ``query``, and the route of queries."""
        return self._encode("query", inputs, self._prompt(prompt, prompt_name, ("query",)), options)

    def encode_document(
        self, inputs: Any = None, prompt_name: str | None = None, prompt: str | None = None, **options: Unpack[EncodeOptions]
    ) -> Any:
        """The vectors of documents to search, as :meth:`encode`: with the first of the prompts ``document``, ``passage``
        and ``corpus`` that there is, and the route of documents."""
        names = ("document", "passage", "corpus")
        return self._encode("document", inputs, self._prompt(prompt, prompt_name, names), options)

    def _encode(self, task: str | None, inputs: Any, prompt: str, options: EncodeOptions) -> Any:
        if unknown := set(options) - set(EncodeOptions.__annotations__):
            raise TypeError(f"encode() got unexpected keywords: {', '.join(sorted(unknown))}")
        if inputs is None:
            inputs = options.get("sentences")
        elif "sentences" in options:
            raise TypeError("encode() got both inputs and sentences")
        if inputs is None:
            raise TypeError("encode() needs texts")
        model = self._loaded.model()
        wanted = options.get("output_value", "sentence_embedding")
        if wanted != "sentence_embedding":
            raise ValueError(f"output_value {wanted!r} is not supported, only 'sentence_embedding'")
        precision = options.get("precision", "float32")
        check_precision(precision)
        check_batch_size(options.get("batch_size", 32))
        check_device(options.get("device"), model.device)
        single = isinstance(inputs, str)
        texts = [inputs] if single else as_list(inputs)
        with counter(options.get("show_progress_bar"), len(texts)) as progress:
            vectors: NDArray[Any] = model.encode(
                texts,
                task=task,
                prompt=prompt,
                dimensions=self._dimensions(options.get("truncate_dim")),
                normalize=True if options.get("normalize_embeddings") else None,
                progress=progress,
            )
        if precision != "float32":
            vectors = quantize_embeddings(vectors, precision)
        result: Any = vectors[0] if single else vectors
        if options.get("convert_to_tensor"):
            return as_tensor(result)
        if options.get("convert_to_numpy", True):
            return result
        return as_tensor(result) if single else list(as_tensor(result))

    def _dimensions(self, asked: int | None) -> int:
        """The width of vectors for which a call asks for that many dimensions."""
        full = self._loaded.model().full_width
        kept = asked if asked is not None else self.truncate_dim
        if kept is None:
            return full
        if kept <= 0:
            raise ValueError(f"truncate_dim must be a positive integer, got {kept}.")
        return min(kept, full)

    def _prompt(self, prompt: str | None, name: str | None, of_task: tuple[str, ...]) -> str:
        """The text before every text, by the rules of sentence-transformers."""
        if prompt is not None:
            return prompt
        if name is None:
            name = next((known for known in of_task if known in self.prompts), self.default_prompt_name)
            if name is None:
                return ""
        if name not in self.prompts:
            raise ValueError(
                f"Prompt name '{name}' not found in the configured prompts dictionary with keys {list(self.prompts)!r}."
            )
        return self.prompts[name]

    def similarity(self, embeddings1: ArrayLike, embeddings2: ArrayLike) -> NDArray[np.float32]:
        """The similarity of every vector with every vector: ``[first, second]``, by :attr:`similarity_fn_name`.

        :raises ValueError: For vectors of different widths, or with values that are not finite.
        """
        first, second = _matrix(embeddings1), _matrix(embeddings2)
        # Raises MemoryError for too many vectors; a refused allocation in Rust would end the process.
        np.empty((len(first), len(second)), dtype=np.float32)
        return _native.similarity(self._loaded.model(), first, second, self.similarity_fn_name, False)

    def similarity_pairwise(self, embeddings1: ArrayLike, embeddings2: ArrayLike) -> NDArray[np.float32]:
        """The similarity of each vector with the one in its place: ``[vectors]``.

        :raises ValueError: As :meth:`similarity`, and for different numbers of vectors.
        """
        first, second = _matrix(embeddings1), _matrix(embeddings2)
        return _native.similarity(self._loaded.model(), first, second, self.similarity_fn_name, True)

    def preprocess(self, inputs: Any, prompt: str | None = None) -> dict[str, NDArray[np.int64]]:
        """The token ids of texts, truncated to :attr:`max_seq_length`: ``input_ids`` and ``attention_mask``, both
        ``[texts, longest]``. Of a static model, all ids one after the other, and the ``offsets`` of the texts in them."""
        model = self._loaded.model()
        ids, lengths = model.tokenize(as_list(inputs), prompt=prompt)
        if model.pad_token_id is None:
            return {"input_ids": ids, "offsets": np.concatenate(([0], np.cumsum(lengths)))[:-1]}
        mask = np.arange(max(lengths, default=0)) < lengths[:, None]
        padded = np.full(mask.shape, model.pad_token_id, dtype=np.int64)
        padded[mask] = ids
        return {"input_ids": padded, "attention_mask": mask.astype(np.int64)}

    def tokenize(self, texts: Any) -> dict[str, NDArray[np.int64]]:
        """The older name of :meth:`preprocess`."""
        return self.preprocess(texts)

    def get_embedding_dimension(self) -> int:
        """The width of the vectors of :meth:`encode`."""
        return self._dimensions(None)

    def get_sentence_embedding_dimension(self) -> int:
        """The older name of :meth:`get_embedding_dimension`."""
        return self.get_embedding_dimension()

    def get_max_seq_length(self) -> int | None:
        """The older name of :attr:`max_seq_length`."""
        return self.max_seq_length

    @property
    def max_seq_length(self) -> int | None:
        """Maximum tokens of a text. Setting it loads the model again.

        :raises ValueError: When set to a number that the model cannot have.
        """
        return self._loaded.model().max_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        self._loaded = self._loaded.with_max_length(tokens)

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """A context in which vectors keep their first ``truncate_dim`` dimensions, or all with ``None``."""
        earlier = self.truncate_dim
        self.truncate_dim = truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = earlier

    @property
    def device(self) -> str:
        """The device on which vectors are computed."""
        return self._loaded.model().device

    @property
    def precision(self) -> str:
        """The precision in which vectors are computed."""
        return self._loaded.model().precision

    def __repr__(self) -> str:
        return f"SentenceTransformer({self._loaded.settings.name!r})"


def _matrix(vectors: ArrayLike) -> NDArray[np.float32]:
    """Vectors in rows; a single one is a row."""
    return np.ascontiguousarray(np.atleast_2d(np.asarray(vectors)), dtype=np.float32)
