#!/usr/bin/env python3
"""Runs Deckle and its peers on the same workloads, in turn, and writes the tables of README.md.

run.py [train] [memory] [infer] [gemm] [variants] [cost] [sets] [bricks] [augment] [--rounds 3] [--cases a,b] [--peers torch,keras-jax] [--seconds 2] [--write]

The peers' programs lie beside the project, in ../shared/peers; its setup.sh installs them under $PEERS_HOME. A peer that is not
there is left out. Every line that a program prints is added to results-NAME.jsonl, so that a run may be cut short and gone on with
(--keep), and the tables be written again from it (--write, which runs nothing).
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

import tables
from workloads import BATCH, CASES, SERIES, VARIANTS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = Path(os.environ.get("PEERS", ROOT.parent / "shared" / "peers"))
HOME = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "deckle-peers"))
README = HERE / "README.md"
DECKLE = ROOT / "target" / "release" / "deckle-bench"

PYTHON = ["torch", "torch-compile", "keras-tf", "keras-tf-xla", "keras-jax"]
FUSED = {"mlp_big", "transformer", "cifar_resnet"}
CHANNELS_LAST = {"mnist_cnn", "cifar_resnet"}
THREADS = {"RAYON_NUM_THREADS": "2", "MATMUL_NUM_THREADS": "2"}
RUST = {"mnist_mlp", "imdb_mlp", "mlp_big", "mnist_cnn", "lstm_imdb"}


def python(framework, *more):
    """The command of a peer in Python."""
    home = "venv-tf" if framework.startswith(("keras-tf", "keras-jax")) else "venv"
    return [str(HOME / home / "bin" / "python"), str(PEERS / "peers.py"), "--framework", framework, "--threads", "2", *more]


def trainers(case):
    """(name, command) of every peer that can train a case."""
    found = [(name, python(name, "--case", case)) for name in PYTHON]
    if case in FUSED:
        found.append(("torch-fused", python("torch-fused", "--case", case)))
    if case in CHANNELS_LAST:
        found.append(("torch-cl", python("torch", "--case", case, "--channels-last")))
    if case in RUST:
        found.append(("burn-flex", [str(HOME / "bin" / "burnpeers-default"), "flex", case, "2"]))
        found.append(("candle", [str(HOME / "bin" / "candlepeers-default"), case, "2"]))
    return found


def deckle(case, seconds, **more):
    """The command of one of Deckle's cases; `more` are its options without their dashes."""
    options = [part for key, value in more.items() for part in ([f"--{key}"] if value is True else [f"--{key}", str(value)])]
    return [str(DECKLE), "--case", case, "--threads", "2", "--seconds", str(seconds), *options]


