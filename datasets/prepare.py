"""Writes chorus-electronics/ and products.tsv anew from a clone of the Chorus project.

usage: python3 prepare.py CHORUS_CLONE [OUT_FOLDER]

CHORUS_CLONE is a clone of the GitHub repository querqy/chorus (with or without a work tree); COMMIT below is read from it.
OUT_FOLDER is the folder of this script unless given. Only the standard library is needed.
"""
import csv
import gzip
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

COMMIT = "96edf8b536e521be06cab910e0f6a9b25e3016fc"
PRODUCTS = [f"data-encoder/ecommerce/vectors/data/{part}.json.zip" for part in (1, 2, 3, 4)]
RATINGS = "katas/Broad_Query_Set_rated.csv"

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


def from_clone(clone, path):
    return subprocess.run(["git", "-C", clone, "show", f"{COMMIT}:{path}"], check=True, capture_output=True).stdout


def read_products(clone):
    for path in PRODUCTS:
        with zipfile.ZipFile(io.BytesIO(from_clone(clone, path))) as archive:
            (name,) = archive.namelist()
            yield from json.loads(archive.read(name))


def write_tsv(file, header, rows):
    for row in [header, *rows]:
        file.write("\t".join(row) + "\n")


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


def main(clone, out):
    products = list(read_products(clone))
    (out / "chorus-electronics").mkdir(exist_ok=True)
    # Without a time stamp and a name the same titles are the same file.
    with open(out / "chorus-electronics/titles.tsv.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as zipped:
        with io.TextIOWrapper(zipped, encoding="utf-8", newline="\n") as file:
            write_tsv(file, ["id", "title"], ([p["id"], one_line(p["title"])] for p in products))

    ratings = csv.DictReader(io.StringIO(from_clone(clone, RATINGS).decode("utf-8")))
    with open(out / "chorus-electronics/qrels.tsv", "w", encoding="utf-8", newline="\n") as file:
        write_tsv(file, ["query", "docid", "rating"], ([r["query"], r["docid"], r["rating"]] for r in ratings))

    with open(out / "products.tsv", "w", encoding="utf-8", newline="\n") as file:
        rows = ([p["id"], p["title"], p["supplier"], p["short_description"]] for p in choose(products))
        write_tsv(file, ["id", "title", "brand", "description"], (list(map(one_line, row)) for row in rows))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).resolve().parent)
