//! Convolutions against naive loops.

use deckle_cpu::{Simd, Threads, conv::Conv, simd::Float};
use deckle_tensor::{Convolution, random::Draw};

struct Case {
    settings: Convolution,
    x: Vec<usize>,
    kernel: Vec<usize>,
}

fn case(
    x: &[usize],
    kernel: &[usize],
    strides: &[usize],
    padding: &[(usize, usize)],
    dilation: &[usize],
    groups: usize,
) -> Case {
    let settings = Convolution {
        strides: strides.to_vec(),
        padding: padding.to_vec(),
        dilation: dilation.to_vec(),
        groups,
    };
    Case { settings, x: x.to_vec(), kernel: kernel.to_vec() }
}

fn cases() -> Vec<Case> {
    vec![
        case(&[2, 7, 3], &[3, 3, 5], &[1], &[(1, 1)], &[1], 1),
        case(&[3, 11, 4], &[4, 4, 6], &[3], &[(2, 0)], &[2], 1),
        case(&[2, 5, 6, 3], &[3, 2, 3, 4], &[1, 1], &[(1, 1), (0, 1)], &[1, 1], 1),
        case(&[2, 9, 8, 4], &[3, 3, 2, 6], &[2, 1], &[(1, 1), (0, 2)], &[1, 2], 2),
        case(&[1, 6, 7, 5], &[1, 1, 5, 7], &[1, 1], &[(0, 0), (0, 0)], &[1, 1], 1),
        case(&[2, 6, 7, 5], &[1, 1, 5, 7], &[2, 3], &[(0, 0), (0, 0)], &[1, 1], 1),
        case(&[2, 8, 7, 6], &[3, 3, 1, 6], &[1, 2], &[(1, 1), (1, 1)], &[1, 1], 6),
        case(&[2, 6, 5, 3], &[2, 3, 1, 9], &[2, 1], &[(0, 1), (1, 1)], &[1, 1], 3),
        case(
            &[1, 4, 5, 3, 2],
            &[2, 2, 3, 2, 3],
            &[1, 2, 1],
            &[(1, 0), (0, 1), (1, 1)],
            &[1; 3],
            1,
        ),
        case(&[4, 30, 29, 1], &[3, 3, 1, 32], &[1, 1], &[(0, 0), (0, 0)], &[1, 1], 1),
        case(&[5, 20, 19, 16], &[3, 3, 16, 40], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 1),
        case(&[2, 20, 19, 16], &[5, 5, 16, 17], &[2, 2], &[(1, 2), (2, 1)], &[1, 1], 1),
        // Batches that make tiles across images, and ones that do not; half vectors.
        case(&[9, 6, 6, 16], &[3, 3, 16, 24], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 1),
        case(&[17, 5, 4, 3], &[3, 3, 3, 16], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 1),
        case(&[1, 9, 24, 8], &[3, 3, 8, 8], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 1),
        case(&[6, 7, 7, 8], &[3, 3, 8, 48], &[2, 2], &[(0, 1), (0, 1)], &[1, 1], 1),
        case(&[5, 8, 8, 4], &[1, 1, 4, 8], &[2, 2], &[(0, 0), (0, 0)], &[1, 1], 1),
        case(&[4, 60, 16], &[7, 16, 32], &[1], &[(0, 0)], &[1], 1),
        case(&[2, 40, 16], &[7, 8, 32], &[1], &[(12, 0)], &[2], 2),
        // Longer sums, and more cells, than are added up at a time.
        case(&[2, 4, 5, 130], &[3, 3, 130, 5], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 1),
        case(&[2, 20, 19, 2], &[9, 9, 2, 70], &[1, 1], &[(8, 8), (0, 1)], &[2, 2], 1),
        // More padding than window, windows that see nothing, and strides beyond the window.
        case(&[1, 3, 2], &[2, 2, 3], &[1], &[(4, 5)], &[1], 1),
        case(&[2, 9, 2], &[2, 2, 3], &[4], &[(0, 0)], &[1], 1),
        // One channel per group: parts of vectors, several windows in a vector, batches that
        // make tiles across images, strides, dilation, one and three axes.
        case(&[2, 9, 8, 37], &[3, 3, 1, 37], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 37),
        case(&[5, 7, 7, 33], &[3, 3, 1, 33], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 33),
        case(&[2, 12, 40, 3], &[3, 3, 1, 3], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 3),
        case(&[4, 11, 23, 12], &[5, 5, 1, 12], &[2, 2], &[(1, 2), (2, 1)], &[1, 1], 12),
        case(&[1, 13, 31, 64], &[3, 3, 1, 64], &[1, 1], &[(2, 2), (0, 0)], &[2, 2], 64),
        case(&[3, 50, 7], &[4, 1, 7], &[1], &[(3, 0)], &[1], 7),
        case(&[1, 4, 5, 6, 5], &[2, 3, 2, 1, 5], &[1, 2, 1], &[(1, 1); 3], &[1; 3], 5),
        // Several filters for a channel, more than a tile has, and as many as lanes.
        case(&[2, 9, 8, 20], &[3, 3, 1, 40], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 20),
        case(&[4, 6, 17, 3], &[3, 3, 1, 15], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 3),
        case(&[2, 5, 6, 2], &[3, 3, 1, 80], &[1, 1], &[(1, 1), (1, 1)], &[1, 1], 2),
        case(&[2, 7, 6, 5], &[2, 2, 1, 80], &[2, 2], &[(0, 1), (0, 1)], &[1, 1], 5),
        case(&[1, 90, 2], &[70, 1, 4], &[1], &[(3, 3)], &[1], 2),
        case(&[2, 12, 11, 4], &[9, 9, 1, 4], &[1, 1], &[(8, 8), (4, 4)], &[1, 1], 4),
        // Few channels per group: several groups in a vector, and several windows.
        case(&[2, 9, 8, 32], &[3, 3, 8, 32], &[1, 1], &[(1, 1), (0, 0)], &[1, 1], 4),
        // Half vectors, two groups at once, and one that is left.
        case(&[2, 9, 8, 24], &[3, 3, 8, 24], &[1, 1], &[(1, 1), (0, 0)], &[1, 1], 3),
        case(&[5, 6, 7, 20], &[2, 3, 4, 20], &[2, 1], &[(1, 1), (0, 2)], &[1, 1], 5),
        case(&[2, 9, 8, 36], &[3, 3, 18, 48], &[1, 1], &[(1, 1), (0, 0)], &[1, 1], 2),
        // Quarters of vectors, four groups at once, and some that are left.
        case(&[2, 9, 8, 36], &[3, 3, 4, 36], &[1, 1], &[(1, 1), (0, 0)], &[1, 1], 9),
        case(&[5, 6, 7, 28], &[2, 3, 4, 28], &[2, 1], &[(0, 1), (1, 1)], &[1, 1], 7),
        case(&[2, 5, 9, 40], &[3, 2, 8, 20], &[1, 2], &[(1, 1), (1, 0)], &[1, 1], 5),
        case(&[3, 7, 6, 20], &[3, 3, 4, 10], &[1, 1], &[(1, 1), (1, 1)], &[1, 2], 5),
        case(&[4, 7, 9, 24], &[3, 3, 4, 18], &[1, 2], &[(1, 1), (1, 1)], &[1, 1], 6),
        case(&[2, 6, 19, 6], &[2, 3, 3, 4], &[1, 1], &[(0, 1), (1, 1)], &[2, 1], 2),
        case(&[2, 7, 7, 20], &[3, 3, 4, 5], &[2, 2], &[(1, 1), (1, 1)], &[1, 1], 5),
        case(&[3, 21, 12], &[11, 2, 24], &[1], &[(5, 5)], &[1], 6),
        // Lines and windows that are longer than what is spread together, and more of it.
        case(&[2, 80, 12], &[22, 1, 24], &[1], &[(20, 3)], &[1], 12),
        case(&[2, 90, 12], &[19, 2, 12], &[2], &[(3, 9)], &[3], 6),
        case(&[1, 14, 40, 16], &[11, 11, 2, 24], &[1, 1], &[(5, 5), (5, 5)], &[1, 1], 8),
        // Nothing in it.
        case(&[0, 5, 2], &[2, 2, 3], &[1], &[(0, 0)], &[1], 1),
        case(&[2, 5, 2], &[2, 2, 0], &[1], &[(0, 0)], &[1], 1),
        case(&[2, 5, 0], &[2, 0, 3], &[1], &[(0, 0)], &[1], 1),
        case(&[2, 0, 2], &[2, 2, 3], &[1], &[(2, 1)], &[1], 1),
        case(&[2, 3, 2], &[5, 2, 3], &[1], &[(0, 0)], &[1], 1),
    ]
}

