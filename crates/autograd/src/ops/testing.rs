//! What the property tests of the operations share.

use std::ops::Range;

use deckle_tensor::{Axes, Shape, Tensor, keep};
use proptest::{collection::vec, prelude::*};

use crate::{Result, Var, check_gradients, check_rejections};

/// Few cases each, so that all operations together stay fast.
pub(crate) fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(16)
}

/// A number from one of the ranges.
pub(crate) fn number(domain: &[Range<f64>]) -> impl Strategy<Value = f64> + use<> {
    let domain = domain.to_vec();
    (0..domain.len(), 0.0..1.0).prop_map(move |(range, share)| {
        domain[range].start + share * (domain[range].end - domain[range].start)
    })
}

/// A tensor of that shape with elements from the ranges.
pub(crate) fn tensor(
    shape: Vec<usize>,
    domain: &[Range<f64>],
) -> impl Strategy<Value = Tensor> + use<> {
    vec(number(domain), shape.iter().product::<usize>())
        .prop_map(move |values| Tensor::new(values, &shape).expect("as many elements"))
}

/// Lengths of `rank` axes, 1 and 0 among them.
pub(crate) fn shape(rank: Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    let len = prop_oneof![1 => Just(0usize), 3 => Just(1usize), 16 => 2usize..5];
    vec(len, rank)
}

/// Lengths of `rank` axes, none of them 0.
pub(crate) fn filled(rank: Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1 => Just(1usize), 5 => 2usize..5], rank)
}

/// A tensor of a shape without empty axes, no two of whose elements are close.
pub(crate) fn distinct(rank: Range<usize>) -> impl Strategy<Value = Tensor> {
    filled(rank).prop_flat_map(distinct_of)
}

/// A tensor of that shape, no two of whose elements are close.
pub(crate) fn distinct_of(shape: Vec<usize>) -> impl Strategy<Value = Tensor> {
    let order: Vec<usize> = (0..shape.iter().product()).collect();
    Just(order).prop_shuffle().prop_map(move |order| {
        let values: Vec<_> = order.iter().map(|&i| i as f64 * 0.3 - 1.5).collect();
        Tensor::new(values, &shape).expect("as many elements")
    })
}

/// Some of the axes of a tensor, counted from either end, and whether to keep them.
pub(crate) fn axes(rank: usize) -> impl Strategy<Value = Axes> {
    let all: Vec<usize> = (0..rank).collect();
    (prop::sample::subsequence(all, 0..=rank), any::<bool>(), any::<bool>()).prop_map(
        move |(chosen, from_end, kept)| {
            let signed = chosen.iter().map(|&axis| {
                axis.cast_signed() - if from_end { rank.cast_signed() } else { 0 }
            });
            let axes = Axes::from(signed.collect::<Vec<_>>());
            if kept { keep(axes) } else { axes }
        },
    )
}

/// A tensor with some of its axes.
pub(crate) fn with_axes(
    tensors: impl Strategy<Value = Tensor> + 'static,
) -> impl Strategy<Value = (Tensor, Axes)> {
    tensors.prop_flat_map(|x| {
        let rank = x.rank();
        (Just(x), axes(rank))
    })
}

/// A tensor of any shape with elements from the ranges.
pub(crate) fn tensor_on(domain: &[Range<f64>]) -> impl Strategy<Value = Tensor> + use<> {
    let domain = domain.to_vec();
    shape(0..4).prop_flat_map(move |shape| tensor(shape, &domain))
}

/// Two tensors whose shapes broadcast: axes of length 1, and fewer axes, on either side.
pub(crate) fn pair_on(
    a: &[Range<f64>],
    b: &[Range<f64>],
) -> impl Strategy<Value = (Tensor, Tensor)> + use<> {
    let (a, b) = (a.to_vec(), b.to_vec());
    let ones = || vec(prop::bool::weighted(0.3), 3);
    (shape(0..4), ones(), ones(), 0usize..3, any::<bool>()).prop_flat_map(
        move |(shape, ones_a, ones_b, cut, swap)| {
            let with_ones = |ones: &[bool]| -> Vec<usize> {
                shape.iter().zip(ones).map(|(&n, &one)| if one { 1 } else { n }).collect()
            };
            let (mut first, mut second) = (with_ones(&ones_a), with_ones(&ones_b));
            let short = if swap { &mut first } else { &mut second };
            short.drain(..cut.min(short.len()));
            (tensor(first, &a), tensor(second, &b))
        },
    )
}

/// One tensor with elements all over the ranges.
pub(crate) fn spread(domain: &[Range<f64>]) -> Tensor {
    let shares = [0.15, 0.4, 0.85];
    let values: Vec<_> = domain
        .iter()
        .flat_map(|range| {
            shares.map(|share| range.start + share * (range.end - range.start))
        })
        .collect();
    let len = values.len();
    Tensor::new(values, [len]).expect("as many elements")
}

/// Numbers without pattern, from -1 to 1 and not close to 0, in that shape.
pub(crate) fn ramp(shape: &[usize]) -> Tensor {
    let size = shape.iter().product::<usize>();
    let values = (0..size).map(|i| {
        let x = ((i * 37 + 11) % 64) as f64 / 32.0 - 1.0;
        if x.abs() < 0.1 { x + 0.2 } else { x }
    });
    Tensor::new(values.collect::<Vec<_>>(), shape).expect("as many elements")
}

/// Gradients of orders one and two are right.
#[track_caller]
pub(crate) fn check(function: impl Fn(&[Var]) -> Result<Vec<Var>>, inputs: &[Tensor]) {
    if let Err(error) = check_gradients(function, inputs) {
        panic!("{error}\n{inputs:?}");
    }
}

/// Gradients are right, and wrong ones would be noticed.
#[track_caller]
pub(crate) fn rejects(function: impl Fn(&[Var]) -> Result<Vec<Var>>, inputs: &[Tensor]) {
    let checked = check_gradients(&function, inputs);
    if let Err(error) = checked.and_then(|()| check_rejections(&function, inputs)) {
        panic!("{error}\n{inputs:?}");
    }
}

/// One gradient of the sum of what the function makes.
#[track_caller]
pub(crate) fn gradient(function: impl Fn(&Var) -> Result<Var>, at: &Tensor) -> Tensor {
    let x = Var::constant(at);
    let found = function(&x).and_then(|y| crate::grad(&y.sum(..)?, &[&x])?[0].eval());
    match found {
        Ok(found) => found,
        Err(error) => panic!("{error}"),
    }
}

/// An input whose axes are all symbols, so that shapes are known when it is called only.
pub(crate) fn symbolic(name: &str, rank: usize) -> Var {
    let dims = (0..rank).map(|axis| deckle_tensor::Dim::symbol(&format!("{name}{axis}")));
    Var::input(name, dims.collect::<Shape>(), deckle_tensor::DType::F64)
}
