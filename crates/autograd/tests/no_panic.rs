//! Whatever shapes, element types, axes and numbers are given: no method that returns a `Result`
//! panics, nor does what it makes when it is differentiated or computed.

use deckle_autograd::{Axis, Padding, Result, Var, grad, scan};
use deckle_tensor::{Axes, DType, Dim, Distribution, Part, Shape, Tensor, keep};
use proptest::{collection::vec, prelude::*};

fn dtype() -> impl Strategy<Value = DType> {
    prop_oneof![3 => Just(DType::F32), 2 => proptest::sample::select(&DType::ALL[..])]
}

/// A value that is known, or an input of whose axes some are not.
fn var() -> impl Strategy<Value = Var> {
    let constant = (dtype(), vec(0usize..4, 0..5)).prop_map(|(dtype, shape)| {
        let size: usize = shape.iter().product();
        let values: Vec<_> = (0..size).map(|i| (i * 7 % 5) as f64 - 1.0).collect();
        let tensor = Tensor::new(values, &shape).expect("as many elements");
        Var::constant(&tensor.cast(dtype))
    });
    let dim = prop_oneof![
        Just(Dim::Unknown),
        Just(Dim::batch()),
        Just(Dim::symbol("time")),
        (0usize..4).prop_map(Dim::Known),
    ];
    let input = (dtype(), vec(dim, 0..5))
        .prop_map(|(dtype, dims)| Var::input("x", Shape::from(dims), dtype));
    prop_oneof![2 => constant, 1 => input]
}

/// Axes, lengths and positions, sensible and not.
#[derive(Clone, Debug)]
struct Numbers {
    axis: isize,
    other: isize,
    axes: Vec<isize>,
    lens: Vec<usize>,
    len: usize,
    part: Part,
    dtype: DType,
    flag: bool,
}

fn signed() -> impl Strategy<Value = isize> {
    prop_oneof![20 => -5isize..6, 1 => Just(isize::MIN), 1 => Just(isize::MAX)]
}

fn unsigned() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0usize..5, 1 => Just(usize::MAX), 1 => Just(usize::MAX / 2 + 1)]
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let bound = || proptest::option::of(signed());
    let part = prop_oneof![
        (bound(), bound(), signed()).prop_map(|(start, stop, step)| Part::Range {
            start,
            stop,
            step
        }),
        signed().prop_map(Part::Index),
        Just(Part::NewAxis),
        Just(Part::Ellipsis),
    ];
    let axes = (signed(), signed(), vec(signed(), 0..5));
    (axes, vec(unsigned(), 0..5), unsigned(), part, dtype(), any::<bool>()).prop_map(
        |((axis, other, axes), lens, len, part, dtype, flag)| Numbers {
            axis,
            other,
            axes,
            lens,
            len,
            part,
            dtype,
            flag,
        },
    )
}

/// Too large to be computed here, or with lengths that are not known yet.
fn is_small(var: &Var) -> bool {
    var.shape().size().is_some_and(|size| size < 10_000)
}

fn unary(x: &Var) -> Vec<Result<Var>> {
    let functions = [
        Var::neg,
        Var::abs,
        Var::square,
        Var::sqrt,
        Var::rsqrt,
        Var::reciprocal,
        Var::exp,
        Var::expm1,
        Var::log,
        Var::log1p,
        Var::sin,
        Var::cos,
        Var::tan,
        Var::asin,
        Var::acos,
        Var::atan,
        Var::sinh,
        Var::cosh,
        Var::asinh,
        Var::acosh,
        Var::atanh,
        Var::tanh,
        Var::sigmoid,
        Var::softplus,
        Var::erf,
        Var::erfinv,
        Var::sign,
        Var::floor,
        Var::ceil,
        Var::round,
        Var::not,
        Var::is_finite,
        Var::is_nan,
        Var::relu,
        Var::relu6,
        Var::selu,
        Var::silu,
        Var::softsign,
        Var::hard_sigmoid,
        Var::hard_silu,
        Var::hard_tanh,
        Var::tanh_shrink,
        Var::mish,
        Var::log_sigmoid,
        Var::sparse_plus,
        Var::sparse_sigmoid,
        Var::flatten,
        Var::zeros_like,
        Var::ones_like,
        Var::stop_gradient,
    ];
    functions.iter().map(|function| function(x)).collect()
}

fn with_settings(x: &Var) -> Vec<Result<Var>> {
    vec![
        x.relu_with(0.1, Some(2.0), 0.5),
        x.leaky_relu(0.1),
        x.elu(1.0),
        x.celu(1.0),
        x.gelu(true),
        x.gelu(false),
        x.hard_shrink(0.5),
        x.soft_shrink(0.5),
        x.threshold(0.5, 1.0),
        x.squareplus(4.0),
        x.clip(-1, 1),
        x.clip(0.5, true),
        x.full_like(0.5),
        x.add(1),
        x.mul(0.5),
        x.power(2.0),
        x.mod_(0),
        x.and(true),
        x.equal(1),
    ]
}

fn binary(x: &Var, y: &Var, z: &Var) -> Vec<Result<Var>> {
    vec![
        x.add(y),
        x.sub(y),
        x.mul(y),
        x.div(y),
        x.maximum(y),
        x.minimum(y),
        x.power(y),
        x.mod_(y),
        x.atan2(y),
        x.equal(y),
        x.not_equal(y),
        x.less(y),
        x.less_equal(y),
        x.greater(y),
        x.greater_equal(y),
        x.and(y),
        x.or(y),
        x.xor(y),
        z.select(x, y),
        x.clip(y, z),
        x.matmul(y),
        x.matmul_with(y, true, true),
        x.dot(y),
        x.outer(y),
        x.broadcast_like(y),
        x.sum_to_like(y),
        x.reshape_like(y),
        x.sigmoid_cross_entropy(y),
        x.softmax_cross_entropy(y),
        x.sparse_softmax_cross_entropy(y),
    ]
}