/// Cases of all kinds, drawn from a seed.
fn random_cases() -> Vec<Case> {
    let draw = Draw::new(7, 0, 0);
    let mut drawn = 0;
    let mut below = |end: usize| {
        drawn += 1;
        (draw.uniform(drawn) * end as f64) as usize
    };
    let mut made = |depthwise: bool| {
        let rank = 1 + below(3);
        let most = [0, 14, 8, 5][rank];
        let (groups, channels, filters) = if depthwise {
            let groups = [2, 3, 5, 8, 16, 17, 33, 64][below(8)];
            (groups, groups, groups * [1, 1, 1, 1, 2, 3, 4, 17][below(8)])
        } else {
            let groups = [1, 1, 1, 2, 3][below(5)];
            let channels = groups * [1, 2, 3, 5, 8, 19][below(6)];
            (groups, channels, groups * [1, 3, 4, 7, 8, 16, 24, 33][below(8)])
        };
        let (mut x, mut kernel) = (vec![[1, 2, 3, 5, 8, 11][below(6)]], Vec::new());
        let (mut strides, mut padding, mut dilation) = (vec![], vec![], vec![]);
        for _ in 0..rank {
            x.push(1 + below(most));
            kernel.push(1 + below(4));
            strides.push(1 + below(3));
            padding.push((below(3), below(3)));
            dilation.push(1 + below(2));
        }
        x.push(channels);
        kernel.extend([channels / groups, filters]);
        case(&x, &kernel, &strides, &padding, &dilation, groups)
    };
    (0..100).map(|i| made(i >= 60)).collect()
}

