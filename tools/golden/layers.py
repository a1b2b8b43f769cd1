"""More models of the golden cases: every layer with settings that are not the defaults, see `models.py`."""

import numpy as np
from keras import Input, Model, Sequential, constraints, initializers, layers as L, metrics as M, regularizers

from models import model, numbers, whole, words


def several(shape, layers, batch=3, **more):
    """One input and an output for each of the layers."""
    x = Input(shape)
    return {"model": Model(x, [layer(x) for layer in layers]), "inputs": numbers(batch, *shape), **more}


# Normalization.

@model
def layer_normalizations():
    return several((4, 3), [
        L.LayerNormalization(), L.LayerNormalization(axis=[1, 2], epsilon=0.1), L.LayerNormalization(axis=1, scale=False),
        L.LayerNormalization(center=False), L.LayerNormalization(center=False, scale=False, axis=[2, 1])])


@model
def rms_and_unit_normalizations():
    return several((4, 3), [L.RMSNormalization(), L.RMSNormalization(axis=[1, 2], epsilon=0.1),
                            L.UnitNormalization(), L.UnitNormalization(axis=[1, 2]), L.UnitNormalization(axis=1)])


@model
def group_normalizations():
    return several((4, 5, 6), [
        L.GroupNormalization(3), L.GroupNormalization(-1, scale=False), L.GroupNormalization(1, center=False, epsilon=0.1),
        L.GroupNormalization(2, axis=1), L.GroupNormalization(5, axis=-2)])


@model
def normalizations():
    given = dict(mean=[0.1, -0.2, 0.3], variance=[0.5, 1.0, 2.0])
    return several((4, 3), [L.Normalization(), L.Normalization(axis=(1, 2)), L.Normalization(axis=1, invert=True),
                            L.Normalization(**given), L.Normalization(mean=0.5, variance=4.0, axis=None, invert=True)])


@model
def fit_layer_normalization():
    return {"model": Sequential([Input((5, 4)), L.LayerNormalization(axis=[1, 2]), L.Dense(4), L.LayerNormalization(),
                                 L.RMSNormalization(), L.GroupNormalization(2), L.Flatten(), L.Dense(1)]),
            "inputs": numbers(32, 5, 4), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="adam", loss="mse"), "fit": dict(batch_size=16, epochs=3)}


# Attention.

def embedded(steps=6, high=6, dim=4):
    x = Input((steps,), dtype="int32")
    return x, L.Embedding(high, dim, mask_zero=True)(x)


@model
def attention_masked():
    x, e = embedded()
    y = L.MultiHeadAttention(2, 3)(e, e)
    return {"model": Model(x, y), "inputs": words(4, 6, high=6)}


@model
def attention_causal_masked():
    x, e = embedded()
    y, scores = L.MultiHeadAttention(2, 3, value_dim=5, output_shape=7, use_bias=False)(
        query=L.Dense(3)(e), value=e, use_causal_mask=True, return_attention_scores=True)
    return {"model": Model(x, [y, scores]), "inputs": words(4, 6, high=6)}


@model
def attention_cross():
    q, v, k = Input((3, 4)), Input((5, 6)), Input((5, 2))
    outs = [L.MultiHeadAttention(3, 2, output_shape=(2, 3))(q, v, k),
            L.MultiHeadAttention(1, 4, use_gate=True)(q, v, key=k),
            L.MultiHeadAttention(2, 2, sliding_window=2, dropout=0.3)(q, v)]
    return {"model": Model([q, v, k], outs), "inputs": [numbers(2, 3, 4), numbers(2, 5, 6, seed=1), numbers(2, 5, 2, seed=2)]}


@model
def attention_with_mask_tensor():
    x, mask = Input((4, 3)), Input((4, 4), dtype="bool")
    y = L.MultiHeadAttention(2, 2)(x, x, attention_mask=mask)
    z, scores = L.MultiHeadAttention(2, 2)(x, x, attention_mask=mask, return_attention_scores=True)
    return {"model": Model([x, mask], [y, z, scores]), "inputs": [numbers(3, 4, 3), whole(3, 4, 4, high=2).astype(bool)]}


