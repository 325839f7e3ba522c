"""What models of both kinds share: their settings, by which they are loaded again in another process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar


logger = logging.getLogger("mpnet_burn")


class _Noted(Protocol):
    @property
    def notes(self) -> list[str]: ...


M = TypeVar("M", bound=_Noted)


@dataclass(frozen=True)
class Settings:
    """How a model is found and loaded."""

    name: str
    precision: str | None
    threads: int | None
    device: str | None
    revision: str | None
    offline: bool
    max_length: int | None

    def keywords(self) -> dict[str, Any]:
        """The keywords of the native class."""
        fields = dict(vars(self))
        del fields["name"]
        return fields


class Loaded(Generic[M]):
    """A model that is loaded when it is needed: a copy that comes from another process has only its settings."""

    def __init__(self, load: Callable[..., M], settings: Settings) -> None:
        self.settings = settings
        self._load = load
        self._model: M | None = None
        self._lock = threading.Lock()

    def model(self) -> M:
        """The model; it is loaded by the first thread that asks for it."""
        model = self._model
        if model is not None:
            return model
        with self._lock:
            if self._model is None:
                self._model = self._load(self.settings.name, **self.settings.keywords())
                for note in self._model.notes:
                    logger.warning(note)
            return self._model

    def with_max_length(self, tokens: int) -> Loaded[M]:
        """The model with another maximum length; it is loaded at once."""
        other = Loaded(self._load, replace(self.settings, max_length=tokens))
        other.model()
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return Loaded, (self._load, self.settings)


def settings(
    name: str,
    *,
    precision: str | None,
    threads: int | None,
    device: object,
    revision: str | None,
    offline: bool,
    max_length: int | None,
    cache_folder: str | None,
    trust_remote_code: bool,
) -> Settings:
    """The settings of a model by the keywords of sentence-transformers.

    :raises ValueError: For a keyword that asks for something else than this package does.
    """
    if cache_folder is not None:
        raise ValueError("cache_folder is not supported; set the environment variable HF_HOME")
    if trust_remote_code:
        raise ValueError("trust_remote_code is not supported: a model's own code is never run")
    named = None if device is None else str(device)
    return Settings(str(name), precision, threads, named, revision, offline, max_length)
