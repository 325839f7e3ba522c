"""Writes chorus-electronics/, products.tsv and the rows of product-pairs/ anew from clones of three projects.

usage: python3 prepare.py CHORUS SHOWCASE PYJEDAI [OUT_FOLDER]

CHORUS, SHOWCASE and PYJEDAI are clones of the GitHub repositories querqy/chorus,
typesense/showcase-ecommerce-store and AI-team-UoA/pyJedAI (with or without a work tree); the
commits below are read from them. OUT_FOLDER is the folder of this script unless given. Only the
standard library is needed.
"""
import csv
import gzip
import io
import json
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path

CHORUS_COMMIT = "96edf8b536e521be06cab910e0f6a9b25e3016fc"
PRODUCTS = [f"data-encoder/ecommerce/vectors/data/{part}.json.zip" for part in (1, 2, 3, 4)]
RATINGS = "katas/Broad_Query_Set_rated.csv"

SHOWCASE_COMMIT = "896175ba471c0845298a6b4065deab1f4d050a57"
BEST_BUY = "scripts/data/ecommerce.json"

PYJEDAI_COMMIT = "619b00eb18fd536ad51af8b6757d0a1c7955334b"
# A name for each catalogue, its file, the separator and the column that holds the title.
CATALOGUES = [
    ("abt", "data/ccer/D2/abt.csv", "|", "name"),
    ("buy", "data/ccer/D2/buy.csv", "|", "name"),
    ("amazon_software", "data/ccer/D3/amazon.csv", "#", "title"),
    ("google_products", "data/ccer/D3/gp.csv", "#", "title"),
]

# The products that a fine-tuned model is tested on; all others are for training.
TEST_SOURCE = "bestbuy"
# 100 steps of 32 pairs, the first of all training pairs in the order of this seed.
TRAIN_ROWS = 100 * 32
SHUFFLE_SEED = 1

# The shelves of products.tsv: what a title says, and how many products are taken.
SHELVES = [
    (r"\bkeyboards?\b", 30),
    (r"\bmouse\b", 20),
    (r"\b(headphones|earphones)\b", 30),
    (r"\bheadset\b", 15),
    (r"\b(speakers?|loudspeaker|soundbar)\b", 30),
    (r"\b(webcam|camera)\b", 25),
    (r"\b(coffee|espresso|kettle|blender|toaster|juicer|mixer)\b", 25),
    (r"\b(shaver|toothbrush|trimmer|hair ?dryer|epilator)\b", 25),
    (r"\b(backpack|briefcase)\b", 25),
    (r"\b(puzzle|doll|toy|game)\b", 25),
    (r"\b(clock|watch|smartwatch)\b", 15),
    (r"\b(hue|bulb|wall light|spot light|flashlight|desk lamp)\b", 15),
    (r"\brouter\b", 15),
    (r"\bprojector\b", 15),
    (r"\b(tablet|e-book reader)\b", 10),
    (r"\bprinter\b", 15),
]
# Words of accessories, which would fill the shelves.
ACCESSORY = re.compile(
    r"\b(cable|adapter|mount|bracket|wire|cover|replacement|battery|lens|lamp for|tripod|dust|support|paper|switch"
    r"|extender|splitter|kvm|case for|screen protector|headlight|toner|cartridge|holder|housing|stand|tray|pole"
    r"|remote control|pad|connector|lamp uhb|lamp nsh|camera case)s?\b",
    re.IGNORECASE,
)
# Shorter descriptions say little; longer ones are advertisements.
DESCRIPTION_LENGTHS = range(25, 400)


def one_line(text):
    return re.sub(r"[\t\r\n]+", " ", text)


def single_spaced(text):
    return " ".join(text.split())


def from_clone(clone, commit, path):
    return subprocess.run(["git", "-C", clone, "show", f"{commit}:{path}"], check=True, capture_output=True).stdout


def read_products(clone):
    for path in PRODUCTS:
        with zipfile.ZipFile(io.BytesIO(from_clone(clone, CHORUS_COMMIT, path))) as archive:
            (name,) = archive.namelist()
            yield from json.loads(archive.read(name))