@model
def attention_over_axes():
    x, y = Input((3, 4, 2)), Input((2, 3, 2))
    return {"model": Model([x, y], [L.MultiHeadAttention(2, 3)(x, y), L.MultiHeadAttention(2, 3, attention_axes=2)(x, x),
                                    L.MultiHeadAttention(1, 2, attention_axes=(1,))(x, x)]),
            "inputs": [numbers(2, 3, 4, 2), numbers(2, 2, 3, 2, seed=1)]}


@model
def attention_takes_masks_away():
    """What is computed after it finds no mask of its inputs, and what is computed before it does: branches of several depths."""
    x, e = embedded()
    y = L.MultiHeadAttention(2, 3)(e, e)
    pooled = L.GlobalAveragePooling1D
    z = L.Add()([e, y])
    inner = Input((6, 4))
    inner = Model(inner, L.Add()([inner, L.MultiHeadAttention(1, 2)(inner, inner)]))
    g = L.Dense(4)(e)
    return {"model": Model(x, [pooled()(z), pooled()(y), L.LSTM(2)(e), pooled()(e), pooled()(L.Dense(3)(L.Dense(2)(e))), pooled()(L.Concatenate()([e, y])),
                               pooled()(L.LayerNormalization()(L.Add()([g, L.GroupQueryAttention(2, 2, 1)(g, g)]))), pooled()(inner(g)), pooled()(g)]),
            "inputs": words(4, 6, high=6)}


@model
def fit_transformer_masked():
    x, y = embedded()
    for _ in range(2):
        y = L.LayerNormalization()(L.Add()([y, L.MultiHeadAttention(2, 3)(y, y)]))
        y = L.LayerNormalization()(L.Add()([y, L.Dense(4)(L.Dense(6, activation="relu")(y))]))
    return {"model": Model(x, L.Dense(3, activation="softmax")(L.GlobalAveragePooling1D()(y))), "inputs": words(24, 6, high=6), "targets": whole(24, high=3, seed=1),
            "compile": dict(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]), "fit": dict(batch_size=8, epochs=2)}


@model
def attention_grouped():
    q, v = Input((4, 6)), Input((5, 6))
    outs = [L.GroupQueryAttention(2, 4, 2)(q, v), L.GroupQueryAttention(3, 2, 1, use_bias=False, use_gate=True)(q, v),
            *L.GroupQueryAttention(2, 2, 2, sliding_window=3)(q, q, use_causal_mask=True, return_attention_scores=True)]
    return {"model": Model([q, v], outs), "inputs": [numbers(2, 4, 6), numbers(2, 5, 6, seed=1)]}


@model
def attention_without_heads():
    q, v, k = Input((3, 4)), Input((5, 6)), Input((5, 4))
    outs = [L.Attention()([q, v, k]), L.Attention(use_scale=True, score_mode="concat")([q, v, k]),
            *L.Attention(use_scale=True)([q, v, k], use_causal_mask=True, return_attention_scores=True),
            L.AdditiveAttention()([q, v, k]), L.AdditiveAttention(use_scale=False)([k, q])]
    return {"model": Model([q, v, k], outs), "inputs": [numbers(2, 3, 4), numbers(2, 5, 6, seed=1), numbers(2, 5, 4, seed=2)]}


@model
def attention_without_heads_masked():
    x, e = embedded()
    return {"model": Model(x, [L.Attention()([e, e]), L.AdditiveAttention()([e, e])]), "inputs": words(4, 6, high=6)}


@model
def fit_transformer():
    x, e = embedded(dim=6)
    h = L.LayerNormalization()(L.Add()([e, L.MultiHeadAttention(2, 3)(e, e)]))
    y = L.Dense(1)(L.GlobalAveragePooling1D()(L.LayerNormalization()(L.Add()([h, L.Dense(6, activation="gelu")(h)]))))
    return {"model": Model(x, y), "inputs": words(32, 6, high=6), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="adam", loss="mse"), "fit": dict(batch_size=16, epochs=3)}


