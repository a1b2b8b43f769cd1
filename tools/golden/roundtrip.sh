#!/usr/bin/env bash
# Gives real Keras the files that Deckle writes: it has to predict the same with them and to
# go on training from the optimizer's state as from its own.
#
#     tools/golden/roundtrip.sh [FOLDER ...]       # by default tools/golden/cases
#
# Makes a virtual environment with keras and jax in target/keras; KERAS_PYTHON names a Python
# that has them already. DECKLE names the program; by default it is built.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
if [ -z "${DECKLE:-}" ]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p deckle-cli
    DECKLE=$target/release/deckle
fi
if [ -z "${KERAS_PYTHON:-}" ]; then
    KERAS_PYTHON=$target/keras/bin/python
    if ! "$KERAS_PYTHON" -c 'import keras, jax' 2>/dev/null; then
        python3 -m venv "$target/keras"
        "$target/keras/bin/pip" install --quiet keras==3.15.1 jax
    fi
fi
[ $# -gt 0 ] || set -- "$root/tools/golden/cases"
exec "$KERAS_PYTHON" "$root/tools/golden/roundtrip.py" "$DECKLE" "$@"
