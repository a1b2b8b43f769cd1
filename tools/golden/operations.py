"""More models of the golden cases: operations of `keras.ops` as layers, several with the same input, see `models.py`."""

from keras import Input, Model, layers as L, ops, optimizers

from models import FIT, LABELS, model, numbers, whole


def results(values):
    """The tensors of nested lists."""
    return [leaf for value in values for leaf in (results(value) if isinstance(value, (list, tuple)) else [value])]


def computing(shape, compute, batch=3, low=-1.0, high=1.0, more=(), **rest):
    """A model of one input or more, and an output for each result."""
    shapes = [shape, *more]
    x = [Input(one) for one in shapes]
    made = results(compute(*x))
    return {"model": Model(x if more else x[0], made),
            "inputs": [numbers(batch, *one, seed=i, low=low, high=high) for i, one in enumerate(shapes)] if more else numbers(batch, *shape, low=low, high=high), **rest}


@model
def operators():
    return computing((3,), lambda x, y: [x + y, x - y, x * y, x / y, x + 1, 2.5 - x, -x, 2 / (x + 3), x ** 2, abs(x), x // 0.3, x % 0.4,
                                         x[:, 1:], x[..., -1], x @ (2 * ops.transpose(y))], more=[(3,)])


@model
def operations_element_wise():
    return computing((7,), lambda x, y: [
        ops.cbrt(x), ops.deg2rad(x), ops.rad2deg(x), ops.sinc(x), ops.signbit(x), ops.round(x * 9), ops.round(x, 1), ops.fabs(x), ops.copy(x),
        ops.nan_to_num(ops.log(x), nan=1.5, neginf=-2.0, posinf=3.0), ops.full_like(x, 2.5), ops.heaviside(x, y), ops.fmax(x, y), ops.fmin(x, y), ops.fmod(x, y),
        ops.logaddexp(x, y), ops.logaddexp2(x, y), ops.isclose(x, y, 0.3, 0.2), ops.erfc(x), ops.sparse_sigmoid(x * 2), ops.sparse_plus(x * 2),
        ops.isposinf(1 / ops.relu(x)), ops.isneginf(-1 / ops.relu(x)), ops.select([x > 0.5, y > 0], [x, y * 2], 3.0), ops.where(x > y, x, 0.5), ops.exp2(x), ops.trunc(x * 3),
        ops.hypot(x, y), ops.arctan2(x, y), ops.divide_no_nan(x, ops.relu(y)), ops.floor_divide(x, 0.3), ops.clip(x, -0.5, 0.5), ops.log_sigmoid(x)], more=[(7,)])


@model
def operations_statistics():
    return computing((4, 5), lambda x: [
        ops.ptp(x, axis=1), ops.ptp(x, axis=-1, keepdims=True), ops.average(x, axis=2), ops.average(x, axis=2, weights=x + 2), ops.median(x, axis=1), ops.median(x, axis=(1, 2), keepdims=True),
        ops.quantile(x, 0.3, axis=(2,)), ops.quantile(x, 0.75, axis=(1, 2), keepdims=True), ops.percentile(x, 20.0, axis=(1,)), ops.diff(x, axis=1), ops.diff(x, n=2),
        ops.nansum(ops.log(x), axis=1), ops.nanmean(ops.log(x), axis=2), ops.nanmax(ops.log(x), axis=1), ops.nanmin(ops.log(x), axis=2, keepdims=True), ops.nanprod(ops.sqrt(x), axis=1),
        ops.moments(x, axes=[1]), ops.moments(x, axes=[1, 2], keepdims=True), ops.var(x, axis=1), ops.std(x, axis=(1, 2)), ops.prod(x, axis=2), ops.logsumexp(x, axis=1), ops.argmax(x, axis=1),
        ops.argmin(x, axis=2), ops.count_nonzero(ops.relu(x), axis=1), ops.cumsum(x, axis=1), ops.max(x, axis=1, initial=0.5), ops.min(x, axis=2), ops.any(x > 0.8, axis=1), ops.all(x > -0.5, axis=2)])