# Recurrent layers that hold others.

@model
def bidirectionals():
    shape = (5, 3)
    return several(shape, [
        L.Bidirectional(L.GRU(3), merge_mode="sum"), L.Bidirectional(L.SimpleRNN(2, return_sequences=True), merge_mode="mul"),
        L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode="ave"),
        L.Bidirectional(L.LSTM(3), backward_layer=L.GRU(2, go_backwards=True))])


@model
def bidirectional_outputs():
    x = Input((5, 3))
    y, z = L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(x)
    states = L.Bidirectional(L.LSTM(2, return_state=True))(x)
    return {"model": Model(x, [y, z, *states]), "inputs": numbers(3, 5, 3)}


@model
def bidirectional_masked():
    x, e = embedded()
    h = L.Bidirectional(L.LSTM(3, return_sequences=True))(e)
    return {"model": Model(x, [h, L.Bidirectional(L.GRU(2), merge_mode="ave")(h)]), "inputs": words(4, 6, high=6)}


@model
def bidirectional_states():
    x = Input((5, 3))
    _, *states = L.Bidirectional(L.GRU(2, return_state=True))(x)
    y = L.Bidirectional(L.GRU(2))(x, initial_state=states)
    return {"model": Model(x, y), "inputs": numbers(3, 5, 3)}


@model
def cells():
    return several((5, 3), [
        L.RNN(L.LSTMCell(3, unit_forget_bias=False)), L.RNN(L.GRUCell(2, reset_after=False), return_sequences=True),
        L.RNN(L.GRUCell(2, activation="relu"), go_backwards=True), L.RNN(L.SimpleRNNCell(2, use_bias=False), return_sequences=True),
        L.RNN([L.LSTMCell(2), L.GRUCell(3), L.LSTMCell(1)], return_sequences=True)])


@model
def cells_masked():
    x, e = embedded()
    return {"model": Model(x, [L.RNN(L.LSTMCell(3), return_sequences=True)(e), L.RNN(L.SimpleRNNCell(3), zero_output_for_mask=True)(e),
                               L.RNN(L.StackedRNNCells([L.GRUCell(2), L.SimpleRNNCell(3)]), return_sequences=True)(e)]),
            "inputs": words(4, 6, high=6)}


@model
def cells_with_states():
    x = Input((5, 3))
    y, h, c = L.RNN(L.LSTMCell(2), return_state=True)(x)
    z = L.RNN(L.LSTMCell(2), return_sequences=True)(x, initial_state=[h, c])
    return {"model": Model(x, [y, h, c, z]), "inputs": numbers(3, 5, 3)}


@model
def convolutional_lstms():
    x, y = Input((3, 5, 2)), Input((2, 4, 5, 2))
    return {"model": Model([x, y], [
        L.ConvLSTM1D(2, 3, padding="same", return_sequences=True, unit_forget_bias=False)(x), L.ConvLSTM1D(3, 2, strides=2, go_backwards=True)(x),
        *L.ConvLSTM2D(2, (2, 3), return_state=True, activation="relu", use_bias=False)(y), L.ConvLSTM2D(1, 2, dilation_rate=2)(y)]),
        "inputs": [numbers(2, 3, 5, 2), numbers(2, 2, 4, 5, 2, seed=1)]}


@model
def time_distributed():
    x = Input((3, 5, 4))
    return {"model": Model(x, [L.TimeDistributed(L.Dense(2, activation="tanh"))(x), L.TimeDistributed(L.Conv1D(3, 2))(x),
                               L.TimeDistributed(L.LSTM(2))(x), L.TimeDistributed(L.Flatten())(x)]),
            "inputs": numbers(2, 3, 5, 4)}


