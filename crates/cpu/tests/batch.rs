//! Programs whose examples are computed part by part.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_cpu::{Cpu, Profile};
use deckle_tensor::{
    Backend, Binary, Builder, Convolution, DType, Pool, Primitive, Program, Reduction,
    Reference, Spec, Tensor, Value,
};

mod common;

fn f(shape: &[usize]) -> Spec {
    Spec::new(DType::F32, shape.to_vec())
}

/// Rows of a table by the input's numbers, as an image; a convolution and pooling of it, and
/// what the classes of all examples have in common, if they have.
fn network(examples: usize, common: bool) -> Program {
    let mut b = Builder::new();
    let indices = b.input(Spec::new(DType::I64, [examples, 24, 24]));
    let (table, kernel) = (b.variable(f(&[10, 3])), b.variable(f(&[3, 3, 3, 20])));
    let weights = b.variable(f(&[11 * 11 * 20, 5]));
    // The second half of the variables would be zero.
    for _ in 0..3 {
        b.variable(f(&[]));
    }
    let x = b.push(Primitive::Gather { axis: 0 }, &[table, indices]).unwrap();
    let settings = Convolution {
        strides: vec![1, 1],
        padding: vec![(0, 0); 2],
        dilation: vec![1; 2],
        groups: 1,
    };
    let x = b.push(Primitive::Convolution(settings), &[x, kernel]).unwrap();
    let zero = common::scalar(&mut b, 0.0);
    let x = common::add(&mut b, Binary::Max, x, zero);
    let pool = Pool { window: vec![2; 2], strides: vec![2; 2], padding: vec![(0, 0); 2] };
    let x = b.push(Primitive::MaxPool(pool), &[x]).unwrap();
    let flat = Primitive::Reshape { shape: vec![examples, 11 * 11 * 20] };
    let x = b.push(flat, &[x]).unwrap();
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let mut y = b.push(matmul, &[x, weights]).unwrap();
    if common {
        let sum = Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0] };
        let sum = b.push(sum, &[y]).unwrap();
        y = common::add(&mut b, Binary::Sub, y, sum);
    }
    b.finish([y, x], []).unwrap()
}

fn run(cpu: &dyn Backend, program: &Program, common: bool) -> (Vec<Tensor>, String) {
    let smaller = |examples: usize| Some(network(examples, common));
    let executable = cpu.compile_batch(program, &smaller).unwrap();
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(cpu, program);
    for _ in 0..3 {
        executable.run(&inputs, &variables, &outputs).unwrap();
    }
    (common::read(cpu, &outputs), executable.plan())
}

#[track_caller]
fn close(got: &[Tensor], expected: &[Tensor]) {
    for (got, expected) in got.iter().zip(expected) {
        let [got, expected] = [got, expected].map(|t| t.to_vec::<f32>().unwrap());
        assert!(expected.iter().any(|&b| b != 0.0), "numbers that say nothing");
        for (i, (a, b)) in got.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() <= 1e-3 + 1e-3 * b.abs(), "{i}: {a} {b}");
        }
    }
}

#[test]
fn parts_compute_what_the_whole_computes_on_any_number_of_threads() {
    // Parts of one length and of two.
    for examples in [64, 83] {
        let program = network(examples, false);
        let (first, plan) = run(&Cpu::with_threads(1), &program, false);
        assert!(plan.contains(&format!("parts of {examples} examples")), "{plan}");
        close(&first, &run(&Reference::new(), &program, false).0);
        for threads in 2..5 {
            assert_eq!(run(&Cpu::with_threads(threads), &program, false).0, first);
        }
        let whole = common::run(&Cpu::with_threads(2), &program, 1);
        close(&first, &whole[..2]);
    }
}

#[test]
fn what_examples_have_in_common_is_computed_of_all() {
    let program = network(64, true);
    let (got, plan) = run(&Cpu::with_threads(2), &program, true);
    assert!(!plan.contains("parts"), "{plan}");
    close(&got, &run(&Reference::new(), &program, true).0);
}

#[test]
fn few_examples_and_small_ones_are_computed_at_once() {
    let (_, plan) = run(&Cpu::with_threads(2), &network(15, false), false);
    assert!(!plan.contains("parts"), "{plan}");
    let small = |examples: usize| -> Program {
        let mut b = Builder::new();
        let x = b.input(f(&[examples, 8]));
        let w: Value = b.variable(f(&[8, 8]));
        let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
        let y = b.push(matmul, &[x, w]).unwrap();
        b.finish([y], []).unwrap()
    };
    let executable = Cpu::with_threads(2)
        .compile_batch(&small(256), &|examples| Some(small(examples)))
        .unwrap();
    assert!(!executable.plan().contains("parts"), "{}", executable.plan());
}

#[test]
fn the_first_wrong_index_is_an_error_and_the_next_run_is_right() {
    let program = network(64, false);
    for threads in [1, 3] {
        let cpu = Cpu::with_threads(threads);
        let smaller = |examples: usize| Some(network(examples, false));
        let executable = cpu.compile_batch(&program, &smaller).unwrap();
        let common::Buffers { inputs, variables, outputs } =
            common::Buffers::new(&cpu, &program);
        let right = common::read(&cpu, &inputs).remove(0);
        let mut wrong = right.to_vec::<i64>().unwrap();
        let last = wrong.len() - 1;
        (wrong[last], wrong[last / 2]) = (12, 11);
        let wrong = Tensor::new(wrong, [64, 24, 24]).unwrap();
        cpu.write(&wrong, &inputs[0]).unwrap();
        let error = executable.run(&inputs, &variables, &outputs).unwrap_err();
        assert!(error.to_string().contains("got: 11"), "{error}");
        cpu.write(&right, &inputs[0]).unwrap();
        executable.run(&inputs, &variables, &outputs).unwrap();
        close(&common::read(&cpu, &outputs), &run(&Reference::new(), &program, false).0);
    }
}

#[test]
fn parts_are_measured() {
    let cpu = Cpu::with_threads(2).profile(Profile::Table);
    let program = network(64, false);
    let smaller = |examples: usize| Some(network(examples, false));
    let executable = cpu.compile_batch(&program, &smaller).unwrap();
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(&cpu, &program);
    executable.run(&inputs, &variables, &outputs).unwrap();
    let table = executable.profile();
    assert!(table.starts_with("profile: 16 runs"), "{table}");
    assert!(table.contains("max_pool"), "{table}");
}
