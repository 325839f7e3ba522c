"""Texts of many kinds of collections, and what is shown while they are computed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np


def as_list(inputs: Any) -> list[Any]:
    """The items of a list, a tuple, an array, a column of pandas, polars or Arrow, or anything else that has items.

    :raises TypeError: For a text, whose items are its letters, and for a table or a mapping, whose items are names.
    """
    if isinstance(inputs, list):
        return inputs
    if isinstance(inputs, (str, bytes)):
        raise TypeError(f"a list is needed, not a {type(inputs).__name__}: put it in brackets")
    if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
        raise TypeError(f"a column is needed, not a {type(inputs).__name__}: take one of its columns")
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind == "M" and np.datetime_data(inputs.dtype)[0] == "ns":
        # `tolist` gives numbers for the nanoseconds of pandas.
        inputs = inputs.astype("datetime64[us]")
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(inputs, method):
            items = getattr(inputs, method)()
            return items if isinstance(items, list) else [items]
    return list(inputs)


def is_missing(value: Any) -> bool:
    """Whether a value is none: ``None``, NaN, and pandas' ``NA`` and ``NaT``."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and bool(value != value)


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
    # `cuda` is the first one.
    if asked is not None and str(asked) not in (device, device.removesuffix(":0")):
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