@model
def fit_bidirectional():
    return {"model": Sequential([Input((5, 3)), L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum"),
                                 L.TimeDistributed(L.Dense(3)), L.RNN(L.LSTMCell(3)), L.Dense(1)]),
            "inputs": numbers(32, 5, 3), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="adam", loss="mse"), "fit": dict(batch_size=16, epochs=3)}


# Convolutions.

@model
def convolutions_transposed_1d():
    return several((5, 2), [
        L.Conv1DTranspose(3, 3), L.Conv1DTranspose(2, 2, strides=3), L.Conv1DTranspose(2, 3, padding="same", dilation_rate=2),
        L.Conv1DTranspose(2, 4, strides=3, padding="same", activation="relu", use_bias=False),
        L.Conv1DTranspose(2, 3, strides=3, output_padding=2), L.Conv1DTranspose(2, 2, strides=3, padding="same", output_padding=1)])


@model
def convolutions_transposed_2d():
    return several((3, 4, 2), [
        L.Conv2DTranspose(3, (2, 3), strides=(1, 2)), L.Conv2DTranspose(2, 4, strides=2, padding="same"),
        L.Conv2DTranspose(2, 3, strides=(3, 2), padding="same", output_padding=(2, 1)), L.Conv2DTranspose(2, 2, dilation_rate=(2, 1))])


@model
def convolutions_transposed_3d():
    return several((2, 3, 2, 2), [L.Conv3DTranspose(2, 2, strides=2, padding="same"), L.Conv3DTranspose(1, (1, 2, 3))], batch=2)


@model
def convolutions_by_channel():
    return several((6, 5, 2), [
        L.DepthwiseConv2D(3, depth_multiplier=2), L.DepthwiseConv2D((2, 3), strides=2, padding="same", use_bias=False, activation="tanh"),
        L.DepthwiseConv2D(2, dilation_rate=2), L.SeparableConv2D(3, 2, depth_multiplier=3),
        L.SeparableConv2D(2, (3, 2), strides=2, padding="same", use_bias=False, activation="relu")])


@model
def convolutions_by_channel_1d():
    return several((7, 3), [
        L.DepthwiseConv1D(3, strides=2, depth_multiplier=2), L.DepthwiseConv1D(2, padding="same", dilation_rate=2),
        L.SeparableConv1D(4, 3, strides=2, padding="same"), L.SeparableConv1D(2, 2, dilation_rate=3, depth_multiplier=2)])


@model
def convolutions_with_groups():
    return several((5, 4, 4), [L.Conv2D(6, 3, groups=2), L.Conv2D(4, 2, padding="same", dilation_rate=(1, 2), activation="elu")])


@model
def fit_autoencoder():
    x = numbers(24, 6, 6, 1)
    return {"model": Sequential([Input((6, 6, 1)), L.SeparableConv2D(3, 3, strides=2, padding="same", activation="relu"),
                                 L.DepthwiseConv2D(2, padding="same"), L.Conv2DTranspose(1, 3, strides=2, padding="same")]),
            "inputs": x, "targets": x, "compile": dict(optimizer="adam", loss="mse"), "fit": dict(batch_size=8, epochs=3)}


# Merging and reshaping.

@model
def dots():
    a, b, c = Input((3, 4)), Input((4, 5)), Input((4,))
    outs = [L.Dot((2, 1))([a, b]), L.Dot((2, 1), normalize=True)([a, c]), L.Dot(1)([c, c]), L.Dot(-1, normalize=True)([a, a]),
            L.Dot((1, 2))([c, a])]
    return {"model": Model([a, b, c], outs), "inputs": [numbers(2, 3, 4), numbers(2, 4, 5, seed=1), numbers(2, 4, seed=2)]}


@model
def merged_shapes():
    a, b = Input((3, 4)), Input((1, 4))
    outs = [layer([a, b]) for layer in (L.Subtract(), L.Multiply(), L.Average(), L.Maximum(), L.Minimum(), L.Add())]
    return {"model": Model([a, b], [*outs, L.Concatenate(axis=1)([a, b, a])]), "inputs": [numbers(2, 3, 4), numbers(2, 1, 4, seed=1)]}


