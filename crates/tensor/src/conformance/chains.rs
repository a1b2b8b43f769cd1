//! Programs of several instructions, as a backend fuses them.

use super::{
    Suite,
    data::{Domain, Draft, Feed},
};
use crate::{
    Binary, Compare, Convolution, DType, Primitive, Reduction, SliceAxis, Tensor, Unary,
    Value,
};

const DOMAIN: Domain = Domain::Between(-2.0, 2.0);

impl Draft {
    fn unary(&mut self, unary: Unary, x: Value) -> Value {
        self.push(Primitive::Unary(unary), &[x])
    }

    fn binary(&mut self, binary: Binary, a: Value, b: Value) -> Value {
        self.push(Primitive::Binary(binary), &[a, b])
    }

    fn reduce(&mut self, reduction: Reduction, axes: &[usize], x: Value) -> Value {
        self.push(Primitive::Reduce { reduction, axes: axes.to_vec() }, &[x])
    }

    fn matmul(
        &mut self,
        transpose_a: bool,
        transpose_b: bool,
        a: Value,
        b: Value,
    ) -> Value {
        self.push(Primitive::MatMul { transpose_a, transpose_b }, &[a, b])
    }

    fn reshape(&mut self, shape: &[usize], x: Value) -> Value {
        self.push(Primitive::Reshape { shape: shape.to_vec() }, &[x])
    }

    fn number(&mut self, dtype: DType, value: f64) -> Value {
        self.builder.constant(&Tensor::scalar(value).cast(dtype))
    }
}

pub(super) fn check(suite: &mut Suite<'_>) {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        for (i, rows) in [0, 1, 3, 67].into_iter().enumerate() {
            for columns in [1, 5, 130] {
                let text = format!("{dtype} {rows} × {columns}");
                let make = |name: &str| Draft::new(format!("{name} {text}"));
                let shape = [rows, columns];
                for feed in [Feed::nth(i), Feed::nth(i + 4)] {
                    element_wise(suite, make("chain of functions"), dtype, &shape, feed);
                    dense(suite, make("dense layer"), dtype, &shape, feed);
                    softmax(suite, make("softmax"), dtype, &shape, feed);
                    normalize(suite, make("normalization"), dtype, &shape, feed);
                }
                shared(suite, make("shared values"), dtype, &shape);
                dead(suite, make("dead values"), dtype, &shape);
                joined(suite, make("values joined twice"), dtype, &shape);
                masks(suite, make("masks"), dtype, &shape);
                moved(suite, make("views of chains"), dtype, &shape);
                mixed(suite, make("several types"), dtype, &shape);
            }
        }
        backward(suite, dtype);
        convolution(suite, dtype);
    }
    long(suite);
}

fn element_wise(
    suite: &mut Suite<'_>,
    mut draft: Draft,
    dtype: DType,
    shape: &[usize],
    feed: Feed,
) {
    let a = draft.operand(dtype, shape, DOMAIN, feed);
    let b = draft.operand(dtype, &shape[1..], DOMAIN, feed);
    let c = draft.operand(dtype, &[shape[0], 1], DOMAIN, feed);
    let sum = draft.binary(Binary::Add, a, b);
    let tanh = draft.unary(Unary::Tanh, sum);
    let product = draft.binary(Binary::Mul, tanh, c);
    let half = draft.number(dtype, 0.5);
    let scaled = draft.binary(Binary::Mul, half, product);
    let sigmoid = draft.unary(Unary::Sigmoid, scaled);
    let y = draft.binary(Binary::Sub, sigmoid, a);
    suite.check(&draft.finish(&[y]));
}

/// A product with bias and activation, whose sum is read twice.
fn dense(
    suite: &mut Suite<'_>,
    mut draft: Draft,
    dtype: DType,
    shape: &[usize],
    feed: Feed,
) {
    let x = draft.operand(dtype, shape, DOMAIN, feed);
    let kernel = draft.operand(dtype, &[shape[1], 9], DOMAIN, feed);
    let bias = draft.operand(dtype, &[9], DOMAIN, feed);
    let product = draft.matmul(false, false, x, kernel);
    let sum = draft.binary(Binary::Add, product, bias);
    let zero = draft.number(dtype, 0.0);
    let relu = draft.binary(Binary::Max, sum, zero);
    let second = draft.operand(dtype, &[4, 9], DOMAIN, feed);
    let hidden = draft.matmul(false, true, relu, second);
    let y = draft.unary(Unary::Tanh, hidden);
    suite.check(&draft.finish(&[y, relu, sum]));
}

