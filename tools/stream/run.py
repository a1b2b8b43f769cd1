#!/usr/bin/env python3
"""Trains on more data than may be in memory, and measures the memory.

    python3 tools/stream/run.py [--megabytes 8000] [--limit 1000] [--keep-free 5000] [--folder F]

Runs the example `larger_than_memory`, which writes a file of that size and trains a pass over it
through a shuffle buffer. Megabytes are millions of bytes. Prints the most memory that the program had
resident at once, as the system counted it; exits with 0 if that is below the limit. The file is
removed, whatever happens; none is written if the disk would be left with less than is to stay free.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=8000, help="of the file")
    parser.add_argument("--limit", type=float, default=1000, help="megabytes that may be resident")
    parser.add_argument("--keep-free", type=int, default=5000, help="megabytes to be left on the disk")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the file is written")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    build = ["cargo", "build", "-q", "--release", "-p", "deckle-examples", "--example", "larger_than_memory"]
    subprocess.run(build, cwd=ROOT, check=True)
    free = shutil.disk_usage(options.folder).free // 1_000_000
    most = free - options.keep_free
    if options.megabytes > most:
        sys.exit(f"{options.folder} has {free} MB free, of which {options.keep_free} are to stay: at most --megabytes {max(most, 0)}")
    # So that an ended run removes its file, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="deckle-stream-", dir=options.folder) as folder:
        program = ROOT / "target/release/examples/larger_than_memory"
        arguments = ["--megabytes", str(options.megabytes), "--folder", folder, "--seed", str(options.seed)]
        process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        try:
            lines = process.stdout.read().splitlines()
        except BaseException:
            process.kill()
            raise
        finally:
            _, status, usage = os.wait4(process.pid, 0)
        results = [json.loads(line.removeprefix("RESULT ")) for line in lines if line.startswith("RESULT ")]
        if status or not results:
            sys.exit(f"{program.name} failed: {os.waitstatus_to_exitcode(status)}")
        size = os.path.getsize(results[0]["file"]) / 1e6
    result = results[0]
    # The system counts in units of 1024 bytes.
    peak = usage.ru_maxrss * 1024 / 1e6
    print(
        f"{size:.0f} MB, {result['images']} images: written in {result['write_s']:.0f} s, a pass of training in "
        f"{result['epoch_s']:.0f} s, accuracy {result['accuracy']:.4f}"
    )
    print(f"at most {peak:.0f} MB resident, {'below' if peak < options.limit else 'NOT BELOW'} {options.limit:.0f} MB")
    sys.exit(peak >= options.limit)


if __name__ == "__main__":
    main()
