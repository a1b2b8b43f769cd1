//! Operations against naive loops, and no panic whatever the shapes, types and axes.

use deckle_tensor::{DType, Lens, Part, Result, Tensor, keep};
use proptest::prelude::*;

/// Shapes with sizes 0, 1, even and odd.
fn shape(max_rank: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop::sample::select(vec![1, 2, 3, 5, 1, 0]), 0..=max_rank)
}

fn part() -> impl Strategy<Value = Part> {
    let bound = || prop::option::weighted(0.5, -6isize..6);
    let step = prop::sample::select(vec![1isize, 1, 2, -1, -2, 3]);
    (bound(), bound(), step).prop_map(|(start, stop, step)| Part::Range {
        start,
        stop,
        step,
    })
}

/// A view of some memory: sliced, turned, with axes in any order.
fn view(shape: Vec<usize>) -> impl Strategy<Value = Tensor> {
    let size: usize = shape.iter().product();
    let rank = shape.len();
    (
        prop::collection::vec(-4i32..5, size),
        prop::collection::vec(part(), rank),
        Just((0..rank).collect::<Vec<usize>>()).prop_shuffle(),
        any::<bool>(),
    )
        .prop_map(move |(values, parts, order, plain)| {
            let whole = Tensor::new(values, &shape).expect("as many values as elements");
            if plain {
                return whole;
            }
            let sliced = whole.slice(parts).expect("ranges never fail");
            sliced.permute(order).expect("each axis once")
        })
}

fn tensor(max_rank: usize) -> impl Strategy<Value = Tensor> {
    shape(max_rank).prop_flat_map(view)
}

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(DType::ALL.to_vec())
}

/// All indices of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![Vec::new()], |prefixes, &len| {
        prefixes
            .iter()
            .flat_map(|prefix| (0..len).map(move |i| [&prefix[..], &[i]].concat()))
            .collect()
    })
}

/// The element at an index, found by multiplication.
fn at(values: &[i32], shape: &[usize], index: &[usize]) -> i32 {
    values[shape.iter().zip(index).fold(0, |at, (len, i)| at * len + i)]
}

fn values(tensor: &Tensor) -> Vec<i32> {
    tensor.to_vec().expect("an int32 tensor")
}

/// The index that broadcasting reads.
fn source(shape: &[usize], index: &[usize]) -> Vec<usize> {
    let skipped = index.len() - shape.len();
    shape
        .iter()
        .zip(&index[skipped..])
        .map(|(&len, &i)| if len == 1 { 0 } else { i })
        .collect()
}

