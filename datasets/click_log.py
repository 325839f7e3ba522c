"""Writes click-log/clicks.tsv, a made-up log of searches in products.tsv.

usage: python3 click_log.py

No person's clicks are in it. The shop and its customers are invented: each query of QUERIES has products that answer it
(those with the words in title and description), the first queries come most often (Zipf's law), and one click in
twelve goes to a product that does not answer the query. Only the standard library is needed.
"""
import csv
import random
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DAYS = 14
SEARCHES_OF_A_DAY = 90
SHARE_OF_WRONG_CLICKS = 1 / 12
SHARE_OF_PURCHASES = 1 / 6

# A query, and what the title or the description of its products says, in this order of popularity.
QUERIES = [
    ("wireless headphones", r"(?=.*(headphones|headset))(?=.*(wireless|bluetooth))"),
    ("gaming mouse", r"(?=.*\bmouse\b)(?=.*(gaming|dpi))"),
    ("school bag", r"backpack"),
    ("coffee machine", r"(coffee|espresso)"),
    ("keyboard for office", r"\bkeyboard\b(?!.*gaming)"),
    ("smart light", r"\b(hue|smart bulb|bulb)\b"),
    ("home cinema projector", r"projector"),
    ("toy for kids", r"\b(doll|toy|playmobil|puzzle)\b"),
    ("wifi for the whole house", r"router"),
    ("camera for video calls", r"webcam"),
    ("electric shaver men", r"shaver"),
    ("small bluetooth speaker", r"(?=.*speaker)(?=.*(portable|bluetooth))"),
    ("fitness watch", r"\b(smartwatch|sport watch|watch)\b"),
    ("earphones for running", r"(earphones|ear hook|in-ear)"),
    ("printer with scanner", r"\bprinter\b"),
    ("blender for smoothies", r"\b(blender|mixer|juicer)\b"),
    ("electric toothbrush", r"toothbrush"),
    ("tv sound", r"\b(soundbar|home cinema|speaker set|5\.1)\b"),
    ("mechanical gaming keyboard", r"(?=.*keyboard)(?=.*(gaming|mechanical))"),
    ("water kettle", r"\bkettle\b"),
    ("reading on the go", r"\b(e-book|tablet)\b"),
    ("bread toaster", r"\btoaster\b"),
    ("headset for phone work", r"\bheadset\b"),
    ("laptop bag", r"\b(briefcase|notebook case|laptop)\b"),
    ("alarm clock", r"\bclock\b"),
    ("torch", r"\b(flashlight|torch)\b"),
    ("hair dryer", r"hair ?dryer"),
    ("security camera", r"\b(ip camera|security camera|surveillance)\b"),
]


def main():
    draw = random.Random(1)
    with open(FOLDER / "products.tsv", encoding="utf-8", newline="") as file:
        products = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    text = {product["id"]: f"{product['title']} {product['description']}".lower() for product in products}
    right = {query: [id for id in text if re.search(words, text[id])] for query, words in QUERIES}
    queries = [query for query, _ in QUERIES if right[query]]
    popularity = [1 / rank for rank in range(1, len(queries) + 1)]
    folder = FOLDER / "click-log"
    folder.mkdir(exist_ok=True)
    with open(folder / "clicks.tsv", "w", encoding="utf-8", newline="\n") as file:
        file.write("day\tquery\tid\tevent\n")
        for day in range(1, DAYS + 1):
            for query in draw.choices(queries, popularity, k=SEARCHES_OF_A_DAY):
                wrong = draw.random() < SHARE_OF_WRONG_CLICKS
                shown = list(text) if wrong else right[query]
                id = draw.choice(shown)
                event = "buy" if not wrong and draw.random() < SHARE_OF_PURCHASES else "click"
                typed = query.capitalize() if draw.random() < 0.1 else query
                file.write(f"{day}\t{typed}\t{id}\t{event}\n")
    for query in queries:
        print(f"{len(right[query]):3} products for {query}")


if __name__ == "__main__":
    main()
