from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_MODEL", "Encoder", "Index", "PairScorer", "__version__", "similarity"]

__version__: str
DEFAULT_MODEL: str

@final
class Encoder:
    def __new__(
        cls,
        name: str,
        *,
        precision: str | None = None,
        threads: int | None = None,
        device: str | None = None,
        revision: str | None = None,
        offline: bool = False,
        max_length: int | None = None,
    ) -> Encoder: ...
    def encode(
        self,
        texts: list[str],
        *,
        task: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
        normalize: bool | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> NDArray[np.float32]: ...
    def tokenize(
        self, texts: list[str], *, task: str | None = None, prompt: str | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    @property
    def pad_token_id(self) -> int | None: ...
    @property
    def width(self) -> int: ...
    @property
    def full_width(self) -> int: ...
    @property
    def max_length(self) -> int | None: ...
    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def identity(self) -> str: ...
    @property
    def similarity(self) -> str: ...
    @property
    def prompts(self) -> dict[str, str]: ...
    @property
    def default_prompt_name(self) -> str | None: ...
    @property
    def notes(self) -> list[str]: ...

@final
class PairScorer:
    def __new__(
        cls,
        name: str,
        *,
        precision: str | None = None,
        threads: int | None = None,
        device: str | None = None,
        revision: str | None = None,
        offline: bool = False,
        max_length: int | None = None,
    ) -> PairScorer: ...
    def scores(
        self, queries: list[str], documents: list[str], *, progress: Callable[[int], object] | None = None
    ) -> NDArray[np.float32]: ...
    @property
    def max_length(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def notes(self) -> list[str]: ...

def similarity(
    encoder: Encoder, left: NDArray[np.float32], right: NDArray[np.float32], name: str, pairwise: bool
) -> NDArray[np.float32]: ...

@final
class Index:
    @staticmethod
    def create(
        folder: Path,
        encoder: Encoder,
        model_name: str,
        *,
        id_column: str,
        text_columns: list[tuple[str, float]],
        filter_columns: list[tuple[str, str]],
        language: str,
        weight: float | None = None,
        threads: int | None = None,
    ) -> Index: ...
    @staticmethod
    def open(folder: Path, *, threads: int | None = None) -> Index: ...
    def load_model(
        self,
        name: str | None = None,
        *,
        threads: int | None = None,
        device: str | None = None,
        revision: str | None = None,
        offline: bool = False,
    ) -> Encoder: ...
    def check_model(self, encoder: Encoder, name: str) -> None: ...
    def add(
        self,
        encoder: Encoder,
        ids: list[str],
        texts: list[list[str]],
        values: list[list[object]],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> int: ...
    def remove(self, ids: list[str]) -> int: ...
    def refresh(self) -> None: ...
    def search(
        self,
        queries: list[str],
        vectors: NDArray[np.float32] | None,
        *,
        k: int,
        mode: str,
        filter: str | None = None,
        sort: str | None = None,
        offset: int = 0,
        min_score: float | None = None,
        recall: float | None = None,
        weight: float | None = None,
        typos: bool = True,
    ) -> list[list[tuple[str, float, list[str], list[object]]]]: ...
    def __len__(self) -> int: ...
    @property
    def model_name(self) -> str: ...
    @property
    def text_columns(self) -> list[str]: ...
    @property
    def filter_columns(self) -> list[tuple[str, str]]: ...