@model
def reshaping_1d():
    return several((5, 3), [
        L.Permute((2, 1)), L.Cropping1D((1, 2)), L.Cropping1D(2), L.ZeroPadding1D((0, 3)), L.ZeroPadding1D(2), L.UpSampling1D(3),
        L.Identity(), L.Reshape((3, -1)), L.Flatten()])


@model
def reshaping_2d():
    return several((3, 4, 2), [
        L.Permute((3, 1, 2)), L.Cropping2D(((0, 1), (2, 1))), L.Cropping2D((1, 0)), L.ZeroPadding2D(((1, 0), (2, 1))),
        L.ZeroPadding2D((1, 2)), L.UpSampling2D((2, 3))], batch=2)


@model
def upsampling_interpolated():
    return several((3, 4, 2), [L.UpSampling2D((2, 3), interpolation=kind) for kind in ("bilinear", "bicubic", "lanczos3", "lanczos5")],
                   batch=2)


@model
def reshaping_3d():
    return several((3, 4, 3, 2), [L.Cropping3D(1), L.Cropping3D(((0, 1), (1, 1), (2, 0))), L.ZeroPadding3D((1, 0, 2)),
                                  L.UpSampling3D((1, 2, 2))], batch=2)


@model
def repeated_vector():
    return {
        "model": Sequential([Input((4,)), L.RepeatVector(3), L.GRU(3, return_sequences=True), L.TimeDistributed(L.Dense(2))]),
        "inputs": numbers(3, 4)}


@model
def masking_values():
    x = numbers(4, 5, 2)
    x[0, 3:], x[2, 1] = -1, -1
    return {"model": Sequential([Input((5, 2)), L.Masking(mask_value=-1.0), L.Bidirectional(L.GRU(2, return_sequences=True)),
                                 L.GlobalAveragePooling1D()]), "inputs": x}


# Activations, regularization and the rest.

@model
def rectifiers():
    return several((4, 3), [
        L.LeakyReLU(), L.LeakyReLU(negative_slope=0.1), L.ELU(alpha=0.5), L.PReLU(), L.PReLU(shared_axes=[1]),
        L.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.2), L.Softmax(axis=[1, 2]), L.Softmax(axis=1)])


@model
def regularization_at_rest():
    return several((4, 3), [L.SpatialDropout1D(0.4), L.GaussianNoise(0.3), L.GaussianDropout(0.2, seed=3), L.AlphaDropout(0.2),
                            L.ActivityRegularization(l1=0.1, l2=0.2)])


@model
def fit_activity_regularization():
    return {"model": Sequential([Input((4,)), L.Dense(3, activation="tanh"), L.ActivityRegularization(l1=0.02, l2=0.03), L.PReLU(),
                                 L.Dense(1, kernel_regularizer=regularizers.L2(0.01))]),
            "inputs": numbers(32, 4), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=16, epochs=3)}


