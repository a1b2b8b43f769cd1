#!/usr/bin/env bash
# Runs every case of a folder through deckle: `ok NAME`, `missing NAME: layers X, Y` or
# `FAIL NAME: why`, then a total. Exit codes: 0 no case failed, 1 one did, 2 nothing to run.
#
#     tools/golden/check.sh FOLDER            # builds deckle first
#     DECKLE=PROGRAM tools/golden/check.sh FOLDER
set -euo pipefail

if [ $# -lt 1 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
packages=(-p deckle-golden)
[ -n "${DECKLE:-}" ] || packages+=(-p deckle-cli)
cargo build --quiet --release --manifest-path "$root/Cargo.toml" "${packages[@]}"
exec "$target/release/deckle-golden" --deckle "${DECKLE:-$target/release/deckle}" "$@"