def work(command):
    """The GFLOP and GB of a training step, by its plan: what its profile says of each instruction, times its time."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"DECKLE_PROFILE": "1"})
    steps = [block for block in done.stderr.split("profile: ") if "[update]" in block]
    found = re.findall(r"^ *\d+ +[\d.]+ % +([\d.]+) +[\d.]+ +\d+ +([\d.]+) +([\d.]+) ", max(steps, key=len, default=""), re.M)
    return [sum(float(ms) * float(rates[i]) for ms, *rates in found) / 1e3 for i in range(2)]


class Results:
    """The lines of one table's runs, kept in a file."""

    def __init__(self, name, keep):
        self.path = HERE / f"results-{name}.jsonl"
        if not keep:
            self.path.unlink(missing_ok=True)
        self.lines = [json.loads(line) for line in open(self.path)] if self.path.exists() else []

    def run(self, command, environment=None, **more):
        """Adds the lines that a program prints; says what went wrong if there are none."""
        if not Path(command[0]).exists():
            return
        unset = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they choose kernels for another processor
        base = {key: value for key, value in os.environ.items() if key not in unset}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=base | (environment or {}))
        except (subprocess.TimeoutExpired, OSError) as error:
            return print(f"  {more}: {error}", file=sys.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            return print(f"  {more}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        with open(self.path, "a") as file:
            for line in lines:
                line |= more | {"at": time.strftime("%F")}
                self.lines.append(line)
                file.write(json.dumps(line) + "\n")
        print(" ".join(str(value) for value in more.values()), lines[-1].get("ms", ""), flush=True)

    def limit(self):
        """The most multiply-adds and bytes per second of two cores."""
        self.run([str(HOME / "bin" / "limits-default")], program="limit")


def train(results, arguments):
    """Training steps, Deckle and all peers in turn."""
    malloc = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483648", "MALLOC_TOP_PAD_": "268435456"}
    environments = {"torch": malloc, "burn-flex": THREADS, "candle": THREADS}
    results.limit()
    for case in arguments.cases:
        results.run(deckle(case, arguments.seconds, fit=True), program="deckle", case=case)
        for name, command in trainers(case):
            if not arguments.peers or name in arguments.peers:
                timing = [] if name in ("burn-flex", "candle") else ["--seconds", str(arguments.seconds)]
                results.run([*command, *timing], environments.get(name), program=name, case=case)


def memory(results, arguments):
    """Memory and first steps, in programs of their own."""
    for case in arguments.cases:
        results.run(deckle(case, arguments.seconds), case=case)


def infer(results, arguments):
    """Predictions of one row and of many."""
    for case in ("mnist_mlp", "mnist_cnn"):
        for batch in (1, 256):
            results.run(deckle(case, arguments.seconds, mode="infer", batch=batch), program="deckle", case=case, batch=batch)
            for name in ("ort", "torch", "keras-jax"):
                command = python(name, "--case", case, "--batch", str(batch), "--infer", "--seconds", str(arguments.seconds))
                results.run(command, program=name, case=case, batch=batch)


def gemm(results, arguments):
    """Matrix products, ours and those of libraries."""
    build = ["cargo", "bench", "-q", "-p", "deckle-cpu", "--bench", "gemm", "--", "2", "--json"]
    results.run(["/usr/bin/env", "-C", str(ROOT), *build], program="deckle")
    binary, cases = str(HOME / "bin" / "gemmbench-default-v4"), str(PEERS / "gemm_cases.txt")
    for library in ("gemm", "faer", "matrixmultiply"):
        results.run([binary, library, "2", cases], THREADS, program=library)
    for library in ("torch", "numpy"):
        results.run([str(HOME / "venv" / "bin" / "python"), str(PEERS / "raw.py"), library, "2", "gemm"], program=library)
    results.limit()


def variants(results, arguments):
    """Odd neighbours of the headline shapes, and options."""
    results.limit()
    for case in arguments.cases:
        for options in [{}] + [options for name, options in VARIANTS if name == case]:
            results.run(deckle(case, arguments.seconds, **options), case=case, options=options)


def cost(results, arguments):
    """Series over a 16-fold range of one size."""
    results.limit()
    for case, key, values in SERIES:
        for value in values:
            if case in arguments.cases:
                command = deckle(case, arguments.seconds, **{key: value})
                results.run(command, case=case, key=key, value=value, work=work(deckle(case, 0.1, **{key: value})))


def sets(results, arguments):
    """The instruction sets."""
    for case in arguments.cases:
        for name in ("avx512", "avx2", "portable"):
            results.run(deckle(case, arguments.seconds), {"DECKLE_SIMD": name}, case=case, set=name)


def bricks(results, arguments):
    """Variants of layers beside their plain siblings."""
    results.limit()
    results.run([str(DECKLE), "--bricks", "--json", "--threads", "2", "--seconds", str(arguments.seconds)])


def augment(results, arguments):
    """Training beside a thread that changes its images."""
    for case in ("mnist_cnn", "cifar_resnet"):
        for options in ({}, {"filters": 4}):
            results.run(deckle(case, 16 * arguments.seconds, augment=1, **options), program="deckle", case=case, options=options)


MEASURES = {function.__name__: function for function in (train, memory, infer, gemm, variants, cost, sets, bricks, augment)}


def write(name, lines, rounds):
    """Puts a table between its marks in README.md."""
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    rates = [line["median"] for line in lines if line.get("program") == "limit" and "fma" in line["limit"] and line["threads"] == 2]
    versions = sorted({f"{line['program']} {line['version']}" for line in lines if "version" in line and "program" in line})
    about = f"Measured {max(line['at'] for line in lines)} on {os.cpu_count()} cores of {processor}; {rounds} round{'s' if rounds > 1 else ''}"
    about += f"; multiply-adds at most {max(rates):.0f} GFLOP/s" if rates else ""
    if name == "bricks":
        about += f"; copies at {tables.bandwidth(lines, 0):.0f} GB/s in the caches, {tables.bandwidth(lines, 1 << 30):.0f} beyond"
    about += f". {'; '.join(versions)}.\n\n" if versions else ".\n\n"
    begin, end = f"<!-- table {name}: run.py writes it -->", f"<!-- end of table {name} -->"
    text = README.read_text()
    before, rest = text.split(begin)
    table = getattr(tables, name)(lines, max(rates) if rates else None)
    README.write_text(before + begin + "\n\n" + about + table + "\n" + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=["train"], metavar="TABLE", help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default=CASES, type=lambda text: text.split(","))
    parser.add_argument("--peers", default=(), type=lambda text: text.split(","))
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--keep", action="store_true", help="add to the results of earlier runs")
    parser.add_argument("--write", action="store_true", help="only write the tables again")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.tables if name not in MEASURES] + [case for case in arguments.cases if case not in BATCH]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; tables are {', '.join(MEASURES)}, cases {', '.join(CASES)}")
    if not arguments.write:
        if not PEERS.exists():
            print(f"the peers' programs are not at {PEERS}; set PEERS to their folder", file=sys.stderr)
        subprocess.run(["cargo", "build", "--release", "-p", "deckle-bench"], cwd=ROOT, check=True)
    for name in arguments.tables:
        results = Results(name, arguments.keep or arguments.write)
        for _ in range(0 if arguments.write else arguments.rounds):
            MEASURES[name](results, arguments)
        if results.lines:
            write(name, results.lines, arguments.rounds)


main()
