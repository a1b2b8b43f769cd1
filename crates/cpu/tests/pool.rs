//! Poolings against naive loops.

use deckle_cpu::{Simd, Threads, pool::Pooling, simd::Float};
use deckle_tensor::{Pool, random::Draw};

/// The places of the cells of each window that lie inside, in row-major order.
fn windows(pool: &Pool, x: &[usize], y: &[usize]) -> Vec<Vec<usize>> {
    let rank = pool.window.len();
    let count: usize = y[..=rank].iter().product();
    let cells: usize = pool.window.iter().product();
    let place = |window: usize, cell: usize| {
        let (mut window, mut cell, mut at, mut step) = (window, cell, 0, 1);
        for axis in (0..rank).rev() {
            let s = window % y[axis + 1] * pool.strides[axis] + cell % pool.window[axis];
            let s = s.checked_sub(pool.padding[axis].0).filter(|&s| s < x[axis + 1])?;
            at += s * step;
            step *= x[axis + 1];
            window /= y[axis + 1];
            cell /= pool.window[axis];
        }
        Some(at + window * step)
    };
    (0..count).map(|w| (0..cells).filter_map(|cell| place(w, cell)).collect()).collect()
}

#[track_caller]
fn same<T: Float>(what: &str, found: &[T], expected: &[f64]) {
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = found.to_f64();
        let fine = (found - expected).abs() <= 1e-6 * (1.0 + expected.abs())
            || found.is_nan() && expected.is_nan()
            || found.is_infinite()
                && found.is_sign_negative() == expected.is_sign_negative();
        assert!(fine, "{what}[{i}] is {found}, not {expected}");
    }
}

fn check<T: Float>(simd: Simd, threads: &Threads, pool: &Pool, x_shape: &[usize]) {
    let rank = pool.window.len();
    let mut y_shape = x_shape.to_vec();
    for axis in 0..rank {
        let (low, high) = pool.padding[axis];
        let rest = (x_shape[axis + 1] + low + high).checked_sub(pool.window[axis]);
        y_shape[axis + 1] = rest.map_or(0, |rest| rest / pool.strides[axis] + 1);
    }
    let [x_len, y_len] = [x_shape, &y_shape].map(|shape| shape.iter().product::<usize>());
    let channels = x_shape[rank + 1];
    let draw = Draw::new(7, 0, 0);
    // Few values, so that there are equal ones; some NaN, some -∞.
    let number = |i: usize| match draw.below(i as u64, 12) {
        0 => f64::NAN,
        1 => f64::NEG_INFINITY,
        n => n as f64 - 6.0,
    };
    let x: Vec<f64> = (0..x_len).map(number).collect();
    let values: Vec<f64> = (0..x_len).map(|i| i as f64 / 64.0).collect();
    let dy: Vec<f64> = (0..y_len).map(|i| draw.uniform(i as u64)).collect();
    let mut max = vec![f64::NEG_INFINITY; y_len];
    let (mut gather, mut average) = (vec![0.0; y_len], vec![0.0; y_len]);
    let (mut scatter, mut to_input) = (vec![0.0; x_len], vec![0.0; x_len]);
    for (window, places) in windows(pool, x_shape, &y_shape).iter().enumerate() {
        for channel in 0..channels {
            let y = window * channels + channel;
            let at = |place: usize| place * channels + channel;
            let mut best: Option<usize> = None;
            for &place in places {
                let (new, old) = (x[at(place)], best.map(|best| x[at(best)]));
                if old.is_none_or(|old| new > old || new.is_nan() && !old.is_nan()) {
                    best = Some(place);
                }
                average[y] += values[at(place)] / places.len() as f64;
                to_input[at(place)] += dy[y] / places.len() as f64;
            }
            if let Some(best) = best {
                max[y] = x[at(best)];
                gather[y] = values[at(best)];
                scatter[at(best)] += dy[y];
            }
        }
    }
    let convert =
        |values: &[f64]| values.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let [x, values, dy] = [&x, &values, &dy].map(|values| convert(values));
    let pooling = Pooling::new(pool, x_shape);
    let nan = T::from_f64(f64::NAN);
    let (mut y, mut dx) = (vec![nan; y_len], vec![nan; x_len]);
    pooling.max(simd, threads, &x, &mut y);
    same("max", &y, &max);
    pooling.max_gather(simd, threads, &x, &values, &mut y);
    same("gather", &y, &gather);
    pooling.average(simd, threads, &values, &mut y);
    same("average", &y, &average);
    pooling.max_scatter(simd, threads, &x, &dy, &mut dx);
    same("scatter", &dx, &scatter);
    pooling.average_to_input(simd, threads, &dy, &mut dx);
    same("to_input", &dx, &to_input);
}

#[test]
fn poolings_agree_with_the_definition() {
    type Case<'a> = (&'a [usize], &'a [usize], &'a [usize], &'a [(usize, usize)]);
    let cases: [Case<'_>; 16] = [
        (&[2, 6, 3], &[2], &[2], &[(0, 0)]),
        (&[2, 7, 6, 5], &[3, 2], &[2, 1], &[(1, 1), (0, 1)]),
        (&[1, 5, 4, 3, 2], &[2, 2, 2], &[1, 2, 1], &[(0, 1), (1, 0), (0, 0)]),
        (&[3, 4, 4, 300], &[2, 2], &[2, 2], &[(0, 0), (0, 0)]),
        (&[2, 7, 9, 20], &[2, 3], &[2, 4], &[(0, 1), (1, 0)]),
        (&[2, 6, 6, 17], &[3, 2], &[3, 2], &[(0, 0), (0, 0)]),
        // Cells of no window; vectors of 8, 4, 2 and 1 channels.
        (&[2, 7, 5, 8], &[2, 2], &[2, 2], &[(0, 0), (0, 0)]),
        (&[1, 5, 6, 31], &[2, 3], &[2, 3], &[(0, 1), (0, 0)]),
        (&[1, 40, 16], &[35], &[35], &[(0, 0)]),
        (&[2, 9, 8, 20], &[7, 7], &[2, 1], &[(3, 3), (1, 2)]),
        (&[1, 9, 8, 33], &[8, 8], &[1, 1], &[(0, 0), (0, 0)]),
        (&[2, 3, 2], &[2], &[1], &[(4, 4)]),
        (&[2, 3, 2], &[5], &[1], &[(0, 0)]),
        (&[0, 3, 2], &[2], &[1], &[(0, 0)]),
        (&[2, 3, 0], &[2], &[1], &[(0, 0)]),
        (&[2, 0, 2], &[2], &[1], &[(2, 1)]),
    ];
    let threads = [1, 3].map(Threads::new);
    for simd in Simd::available() {
        for threads in &threads {
            for (x, window, strides, padding) in cases {
                let pool = Pool {
                    window: window.to_vec(),
                    strides: strides.to_vec(),
                    padding: padding.to_vec(),
                };
                check::<f32>(simd, threads, &pool, x);
                check::<f64>(simd, threads, &pool, x);
            }
        }
    }
}
