"""Models of the golden cases with the settings that the others leave at their defaults, and with masks in training."""

from keras import Input, Model, constraints as C, initializers as I, layers as L, losses, metrics, optimizers, regularizers as R

from models import FIT, model, network, numbers, whole, words

FIRST = "channels_first"


@model
def settings_with_channels_first():
    line, picture, cube = Input((4, 6)), Input((3, 5, 7)), Input((2, 4, 5, 6))
    of_line = [L.DepthwiseConv1D(2, data_format=FIRST, depth_multiplier=2), L.DepthwiseConv1D(3, padding="same", dilation_rate=2, data_format=FIRST),
               L.AveragePooling1D(2, data_format=FIRST), L.AveragePooling1D(3, strides=2, padding="same", data_format=FIRST),
               L.GlobalAveragePooling1D(data_format=FIRST), L.GlobalAveragePooling1D(data_format=FIRST, keepdims=True),
               L.MaxPooling1D(2, strides=1, data_format=FIRST), L.MaxPooling1D(3, padding="same", data_format=FIRST)]
    of_picture = [L.CenterCrop(3, 4, data_format=FIRST), L.CenterCrop(2, 7, data_format=FIRST)]
    of_cube = [L.MaxPooling3D(2, strides=1, data_format=FIRST), L.MaxPooling3D((1, 2, 3), strides=(2, 1, 2), padding="same", data_format=FIRST),
               L.Cropping3D(((0, 1), (1, 1), (2, 0)), data_format=FIRST), L.Cropping3D(1, data_format=FIRST),
               L.ZeroPadding3D(((1, 0), (0, 2), (1, 1)), data_format=FIRST), L.ZeroPadding3D((1, 0, 2), data_format=FIRST)]
    ys = [layer(line) for layer in of_line] + [layer(picture) for layer in of_picture] + [layer(cube) for layer in of_cube]
    return {"model": Model([line, picture, cube], ys), "inputs": [numbers(2, 4, 6), numbers(2, 3, 5, 7, seed=1), numbers(2, 2, 4, 5, 6, seed=2)]}


def weights_of(*names):
    made = {}
    for name in names:
        made |= {f"{name}_regularizer": R.L2(0.02), f"{name}_constraint": C.MaxNorm(0.9), f"{name}_initializer": "he_normal"}
    return made


@model
def settings_of_cells():
    x = Input(batch_shape=(2, 4, 3))
    more = dict(dropout=0.2, recurrent_dropout=0.3, seed=7, **weights_of("kernel", "recurrent"))
    some = dict(dropout=0.5, use_bias=False, recurrent_constraint=C.UnitNorm(), recurrent_regularizer="l1")
    ys = []
    for cell in (L.SimpleRNNCell, L.GRUCell, L.LSTMCell):
        gates = {} if cell is L.SimpleRNNCell else dict(recurrent_activation="hard_sigmoid")
        first = cell(3, activation="softsign", bias_initializer="ones", bias_regularizer="l2", bias_constraint=C.NonNeg(), **gates, **more)
        ys += [L.RNN(first, return_sequences=True, stateful=True)(x), L.RNN(cell(2, **some), go_backwards=True, zero_output_for_mask=True)(L.Masking(0.5)(x))]
    ys += [L.RNN(L.GRUCell(2, reset_after=False), unroll=True)(x), L.RNN(L.LSTMCell(2, unit_forget_bias=False), stateful=True, return_state=True)(x)[1]]
    array = numbers(2, 4, 3)
    array[0, -1] = array[1, 0] = 0.5
    return {"model": Model(x, ys), "inputs": array}