@model
def einsum_dense():
    return several((4, 3), [
        L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), L.EinsumDense("...x,xy->...y", 2, activation="relu"),
        L.EinsumDense("ab...,bc->ac...", (2,), bias_axes="c"), L.EinsumDense("abc,bcd->abd", (4, 2), bias_axes="bd"),
        L.EinsumDense("abc,bcd->ad", 3, bias_axes="d"), L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e")])


@model
def adaptive_poolings():
    return several((5, 4, 2), [L.AdaptiveAveragePooling2D((2, 3)), L.AdaptiveMaxPooling2D((3, 2)), L.AdaptiveAveragePooling2D(1),
                               L.AdaptiveMaxPooling2D((5, 2))], batch=2)


@model
def adaptive_poolings_1d_3d():
    x, y = Input((7, 2)), Input((3, 4, 2, 1))
    return {"model": Model([x, y], [L.AdaptiveAveragePooling1D(3)(x), L.AdaptiveMaxPooling1D(2)(x),
                                    L.AdaptiveAveragePooling3D((2, 2, 1))(y), L.AdaptiveMaxPooling3D((1, 3, 2))(y)]),
            "inputs": [numbers(2, 7, 2), numbers(2, 3, 4, 2, 1, seed=1)]}


@model
def poolings():
    return several((5, 6, 2), [
        L.MaxPooling2D((2, 3), strides=1), L.MaxPooling2D(3, strides=2, padding="same"), L.AveragePooling2D((2, 1), padding="same"),
        L.AveragePooling2D(3, strides=(2, 1)), L.GlobalMaxPooling2D(keepdims=True), L.GlobalAveragePooling2D()])


@model
def poolings_1d_3d():
    x, y = Input((7, 2)), Input((3, 4, 2, 1))
    return {"model": Model([x, y], [L.MaxPooling1D(3, strides=2, padding="same")(x), L.AveragePooling1D(2, padding="same")(x),
                                    L.GlobalMaxPooling1D()(x), L.GlobalAveragePooling1D(keepdims=True)(x),
                                    L.MaxPooling3D((1, 2, 2))(y), L.AveragePooling3D(2, strides=1, padding="same")(y),
                                    L.GlobalMaxPooling3D()(y), L.GlobalAveragePooling3D(keepdims=True)(y)]),
            "inputs": [numbers(2, 7, 2), numbers(2, 3, 4, 2, 1, seed=1)]}


@model
def spectral_normalization():
    x = Input((4, 3))
    return {"model": Model(x, [L.SpectralNormalization(L.Dense(2))(x), L.SpectralNormalization(L.Conv1D(2, 2), power_iterations=2)(x)]),
            "inputs": numbers(3, 4, 3)}


@model
def channels_first():
    first = dict(data_format="channels_first")
    return several((2, 5, 4), [
        L.ZeroPadding2D((1, 0), **first), L.Cropping2D((1, 1), **first), L.UpSampling2D(2, interpolation="bilinear", **first),
        L.GlobalAveragePooling2D(keepdims=True, **first), L.AdaptiveAveragePooling2D(2, **first), L.Flatten(**first),
        L.SpatialDropout2D(0.3, **first)], batch=2)


@model
def batch_normalizations():
    return several((4, 3), [L.BatchNormalization(axis=1, epsilon=0.1), L.BatchNormalization(center=False), L.BatchNormalization(scale=False)])





@model
def fit_constraints():
    x, e = embedded(dim=4)
    embedding = e._keras_history.operation
    embedding.embeddings_constraint = constraints.MaxNorm(0.3, axis=1)
    embedding.embeddings.constraint = embedding.embeddings_constraint
    h = L.Conv1D(4, 2, kernel_constraint=constraints.UnitNorm(axis=[0, 1]), bias_constraint="non_neg")(e)
    h = L.LSTM(3, kernel_constraint=constraints.MinMaxNorm(0.5, 0.8, rate=0.5), recurrent_constraint=constraints.MaxNorm(0.6))(h)
    y = L.Dense(1, kernel_constraint=constraints.NonNeg(), bias_constraint=constraints.MaxNorm(0.1))(h)
    return {"model": Model(x, y), "inputs": words(32, 6, high=6), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="adam", loss="mse"), "fit": dict(batch_size=16, epochs=3)}


