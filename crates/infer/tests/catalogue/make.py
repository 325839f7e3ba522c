"""Writes the same products as the files that shops have: pip install pandas pyarrow duckdb, then run this file.

The test `program::catalogue` searches each of them. The files are in the repository, so the test needs no Python.
Zstandard comes from pyarrow.
"""

import csv
import io
import json
from pathlib import Path

import duckdb
import pandas
import pyarrow

HERE = Path(__file__).parent

# id, title, description (None: the shop has none), price, tags
PRODUCTS = [
    (1001, 'Curved monitor 24"', 'LED screen, 24" wide; "Full HD"', 189.99, ["screen", "office"]),
    (1002, "Steel kettle 1.7 l", "Boils water; switches itself off", 34.5, ["kitchen"]),
    (1003, "Café crème mug, 30 cl", None, 8.0, []),
    (1004, "Garden hose 20 m", "Flexible hose\nwith a spray nozzle", 29.95, ["garden"]),
    (1005, "Garden chair, teak", "Folds flat, weatherproof", 79.0, ["garden", "wood"]),
    (1006, "Kopfhörer „Stille“", "Noise cancelling headphones", 129.0, ["audio"]),
    (1007, "Desk lamp", None, 22.0, ["office"]),
    (1008, "Running shoes, women’s", "Light; for road & track", 99.0, ["sport"]),
    (1009, "Water bottle 750 ml", "Insulated stainless steel", 24.9, ["sport", "kitchen"]),
    (1010, "Smart speaker", "Voice assistant, 10 € off", 59.0, ["audio"]),
    (1011, "Wireless keyboard", "Slim 75% keyboard", 49.0, ["office"]),
    (1012, "Ergonomic office chair", None, 249.0, ["office"]),
]
HEADER = ["id", "title", "description", "price"]


def table(delimiter: str, line_break: str = "\n", point: str = ".") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_break)
    writer.writerow(HEADER)
    for number, title, description, price, _ in PRODUCTS:
        writer.writerow([number, title, description or "", str(price).replace(".", point)])
    return text.getvalue()


def records() -> list[dict]:
    return [dict(zip([*HEADER, "tags"], product)) for product in PRODUCTS]


def main() -> None:
    plain = table(",")
    (HERE / "plain.csv").write_bytes(plain.encode())
    (HERE / "excel-german.csv").write_bytes(table(";", "\r\n", point=",").encode("windows-1252"))
    # Excel's "Unicode text": tabs, quotes where needed, a byte order mark.
    (HERE / "excel-unicode.tsv").write_bytes(table("\t", "\r\n").encode("utf-16"))
    (HERE / "plain.csv.zst").write_bytes(pyarrow.compress(plain.encode(), codec="zstd", asbytes=True))

    (HERE / "products.json").write_text(json.dumps(records(), indent=2, ensure_ascii=False) + "\n")
    sparse = [{key: value for key, value in record.items() if value is not None} for record in records()]
    lines = [json.dumps(record) for record in sparse]
    (HERE / "sparse.jsonl").write_text("\n".join(lines) + "\n")

    frame = pandas.DataFrame(records())
    frame.to_parquet(HERE / "pandas.parquet", index=False)
    duckdb.sql("SELECT * FROM frame").write_parquet(str(HERE / "duckdb.parquet"))


main()