proptest! {
    #[test]
    fn arithmetic_broadcasts_as_loops_do(
        (a, b) in shape(3).prop_flat_map(|shape| {
            let narrow = shape.iter().map(|&len| prop::sample::select(vec![len, 1]).boxed());
            let narrow = narrow.collect::<Vec<_>>();
            (view(shape), narrow.prop_flat_map(view))
        })
    ) {
        // Fewer axes are aligned at the end.
        let b = b.reshape(b.shape().iter().copied().skip_while(|&len| len == 1).collect::<Vec<_>>())
            .unwrap_or(b);
        let Ok(sum) = a.add(&b) else {
            let fits = a.shape().iter().rev().zip(b.shape().iter().rev());
            prop_assert!(fits.into_iter().any(|(&a, &b)| a != b && a != 1 && b != 1));
            return Ok(());
        };
        let expected: Vec<i32> = indices(sum.shape())
            .iter()
            .map(|index| {
                let read = |x: &Tensor| at(&values(x), x.shape(), &source(x.shape(), index));
                read(&a) + read(&b)
            })
            .collect();
        prop_assert_eq!(values(&sum), expected);
    }

    #[test]
    fn sums_are_loops_over_the_axes(x in tensor(4), mask in 0usize..16) {
        let axes: Vec<usize> = (0..x.rank()).filter(|axis| mask >> axis & 1 == 1).collect();
        let kept = x.sum(keep(&axes[..])).unwrap();
        let (mut sums, all) = (vec![0i64; kept.size()], values(&x));
        for index in indices(x.shape()) {
            let to = source(kept.shape(), &index);
            let place = kept.shape().iter().zip(&to).fold(0, |at, (len, i)| at * len + i);
            sums[place] += i64::from(at(&all, x.shape(), &index));
        }
        prop_assert_eq!(kept.to_vec::<i64>().unwrap(), sums.clone());
        let gone = x.sum(&axes[..]).unwrap();
        prop_assert_eq!(gone.to_vec::<i64>().unwrap(), sums);
        prop_assert_eq!(gone.rank(), x.rank() - axes.len());
        // The means and extremes walk in the same way.
        let means = x.cast(DType::F64).mean(&axes[..]).unwrap();
        let count = x.size() / gone.size().max(1);
        if count > 0 {
            let expected = gone.cast(DType::F64).div(count as f64).unwrap();
            prop_assert!(means.allclose(&expected, 1e-12, 1e-12).unwrap());
            let largest = x.max(&axes[..]).unwrap();
            prop_assert_eq!(x.neg().unwrap().min(&axes[..]).unwrap(), largest.neg().unwrap());
        }
    }

    #[test]
    fn slices_permutations_and_padding_move_elements(
        x in tensor(3), padding in prop::collection::vec((0usize..3, 0usize..3), 3),
    ) {
        let padding = &padding[..x.rank()];
        let padded = x.pad(padding, 9).unwrap();
        let all = values(&x);
        let expected: Vec<i32> = indices(padded.shape())
            .iter()
            .map(|index| {
                let inside = index.iter().zip(padding).map(|(&i, &(before, _))| i.checked_sub(before));
                match inside.collect::<Option<Vec<_>>>() {
                    Some(index) if index.iter().zip(x.shape()).all(|(&i, &len)| i < len) => {
                        at(&all, x.shape(), &index)
                    }
                    _ => 9,
                }
            })
            .collect();
        prop_assert_eq!(values(&padded), expected);
        let parts: Vec<Part> = padding
            .iter()
            .zip(x.shape())
            .map(|(&(before, _), &len)| Part::from(before..before + len))
            .collect();
        prop_assert_eq!(padded.slice(parts).unwrap(), x.clone());
        let turned: Vec<i32> = indices(x.transpose().shape())
            .iter()
            .map(|index| at(&all, x.shape(), &index.iter().rev().copied().collect::<Vec<_>>()))
            .collect();
        prop_assert_eq!(values(&x.transpose()), turned);
        prop_assert_eq!(x.flip(..).unwrap().flip(..).unwrap(), x);
    }

    #[test]
    fn parts_of_a_split_join_to_the_whole(x in tensor(3), axis in 0usize..3, cut in 0usize..6) {
        if axis >= x.rank() {
            return Ok(());
        }
        let len = x.shape()[axis];
        let parts = x.split_at([cut.min(len)], axis as isize).unwrap();
        prop_assert_eq!(Tensor::concatenate(&parts, axis as isize).unwrap(), x.clone());
        let twice = Tensor::stack(&[&x, &x], axis as isize).unwrap();
        let twice = twice.reshape(Lens::from(
            (0..x.rank()).map(|i| x.shape()[i] * if i == axis { 2 } else { 1 }).collect::<Vec<_>>(),
        ));
        let mut repeats = vec![1; x.rank()];
        repeats[axis] = 2;
        prop_assert_eq!(twice.unwrap(), x.tile(repeats).unwrap());
    }

    #[test]
    fn products_are_loops_over_the_inner_axis(
        (a, b) in (0usize..4, 0usize..4, 0usize..4, shape(2)).prop_flat_map(|(m, k, n, batch)| {
            (view([&batch[..], &[m, k]].concat()), view(vec![k, n]))
        }),
        dtype in prop::sample::select(vec![DType::I32, DType::F32, DType::F64]),
    ) {
        let Ok(product) = a.cast(dtype).matmul(&b.cast(dtype)) else {
            prop_assert!(a.rank() < 2 || b.rank() < 2
                || a.shape()[a.rank() - 1] != b.shape()[b.rank() - 2]
                || a.shape()[..a.rank() - 2].iter().rev().zip(b.shape()[..b.rank() - 2].iter().rev()).any(|(x, y)| x != y));
            return Ok(());
        };
        let (all_a, all_b) = (values(&a), values(&b));
        let last = product.rank() - 1;
        let expected: Vec<i32> = indices(product.shape())
            .iter()
            .map(|index| {
                (0..b.shape()[0])
                    .map(|p| {
                        let left = [&index[..last], &[p]].concat();
                        at(&all_a, a.shape(), &left) * at(&all_b, b.shape(), &[p, index[last]])
                    })
                    .sum()
            })
            .collect();
        prop_assert_eq!(values(&product.cast(DType::I32)), expected.clone());
        let dot = a.cast(dtype).dot(&b.cast(dtype)).unwrap();
        prop_assert_eq!(values(&dot.cast(DType::I32)), expected);
    }

    #[test]
    fn orders_sort_and_running_sums_add(x in tensor(3), axis in 0isize..3) {
        if axis as usize >= x.rank() {
            return Ok(());
        }
        let rows = |x: &Tensor| -> Vec<Vec<i32>> {
            let last = x.move_axis(axis, -1).unwrap();
            let len = *last.shape().last().unwrap();
            values(&last).chunks(len.max(1)).map(<[i32]>::to_vec).collect()
        };
        let sorted: Vec<Vec<i32>> = rows(&x)
            .into_iter()
            .map(|mut row| {
                row.sort_unstable();
                row
            })
            .collect();
        prop_assert_eq!(rows(&x.sort(axis).unwrap()), sorted);
        let running: Vec<Vec<i32>> = rows(&x)
            .into_iter()
            .map(|row| row.iter().scan(0, |sum, x| { *sum += x; Some(*sum) }).collect())
            .collect();
        prop_assert_eq!(rows(&x.cumsum(axis).unwrap().cast(DType::I32)), running);
        if x.shape()[axis as usize] > 0 {
            let best = x.argmax(axis).unwrap().expand_dims(axis).unwrap();
            prop_assert_eq!(x.take_along_axis(&best, axis).unwrap(), x.max(keep(axis)).unwrap());
        }
    }

    #[test]
    fn casts_are_the_same_through_any_view(x in tensor(3), from in dtype(), to in dtype()) {
        let x = x.cast(from);
        let flat = Tensor::from_bytes(from, x.shape(), x.contiguous().as_bytes().unwrap()).unwrap();
        prop_assert_eq!(x.cast(to), flat.cast(to));
    }

    #[test]
    fn nothing_panics(
        (x, y, z) in (tensor(4), tensor(4), tensor(3)),
        (of_x, of_y, of_z) in (dtype(), dtype(), dtype()),
        axes in prop::collection::vec(-6isize..6, 0..4),
        (axis, other) in (-6isize..6, -6isize..6),
        parts in prop::collection::vec(
            prop_oneof![part(), (-6isize..6).prop_map(Part::Index), Just(Part::NewAxis),
                Just(Part::Ellipsis), Just(Part::Range { start: None, stop: None, step: 0 })],
            0..6,
        ),
        lens in prop::collection::vec(-2isize..8, 0..5),
        (count, number) in (0usize..7, any::<f64>()),
    ) {
        let (x, y, z) = (x.cast(of_x), y.cast(of_y), z.cast(of_z));
        exercise_pairs(&x, &y, &z, number);
        exercise_axes(&x, &axes, axis, other, count);
        exercise_layout(&x, &y, parts, &lens, axis, count);
    }
}

