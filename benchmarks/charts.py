#!/usr/bin/env python3
"""Draws the chart of speed and writes the page of results, both from `results/*.json`.

usage: python3 benchmarks/charts.py [--check]

Writes docs/src/images/speed.svg and docs/src/benchmarks/results.md; with --check it only compares them
with the files and fails where one differs. Needs the standard library only.
"""
import json, re, sys
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
CHART = ROOT / "docs/src/images/speed.svg"
PAGE = ROOT / "docs/src/benchmarks/results.md"

# The chart: one panel per workload, one cluster per precision, one bar per program.
CHART_FILE = "2026-11-27-zen4-ff4479a.json"
WORKLOADS = {
    "singles": "one text per call",
    "queries": "search queries",
    "titles": "product titles",
    "descriptions": "product descriptions",
}
PRECISIONS = {"f32": "float32", "int8": "int8"}
PROGRAMS = {"mpnet-burn": "#d1571b", "PyTorch": "#7a8594", "ONNX Runtime": "#4f83c2", "OpenVINO": "#8f6bb3"}

# The page: sections, and the identifiers of their measurements.
SECTIONS = {
    "Speed on a processor": ["speed", "speed-ratio", "cosine", "minilm-speed", "minilm-speed-ratio", "scaling"],
    "Distance to the roofline": ["roofline", "kernel-shares", "layer-shares", "profile"],
    "Start and memory": ["start", "start-serve", "memory-one", "memory-files", "model-size"],
    "Speed on a GPU": ["gpu-speed", "gpu-speed-ratio", "gpu-cosine"],
    "Training": ["training-step", "training-tokens", "training-memory", "training-memory-options",
                 "gpu-training-step", "gpu-training-memory"],
    "Fine-tuning": ["finetuning", "finetuning-loss", "finetuning-search", "search-without-clicks", "student", "student-speed"],
    "Exactness and quality": ["exactness", "quality", "reduced-precision"],
    "Search": ["exact-search", "approximate-search"],
    "Meaning and words": ["hybrid-curve", "hybrid-fusions"],
    "Attributes": ["taggers", "tagger-speed", "attribute-boosts", "attribute-boosts-queries"],
    "A store in PostgreSQL": ["store-load", "store-recall", "store-latency"],
    "A service": ["service-load", "service-bulk", "service-peer"],
}


def results():
    """All files of results, the newest first."""
    files = sorted(RESULTS.glob("*.json"), reverse=True)
    return [(path.name, json.loads(path.read_text(encoding="utf-8"))) for path in files]


def machine(document):
    """The machine in words."""
    machine = document["machine"]
    if not machine["processor"]:
        return "not recorded"
    cores = f"{machine['cores']} cores, " if machine["cores"] else ""
    return f"{cores}{machine['processor']}"


# The page.


def number(value, decimals=0):
    """A value with its recorded digits, at least `decimals`, thousands separated, small ones as powers of ten."""
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-")
    own = len(repr(value).partition(".")[2])
    # Ten digits of a score say no more than four.
    digits = decimals if own > 8 else max(decimals, own)
    return f"{value:,.{digits}f}"


def cell(row, name, decimals=0):
    """The value of a row, with its range where it has one."""
    low, high = row[name], row.get(f"{name}_max", row[name])
    text = number(low, decimals) if low == high else f"{number(low, decimals)} to {number(high, decimals)}"
    if "group_min" in row:
        text += f" ({number(row['group_min'], decimals)} to {number(row['group_max'], decimals)})"
    return text


def ordered(values):
    return list(dict.fromkeys(values))


