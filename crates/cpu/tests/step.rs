//! Whole training steps: the plan they get, and what they compute.

use deckle_cpu::{Cpu, Simd};
use deckle_tensor::{Backend, DType, Program, Reference, Tensor};

mod common;

#[track_caller]
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
}

#[test]
fn a_dense_layer_and_the_optimizer_are_one_instruction_each() {
    let program = common::mlp(128, 784, 512, 10);
    let cpu = Cpu::with_threads(2).simd(Simd::Portable);
    let plan = cpu.compile(&program).unwrap().plan();
    insta::assert_snapshot!(plan, @"");
}
