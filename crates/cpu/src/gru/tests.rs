//! The loop of a GRU: threads, instruction sets, scratch memory. What it computes is compared
//! with its meaning where the layer is.

use deckle_tensor::random::Draw;

use super::*;

fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let draw = Draw::new(seed, 0, 0);
    (0..len).map(|i| T::from_f64(2.0 * draw.uniform(i as u64) - 1.0)).collect()
}

/// Sequence, last h, and the gradients by x, h, kernel and bias. What is not written is NaN.
fn run<T: Float>(
    [time, batch, units]: [usize; 3],
    extras: bool,
    simd: Simd,
    threads: usize,
) -> [Vec<T>; 6] {
    let gru = Gru::new(time, batch, units);
    let (steps, states) = (time * batch, batch * units);
    let nan = |len: usize| vec![T::from_f64(f64::NAN); len];
    let [x, h, kernel, bias] =
        [(3 * steps * units, 1), (states, 2), (3 * units * units, 3), (3 * units, 4)]
            .map(|(len, seed)| numbers::<T>(len, seed));
    let mask: Option<Vec<u8>> =
        extras.then(|| (0..steps).map(|i| u8::from(i % 3 != 1)).collect());
    let by_sequence: Option<Vec<T>> = extras.then(|| numbers(steps * units, 5));
    let threads = Threads::new(threads);
    let (mut sequence, mut last, mut gates) =
        (nan(steps * units), nan(states), nan(4 * steps * units));
    gru.forward(
        simd,
        &threads,
        &Forward { x: &x, h: &h, kernel: &kernel, bias: &bias, mask: mask.as_deref() },
        States { sequence: &mut sequence, h: &mut last, gates: &mut gates },
        &mut nan(gru.forward_scratch::<T>(simd, threads.count())),
    );
    let [mut dx, mut dh, mut dkernel, mut dbias] =
        [x.len(), h.len(), kernel.len(), bias.len()].map(nan);
    gru.backward(
        simd,
        &threads,
        &Backward {
            kernel: &kernel,
            h: &h,
            sequence: &sequence,
            gates: &gates,
            dh: &numbers::<T>(states, 6),
            by_sequence: by_sequence.as_deref(),
            mask: mask.as_deref(),
        },
        Gradients { dx: &mut dx, dh: &mut dh, dkernel: &mut dkernel, dbias: &mut dbias },
        &mut nan(gru.backward_scratch::<T>(simd, threads.count())),
    );
    [sequence, last, dx, dh, dkernel, dbias]
}

const SHAPES: [[usize; 3]; 8] = [
    [0, 2, 3],
    [3, 0, 2],
    [1, 1, 1],
    [4, 15, 5],
    [3, 29, 16],
    [2, 64, 17],
    [5, 7, 33],
    [2, 113, 3],
];

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for shape in SHAPES {
        for extras in [false, true] {
            let one = run::<f32>(shape, extras, Simd::detect(), 1);
            assert!(one.iter().flatten().all(|x| x.is_finite()), "{shape:?}");
            for threads in 2..5 {
                let many = run::<f32>(shape, extras, Simd::detect(), threads);
                let same = one
                    .iter()
                    .flatten()
                    .zip(many.iter().flatten())
                    .all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{shape:?} on {threads} threads");
            }
        }
    }
}

#[test]
fn all_instruction_sets_agree() {
    for shape in SHAPES {
        let exact = run::<f64>(shape, true, Simd::Portable, 1);
        for simd in [Simd::Avx512, Simd::Avx2, Simd::Portable] {
            let close = |found: &[f64], tolerance: f64| {
                for (i, (a, b)) in exact.iter().flatten().zip(found).enumerate() {
                    let error = (a - b).abs();
                    assert!(
                        error <= tolerance * (1.0 + a.abs()),
                        "{shape:?} {simd:?} {i}"
                    );
                }
            };
            let found = run::<f64>(shape, true, simd, 2);
            close(&found.concat(), 1e-12);
            let found = run::<f32>(shape, true, simd, 2).concat();
            close(&found.into_iter().map(f64::from).collect::<Vec<_>>(), 1e-4);
        }
    }
}
