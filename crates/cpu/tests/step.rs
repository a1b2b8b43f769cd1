//! Whole training steps: the plan they get, and what they compute.

use deckle_cpu::Cpu;
use deckle_tensor::{
    Backend, Binary, Buffer, Builder, Compare, DType, Primitive, Program, Reduction,
    Reference, Spec, Tensor, Unary, Value, random::Draw,
};

fn add(b: &mut Builder, op: Binary, x: Value, y: Value) -> Value {
    b.push(Primitive::Binary(op), &[x, y]).unwrap()
}

fn scalar(b: &mut Builder, value: f32) -> Value {
    b.constant(&Tensor::scalar(value))
}

/// One step of a network (inputs, hidden relu, classes) with softmax cross-entropy and RMSprop.
fn mlp(batch: usize, inputs: usize, hidden: usize, classes: usize) -> Program {
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

fn random(spec: &Spec, stream: u64, classes: usize) -> Tensor {
    let draw = Draw::new(1, stream, 0);
    let size = spec.size() as u64;
    if spec.dtype == DType::I64 {
        let values: Vec<i64> =
            (0..size).map(|i| draw.below(i, classes as u64) as i64).collect();
        return Tensor::new(values, &spec.shape).unwrap();
    }
    let values: Vec<f32> = (0..size).map(|i| 0.1 * draw.normal(i) as f32).collect();
    Tensor::new(values, &spec.shape).unwrap()
}

struct Run {
    outputs: Vec<Tensor>,
    variables: Vec<Tensor>,
}

fn run(backend: &dyn Backend, program: &Program, steps: usize) -> Run {
    let executable = backend.compile(program).unwrap();
    let make = |values: &[Value], first: u64| -> Vec<Buffer> {
        let specs = values.iter().map(|&value| program.spec(value));
        specs
            .enumerate()
            .map(|(i, spec)| {
                let buffer = backend.allocate(spec).unwrap();
                let tensor = random(spec, first + i as u64, 10);
                // Slots of RMSprop are not negative.
                let square = first == 100 && i >= program.variables().len() / 2;
                let tensor =
                    if square { Tensor::zeros(spec.dtype, &spec.shape) } else { tensor };
                backend.write(&tensor, &buffer).unwrap();
                buffer
            })
            .collect()
    };
    let inputs = make(program.inputs(), 0);
    let variables = make(program.variables(), 100);
    let outputs: Vec<_> = program
        .output_specs()
        .iter()
        .map(|spec| backend.allocate(spec).unwrap())
        .collect();
    for _ in 0..steps {
        executable.run(&inputs, &variables, &outputs).unwrap();
    }
    let read = |buffers: &[Buffer]| -> Vec<Tensor> {
        let tensors = buffers.iter().map(|buffer| {
            let mut tensor = Tensor::scalar(0.0f32);
            backend.read(buffer, &mut tensor).unwrap();
            tensor
        });
        tensors.collect()
    };
    Run { outputs: read(&outputs), variables: read(&variables) }
}

fn close(a: &Tensor, b: &Tensor) {
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a - b).abs() <= 1e-4 + 1e-3 * b.abs(), "{i}: {a} {b}");
    }
}

#[test]
fn a_step_computes_what_the_reference_computes() {
    let program = mlp(17, 20, 33, 10);
    let expected = run(&Reference::new(), &program, 3);
    let mut first: Option<Run> = None;
    for threads in 1..4 {
        let got = run(&Cpu::with_threads(threads), &program, 3);
        close(&got.outputs[0], &expected.outputs[0]);
        for (got, expected) in got.variables.iter().zip(&expected.variables) {
            close(got, expected);
        }
        match &first {
            Some(first) => assert_eq!(first.variables, got.variables),
            None => first = Some(got),
        }
    }
}

#[test]
fn a_dense_layer_and_the_optimizer_are_one_instruction_each() {
    let program = mlp(128, 784, 512, 10);
    let plan = Cpu::with_threads(2).compile(&program).unwrap().plan();
    let count = |text: &str| plan.matches(text).count();
    assert_eq!(count("matmul + add + maximum"), 1, "{plan}");
    assert_eq!(count("matmul"), 5, "{plan}");
    assert_eq!(count("[update]"), 1, "{plan}");
    assert_eq!(plan.lines().count(), 13, "{plan}");
}
