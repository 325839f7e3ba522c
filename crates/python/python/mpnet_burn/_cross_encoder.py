"""`CrossEncoder`: pairs of texts into scores, with the arguments of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpnet_burn import _native
from mpnet_burn._loading import Loaded, settings
from mpnet_burn._texts import as_list, as_tensor, check_batch_size, check_device, counter


class CrossEncoder:
    """A reranker: it gives a query and a text together one score.

    It has the arguments and the results of sentence-transformers 5.7, for models with one label. An argument that is not
    known is an error. The keywords of the constructor are those of :class:`mpnet_burn.SentenceTransformer`.

    :param max_length: Maximum tokens of a pair; unless given, that of the model.
    :raises ValueError: For an argument that is not possible.
    :raises OSError: When the model cannot be found, fetched or read, or has not one label.
    """

    def __init__(
        self,
        model_name_or_path: str,
        *,
        precision: str | None = None,
        threads: int | None = None,
        device: object = None,
        max_length: int | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
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
            max_length=max_length,
            cache_folder=cache_folder,
            trust_remote_code=trust_remote_code,
        )
        self._loaded = Loaded(_native.PairScorer, found)
        self._loaded.model()

    def predict(
        self,
        inputs: Any,
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,
    ) -> Any:
        """The scores of pairs, ``[pairs]``, with the activation that the model names; or the score of a single pair.

        :param inputs: Pairs of a query and a text, or one such pair.
        :raises ValueError: For an item that is no pair, or an argument that is not possible.
        :raises TypeError: For a query or a text that is no ``str``.
        :raises RuntimeError: When the device fails.
        """
        model = self._loaded.model()
        check_batch_size(batch_size)
        check_device(device, model.device)
        pairs = as_list(inputs)
        single = len(pairs) == 2 and all(isinstance(text, str) for text in pairs)
        if single:
            pairs = [pairs]
        for place, pair in enumerate(pairs):
            if isinstance(pair, str) or len(pair) != 2:
                raise ValueError(f"item {place} is no pair of a query and a text")
        queries, texts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        with counter(show_progress_bar, len(pairs)) as progress:
            scores: Any = model.scores(queries, texts, progress=progress)
        if single:
            scores = scores[0:1].reshape(()) if convert_to_tensor or not convert_to_numpy else scores[0]
        if convert_to_tensor:
            return as_tensor(scores)
        if convert_to_numpy:
            return scores
        return as_tensor(scores) if single else list(as_tensor(scores))

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        device: object = None,
    ) -> list[dict[str, Any]]:
        """Documents in the order of their scores with a query, the best first: ``corpus_id`` is the place of a document,
        ``score`` its score, and with ``return_documents`` ``text`` itself. Equal scores keep their order.

        :param top_k: The most documents to return; unless given, all.
        :raises ValueError, TypeError, RuntimeError: As :meth:`predict`.
        """
        texts = as_list(documents)
        pairs = [(query, text) for text in texts]
        scores = self.predict(pairs, batch_size=batch_size, show_progress_bar=show_progress_bar, device=device)
        order = sorted(range(len(texts)), key=lambda place: scores[place], reverse=True)[:top_k]
        hits: list[dict[str, Any]] = []
        for place in order:
            hit = {"corpus_id": place, "score": float(scores[place])}
            hits.append({**hit, "text": texts[place]} if return_documents else hit)
        return hits

    @property
    def max_seq_length(self) -> int:
        """Maximum tokens of a pair. Setting it loads the model again.

        :raises ValueError: When set to a number that the model cannot have.
        """
        return self._loaded.model().max_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        self._loaded = self._loaded.with_max_length(tokens)

    @property
    def max_length(self) -> int:
        """The older name of :attr:`max_seq_length`."""
        return self.max_seq_length

    @property
    def num_labels(self) -> int:
        """The number of scores of a pair: 1."""
        return 1

    @property
    def device(self) -> str:
        """The device on which scores are computed."""
        return self._loaded.model().device

    @property
    def precision(self) -> str:
        """The precision in which scores are computed."""
        return self._loaded.model().precision

    def __repr__(self) -> str:
        return f"CrossEncoder({self._loaded.settings.name!r})"