/// The result does not matter, but an error has a text.
fn look<T>(result: Result<T>) {
    if let Err(error) = result {
        assert!(!error.to_string().is_empty());
    }
}

fn exercise_pairs(x: &Tensor, y: &Tensor, z: &Tensor, number: f64) {
    type Pair = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let pairs: [Pair; 20] = [
        |a, b| a.add(b),
        |a, b| a.sub(b),
        |a, b| a.mul(b),
        |a, b| a.div(b),
        |a, b| a.remainder(b),
        |a, b| a.floor_divide(b),
        |a, b| a.power(b),
        |a, b| a.maximum(b),
        |a, b| a.arctan2(b),
        |a, b| a.bitwise_and(b),
        |a, b| a.less(b),
        |a, b| a.equal(b),
        |a, b| a.dot(b),
        |a, b| a.matmul(b),
        |a, b| a.outer(b),
        |a, b| a.tensordot(b, 0, -1),
        |a, b| a.take(b, 0),
        |a, b| a.take_along_axis(b, -1),
        |a, b| a.clip(b, 1),
        |a, b| Tensor::where_(&a.not_equal(a)?, a, b),
    ];
    for pair in pairs {
        look(pair(x, y));
        // Pairs of one type get further.
        look(pair(x, &y.cast(x.dtype())));
        look(pair(x, x));
    }
    type One = fn(&Tensor) -> Result<Tensor>;
    let ones: [One; 12] = [
        Tensor::neg,
        Tensor::abs,
        Tensor::sign,
        Tensor::square,
        Tensor::exp,
        Tensor::erf,
        Tensor::erfinv,
        Tensor::arccosh,
        Tensor::round,
        Tensor::softplus,
        Tensor::bitwise_not,
        Tensor::diagonal,
    ];
    for one in ones {
        look(one(x));
    }
    look(Tensor::where_(x, y, z));
    look(x.add(number));
    look(x.power(number as i64));
    look(x.full_like(number));
    look(x.allclose(y, number, number));
    look(x.one_hot(3, y.dtype()));
    look(x.to_npy());
    look(Tensor::arange_step(number..number * 2.0, number / 3.0));
    let _ = (x.isnan(), x.isfinite(), x.to_string(), format!("{x:?}"), x.cast(y.dtype()));
}

