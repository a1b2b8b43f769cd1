//! Random numbers for the elements of a tile.
#![expect(unsafe_code, reason = "writes numbers of several types to a register")]

use deckle_tensor::{DType, Distribution, random};

/// Writes the random numbers at positions `at` to `at + len`.
///
/// # Safety
///
/// `out` is valid for writes of `len` elements of type `dtype`.
pub(super) unsafe fn draw(
    numbers: random::Draw,
    distribution: Distribution,
    dtype: DType,
    at: usize,
    len: usize,
    out: *mut u8,
) {
    let mut block = [0; 4];
    let mut known = None;
    for i in 0..len {
        let position = (at + i) as u64;
        if known != Some(position / 4) {
            block = numbers.block(position / 4);
            known = Some(position / 4);
        }
        let bits = block[(position % 4) as usize];
        let value = match distribution {
            Distribution::Bits => {
                // SAFETY: the caller's promise; bits are `U32`.
                unsafe { out.cast::<u32>().add(i).write(bits) };
                continue;
            }
            Distribution::Uniform => random::uniform(bits),
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
