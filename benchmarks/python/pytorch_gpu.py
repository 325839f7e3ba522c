"""Texts/s of sentence-transformers on PyTorch on a GPU, to compare with `infer bench --device cuda`.

usage: python pytorch_gpu.py MODEL_FOLDER [--runs 5] [--precision bf16]... [--out baselines.json] FILE...
needs: sentence-transformers and a GPU that PyTorch sees

Each file is encoded whole, tokenization included, once untimed and then --runs times, in batches of 32 and of 256
texts (a file named singles.*: one text per call); the best repetition of the better size counts. Cosines are to its
own float32 (PyTorch's default: no TF32). `benchmarks compare --baselines` reads the file of --out; the threads in it
mean nothing on a GPU.
"""
import argparse, json, statistics, time
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("files", nargs="+")
arguments.add_argument("--runs", type=int, default=5)
arguments.add_argument("--precision", action="append", choices=TYPES, help="only this; repeatable")
arguments.add_argument("--out")
arguments = arguments.parse_args()


def encode(model, texts, size):
    settings = {"batch_size": size, "show_progress_bar": False, "convert_to_numpy": False, "convert_to_tensor": True}
    calls = [[text] for text in texts] if size == 1 else [texts]
    return torch.cat([model.encode(call, **settings) for call in calls]).float().cpu()


print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name(0)}")
workloads = {Path(path).stem: Path(path).read_text(encoding="utf-8").splitlines() for path in arguments.files}
exact, rows = {}, []
# float32 always comes first: the others are compared with it.
for precision in ["f32", *(name for name in arguments.precision or TYPES if name != "f32")]:
    model = SentenceTransformer(arguments.model, device="cuda", model_kwargs={"torch_dtype": TYPES[precision]})
    for workload, texts in workloads.items():
        times = {}
        for size in [1] if workload == "singles" else [32, 256]:
            vectors, seconds = encode(model, texts, size), []
            for _ in range(arguments.runs):
                torch.cuda.synchronize()
                start = time.perf_counter()
                encode(model, texts, size)
                seconds.append(time.perf_counter() - start)
            times[size] = seconds
        exact.setdefault(workload, vectors)
        cosines = torch.nn.functional.cosine_similarity(vectors, exact[workload])
        size, best = min(((size, min(seconds)) for size, seconds in times.items()), key=lambda pair: pair[1])
        rows.append({"program": f"torch-{precision}", "workload": workload, "texts": len(texts), "seconds": best, "texts_per_second": len(texts) / best,
                     "cosine_min": cosines.min().item(), "cosine_mean": cosines.mean().item()})
        print(f"torch-{precision:4} {workload:13} {len(texts) / best:9.1f} texts/s best, {len(texts) / statistics.median(times[size]):9.1f} median,"
              f" batches of {size}, cosine {cosines.min():.6f} {cosines.mean():.6f}", flush=True)
if arguments.out:
    with open(arguments.out, "w") as file:
        json.dump({"threads": torch.get_num_threads(), "rows": rows}, file, indent=1)
