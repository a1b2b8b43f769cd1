"""Gives real Keras the files that Deckle writes: called by `roundtrip.sh`.

    python roundtrip.py DECKLE [--formats] FOLDER ...

A case to predict: the model that `deckle convert` writes predicts in Keras what the case says. A case to train: the
model that `deckle fit` writes does so too, and Keras trains it on for two epochs with the losses of its own
training from the start, to the case's tolerance. Nothing is asked of cases that need what Deckle does not have, nor of
those whose own file Keras cannot load or use (JSON has no tuples, which some operations need). Of a model of Keras 2,
only predictions are compared.

With `--formats`, nothing is trained: what Deckle writes as `.h5` and `.weights.h5` is read by Keras, and what Keras
writes so by Deckle.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402

MORE = 2
FIT = ("batch_size", "epochs", "initial_epoch", "validation_split", "validation_batch_size", "class_weight")


class Missing(Exception):
    pass


class Unusable(Exception):
    """Keras cannot use its own file."""


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode == 3:
        raise Missing(done.stderr.strip().splitlines()[-1].strip())
    if done.returncode:
        raise AssertionError(done.stderr.strip().replace("\n", " | "))


def numbered(data, letter):
    found = []
    while f"{letter}{len(found)}" in data:
        found.append(data[f"{letter}{len(found)}"])
    return found


def given(data, letter, names):
    """Arrays as the model takes them: by position if the file has them so, else under names."""
    arrays = numbered(data, letter)
    if not arrays:
        return {name: data[name] for name in names()}
    return arrays if len(arrays) > 1 else arrays[0]


def compare(what, ours, theirs, tolerance):
    ours, theirs = np.asarray(ours, "float64"), np.asarray(theirs, "float64")
    if ours.shape != theirs.shape:
        raise AssertionError(f"{what}: shape {ours.shape}, expected {theirs.shape}")
    error = np.max(np.abs(ours - theirs) / (1 + np.abs(theirs)), initial=0)
    if not error <= tolerance:
        raise AssertionError(f"{what} is off by {error:.1e}, more than {tolerance:.0e}")


def predictions(model, x):
    return [np.asarray(leaf) for leaf in keras.tree.flatten(model.predict(x, verbose=0))]


def by_keras(use):
    """What Keras does with its own file, which may be what it cannot."""
    try:
        return use()
    except Exception as error:
        raise Unusable(f"{type(error).__name__}: {str(error)[:100]}".replace("\n", " ")) from None


def check_formats(deckle, case, scratch):
    about = json.loads((case / "case.json").read_text())
    data = dict(np.load(case / "data.npz"))
    source, tolerance = case / "model.keras", about["tolerance"]
    if not source.exists():
        raise Unusable("a file of Keras 2")
    theirs = by_keras(lambda: keras.models.load_model(source, compile=False))
    x = given(data, "x", lambda: [tensor.name for tensor in theirs.inputs])
    expected = numbered(data, "y")
    by_keras(lambda: predictions(theirs, x))

    def same(what, got):
        for i, (one, wanted) in enumerate(zip(got, expected, strict=True)):
            compare(f"{what}, prediction {i}", one, wanted, tolerance)

    def deckle_predicts(what, path):
        run(deckle, "predict", path, "--input", case / "data.npz", "--output", scratch / "out.npz")
        same(what, numbered(dict(np.load(scratch / "out.npz")), "y"))

    bare = scratch / "bare.keras"
    theirs.save(bare)
    for name in ("again.keras", "ours.h5", "ours.weights.h5", "ours.safetensors"):
        run(deckle, "convert", bare, scratch / name)
    theirs.save_weights(scratch / "theirs.weights.h5")
    for name in ("ours.h5", "theirs.weights.h5", "ours.weights.h5", "ours.safetensors"):
        model = [] if name == "ours.h5" else ["--model", source]
        run(deckle, "convert", scratch / name, scratch / "back.keras", *model)
        if name == "ours.h5" and (scratch / "back.keras").read_bytes() != (scratch / "again.keras").read_bytes():
            raise AssertionError("what comes back from .h5 has other bytes")
        deckle_predicts(f"back from {name}", scratch / "back.keras")
    for variable in theirs.variables:
        if "float" in str(variable.dtype):
            variable.assign(np.full(variable.shape, 0.123, str(variable.dtype)))
    theirs.load_weights(scratch / "ours.weights.h5")
    same("Keras with our .weights.h5", predictions(theirs, x))
    try:
        theirs.save(scratch / "theirs.h5")
        by_keras(lambda: predictions(keras.models.load_model(scratch / "theirs.h5", compile=False), x))
    except Exception:  # not every model has a legacy form
        return
    deckle_predicts("Keras's .h5", scratch / "theirs.h5")
    same("Keras with our .h5", predictions(keras.models.load_model(scratch / "ours.h5", compile=False), x))


def check(deckle, case, scratch):
    about = json.loads((case / "case.json").read_text())
    data = dict(np.load(case / "data.npz"))
    written, tolerance = scratch / "written.keras", about["tolerance"]
    source = case / "model.keras"
    is_keras2 = not source.exists()
    if is_keras2:
        source = case / "model.h5"
    theirs = None if is_keras2 else by_keras(lambda: keras.models.load_model(source))
    x = given(data, "x", lambda: [tensor.name for tensor in theirs.inputs])
    if not is_keras2:
        by_keras(lambda: predictions(theirs, x))
    fit = {key: about[key] for key in FIT if key in about}
    if about["kind"] != "fit":
        run(deckle, "convert", source, written)
        expected = numbered(data, "y")
    else:
        options = []
        for key, value in fit.items():
            if key == "class_weight":
                value = ",".join(f"{k}={v}" for k, v in value.items())
            options += [f"--{key.replace('_', '-')}", value]
        run(deckle, "fit", source, "--data", case / "data.npz", "--output", written, "--no-shuffle", "--verbose", 0, *options)
        expected = numbered(data, "z")
    ours = keras.models.load_model(written)
    for i, (got, wanted) in enumerate(zip(predictions(ours, x), expected, strict=True)):
        compare(f"prediction {i}", got, wanted, tolerance)
    if about["kind"] != "fit" or is_keras2:
        return
    if "class_weight" in fit:
        fit["class_weight"] = {int(k): v for k, v in fit["class_weight"].items()}
    y = given(data, "t", lambda: sorted(theirs.output))
    weights = numbered(data, "w")
    more = {"sample_weight": weights if len(weights) > 1 else weights[0]} if weights else {}
    settings = dict(shuffle=False, verbose=0, **more)
    theirs.fit(x, y, **settings, **fit)
    fit["epochs"] = fit.get("initial_epoch", 0) + MORE
    wanted = theirs.fit(x, y, **settings, **fit).history
    got = ours.fit(x, y, **settings, **fit).history
    if got.keys() != wanted.keys():
        raise AssertionError(f"history of {sorted(got)}, expected {sorted(wanted)}")
    for key in wanted:
        compare(f"{key} of further training", got[key], wanted[key], tolerance)
    # Not the weights: a bias before a normalization has no gradient but rounding errors, which Adam makes large.
    for i, (got, wanted) in enumerate(zip(predictions(ours, x), predictions(theirs, x), strict=True)):
        compare(f"prediction {i} after further training", got, wanted, tolerance)


def main(deckle, folders):
    formats = "--formats" in folders
    folders = [folder for folder in folders if folder != "--formats"]
    counts = dict(ok=0, missing=0, unusable=0, FAIL=0)
    for folder in folders:
        for case in sorted(path.parent for path in pathlib.Path(folder).glob("*/case.json")):
            keras.utils.clear_session()
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    (check_formats if formats else check)(deckle, case, pathlib.Path(scratch))
                    outcome, why = "ok", ""
                except Missing as error:
                    outcome, why = "missing", f": {error}"
                except Unusable as error:
                    outcome, why = "unusable", f": {error}"
                except Exception as error:  # the others are still wanted
                    outcome, why = "FAIL", f": {type(error).__name__}: {str(error)[:300]}"
            counts[outcome] += 1
            print(f"{outcome} {case.name}{why}", flush=True)
    print(f"{sum(counts.values())} cases: {counts['ok']} ok, {counts['missing']} missing, "
          f"{counts['unusable']} unusable, {counts['FAIL']} failed")
    sys.exit(counts["FAIL"] > 0)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
