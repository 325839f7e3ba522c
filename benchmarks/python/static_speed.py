"""Titles/s of a static model: `infer`, sentence-transformers and model2vec, in turn on the same titles.

usage: python static_speed.py [MODEL_FOLDER] [--infer target/release/infer] [--rounds 9] [--threads 2]
needs: sentence-transformers model2vec, and a built `infer`

MODEL_FOLDER is models/static-256 unless given. The titles are those of datasets/chorus-electronics. Every round runs
each program once over all titles, tokenizing included, in changing order, after a pause; the programs have read the
model and have encoded all titles once before. The script prints the median of the rounds and, per round, the ratio
of `infer` to the others.
"""
import argparse, csv, gzip, json, os, random, statistics, subprocess, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.3
arguments = argparse.ArgumentParser()
arguments.add_argument("model", nargs="?", default=str(ROOT / "models/static-256"))
arguments.add_argument("--infer", default="target/release/infer")
arguments.add_argument("--rounds", type=int, default=9)
arguments.add_argument("--threads", type=int, default=2)
arguments = arguments.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)

import numpy as np
import torch
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer

torch.set_num_threads(arguments.threads)
with gzip.open(ROOT / "datasets/chorus-electronics/titles.tsv.gz", "rt", encoding="utf-8") as file:
    titles = [row["title"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def timed(encode):
    def run():
        start = time.perf_counter()
        encode()
        return time.perf_counter() - start

    return run


def ours(path):
    command = [arguments.infer, "bench", path, "--runs", "1", "--model", arguments.model, "--device", "cpu",
               "--threads", str(arguments.threads), "--json"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return json.loads(answer)["rows"][0]["seconds"]


def main():
    # In float32, which is the fastest that each of them has.
    peer = SentenceTransformer(arguments.model, device="cpu").float()
    other = StaticModel.from_pretrained(arguments.model, quantize_to="float32")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(titles) + "\n")
        file.flush()
        programs = {
            "infer": lambda: ours(file.name),
            "sentence-transformers": timed(lambda: peer.encode(titles, batch_size=1024, show_progress_bar=False)),
            "model2vec": timed(lambda: other.encode(titles)),
        }
        cosines = (peer.encode(titles, normalize_embeddings=True) * other.encode(titles, normalize=True)).sum(1)
        print(f"{len(titles)} titles; smallest cosine of the two peers: {cosines.min():.6f}")
        seconds = {name: [] for name in programs}
        for _ in range(arguments.rounds):
            for name in random.sample(list(programs), len(programs)):
                time.sleep(PAUSE)
                seconds[name].append(programs[name]())
    for name, times in seconds.items():
        ratios = np.array(times) / np.array(seconds["infer"])
        print(f"{name:22} {len(titles) / statistics.median(times):9.0f} titles/s; infer is {np.median(ratios):.2f} times as fast"
              f" (rounds: {ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
