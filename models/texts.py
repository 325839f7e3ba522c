"""Writes the texts from which models/static-256 and the models of the guide "A smaller model" learn: one per line.

usage: python texts.py --texts FOLDER [--wordnet FOLDER | --sentences] --output texts.txt

The texts and their licences are in SOURCES: products, searches, and with --wordnet a dictionary. --texts has one folder
per source, with the files of the places that SOURCES names; --wordnet has the files data.noun, data.verb, data.adj and
data.adv of WordNet 3.0 (Debian's package wordnet-base has them). Texts under a licence that asks for the same licence
(CC BY-SA) are not among them: with --sentences the file has those, which are SENTENCES, and no other. The models are
measured with datasets/chorus-electronics and datasets/sts: a text that equals one of their titles, queries or sentences is
left out. Do not measure them with datasets/dbpedia-entity-sample: its documents are among SENTENCES.
"""
import argparse
import csv
import gzip
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

DATASETS = Path(__file__).resolve().parent.parent / "datasets"

# Short searches, made of neighbouring words of a title.
SPANS_PER_TITLE = 1
# Longer descriptions are cut after so many characters.
LONGEST_TEXT = 300
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


def json_lines(file, texts):
    """What `texts` makes of each row of a file of JSON Lines: a list of texts."""
    opened = gzip.open if file.endswith(".gz") else open
    return lambda folder: (
        text for line in opened(folder / file, "rt", encoding="utf-8") for text in texts(json.loads(line))
    )


def sentences_of(text):
    return re.split(r"(?<=[a-z0-9)\"'][.!?])\s*(?=[A-Z])", text)


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
           json_lines("oa-mine-attributes/train.jsonl", lambda row: [row["input"]])),
    Source("queryner", "MIT; query texts Apache-2.0", "GitHub bltlab/query-ner 3cbc24cc5f49, the training part",
           json_lines("queryner/train.jsonl", lambda row: [" ".join(row["tokens"])])),
    Source("webshop", "MIT", WEBSHOP, lines("webshop-queries/instructions.txt")),
    Source("webshop_queries", "MIT", WEBSHOP, columns("webshop-queries/instruction_query.tsv", "query")),
    Source("wands", "MIT", "GitHub softwaredoug/WANDS 399553cfeb93", columns("wands-queries/queries.tsv", "query")),
]
# Their titles are cut into short searches.
TITLES = {"abt", "buy", "amazon_software", "google_products", "walmart", "amazon_electronics", "oa_mine"}
DATASET_STS = "GitHub brmson/dataset-sts e1d3375f5b3b, data/sts/semeval-sts"
SENTENCES = [
    Source("sts_train", "CC BY-SA; headlines: to be acknowledged",
           "GitHub oborchers/Fast_Sentence_Embeddings e92261ab5a64, the open rows of evaluation/sts-train.csv",
           columns("sts/stsb_open_train.tsv", "sentence1", "sentence2")),
    Source("sts_2013_to_2016", "CC BY-SA and CC BY; headlines: to be acknowledged", f"the open rows of {DATASET_STS}",
           columns("sts/sts13-16_open_test.tsv", "sentence1", "sentence2")),
    Source("films", "CC BY-SA 4.0", "GitHub metarank/msrd bf981b4a425c",
           json_lines("msrd-movies/movies.jsonl.gz", lambda row: sentences_of(row["overview"]))),
    Source("dbpedia", "CC BY-SA 3.0", "DBpedia's abstracts in GitHub agentset-ai/embedding-leaderboard 7a1376ca20a0",
           json_lines("dbpedia-entity-sample/corpus.jsonl", lambda row: sentences_of(row["text"]))),
]
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
    """The texts that the models are measured with, which they must not have read."""
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


def all_texts(sources, folder, wordnet_folder):
    """Every text once, in a fixed order, and the number of each source. No folder of WordNet: none of it."""
    draw = random.Random(SEED)
    seen = {normal(text) for text in measured_texts()} | {""}
    found, counts = [], Counter()

    def add(name, text):
        text = re.sub(r"\s+", " ", text).strip()[:LONGEST_TEXT]
        if normal(text) not in seen:
            seen.add(normal(text))
            found.append(text)
            counts[name] += 1

    for source in sources:
        own = list(source.texts(folder))
        for text in own:
            add(source.name, text)
        if source.name in TITLES:
            for text in own:
                for span in spans(text, draw):
                    add("spans of titles", span)
    for text in wordnet(wordnet_folder) if wordnet_folder else ():
        add("wordnet", text)
    draw.shuffle(found)
    return found, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--texts", "--output"):
        parser.add_argument(name, type=Path, required=True)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--wordnet", type=Path)
    kind.add_argument("--sentences", action="store_true")
    options = parser.parse_args()
    sources = SENTENCES if options.sentences else SOURCES
    texts, counts = all_texts(sources, options.texts, options.wordnet)
    for name, count in counts.items():
        print(f"{count:8} {name}")
    options.output.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


if __name__ == "__main__":
    main()
