//! Random numbers for the elements of a tile.
#![expect(unsafe_code, reason = "writes numbers of several types to a register")]

use deckle_tensor::{DType, Distribution, random};

use crate::{Simd, math};

/// Writes the random numbers at positions `at` to `at + len`.
///
/// # Safety
///
/// `out` is valid for writes of `len` elements of type `dtype`.
pub(super) unsafe fn draw(
    simd: Simd,
    [seed, stream, step]: [u64; 3],
    distribution: Distribution,
    dtype: DType,
    at: usize,
    len: usize,
    out: *mut u8,
) {
    let (start, keys) = (at as u64, [seed, stream, step]);
    if distribution == Distribution::Bits {
        // SAFETY: the caller's promise; any bits are a `u32`.
        let to = unsafe { std::slice::from_raw_parts_mut(out.cast(), len) };
        return math::bits(simd, keys, start, to);
    }
    if dtype == DType::F32 {
        // SAFETY: the caller's promise; any bits are an `f32`.
        let to = unsafe { std::slice::from_raw_parts_mut(out.cast(), len) };
        return match distribution {
            Distribution::Bits | Distribution::Uniform => {
                math::uniform(simd, keys, start, to);
            }
            Distribution::Normal => math::normal(simd, keys, start, to),
            Distribution::TruncatedNormal => {
                math::truncated_normal(simd, keys, start, to);
            }
        };
    }
    debug_assert_eq!(dtype, DType::F64, "random numbers of other types are cast");
    let numbers = random::Draw::new(seed, stream, step);
    // SAFETY: the caller's promise; any bits are an `f64`.
    let to = unsafe { std::slice::from_raw_parts_mut(out.cast::<f64>(), len) };
    for (i, value) in to.iter_mut().enumerate() {
        *value = numbers.sample(distribution, start + i as u64);
    }
}
