"""`Index`: a catalogue on disk, searched by meaning and by words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, overload

import numpy as np

from mpnet_burn import _native
from mpnet_burn._sentence_transformer import SentenceTransformer
from mpnet_burn._texts import as_list, counter, is_missing

if TYPE_CHECKING:
    from typing_extensions import Unpack

Kind = Literal["text", "number", "boolean", "date", "key"]
Mode = Literal["hybrid", "meaning", "words"]

# The name of the text column of rows that have only one text.
_TEXT = "text"


class SearchOptions(TypedDict, total=False):
    """The keywords of :meth:`Index.search`."""

    mode: Mode
    """Rank by meaning, words, or both: ``hybrid``, unless given."""
    filter: str | None
    """Find only rows with these values, as ``brand = Logitech AND price < 50``."""
    sort: str | None
    """Order by this filter column; with a ``-`` before it, the largest first."""
    offset: int
    """Pass over that many hits."""
    min_score: float | None
    """Leave out hits with a lower score."""
    recall: float | None
    """Search for this share of the exact hits; unless given, for all."""
    weight: float | None
    """The weight of words in the mode ``hybrid``; unless given, that of the index."""
    typos: bool
    """Forgive a typing error in a word that no row has; so it is, unless given."""


class Hit(NamedTuple):
    """A row that a search found."""

    id: str
    """The id of the row."""
    score: float
    """By which hits are ordered: the joint score, the similarity or BM25, by the mode of the search."""
    texts: dict[str, str]
    """The texts of the row, by their columns."""
    values: dict[str, Any]
    """The values of the row, by the filter columns: ``None`` where there is none, a date as RFC 3339 writes it."""


class Index:
    """An index on disk: that of ``infer index``, which opens and changes it too.

    Every call sees what was committed before it, by whatever program. One program at a time may change an index. A pickle
    holds the folder and the settings of the model.

    Make one with :meth:`build` or :meth:`open`.
    """

    def __init__(self, index: _native.Index, folder: Path, model: SentenceTransformer | None, keywords: dict[str, Any]) -> None:
        self._index = index
        self._folder = folder
        self._given = model
        self._keywords = keywords
        # The model that was compared with that of the index.
        self._own: _native.Encoder | None = None

    @classmethod
    def build(
        cls,
        folder: str | PathLike[str],
        model: SentenceTransformer,
        ids: Iterable[Any],
        texts: Any,
        values: Any = None,
        *,
        kinds: Mapping[str, Kind] | None = None,
        column_weights: Mapping[str, float] | None = None,
        language: str = "english",
        weight: float | None = None,
        id_column: str = "id",
        show_progress_bar: bool | None = None,
    ) -> Index:
        """Builds an index of rows, or adds them to one that was built the same way: an interrupted call can be repeated.

        :param folder: A new folder, an empty one, or that of the index.
        :param model: With the prompts and the dimensions of its files: an index keeps neither others.
        :param ids: A name for each row, different from all others.
        :param texts: The texts of the rows, or a mapping of columns to texts, such as a data frame. They are joined by a space and embedded as
            documents. A row without a text is left out.
        :param values: A mapping of filter columns to the values of the rows; ``None``, NaN and what
            pandas writes in their place are no value.
        :param kinds: The kinds of filter columns; unless given, by the first value that there is.
        :param column_weights: What a word counts for, by text columns; unless given, 1.
        :param language: The language of the texts, for stems and stop words, or ``none``.
        :param weight: The weight of words in a hybrid search, from 0 to 1.
        :param id_column: The name of the column of ids in files that ``infer index add`` reads.
        :raises ValueError: For columns of different lengths, values of another kind, or an index of other settings.
        :raises OSError: For a folder that cannot be written, or that another program changes.
        """
        rows = _Rows.of(ids, texts, values)
        threads = model._loaded.settings.threads
        chosen: dict[str, str] = dict(kinds or {})
        weights = dict(column_weights or {})
        for names, known in ((chosen, rows.values), (weights, rows.texts)):
            if unknown := set(names) - set(known):
                raise ValueError(f"there is no column {', '.join(sorted(unknown))}")
        try:
            # A later batch may have no value of a column.
            chosen = {**dict(_native.Index.open(Path(folder), threads=threads).filter_columns), **chosen}
        except OSError:
            # There is none yet, or `create` says what is wrong with it.
            pass
        native = _native.Index.create(
            Path(folder),
            _encoder(model),
            model._loaded.settings.name,
            id_column=id_column,
            text_columns=[(name, weights.get(name, 1.0)) for name in rows.texts],
            filter_columns=[(name, chosen.get(name) or _kind(column)) for name, column in rows.values.items()],
            language=language,
            weight=weight,
            threads=threads,
        )
        index = cls(native, Path(folder), model, {})
        index._add(rows, show_progress_bar)
        return index

    @classmethod
    def open(
        cls,
        folder: str | PathLike[str],
        model: SentenceTransformer | None = None,
        *,
        model_name: str | None = None,
        threads: int | None = None,
        device: str | None = None,
        local_files_only: bool = False,
    ) -> Index:
        """Opens an index.

        :param model: The model of its vectors. Unless given, it is loaded when it is needed, by the name that it had or
            ``model_name``, with the other arguments of :class:`mpnet_burn.SentenceTransformer`.
        :raises ValueError: For another model than that of the index.
        :raises OSError: Where there is no index, or a damaged one.
        """
        keywords = {"name": model_name, "threads": threads, "device": device, "offline": local_files_only}
        index = _opened(Path(folder), model, keywords)
        if model is not None:
            index._model()
        return index

    # A `str` has items that are `str`, too, but the first signature that fits counts.
    @overload
    def search(  # type: ignore[overload-overlap]
        self, queries: str, top_k: int = 10, **options: Unpack[SearchOptions]
    ) -> list[Hit]: ...
    @overload
    def search(self, queries: Iterable[str], top_k: int = 10, **options: Unpack[SearchOptions]) -> list[list[Hit]]: ...
    def search(self, queries: Any, top_k: int = 10, **options: Unpack[SearchOptions]) -> Any:
        """The hits of a query, best first; of several queries, a list for each.

        :param top_k: The most hits of a query.
        :param options: The keywords of :class:`SearchOptions`.
        :raises ValueError: For a filter or a column that does not fit the index, and when the index was rebuilt with another
            model: open it again.
        """
        single = isinstance(queries, str)
        texts = [queries] if single else as_list(queries)
        self._index.refresh()
        asked: dict[str, Any] = {"mode": "hybrid", **options}
        vectors = None if asked["mode"] == "words" else self._model().encode(texts, task="query")
        answers = self._index.search(texts, vectors, k=top_k, **asked)
        columns = self._index.text_columns
        filters = [name for name, _ in self._index.filter_columns]

        def hit(id: str, score: float, texts: list[str], values: list[object]) -> Hit:
            return Hit(id, score, dict(zip(columns, texts)), dict(zip(filters, values)))

        hits = [[hit(*found) for found in answer] for answer in answers]
        return hits[0] if single else hits

    def add(
        self,
        ids: Iterable[Any],
        texts: Any,
        values: Any = None,
        *,
        show_progress_bar: bool | None = None,
    ) -> int:
        """Adds rows, or replaces those with the same ids, in one commit; the arguments are those of :meth:`build`.
        Returns the number of rows that were written: rows that the index holds already are not.

        :raises ValueError: For other columns than those of the index.
        """
        rows = _Rows.of(ids, texts, values)
        for what, given, wanted in (
            ("text", rows.texts, self._index.text_columns),
            ("filter", rows.values, [name for name, _ in self._index.filter_columns]),
        ):
            if set(given) != set(wanted):
                raise ValueError(f"the {what} columns are {list(given)}, and those of the index {wanted}")
        return self._add(rows, show_progress_bar)

    def _add(self, rows: _Rows, show_progress_bar: bool | None) -> int:
        texts = [rows.texts[name] for name in self._index.text_columns]
        values = [rows.values[name] for name, _ in self._index.filter_columns]
        places = range(len(rows.ids))
        with counter(show_progress_bar, len(rows.ids)) as progress:
            return self._index.add(
                self._model(),
                rows.ids,
                [[column[place] for column in texts] for place in places],
                [[column[place] for column in values] for place in places],
                progress=progress,
            )

    def remove(self, ids: Iterable[Any]) -> int:
        """Removes rows by their ids, in one commit. Returns the number of rows that there were."""
        return self._index.remove([str(id) for id in as_list(ids)])

    def __len__(self) -> int:
        self._index.refresh()
        return len(self._index)

    def _model(self) -> _native.Encoder:
        """The model of the index.

        :raises ValueError: For another one, also if it has become another one since the last call.
        """
        if self._given is not None:
            given = _encoder(self._given)
            if given is not self._own:
                self._index.check_model(given, self._given._loaded.settings.name)
                self._own = given
        elif self._own is None:
            self._own = self._index.load_model(**self._keywords)
        return self._own

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self._folder, self._given, self._keywords)

    def __repr__(self) -> str:
        return f"Index({str(self._folder)!r})"


def _opened(folder: Path, model: SentenceTransformer | None, keywords: dict[str, Any]) -> Index:
    # Searches have as many threads as the model.
    threads = keywords.get("threads") if model is None else model._loaded.settings.threads
    return Index(_native.Index.open(folder, threads=threads), folder, model, keywords)


class _Rows(NamedTuple):
    """Rows that are added: columns of equal length."""

    ids: list[str]
    texts: dict[str, list[str]]
    """By text columns; a missing text is empty."""
    values: dict[str, list[Any]]
    """By filter columns; a missing value is ``None``."""

    @classmethod
    def of(cls, ids: Any, texts: Any, values: Any) -> _Rows:
        """The rows of the arguments of :meth:`Index.build`.

        :raises TypeError: For an item that is no text, and values that are no columns.
        :raises ValueError: For columns of different lengths, and a missing id.
        """
        given = as_list(ids)
        if any(is_missing(id) for id in given):
            raise ValueError("an id is missing")
        if values is not None and not _has_columns(values):
            raise TypeError(f"values are a mapping of columns or a data frame, not a {type(values).__name__}")
        names = [str(id) for id in given]
        columns = _columns(texts) if _has_columns(texts) else {_TEXT: as_list(texts)}
        filters = {} if values is None else _columns(values)
        for name, column in [*columns.items(), *filters.items()]:
            if len(column) != len(names):
                raise ValueError(f"column {name} has {len(column)} rows for {len(names)} ids")

        def text(place: int, name: str, item: Any) -> str:
            if is_missing(item):
                return ""
            if not isinstance(item, str):
                raise TypeError(f"row {names[place]}, column {name}: a text is a str, not a {type(item).__name__}")
            return item

        def value(item: Any) -> Any:
            if is_missing(item):
                return None
            return float(item) if isinstance(item, Decimal) else item

        return cls(
            names,
            {name: [text(place, name, item) for place, item in enumerate(column)] for name, column in columns.items()},
            {name: [value(item) for item in column] for name, column in filters.items()},
        )


def _has_columns(given: Any) -> bool:
    """Whether this is a mapping or a table, such as a data frame of pandas or polars."""
    return isinstance(given, Mapping) or (hasattr(given, "columns") and hasattr(given, "__getitem__"))


def _columns(given: Any) -> dict[str, list[Any]]:
    """The columns of a mapping or a table by their names."""
    names = given if isinstance(given, Mapping) else getattr(given, "column_names", given.columns)
    return {str(name): as_list(given[name]) for name in names}


def _kind(values: list[Any]) -> str:
    """The kind of a column, by its first value that is not missing."""
    for value in values:
        if value is None:
            continue
        for type_, kind in (((bool, np.bool_), "boolean"), (Real, "number"), (date, "date")):
            if isinstance(value, type_):
                return kind
        return "text"
    return "text"


def _encoder(model: SentenceTransformer) -> _native.Encoder:
    """The model as its files describe it.

    :raises ValueError: For one with other prompts or dimensions.
    """
    native = model._loaded.model()
    if model._dimensions(None) != native.width or {**native.prompts, **model.prompts} != native.prompts:
        raise ValueError("an index takes a model with the prompts and the dimensions of its files")
    return native
