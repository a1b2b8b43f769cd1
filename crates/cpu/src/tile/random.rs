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
    let start = at as u64;
    if distribution == Distribution::Bits {
        // SAFETY: the caller's promise; any bits are a `u32`.
        let to = unsafe { std::slice::from_raw_parts_mut(out.cast(), len) };
        math::bits(simd, [seed, stream, step], start, to);
        return;
    }
    if (distribution, dtype) == (Distribution::Uniform, DType::F32) {
        // SAFETY: the caller's promise; any bits are an `f32`.
        let to = unsafe { std::slice::from_raw_parts_mut(out.cast(), len) };
        math::uniform(simd, [seed, stream, step], start, to);
        return;
    }
    let numbers = random::Draw::new(seed, stream, step);
    let mut block = [0; 4];
    let mut known = None;
    for i in 0..len {
        let position = start + i as u64;
        if known != Some(position / 4) {
            block = numbers.block(position / 4);
            known = Some(position / 4);
        }
        let bits = block[(position % 4) as usize];
        let value = match distribution {
            Distribution::Bits | Distribution::Uniform => random::uniform(bits),
            Distribution::Normal => random::normal(bits),
            Distribution::TruncatedNormal => random::truncated_normal(bits),
        };
        // SAFETY: the caller's promise.
        unsafe {
            if dtype == DType::F64 {
                out.cast::<f64>().add(i).write(value);
            } else {
                out.cast::<f32>().add(i).write(value as f32);
            }
        }
    }
}
