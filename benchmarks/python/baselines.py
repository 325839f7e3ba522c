"""Speeds of PyTorch, ONNX Runtime and OpenVINO and of `infer`, in turn on the same texts, for a model whose vectors
are the normalized means of its hidden states, as those of all-mpnet-base-v2 and all-MiniLM-L6-v2.

usage: python baselines.py MODEL_FOLDER [--infer target/release/infer] [--rounds 1] [--threads 2]
                           [--precision int8]... [--onnx model.onnx] [--out baselines.json] FILE...
needs: sentence-transformers onnx onnxruntime openvino nncf, and a built `infer`

A machine's speed drifts by tens of per cent, so programs that run minutes apart cannot be compared. This script
sorts the texts of a file by length and cuts them into groups of 128 (a file named singles.*: of 16, one text per
call). Every program takes a group in turn, in changing order, after a pause for the threads of the program before,
and after one untimed pass over the group. Programs that pad take batches of 32 neighbours, which leaves little to
pad. A file's speed comes from the sum, over its groups, of the medians over the rounds; the script also prints the
median, the lowest and the highest ratio of a group.

Without VNNI, ONNX Runtime's int8 products overflow unless its weights have seven bits: so they have there. bf16 is
timed where the processor has it; elsewhere OpenVINO computes in float32 and PyTorch takes minutes.

`--onnx` is the network, from `input_ids` and `attention_mask` to `hidden`, where PyTorch cannot write it. `--out`
is a file for `benchmarks compare --baselines`; the ratios that this script prints are the ones that count.
"""
import argparse, collections, json, os, random, statistics, subprocess, sys, tempfile, time
from pathlib import Path

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("files", nargs="+")
arguments.add_argument("--infer", default="target/release/infer")
arguments.add_argument("--rounds", type=int, default=1)
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--precision", action="append", choices=["f32", "bf16", "int8"], help="only this; repeatable")
arguments.add_argument("--onnx", help="a file, instead of one that PyTorch writes")
arguments.add_argument("--out")
arguments = arguments.parse_args()
# The second one is for the tokenizers.
os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)

import numpy as np
import onnxruntime, openvino, torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