fn softmax(
    suite: &mut Suite<'_>,
    mut draft: Draft,
    dtype: DType,
    shape: &[usize],
    feed: Feed,
) {
    let x = draft.operand(dtype, shape, Domain::Between(-9.0, 9.0), feed);
    let most = draft.reduce(Reduction::Max, &[1], x);
    let most = draft.reshape(&[shape[0], 1], most);
    let shifted = draft.binary(Binary::Sub, x, most);
    let e = draft.unary(Unary::Exp, shifted);
    let sum = draft.reduce(Reduction::Sum, &[1], e);
    let sum = draft.reshape(&[shape[0], 1], sum);
    let y = draft.binary(Binary::Div, e, sum);
    let log = draft.unary(Unary::Log, sum);
    let log_y = draft.binary(Binary::Sub, shifted, log);
    let total = draft.reduce(Reduction::Sum, &[0, 1], log_y);
    suite.check(&draft.finish(&[y, log_y, total]));
}

/// Mean and variance along either axis, and what they are used for.
fn normalize(
    suite: &mut Suite<'_>,
    mut draft: Draft,
    dtype: DType,
    shape: &[usize],
    feed: Feed,
) {
    let x = draft.operand(dtype, shape, DOMAIN, feed);
    let mut outputs = Vec::new();
    for axis in 0..2 {
        let mut kept = shape.to_vec();
        kept[axis] = 1;
        let count = draft.number(dtype, shape[axis].max(1) as f64);
        let mean_of = |draft: &mut Draft, x| {
            let sum = draft.reduce(Reduction::Sum, &[axis], x);
            let sum = draft.reshape(&kept, sum);
            draft.binary(Binary::Div, sum, count)
        };
        let mean = mean_of(&mut draft, x);
        let centred = draft.binary(Binary::Sub, x, mean);
        let square = draft.unary(Unary::Square, centred);
        let variance = mean_of(&mut draft, square);
        let epsilon = draft.number(dtype, 0.125);
        let variance = draft.binary(Binary::Add, variance, epsilon);
        let inverse = draft.unary(Unary::Rsqrt, variance);
        outputs.extend([draft.binary(Binary::Mul, centred, inverse), mean]);
    }
    suite.check(&draft.finish(&outputs));
}

/// The same expressions several times, one value as several outputs.
fn shared(suite: &mut Suite<'_>, mut draft: Draft, dtype: DType, shape: &[usize]) {
    let x = draft.input(dtype, shape, DOMAIN);
    let a = draft.unary(Unary::Exp, x);
    let b = draft.unary(Unary::Exp, x);
    let sum = draft.binary(Binary::Add, a, b);
    let square = draft.binary(Binary::Mul, sum, sum);
    let total = draft.reduce(Reduction::Sum, &[0], square);
    let again = draft.reduce(Reduction::Sum, &[0], square);
    let y = draft.binary(Binary::Sub, square, total);
    suite.check(&draft.finish(&[y, total, again, square, square, b]));
}

fn dead(suite: &mut Suite<'_>, mut draft: Draft, dtype: DType, shape: &[usize]) {
    let x = draft.input(dtype, shape, DOMAIN);
    let unused = draft.input(dtype, shape, DOMAIN);
    let dead = draft.binary(Binary::Mul, x, unused);
    let _ = draft.reduce(Reduction::Sum, &[0, 1], dead);
    let parts = draft.push_all(Primitive::Sort { axis: 1, descending: false }, &[x]);
    let y = draft.unary(Unary::Neg, parts[0]);
    suite.check(&draft.finish(&[y]));
}

