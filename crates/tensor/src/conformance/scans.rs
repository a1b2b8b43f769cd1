//! Loops: carries, sequences, bodies with products and with loops.

use std::sync::Arc;

use super::{
    Suite,
    data::{Domain, Draft, Feed},
};
use crate::{
    Binary, Builder, DType, Primitive, Program, Reduction, Result, Scan, Spec, Unary,
};

const DOMAIN: Domain = Domain::Between(-1.0, 1.0);

pub(super) fn check(suite: &mut Suite<'_>) {
    for dtype in [DType::F32, DType::F64] {
        for length in [0, 1, 2, 7] {
            for reverse in [false, true] {
                check_recurrence(suite, dtype, length, reverse);
                check_nested(suite, dtype, length, reverse);
                check_map(suite, dtype, length, reverse);
                check_swap(suite, dtype, length, reverse);
            }
        }
    }
}

/// The body, which fits the shape rules.
fn body(make: impl FnOnce(&mut Builder) -> Result<Vec<crate::Value>>) -> Arc<Program> {
    let mut builder = Builder::new();
    let program = make(&mut builder).and_then(|outputs| builder.finish(outputs, []));
    Arc::new(
        program.unwrap_or_else(|error| unreachable!("the body is a program: {error}")),
    )
}

/// A recurrent layer: `h' = tanh(x · w + h · u + b)`.
fn cell(dtype: DType) -> Arc<Program> {
    body(|builder| {
        let w = builder.input(Spec::new(dtype, [3, 4]));
        let u = builder.input(Spec::new(dtype, [4, 4]));
        let b = builder.input(Spec::new(dtype, [4]));
        let h = builder.input(Spec::new(dtype, [2, 4]));
        let x = builder.input(Spec::new(dtype, [2, 3]));
        let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
        let add = Primitive::Binary(Binary::Add);
        let from_x = builder.push(matmul.clone(), &[x, w])?;
        let from_h = builder.push(matmul, &[h, u])?;
        let sum = builder.push(add.clone(), &[from_x, from_h])?;
        let sum = builder.push(add, &[sum, b])?;
        let next = builder.push(Primitive::Unary(Unary::Tanh), &[sum])?;
        let norm = builder.push(
            Primitive::Reduce { reduction: Reduction::Sum, axes: vec![1] },
            &[next],
        )?;
        Ok(vec![next, next, norm, h])
    })
}

fn check_recurrence(suite: &mut Suite<'_>, dtype: DType, length: usize, reverse: bool) {
    for (i, feed) in Feed::ALL.into_iter().enumerate() {
        let name =
            format!("scan recurrence {dtype} length {length} reverse {reverse} {feed:?}");
        let mut draft = Draft::new(name);
        let w = draft.operand(dtype, &[3, 4], DOMAIN, Feed::nth(i + 1));
        let u = draft.operand(dtype, &[4, 4], DOMAIN, feed);
        let b = draft.operand(dtype, &[4], DOMAIN, Feed::nth(i + 2));
        let h = draft.operand(dtype, &[2, 4], DOMAIN, feed);
        let x = draft.operand(dtype, &[length, 2, 3], DOMAIN, feed);
        let scan = Scan { body: cell(dtype), constants: 3, carries: 1, length, reverse };
        let made = draft.push_all(Primitive::Scan(scan), &[w, u, b, h, x]);
        suite.check(&draft.finish(&made));
    }
}

/// A loop over rows, whose body loops over columns.
fn check_nested(suite: &mut Suite<'_>, dtype: DType, length: usize, reverse: bool) {
    let inner = body(|builder| {
        let [factor, carry, x] = [0; 3].map(|_| builder.input(Spec::scalar(dtype)));
        let product = builder.push(Primitive::Binary(Binary::Mul), &[factor, carry])?;
        let next = builder.push(Primitive::Binary(Binary::Add), &[product, x])?;
        Ok(vec![next, product])
    });
    let outer = body(|builder| {
        let [factor, carry] = [0; 2].map(|_| builder.input(Spec::scalar(dtype)));
        let row = builder.input(Spec::new(dtype, [5]));
        let scan =
            Scan { body: inner, constants: 1, carries: 1, length: 5, reverse: !reverse };
        builder.push_all(Primitive::Scan(scan), &[factor, carry, row])
    });
    let name = format!("scan nested {dtype} length {length} reverse {reverse}");
    let mut draft = Draft::new(name);
    let [factor, carry] = [0; 2].map(|_| draft.input(dtype, &[], DOMAIN));
    let rows = draft.operand(dtype, &[length, 5], DOMAIN, Feed::Transposed);
    let scan = Scan { body: outer, constants: 1, carries: 1, length, reverse };
    let made = draft.push_all(Primitive::Scan(scan), &[factor, carry, rows]);
    suite.check(&draft.finish(&made));
}

/// No carries and no constants: a map over two sequences, one of integers.
fn check_map(suite: &mut Suite<'_>, dtype: DType, length: usize, reverse: bool) {
    let map = body(|builder| {
        let x = builder.input(Spec::new(dtype, [3]));
        let at = builder.input(Spec::scalar(DType::I32));
        let y = builder.push(Primitive::Gather { axis: 0 }, &[x, at])?;
        Ok(vec![y, x, at, y])
    });
    let name = format!("scan map {dtype} length {length} reverse {reverse}");
    let mut draft = Draft::new(name);
    let x = draft.operand(dtype, &[length, 3], DOMAIN, Feed::Sliced);
    let at = draft.operand(DType::I32, &[length], Domain::Below(3), Feed::Reversed);
    let scan = Scan { body: map, constants: 0, carries: 0, length, reverse };
    let made = draft.push_all(Primitive::Scan(scan), &[x, at]);
    suite.check(&draft.finish(&made));
}

/// Carries that change places, without sequences; one of them is also a constant.
fn check_swap(suite: &mut Suite<'_>, dtype: DType, length: usize, reverse: bool) {
    let swap = body(|builder| {
        let [constant, a, b] = [0; 3].map(|_| builder.input(Spec::new(dtype, [2])));
        let sum = builder.push(Primitive::Binary(Binary::Add), &[a, constant])?;
        Ok(vec![b, sum, a, constant])
    });
    let name = format!("scan swap {dtype} length {length} reverse {reverse}");
    let mut draft = Draft::new(name);
    let [a, b] = [0; 2].map(|_| draft.input(dtype, &[2], DOMAIN));
    let scan = Scan { body: swap, constants: 1, carries: 2, length, reverse };
    let mut made = draft.push_all(Primitive::Scan(scan), &[a, a, b]);
    made.push(a);
    suite.check(&draft.finish(&made));
}
