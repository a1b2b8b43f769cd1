//! Programs that several tests run.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test is a crate of its own and uses some of these"
)]

use std::sync::Arc;

use deckle_tensor::{
    Backend, Binary, Buffer, Builder, Compare, Convolution, DType, Distribution, Pool,
    Primitive, Program, Reduction, Scan, Spec, Tensor, Unary, Value, random::Draw,
};

pub(crate) fn add(b: &mut Builder, op: Binary, x: Value, y: Value) -> Value {
    b.push(Primitive::Binary(op), &[x, y]).unwrap()
}

pub(crate) fn scalar(b: &mut Builder, value: f32) -> Value {
    b.constant(&Tensor::scalar(value))
}

/// One step of a network (inputs, hidden relu, classes) with softmax cross-entropy and `RMSprop`.
pub(crate) fn mlp(batch: usize, inputs: usize, hidden: usize, classes: usize) -> Program {
    let mut b = Builder::new();
    let f = |shape: &[usize]| Spec::new(DType::F32, shape.to_vec());
    let x = b.input(f(&[batch, inputs]));
    let labels = b.input(Spec::new(DType::I64, [batch, 1]));
    let shapes =
        [vec![inputs, hidden], vec![hidden], vec![hidden, classes], vec![classes]];
    let w: Vec<_> = shapes.iter().map(|s| b.variable(f(s))).collect();
    let v: Vec<_> = shapes.iter().map(|s| b.variable(f(s))).collect();
    let matmul =
        |transpose_a, transpose_b| Primitive::MatMul { transpose_a, transpose_b };
    let sum = |axes: &[usize]| Primitive::Reduce {
        reduction: Reduction::Sum,
        axes: axes.to_vec(),
    };
    b.set_path(&"dense".into());
    let z1 = b.push(matmul(false, false), &[x, w[0]]).unwrap();
    let z1 = add(&mut b, Binary::Add, z1, w[1]);
    let zero = scalar(&mut b, 0.0);
    let a1 = add(&mut b, Binary::Max, z1, zero);
    b.set_path(&"dense_1".into());
    let z2 = b.push(matmul(false, false), &[a1, w[2]]).unwrap();
    let z2 = add(&mut b, Binary::Add, z2, w[3]);
    b.set_path(&"loss".into());
    let max = Primitive::Reduce { reduction: Reduction::Max, axes: vec![1] };
    let max = b.push(max, &[z2]).unwrap();
    let max = b.push(Primitive::Reshape { shape: vec![batch, 1] }, &[max]).unwrap();
    let shifted = add(&mut b, Binary::Sub, z2, max);
    let e = b.push(Primitive::Unary(Unary::Exp), &[shifted]).unwrap();
    let total = b.push(sum(&[1]), &[e]).unwrap();
    let total = b.push(Primitive::Reshape { shape: vec![batch, 1] }, &[total]).unwrap();
    let p = add(&mut b, Binary::Div, e, total);
    let iota =
        Primitive::Iota { shape: vec![batch, classes], axis: 1, dtype: DType::I64 };
    let iota = b.push(iota, &[]).unwrap();
    let hot = b.push(Primitive::Compare(Compare::Equal), &[labels, iota]).unwrap();
    let hot = b.push(Primitive::Cast(DType::F32), &[hot]).unwrap();
    let log = b.push(Primitive::Unary(Unary::Log), &[total]).unwrap();
    let log_p = add(&mut b, Binary::Sub, shifted, log);
    let picked = add(&mut b, Binary::Mul, log_p, hot);
    let loss = b.push(sum(&[0, 1]), &[picked]).unwrap();
    let scale = scalar(&mut b, 1.0 / batch as f32);
    let dz2 = add(&mut b, Binary::Sub, p, hot);
    let dz2 = add(&mut b, Binary::Mul, dz2, scale);
    b.set_path(&"dense_1".into());
    let dw2 = b.push(matmul(true, false), &[a1, dz2]).unwrap();
    let db2 = b.push(sum(&[0]), &[dz2]).unwrap();
    let da1 = b.push(matmul(false, true), &[dz2, w[2]]).unwrap();
    b.set_path(&"dense".into());
    let mask = b.push(Primitive::Compare(Compare::Greater), &[z1, zero]).unwrap();
    let mask = b.push(Primitive::Cast(DType::F32), &[mask]).unwrap();
    let dz1 = add(&mut b, Binary::Mul, da1, mask);
    let dw1 = b.push(matmul(true, false), &[x, dz1]).unwrap();
    let db1 = b.push(sum(&[0]), &[dz1]).unwrap();
    b.set_path(&"rmsprop".into());
    let mut updates = Vec::new();
    for (i, g) in [dw1, db1, dw2, db2].into_iter().enumerate() {
        let (rho, rest) = (scalar(&mut b, 0.9), scalar(&mut b, 0.1));
        let (rate, epsilon) = (scalar(&mut b, 0.001), scalar(&mut b, 1e-7));
        let old = add(&mut b, Binary::Mul, v[i], rho);
        let square = b.push(Primitive::Unary(Unary::Square), &[g]).unwrap();
        let new = add(&mut b, Binary::Mul, square, rest);
        let new = add(&mut b, Binary::Add, old, new);
        let step = add(&mut b, Binary::Mul, g, rate);
        let root = add(&mut b, Binary::Add, new, epsilon);
        let root = b.push(Primitive::Unary(Unary::Sqrt), &[root]).unwrap();
        let step = add(&mut b, Binary::Div, step, root);
        let w_new = add(&mut b, Binary::Sub, w[i], step);
        updates.push((i, w_new));
        updates.push((4 + i, new));
    }
    b.finish([loss], updates).unwrap()
}

