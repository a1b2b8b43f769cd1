//! Attention: formulas, threads, instruction sets, scratch memory.

use deckle_cpu::{
    Simd, Threads,
    attention::{Attention, Given, Gradients, Mask},
    simd::Float,
};
use deckle_tensor::random::Draw;

fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let draw = Draw::new(seed, 0, 0);
    (0..len).map(|i| T::from_f64(2.0 * draw.uniform(i as u64) - 1.0)).collect()
}

fn attention([batch, heads, queries, keys, features, values]: [usize; 6]) -> Attention {
    Attention { batch, heads, queries, keys, features, values }
}

/// Found, shares, and the gradients by query, key and value. What is not written is NaN.
fn run<T: Float>(
    sizes: [usize; 6],
    mask: Option<[usize; 4]>,
    simd: Simd,
    threads: usize,
) -> [Vec<T>; 5] {
    let attention = attention(sizes);
    let Attention { queries, keys, features, values, .. } = attention;
    let each = attention.batch * attention.heads;
    let threads = Threads::new(threads);
    let nan = |len: usize| vec![T::from_f64(f64::NAN); len];
    let query: Vec<T> = numbers(each * queries * features, 1);
    let key: Vec<T> = numbers(each * keys * features, 2);
    let value: Vec<T> = numbers(each * keys * values, 3);
    let flags: Vec<u8> =
        (0..each * queries * keys).map(|i| u8::from(i % 3 != 1)).collect();
    let mask = mask.map(|strides| Mask { flags: &flags, strides });
    let given = Given { query: &query, key: &key, value: &value, mask };
    let (mut found, mut shares) =
        (nan(each * queries * values), nan(each * queries * keys));
    let len = attention.forward_scratch::<T>(simd, threads.count());
    attention.forward(simd, &threads, &given, [&mut found, &mut shares], &mut nan(len));
    let dy: Vec<T> = numbers(found.len(), 4);
    let [mut dquery, mut dkey, mut dvalue] =
        [query.len(), key.len(), value.len()].map(nan);
    let to = Gradients { query: &mut dquery, key: &mut dkey, value: &mut dvalue };
    let len = attention.backward_scratch::<T>(simd, threads.count());
    attention.backward(simd, &threads, &given, [&shares, &dy], to, &mut nan(len));
    [found, shares, dquery, dkey, dvalue]
}

/// No elements, one, odd numbers, several blocks, a last one that is shorter.
const SIZES: [[usize; 6]; 10] = [
    [1, 1, 1, 1, 1, 1],
    [2, 3, 5, 7, 3, 2],
    [1, 2, 17, 33, 16, 5],
    [2, 1, 70, 300, 4, 3],
    [1, 16, 37, 1000, 64, 32],
    [0, 2, 3, 3, 2, 2],
    [2, 2, 0, 3, 2, 2],
    [2, 2, 3, 0, 2, 2],
    [2, 2, 3, 4, 0, 2],
    [2, 2, 3, 4, 2, 0],
];

/// None, all different, the same for all queries, for all heads, and for all keys.
fn masks([_, heads, queries, keys, ..]: [usize; 6]) -> [Option<[usize; 4]>; 5] {
    [
        None,
        Some([heads * queries * keys, queries * keys, keys, 1]),
        Some([keys, 0, 0, 1]),
        Some([0, 0, keys, 1]),
        Some([queries, 0, 1, 0]),
    ]
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for sizes in SIZES {
        for mask in masks(sizes) {
            let one = run::<f32>(sizes, mask, Simd::detect(), 1).concat();
            assert!(one.iter().all(|x| x.is_finite()), "{sizes:?} {mask:?}");
            for threads in 2..4 {
                let many = run::<f32>(sizes, mask, Simd::detect(), threads).concat();
                let same = one.iter().zip(&many).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{sizes:?} {mask:?} on {threads} threads");
            }
        }
    }
}

#[test]
fn all_instruction_sets_agree() {
    for sizes in SIZES {
        for mask in masks(sizes) {
            let exact = run::<f64>(sizes, mask, Simd::Portable, 1).concat();
            for simd in Simd::available() {
                let close = |found: &[f64], tolerance: f64| {
                    for (i, (a, b)) in exact.iter().zip(found).enumerate() {
                        let error = (a - b).abs();
                        assert!(
                            error <= tolerance * (1.0 + a.abs()),
                            "{sizes:?} {simd:?} {i}"
                        );
                    }
                };
                close(&run::<f64>(sizes, mask, simd, 2).concat(), 1e-12);
                let found = run::<f32>(sizes, mask, simd, 2).concat();
                close(&found.into_iter().map(f64::from).collect::<Vec<_>>(), 1e-4);
            }
        }
    }
}

/// One head, by the formulas, with every third key masked for each query.
#[test]
fn what_is_found_is_the_shares_of_the_values() {
    let (queries, keys, features, values) = (5, 7, 3, 2);
    let sizes = [1, 1, queries, keys, features, values];
    let mask = Some([0, 0, keys, 1]);
    let [found, shares, ..] = run::<f64>(sizes, mask, Simd::detect(), 1);
    let (q, k, v) = (
        numbers::<f64>(queries * features, 1),
        numbers::<f64>(keys * features, 2),
        numbers::<f64>(keys * values, 3),
    );
    for i in 0..queries {
        let score = |j: usize| {
            let products =
                (0..features).map(|d| q[i * features + d] * k[j * features + d]);
            let sum: f64 = products.sum();
            if (i * keys + j) % 3 == 1 { 0.0 } else { sum.exp() }
        };
        let total: f64 = (0..keys).map(score).sum();
        for j in 0..keys {
            assert!((shares[i * keys + j] - score(j) / total).abs() < 1e-14);
        }
        for e in 0..values {
            let expected = (0..keys).map(|j| score(j) / total * v[j * values + e]);
            assert!((found[i * values + e] - expected.sum::<f64>()).abs() < 1e-14);
        }
    }
}

/// A query that may look at nothing looks at all, and learns nothing of the scores.
#[test]
fn a_query_that_may_look_at_nothing_gets_the_mean() {
    let sizes = [1, 1, 2, 4, 3, 1];
    let attention = attention(sizes);
    let (query, key, value) =
        (numbers::<f64>(6, 1), numbers::<f64>(12, 2), [1.0, 2.0, 3.0, 6.0]);
    let flags = [0, 0, 0, 0, 1, 1, 1, 1];
    let mask = Some(Mask { flags: &flags, strides: [0, 0, 4, 1] });
    let given = Given { query: &query, key: &key, value: &value, mask };
    let (simd, threads) = (Simd::detect(), Threads::new(1));
    let (mut found, mut shares) = ([0.0; 2], [0.0; 8]);
    let mut scratch = vec![0.0; attention.forward_scratch::<f64>(simd, 1)];
    attention.forward(simd, &threads, &given, [&mut found, &mut shares], &mut scratch);
    assert!((found[0] - 3.0).abs() < 1e-14 && (found[1] - 3.0).abs() > 1e-3);
    let (mut dquery, mut dkey, mut dvalue) = ([0.0; 6], [0.0; 12], [0.0; 4]);
    let to = Gradients { query: &mut dquery, key: &mut dkey, value: &mut dvalue };
    let mut scratch = vec![0.0; attention.backward_scratch::<f64>(simd, 1)];
    attention.backward(simd, &threads, &given, [&shares, &[1.0, 0.0]], to, &mut scratch);
    assert!(dquery.iter().chain(&dkey).all(|dx| dx.abs() < 1e-14));
    assert!(dvalue.iter().all(|dx| (dx - 0.25).abs() < 1e-14));
}
