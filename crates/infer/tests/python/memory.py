"""Measures the peak memory of `infer embed` over 10^6 rows on a small model.

    python memory.py INFER MODEL

The program must stay below 300 MB. Linux only: the figure is the peak resident set of the child.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time

LIMIT_MB = 300
ROWS = 1_000_000

infer, model = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    source = os.path.join(folder, "million.csv")
    with open(source, "w") as file:
        file.write("sku,title\n")
        for row in range(ROWS):
            file.write(f"SKU-{row:08},steel bottle {row % 997} blue\n")
    for ending in sys.argv[3:] or ["parquet", "safetensors"]:
        start = time.time()
        command = [infer, "embed", "-q", "--model", model, "--device", "cpu", "--input", source]
        command += ["--column", "title", "--id-column", "sku", "--output", os.path.join(folder, f"v.{ending}")]
        subprocess.run(command, check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{ending}: {ROWS} rows, peak {peak:.0f} MB so far, {time.time() - start:.0f} s")
        assert peak < LIMIT_MB, peak