pub(crate) fn random(spec: &Spec, stream: u64, classes: usize) -> Tensor {
    let draw = Draw::new(1, stream, 0);
    let size = spec.size() as u64;
    if spec.dtype == DType::I64 {
        let values: Vec<i64> =
            (0..size).map(|i| draw.below(i, classes as u64) as i64).collect();
        return Tensor::new(values, &spec.shape).unwrap();
    }
    let values: Vec<f32> = (0..size).map(|i| 0.1 * draw.normal(i) as f32).collect();
    let values = Tensor::new(values, &spec.shape).unwrap();
    if spec.dtype == DType::F64 { values.cast(DType::F64) } else { values }
}

/// Random numbers, sorting, indices, pooling, layout: kernels of all kinds.
pub(crate) fn mixed() -> Program {
    let mut b = Builder::new();
    let x = b.input(Spec::new(DType::F32, [4, 6, 6, 3]));
    let indices = b.input(Spec::new(DType::I64, [5]));
    let counter = b.variable(Spec::scalar(DType::I64));
    let seed = b.constant(&Tensor::scalar(7_i64));
    let one = b.constant(&Tensor::scalar(1_i64));
    let noise = Primitive::Random {
        distribution: Distribution::Normal,
        stream: 3,
        shape: vec![4, 6, 6, 3],
        dtype: DType::F32,
    };
    let noise = b.push(noise, &[seed, counter]).unwrap();
    let noisy = add(&mut b, Binary::Add, x, noise);
    let pool = Pool { window: vec![2, 2], strides: vec![2, 2], padding: vec![(0, 0); 2] };
    let pooled = b.push(Primitive::MaxPool(pool), &[noisy]).unwrap();
    let flat = b.push(Primitive::Reshape { shape: vec![4, 27] }, &[pooled]).unwrap();
    let sorted = Primitive::Sort { axis: 1, descending: true };
    let sorted = b.push_all(sorted, &[flat]).unwrap();
    let table =
        b.push(Primitive::Transpose { permutation: vec![1, 0] }, &[sorted[0]]).unwrap();
    let rows = b.push(Primitive::Gather { axis: 0 }, &[table, indices]).unwrap();
    let back =
        b.push(Primitive::ScatterAdd { axis: 0, len: 27 }, &[indices, rows]).unwrap();
    let joined = b.push(Primitive::Concat { axis: 1 }, &[back, table]).unwrap();
    let top = b.push_all(Primitive::TopK { k: 3 }, &[joined]).unwrap();
    let next = add(&mut b, Binary::Add, counter, one);
    b.finish([top[0], top[1], joined], [(0, next)]).unwrap()
}

/// One layer of images: convolution, bias, relu; the pre-activation is a result too.
pub(crate) fn convolution(
    batch: usize,
    edge: usize,
    channels: usize,
    filters: usize,
) -> Program {
    let mut b = Builder::new();
    let f = |shape: &[usize]| Spec::new(DType::F32, shape.to_vec());
    let x = b.input(f(&[batch, edge, edge, channels]));
    let kernel = b.variable(f(&[3, 3, channels, filters]));
    let bias = b.variable(f(&[filters]));
    let settings = Convolution {
        strides: vec![1, 1],
        padding: vec![(1, 1); 2],
        dilation: vec![1, 1],
        groups: 1,
    };
    let y = b.push(Primitive::Convolution(settings), &[x, kernel]).unwrap();
    let y = add(&mut b, Binary::Add, y, bias);
    let zero = scalar(&mut b, 0.0);
    let relu = add(&mut b, Binary::Max, y, zero);
    b.finish([y, relu], []).unwrap()
}