def write_tsv(file, header, rows):
    for row in [header, *rows]:
        file.write("\t".join(row) + "\n")


def write_zipped_tsv(path, header, rows):
    # Without a time stamp and a name the same rows are the same file.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as zipped:
        with io.TextIOWrapper(zipped, encoding="utf-8", newline="\n") as file:
            write_tsv(file, header, rows)


def choose(products):
    """The most described products of every shelf, one of each title, in the order of the source."""
    described = []
    for product in products:
        title, description = product["title"], product.get("short_description", "")
        if len(description) in DESCRIPTION_LENGTHS and description.lower() not in title.lower() and not ACCESSORY.search(title):
            described.append(product)
    chosen = {}
    for pattern, count in SHELVES:
        shelf = [p for p in described if re.search(pattern, p["title"], re.IGNORECASE) and p["title"] not in chosen]
        shelf.sort(key=lambda p: -len(p["short_description"]))
        # A dictionary keeps the first of each title.
        titles = list(dict.fromkeys(p["title"] for p in shelf))[:count]
        for title in titles:
            chosen[title] = next(p for p in shelf if p["title"] == title)
    ids = {product["id"] for product in chosen.values()}
    return [product for product in products if product["id"] in ids]


def read_catalogues(products, showcase, pyjedai):
    """Source, id, title and description of every product of all catalogues, one after the other."""
    for product in products:
        yield "chorus", product["id"], product["title"], product.get("short_description", "")
    best_buy = json.loads(from_clone(showcase, SHOWCASE_COMMIT, BEST_BUY))
    for number, product in enumerate(best_buy):
        yield TEST_SOURCE, f"bb{number}", product["name"], product["description"]
    for source, path, separator, title in CATALOGUES:
        text = from_clone(pyjedai, PYJEDAI_COMMIT, path).decode("utf-8")
        for row in csv.DictReader(io.StringIO(text), delimiter=separator, quoting=csv.QUOTE_NONE):
            yield source, row["id"], row[title], row["description"]


def pair(catalogues):
    """The products whose description says something that the title does not."""
    for source, identifier, title, description in catalogues:
        title, description = single_spaced(title), single_spaced(description)
        if title and description and title.lower() != description.lower():
            yield source, identifier, title, description


def main(chorus, showcase, pyjedai, out):
    products = list(read_products(chorus))
    (out / "chorus-electronics").mkdir(exist_ok=True)
    titles = ([p["id"], one_line(p["title"])] for p in products)
    write_zipped_tsv(out / "chorus-electronics/titles.tsv.gz", ["id", "title"], titles)

    ratings = csv.DictReader(io.StringIO(from_clone(chorus, CHORUS_COMMIT, RATINGS).decode("utf-8")))
    with open(out / "chorus-electronics/qrels.tsv", "w", encoding="utf-8", newline="\n") as file:
        write_tsv(file, ["query", "docid", "rating"], ([r["query"], r["docid"], r["rating"]] for r in ratings))

    with open(out / "products.tsv", "w", encoding="utf-8", newline="\n") as file:
        rows = ([p["id"], p["title"], p["supplier"], p["short_description"]] for p in choose(products))
        write_tsv(file, ["id", "title", "brand", "description"], (list(map(one_line, row)) for row in rows))

    pairs = list(pair(read_catalogues(products, showcase, pyjedai)))
    test = [row for row in pairs if row[0] == TEST_SOURCE]
    train = [row for row in pairs if row[0] != TEST_SOURCE]
    random.Random(SHUFFLE_SEED).shuffle(train)
    (out / "product-pairs").mkdir(exist_ok=True)
    header = ["source", "id", "title", "description"]
    write_zipped_tsv(out / "product-pairs/train.tsv.gz", header, train[:TRAIN_ROWS])
    write_zipped_tsv(out / "product-pairs/test.tsv.gz", header, test)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:4], Path(sys.argv[4]) if len(sys.argv) == 5 else Path(__file__).resolve().parent)