fn exercise_axes(x: &Tensor, axes: &[isize], axis: isize, other: isize, count: usize) {
    look(x.sum(axes));
    look(x.prod(keep(axes)));
    look(x.mean(axes));
    look(x.var(axes));
    look(x.std(keep(axes)));
    look(x.max(axes));
    look(x.min(keep(axes)));
    look(x.all(axes));
    look(x.any(axes));
    look(x.argmax(axes));
    look(x.argmin(keep(axis)));
    look(x.argmax(keep(..)));
    look(x.cumsum(axes));
    look(x.sort(axis));
    look(x.argsort(..));
    look(x.top_k(count));
    look(x.permute(axes));
    look(x.squeeze(axes));
    look(x.flip(axes));
    look(x.swap_axes(axis, other));
    look(x.move_axis(axis, other));
    look(x.expand_dims(axis));
    look(x.split(count, axis));
    look(x.split_at([count, 2], axis));
    look(x.repeat(count, axis));
}

fn exercise_layout(
    x: &Tensor,
    y: &Tensor,
    parts: Vec<Part>,
    lens: &[isize],
    axis: isize,
    count: usize,
) {
    look(x.slice(parts));
    look(x.at(axis));
    look(x.reshape(lens));
    look(x.tile(lens.iter().map(|len| len.unsigned_abs() % 4).collect::<Vec<_>>()));
    look(x.pad(vec![(count, 1); lens.len()], 1));
    look(x.broadcast_to(y.shape()));
    look(Tensor::concatenate(&[x, y, x], axis));
    look(Tensor::stack(&[x, y], axis));
    look(Tensor::new(vec![1u8; count], y.shape()));
    look(Tensor::from_bytes(x.dtype(), y.shape(), &vec![1; count]));
    look(x.item::<f32>());
    look(x.to_vec::<i64>());
}
