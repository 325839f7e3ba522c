"""Writes the products of Chorus with their brands and colours as JSON Lines to standard output.

usage: python3 benchmarks/python/chorus_columns.py CHORUS > products.jsonl

CHORUS is a clone of the GitHub repository querqy/chorus; datasets/prepare.py names the commit. The products are those of
datasets/chorus-electronics/titles.tsv.gz, in its order. Only the standard library is needed.
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "datasets"))
from prepare import one_line, read_products  # noqa: E402


def main(chorus):
    for product in read_products(chorus):
        row = {
            "id": product["id"],
            "title": one_line(product["title"]),
            "brand": product.get("supplier") or "",
            "colour": product.get("attr_t_product_colour") or "",
        }
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
