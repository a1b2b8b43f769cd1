//! Products of matrices, and convolutions.

use super::{
    Suite,
    data::{Domain, Draft, FLOATS, Feed, INTEGERS},
};
use crate::{Convolution, DType, Primitive, shape_text};

/// The axes before the matrices of `a` and of `b`, and m, k, n.
type Product = (&'static [usize], &'static [usize], [usize; 3]);

const PRODUCTS: [Product; 16] = [
    (&[], &[], [1, 1, 1]),
    (&[], &[], [3, 5, 4]),
    (&[], &[], [1, 7, 9]),
    (&[], &[], [9, 7, 1]),
    (&[], &[], [17, 33, 19]),
    (&[], &[], [65, 64, 66]),
    (&[], &[], [5, 300, 7]),
    (&[], &[], [0, 3, 2]),
    (&[], &[], [2, 0, 3]),
    (&[], &[], [2, 3, 0]),
    (&[3], &[3], [4, 5, 6]),
    (&[3], &[], [4, 5, 6]),
    (&[], &[3], [4, 5, 6]),
    (&[2, 1], &[3], [2, 3, 4]),
    (&[0], &[1], [2, 3, 4]),
    (&[2, 3], &[2, 3], [1, 8, 1]),
];

pub(super) fn check_matmul(suite: &mut Suite<'_>) {
    for (i, dtype) in FLOATS.into_iter().chain(INTEGERS).enumerate() {
        for (j, (before_a, before_b, [m, k, n])) in PRODUCTS.into_iter().enumerate() {
            for bits in 0..4usize {
                let (transpose_a, transpose_b) = (bits & 1 == 1, bits & 2 == 2);
                let a = if transpose_a { [k, m] } else { [m, k] };
                let b = if transpose_b { [n, k] } else { [k, n] };
                let (a, b) = ([before_a, &a].concat(), [before_b, &b].concat());
                let feeds = [Feed::nth(i + j + bits), Feed::nth(j + 3 * bits)];
                let name = format!(
                    "matmul {dtype} {} {} transposed {transpose_a} {transpose_b} {feeds:?}",
                    shape_text(&a),
                    shape_text(&b)
                );
                let domain = Domain::Between(-1.5, 1.5);
                let mut draft = Draft::new(name);
                let a = draft.operand(dtype, &a, domain, feeds[0]);
                let b = draft.operand(dtype, &b, domain, feeds[1]);
                let y =
                    draft.push(Primitive::MatMul { transpose_a, transpose_b }, &[a, b]);
                suite.check(&draft.finish(&[y]));
            }
        }
    }
    let mut draft = Draft::new("matmul of a value with itself");
    let x = draft.input(DType::F32, &[6, 6], Domain::Between(-1.0, 1.0));
    let y =
        draft.push(Primitive::MatMul { transpose_a: true, transpose_b: false }, &[x, x]);
    suite.check(&draft.finish(&[y]));
}

struct Shapes {
    batch: usize,
    spatial: &'static [usize],
    kernel: &'static [usize],
    /// Channels of `x`, filters, groups.
    channels: [usize; 3],
    strides: &'static [usize],
    padding: &'static [(usize, usize)],
    dilation: &'static [usize],
}