/// A loop: `h = tanh(x·W + h·U)`, all states as results.
pub(crate) fn recurrent(steps: usize, batch: usize, units: usize) -> Program {
    let f = |shape: &[usize]| Spec::new(DType::F32, shape.to_vec());
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let mut body = Builder::new();
    let [w, u] = [0, 1].map(|_| body.input(f(&[units, units])));
    let h = body.input(f(&[batch, units]));
    let x = body.input(f(&[batch, units]));
    let from_x = body.push(matmul.clone(), &[x, w]).unwrap();
    let from_h = body.push(matmul, &[h, u]).unwrap();
    let sum = add(&mut body, Binary::Add, from_x, from_h);
    let h = body.push(Primitive::Unary(Unary::Tanh), &[sum]).unwrap();
    let body = Arc::new(body.finish([h, h], []).unwrap());
    let mut b = Builder::new();
    let [w, u] = [0, 1].map(|_| b.variable(f(&[units, units])));
    let h = b.input(f(&[batch, units]));
    let x = b.input(f(&[steps, batch, units]));
    let scan = Scan { body, constants: 2, carries: 1, length: steps, reverse: false };
    let results = b.push_all(Primitive::Scan(scan), &[w, u, h, x]).unwrap();
    b.finish(results, []).unwrap()
}

/// Memory for a program, with the same numbers on every backend.
pub(crate) struct Buffers {
    pub(crate) inputs: Vec<Buffer>,
    pub(crate) variables: Vec<Buffer>,
    pub(crate) outputs: Vec<Buffer>,
}

impl Buffers {
    pub(crate) fn new(backend: &dyn Backend, program: &Program) -> Self {
        let make = |values: &[Value], first: u64| -> Vec<Buffer> {
            let specs = values.iter().map(|&value| program.spec(value));
            let buffers = specs.enumerate().map(|(i, spec)| {
                let buffer = backend.allocate(spec).unwrap();
                // The second half of an optimizer's variables are its slots: not negative.
                let slot = first == 100 && i >= values.len() / 2;
                let tensor = if slot {
                    Tensor::zeros(spec.dtype, &spec.shape)
                } else {
                    random(spec, first + i as u64, 10)
                };
                backend.write(&tensor, &buffer).unwrap();
                buffer
            });
            buffers.collect()
        };
        let specs = program.output_specs();
        Self {
            inputs: make(program.inputs(), 0),
            variables: make(program.variables(), 100),
            outputs: specs.iter().map(|spec| backend.allocate(spec).unwrap()).collect(),
        }
    }
}

/// The values of buffers.
pub(crate) fn read(backend: &dyn Backend, buffers: &[Buffer]) -> Vec<Tensor> {
    let tensors = buffers.iter().map(|buffer| {
        let mut tensor = Tensor::scalar(0.0_f32);
        backend.read(buffer, &mut tensor).unwrap();
        tensor
    });
    tensors.collect()
}

/// The outputs, then the variables, after so many runs.
pub(crate) fn run(backend: &dyn Backend, program: &Program, times: usize) -> Vec<Tensor> {
    let executable = backend.compile(program).unwrap();
    let Buffers { inputs, variables, outputs } = Buffers::new(backend, program);
    for _ in 0..times {
        executable.run(&inputs, &variables, &outputs).unwrap();
    }
    [read(backend, &outputs), read(backend, &variables)].concat()
}

/// Products of parts of a kernel side by side, of inputs (time, batch, features); the first one
/// is read once more if `again`.
pub(crate) fn joined(again: bool) -> Program {
    let mut b = Builder::new();
    let f = |shape: &[usize]| Spec::new(DType::F32, shape.to_vec());
    let inputs = [b.input(f(&[3, 5, 7])), b.input(f(&[3, 5, 4]))];
    let kernels = [b.variable(f(&[7, 6])), b.variable(f(&[4, 33]))];
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let parts = [0, 1].map(|i| b.push(matmul.clone(), &[inputs[i], kernels[i]]).unwrap());
    let joined = [parts[0], parts[1], parts[0]];
    let joined = if again { &joined[..] } else { &joined[..2] };
    let y = b.push(Primitive::Concat { axis: 2 }, joined).unwrap();
    let z = b.push(Primitive::Unary(Unary::Tanh), &[y]).unwrap();
    b.finish([z], []).unwrap()
}
