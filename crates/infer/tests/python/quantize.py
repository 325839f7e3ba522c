"""Writes ../fixtures/quantized.json: vectors, and what sentence-transformers 5.7.0 makes of them.

    python quantize.py

needs sentence-transformers==5.7.0.
"""

import json
import os

import numpy as np
import sentence_transformers
from sentence_transformers.util.quantization import quantize_embeddings

assert sentence_transformers.__version__ == "5.7.0", sentence_transformers.__version__

WIDTH = 11  # not a multiple of 8: the last byte of a binary vector is filled
random = np.random.default_rng(7)
values = random.normal(size=(60, WIDTH)).astype(np.float32)
values[:, 3] = 0.25  # a dimension without a range
values[0, :3] = [0.0, -0.0, 1e-30]
ranges = np.vstack((values.min(axis=0), values.max(axis=0)))
# Narrower than the values: some are beyond both ends.
narrow = (ranges * np.float32(0.5)).astype(np.float32)
# On the borders of the steps, where rounding decides.
starts, steps = ranges[0], (ranges[1] - ranges[0]) / 255
values[30:40] = starts + steps * np.arange(10, 20, dtype=np.float32)[:, None]
assert values.dtype == ranges.dtype == narrow.dtype == np.float32

result = {
    "width": WIDTH,
    "values": values.ravel().tolist(),
    "ranges": narrow.ravel().tolist(),
    "float16": values.astype(np.float16).view(np.uint16).ravel().tolist(),
}
for precision in ["int8", "uint8"]:
    result[precision] = quantize_embeddings(values, precision).ravel().tolist()
    narrowed = quantize_embeddings(values, precision, ranges=narrow)
    result[precision + "_narrow"] = narrowed.ravel().tolist()
for precision in ["binary", "ubinary"]:
    result[precision] = quantize_embeddings(values, precision).ravel().tolist()

path = os.path.join(os.path.dirname(__file__), "..", "fixtures", "quantized.json")
with open(path, "w") as file:
    json.dump(result, file)
    file.write("\n")