/// A value that is more than one part of a concatenation, whole and turned around.
fn joined(suite: &mut Suite<'_>, mut draft: Draft, dtype: DType, shape: &[usize]) {
    let x = draft.input(dtype, shape, DOMAIN);
    let y = draft.input(dtype, shape, DOMAIN);
    let sum = draft.binary(Binary::Add, x, y);
    let first = Primitive::Concat { axis: 1 };
    let wide = draft.push(first, &[sum, x, sum]);
    let backwards = SliceAxis { start: shape[1] - 1, len: shape[1], step: -1 };
    let turned = Primitive::Slice(vec![SliceAxis::all(shape[0]), backwards]);
    let flipped = draft.push(turned, &[sum]);
    let long = draft.push(Primitive::Concat { axis: 0 }, &[flipped, sum, flipped, sum]);
    let half = draft.number(dtype, 0.5);
    let wide = draft.binary(Binary::Mul, wide, half);
    suite.check(&draft.finish(&[wide, long]));
}

fn masks(suite: &mut Suite<'_>, mut draft: Draft, dtype: DType, shape: &[usize]) {
    let x = draft.input(dtype, shape, Domain::Below(5));
    let y = draft.input(dtype, shape, DOMAIN);
    let two = draft.number(dtype, 2.0);
    let less = draft.push(Primitive::Compare(Compare::Less), &[x, two]);
    let equal = draft.push(Primitive::Compare(Compare::Equal), &[x, two]);
    let either = draft.binary(Binary::Or, less, equal);
    let others = draft.unary(Unary::Not, either);
    let chosen = draft.push(Primitive::Select, &[others, y, x]);
    let as_number = draft.push(Primitive::Cast(dtype), &[either]);
    let kept = draft.binary(Binary::Mul, chosen, as_number);
    let count = draft.push(Primitive::Cast(DType::I64), &[either]);
    let count = draft.reduce(Reduction::Sum, &[0, 1], count);
    let any = draft.reduce(Reduction::Any, &[1], others);
    suite.check(&draft.finish(&[kept, count, any, chosen]));
}

/// Transposes, slices and broadcasts between functions of elements.
fn moved(suite: &mut Suite<'_>, mut draft: Draft, dtype: DType, shape: &[usize]) {
    let x = draft.input(dtype, shape, DOMAIN);
    let y = draft.input(dtype, &[shape[1], shape[0]], DOMAIN);
    let doubled = draft.binary(Binary::Add, x, x);
    let turned = draft.push(Primitive::Transpose { permutation: vec![1, 0] }, &[doubled]);
    let sum = draft.binary(Binary::Add, turned, y);
    let flat = draft.reshape(&[shape[0] * shape[1]], sum);
    let back = draft.reshape(shape, flat);
    let product = draft.binary(Binary::Mul, back, x);
    let wide = draft
        .push(Primitive::Broadcast { shape: vec![2, shape[0], shape[1]] }, &[product]);
    let joined = draft.push(Primitive::Concat { axis: 2 }, &[wide, wide]);
    let sine = draft.unary(Unary::Sin, joined);
    let total = draft.reduce(Reduction::Sum, &[0], sine);
    suite.check(&draft.finish(&[total, sum, flat]));
}

fn mixed(suite: &mut Suite<'_>, mut draft: Draft, dtype: DType, shape: &[usize]) {
    let x = draft.input(DType::U8, shape, Domain::Between(0.0, 255.0));
    let labels = draft.input(DType::I32, &shape[..1], Domain::Below(shape[1]));
    let cast = draft.push(Primitive::Cast(dtype), &[x]);
    let scale = draft.number(dtype, 1.0 / 256.0);
    let scaled = draft.binary(Binary::Mul, cast, scale);
    let index = draft.reshape(&[shape[0], 1], labels);
    let picked = draft.push(Primitive::GatherAlong { axis: 1 }, &[scaled, index]);
    let positions = Primitive::Iota { shape: vec![shape[1]], axis: 0, dtype: DType::I32 };
    let positions = draft.push(positions, &[]);
    let one_hot = draft.push(Primitive::Compare(Compare::Equal), &[index, positions]);
    let one_hot = draft.push(Primitive::Cast(dtype), &[one_hot]);
    let product = draft.binary(Binary::Mul, scaled, one_hot);
    let sums = draft.reduce(Reduction::Sum, &[1], product);
    let best = draft.push(Primitive::ArgReduce { largest: true, axis: 1 }, &[x]);
    suite.check(&draft.finish(&[picked, sums, best, one_hot]));
}