@model
def operations_normalizing():
    return computing((4, 5), lambda x, g: [
        ops.layer_normalization(x), ops.layer_normalization(x, axis=(1, 2), epsilon=0.1), ops.rms_normalization(x), ops.rms_normalization(x, axis=[1, 2], epsilon=0.1), ops.normalize(x, axis=1),
        ops.batch_normalization(x, ops.mean(g, axis=0), ops.var(g, axis=0) + 0.5, axis=-1), ops.batch_normalization(x, ops.mean(g, axis=0), ops.ones_like(ops.mean(g, axis=0)), axis=2, offset=ops.max(g, axis=0), scale=ops.min(g, axis=0), epsilon=0.1),
        ops.layer_normalization(x, gamma=ops.mean(g, axis=0), beta=ops.max(g, axis=0)), ops.norm(x, axis=(2,)), ops.norm(x, ord=1, axis=(1,)), ops.norm(x, ord="fro", axis=(1, 2)), ops.norm(x, ord=3, axis=(-1,), keepdims=True)], more=[(5,)])


@model
def operations_products():
    return computing((4, 5), lambda x, y, z: [
        ops.einsum("bij,bjk->bik", x, y), ops.einsum("bij,bjk", x, y), ops.einsum("...ij,...jk->...ki", x, y), ops.einsum("bij->bji", x), ops.einsum("bij->b", x), ops.einsum("bij,bij->bj", x, z),
        ops.einsum("bij,bkj->bik", x, z), ops.einsum("bij,bjk,bil->blk", x, y, z), ops.einsum("bij,cjk->bick", x, y), ops.einsum("bij,bk->bijk", x, y[:, 0]), ops.einsum("b...,b...->b...", x, z),
        ops.einsum("bij,ij->bi", x, z[0]), ops.matmul(x, y), ops.dot(x, y[0]), ops.tensordot(x, y, axes=[[2], [1]]), ops.tensordot(x, y[0], axes=1), ops.inner(x, z), ops.outer(x[0, 0], z[0, 0]), ops.expand_dims(ops.vdot(x, z), 0), ops.cross(x[:, :, :3], z[:, :, 2:])],
        more=[(5, 2), (4, 5)])


@model
def operations_attention():
    def compute(q, k, v):
        mask = ops.tile(k[:, None, None, :, 0, 0] > -0.5, (1, 2, 4, 1))
        return [ops.dot_product_attention(q, k, v), ops.dot_product_attention(q, k, v, is_causal=True), ops.dot_product_attention(q, k, v, mask=mask, scale=0.7),
                ops.dot_product_attention(q, k, v, bias=ops.einsum("btnh,bsnh->bnts", q, k))]
    return computing((4, 2, 3), compute, more=[(4, 2, 3), (4, 2, 3)])


@model
def operations_of_windows():
    def compute(x, k, d, p):
        k, d, p = k[0], d[0], p[0]
        return [ops.max_pool(x, (2, 2), (2, 2)), ops.max_pool(x, (3, 2), strides=(1, 1), padding="same"), ops.average_pool(x, (3, 3), strides=(2, 2), padding="same"), ops.average_pool(x, (2, 2), (2, 2), data_format="channels_first"),
                ops.conv(x, k), ops.conv(x, k, strides=2, padding="same"), ops.conv(x, k, dilation_rate=(1, 2)), ops.conv(x[:, :, :, 0], ops.concatenate([k[0], k[1]], axis=1)[:, :6]), ops.depthwise_conv(x, d), ops.depthwise_conv(x, d, strides=2, padding="same"),
                ops.separable_conv(x, d, p),
                ops.depth_to_space(x, 2), ops.space_to_depth(x, 3), ops.depth_to_space(ops.transpose(x, (0, 3, 1, 2)), 2, data_format="channels_first"), ops.space_to_depth(x, 2, data_format="channels_first")]
    return computing((6, 6, 4), compute, more=[(3, 2, 4, 6), (2, 2, 4, 2), (1, 1, 8, 3)])


@model
def operations_of_layout():
    return computing((4, 6), lambda x, y: [
        ops.append(x, y, axis=2), ops.array_split(x, 4, axis=2), ops.split(x, [1, 4], axis=2), ops.split(x, 3, axis=2), ops.hsplit(x, 2), ops.dstack([x, y]), ops.hstack([x, y]), ops.concatenate([x, y], axis=1), ops.stack([x, y], axis=2),
        ops.fliplr(x), ops.flip(x, axis=2), ops.flipud(x), ops.rot90(x, axes=(1, 2)), ops.rot90(x, k=2, axes=(1, 2)), ops.rot90(x, k=3, axes=(1, 2)), ops.broadcast_to(x[0], (2, 4, 6)), ops.moveaxis(x, 1, 2),
        ops.moveaxis(x, [1, 2], [2, 0]), ops.swapaxes(x, 1, 2), ops.transpose(x, (0, 2, 1)), ops.reshape(x, (-1, 3, 8)), ops.ravel(x), ops.expand_dims(x, 1), ops.expand_dims(x, (1, -1)), ops.squeeze(x[:, :1], 1), ops.unstack(x, axis=1), ops.tile(x, (1, 2, 1))], more=[(4, 6)])