def table(measurement):
    """The rows of a measurement as a table: a line per key, a column per value of the pivot."""
    pivot = measurement["pivot"]
    columns = ordered(row[pivot["column"]] for row in measurement["rows"])
    cells = {}
    for row in measurement["rows"]:
        key = tuple(str(row[name]) for name in pivot["row"])
        cells.setdefault(key, {})[row[pivot["column"]]] = cell(row, pivot["value"], measurement.get("decimals", 0))
    head = [*pivot["row"], *(f"{pivot['column']} {name}" if isinstance(name, int) else name for name in columns)]
    lines = [head, ["---"] * len(head)]
    # Within a precision the programs follow one another.
    order = {value: place for place, value in enumerate(ordered(key[0] for key in cells))}
    for key in sorted(cells, key=lambda key: order[key[0]]):
        lines.append([*key, *(cells[key].get(column, "") for column in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def roofline(measurement):
    """Time, roofline and ratio of each batch."""
    batches = ordered(row["batch"] for row in measurement["rows"])
    lines = [["precision", "figure", *batches], ["---"] * (len(batches) + 2)]
    for precision in ordered(row["precision"] for row in measurement["rows"]):
        rows = [row for row in measurement["rows"] if row["precision"] == precision]
        figures = {"ms": "milliseconds", "roofline, ms": "roofline_milliseconds", "ratio": "times_roofline"}
        for name, field in figures.items():
            decimals = measurement["decimals"] if name == "ratio" else 0
            lines.append([precision, name, *(cell(row, field, decimals) for row in rows)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page():
    parts = [
        "# Results\n",
        "<!-- python3 benchmarks/charts.py writes this page from benchmarks/results/*.json. -->\n",
        "The figures of the current state. [Method](method.md) explains the statistics. The commit is the one that"
        " recorded the\nfigures in the repository; the measured code is that commit or one shortly before it. Older figures and trials are in the [notebook](../../../benchmarks/notebook.md).\n",
        "![Texts/s of mpnet-burn, PyTorch, ONNX Runtime and OpenVINO](../images/speed.svg)\n",
    ]
    documents = results()
    for section, identifiers in SECTIONS.items():
        parts.append(f"## {section}\n")
        for identifier in identifiers:
            for name, document in documents:
                for measurement in document["measurements"]:
                    if measurement["id"] == identifier and measurement["current"]:
                        parts.append(entry(name, document, measurement))
    return "\n".join(parts)


def entry(name, document, measurement):
    draw = roofline if measurement["id"] == "roofline" else table
    commands = "\n".join(command.strip() for command in measurement["command"].split("; "))
    facts = [
        f"- Machine: {machine(document)}.",
        f"- Date and commit: {document['date']}, {document['commit']}.",
        f"- Statistic: {measurement['statistic']}.",
        f"- Unit: {measurement['unit']}.",
    ]
    if "software" in measurement:
        facts.append(f"- Compared with: {measurement['software']}.")
    facts.extend(f"- {note}" for note in measurement.get("notes", []))
    facts.append(f"- Data: [{name}](../../../benchmarks/results/{name}).")
    name_of_machine = document["machine"]["name"]
    title = measurement["title"] + (f" ({name_of_machine})" if name_of_machine else "")
    return (f"### {title}\n\n{draw(measurement)}\n\n" + "\n".join(facts)
            + f"\n\n```text\n{commands}\n```\n")


# The chart.


def ticks(most):
    """Round steps from 0 to at least `most`."""
    for step in (2, 5, 10, 20, 50, 100, 200, 500):
        if most / step <= 6:
            return [step * place for place in range(int(most / step) + 2)]
    raise ValueError(most)


def text(x, y, content, size=12, anchor="middle", weight="normal", color="#24292f"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
            f' fill="{color}">{escape(content)}</text>')


def chart():
    document = json.loads((RESULTS / CHART_FILE).read_text(encoding="utf-8"))
    measurement = next(one for one in document["measurements"] if one["id"] == "speed")
    speed = {(row["workload"], row["precision"], row["program"]): row["texts_per_second"] for row in measurement["rows"]}
    width, height, top, bottom, left = 960, 420, 92, 324, 52
    panel, bar, gap = 224, 22, 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img"'
        ' aria-label="Texts/s of mpnet-burn and of other programs">',
        # An opaque card is readable on a light and on a dark page.
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="#ffffff" stroke="#d0d7de"/>',
        text(left - 28, 30, "Sentence embeddings: texts/s, higher is better", 16, "start", "bold"),
    ]
    x = left - 28
    for program, color in PROGRAMS.items():
        parts.append(f'<rect x="{x}" y="46" width="12" height="12" rx="2" fill="{color}"/>')
        parts.append(text(x + 18, 56, program, 13, "start"))
        x += 30 + 8 * len(program)
    for place, (workload, label) in enumerate(WORKLOADS.items()):
        start = left + place * panel
        values = {key: value for key, value in speed.items() if key[0] == workload and key[1] in PRECISIONS}
        marks = ticks(max(values.values()))
        scale = (bottom - top) / marks[-1]
        for mark in marks:
            y = bottom - mark * scale
            color = "#8c959f" if mark == 0 else "#e4e8ec"
            parts.append(f'<line x1="{start}" x2="{start + 186}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}"/>')
            parts.append(text(start - 5, y + 4, str(mark), 11, "end", color="#57606a"))
        x = start + 8
        for precision, name in PRECISIONS.items():
            first = x
            for program, color in PROGRAMS.items():
                value = values.get((workload, precision, program))
                if value is None:
                    continue
                tall = value * scale
                parts.append(f'<rect x="{x}" y="{bottom - tall:.1f}" width="{bar - 2}" height="{tall:.1f}" fill="{color}"/>')
                weight = "bold" if program == "mpnet-burn" else "normal"
                parts.append(text(x + bar / 2 - 1, bottom - tall - 4, f"{value:.0f}" if value >= 30 else f"{value:g}", 10, weight=weight))
                x += bar
            parts.append(text((first + x - 2) / 2, bottom + 17, name, 12, color="#57606a"))
            x += gap
        parts.append(text(start + 93, bottom + 38, label, 13, weight="bold"))
    parts.append(text(left - 28, top - 14, "texts/s", 11, "start", color="#57606a"))
    caption = [
        f"{machine(document)}. {measurement['software']}.",
        f"Workloads of datasets/bench, programs in turn, {document['date']}, commit {document['commit']}. PyTorch was not measured in int8.",
    ]
    for line, content in enumerate(caption):
        parts.append(text(left - 28, height - 28 + 16 * line, content, 11, "start", color="#57606a"))
    parts.append("</svg>\n")
    return "\n".join(parts)


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    for path, content in ((CHART, chart()), (PAGE, page())):
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != content:
                sys.exit(f"{path.relative_to(ROOT)} differs from benchmarks/results: run python3 benchmarks/charts.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")


main()
