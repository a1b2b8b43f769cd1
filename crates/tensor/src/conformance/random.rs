//! Random numbers, which are defined to the bit before they are rounded.

use super::{Suite, data::Draft};
use crate::{Binary, DType, Distribution, Primitive, Tensor, shape_text};

pub(super) fn check(suite: &mut Suite<'_>) {
    let shapes: [&[usize]; 6] = [&[], &[1], &[0], &[7], &[3, 5], &[4, 1031]];
    for &distribution in Distribution::ALL {
        let types: &[DType] = match distribution {
            Distribution::Bits => &[DType::U32],
            _ => &[DType::F32, DType::F64],
        };
        for &dtype in types {
            for shape in shapes {
                for (seed, stream, step) in [
                    (0, 0, 0),
                    (42, 7, 1),
                    (-1, u64::MAX, i64::MAX),
                    (1 << 40, 1 << 50, -3),
                ] {
                    check_one(suite, distribution, dtype, shape, seed, stream, step);
                }
            }
        }
    }
    check_chain(suite);
}

fn check_one(
    suite: &mut Suite<'_>,
    distribution: Distribution,
    dtype: DType,
    shape: &[usize],
    seed: i64,
    stream: u64,
    step: i64,
) {
    let name = format!(
        "random {} {dtype} {} seed {seed} stream {stream} step {step}",
        distribution.name(),
        shape_text(shape)
    );
    // Near zero, the quantile function is as precise as its argument.
    let mut draft = Draft::new(name).relative(16.0, 4.0);
    let seed = draft.input_of(Tensor::scalar(seed));
    let step = draft.input_of(Tensor::scalar(step));
    let shape = shape.to_vec();
    let primitive = Primitive::Random { distribution, stream, shape, dtype };
    let y = draft.push(primitive, &[seed, step]);
    suite.check(&draft.finish(&[y]));
}

/// Dropout: a draw that is compared and used where it is made.
fn check_chain(suite: &mut Suite<'_>) {
    let mut draft = Draft::new("dropout");
    let seed = draft.input_of(Tensor::scalar(5i64));
    let step = draft.input_of(Tensor::scalar(6i64));
    let x = draft.input(DType::F32, &[9, 31], super::data::Domain::Between(-1.0, 1.0));
    let random = Primitive::Random {
        distribution: Distribution::Uniform,
        stream: 9,
        shape: vec![9, 31],
        dtype: DType::F32,
    };
    let u = draft.push(random, &[seed, step]);
    let rate = draft.builder.constant(&Tensor::scalar(0.25f32));
    let keep = draft.push(Primitive::Compare(crate::Compare::GreaterEqual), &[u, rate]);
    let scale = draft.builder.constant(&Tensor::scalar(4.0f32 / 3.0));
    let scaled = draft.push(Primitive::Binary(Binary::Mul), &[x, scale]);
    let zero = draft.builder.constant(&Tensor::scalar(0.0f32));
    let y = draft.push(Primitive::Select, &[keep, scaled, zero]);
    suite.check(&draft.finish(&[y]));
}
