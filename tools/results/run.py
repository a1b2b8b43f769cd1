#!/usr/bin/env python3
"""Runs the book's programs over several seeds, and writes docs/results.md.

    DECKLE_DATA_DIR=<folder of data sets> python3 tools/results/run.py [PROGRAM ...] [--seeds 1 2 3] [--write]

A program is the name of an example, with the network it is to train if it has several:
`ch06_imdb:lstm`. Without names all are run; with `--write` none, only the table is written anew.
What was printed is kept in tools/results/results.jsonl, one line for each program and seed; a
program that runs again replaces its lines.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tools/results/results.jsonl"
TABLE = ROOT / "docs/results.md"

# In the book's order; the sections of the first edition, unless said.
PROGRAMS = json.loads((ROOT / "tools/results/programs.json").read_text())
# What the older examples call their figures, and what the book has.
OLDER = {
    "mnist": ("MNIST dense: test accuracy", 0.9777),
    "imdb": ("IMDB dense: test accuracy", 0.88496),
    "reuters": ("Reuters dense: test accuracy", 0.797),
}


def key(line):
    return line["program"], line["seed"]


def kept():
    if not KEPT.exists():
        return []
    return [json.loads(line) for line in KEPT.read_text().splitlines()]


def keep(line):
    lines = {key(old): old for old in kept()} | {key(line): line}
    order = {entry["program"]: at for at, entry in enumerate(PROGRAMS)}
    lines = sorted(lines.values(), key=lambda one: (order.get(one["program"], len(order)), one["seed"]))
    whole = KEPT.with_suffix(".new")
    whole.write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole.replace(KEPT)


def figures(example, output):
    """The figures of a program: what, published, ours."""
    found = []
    for text in re.findall(r"^RESULT (.*)$", output, re.MULTILINE):
        result = json.loads(text)
        if "what" in result:
            found.append(result)
        elif example in OLDER and not result.get("embedded"):
            what, published = OLDER[example]
            found.append({"what": what, "published": published, "ours": result["accuracy"]})
    return found


def run(program, seed):
    example, _, choice = program.partition(":")
    command = [str(ROOT / "target/release/examples" / example), *filter(None, [choice]), "--seed", str(seed)]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    found = figures(example, done.stdout)
    if not found:
        sys.exit(f"{' '.join(command)}: no RESULT (are the data sets in DECKLE_DATA_DIR?)")
    threads = int(os.environ.get("DECKLE_THREADS", os.cpu_count()))
    keep({"program": program, "seed": seed, "seconds": round(seconds, 1), "threads": threads, "figures": found})
    print(f"{program}, seed {seed}: {seconds:.0f} s", flush=True)


def number(value):
    return "" if value is None else f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


def mark(entry, what, values):
    """What was asked of a figure, and whether its mean keeps it."""
    for asked in entry.get("asked", []):
        if asked["what"] == what:
            mean = statistics.fmean(values)
            holds = mean >= asked["least"] if "least" in asked else mean <= asked["most"]
            limit = f"≥ {asked['least']}" if "least" in asked else f"≤ {asked['most']}"
            return f"{limit}: {'holds' if holds else 'falls short'}"
    return ""


def write():
    lines = kept()
    rows = []
    for entry in PROGRAMS:
        runs = [line for line in lines if line["program"] == entry["program"]]
        if not runs:
            rows.append(f"| `{entry['program']}` | {entry['section']} | not run | | | | |")
            continue
        seconds = statistics.median(line["seconds"] for line in runs)
        threads = {line["threads"] for line in runs}
        seconds = f"{seconds:.0f}" + (f" ({threads.pop()} thread)" if threads == {1} else "")
        for at, figure in enumerate(runs[0]["figures"]):
            what = figure["what"]
            values = [one["ours"] for line in runs for one in line["figures"] if one["what"] == what]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            first = (f"`{entry['program']}`", entry["section"], seconds) if at == 0 else ("", "", "")
            ours = f"{number(statistics.fmean(values))}{spread} ({len(values)})"
            rows.append(
                f"| {first[0]} | {first[1]} | {what} | {number(figure['published'])} | {ours} | "
                f"{mark(entry, what, values)} | {first[2]} |"
            )
    TABLE.write_text(
        f"""# The book's numbers

What the programs of *Deep Learning with Python* reach with Deckle, written by
`tools/results/run.py`. Sections are those of the first edition, figures those of its notebooks,
unless the program says otherwise. Ours is the mean over seeds with its standard deviation and the
number of seeds; nothing was chosen by its result. A mark is what was asked of the mean before it
was known. Seconds are of one whole run, the data included, on {os.cpu_count()} cores
({platform.machine()}), the machine shared with others.

| program | section | figure | published | ours | mark | seconds |
|---|---|---|---|---|---|---|
"""
        + "\n".join(rows)
        + "\n"
    )
    print(TABLE.relative_to(ROOT))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--no-build", action="store_true", help="run what is built")
    options = parser.parse_args()
    known = [entry["program"] for entry in PROGRAMS]
    for program in options.programs:
        if program not in known:
            sys.exit(f"{program} is none of {', '.join(known)}")
    programs = [] if options.write else options.programs or known
    if programs and not options.no_build:
        examples = sorted({program.partition(":")[0] for program in programs})
        build = ["cargo", "build", "--release", "--locked", *(f"--example={example}" for example in examples)]
        subprocess.run(build, cwd=ROOT, check=True)
    for program in programs:
        for seed in options.seeds:
            run(program, seed)
    write()


main()
