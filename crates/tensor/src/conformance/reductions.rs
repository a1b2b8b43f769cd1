//! Many elements to one, running sums, and order.

use super::{
    Suite,
    data::{Domain, Draft, FLOATS, Feed, numbers, of_numbers},
};
use crate::{DType, Primitive, Reduction, shape_text};

const SHAPES: [&[usize]; 12] = [
    &[],
    &[1],
    &[7],
    &[0],
    &[3, 5],
    &[0, 3],
    &[3, 0],
    &[2, 3, 4],
    &[2, 1, 3],
    &[1031],
    &[65, 33],
    &[3, 2, 17, 2],
];

pub(super) fn check(suite: &mut Suite<'_>) {
    for &reduction in Reduction::ALL {
        check_reduction(suite, reduction);
    }
    check_arg_reduce(suite);
    check_cum_sum(suite);
    check_order(suite);
}

/// Every choice of axes.
fn subsets(rank: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..1usize << rank)
        .map(move |bits| (0..rank).filter(|axis| bits >> axis & 1 == 1).collect())
}

fn check_reduction(suite: &mut Suite<'_>, reduction: Reduction) {
    let logical = matches!(reduction, Reduction::All | Reduction::Any);
    let types: Vec<_> = if logical { vec![DType::Bool] } else { numbers().collect() };
    for (j, &dtype) in types.iter().enumerate() {
        for (k, shape) in SHAPES.into_iter().enumerate() {
            for (l, axes) in subsets(shape.len()).enumerate() {
                let feed = Feed::nth(j + k + l);
                let name = format!(
                    "{} {dtype} {} axes {axes:?} {feed:?}",
                    reduction.name(),
                    shape_text(shape)
                );
                let domain = match reduction {
                    Reduction::Product if dtype.is_float() => Domain::Between(0.9, 1.1),
                    _ if dtype.is_float() => Domain::Between(-1.0, 1.0),
                    _ => Domain::Between(-99.0, 99.0),
                };
                let mut draft = Draft::new(name);
                let x = draft.operand(dtype, shape, domain, feed);
                let y = draft.push(Primitive::Reduce { reduction, axes }, &[x]);
                suite.check(&draft.finish(&[y]));
            }
        }
    }
    if logical {
        return;
    }
    for dtype in FLOATS {
        let name = format!("{} {dtype} of nan and infinities", reduction.name());
        let mut draft = Draft::new(name);
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let rows = [1.0, nan, 2.0, inf, 1.0, 2.0, -inf, 1.0, 2.0, nan, inf, -inf];
        let x = draft.input_of(of_numbers(dtype, &rows, &[4, 3]));
        let y = draft.push(Primitive::Reduce { reduction, axes: vec![1] }, &[x]);
        suite.check(&draft.finish(&[y]));
    }
}

fn check_arg_reduce(suite: &mut Suite<'_>) {
    let shapes: [&[usize]; 6] = [&[1], &[9], &[3, 5], &[0, 3], &[2, 37, 3], &[300]];
    for (j, dtype) in numbers().chain([DType::Bool]).enumerate() {
        for (k, shape) in shapes.into_iter().enumerate() {
            for axis in 0..shape.len() {
                for largest in [false, true] {
                    if shape[axis] == 0 {
                        continue;
                    }
                    let feed = Feed::nth(j + k + axis);
                    let primitive = Primitive::ArgReduce { largest, axis };
                    let name = format!(
                        "{} {dtype} {} axis {axis} {feed:?}",
                        primitive.name(),
                        shape_text(shape)
                    );
                    let mut draft = Draft::new(name);
                    let x = draft.operand(dtype, shape, Domain::Below(4), feed);
                    let y = draft.push(primitive, &[x]);
                    suite.check(&draft.finish(&[y]));
                }
            }
        }
    }
    for dtype in FLOATS {
        for largest in [false, true] {
            let primitive = Primitive::ArgReduce { largest, axis: 1 };
            let mut draft = Draft::new(format!("{} {dtype} of nan", primitive.name()));
            let (nan, inf) = (f64::NAN, f64::INFINITY);
            let rows = [1.0, nan, nan, inf, nan, -inf, -inf, inf, inf, nan, 0.0, 1.0];
            let x = draft.input_of(of_numbers(dtype, &rows, &[4, 3]));
            let y = draft.push(primitive, &[x]);
            suite.check(&draft.finish(&[y]));
        }
    }
}

fn check_cum_sum(suite: &mut Suite<'_>) {
    let shapes: [&[usize]; 7] = [&[1], &[0], &[9], &[3, 5], &[3, 0], &[2, 3, 4], &[500]];
    for (j, dtype) in numbers().enumerate() {
        for (k, shape) in shapes.into_iter().enumerate() {
            for axis in 0..shape.len() {
                for (exclusive, reverse) in
                    [(false, false), (true, false), (false, true), (true, true)]
                {
                    let feed = Feed::nth(j + k + axis + usize::from(exclusive));
                    let name = format!(
                        "cumsum {dtype} {} axis {axis} exclusive {exclusive} \
                         reverse {reverse} {feed:?}",
                        shape_text(shape)
                    );
                    let mut draft = Draft::new(name);
                    let x = draft.operand(dtype, shape, Domain::Between(-9.0, 9.0), feed);
                    let y =
                        draft.push(Primitive::CumSum { axis, exclusive, reverse }, &[x]);
                    suite.check(&draft.finish(&[y]));
                }
            }
        }
    }
}

fn check_order(suite: &mut Suite<'_>) {
    let shapes: [&[usize]; 7] =
        [&[1], &[0], &[40], &[3, 5], &[3, 0], &[2, 3, 4], &[2, 130]];
    for (j, dtype) in numbers().chain([DType::Bool]).enumerate() {
        for (k, shape) in shapes.into_iter().enumerate() {
            let mut primitives: Vec<_> = (0..shape.len())
                .flat_map(|axis| {
                    [false, true].map(|descending| Primitive::Sort { axis, descending })
                })
                .collect();
            let last = shape[shape.len() - 1];
            primitives.extend(
                [0, 1, last / 2, last]
                    .map(|k| k.min(last))
                    .map(|k| Primitive::TopK { k }),
            );
            for (l, primitive) in primitives.into_iter().enumerate() {
                let feed = Feed::nth(j + k + l);
                let name =
                    format!("{primitive:?} {dtype} {} {feed:?}", shape_text(shape));
                let mut draft = Draft::new(name).relative(0.0, 0.0);
                let x = draft.operand(dtype, shape, Domain::Below(7), feed);
                let made = draft.push_all(primitive, &[x]);
                suite.check(&draft.finish(&made));
            }
        }
    }
    let special =
        [2.0, f64::NAN, 0.0, -0.0, f64::INFINITY, f64::NAN, f64::NEG_INFINITY, 2.0];
    for dtype in FLOATS {
        for primitive in [
            Primitive::Sort { axis: 0, descending: false },
            Primitive::Sort { axis: 0, descending: true },
            Primitive::TopK { k: 5 },
        ] {
            let name = format!("{primitive:?} {dtype} of special numbers");
            let mut draft = Draft::new(name).relative(0.0, 0.0);
            let x = draft.input_of(of_numbers(dtype, &special, &[special.len()]));
            let made = draft.push_all(primitive, &[x]);
            suite.check(&draft.finish(&made));
        }
    }
}
