//! Vectorized functions, in numbers per nanosecond.
//!
//! `cargo bench -p deckle-cpu --bench math`
#![expect(clippy::print_stdout, reason = "a table of results")]

use std::time::Instant;

use deckle_cpu::{Simd, math};
use deckle_tensor::Unary;

/// The rate of calls on `len` numbers, the best of several rounds.
fn rate(len: usize, mut call: impl FnMut()) -> f64 {
    let rounds = (0..10).map(|_| {
        let start = Instant::now();
        (0..100).for_each(|_| call());
        start.elapsed().as_secs_f64()
    });
    (100 * len) as f64 * 1e-9 / rounds.fold(f64::INFINITY, f64::min)
}

fn main() {
    let x: Vec<f32> = (0..4096_u16).map(|i| f32::from(i) * 0.001 + 0.001).collect();
    let x64: Vec<f64> = x.iter().copied().map(f64::from).collect();
    let functions = [
        Unary::Exp,
        Unary::Expm1,
        Unary::Log,
        Unary::Log1p,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Softplus,
        Unary::Erf,
        Unary::Sin,
        Unary::Cos,
    ];
    println!("{:10} {:>10} {:>8} {:>8}", "function", "simd", "f32", "f64");
    for simd in Simd::available() {
        for function in functions {
            let (mut y, mut y64) = (x.clone(), x64.clone());
            let single = rate(x.len(), || math::unary(simd, function, &x, &mut y));
            let double = rate(x.len(), || math::unary(simd, function, &x64, &mut y64));
            println!(
                "{:10} {:>10} {single:8.2} {double:8.2}",
                function.name(),
                simd.name()
            );
        }
        let mut y = x.clone();
        let single = rate(x.len(), || {
            y.copy_from_slice(&x);
            math::pow(simd, &mut y, &x);
        });
        println!("{:10} {:>10} {single:8.2}", "power", simd.name());
        let uniform = rate(x.len(), || math::uniform(simd, [1, 2, 3], 0, &mut y));
        println!("{:10} {:>10} {uniform:8.2}", "uniform", simd.name());
    }
}