@model
def second_settings():
    a, b = Input((3, 4)), Input((3, 4))
    batch, wave = Input(batch_shape=(2, 3, 4)), Input((6, 1))
    square = [L.Dense(4, kernel_initializer=I.Identity(gain=2.0)), L.Dense(4, kernel_initializer=I.Identity(gain=-0.5)),
              L.Dense(2, kernel_initializer=I.Orthogonal(gain=0.7, seed=3)), L.Dense(2, kernel_initializer=I.Orthogonal(gain=1.5)),
              L.Dense(2, kernel_initializer=I.RandomUniform(-0.3, 0.2, seed=1)), L.Dense(2, kernel_initializer=I.RandomUniform(0.1, 0.2))]
    ys = [L.Concatenate(axis=1)([a, b]), L.Concatenate(axis=-2)([b, a]), L.UpSampling1D(3)(a), L.UpSampling1D(5)(a), L.RepeatVector(2)(L.Flatten()(a)),
          L.RepeatVector(4)(L.Flatten()(b)), *[layer(a) for layer in square],
          L.SimpleRNN(2, activity_regularizer="l2", dropout=0.2, seed=5)(batch), L.SimpleRNN(3, activity_regularizer=R.L1(0.1), recurrent_dropout=0.2, seed=6)(batch)]
    ys.append(L.Conv1D(3, 4, kernel_initializer=I.STFT("imag", window="hann", scaling=None))(wave))
    return {"model": Model([a, b, batch, wave], ys), "inputs": [numbers(2, 3, 4), numbers(2, 3, 4, seed=1), numbers(2, 3, 4, seed=2), numbers(2, 6, 1, seed=3)]}


@model
def masked_and_unrolled():
    """Unrolled loops give for a masked step the output before it, and 0 at first, whatever else is set."""
    x, h = Input((4, 3)), Input((2,), name="h")
    m = L.Masking(0.5)(x)
    made = dict(unroll=True, zero_output_for_mask=True)
    ys = [L.Bidirectional(L.GRU(2, return_sequences=True, unroll=True), merge_mode=None)(m), L.Bidirectional(L.SimpleRNN(2, unroll=True))(m),
          L.LSTM(2, return_sequences=True, **made)(m), L.SimpleRNN(2, go_backwards=True, **made)(m), L.GRU(2, return_sequences=True, unroll=True)(m, initial_state=h),
          L.SimpleRNN(2, unroll=True)(m, initial_state=h), L.RNN(L.LSTMCell(2), return_sequences=True, return_state=True, **made)(m),
          L.RNN([L.GRUCell(2), L.SimpleRNNCell(3)], return_sequences=True, go_backwards=True, unroll=True)(m)]
    array = numbers(3, 4, 3)
    array[0, -1] = array[1, 0] = array[2] = 0.5
    return {"model": Model([x, h], ys), "inputs": [array, numbers(3, 2, seed=1)]}


def parsed(reduction, **more):
    """Words with padding and a class for each; without metrics, as Keras on JAX forgets the mask for them, but only in training."""
    x = words(24, 6)
    return network(x, whole(24, 6, high=3), [L.Embedding(5, 4, mask_zero=True), L.GRU(4, return_sequences=True), L.Dense(3, activation="softmax")],
                   dict(optimizer=optimizers.Adam(0.02), loss=losses.SparseCategoricalCrossentropy(reduction=reduction)), **more)


@model
def fit_masked_losses():
    return parsed("sum_over_batch_size", fit=FIT | dict(validation_split=0.25))


@model
def fit_masked_weighted_losses():
    return parsed("mean_with_sample_weight", sample_weight=numbers(24, 6, seed=9, low=0, high=2))


@model
def fit_masked_losses_of_numbers():
    """Numbers for each step, in a last axis of 1; the mask has none."""
    x = words(20, 5)
    return network(x, numbers(20, 5, 1, seed=3), [L.Embedding(5, 3, mask_zero=True), L.Bidirectional(L.LSTM(2, return_sequences=True)), L.Dense(1)],
                   dict(optimizer=optimizers.SGD(0.05, momentum=0.9), loss="mae", metrics=[metrics.RootMeanSquaredError()]))


