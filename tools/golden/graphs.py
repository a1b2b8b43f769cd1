"""More models of the golden cases: graphs of shared, nested and frozen parts, several outputs, and an epoch before."""

from keras import Input, Model, Sequential, layers as L, ops, optimizers
from keras.optimizers import schedules

from models import FIT, LABELS, MODELS, model, network, numbers, tower, whole, words


@model
def fit_stacked_cells():
    return network(numbers(24, 5, 3), numbers(24, 1, seed=1), [L.RNN([L.GRUCell(3), L.LSTMCell(4)]), L.Dense(1)],
                   dict(optimizer=optimizers.SGD(0.05, momentum=0.9), loss="mae"), before=dict(batch_size=16, epochs=1))


@model
def fit_wrapped_in_time():
    return network(numbers(20, 4, 6, 6, 1), whole(20, high=3), [L.TimeDistributed(L.Conv2D(2, 3, activation="relu")), L.TimeDistributed(L.Flatten()), L.LSTM(3), L.Dense(3, activation="softmax")],
                   dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]))


def siamese(**settings):
    """A shared model of a shared layer, three outputs, one of them of an inner layer, a part that is frozen."""
    a, b = Input((4,), name="first"), Input((4,), name="second")
    frozen = Sequential([Input((4,)), L.Dense(4, name="kept"), L.BatchNormalization(name="statistics")], name="frozen")
    frozen.trainable = False
    part, shared = tower(4, 3, name="part"), L.Dense(3, activation="tanh", name="shared")
    left, right = part(frozen(a)), part(frozen(b))
    near = L.Dot(1, normalize=True, name="near")([shared(left), shared(right)])
    kind = L.Dense(3, activation="softmax", name="kind")(ops.abs(left - right))
    made = Model({"first": a, "second": b}, {"near": near, "kind": kind, "inner": L.Dense(1, name="inner")(right)}, name="siamese")
    return {"model": made, "inputs": {"first": numbers(40, 4), "second": numbers(40, 4, seed=1)},
            "targets": {"near": numbers(40, 1, seed=2), "kind": whole(40, high=3), "inner": numbers(40, 1, seed=4)},
            "compile": dict(loss={"near": "mse", "kind": LABELS, "inner": "mse"}, loss_weights={"near": 0.5, "kind": 1.0, "inner": 2.0},
                            metrics={"kind": ["accuracy"], "near": ["mae"]}, **settings),
            "before": dict(batch_size=16, epochs=1), "fit": FIT | dict(validation_split=0.2)}


for name, make in [
    ("adam", lambda: optimizers.Adam(schedules.ExponentialDecay(0.02, 5, 0.8), clipnorm=0.5)),
    ("sgd", lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01, clipvalue=0.1)),
    ("rmsprop", lambda: optimizers.RMSprop(0.01, momentum=0.3, centered=True, global_clipnorm=0.5)),
    ("adagrad", lambda: optimizers.Adagrad(0.1)),
    ("adam_accumulated", lambda: optimizers.AdamW(0.02, gradient_accumulation_steps=2)),
]:
    MODELS[f"fit_siamese_{name}"] = lambda make=make: siamese(optimizer=make())


@model
def fit_siamese_average():
    case = siamese(optimizer=optimizers.AdamW(0.02, use_ema=True, ema_momentum=0.7), run_eagerly=True)
    del case["before"]
    return case


@model
def fit_shared_frozen_inside():
    """A layer of a model is frozen, which is called three times, once by another model."""
    a, b = Input((5,)), Input((5,))
    first = Sequential([Input((5,)), L.Dense(5, activation="tanh", name="common"), L.LayerNormalization(name="norm")], name="first")
    first.get_layer("norm").trainable = False
    y = L.Dense(2)(L.Concatenate()([first(a), first(b), first(first(b))]))
    return {"model": Model([a, b], y), "inputs": [numbers(30, 5), numbers(30, 5, seed=1)], "targets": numbers(30, 2, seed=2),
            "compile": dict(optimizer="adam", loss="mse", metrics=["mae"]), "before": dict(batch_size=16, epochs=1), "fit": FIT}


@model
def fit_attending_decoder():
    source, target = Input((5,), dtype="int32", name="source"), Input((4,), dtype="int32", name="target")
    encoded, h, c = L.LSTM(4, return_sequences=True, return_state=True)(L.Embedding(6, 3, mask_zero=True)(source))
    decoded = L.LSTM(4, return_sequences=True)(L.Embedding(6, 3)(target), initial_state=[h, c])
    attended = L.Attention(use_scale=True)([decoded, encoded])
    y = L.TimeDistributed(L.Dense(6, activation="softmax"))(L.Concatenate()([decoded, attended]))
    return {"model": Model([source, target], y), "inputs": [words(24, 5, high=6), whole(24, 4, high=6, seed=1)], "targets": whole(24, 4, high=6, seed=2),
            "compile": dict(optimizer="adam", loss=LABELS, metrics=["accuracy"]), "fit": FIT}


@model
def nested_in_nested_in_sequential():
    inner = Model(x := Input((3,)), L.PReLU()(L.Dense(3)(x)), name="inner")
    middle = Sequential([Input((3,)), inner, L.BatchNormalization(), L.Dense(3)], name="middle")
    return {"model": Sequential([Input((3,)), middle, L.Dense(2)], name="outer"), "inputs": numbers(5, 3)}


@model
def fit_frozen_around_layers():
    """A layer made frozen around others leaves them open; one that is frozen later freezes them."""
    x = Input((4, 3))
    made = [L.RNN(L.GRUCell(2), trainable=False), L.RNN([L.GRUCell(2), L.LSTMCell(2, trainable=False)], trainable=False), L.Bidirectional(L.SimpleRNN(2), trainable=False),
            L.TimeDistributed(L.Dense(2), trainable=False), L.TimeDistributed(L.BatchNormalization(), trainable=False), L.Bidirectional(L.GRU(2)), L.TimeDistributed(L.Dense(2)), L.TimeDistributed(Sequential([Input((3,)), L.Dense(2)]))]
    outputs = [layer(x) for layer in made]
    for layer in made[-3:]:
        layer.trainable = False
    y = L.Dense(2)(L.Concatenate()([y if len(y.shape) == 2 else L.Flatten()(y) for y in outputs]))
    return {"model": Model(x, y), "inputs": numbers(24, 4, 3), "targets": numbers(24, 2, seed=2), "compile": dict(optimizer=optimizers.SGD(0.05), loss="mse"), "fit": FIT}
