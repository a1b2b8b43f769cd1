#!/usr/bin/env python3
"""Runs Deckle and its peers on the same workloads, in turn, and writes the table of README.md.

run.py [--rounds 3] [--cases a,b] [--frameworks torch,keras-jax] [--seconds 2] [--table]

The peers' programs lie beside the project, in ../shared/peers; its setup.sh installs them under
$PEERS_HOME. Every line that a program prints is added to results.jsonl. A framework counts with
the median of its rounds' medians; if it has a `fit`, with the faster of the two ways.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = Path(os.environ.get("PEERS", ROOT.parent / "shared" / "peers"))
HOME = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "deckle-peers"))
RESULTS = HERE / "results.jsonl"
README = HERE / "README.md"
BEGIN, END = "<!-- table: run.py writes it -->", "<!-- end of the table -->"

# Multiply-adds of one training step in GFLOP: forward, to the weights, to the inputs but the first.
GFLOP = {
    "mnist_mlp": 0.2095, "imdb_mlp": 0.3285, "reuters_mlp": 1.33, "mlp_big": 36.5, "mnist_cnn": 1.05,
    "cifar_resnet": 15.6, "lstm_imdb": 3.15, "gru_jena": 0.40, "conv1d_imdb": 11.4, "transformer": 11.3,
}
# What issue 4 of the plan asks for: the best peer's time over Deckle's.
ASKED = {
    "mnist_mlp": 1.35, "imdb_mlp": 4, "reuters_mlp": 6, "mlp_big": 1.05, "mnist_cnn": 1.5,
    "cifar_resnet": 1.2, "lstm_imdb": 3, "gru_jena": 8, "conv1d_imdb": 1.4, "transformer": 1.3,
}
PYTHON = ["torch", "torch-compile", "keras-tf", "keras-tf-xla", "keras-jax"]
FUSED = {"mlp_big", "transformer", "cifar_resnet"}
CHANNELS_LAST = {"mnist_cnn", "cifar_resnet"}
RUST = {"mnist_mlp", "imdb_mlp", "mlp_big", "mnist_cnn", "lstm_imdb"}


def programs(case, wanted):
    """(name, command) of everything that can run a case."""
    def python(framework, *more):
        home = "venv-tf" if framework in ("keras-tf", "keras-tf-xla", "keras-jax") else "venv"
        return [str(HOME / home / "bin" / "python"), str(PEERS / "peers.py"), "--framework", framework, "--case", case, *more]

    found = [(name, python(name)) for name in PYTHON]
    if case in FUSED:
        found.append(("torch-fused", python("torch-fused")))
    if case in CHANNELS_LAST:
        found.append(("torch-cl", python("torch", "--channels-last")))
    for name in ("burn", "candle"):
        program = HOME / "bin" / f"{name}peers-default"
        if case in RUST and program.exists():
            found.append((name, [str(program), case]))
    return [(name, command) for name, command in found if not wanted or name in wanted]


def run(name, command, seconds):
    """The line that a program prints; says what went wrong if there is none."""
    extra = [] if name in ("burn", "candle") else ["--threads", "2", "--seconds", str(seconds)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483648",
                                "MALLOC_TOP_PAD_": "268435456"} if name == "torch" else os.environ
    try:
        done = subprocess.run([*command, *extra], capture_output=True, text=True, timeout=180, env=environment)
    except (subprocess.TimeoutExpired, OSError) as error:
        return print(f"  {name}: {error}", file=sys.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return print(f"  {name}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return json.loads(lines[-1]) | {"program": name, "at": time.strftime("%F")}


def limit():
    """The most multiply-adds per second of two cores, in GFLOP/s."""
    program = HOME / "bin" / "limits-default"
    if not program.exists():
        return None
    lines = subprocess.run([str(program)], capture_output=True, text=True).stdout.splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    rates = [line["median"] for line in found if "fma" in line["limit"].lower() and line["threads"] == 2]
    return max(rates) if rates else None


def best(lines):
    """Median over rounds of the faster way to train, and the quartiles within the rounds."""
    ways = [[line["ms"] for line in lines], [line["fit_ms_per_step"] for line in lines if "fit_ms_per_step" in line]]
    ms = min(statistics.median(way) for way in ways if way)
    return ms, statistics.median(line["train"]["ms_q1"] for line in lines), statistics.median(line["train"]["ms_q3"] for line in lines)


def table(results):
    rate = statistics.median([line["gflops"] for line in results if line.get("program") == "limit"] or [float("nan")])
    by = {}
    for line in results:
        if "case" in line:
            by.setdefault(line["case"], {}).setdefault(line["program"], []).append(line)
    rows, ratios = [], []
    for case in [case for case in GFLOP if case in by and "deckle" in by[case]]:
        ours, first, third = best(by[case]["deckle"])
        peers = sorted((best(lines)[0], name) for name, lines in by[case].items() if name != "deckle")
        floor = GFLOP[case] / rate * 1e3
        cells = [case, f"{ours:.2f}", f"{first:.2f}–{third:.2f}"]
        if peers:
            ratios.append(peers[0][0] / ours)
            second = f", {peers[1][1]} {peers[1][0]:.2f}" if len(peers) > 1 else ""
            cells += [f"{peers[0][1]} {peers[0][0]:.2f}{second}", f"{ratios[-1]:.2f}", f"{ASKED[case]}"]
        else:
            cells += ["not run", "", f"{ASKED[case]}"]
        rows.append("| " + " | ".join([*cells, f"{ours / floor:.2f}"]) + " |")
    head = "| case | Deckle, ms | quartiles | best peers, ms | ratio | asked | times the limit |\n|---|---|---|---|---|---|---|\n"
    mean = f"\nGeometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}.\n" if ratios else ""
    versions = sorted({f"{line['program']} {line['version']}" for line in results if "version" in line})
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    rounds = max((len(lines) for programs in by.values() for lines in programs.values()), default=0)
    about = (f"Measured {max(line['at'] for line in results)} on {os.cpu_count()} cores of {processor}; up to {rounds} rounds; "
             f"multiply-adds at most {rate:.0f} GFLOP/s. {'; '.join(versions)}.\n\n")
    return about + head + "\n".join(rows) + "\n" + mean


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default=",".join(GFLOP))
    parser.add_argument("--frameworks", default="")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--keep", action="store_true", help="add to the results of earlier runs")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    arguments = parser.parse_args()
    if not arguments.table:
        if not PEERS.exists():
            sys.exit(f"the peers' programs are not at {PEERS}; set PEERS to their folder")
        if not (HOME / "venv").exists():
            subprocess.run([str(PEERS / "setup.sh"), "python"], check=True)
        subprocess.run(["cargo", "build", "--release", "-p", "deckle-bench"], cwd=ROOT, check=True)
        if not arguments.keep:
            RESULTS.unlink(missing_ok=True)
        deckle = [str(ROOT / "target" / "release" / "deckle-bench"), "--fit", "--case"]
        wanted = [name for name in arguments.frameworks.split(",") if name]
        with open(RESULTS, "a") as results:
            def add(line):
                results.write(json.dumps(line) + "\n")
                results.flush()
            for number in range(arguments.rounds):
                if rate := limit():
                    add({"program": "limit", "gflops": rate, "at": time.strftime("%F")})
                for case in arguments.cases.split(","):
                    turns = [("deckle", [*deckle, case]), *programs(case, wanted)]
                    for name, command in turns:
                        if line := run(name, command, arguments.seconds):
                            add(line)
                            print(f"{number + 1} {case} {name} {line['ms']:.2f} ms", flush=True)
    results = [json.loads(line) for line in open(RESULTS)]
    text = README.read_text()
    before, rest = text.split(BEGIN)
    README.write_text(before + BEGIN + "\n\n" + table(results) + "\n" + END + rest.split(END)[1])


main()
