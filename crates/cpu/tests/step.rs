//! Whole training steps: the plan they get, and what they compute.

use deckle_cpu::{Cpu, Simd};
use deckle_tensor::{
    Backend, Binary, Builder, DType, Primitive, Program, Reference, Spec, Tensor, Unary,
};

mod common;

#[track_caller]
#[expect(clippy::unwrap_used, reason = "the element type has been checked")]
fn close(a: &Tensor, b: &Tensor) {
    if a.dtype() != DType::F32 {
        assert_eq!(a, b);
        return;
    }
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a - b).abs() <= 1e-4 + 1e-3 * b.abs(), "{i}: {a} {b}");
    }
}

#[track_caller]
fn check(program: &Program) {
    let expected = common::run(&Reference::new(), program, 3);
    let first = common::run(&Cpu::with_threads(1), program, 3);
    for (got, expected) in first.iter().zip(&expected) {
        close(got, expected);
    }
    for threads in 2..4 {
        assert_eq!(common::run(&Cpu::with_threads(threads), program, 3), first);
    }
}

#[test]
fn steps_compute_what_the_reference_computes() {
    check(&common::mlp(17, 20, 33, 10));
    check(&common::mlp(128, 100, 512, 10));
    check(&common::mixed());
    check(&common::recurrent(5, 3, 7));
    check(&common::convolution(2, 7, 3, 5));
    check(&common::convolution(3, 16, 8, 33));
}

#[test]
fn products_are_written_where_they_are_joined() {
    for again in [false, true] {
        let program = common::joined(again);
        check(&program);
        let plan = Cpu::with_threads(1).compile(&program).unwrap().plan();
        assert_eq!(plan.contains("concat"), again, "{plan}");
    }
}

#[test]
fn a_dense_layer_and_the_optimizer_are_one_instruction_each() {
    let program = common::mlp(128, 784, 512, 10);
    let cpu = Cpu::with_threads(2).simd(Simd::Portable);
    let plan = cpu.compile(&program).unwrap().plan();
    insta::assert_snapshot!(plan, @r"
      0  matmul + add + maximum: (128, 784) x (784, 512) -> float32 (128, 512)  @ arena+0, arena+262144  [dense]
      1  matmul + add: (128, 512) x (512, 10) -> float32 (128, 10)  @ arena+557120  [dense_1]
      2  max + subtract + exp + sum + log -> float32 (128, 10), float32 (128, 10), float32 (128,), float32 (128, 1)  @ arena+557120, arena+532544, arena+524288, arena+524800  [loss]
      3  divide + equal + cast + subtract + multiply + subtract + multiply + sum -> float32 (128, 10), float32 ()  @ arena+532544, output 0  [loss]
      4  matmul: (128, 512) x (128, 10) -> float32 (512, 10)  @ arena+1937472  [dense_1]
      5  sum -> float32 (10,)  @ arena+1957952  [dense_1]
      6  matmul + greater + cast + multiply: (128, 10) x (512, 10) -> float32 (128, 512)  @ arena+1605632  [dense_1]
      7  matmul: (128, 784) x (128, 512) -> float32 (784, 512)  @ arena+0  [dense]
      8  sum -> float32 (512,)  @ arena+1875968  [dense]
      9  4 programs over 407050 elements  @ variable 4, variable 0, variable 5, variable 1, ...  [update]
    arena 1958016 bytes, peak 1958016 bytes
    ");
}

#[test]
fn bias_and_activation_are_part_of_a_convolution() {
    let cpu = Cpu::with_threads(2).simd(Simd::Portable);
    let plan = cpu.compile(&common::convolution(2, 7, 3, 5)).unwrap().plan();
    assert!(plan.starts_with("  0  convolution + add + maximum: "), "{plan}");
    assert_eq!(plan.lines().count(), 2, "{plan}");
}

#[test]
fn what_updates_share_is_computed_before_the_first_of_them() {
    let mut b = Builder::new();
    let weights = || Spec::new(DType::F32, [64]);
    let gradient = b.input(weights());
    let rate = b.variable(Spec::new(DType::F32, []));
    let (mean, weight) = (b.variable(weights()), b.variable(weights()));
    let half = common::scalar(&mut b, 0.5);
    let decayed = common::add(&mut b, Binary::Mul, mean, half);
    let mean = common::add(&mut b, Binary::Add, decayed, gradient);
    let rate = b.push(Primitive::Unary(Unary::Exp), &[rate]).unwrap();
    let step = common::add(&mut b, Binary::Mul, mean, rate);
    let weight = common::add(&mut b, Binary::Sub, weight, step);
    let program = b.finish([], [(1, mean), (2, weight)]).unwrap();
    let plan = Cpu::with_threads(1).compile(&program).unwrap().plan();
    assert!(!plan.contains("programs"), "mean and weight in one pass: {plan}");
    check(&program);
}

/// More bytes than caches hold: then each tile asks for the memory of the next.
#[test]
fn updates_of_what_no_cache_holds_compute_what_the_reference_computes() {
    let mut b = Builder::new();
    let weights = || Spec::new(DType::F32, [1_000_003]);
    let gradient = b.input(weights());
    let (velocity, weight) = (b.variable(weights()), b.variable(weights()));
    let momentum = common::scalar(&mut b, 0.875);
    let kept = common::add(&mut b, Binary::Mul, velocity, momentum);
    let velocity = common::add(&mut b, Binary::Sub, kept, gradient);
    let weight = common::add(&mut b, Binary::Add, weight, velocity);
    check(&b.finish([], [(0, velocity), (1, weight)]).unwrap());
}

/// All elements of the first layer's input, too many for lists, and few: then the product and
/// the gradient go by the same lists.
#[test]
fn few_non_zeros_compute_what_all_elements_compute() {
    let program = common::mlp(24, 2048, 16, 10);
    for every in [1, 9, 50] {
        let number =
            |i: usize| if (i * 7919).is_multiple_of(every) { 1 + i % 5 } else { 0 };
        let x: Vec<f32> = (0..24 * 2048).map(|i| number(i) as f32 * 0.1).collect();
        let x = Tensor::new(x, [24, 2048]).unwrap();
        let run = |backend: &dyn Backend| {
            let executable = backend.compile(&program).unwrap();
            let common::Buffers { inputs, variables, outputs } =
                common::Buffers::new(backend, &program);
            backend.write(&x, &inputs[0]).unwrap();
            for _ in 0..3 {
                executable.run(&inputs, &variables, &outputs).unwrap();
            }
            [common::read(backend, &outputs), common::read(backend, &variables)].concat()
        };
        let first = run(&Cpu::with_threads(1));
        for (got, expected) in first.iter().zip(&run(&Reference::new())) {
            close(got, expected);
        }
        for threads in 2..4 {
            assert_eq!(run(&Cpu::with_threads(threads)), first);
        }
    }
}

#[test]
fn positions_for_which_there_is_no_memory_are_an_error() {
    let mut b = Builder::new();
    let shape = vec![1 << 50];
    let all = b.push(Primitive::Iota { shape, axis: 0, dtype: DType::I64 }, &[]).unwrap();
    let axes = vec![0];
    let sum = Primitive::Reduce { reduction: deckle_tensor::Reduction::Sum, axes };
    let sum = b.push(sum, &[all]).unwrap();
    let program = b.finish([sum], []).unwrap();
    let made = Cpu::with_threads(1).compile(&program).map(drop);
    let error = made.unwrap_err().to_string();
    assert!(error.contains("a value that fits into memory"), "{error}");
}
