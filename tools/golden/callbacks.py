"""What Keras's callbacks decide on sequences of logs: crates/train/tests/data/callbacks.json.

Needs keras and a backend: KERAS_BACKEND=jax python tools/golden/callbacks.py
"""

import json
import pathlib
import random
import tempfile

import keras
import numpy as np
from keras import callbacks

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "../../crates/train/tests/data/callbacks.json"


class Model:
    """What callbacks need of a model: one weight, an optimizer, a list of saved files."""

    def __init__(self, learning_rate=0.1):
        self.metrics = []
        self.stop_training = False
        self.weight = -1.0
        self.saved = []
        self.optimizer = keras.optimizers.SGD(learning_rate)

    def get_weights(self):
        return [np.float32(self.weight)]

    def set_weights(self, weights):
        self.weight = float(weights[0])

    def save(self, path, overwrite=True):
        self.saved.append(path)

    def save_weights(self, path, overwrite=True):
        self.saved.append(path)


def sequences():
    draw = random.Random(7)
    yield [1.0, 0.8, 0.7, 0.7, 0.75, 0.72, 0.71, 0.6, 0.65, 0.66]
    yield [0.5] * 8
    yield [0.5, float("nan"), 0.4, float("nan"), float("nan"), 0.3]
    yield [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 0.5, 0.25, 8.0, 9.0]
    for _ in range(6):
        yield [round(draw.uniform(0.1, 2.0), 2) for _ in range(14)]


def early_stopping():
    settings = [
        {},
        {"patience": 2},
        {"patience": 3, "min_delta": 0.15},
        {"patience": 2, "mode": "max", "monitor": "accuracy"},
        {"patience": 2, "baseline": 0.6},
        {"patience": 1, "start_from_epoch": 3},
        {"patience": 3, "restore_best_weights": True},
        {"patience": 2, "restore_best_weights": True, "baseline": 0.4, "min_delta": 0.05},
        {"patience": 2, "restore_best_weights": True, "start_from_epoch": 2, "monitor": "loss"},
    ]
    for values in sequences():
        for setting in settings:
            model = Model()
            callback = callbacks.EarlyStopping(**setting)
            callback.set_model(model)
            callback.on_train_begin()
            ran = 0
            for epoch, value in enumerate(values):
                model.weight = float(epoch)
                callback.on_epoch_end(epoch, {callback.monitor: value})
                ran += 1
                if model.stop_training:
                    break
            callback.on_train_end()
            yield {
                "values": values,
                "settings": setting,
                "ran": ran,
                "stopped": callback.stopped_epoch if model.stop_training else None,
                "wait": callback.wait,
                "best": None if callback.best is None else float(callback.best),
                "best_epoch": callback.best_epoch,
                "weight": model.weight,
            }


def reduce_lr():
    settings = [
        {"patience": 1},
        {"patience": 2, "factor": 0.5},
        {"patience": 1, "factor": 0.5, "cooldown": 2},
        {"patience": 1, "factor": 0.1, "min_lr": 0.005},
        {"patience": 2, "factor": 0.2, "min_delta": 0.2, "monitor": "loss"},
        {"patience": 1, "mode": "max", "monitor": "accuracy", "cooldown": 1},
    ]
    for values in sequences():
        for setting in settings:
            model = Model()
            callback = callbacks.ReduceLROnPlateau(**setting)
            callback.set_model(model)
            callback.on_train_begin()
            logged, rates = [], []
            for epoch, value in enumerate(values):
                logs = {callback.monitor: value}
                callback.on_epoch_end(epoch, logs)
                logged.append(float(logs["learning_rate"]))
                rates.append(float(np.asarray(model.optimizer.learning_rate)))
            yield {"values": values, "settings": setting, "logged": logged, "rates": rates}


def model_checkpoint():
    settings = [
        {},
        {"save_best_only": True},
        {"save_best_only": True, "initial_value_threshold": 0.6},
        {"save_best_only": True, "mode": "max", "monitor": "accuracy"},
        {"save_freq": 3},
        {"save_freq": 2, "save_best_only": True, "monitor": "loss"},
    ]
    for values in list(sequences())[:6]:
        for setting in settings:
            model = Model()
            monitor = setting.get("monitor", "val_loss")
            path = "x-{epoch:02d}-{%s:.2f}.keras" % monitor
            if "save_freq" in setting:
                path = "x-{epoch:02d}-{batch:03d}-{loss:.2f}.keras"
            callback = callbacks.ModelCheckpoint(path, **setting)
            callback.set_model(model)
            callback.on_train_begin()
            batches = 4 if "save_freq" in setting else 0
            for epoch in range(len(values) // max(batches, 1)):
                callback.on_epoch_begin(epoch)
                for batch in range(batches):
                    callback.monitor_op or callback._set_monitor_op()
                    callback.on_train_batch_end(batch, {"loss": values[epoch * batches + batch]})
                if not batches:
                    callback.on_epoch_end(epoch, {monitor: values[epoch]})
                else:
                    callback.on_epoch_end(epoch, {monitor: 0.0})
            yield {
                "values": values,
                "settings": setting,
                "path": path,
                "batches": batches,
                "saved": model.saved,
            }


def csv_logger():
    runs = [
        [{"loss": 0.5, "accuracy": 0.25}, {"loss": 1e-5, "accuracy": 1.0}],
        [
            {"val_loss": 0.1 + 0.2, "loss": float("nan"), "b,x": 2.0},
            {"loss": float("inf"), "val_loss": 1e20, "late": 3.0},
        ],
        [{"loss": 123456789.125, 'q"': 0.0001, "mae": 1e16}],
    ]
    for logs in runs:
        for settings in [{}, {"separator": ";"}, {"append": True}]:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "log.csv"
                for _ in range(2):
                    callback = callbacks.CSVLogger(str(path), **settings)
                    callback.set_model(Model())
                    callback.on_train_begin()
                    for epoch, values in enumerate(logs):
                        callback.on_epoch_end(epoch, dict(values))
                    callback.on_train_end()
                text = path.read_bytes().decode()
            yield {
                "logs": [{k: repr(v) for k, v in values.items()} for values in logs],
                "settings": settings,
                "text": text,
            }


def finite(value):
    """JSON has no NaN: numbers that are not finite become texts."""
    if isinstance(value, float) and not np.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def main():
    cases = {
        "keras": keras.__version__,
        "early_stopping": list(early_stopping()),
        "reduce_lr": list(reduce_lr()),
        "model_checkpoint": list(model_checkpoint()),
        "csv_logger": list(csv_logger()),
    }
    lines = []
    for name, value in cases.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(finite(case)) for case in value)
            lines.append(f' "{name}": [\n{rows}\n ]')
        else:
            lines.append(f' "{name}": {json.dumps(value)}')
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