fn numbers<T: Float>(len: usize, seed: u64) -> Vec<T> {
    let draw = Draw::new(seed, 0, 0);
    (0..len).map(|i| T::from_f64(2.0 * draw.uniform(i as u64) - 1.0)).collect()
}

/// Every product of the sums: places in y, in x and in the kernel.
fn products(case: &Case, y: &[usize]) -> Vec<[usize; 3]> {
    let Case { settings, x, kernel } = case;
    let rank = settings.strides.len();
    let (channels, filters) = (x[rank + 1], y[rank + 1]);
    let (per_group, out_per_group) = (kernel[rank], filters / settings.groups);
    let mut found = Vec::new();
    let places: usize = y[..=rank].iter().product();
    let cells: usize = kernel[..rank].iter().product();
    for place in 0..places {
        'cells: for cell in 0..cells {
            let (mut place_rest, mut cell_rest) = (place, cell);
            let (mut at, mut step) = (0, 1);
            for axis in (0..rank).rev() {
                let p = place_rest % y[axis + 1];
                let k = cell_rest % kernel[axis];
                place_rest /= y[axis + 1];
                cell_rest /= kernel[axis];
                let s = p * settings.strides[axis] + k * settings.dilation[axis];
                let Some(s) = s.checked_sub(settings.padding[axis].0) else {
                    continue 'cells;
                };
                if s >= x[axis + 1] {
                    continue 'cells;
                }
                at += s * step;
                step *= x[axis + 1];
            }
            at += place_rest * step;
            for filter in 0..filters {
                let group = filter / out_per_group;
                for channel in 0..per_group {
                    found.push([
                        place * filters + filter,
                        at * channels + group * per_group + channel,
                        (cell * per_group + channel) * filters + filter,
                    ]);
                }
            }
        }
    }
    found
}

fn result_shape(case: &Case) -> Vec<usize> {
    let Case { settings, x, kernel } = case;
    let rank = settings.strides.len();
    let axis = |axis: usize| {
        let (low, high) = settings.padding[axis];
        let reach = (kernel[axis] - 1) * settings.dilation[axis] + 1;
        let rest = (x[axis + 1] + low + high).checked_sub(reach);
        rest.map_or(0, |rest| rest / settings.strides[axis] + 1)
    };
    let mut shape = vec![x[0]];
    shape.extend((0..rank).map(axis));
    shape.push(kernel[rank + 1]);
    shape
}

#[track_caller]
fn close<T: Float>(
    case: &Case,
    what: &str,
    found: &[T],
    expected: &[[f64; 3]],
    epsilon: f64,
) {
    for (i, (found, [expected, size, terms])) in found.iter().zip(expected).enumerate() {
        let error = (found.to_f64() - expected).abs();
        // The roundings of a sum, one after the other, are a random walk.
        assert!(
            error <= (2.0 + terms.sqrt() / 8.0) * epsilon * (1.0 + size),
            "{what}[{i}] of {:?} {:?} {:?} is {found:?}, not {expected}",
            case.settings,
            case.x,
            case.kernel
        );
    }
}

