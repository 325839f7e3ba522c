"""Vectors in fewer bytes, as sentence-transformers makes them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnet_burn._loading import logger

OutputPrecision = Literal["float32", "int8", "uint8", "binary", "ubinary"]

# Fewer vectors say little about the smallest and the largest value of a dimension.
_ENOUGH = 100


def quantize_embeddings(
    embeddings: ArrayLike,
    precision: OutputPrecision,
    ranges: NDArray[Any] | None = None,
    calibration_embeddings: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Vectors ``[texts, width]`` in another precision: ``int8`` and ``uint8`` keep the width, ``binary`` and ``ubinary``
    have an eighth of it. A single vector ``[width]`` stays one.

    ``int8`` and ``uint8`` divide each dimension into 255 steps from its smallest to its largest value: those of
    ``ranges`` ``[2, width]``, else of ``calibration_embeddings``, else of the vectors themselves.

    :raises ValueError: For an unknown precision, vectors that are quantized already, or ranges of a single vector.
    """
    check_precision(precision)
    vectors = np.asarray(embeddings)
    if vectors.dtype in (np.uint8, np.int8):
        raise ValueError("the vectors must be floating-point numbers, not int8 or uint8")
    if precision == "float32":
        return vectors.astype(np.float32, copy=False)
    if precision in ("binary", "ubinary"):
        bits: NDArray[np.uint8] = np.packbits(vectors > 0, axis=-1)
        return bits if precision == "ubinary" else (bits - 128).astype(np.int8)
    if vectors.shape[0] == 0:
        return vectors.astype(precision)
    if ranges is None:
        of = vectors if calibration_embeddings is None else np.asarray(calibration_embeddings)
        if calibration_embeddings is None and (vectors.ndim < 2 or len(vectors) < 2):
            raise ValueError(
                f"{precision} needs ranges, and a single vector has none: give `quantize_embeddings` ranges or "
                "calibration embeddings"
            )
        if calibration_embeddings is None and len(of) < _ENOUGH:
            logger.warning(
                "the ranges of %s are those of %d vectors; give `quantize_embeddings` ranges of more", precision, len(of)
            )
        ranges = np.vstack((np.min(of, axis=0), np.max(of, axis=0)))
    ranges = np.asarray(ranges, dtype=np.float32)
    steps = (ranges[1] - ranges[0]) / 255
    steps = np.where(steps == 0, 1, steps)
    levels: NDArray[Any] = np.clip(np.floor((vectors - ranges[0]) / steps), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)


def check_precision(precision: str | None) -> None:
    """Refuses an unknown output precision."""
    known = get_args(OutputPrecision)
    if precision not in known:
        raise ValueError(f"Precision {precision!r} is not supported, must be one of {known}")
