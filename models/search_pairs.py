"""Writes rows of queries and products, which the models of the guide "Search without clicks" are compared with.

usage: python search_pairs.py --texts FOLDER --output FOLDER

No queries of a shop are among them. Words of a title stand for a query: one to four, in their order, in lower case, mostly
neighbours. The folder gets
    searches.tsv      such queries and the titles that they come from
    right.tsv         some of these queries, each with every title that has all its words, to mine negatives for
    descriptions.tsv  titles and descriptions of five shops
    products.tsv      all titles, with ids, to mine negatives from
--texts, the sources and their licences are those of texts.py, and Best Buy's products: the repository has Apache-2.0, and
upstream states no licence of the catalogue. As there, no text of Chorus or of the STS data is used. Do not measure the
models with datasets/product-pairs/test.tsv.gz: it has Best Buy's products, too.
"""
import argparse
import json
import random
import re
from collections import defaultdict
from pathlib import Path

from texts import SEED, measured_texts, normal, tsv

TITLES = {
    "er-products/amazon_electronics.tsv": ("title", None),
    "er-products/walmart.tsv": ("title", None),
    "er-products/abt.tsv": ("name", "description"),
    "er-products/buy.tsv": ("name", "description"),
    "er-products/amazon_software.tsv": ("title", "description"),
    "er-products/google_products.tsv": ("title", "description"),
}
# Words that tell nothing by themselves.
EMPTY = set("a an and by for from in of on or the to with".split())
# A query that skips words of the title, beside those of neighbours.
SKIPPING = 0.3
# Queries of right.tsv, and the most titles of one: one with more tells little.
MINED = 5000
MOST_RIGHT = 30


def products(folder, seen):
    """Each product once: its title, and its description or nothing."""
    for file, (title, description) in TITLES.items():
        for row in tsv(folder / file):
            name = re.sub(r"\s+", " ", row[title]).strip()
            if normal(name) and normal(name) not in seen:
                seen.add(normal(name))
                yield name, re.sub(r"\s+", " ", row[description] if description else "").strip()


def best_buy(folder):
    """Titles and descriptions of Best Buy, from `scripts/data` of GitHub typesense/showcase-ecommerce-store at
    896175ba471c0845298a6b4065deab1f4d050a57."""
    for line in open(folder / "bestbuy-sample/products.jsonl", encoding="utf-8"):
        row = json.loads(line)
        yield tuple(re.sub(r"\s+", " ", row[name]).strip() for name in ("name", "description"))


def words_of(text):
    words = [word.strip("-'") for word in re.findall(r"[\w'-]+", text.lower())]
    return [word for word in words if word and word not in EMPTY]


def query(title, draw):
    """Words of a title, as people type them into a search box; none where a title has too few.

    Words with digits are left out: the number of a model tells its product by itself."""
    words = [word for word in words_of(title) if word.isalpha()]
    length = draw.choice((1, 2, 2, 2, 3, 3, 4))
    if len(words) <= length:
        return None
    if draw.random() < SKIPPING:
        places = sorted(draw.sample(range(len(words)), length))
    else:
        start = draw.randrange(len(words) - length + 1)
        places = range(start, start + length)
    return " ".join(words[place] for place in places)


def right(queries, titles):
    """Queries, each with every title that has all its words."""
    with_word = defaultdict(set)
    for place, title in enumerate(titles):
        for word in words_of(title):
            with_word[word].add(place)
    seen = set()
    for text in queries:
        places = set.intersection(*(with_word[word] for word in text.split()))
        if text not in seen and len(places) <= MOST_RIGHT:
            seen.add(text)
            yield from ((text, titles[place]) for place in sorted(places))
        if len(seen) == MINED:
            return


def write(path, header, rows):
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{len(lines) - 1:8} {path.name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--texts", "--output"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    draw = random.Random(SEED)
    measured = {normal(text) for text in measured_texts()}
    found = list(products(options.texts, set(measured)))
    draw.shuffle(found)
    searches = ((query(title, draw), title) for title, _ in found)
    searches = [row for row in searches if row[0] and normal(row[0]) not in measured]
    write(options.output / "searches.tsv", ("query", "title"), searches)
    pairs = right((text for text, _ in searches), [title for title, _ in found])
    write(options.output / "right.tsv", ("query", "title"), list(pairs))
    described = [row for row in found if normal(row[1]) not in {"", normal(row[0])} | measured]
    described += best_buy(options.texts)
    write(options.output / "descriptions.tsv", ("title", "description"), described)
    write(options.output / "products.tsv", ("id", "title"), [(str(number), row[0]) for number, row in enumerate(found)])


if __name__ == "__main__":
    main()
