#!/usr/bin/env python3
"""Runs a command and draws its real output as an SVG terminal. Needs only Python's standard library.

usage: python3 docs/images/record-terminal.py [PROGRAM [OUTPUT]]

PROGRAM is the `infer` to run (default: target/release/infer), OUTPUT the picture
(default: docs/src/images/search.svg). The command runs in datasets/, with the real model.
"""
import html
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The command as a reader types it; the shell joins its lines.
COMMAND = """\
infer search "brew espresso at home" "something for a child to play with" -k 3 \\
    --corpus products.tsv --column title --column description --id-column id"""
# A terminal of this many columns: a longer line of output would be wrapped, and is an error here.
COLUMNS = 132
# Pixels of a character and of a line in a monospaced font of FONT pixels.
FONT, CHARACTER, LINE, MARGIN, BAR = 13, 7.82, 20, 18, 34
BACKGROUND, FRAME, TEXT, DIM, PROMPT = "#1b1f24", "#30363d", "#e6edf3", "#8b949e", "#7ee787"


def width(text):
    """Columns that a terminal gives to `text`."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def run(program):
    """Standard output of the command, as lines."""
    folder = str(Path(program).resolve().parent)
    environment = {**os.environ, "PATH": folder + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(
        ["sh", "-c", COMMAND], cwd=ROOT / "datasets", env=environment, capture_output=True, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stderr.decode(errors="replace"))
    return done.stdout.decode().splitlines()


def line(number, parts):
    """A line of the terminal from parts of (color, text)."""
    y = BAR + MARGIN + FONT + number * LINE
    spans = "".join(f'<tspan fill="{color}">{html.escape(text)}</tspan>' for color, text in parts)
    return f'<text x="{MARGIN}" y="{y:g}" xml:space="preserve">{spans}</text>'


def draw(output):
    """The terminal with the command and its output."""
    lines = []
    for number, text in enumerate(COMMAND.splitlines()):
        prompt = "$ " if number == 0 else "  "
        lines.append([(PROMPT, prompt), (TEXT, text)])
    for text in output:
        # A hit begins with its rank; a line without one is a query.
        is_hit = text[:4].strip().isdigit()
        lines.append([(TEXT if is_hit else DIM, text)])
    for parts in lines:
        columns = sum(width(text) for _, text in parts)
        if columns > COLUMNS:
            sys.exit(f"{columns} columns, more than {COLUMNS}: {parts[-1][1]}")
    widest = max(sum(width(text) for _, text in parts) for parts in lines)
    right, bottom = widest * CHARACTER + 2 * MARGIN, BAR + len(lines) * LINE + 2 * MARGIN
    buttons = "".join(
        f'<circle cx="{20 + 18 * i}" cy="{BAR / 2:g}" r="5.5" fill="{color}"/>'
        for i, color in enumerate(["#ff5f57", "#febc2e", "#28c840"])
    )
    title = html.escape("infer search finds products by meaning: " + " ".join(COMMAND.split()))
    body = "\n".join(line(number, parts) for number, parts in enumerate(lines))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:.0f} {bottom:.0f}" width="{right:.0f}" role="img">
<title>{title}</title>
<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>
<path d="M0 {BAR}V8a8 8 0 0 1 8-8H{right - 8:.0f}a8 8 0 0 1 8 8V{BAR}Z" fill="{FRAME}"/>
{buttons}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="{FONT}">
{body}
</g>
</svg>
"""


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/infer"
    picture = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/src/images/search.svg"
    picture.write_text(draw(run(program)), encoding="utf-8")
    print(picture)


if __name__ == "__main__":
    main()
