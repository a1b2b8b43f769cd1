#!/usr/bin/env python3
"""Kills `deckle fit` at random moments, resumes it, and compares the trained model's bytes.

    cargo build --release -p deckle-cli
    python3 tools/resume/kill.py MODEL.keras DATA.npz [--kills 20] [--seed 1] [-- ARGUMENTS OF FIT]

The model has to be compiled. Prints one line per kill and the verdict; exits with 0 if all bytes
are the same.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "target/release/deckle"


def command(options, folder, resume):
    arguments = [options.program, "fit", options.model, "--data", options.data, "--verbose", "0"]
    arguments += ["--output", str(folder / "trained.keras"), "--csv-log", str(folder / "log.csv")]
    arguments += ["--history", str(folder / "history.json")]
    arguments += ["--checkpoint", str(folder / "training.checkpoint")]
    arguments += ["--resume"] if resume else []
    return arguments + options.rest


def results(folder):
    return [(folder / name).read_bytes() for name in ("trained.keras", "log.csv", "history.json")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", default=str(PROGRAM))
    ours, _, rest = " ".join(["", *sys.argv[1:]]).partition(" -- ")
    options = parser.parse_args(ours.split())
    options.rest = rest.split()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = pathlib.Path(folder, "whole"), pathlib.Path(folder, "killed")
        whole.mkdir()
        killed.mkdir()
        begin = time.monotonic()
        subprocess.run(command(options, whole, False), check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - begin
        print(f"uninterrupted: {seconds:.2f} s")
        good = 0
        for number in range(options.kills):
            for file in killed.iterdir():
                file.unlink()
            after = draw.uniform(0.05, 0.95) * seconds
            process = subprocess.Popen(command(options, killed, False), stdout=subprocess.DEVNULL)
            try:
                process.wait(after)
                how = "had ended"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                how = "killed"
            saved = (killed / "training.checkpoint").exists()
            subprocess.run(command(options, killed, True), check=True, stdout=subprocess.DEVNULL)
            same = results(killed) == results(whole)
            good += same
            print(
                f"{number + 1:2}: {how} after {after:.3f} s, checkpoint {'there' if saved else 'not yet there'}, "
                f"{'same bytes' if same else 'OTHER BYTES'}",
                flush=True,
            )
        print(f"{good} of {options.kills} ended with the same bytes")
    sys.exit(good != options.kills)


if __name__ == "__main__":
    main()
