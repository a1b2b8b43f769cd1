//! What programs are as wholes: inputs, outputs, and updates that happen together.

use super::{
    Suite,
    data::{Domain, Draft, Feed},
};
use crate::{Binary, DType, Primitive, Reduction, Tensor, Unary, Value};

const DOMAIN: Domain = Domain::Between(-9.0, 9.0);
const ADD: Primitive = Primitive::Binary(Binary::Add);

pub(super) fn check(suite: &mut Suite<'_>) {
    for dtype in DType::ALL {
        outputs(suite, dtype);
        swaps(suite, dtype);
    }
    for dtype in [DType::F32, DType::F64, DType::I64] {
        for len in [0, 1, 3, 70] {
            updates(suite, dtype, len);
            chains_of_updates(suite, dtype, len);
            moved_updates(suite, dtype, len);
        }
    }
    let empty = Draft::new("empty program").finish(&[]);
    suite.check(&empty);
}

/// Outputs that no instruction makes, or that several names share.
fn outputs(suite: &mut Suite<'_>, dtype: DType) {
    let mut draft = Draft::new(format!("input as output {dtype}"));
    let x = draft.input(dtype, &[5], DOMAIN);
    suite.check(&draft.finish(&[x, x]));

    let mut draft = Draft::new(format!("constant as output {dtype}"));
    let x = draft.operand(dtype, &[5], DOMAIN, Feed::Constant);
    suite.check(&draft.finish(&[x, x]));

    let mut draft = Draft::new(format!("variable as output {dtype}"));
    let x = draft.variable(dtype, &[5], DOMAIN);
    suite.check(&draft.finish(&[x, x]));

    let mut draft = Draft::new(format!("views as outputs {dtype}"));
    let x = draft.input(dtype, &[2, 3], DOMAIN);
    let turned = draft.push(Primitive::Transpose { permutation: vec![1, 0] }, &[x]);
    let flat = draft.push(Primitive::Reshape { shape: vec![6] }, &[x]);
    let wide = draft.push(Primitive::Broadcast { shape: vec![2, 2, 3] }, &[x]);
    let same = draft.push(Primitive::Reshape { shape: vec![2, 3] }, &[x]);
    suite.check(&draft.finish(&[turned, flat, wide, same, turned, x]));

    let mut draft = Draft::new(format!("unused input and variable {dtype}"));
    let _ = draft.input(dtype, &[3], DOMAIN);
    let _ = draft.variable(dtype, &[3], DOMAIN);
    let x = draft.input(dtype, &[], DOMAIN);
    suite.check(&draft.finish(&[x]));

    let mut draft = Draft::new(format!("no outputs {dtype}"));
    let x = draft.input(dtype, &[3], DOMAIN);
    let _ = draft.variable(dtype, &[3], DOMAIN);
    suite.check(&draft.finish_with(&[], &[(0, x)]));
}

/// Variables that exchange their values.
fn swaps(suite: &mut Suite<'_>, dtype: DType) {
    let mut draft = Draft::new(format!("swap {dtype}"));
    let (a, b) =
        (draft.variable(dtype, &[5], DOMAIN), draft.variable(dtype, &[5], DOMAIN));
    suite.check(&draft.finish_with(&[a, b], &[(0, b), (1, a)]));

    let mut draft = Draft::new(format!("swap without outputs {dtype}"));
    let (a, b) =
        (draft.variable(dtype, &[5], DOMAIN), draft.variable(dtype, &[5], DOMAIN));
    suite.check(&draft.finish_with(&[], &[(1, a), (0, b)]));

    let mut draft = Draft::new(format!("rotation of three {dtype}"));
    let [a, b, c] = [0; 3].map(|_| draft.variable(dtype, &[2, 3], DOMAIN));
    suite.check(&draft.finish_with(&[b], &[(0, b), (1, c), (2, a)]));

    let mut draft = Draft::new(format!("update by itself {dtype}"));
    let a = draft.variable(dtype, &[5], DOMAIN);
    suite.check(&draft.finish_with(&[a], &[(0, a)]));

    let mut draft = Draft::new(format!("one value for two variables {dtype}"));
    let _ = draft.variable(dtype, &[5], DOMAIN);
    let _ = draft.variable(dtype, &[5], DOMAIN);
    let x = draft.input(dtype, &[5], DOMAIN);
    suite.check(&draft.finish_with(&[x], &[(0, x), (1, x)]));
}