const SETTINGS: [Shapes; 14] = [
    shapes(2, &[9], &[3], [1, 1, 1], &[1], &[(0, 0)], &[1]),
    shapes(2, &[9], &[3], [3, 4, 1], &[2], &[(1, 1)], &[1]),
    shapes(1, &[9], &[4], [2, 3, 1], &[3], &[(2, 0)], &[2]),
    shapes(0, &[5], &[3], [2, 3, 1], &[1], &[(1, 1)], &[1]),
    shapes(1, &[0], &[2], [1, 2, 1], &[1], &[(1, 1)], &[1]),
    shapes(3, &[1], &[1], [5, 7, 1], &[1], &[(0, 0)], &[1]),
    shapes(2, &[6, 7], &[3, 3], [3, 8, 1], &[1, 1], &[(1, 1), (1, 1)], &[1, 1]),
    shapes(2, &[7, 5], &[2, 3], [4, 6, 2], &[2, 1], &[(0, 1), (2, 0)], &[1, 2]),
    shapes(1, &[8, 8], &[1, 1], [16, 17, 1], &[1, 1], &[(0, 0), (0, 0)], &[1, 1]),
    shapes(1, &[6, 6], &[3, 3], [4, 8, 4], &[1, 1], &[(1, 1), (1, 1)], &[1, 1]),
    shapes(1, &[12, 11], &[5, 5], [1, 6, 1], &[2, 2], &[(2, 2), (2, 2)], &[1, 1]),
    shapes(2, &[4, 4], &[2, 2], [0, 3, 1], &[1, 1], &[(0, 0), (0, 0)], &[1, 1]),
    shapes(
        1,
        &[4, 3, 5],
        &[2, 2, 2],
        [2, 3, 1],
        &[1, 2, 1],
        &[(0, 0), (1, 0), (0, 1)],
        &[1, 1, 2],
    ),
    shapes(1, &[5, 5], &[3, 3], [2, 2, 1], &[3, 3], &[(4, 4), (0, 0)], &[1, 1]),
];

const fn shapes(
    batch: usize,
    spatial: &'static [usize],
    kernel: &'static [usize],
    channels: [usize; 3],
    strides: &'static [usize],
    padding: &'static [(usize, usize)],
    dilation: &'static [usize],
) -> Shapes {
    Shapes { batch, spatial, kernel, channels, strides, padding, dilation }
}

pub(super) fn check_convolution(suite: &mut Suite<'_>) {
    for (i, settings) in SETTINGS.iter().enumerate() {
        for (j, dtype) in FLOATS.into_iter().enumerate() {
            for adjoint in 0..3 {
                check_one(suite, settings, dtype, adjoint, i + 3 * j);
            }
        }
    }
}

fn check_one(
    suite: &mut Suite<'_>,
    shapes: &Shapes,
    dtype: DType,
    adjoint: usize,
    nth: usize,
) {
    let [channels, filters, groups] = shapes.channels;
    let convolution = Convolution {
        strides: shapes.strides.to_vec(),
        padding: shapes.padding.to_vec(),
        dilation: shapes.dilation.to_vec(),
        groups,
    };
    let x = [&[shapes.batch], shapes.spatial, &[channels]].concat();
    let kernel = [shapes.kernel, &[channels / groups, filters]].concat();
    let mut y = vec![shapes.batch];
    for axis in 0..shapes.spatial.len() {
        let (low, high) = shapes.padding[axis];
        let window = (shapes.kernel[axis] - 1) * shapes.dilation[axis] + 1;
        y.push((shapes.spatial[axis] + low + high - window) / shapes.strides[axis] + 1);
    }
    y.push(filters);
    let (primitive, a, b) = match adjoint {
        0 => (Primitive::Convolution(convolution), x, kernel),
        1 => {
            let spatial = shapes.spatial.to_vec();
            (Primitive::ConvolutionToInput { convolution, spatial }, y, kernel)
        }
        _ => {
            let spatial = shapes.kernel.to_vec();
            (Primitive::ConvolutionToKernel { convolution, spatial }, x, y)
        }
    };
    let feeds = [Feed::nth(nth), Feed::nth(2 * nth + 1)];
    let name = format!(
        "{} {dtype} {} {} strides {:?} padding {:?} dilation {:?} groups {groups} {feeds:?}",
        primitive.name(),
        shape_text(&a),
        shape_text(&b),
        shapes.strides,
        shapes.padding,
        shapes.dilation
    );
    let mut draft = Draft::new(name);
    let a = draft.operand(dtype, &a, Domain::Between(-1.0, 1.0), feeds[0]);
    let b = draft.operand(dtype, &b, Domain::Between(-1.0, 1.0), feeds[1]);
    let made = draft.push(primitive, &[a, b]);
    suite.check(&draft.finish(&[made]));
}