@model
def fit_constraints_of_others():
    one, positive = constraints.UnitNorm(axis=[0, 1, 2]), constraints.NonNeg()
    x = numbers(24, 6, 6, 2)
    return {"model": Sequential([
        Input((6, 6, 2)), L.SeparableConv2D(3, 2, depthwise_constraint=one, pointwise_constraint=positive),
        L.DepthwiseConv2D(2, depthwise_constraint=one), L.LayerNormalization(gamma_constraint=constraints.MaxNorm(0.9)),
        L.Conv2DTranspose(2, 2, kernel_constraint=one, bias_constraint=positive), L.PReLU(alpha_constraint=positive), L.Flatten(),
        L.Dense(1)]),
        "inputs": x, "targets": numbers(24, 1, seed=1), "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=8, epochs=2)}


@model
def convolutions_with_channels_first():
    first = dict(data_format="channels_first")
    return several((2, 5, 4), [
        L.Conv2D(3, 2, strides=2, padding="same", **first), L.Conv2DTranspose(3, 3, strides=2, padding="same", **first),
        L.DepthwiseConv2D(2, depth_multiplier=2, **first), L.SeparableConv2D(3, 2, **first), L.MaxPooling2D(2, **first),
        L.AveragePooling2D(3, strides=1, padding="same", **first), L.GlobalMaxPooling2D(**first)], batch=2)


@model
def adapted_ranges():
    x, y = Input((4,), optional=True), Input(batch_shape=(2, 3))
    ranges = L.Discretization(num_bins=3, epsilon=0.05, output_mode="one_hot")
    # What `adapt` finds in data.
    ranges.bin_boundaries = [-0.4, 0.3]
    return {"model": Model([x, y], [ranges(x), L.Rescaling([1.0, 2.0, 0.5], offset=[0.0, -1.0, 3.0])(y)]),
            "inputs": [numbers(2, 4), numbers(2, 3, seed=1)]}


@model
def fit_orthogonal_penalties():
    return {"model": Sequential([
        Input((4,)), L.Dense(5, kernel_regularizer=regularizers.OrthogonalRegularizer(0.3)),
        L.Dense(3, activation="tanh", kernel_regularizer=regularizers.OrthogonalRegularizer(0.2, mode="columns")), L.Dense(1)]),
        "inputs": numbers(32, 4), "targets": numbers(32, 1, seed=1), "compile": dict(optimizer="sgd", loss="mse"),
        "fit": dict(batch_size=16, epochs=3)}


@model
def fit_renormalized():
    limits = {"rmax": 1.2, "rmin": 0.7, "dmax": 0.3}
    return {"model": Sequential([
        Input((5, 4)), L.BatchNormalization(renorm=True, renorm_momentum=0.7, momentum=0.8), L.Dense(3),
        L.BatchNormalization(axis=1, renorm=True, renorm_clipping=limits, scale=False), L.Flatten(), L.Dense(1)]),
        "inputs": numbers(32, 5, 4), "targets": numbers(32, 1, seed=1), "compile": dict(optimizer="sgd", loss="mse"),
        "fit": dict(batch_size=16, epochs=3)}


@model
def initializers_with_settings():
    given = [initializers.STFT("imag", "hamming", "spectrum", True), initializers.GlorotNormal(seed=3), initializers.HeUniform(seed=4),
             initializers.LecunNormal(seed=5), initializers.Zeros(), initializers.Ones(), initializers.RandomUniform(-0.2, 0.3, seed=6),
             initializers.RandomNormal(0.1, 0.2, seed=7), initializers.TruncatedNormal(0.1, 0.2, seed=8), initializers.Constant(0.3),
             initializers.GlorotUniform(seed=9), initializers.HeNormal(seed=10), initializers.LecunUniform(seed=11),
             initializers.VarianceScaling(0.5, "fan_avg", "untruncated_normal", seed=12),
             *[getattr(initializers, name)(seed=14, input_axes=[0, 1], output_axes=[2])
               for name in ("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "VarianceScaling")]]
    x, y = Input((6, 1)), Input((4,))
    outs = [L.Conv1D(3, 4, kernel_initializer=one)(x) for one in given]
    outs += [L.Dense(3, kernel_initializer=one)(y) for one in (initializers.Identity(2.0), initializers.Orthogonal(0.5, seed=13))]
    return {"model": Model([x, y], outs), "inputs": [numbers(2, 6, 1), numbers(2, 4, seed=1)]}


@model
def activations_of_layers():
    names = ["celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
             "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
             "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh", "tanh_shrink"]
    return several((3, 4), [L.Activation(name) for name in names], batch=2)


# Metrics.

@model
def fit_metrics_binary():
    return {"model": Sequential([Input((5,)), L.Dense(6, activation="tanh"), L.Dense(1, activation="sigmoid")]),
            "inputs": numbers(40, 5), "targets": whole(40, 1, high=2, seed=1).astype("float32"),
            "compile": dict(optimizer="sgd", loss="binary_crossentropy", metrics=[
                "accuracy", "bce", M.AUC(), M.AUC(curve="PR", num_thresholds=40, name="pr"), M.Precision(thresholds=0.4),
                M.Recall(), M.TruePositives(), M.FalseNegatives(thresholds=[0.3, 0.6]), M.SensitivityAtSpecificity(0.7),
                M.BinaryAccuracy(threshold=0.6), M.BinaryIoU(threshold=0.45), M.Hinge()],
                weighted_metrics=["accuracy", M.Precision(), M.RootMeanSquaredError()]),
            "sample_weight": numbers(40, seed=9, low=0, high=2), "fit": dict(batch_size=16, epochs=2)}


@model
def fit_metrics_of_classes():
    return {"model": Sequential([Input((5,)), L.Dense(6, activation="tanh"), L.Dense(4, activation="softmax")]),
            "inputs": numbers(40, 5), "targets": np.eye(4, dtype="float32")[whole(40, high=4, seed=1)],
            "compile": dict(optimizer="adam", loss="categorical_crossentropy", metrics=[
                M.F1Score(), M.FBetaScore(average="macro", beta=2.0, threshold=0.3), M.TopKCategoricalAccuracy(k=2),
                M.CategoricalCrossentropy(label_smoothing=0.1), M.OneHotMeanIoU(4), M.Precision(class_id=1), M.Recall(top_k=2),
                M.AUC(multi_label=True, label_weights=[1.0, 2.0, 0.5, 0.0]), M.KLDivergence(), "poisson"]),
            "fit": dict(batch_size=16, epochs=2, validation_split=0.2)}


@model
def fit_metrics_of_outputs():
    x = Input((4,))
    h = L.Dense(5, activation="tanh")(x)
    price, kind = L.Dense(2, name="price")(h), L.Dense(3, activation="softmax", name="kind")(h)
    return {"model": Model(x, [price, kind]), "inputs": numbers(32, 4),
            "targets": [numbers(32, 2, seed=1), whole(32, high=3, seed=2)],
            "compile": dict(optimizer="sgd", loss=["mse", "sparse_categorical_crossentropy"], metrics={
                "price": [M.R2Score(), M.R2Score(class_aggregation=None, name="r2"), M.CosineSimilarity(), M.LogCoshError(), "mape", "mape"],
                "kind": ["accuracy", M.SparseTopKCategoricalAccuracy(k=2), M.MeanIoU(3, sparse_y_pred=False)]},
                weighted_metrics={"kind": ["accuracy"]}),
            "fit": dict(batch_size=12, epochs=2)}


@model
def fit_renormalization():
    clipping = {"rmax": 1.5, "rmin": 0.7, "dmax": 0.5}
    return {"model": Sequential([Input((4, 3)), L.BatchNormalization(renorm=True, renorm_momentum=0.8), L.Conv1D(4, 2),
                                 L.BatchNormalization(renorm=True, renorm_clipping=clipping, momentum=0.7, renorm_momentum=0.6, scale=False),
                                 L.Flatten(), L.Dense(1)]),
            "inputs": numbers(32, 4, 3, high=2.0), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=8, epochs=2)}


@model
def fit_orthogonal_penalty():
    return {"model": Sequential([Input((4,)), L.Dense(5, kernel_regularizer=regularizers.OrthogonalRegularizer(0.3)),
                                 L.Dense(3, kernel_regularizer=regularizers.OrthogonalRegularizer(0.2, mode="columns")), L.Dense(1)]),
            "inputs": numbers(32, 4), "targets": numbers(32, 1, seed=1),
            "compile": dict(optimizer="sgd", loss="mse"), "fit": dict(batch_size=16, epochs=2)}