torch.set_num_threads(arguments.threads)
GROUP, GROUP_OF_SINGLES, BATCH, PAUSE = 128, 16, 32, 0.3
temporary = tempfile.TemporaryDirectory()
folder = temporary.name
cpu = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
tokenizer = Tokenizer.from_file(f"{arguments.model}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(SentenceTransformer(arguments.model, device="cpu").max_seq_length)


def length(text):
    return len(tokenizer.encode(text).ids)


def pytorch(precision):
    model = SentenceTransformer(arguments.model, device="cpu", model_kwargs={"torch_dtype": precision})
    encode = lambda texts: model.encode(texts, batch_size=BATCH, show_progress_bar=False, convert_to_tensor=True)
    return lambda texts: encode(texts).float().numpy()


def padded(run):
    """Batches for a program that takes ids and a mask and gives the last hidden states."""

    def batch(texts):
        encodings = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        ids = np.ones((len(texts), max(map(len, encodings))), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding
            mask[row, : len(encoding)] = 1
        weights = mask[..., None].astype(np.float32)
        vectors = (run(ids, mask) * weights).sum(1) / weights.sum(1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return lambda texts: np.concatenate([batch(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)])


def onnx_file():
    if arguments.onnx:
        return arguments.onnx
    path = f"{folder}/model.onnx"
    if not os.path.exists(path):
        model = SentenceTransformer(arguments.model, device="cpu")[0].auto_model.eval()
        names, ids = ["input_ids", "attention_mask"], torch.full((2, 8), 1000)
        axes = {name: {0: "batch", 1: "length"} for name in [*names, "hidden"]}
        torch.onnx.export(model, (ids, torch.ones_like(ids)), path, input_names=names, output_names=["hidden", "pooled"],
                          dynamic_axes=axes, opset_version=17, dynamo=False)
    return path


def onnx_runtime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return padded(lambda ids, mask: session.run(["hidden"], {"input_ids": ids, "attention_mask": mask})[0])


def onnx_int8():
    path = f"{folder}/int8.onnx"
    quantize_dynamic(onnx_file(), path, per_channel=True, weight_type=QuantType.QInt8, reduce_range="vnni" not in cpu)
    return path


def open_vino(model, precision):
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": arguments.threads}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    return padded(lambda ids, mask: request.infer({"input_ids": ids, "attention_mask": mask})[compiled.output(0)])


def open_vino_int8(texts):
    import nncf

    def feed(text):
        ids = np.array([tokenizer.encode(text).ids])
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    model = openvino.Core().read_model(onnx_file())
    return nncf.quantize(model, nncf.Dataset(texts, feed), model_type=nncf.ModelType.TRANSFORMER, subset_size=300)


def ours(precision, path):
    """Seconds, and the cosines to its own float32."""
    command = [arguments.infer, "bench", path, "--runs", "1", "--precision", precision, "--model", arguments.model,
               "--device", "cpu", "--threads", str(arguments.threads), "--json"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    row = json.loads(answer)["rows"][0]
    return row["seconds"], row["cosine_min"], row["cosine_mean"]


def groups():
    for path in arguments.files:
        workload = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            texts = file.read().splitlines()
        single = workload == "singles"
        size = GROUP_OF_SINGLES if single else GROUP
        texts = texts if single else sorted(texts, key=length, reverse=True)
        for number, start in enumerate(range(0, len(texts), size)):
            # `infer bench` goes by a file's name.
            place = f"{folder}/{workload}-{number}"
            os.mkdir(place)
            with open(f"{place}/{workload}.txt", "w", encoding="utf-8") as file:
                file.write("\n".join(texts[start : start + size]) + "\n")
            yield workload, number, texts[start : start + size], f"{place}/{workload}.txt"


all_groups = list(groups())
calibration = [text for _, _, texts, _ in all_groups for text in texts][::5]
exactly = pytorch(torch.float32)
makers = {
    "torch-f32": lambda: exactly,
    "ort-f32": lambda: onnx_runtime(onnx_file()),
    "openvino-f32": lambda: open_vino(openvino.Core().read_model(onnx_file()), "f32"),
    "ort-int8": lambda: onnx_runtime(onnx_int8()),
    # What is left in floating point may be bf16 where the processor has it.
    "openvino-int8": lambda: open_vino(open_vino_int8(calibration), "bf16" if "bf16" in cpu else "f32"),
}
if "bf16" in cpu:
    makers["torch-bf16"] = lambda: pytorch(torch.bfloat16)
    makers["openvino-bf16"] = lambda: open_vino(openvino.Core().read_model(onnx_file()), "bf16")
chosen = arguments.precision or ["f32", "bf16", "int8"]
programs = {name: make() for name, make in makers.items() if name.split("-")[1] in chosen}
precisions = {f"infer-{precision}": precision for precision in chosen}

seconds = collections.defaultdict(list)
cosines = {}
for turn in range(arguments.rounds):
    order = random.Random(turn)
    order.shuffle(all_groups)
    for workload, number, texts, path in all_groups:
        exact = exactly(texts) if turn == 0 else None
        names = [*programs, *precisions]
        order.shuffle(names)
        for name in names:
            time.sleep(PAUSE)
            if name in precisions:
                # It warms up by itself.
                taken, smallest, mean = ours(precisions[name], path)
            else:
                parts = [[text] for text in texts] if workload == "singles" else [texts]
                for part in parts:
                    programs[name](part)
                start = time.perf_counter()
                vectors = np.concatenate([programs[name](part) for part in parts])
                taken = time.perf_counter() - start
                if exact is not None:
                    found = (vectors * exact).sum(1)
                    smallest, mean = float(found.min()), float(found.mean())
            seconds[name, workload, number].append(taken)
            if turn == 0:
                cosines[name, workload, number] = smallest, mean
        print(f"round {turn + 1}: {workload}, group {number + 1}", file=sys.stderr)

rows, workloads = [], sorted({group[0] for group in all_groups})
for name in [*programs, *precisions]:
    for workload in workloads:
        counts = {group[1]: len(group[2]) for group in all_groups if group[0] == workload}
        count = sum(counts.values())
        total = sum(statistics.median(seconds[name, workload, number]) for number in counts)
        smallest = min(cosines[name, workload, number][0] for number in counts)
        mean = sum(cosines[name, workload, number][1] * counts[number] for number in counts) / count
        rows.append({"program": name, "workload": workload, "texts": count, "seconds": round(total, 4), "texts_per_second": round(count / total, 1),
                     "cosine_min": round(smallest, 6), "cosine_mean": round(mean, 6)})
        row = rows[-1]
        # `infer` compares with its own float32.
        close = "" if name == "infer-f32" else f"cosine {row['cosine_min']:.6f} {row['cosine_mean']:.6f}"
        print(f"{name:14} {workload:13} {row['texts_per_second']:8.1f} texts/s  {close}")
for name, precision in precisions.items():
    speeds = {(row["program"], row["workload"]): row["texts_per_second"] for row in rows}
    rivals = [program for program in programs if program.endswith(precision)]
    for workload in workloads if rivals else []:
        fastest = max(rivals, key=lambda program: speeds[program, workload])
        groups_of = [group[1] for group in all_groups if group[0] == workload]
        times = lambda program: [statistics.median(seconds[program, workload, number]) for number in groups_of]
        each = sorted(theirs / own for theirs, own in zip(times(fastest), times(name)))
        print(f"{name} over {fastest}, {workload}: {speeds[name, workload] / speeds[fastest, workload]:.2f}"
              f" (groups: {statistics.median(each):.2f}, {each[0]:.2f} to {each[-1]:.2f})")
if arguments.out:
    with open(arguments.out, "w") as file:
        json.dump({"threads": arguments.threads, "rows": [row for row in rows if not row["program"].startswith("infer")]}, file, indent=1)