fn along_axes(x: &Var, y: &Var, z: &Var, n: &Numbers) -> Vec<Result<Var>> {
    let axes = || if n.flag { keep(n.axes.clone()) } else { Axes::from(n.axes.clone()) };
    let sort = x.sort(n.axis, n.flag);
    let mut made = vec![
        x.sum(axes()),
        x.mean(axes()),
        x.prod(axes()),
        x.max(axes()),
        x.min(axes()),
        x.all(axes()),
        x.any(axes()),
        x.variance(axes()),
        x.std(..),
        x.norm(axes()),
        x.logsumexp(axes()),
        x.count_of(axes(), n.dtype),
        x.argmax(axes()),
        x.argmin(..),
        x.cumsum(n.axis, n.flag, !n.flag),
        x.softmax(n.axis),
        x.log_softmax(n.axis),
        x.sparsemax(n.axis),
        x.glu(n.axis),
        x.flip(axes()),
        x.transpose(axes()),
        x.squeeze(axes()),
        x.expand_dims(n.axis),
        x.swap_axes(n.axis, n.other),
        x.move_axis(n.axis, n.other),
        x.positions(n.axis, n.dtype),
        x.gather(n.axis, y),
        x.gather_along(n.axis, y),
        Var::concatenate(&[x, y, z], n.axis),
        Var::stack(&[x, x, y], n.axis),
        x.slice(vec![n.part; n.axes.len()]),
        x.slice(n.part),
        sort.map(|(values, positions)| if n.flag { values } else { positions }),
        x.top_k(n.len).map(|(values, _)| values),
        x.cast(n.dtype),
    ];
    for parts in [x.split(n.len, n.axis), x.split_at(&n.lens, n.axis), x.unstack(n.axis)]
    {
        made.push(parts.map(|parts| parts.first().unwrap_or(x).clone()));
    }
    made
}

fn of_lengths(x: &Var, y: &Var, n: &Numbers) -> Vec<Result<Var>> {
    let pairs: Vec<_> = n.lens.iter().map(|&len| (len, n.len)).collect();
    let padding = match n.axis.rem_euclid(4) {
        0 => Padding::Valid,
        1 => Padding::Same,
        2 => Padding::Causal,
        _ => Padding::Explicit(pairs.clone()),
    };
    let (seed, step) = (Var::scalar(DType::I64, 1.0), Var::scalar(n.dtype, 2.0));
    let small: Vec<_> = n.lens.iter().map(|len| len % 7).collect();
    vec![
        x.reshape(n.axes.clone()),
        x.reshape(n.lens.clone()),
        x.reshape_by(y, [Axis::Of(n.len), Axis::Rest]),
        x.reshape_by(y, [Axis::Product(n.len..n.lens.len()), Axis::Rest]),
        x.merge_axes(n.len, n.lens.len()),
        x.broadcast_to(n.lens.clone()),
        x.tile(&n.lens),
        x.repeat(n.len, n.axis),
        x.pad(&pairs, 1),
        x.one_hot(n.len % 100, n.dtype),
        Var::scatter_add(x, y, n.len, n.lens.len()),
        Var::scatter_add_along(x, y, n.axis, n.lens.len()),
        x.conv(y, &n.lens, &padding, &small, n.len),
        x.conv(y, &[1], &padding, &[1], 1),
        x.conv_to_input(y, x, &small, &padding, &small, 1),
        x.max_pool(&n.lens, &small, &padding),
        x.average_pool(&small, &n.lens, &padding),
        Var::full(n.dtype, small.clone(), n.axis),
        Var::random(small, n.dtype, Distribution::Uniform, 0, &seed, &step),
        Var::random_like(x, Distribution::Normal, 0, &seed, &seed, &n.lens),
        scan(&[y], &[x], n.flag, |carries, steps| {
            Ok((vec![carries[0].add(&steps[0])?], vec![]))
        })
        .map(|done| done.carries[0].clone()),
    ]
}

/// Differentiates and computes whatever was made of `x`.
fn use_up(x: &Var, made: Vec<Result<Var>>) {
    for y in made.into_iter().flatten() {
        let loss = y.sum(..);
        let gradient = loss.and_then(|loss| grad(&loss, &[x]));
        for var in gradient.into_iter().flatten().chain([y]) {
            if is_small(&var) {
                let _ = var.eval();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn functions_of_one_tensor_do_not_panic(x in var()) {
        use_up(&x, unary(&x));
        use_up(&x, with_settings(&x));
    }

    #[test]
    fn functions_of_several_tensors_do_not_panic(x in var(), y in var(), z in var()) {
        use_up(&x, binary(&x, &y, &z));
    }

    #[test]
    fn functions_along_axes_do_not_panic(x in var(), y in var(), z in var(), n in numbers()) {
        use_up(&x, along_axes(&x, &y, &z, &n));
    }

    #[test]
    fn functions_of_lengths_do_not_panic(x in var(), y in var(), n in numbers()) {
        use_up(&x, of_lengths(&x, &y, &n));
    }
}
