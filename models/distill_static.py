"""Makes models/static-256 from a teacher: one row of numbers per token; a text's vector is the mean of its tokens' rows.

usage: python distill_static.py TEACHER --texts FOLDER --wordnet FOLDER --output FOLDER [--infer target/release/infer]
needs: torch, numpy, sentence-transformers 5.7 or later, tokenizers, safetensors, and a built `infer`

TEACHER is a folder of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). Four steps:

1. The vocabulary: the teacher's tokens of Latin script, and the words that occur most often in the texts and that the
   teacher cuts into pieces. The first row of a token is the teacher's vector of that token alone, weighted by its
   frequency (smooth inverse frequency: Arora, Liang, Ma, ICLR 2017).
2. The teacher's vectors of all texts, by `infer embed`.
3. Both are projected onto the 256 principal axes of the texts' vectors.
4. Regression: the rows change until the means of rows point where the teacher's vectors point. They are written as float16.

The texts and their licences are in SOURCES. --texts has one folder per source, with the files of the places that
SOURCES names; --wordnet has the files data.noun, data.verb, data.adj and data.adv of WordNet 3.0 (Debian's package
wordnet-base has them). Texts under a licence that asks for the same licence (CC BY-SA) are not among them. Neither are
texts of the data that the model is measured with: a text that equals a title or a query of datasets/chorus-electronics
or a sentence of datasets/sts is left out.
"""
import argparse
import csv
import gzip
import json
import random
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

DATASETS = Path(__file__).resolve().parent.parent / "datasets"

# 16 MB with the tokenizer of 0.7 MB: the rows that fit at 512 bytes each.
ROWS = 29_800
WIDTH = 256
# A word gets a row of its own from this many occurrences.
LEAST_OCCURRENCES = 8
# The weight of a token is SIF / (SIF + its frequency).
SIF = 1e-3
# Short searches, made of neighbouring words of a title.
SPANS_PER_TITLE = 1
# Longer descriptions are cut after so many characters.
LONGEST_TEXT = 300

EPOCHS = 6
BATCH = 512
LEARNING_RATE = 0.001
# The share of the loss that compares the similarities of all pairs of texts in a batch.
SIMILARITY_WEIGHT = 2.0
SEED = 0


class Source(NamedTuple):
    """Texts, where they are from, and the licence that their publisher states."""

    name: str
    licence: str
    origin: str
    texts: object  # a function from the folder of --texts to strings


