//! Convolutions of image models, in GFLOP/s: forward, to the input, to the kernel; and GB/s, if
//! each element of the three tensors is moved once.
//!
//! `cargo bench -p deckle-cpu --bench conv -- [threads] [simd] [name]`
#![expect(clippy::print_stdout, reason = "a table of results")]

use std::time::Instant;

use deckle_cpu::{Simd, Threads, conv::Conv};
use deckle_tensor::{Convolution, Storage};

/// Name, x, kernel, stride, padding on each side, groups.
type Case = (&'static str, [usize; 4], [usize; 4], usize, usize, usize);

const CASES: [Case; 18] = [
    ("mnist_1", [64, 28, 28, 1], [3, 3, 1, 32], 1, 0, 1),
    ("mnist_2", [64, 13, 13, 32], [3, 3, 32, 64], 1, 0, 1),
    ("mnist_3", [64, 5, 5, 64], [3, 3, 64, 64], 1, 0, 1),
    ("cifar_16", [64, 32, 32, 16], [3, 3, 16, 16], 1, 1, 1),
    ("cifar_32", [64, 16, 16, 32], [3, 3, 32, 32], 1, 1, 1),
    ("cifar_64", [64, 8, 8, 64], [3, 3, 64, 64], 1, 1, 1),
    ("cifar_stride", [64, 32, 32, 16], [3, 3, 16, 32], 2, 1, 1),
    ("vgg_64", [8, 112, 112, 64], [3, 3, 64, 64], 1, 1, 1),
    ("pointwise_256", [8, 28, 28, 256], [1, 1, 256, 64], 1, 0, 1),
    ("groups_4", [32, 28, 28, 32], [3, 3, 8, 32], 1, 0, 4),
    ("groups_16", [32, 28, 28, 64], [3, 3, 4, 64], 1, 1, 16),
    ("depthwise_3", [32, 64, 64, 3], [3, 3, 1, 3], 1, 1, 3),
    ("depthwise_32", [32, 28, 28, 32], [3, 3, 1, 32], 1, 0, 32),
    ("depthwise_33", [32, 28, 28, 33], [3, 3, 1, 33], 1, 0, 33),
    ("depthwise_64", [8, 56, 56, 64], [3, 3, 1, 64], 1, 1, 64),
    ("depthwise_256", [32, 14, 14, 256], [3, 3, 1, 256], 1, 1, 256),
    ("depthwise_32_x2", [32, 28, 28, 32], [3, 3, 1, 64], 1, 1, 32),
    ("depthwise_64_s2", [8, 56, 56, 64], [3, 3, 1, 64], 2, 1, 64),
];

/// The least time of a call in seconds, of several rounds.
fn time(mut call: impl FnMut()) -> f64 {
    let rounds = (0..15).map(|_| {
        let start = Instant::now();
        call();
        start.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let count = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(2);
    let simd =
        arguments.get(1).and_then(|a| Simd::from_name(a)).unwrap_or(Simd::detect());
    let name_part = arguments.get(2).map_or("", String::as_str);
    let threads = Threads::new(count);
    println!("{} on {count} threads", simd.name());
    let head = ["forward", "input", "kernel"].map(|name| format!("{name:>8}"));
    println!("{:16} {}    GB/s: {}", "case", head.join(" "), head.join(" "));
    for (name, x_shape, kernel_shape, stride, padding, groups) in CASES {
        if !name.contains(name_part) {
            continue;
        }
        let settings = Convolution {
            strides: vec![stride; 2],
            padding: vec![(padding, padding); 2],
            dilation: vec![1; 2],
            groups,
        };
        let conv = Conv::new(&settings, &x_shape, &kernel_shape);
        let side = |axis: usize| {
            (x_shape[axis] + 2 * padding - kernel_shape[axis - 1]) / stride + 1
        };
        // Where programs have them: at the start of a cache line.
        let numbers = |len: usize| {
            let numbers = (0..len).map(|i| (i * 7919 % 1000) as f32 * 0.001 - 0.5);
            Storage::from_slice(&numbers.collect::<Vec<_>>())
        };
        let places = x_shape[0] * side(1) * side(2);
        let mut x = numbers(x_shape.iter().product());
        let mut kernel = numbers(kernel_shape.iter().product());
        let mut y = numbers(places * kernel_shape[3]);
        let len = conv
            .forward_scratch::<f32>(simd, count)
            .max(conv.to_input_scratch::<f32>(simd, count))
            .max(conv.to_kernel_scratch::<f32>(simd, count));
        let mut scratch = Storage::from_slice(&vec![0.0_f32; len]);
        let (x, kernel) = (x.as_mut_slice::<f32>(), kernel.as_mut_slice::<f32>());
        let (y, scratch) = (y.as_mut_slice::<f32>(), scratch.as_mut_slice::<f32>());
        let work = 2e-9 * (places * kernel.len()) as f64;
        let forward = time(|| {
            conv.forward(simd, &threads, x, kernel, y, scratch, None);
        });
        let input = time(|| {
            conv.to_input(simd, &threads, y, kernel, x, scratch, None);
        });
        let to_kernel = time(|| conv.to_kernel(simd, &threads, x, y, kernel, scratch));
        let bytes = 4e-9 * (x.len() + y.len() + kernel.len()) as f64;
        let text = |of: f64| {
            let rates = [forward, input, to_kernel].map(|t| format!("{:8.1}", of / t));
            rates.join(" ")
        };
        println!("{name:16} {}          {}", text(work), text(bytes));
    }
}
