"""The time of a training step of sentence-transformers on PyTorch, to compare with `benchmarks train-step`.

usage: python benchmarks/python/step_speed.py MODEL_FOLDER [DEVICE]      (in the root of the repository)
needs: sentence-transformers

32 pairs per step, multiple-negatives-ranking, AdamW, gradients clipped at 1: first the rows of
datasets/product-pairs/train.tsv.gz, then texts of 128 random tokens. Medians of 4 steps after one warm-up step. A
GPU's memory is that of PyTorch's allocator; `nvidia-smi` shows some more.
"""
import csv, gzip, resource, statistics, sys, time
import torch
from sentence_transformers import SentenceTransformer, losses

ROWS, LENGTH, STEPS = 32, 128, 4
torch.set_num_threads(2)
device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
model = SentenceTransformer(sys.argv[1], device=device)
model.max_seq_length = LENGTH
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
loss = losses.MultipleNegativesRankingLoss(model)

with gzip.open("datasets/product-pairs/train.tsv.gz", "rt", encoding="utf-8") as file:
    pairs = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def real(step):
    batch = pairs[step * ROWS:(step + 1) * ROWS]
    return [model.tokenize([row[column] for row in batch]) for column in ("title", "description")]


def full(_):
    return [{"input_ids": torch.randint(5, 30000, (ROWS, LENGTH)), "attention_mask": torch.ones(ROWS, LENGTH, dtype=torch.long)} for _ in range(2)]


for name, batch in (("real pairs", real), ("128 tokens", full)):
    seconds, tokens = [], []
    for step in range(STEPS + 1):
        start = time.perf_counter()
        columns = batch(step)
        tokens.append(sum(column["input_ids"].numel() for column in columns))
        columns = [{key: value.to(device) if torch.is_tensor(value) else value for key, value in column.items()} for column in columns]
        loss(columns, None).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    # The first step warms up.
    print(f"{name}: {statistics.median(seconds[1:]):.2f} s/step, {sum(tokens[1:]) / sum(seconds[1:]):.0f} tokens/s with padding")
print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
if device != "cpu":
    print(f"peak memory of the GPU {torch.cuda.max_memory_reserved() / 1e9:.2f} GB, of which tensors {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")