/// A training step of two dense layers: products with transposed operands, sums over the
/// batch, and updates in place.
fn backward(suite: &mut Suite<'_>, dtype: DType) {
    let mut draft = Draft::new(format!("training step {dtype}"));
    let x = draft.input(dtype, &[33, 12], DOMAIN);
    let target = draft.input(dtype, &[33, 5], DOMAIN);
    let w1 = draft.variable(dtype, &[12, 17], Domain::Between(-0.5, 0.5));
    let b1 = draft.variable(dtype, &[17], DOMAIN);
    let w2 = draft.variable(dtype, &[17, 5], Domain::Between(-0.5, 0.5));
    let product = draft.matmul(false, false, x, w1);
    let sum = draft.binary(Binary::Add, product, b1);
    let hidden = draft.unary(Unary::Tanh, sum);
    let y = draft.matmul(false, false, hidden, w2);
    let error = draft.binary(Binary::Sub, y, target);
    let square = draft.unary(Unary::Square, error);
    let loss = draft.reduce(Reduction::Sum, &[0, 1], square);
    let dw2 = draft.matmul(true, false, hidden, error);
    let dh = draft.matmul(false, true, error, w2);
    let h2 = draft.unary(Unary::Square, hidden);
    let one = draft.number(dtype, 1.0);
    let slope = draft.binary(Binary::Sub, one, h2);
    let dsum = draft.binary(Binary::Mul, dh, slope);
    let dw1 = draft.matmul(true, false, x, dsum);
    let db1 = draft.reduce(Reduction::Sum, &[0], dsum);
    let rate = draft.number(dtype, 1.0 / 64.0);
    let mut updates = Vec::new();
    for (i, (value, gradient)) in
        [(w1, dw1), (b1, db1), (w2, dw2)].into_iter().enumerate()
    {
        let step = draft.binary(Binary::Mul, rate, gradient);
        updates.push((i, draft.binary(Binary::Sub, value, step)));
    }
    suite.check(&draft.finish_with(&[loss, y], &updates));
}

/// Convolution with bias, activation and pooling.
fn convolution(suite: &mut Suite<'_>, dtype: DType) {
    let mut draft = Draft::new(format!("convolution layer {dtype}"));
    let x = draft.input(dtype, &[2, 8, 8, 3], DOMAIN);
    let kernel = draft.input(dtype, &[3, 3, 3, 5], DOMAIN);
    let bias = draft.input(dtype, &[5], DOMAIN);
    let settings = Convolution {
        strides: vec![1, 1],
        padding: vec![(1, 1), (1, 1)],
        dilation: vec![1, 1],
        groups: 1,
    };
    let y = draft.push(Primitive::Convolution(settings), &[x, kernel]);
    let y = draft.binary(Binary::Add, y, bias);
    let zero = draft.number(dtype, 0.0);
    let y = draft.binary(Binary::Max, y, zero);
    let pool = crate::Pool {
        window: vec![2, 2],
        strides: vec![2, 2],
        padding: vec![(0, 0), (0, 0)],
    };
    let pooled = draft.push(Primitive::MaxPool(pool), &[y]);
    let flat = draft.reshape(&[2, 80], pooled);
    let total = draft.reduce(Reduction::Sum, &[1], flat);
    suite.check(&draft.finish(&[flat, total]));
}

/// More values than registers, tiles or recursion may hold.
fn long(suite: &mut Suite<'_>) {
    let mut draft = Draft::new("chain of 2000 functions");
    let x = draft.input(DType::F32, &[37], DOMAIN);
    let quarter = draft.number(DType::F32, 0.25);
    let mut y = x;
    for _ in 0..1000 {
        let less = draft.binary(Binary::Mul, y, quarter);
        y = draft.binary(Binary::Add, less, x);
    }
    suite.check(&draft.finish(&[y]));

    let mut draft = Draft::new("sum of 300 live values");
    let x = draft.input(DType::F32, &[37], Domain::Between(0.0, 1.0));
    let values: Vec<_> = (0..300)
        .map(|i| {
            let factor = draft.number(DType::F32, f64::from(i) / 300.0);
            draft.binary(Binary::Mul, x, factor)
        })
        .collect();
    let mut sum = x;
    for &value in values.iter().rev() {
        sum = draft.binary(Binary::Add, sum, value);
    }
    suite.check(&draft.finish(&[sum, values[7]]));
}
