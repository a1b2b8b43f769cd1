//! Matrix products of deep learning against `matrixmultiply`, in GFLOP/s.
//!
//! `cargo bench -p deckle-cpu --bench gemm -- [--json] [threads] [simd] [name]`
#![expect(clippy::print_stdout, reason = "a table of results")]

use std::time::Instant;

use deckle_cpu::{Simd, Threads, gemm::Gemm};
use deckle_tensor::Storage;

/// Name, m, k, n, whether A and B are stored transposed.
const CASES: [(&str, usize, usize, usize, bool, bool); 42] = [
    ("square_64", 64, 64, 64, false, false),
    ("square_128", 128, 128, 128, false, false),
    ("square_256", 256, 256, 256, false, false),
    ("square_512", 512, 512, 512, false, false),
    ("square_1024", 1024, 1024, 1024, false, false),
    ("square_2048", 2048, 2048, 2048, false, false),
    ("mnist_forward", 128, 784, 512, false, false),
    ("mnist_kernel", 784, 128, 512, true, false),
    ("mnist_input", 128, 512, 784, false, true),
    ("imdb_forward", 512, 10000, 16, false, false),
    ("imdb_kernel", 10000, 512, 16, true, false),
    ("imdb_input", 512, 16, 10000, false, true),
    ("output_forward", 128, 512, 10, false, false),
    ("output_kernel", 512, 128, 10, true, false),
    ("output_input", 128, 10, 512, false, true),
    ("big_forward", 256, 4096, 4096, false, false),
    ("big_kernel", 4096, 256, 4096, true, false),
    ("big_input", 256, 4096, 4096, false, true),
    ("lstm_step", 128, 32, 128, false, false),
    ("transformer_qkv", 4096, 128, 128, false, false),
    ("transformer_up", 4096, 128, 512, false, false),
    ("transformer_kernel", 128, 4096, 512, true, false),
    ("attention", 128, 32, 128, false, true),
    ("conv_1_channel", 43264, 9, 32, false, false),
    ("conv_32_channels", 7744, 288, 64, false, false),
    ("conv_kernel", 288, 7744, 64, true, false),
    ("conv_kernel_small", 9, 43264, 32, true, false),
    ("one_row", 1, 784, 512, false, false),
    ("one_row_transposed", 1, 784, 512, false, true),
    ("one_row_big", 1, 4096, 4096, false, false),
    ("one_column", 4096, 4096, 1, false, false),
    ("rows_4", 4, 784, 512, false, false),
    ("rows_4_transposed", 4, 784, 512, false, true),
    ("rows_16", 16, 784, 512, false, false),
    ("rows_32", 32, 784, 512, false, false),
    ("imdb_small", 512, 16, 16, false, false),
    ("image_7", 49, 4608, 512, false, false),
    ("image_14", 196, 2304, 256, false, false),
    ("batch_8", 8, 4096, 4096, false, false),
    ("batch_16", 16, 1024, 4096, false, false),
    ("batch_32", 32, 2048, 2048, false, false),
    ("batch_64", 64, 2048, 2048, false, false),
];

/// The median time of a call in seconds, of several rounds.
fn time(mut call: impl FnMut()) -> f64 {
    call();
    let start = Instant::now();
    call();
    let once = start.elapsed().as_secs_f64().max(1e-7);
    let calls = (0.01 / once).ceil() as usize;
    let rounds = (0..15).map(|_| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_secs_f64() / calls as f64
    });
    let mut rounds: Vec<f64> = rounds.collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// Keeps all threads busy for two seconds: until then a machine may still be raising its clock, or
/// have both threads on one core.
fn warm_up(simd: Simd, threads: &Threads) {
    let gemm = Gemm::new(512, 512, 512);
    let (a, b) = (numbers(512 * 512), numbers(512 * 512));
    let mut c = zeros(512 * 512);
    let mut scratch = zeros(gemm.scratch::<f32>(simd, threads.count()));
    let (a, b) = (a.as_slice::<f32>(), b.as_slice::<f32>());
    let (c, scratch) = (c.as_mut_slice(), scratch.as_mut_slice());
    let start = Instant::now();
    while start.elapsed().as_secs() < 2 {
        gemm.run(simd, threads, a, b, c, scratch, None);
    }
}

/// Numbers where programs have them: at the start of a cache line.
fn numbers(len: usize) -> Storage {
    let numbers = (0..len).map(|i| (i * 7919 % 1000) as f32 * 0.001 - 0.5);
    Storage::from_slice(&numbers.collect::<Vec<_>>())
}

fn zeros(len: usize) -> Storage {
    Storage::from_slice(&vec![0.0_f32; len])
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let arguments: Vec<_> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let count = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(2);
    let simd =
        arguments.get(1).and_then(|a| Simd::from_name(a)).unwrap_or(Simd::detect());
    let name_part = arguments.get(2).map_or("", String::as_str);
    let threads = Threads::new(count);
    if !json {
        println!("{} on {count} threads", simd.name());
        println!("{:20} {:>20} {:>8} {:>8}", "case", "m x k x n", "deckle", "matrixm.");
    }
    warm_up(simd, &threads);
    for (name, m, k, n, transpose_a, transpose_b) in CASES {
        if !name.contains(name_part) {
            continue;
        }
        let gemm = Gemm::new(m, n, k).transpose_a(transpose_a).transpose_b(transpose_b);
        let (a, b) = (numbers(m * k), numbers(k * n));
        let (mut c, mut other) = (zeros(m * n), zeros(m * n));
        let mut scratch = zeros(gemm.scratch::<f32>(simd, count));
        let (a, b) = (a.as_slice::<f32>(), b.as_slice::<f32>());
        let (c, other) = (c.as_mut_slice::<f32>(), other.as_mut_slice::<f32>());
        let scratch = scratch.as_mut_slice();
        let ours = time(|| gemm.run(simd, &threads, a, b, c, scratch, None));
        let (a_row, a_column) = if transpose_a { (1, m) } else { (k, 1) };
        let (b_row, b_column) = if transpose_b { (1, k) } else { (n, 1) };
        let mut rival = || {
            let operands = ((a, (a_row, a_column)), (b, (b_row, b_column)));
            matrix_multiply((m, k, n), operands, other);
        };
        let rate = |seconds: f64| 2e-9 * (m * k * n) as f64 / seconds;
        let layout = |transposed| if transposed { 't' } else { 'n' };
        let shape = format!("{m}x{k}x{n}{}{}", layout(transpose_a), layout(transpose_b));
        if json {
            let gflops = rate(ours);
            println!("{{\"case\":\"{name}\",\"shape\":\"{shape}\",\"gflops\":{gflops}}}");
            rival();
        } else {
            let theirs = time(rival);
            println!("{name:20} {shape:>20} {:8.1} {:8.1}", rate(ours), rate(theirs));
        }
        let error = c.iter().zip(&*other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 1e-2, "{name}: the results differ by {error}");
    }
}

/// Elements, and their distances from row to row and from column to column.
type Operand<'a> = (&'a [f32], (usize, usize));

#[expect(unsafe_code, reason = "the rival takes pointers")]
fn matrix_multiply(
    (m, k, n): (usize, usize, usize),
    ((a, (a_row, a_column)), (b, (b_row, b_column))): (Operand<'_>, Operand<'_>),
    c: &mut [f32],
) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "whole matrices");
    let stride = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    // SAFETY: the slices hold the matrices, which have no gaps.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            stride(a_row),
            stride(a_column),
            b.as_ptr(),
            stride(b_row),
            stride(b_column),
            0.0,
            c.as_mut_ptr(),
            stride(n),
            1,
        );
    }
}