@model
def operations_of_places():
    return computing((4, 5), lambda x: [
        ops.take(x, [0, 2, -1], axis=2), ops.take(x, [[0, 1], [3, 2]], axis=1), ops.take(x, 2, axis=1), ops.take(x, ops.argmax(x[0], axis=0), axis=1), ops.take_along_axis(x, ops.argsort(x, axis=2), axis=2), ops.repeat(x, 2, axis=1),
        ops.roll(x, 2, axis=1), ops.roll(x, -1, axis=2), ops.roll(x, [1, 2], axis=[1, 2]), ops.pad(x, [[0, 0], [1, 2], [0, 3]]), ops.pad(x, ((0, 0), (1, 1), (2, 0)), constant_values=2.5), ops.pad(x, ((0, 0), (2, 3), (1, 0)), mode="reflect"),
        ops.pad(x, ((0, 0), (2, 3), (1, 0)), mode="symmetric"), ops.tril(x), ops.triu(x, k=1), ops.tril(x, k=-1), ops.diagonal(x, axis1=1, axis2=2), ops.diagonal(x, offset=1, axis1=1, axis2=2), ops.diagonal(x, offset=-2, axis1=2, axis2=1),
        ops.trace(x, axis1=1, axis2=2), ops.slice(x, (1, 1, 2), (2, 2, 3)), ops.multi_hot(ops.argsort(x, axis=2)[:, :, 0], 6), ops.one_hot(ops.argmax(x, axis=1), 4), ops.one_hot(ops.argmax(x, axis=1), 4, axis=1), ops.top_k(x, 2), ops.sort(x, axis=1), ops.argsort(x, axis=1)])


@model
def operations_of_losses():
    def compute(x, t):
        p, q = ops.softmax(x), ops.softmax(t)
        return [ops.binary_crossentropy(q, p), ops.binary_crossentropy(q, x, from_logits=True), ops.categorical_crossentropy(q, p), ops.categorical_crossentropy(q, x, from_logits=True),
                ops.sparse_categorical_crossentropy(ops.argmax(t, axis=-1), p), ops.sparse_categorical_crossentropy(ops.argmax(t, axis=-1), x, from_logits=True), ops.image.rgb_to_grayscale(ops.reshape(x[:, :, :3], (-1, 2, 2, 3)))]
    return computing((4, 5), compute, more=[(4, 5)])


@model
def fit_operations():
    """Gradients through operations: attention by hand, a shared layer, residuals with operators."""
    x = Input((6, 4))
    q, k, v = (L.Dense(6)(x) for _ in range(3))
    heads = [ops.reshape(y, (-1, 6, 2, 3)) for y in (q, k, v)]
    a = ops.reshape(ops.dot_product_attention(*heads, is_causal=True), (-1, 6, 6))
    shared = L.Dense(6, activation="tanh")
    y = ops.layer_normalization(shared(a) + 0.5 * shared(v)) * 2 - ops.roll(q, 1, axis=1) / 3
    y = ops.max_pool(y, (2,), (2,)) + ops.average_pool(ops.tanh(ops.einsum("bti,bsi->bts", y, y)) @ v, (2,), (2,))
    y = ops.tanh(y)
    y = ops.concatenate([y, ops.take(y, [0, 2], axis=1), ops.pad(y, ((0, 0), (1, 0), (0, 0)), mode="reflect")], axis=1)
    return {"model": Model(x, L.Dense(3, activation="softmax")(ops.mean(y, axis=1))), "inputs": numbers(40, 6, 4), "targets": whole(40, high=3),
            "compile": dict(optimizer=optimizers.SGD(0.05, momentum=0.9), loss=LABELS, metrics=["accuracy"]), "fit": FIT | dict(validation_split=0.2)}