fn check<T: Float>(simd: Simd, threads: &[Threads], case: &Case, epsilon: f64) {
    let y_shape = result_shape(case);
    let len = |shape: &[usize]| shape.iter().product::<usize>();
    let (x, kernel) = (numbers::<T>(len(&case.x), 1), numbers::<T>(len(&case.kernel), 2));
    let dy = numbers::<T>(len(&y_shape), 3);
    // Each sum, that of its terms' sizes, and their number.
    let mut expected = [dy.len(), x.len(), kernel.len()].map(|len| vec![[0.0; 3]; len]);
    for [i, j, k] in products(case, &y_shape) {
        let mut add = |tensor: usize, at: usize, a: T, b: T| {
            let term = a.to_f64() * b.to_f64();
            expected[tensor][at][0] += term;
            expected[tensor][at][1] += term.abs();
            expected[tensor][at][2] += 1.0;
        };
        add(0, i, x[j], kernel[k]);
        add(1, j, dy[i], kernel[k]);
        add(2, k, x[j], dy[i]);
    }
    for results in &mut expected[..2] {
        for (i, y) in results.iter_mut().enumerate() {
            *y = [y[0] + i as f64 / 64.0, y[1] + i as f64 / 64.0, y[2]];
        }
    }
    let conv = Conv::new(&case.settings, &case.x, &case.kernel);
    let nan = T::from_f64(f64::NAN);
    let mut first: Option<[Vec<T>; 3]> = None;
    for threads in threads {
        let count = threads.count();
        // Adds each element's number.
        let number = |columns: usize| {
            move |row: usize, column: usize, part: &mut [T]| {
                for (i, y) in part.iter_mut().enumerate() {
                    *y += T::from_f64((row * columns + column + i) as f64 / 64.0);
                }
            }
        };
        let last = |shape: &[usize]| shape[shape.len() - 1];
        let (of_y, of_x) = (number(last(&y_shape)), number(last(&case.x)));
        let mut results =
            [vec![nan; dy.len()], vec![nan; x.len()], vec![nan; kernel.len()]];
        let [y, dx, dkernel] = &mut results;
        let mut scratch = vec![nan; conv.forward_scratch::<T>(simd, count)];
        conv.forward(simd, threads, &x, &kernel, y, &mut scratch, Some(&of_y));
        let mut scratch = vec![nan; conv.to_input_scratch::<T>(simd, count)];
        conv.to_input(simd, threads, &dy, &kernel, dx, &mut scratch, Some(&of_x));
        let mut scratch = vec![nan; conv.to_kernel_scratch::<T>(simd, count)];
        conv.to_kernel(simd, threads, &x, &dy, dkernel, &mut scratch);
        if let Some(first) = &first {
            assert!(*first == results, "{:?} differs on {count} threads", case.settings);
        } else {
            for ((what, found), expected) in
                ["y", "dx", "dkernel"].iter().zip(&results).zip(&expected)
            {
                close(case, what, found, expected, epsilon);
            }
            first = Some(results);
        }
    }
}

#[test]
fn convolutions_agree_with_the_definition_on_any_number_of_threads() {
    let threads = [1, 2, 3].map(Threads::new);
    for simd in Simd::available() {
        for case in cases().into_iter().chain(random_cases()) {
            check::<f32>(simd, &threads, &case, f64::from(f32::EPSILON));
            check::<f64>(simd, &threads, &case, f64::EPSILON);
        }
    }
}