fn updates(suite: &mut Suite<'_>, dtype: DType, len: usize) {
    let one =
        |draft: &mut Draft| draft.builder.constant(&Tensor::scalar(1.0f64).cast(dtype));

    let mut draft = Draft::new(format!("old and new value as outputs {dtype} {len}"));
    let old = draft.variable(dtype, &[len], DOMAIN);
    let step = one(&mut draft);
    let new = draft.push(ADD, &[old, step]);
    suite.check(&draft.finish_with(&[old, new, new], &[(0, new)]));

    let mut draft = Draft::new(format!("old value read after the new one {dtype} {len}"));
    let old = draft.variable(dtype, &[len], DOMAIN);
    let step = one(&mut draft);
    let new = draft.push(ADD, &[old, step]);
    let square = draft.push(Primitive::Unary(Unary::Square), &[new]);
    let late = draft.push(Primitive::Binary(Binary::Mul), &[square, old]);
    let sum = draft
        .push(Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0] }, &[old]);
    suite.check(&draft.finish_with(&[late, sum], &[(0, new)]));

    let mut draft = Draft::new(format!("update from another's old value {dtype} {len}"));
    let (a, b) =
        (draft.variable(dtype, &[len], DOMAIN), draft.variable(dtype, &[len], DOMAIN));
    let step = one(&mut draft);
    let new_a = draft.push(ADD, &[a, step]);
    let new_b = draft.push(ADD, &[b, a]);
    suite.check(&draft.finish_with(&[], &[(0, new_a), (1, new_b)]));

    let mut draft =
        Draft::new(format!("update by an input and a constant {dtype} {len}"));
    let _ = draft.variable(dtype, &[len], DOMAIN);
    let _ = draft.variable(dtype, &[len], DOMAIN);
    let x = draft.input(dtype, &[len], DOMAIN);
    let c = draft.operand(dtype, &[len], DOMAIN, Feed::Constant);
    suite.check(&draft.finish_with(&[], &[(0, x), (1, c)]));
}

/// An optimizer with two slots: each new value reads several old ones.
fn chains_of_updates(suite: &mut Suite<'_>, dtype: DType, len: usize) {
    let mut draft = Draft::new(format!("optimizer {dtype} {len}"));
    let [w, m, v] = [0; 3].map(|_| draft.variable(dtype, &[len], DOMAIN));
    let gradient = draft.input(dtype, &[len], DOMAIN);
    let number = |draft: &mut Draft, x: f64| {
        draft.builder.constant(&Tensor::scalar(x).cast(dtype))
    };
    let (two, three) = (number(&mut draft, 2.0), number(&mut draft, 3.0));
    let binary = |draft: &mut Draft, f: Binary, a: Value, b: Value| {
        draft.push(Primitive::Binary(f), &[a, b])
    };
    let m_scaled = binary(&mut draft, Binary::Mul, m, two);
    let new_m = binary(&mut draft, Binary::Add, m_scaled, gradient);
    let square = draft.push(Primitive::Unary(Unary::Square), &[gradient]);
    let v_scaled = binary(&mut draft, Binary::Mul, v, three);
    let new_v = binary(&mut draft, Binary::Add, v_scaled, square);
    let step = binary(&mut draft, Binary::Mul, new_m, new_v);
    let new_w = binary(&mut draft, Binary::Sub, w, step);
    let change = binary(&mut draft, Binary::Sub, new_w, w);
    suite.check(&draft.finish_with(&[change], &[(0, new_w), (1, new_m), (2, new_v)]));
}

/// New values that are views, sums or products of old ones.
fn moved_updates(suite: &mut Suite<'_>, dtype: DType, len: usize) {
    let mut draft = Draft::new(format!("update by a transpose {dtype} {len}"));
    let a = draft.variable(dtype, &[len, len], DOMAIN);
    let turned = draft.push(Primitive::Transpose { permutation: vec![1, 0] }, &[a]);
    suite.check(&draft.finish_with(&[], &[(0, turned)]));

    let mut draft =
        Draft::new(format!("update by a sum with its transpose {dtype} {len}"));
    let a = draft.variable(dtype, &[len, len], DOMAIN);
    let turned = draft.push(Primitive::Transpose { permutation: vec![1, 0] }, &[a]);
    let sum = draft.push(ADD, &[a, turned]);
    suite.check(&draft.finish_with(&[a], &[(0, sum)]));

    let mut draft = Draft::new(format!("update by a product {dtype} {len}"));
    let a = draft.variable(dtype, &[len, len], Domain::Between(-1.0, 1.0));
    let matmul = Primitive::MatMul { transpose_a: false, transpose_b: false };
    let product = draft.push(matmul, &[a, a]);
    suite.check(&draft.finish_with(&[], &[(0, product)]));

    let mut draft = Draft::new(format!("update by a sum over an axis {dtype} {len}"));
    let a = draft.variable(dtype, &[len], DOMAIN);
    let x = draft.input(dtype, &[4, len], DOMAIN);
    let sum = draft.push(ADD, &[x, a]);
    let total = draft
        .push(Primitive::Reduce { reduction: Reduction::Sum, axes: vec![0] }, &[sum]);
    suite.check(&draft.finish_with(&[sum], &[(0, total)]));
}
