"""Opens a tagger that `train tag` wrote in transformers, and compares its spans with those of `infer attributes`.

    python taggers.py INFER TRAIN

needs torch and transformers. The tagger is that of the fixtures, which one step of training leaves as it is. The texts have
letters beyond ASCII, of one to four bytes, so that offsets in bytes, in UTF-16 and in characters all differ.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from transformers import pipeline  # noqa: E402

MODEL = Path(__file__).resolve().parents[3] / "model/tests/fixtures/taggers/mpnet"
TEXTS = [
    "acme red kettle",
    "B\u00e4r \u201eacme\u201c red kettle",
    "\U0001f600 north wind sea green speaker",
    "\u00df\u00df orbit desk lamp, dark blue",
    "\u7d22\u5c3c acme kettle \u9ed1\u8272 black",
    "e\u0301clair by orbit (red) \u2014 2 l",
    "\U0001f1e9\U0001f1ea bright & co water bottle red \U0001f468\u200d\U0001f469\u200d\U0001f467",
]
# Both compute in float32; a score of `infer` is that of its least probable tag, so only the places are compared.
ROW = {"text": "acme red kettle", "spans": [{"start": 0, "end": 4, "label": "brand"}, {"start": 5, "end": 8, "label": "colour"}]}


def run(*arguments: str) -> str:
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def main(infer: str, train: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows, tuned = f"{folder}/rows.jsonl", f"{folder}/tuned"
        Path(rows).write_text(json.dumps(ROW) + "\n", encoding="utf-8")
        options = ["--device", "cpu", "--lr", "1e-9", "--max-steps", "1", "--no-dashboard"]
        run(train, "tag", "--train", rows, "--model", str(MODEL), "--output", tuned, *options)
        printed = run(infer, "attributes", "--model", tuned, "--device", "cpu", *TEXTS)
        ours = [json.loads(line) for line in printed.splitlines()]
        assert [line["text"] for line in ours] == TEXTS
        tagger = pipeline("token-classification", model=tuned, aggregation_strategy="simple", device="cpu")
        found = 0
        for text, line in zip(TEXTS, ours):
            spans = [(span["label"], span["start"], span["end"]) for span in line["spans"]]
            theirs = [(group["entity_group"], group["start"], group["end"]) for group in tagger(text)]
            assert spans == theirs, (text, spans, theirs)
            for span in line["spans"]:
                assert span["value"] == text[span["start"] : span["end"]], (text, span)
            found += len(spans)
        assert found >= len(TEXTS), found
        print(f"{len(TEXTS)} texts, {found} spans: the same in both")


main(*sys.argv[1:])
