"""Texts of many kinds of collections, and what is shown while they are computed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def as_list(inputs: Any) -> list[Any]:
    """The items of a list, a tuple, an array, a column of pandas, polars or Arrow, or anything else that has items."""
    if isinstance(inputs, list):
        return inputs
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(inputs, method):
            items = getattr(inputs, method)()
            return items if isinstance(items, list) else [items]
    return list(inputs)


@contextmanager
def counter(shown: bool | None, total: int) -> Iterator[Callable[[int], None] | None]:
    """A callback that writes the number of finished texts to standard error, if it is to be shown."""
    if not shown:
        yield None
        return

    def show(done: int) -> None:
        sys.stderr.write(f"\r{done} of {total}")
        sys.stderr.flush()

    yield show
    show(total)
    sys.stderr.write("\n")


def check_batch_size(batch_size: int) -> None:
    """Refuses a batch size that sentence-transformers refuses. No other changes a vector."""
    if batch_size <= 0:
        raise ValueError(f"batch_size must be a positive integer, got {batch_size}.")


def check_device(asked: object, device: str) -> None:
    """Refuses another device than that of the model, which stays where it was loaded."""
    if asked is not None and str(asked) != device:
        raise ValueError(f"the model is on the device {device}, not {asked}: load another one for that device")


def as_tensor(values: Any) -> Any:
    """A tensor of PyTorch with the memory of an array.

    :raises ImportError: Without PyTorch, which this package does not need otherwise.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("convert_to_tensor needs PyTorch, which is not installed") from error
    return torch.from_numpy(values)
