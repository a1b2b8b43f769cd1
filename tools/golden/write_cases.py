"""Lets real Keras compute what Deckle has to compute: a folder for each model of `models.py`.

    python write_cases.py FOLDER [NAME ...]        # needs: pip install keras jax

Without names, every model. What a folder holds:

    model.keras   (of `keras2.py` model.h5) the model as Keras saves it, compressed; where it is to be trained, compiled, before that training
    data.npz      inputs x0, x1, ... (of a dict: under their names), what Keras predicts for them y0, y1, ...
                  for training: targets t0, t1, ... (of a dict: under the outputs' names), sample weights w0 or w0, w1, ...
                  and predictions after training z0, z1, ...
    case.json     name, kind ("predict" or "fit"), keras, tolerance, backend; for training batch_size, epochs,
                  history, and other arguments of fit if the case has them

Every floating-point weight is drawn again from the case's seed, so that no bias is 0, no gain is 1 and no moving
average is what it was initialized to. Nothing is shuffled and nothing is dropped, so training can be repeated.
"""

import json
import os
import pathlib
import sys
import zipfile
import zlib

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402

FIT, PREDICT = 1e-4, 2e-5


def leaves(value):
    """The arrays of a list or a dict, in Keras's order (a dict's by its sorted keys), with their names or None."""
    if isinstance(value, dict) and not any(isinstance(part, (dict, list, tuple)) for part in value.values()):
        return [(key, value[key]) for key in sorted(value)]
    return [(None, array) for array in keras.tree.flatten(value)]


def named(prefix, value):
    """The arrays under the names that the program finds them by."""
    return {name or f"{prefix}{i}": np.asarray(array) for i, (name, array) in enumerate(leaves(value))}


def numbered(prefix, value):
    return {f"{prefix}{i}": np.asarray(array) for i, (_, array) in enumerate(leaves(value))}


def numbered_history(history):
    """The history with an entry for each number of a metric that is a vector: `f1_score[0]`, ..."""
    flat = {}
    for key, values in history.items():
        array = np.asarray([np.asarray(value) for value in values], "float64")
        for i in range(array.shape[1] if array.ndim == 2 else 1):
            name = f"{key}[{i}]" if array.ndim == 2 else key
            flat[name] = (array[:, i] if array.ndim == 2 else array).tolist()
    return flat


def draw_weights(model, seed):
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path or "float" not in str(variable.dtype):
            continue
        value = 0.3 * random.standard_normal(variable.shape)
        if variable.name in ("gamma", "moving_variance", "variance"):
            value = 0.5 + np.abs(value)
        variable.assign(value.astype(variable.dtype))
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            layer.finalize_state()


def reset_states(model):
    """Lets stateful layers begin anew, as those of a model do that comes from a file, where states are not."""
    for layer in model._flatten_layers():
        for state in keras.tree.flatten(getattr(layer, "states", None)):
            if hasattr(state, "assign"):  # reset_state cannot do it for cells in cells
                state.assign(np.zeros(state.shape, "float32"))


def compress(path):
    """Writes the archive again with its members compressed, which Keras does not do, but reads."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def write(name, case, folder):
    folder.mkdir(parents=True, exist_ok=True)
    model, x = case["model"], case["inputs"]
    fit = case.get("fit")
    draw_weights(model, zlib.crc32(name.encode()))
    about = {"name": name, "kind": "fit" if fit else "predict", "keras": keras.__version__,
             "backend": keras.backend.backend(), "tolerance": case.get("tolerance", FIT if fit else PREDICT)}
    if fit:
        model.compile(**case["compile"])
    if "before" in case:
        # The file then holds the optimizer's state after that training.
        model.fit(x, case["targets"], shuffle=False, verbose=0, **case["before"])
    reset_states(model)
    arrays = (numbered if case.get("by_place") else named)("x", x) | numbered("y", model.predict(x, verbose=0))
    reset_states(model)
    model.save(folder / "model.keras")
    compress(folder / "model.keras")
    if fit:
        extra = {}
        if "sample_weight" in case:
            extra["sample_weight"] = case["sample_weight"]
            arrays |= numbered("w", case["sample_weight"])
        arrays |= named("t", case["targets"])
        history = model.fit(x, case["targets"], shuffle=False, verbose=0, **fit, **extra).history
        reset_states(model)
        arrays |= numbered("z", model.predict(x, verbose=0))
        history = numbered_history(history)
        about |= fit | {"history": history}
    np.savez_compressed(folder / "data.npz", **arrays)
    (folder / "case.json").write_text(json.dumps(about, indent=1) + "\n")


def main(folder, names):
    import compiled  # noqa: F401
    import corners  # noqa: F401
    import extremes  # noqa: F401
    import graphs  # noqa: F401
    import layers  # noqa: F401
    import operations  # noqa: F401
    import rest  # noqa: F401
    import settings  # noqa: F401
    import uncommon  # noqa: F401
    from models import MODELS

    failed = 0
    for name in names or MODELS:
        keras.utils.clear_session()
        keras.utils.set_random_seed(zlib.crc32(name.encode()) % 2**32)
        try:
            write(name, MODELS[name](), pathlib.Path(folder) / name)
            print(name, flush=True)
        except Exception as error:  # the others are still wanted
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {str(error)[:400]}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
