"""Make the cited facts of timm from a checkout of its results and a table of papers.

    python scripts/make_timm_facts.py ../shared/data/timm

writes ``zoo/curator/timm_facts/results.csv`` (published errors of all test sets, one line for
weights and image size), ``papers.json`` (the paper of each architecture), and
``registry/published_speed.json`` (images a second on six machines). `zoo registry build` reads the
first two, and believes a paper only where its number stands in timm's own source of the
architecture.
"""

from __future__ import annotations

import csv
import json
import sys
from operator import itemgetter
from pathlib import Path

Errors = dict[tuple[str, int], dict[str, tuple[str, str]]]
"""Weights and image size -> test set -> top-1 and top-5 error, as they are written."""
COMMIT = "aa4b5850c1543fa488abf260f18390eda46cf85d"
REPOSITORY = Path(__file__).parents[1]
FOLDER = REPOSITORY / "zoo" / "curator" / "timm_facts"
SPEED_FILE = REPOSITORY / "registry" / "published_speed.json"
FILES = {
    "imagenet1k": "results-imagenet.csv",
    "real": "results-imagenet-real.csv",
    "v2": "results-imagenetv2-matched-frequency.csv",
    "sketch": "results-sketch.csv",
    "a": "results-imagenet-a.csv",
    "r": "results-imagenet-r.csv",
}


def read_errors(folder: Path) -> Errors:
    """Read top-1 and top-5 errors, by weights and image size, then by test set."""
    found: Errors = {}

    for test_set, name in FILES.items():
        for row in _rows(folder / name):
            size = int(row["img_size"])
            key = (row["model"], size)
            by_set = found.setdefault(key, {})
            top1 = row["top1_err"]
            top5 = row["top5_err"]
            by_set[test_set] = (top1, top5)

    return found


def _rows(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        return list(reader)


def write_results(folder: Path) -> None:
    """Write one line for each set of weights and image size."""
    header = ["weights", "image_size"]
    for test_set in FILES:
        header += [f"{test_set}_top1", f"{test_set}_top5"]

    errors = read_errors(folder)
    file = FOLDER / "results.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"# timm, folder results/, commit {COMMIT}, Apache-2.0; errors in percent\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for key in sorted(errors):
            weights, image_size = key
            by_set = errors[key]
            line = [weights, str(image_size)]
            for test_set in FILES:
                line += by_set.get(test_set, ("", ""))
            writer.writerow(line)


def write_papers(folder: Path) -> None:
    """Write the papers once, and which architecture is whose."""
    file = folder / "papers_by_architecture.json"
    given = file.read_text(encoding="utf-8")
    content = json.loads(given)
    papers: dict[str, dict[str, object]] = {}
    architectures: dict[str, str] = {}

    for name, paper in content["architectures"].items():
        arxiv = paper.get("arxiv")
        title = paper.get("title")
        year = paper.get("year")
        if not arxiv or not title or not year:
            continue
        papers[arxiv] = {"title": title, "year": year}
        architectures[name] = arxiv

    facts = {
        "timm": content["timm"],
        "papers": papers,
        "architectures": architectures,
    }
    text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True)
    output = FOLDER / "papers.json"
    output.write_text(text + "\n", encoding="utf-8")


SPEEDS = {
    "rtx3090": "benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv",
    "rtx4090": "benchmark-infer-amp-nchw-pt291-cu128-4090.csv",
    "rtx5090": "benchmark-infer-amp-nchw-pt291-cu130-5090.csv",
    "pro6000": "benchmark-infer-amp-nchw-pt291-cu130-pro6000maxq.csv",
    "i9-10940x": "benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv",
    "i7-12700h": "benchmark-infer-fp32-nchw-pt240-cpu-i7_12700h-dynamo.csv",
}
"""The newest table of each machine; the name of a file says precision, layout, torch and CUDA."""


def write_speeds(folder: Path) -> None:
    """Write images a second by machine, network and image size, one network a line."""
    machines = []
    for machine, name in SPEEDS.items():
        rows = _rows(folder / name)
        rows.sort(key=itemgetter("model", "infer_img_size"))
        lines = []
        for row in rows:
            measured = row["infer_samples_per_sec"]
            if not measured:
                continue
            model = row["model"]
            size = row["infer_img_size"]
            speed = float(measured)
            batch = float(row["infer_batch_size"])
            values = [speed, int(batch)]
            lines.append(f'   "{model}@{size}": {values}')

        speeds = ",\n".join(lines)
        commit = COMMIT[:7]
        source = json.dumps(f"timm, results/{name} at {commit}")
        body = f'  "source": {source},\n  "speeds": {{\n{speeds}\n  }}'
        machines.append(f' "{machine}": {{\n{body}\n }}')

    inner = ",\n".join(machines)
    text = f'{{\n"schema_version": 1,\n"machines": {{\n{inner}\n}}\n}}\n'
    SPEED_FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    TIMM = Path(sys.argv[1])
    write_results(TIMM)
    write_papers(TIMM)
    write_speeds(TIMM)