/// Many channels have ways of their own; few, whose results are known to be right, have not.
#[test]
fn convolutions_of_many_channels_are_those_of_their_parts() {
    let wide = [
        case(&[3, 11, 10, 200], &[3, 3, 200, 193], &[1; 2], &[(1, 1); 2], &[1; 2], 1),
        case(
            &[2, 31, 20, 193],
            &[2, 3, 193, 192],
            &[2, 1],
            &[(0, 1), (2, 3)],
            &[1, 2],
            1,
        ),
        // Several blocks in a slice, and two groups.
        case(&[1, 520, 192], &[17, 192, 210], &[1], &[(16, 0)], &[1], 1),
        case(&[2, 150, 384], &[2, 192, 400], &[1], &[(1, 0)], &[1], 2),
        // More filters than a task has; blocks that see nothing, three axes, one cell.
        case(&[1, 300, 192], &[2, 192, 530], &[1], &[(300, 0)], &[1], 1),
        case(&[2, 4, 7, 6, 192], &[1, 2, 2, 192, 192], &[1; 3], &[(0, 0); 3], &[1; 3], 1),
        case(&[2, 280, 192], &[1, 192, 192], &[2], &[(0, 0)], &[1], 1),
    ];
    let threads = [1, 2, 3].map(Threads::new);
    for simd in Simd::available() {
        for case in &wide {
            check_parts::<f32>(simd, &threads, case, 1e-4);
            check_parts::<f64>(simd, &threads, case, 1e-12);
        }
    }
}

/// `y`, `dx` and `dkernel`.
fn results<T: Float>(
    simd: Simd,
    threads: &Threads,
    case: &Case,
    [x, kernel, dy]: [&[T]; 3],
) -> [Vec<T>; 3] {
    let conv = Conv::new(&case.settings, &case.x, &case.kernel);
    let (nan, count) = (T::from_f64(f64::NAN), threads.count());
    let nans = |len: usize| vec![nan; len];
    let [mut y, mut dx, mut dkernel] = [dy, x, kernel].map(|like| nans(like.len()));
    let scratch = &mut nans(conv.forward_scratch::<T>(simd, count));
    conv.forward(simd, threads, x, kernel, &mut y, scratch, None);
    let scratch = &mut nans(conv.to_input_scratch::<T>(simd, count));
    conv.to_input(simd, threads, dy, kernel, &mut dx, scratch, None);
    let scratch = &mut nans(conv.to_kernel_scratch::<T>(simd, count));
    conv.to_kernel(simd, threads, x, dy, &mut dkernel, scratch);
    [y, dx, dkernel]
}

/// Compares a convolution with those of parts of the channels.
fn check_parts<T: Float>(simd: Simd, threads: &[Threads], wide: &Case, limit: f64) {
    let len = |shape: &[usize]| shape.iter().product::<usize>();
    let (x, kernel) = (numbers::<T>(len(&wide.x), 1), numbers::<T>(len(&wide.kernel), 2));
    let dy = numbers::<T>(len(&result_shape(wide)), 3);
    let all =
        threads.iter().map(|threads| results(simd, threads, wide, [&x, &kernel, &dy]));
    let all: Vec<_> = all.collect();
    assert!(all.iter().all(|results| *results == all[0]), "{:?}", wide.settings);

    let close = |what: &str, found: &[T], expected: &[f64]| {
        assert_eq!(found.len(), expected.len(), "a result for each");
        for (found, expected) in found.iter().zip(expected) {
            let found = found.to_f64();
            let fine = (found - expected).abs() <= limit * expected.abs().max(1.0);
            assert!(fine, "{what} of {:?}: {found}, not {expected}", wide.settings);
        }
    };
    let rank = wide.x.len() - 2;
    let (channels, filters, groups) =
        (wide.kernel[rank], wide.kernel[rank + 1], wide.settings.groups);
    let mut sum = vec![0.0; dy.len()];
    for first in (0..channels).step_by(40) {
        let count = 40.min(channels - first);
        // Some of rows of so many elements, of which a channel has one.
        let few = |all: &[T], row: usize| -> Vec<T> {
            let rows = all.chunks_exact(row).enumerate();
            let kept = |i: usize| (first..first + count).contains(&(i % channels));
            rows.filter(|&(i, _)| kept(i)).flat_map(|(_, row)| row).copied().collect()
        };
        let mut narrow = case(&wide.x, &wide.kernel, &[], &[], &[], 1);
        narrow.settings = wide.settings.clone();
        (narrow.x[rank + 1], narrow.kernel[rank]) = (groups * count, count);
        let (x, kernel) = (few(&x, 1), few(&kernel, filters));
        let [y, dx, dkernel] = results(simd, &threads[0], &narrow, [&x, &kernel, &dy])
            .map(|values| values.iter().map(|value| value.to_f64()).collect::<Vec<_>>());
        sum.iter_mut().zip(y).for_each(|(sum, y)| *sum += y);
        close("dx", &few(&all[0][1], 1), &dx);
        close("dkernel", &few(&all[0][2], filters), &dkernel);
    }
    close("y", &all[0][0], &sum);
}