def tsv(path):
    with open(path, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def columns(file, *names):
    """The named columns of a file, title first."""
    return lambda folder: (row[name] for row in tsv(folder / file) for name in names)


def json_lines(file, text):
    return lambda folder: (text(json.loads(line)) for line in open(folder / file, encoding="utf-8"))


def lines(file):
    return lambda folder: (line.rstrip("\n") for line in open(folder / file, encoding="utf-8"))


PYJEDAI = "GitHub AI-team-UoA/pyJedAI 619b00eb18fd, data/ccer"
WEBSHOP = "GitHub princeton-nlp/WebShop 64fa2a5c15c7, baseline_models/data"
SOURCES = [
    Source("abt", "Apache-2.0", f"{PYJEDAI}/D2", columns("er-products/abt.tsv", "name", "description")),
    Source("buy", "Apache-2.0", f"{PYJEDAI}/D2", columns("er-products/buy.tsv", "name", "description")),
    Source("amazon_software", "Apache-2.0", f"{PYJEDAI}/D3", columns("er-products/amazon_software.tsv", "title", "description")),
    Source("google_products", "Apache-2.0", f"{PYJEDAI}/D3", columns("er-products/google_products.tsv", "title", "description")),
    Source("walmart", "Apache-2.0", f"{PYJEDAI}/D8", columns("er-products/walmart.tsv", "title")),
    Source("amazon_electronics", "Apache-2.0", f"{PYJEDAI}/D8", columns("er-products/amazon_electronics.tsv", "title")),
    Source("oa_mine", "Apache-2.0", "GitHub xinyangz/OAMine 950aa6d91bc6, the training part of wbsg-uni-mannheim/ExtractGPT",
           json_lines("oa-mine-attributes/train.jsonl", lambda row: row["input"])),
    Source("queryner", "MIT; query texts Apache-2.0", "GitHub bltlab/query-ner 3cbc24cc5f49, the training part",
           json_lines("queryner/train.jsonl", lambda row: " ".join(row["tokens"]))),
    Source("webshop", "MIT", WEBSHOP, lines("webshop-queries/instructions.txt")),
    Source("webshop_queries", "MIT", WEBSHOP, columns("webshop-queries/instruction_query.tsv", "query")),
    Source("wands", "MIT", "GitHub softwaredoug/WANDS 399553cfeb93", columns("wands-queries/queries.tsv", "query")),
]
# Their titles are cut into short searches.
TITLES = {"abt", "buy", "amazon_software", "google_products", "walmart", "amazon_electronics", "oa_mine"}
WORDNET = Source("wordnet", "WordNet licence (permits use, change and distribution with its notice)", "WordNet 3.0", None)


def wordnet(folder):
    """The definitions and the example sentences of WordNet."""
    for part in ("noun", "verb", "adj", "adv"):
        for line in open(folder / f"data.{part}", encoding="utf-8"):
            if line.startswith("  "):  # the licence
                continue
            gloss = line.split(" | ", 1)[1].strip()
            yield from re.findall(r'"([^"]{12,})"', gloss)
            yield re.sub(r';?\s*"[^"]*"?', "", gloss).strip(" ;")


def normal(text):
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def measured_texts():
    """The texts that the model is measured with, which it must not have read."""
    with gzip.open(DATASETS / "chorus-electronics/titles.tsv.gz", "rt", encoding="utf-8") as file:
        yield from (row["title"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    yield from (row["query"] for row in tsv(DATASETS / "chorus-electronics/qrels.tsv"))
    for part in ("dev", "test"):
        for row in tsv(DATASETS / f"sts/stsb_open_{part}.tsv"):
            yield from (row["sentence1"], row["sentence2"])


def spans(title, draw):
    """Neighbouring words of a title, as people type them into a search box."""
    words = re.findall(r"[\w'-]+", title)
    for _ in range(SPANS_PER_TITLE if len(words) > 4 else 0):
        length = draw.randint(1, 4)
        start = draw.randrange(len(words) - length + 1)
        yield " ".join(words[start : start + length])


def all_texts(folder, wordnet_folder):
    """Every text once, in a fixed order, and the number of each source."""
    draw = random.Random(SEED)
    seen = {normal(text) for text in measured_texts()} | {""}
    found, counts = [], Counter()

    def add(name, text):
        text = re.sub(r"\s+", " ", text).strip()[:LONGEST_TEXT]
        if normal(text) not in seen:
            seen.add(normal(text))
            found.append(text)
            counts[name] += 1

    for source in SOURCES:
        own = list(source.texts(folder))
        for text in own:
            add(source.name, text)
        if source.name in TITLES:
            for text in own:
                for span in spans(text, draw):
                    add("spans of titles", span)
    for text in wordnet(wordnet_folder):
        add("wordnet", text)
    draw.shuffle(found)
    return found, counts


def teacher_vectors(infer, teacher, texts):
    """Vectors of norm 1."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/texts.txt", f"{folder}/vectors.npy"
        Path(source).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        command = [infer, "embed", "--offline", "--model", teacher, "--precision", "bf16", "--input", source, "--output", target]
        subprocess.run(command, check=True)
        return np.load(target)


def is_latin(token):
    """Whether a token has no letter of another script."""
    from unicodedata import name

    return all(not letter.isalpha() or name(letter, "").startswith("LATIN") for letter in token)


def new_tokenizer(teacher, texts):
    """The teacher's tokenizer with another vocabulary and without special tokens, and how often each token occurs in the texts."""
    state = json.loads(Path(teacher, "tokenizer.json").read_text(encoding="utf-8"))
    old = Tokenizer.from_str(json.dumps(state | {"truncation": None, "padding": None}))
    words = Counter(word for text in texts for word in re.findall("[a-z]+", text.lower()))
    vocabulary = state["model"]["vocab"]
    kept = [token for token in sorted(vocabulary, key=vocabulary.get) if not re.fullmatch(r"\[.+\]", token) and is_latin(token)]
    kept = ["[PAD]", "[UNK]", *kept]
    frequent = [word for word, count in words.most_common() if count >= LEAST_OCCURRENCES and word not in vocabulary and len(word) > 2]
    kept += frequent[: ROWS - len(kept)]
    state["model"]["vocab"] = {token: row for row, token in enumerate(kept)}
    state["added_tokens"] = [token | {"id": kept.index(token["content"])} for token in state["added_tokens"] if token["content"] in kept[:2]]
    state |= {"truncation": None, "padding": None, "post_processor": None}
    return Tokenizer.from_str(json.dumps(state)), old, kept


def token_vectors(teacher, old, tokens):
    """The teacher's vector of every token alone, not scaled to norm 1."""
    transformer = SentenceTransformer(teacher, device="cpu")[0].auto_model
    start, end = old.token_to_id("[CLS]"), old.token_to_id("[SEP]")
    pieces = [[old.token_to_id(token)] if old.token_to_id(token) is not None else old.encode(token, add_special_tokens=False).ids for token in tokens]
    order = sorted(range(len(tokens)), key=lambda row: len(pieces[row]))
    result = np.zeros((len(tokens), transformer.config.hidden_size), np.float32)
    with torch.inference_mode():
        for first in range(0, len(order), 512):
            rows = order[first : first + 512]
            longest = max(len(pieces[row]) for row in rows) + 2
            ids = torch.zeros(len(rows), longest, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for place, row in enumerate(rows):
                of_row = [start, *pieces[row], end]
                ids[place, : len(of_row)] = torch.tensor(of_row)
                mask[place, : len(of_row)] = 1
            states = transformer(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).float()
            result[rows] = ((states * weights).sum(1) / weights.sum(1)).numpy()
    return result


def first_rows(vectors, counts):
    """The teacher's vectors around their mean, weighted by smooth inverse frequency. A token that no text has gets the weight of the rarest."""
    frequency = np.maximum(counts, 1) / counts.sum()
    centred = vectors - vectors.mean(0)
    centred /= np.linalg.norm(centred, axis=1).mean()
    return (centred * (SIF / (SIF + frequency))[:, None]).astype(np.float32)


class Bags:
    """The token ids of all texts, as torch's EmbeddingBag takes them."""

    def __init__(self, tokenizer, texts):
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        self.lengths = np.array([len(encoding.ids) for encoding in encodings])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.ids = np.concatenate([np.array(encoding.ids, np.int64) for encoding in encodings])

    def batch(self, rows):
        ids = np.concatenate([self.ids[self.starts[row] : self.starts[row + 1]] for row in rows])
        offsets = np.concatenate([[0], np.cumsum(self.lengths[rows])[:-1]])
        return torch.from_numpy(ids), torch.from_numpy(offsets)

    def vectors(self, table):
        """The means of rows, scaled to norm 1."""
        ids, offsets = self.batch(np.arange(len(self.lengths)))
        means = torch.nn.functional.embedding_bag(ids, torch.from_numpy(table), offsets, mode="mean")
        return torch.nn.functional.normalize(means, dim=1).numpy()


def regress(table, bags, targets, epochs, after_epoch=None):
    """Changes the rows until the mean of a text's rows points where the teacher's vector does."""
    torch.manual_seed(SEED)
    rows = torch.nn.Parameter(torch.from_numpy(table.copy()))
    # Only the rows of a batch change.
    optimizer = torch.optim.SparseAdam([rows], lr=LEARNING_RATE)
    usable = np.flatnonzero(bags.lengths > 0)
    targets = torch.from_numpy(targets)
    steps = epochs * (len(usable) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for epoch in range(epochs):
        order = usable[torch.randperm(len(usable)).numpy()]
        total = 0.0
        for first in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            ids, offsets = bags.batch(batch)
            means = torch.nn.functional.embedding_bag(ids, rows, offsets, mode="mean", sparse=True)
            vectors = torch.nn.functional.normalize(means, dim=1)
            wanted = targets[batch]
            direction = (1 - (vectors * wanted).sum(1)).mean()
            similarity = (vectors @ vectors.T - wanted @ wanted.T).square().mean()
            loss = direction + SIMILARITY_WEIGHT * similarity
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / (len(order) // BATCH):.4f}", flush=True)
        if after_epoch:
            after_epoch(rows.detach().numpy())
    return rows.detach().numpy()


def principal_axes(vectors, width):
    """Turns vectors so that `width` numbers keep most of them; around zero, since cosines are measured from zero."""
    _, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    return axes[:, ::-1][:, :width].astype(np.float32)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write(folder, tokenizer, table):
    """The folder form of sentence-transformers: StaticEmbedding, then Normalize."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"embedding.weight": np.ascontiguousarray(table.astype(np.float16))}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    kinds = [("", "StaticEmbedding"), ("1_Normalize", "Normalize")]
    modules = [{"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"} for index, (path, kind) in enumerate(kinds)]
    settings = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    for name, content in (("modules.json", modules), ("config_sentence_transformers.json", settings)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher")
    for name in ("--texts", "--wordnet", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--infer", default="target/release/infer")
    options = parser.parse_args()
    texts, counts = all_texts(options.texts, options.wordnet)
    for name, count in counts.items():
        print(f"{count:8} {name}")
    targets = teacher_vectors(options.infer, options.teacher, texts)
    tokenizer, old, tokens = new_tokenizer(options.teacher, texts)
    bags = Bags(tokenizer, texts)
    occurrences = np.bincount(bags.ids, minlength=len(tokens))
    axes = principal_axes(targets, WIDTH)
    table = first_rows(token_vectors(options.teacher, old, tokens), occurrences) @ axes
    table = regress(table, bags, unit(targets @ axes), EPOCHS)
    write(options.output, tokenizer, table)
    print(f"{len(tokens)} rows of {WIDTH}")


if __name__ == "__main__":
    main()