@model
def fit_average_and_accumulation():
    """The averages replace the weights in the middle of an epoch, and accumulated gradients go from epoch to epoch."""
    return network(numbers(40, 5), numbers(40, 2, seed=1), [L.Dense(4, activation="tanh"), L.BatchNormalization(), L.Dense(2)],
                   dict(optimizer=optimizers.RMSprop(0.02, momentum=0.5, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=2, gradient_accumulation_steps=3,
                                                     global_clipnorm=0.5, weight_decay=0.01),
                        loss="mse", metrics=["mae"], run_eagerly=True), before=dict(batch_size=8, epochs=1), fit=dict(batch_size=8, epochs=3))


@model
def fit_average_without_overwriting():
    return network(numbers(40, 5), numbers(40, 2, seed=1), [L.Dense(4, activation="tanh"), L.Dense(2)],
                   dict(optimizer=optimizers.Nadam(0.02, use_ema=True, ema_momentum=0.8, clipvalue=0.1, loss_scale_factor=16.0), loss="mse", run_eagerly=True),
                   before=dict(batch_size=8, epochs=1), fit=dict(batch_size=8, epochs=2, validation_split=0.2))


@model
def fit_activity_penalties():
    x = Input((6, 3))
    some = R.L2(0.02)
    h = L.Masking(activity_regularizer=R.L1(0.01))(x)
    h = L.TimeDistributed(L.Dense(4), activity_regularizer=some)(h)
    h = L.ReLU(negative_slope=0.1, activity_regularizer=R.L1L2(0.01, 0.03))(h)
    h = L.Add(activity_regularizer="l1")([h, L.LayerNormalization(activity_regularizer=some)(h)])
    h = L.Cropping1D(1, activity_regularizer=some)(L.BatchNormalization(activity_regularizer="l2")(h))
    outputs, state = L.RNN(L.GRUCell(3), return_sequences=True, return_state=True, activity_regularizer=some)(h)
    inner = L.RNN(L.SimpleRNNCell(2), activity_regularizer=R.L1(0.03))
    h = L.Bidirectional(inner, activity_regularizer=R.L2(0.04))(L.MaxPooling1D(2, activity_regularizer=some)(outputs))
    h = L.Concatenate(activity_regularizer=some)([L.Activation("tanh", activity_regularizer=some)(h), state])
    y = L.Dense(1)(L.Flatten(activity_regularizer=some)(L.Dropout(0.0, activity_regularizer=some)(h)))
    return {"model": Model(x, y), "inputs": numbers(24, 6, 3), "targets": numbers(24, 1, seed=1),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=8, epochs=2)}


@model
def activations_that_are_layers():
    x, first = Input((4, 3)), "channels_first"
    slope, bound = lambda: L.LeakyReLU(negative_slope=0.1), lambda: L.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.2)
    ys = [L.Dense(3, activation=slope())(x), L.Dense(2, activation=bound())(x), L.Dense(3, activation=L.Softmax(axis=1))(x),
          L.Conv1D(2, 2, activation=L.ELU(0.5))(x), L.Conv1D(2, 2, activation=L.Softmax(axis=1), data_format=first)(x),
          L.SeparableConv1D(2, 2, activation=bound())(x), L.LSTM(3, activation=L.ELU(0.5), recurrent_activation=L.Softmax(axis=1))(x),
          L.GRU(3, recurrent_activation=bound(), return_sequences=True)(x), L.RNN(L.SimpleRNNCell(2, activation=slope()))(x),
          L.Bidirectional(L.GRU(2, activation=slope()))(x), L.TimeDistributed(L.Dense(2, activation=slope()))(x),
          L.EinsumDense("abc,cd->abd", (None, 2), activation=L.Activation("tanh"))(x),
          L.Activation(L.Activation(L.ELU(0.5)))(x), L.Activation(L.Softmax(axis=-2))(x)]
    return {"model": Model(x, ys), "inputs": numbers(2, 4, 3)}
