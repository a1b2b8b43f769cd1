//! Random numbers, many at a time: [`bits`], [`uniform`].
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

use deckle_tensor::random::{Draw, philox};

use crate::Simd;

/// The blocks of four numbers that are made together.
const TOGETHER: usize = 16;

/// Ten rounds of Philox for consecutive blocks; see [`philox`].
#[inline(always)]
fn blocks(first: u64, mut key: [u32; 2]) -> [[u32; TOGETHER]; 4] {
    let mut counter = [[0; TOGETHER]; 4];
    for lane in 0..TOGETHER {
        let block = first.wrapping_add(lane as u64);
        counter[0][lane] = block as u32;
        counter[1][lane] = (block >> 32) as u32;
    }
    for _ in 0..10 {
        for lane in 0..TOGETHER {
            let a = 0xD251_1F53_u64 * u64::from(counter[0][lane]);
            let b = 0xCD9E_8D57_u64 * u64::from(counter[2][lane]);
            counter[0][lane] = (b >> 32) as u32 ^ counter[1][lane] ^ key[0];
            counter[1][lane] = b as u32;
            counter[2][lane] = (a >> 32) as u32 ^ counter[3][lane] ^ key[1];
            counter[3][lane] = a as u32;
        }
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[inline(always)]
fn fill_whole<T>(first: u64, key: [u32; 2], to: &mut [T], make: impl Fn(u32) -> T) {
    for (i, chunk) in to.chunks_exact_mut(4 * TOGETHER).enumerate() {
        let numbers = blocks(first + (i * TOGETHER) as u64, key);
        for lane in 0..TOGETHER {
            for word in 0..4 {
                chunk[4 * lane + word] = make(numbers[word][lane]);
            }
        }
    }
}

/// What becomes of 32 random bits.
trait Make: Copy {
    fn make(bits: u32) -> Self;
}

impl Make for u32 {
    #[inline(always)]
    fn make(bits: u32) -> Self {
        bits
    }
}

impl Make for f32 {
    #[inline(always)]
    fn make(bits: u32) -> Self {
        // Below 2²⁴, so exact; and a signed conversion is one instruction everywhere.
        (bits >> 8) as i32 as Self * (1.0 / 16_777_216.0)
    }
}

fn fill<T: Make>(simd: Simd, [seed, stream, step]: [u64; 3], start: u64, to: &mut [T]) {
    let draw = Draw::new(seed, stream, step);
    let one_by_one = |from: usize, part: &mut [T]| {
        for (i, value) in part.iter_mut().enumerate() {
            *value = T::make(draw.bits(start + (from + i) as u64));
        }
    };
    let head = to.len().min((start.wrapping_neg() % 4) as usize);
    let whole = (to.len() - head) / (4 * TOGETHER) * (4 * TOGETHER);
    one_by_one(0, &mut to[..head]);
    one_by_one(head + whole, &mut to[head + whole..]);
    let to = &mut to[head..head + whole];
    let first = (start + head as u64) / 4;
    let words = [stream as u32, (stream >> 32) as u32, step as u32, (step >> 32) as u32];
    let [a, b, ..] = philox(words, [seed as u32, (seed >> 32) as u32]);
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn avx512<T: Make>(first: u64, key: [u32; 2], to: &mut [T]) {
            fill_whole(first, key, to, T::make);
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<T: Make>(first: u64, key: [u32; 2], to: &mut [T]) {
            fill_whole(first, key, to, T::make);
        }
        match simd.or_detected() {
            // SAFETY: the machine has this instruction set.
            Simd::Avx512 => return unsafe { avx512(first, [a, b], to) },
            // SAFETY: the machine has this instruction set.
            Simd::Avx2 => return unsafe { avx2(first, [a, b], to) },
            Simd::Portable => {}
        }
    }
    let _ = simd;
    fill_whole(first, [a, b], to, T::make);
}

/// Fills `to` with the random bits at positions from `start` on of
/// [`Draw::new`]`(seed, stream, step)`.
///
/// # Examples
///
/// ```
/// use deckle_cpu::{Simd, math};
/// use deckle_tensor::random::Draw;
///
/// let mut numbers = [0; 3];
/// math::bits(Simd::detect(), [42, 7, 0], 5, &mut numbers);
/// assert_eq!(numbers[2], Draw::new(42, 7, 0).bits(7));
/// ```
pub fn bits(simd: Simd, seed_stream_step: [u64; 3], start: u64, to: &mut [u32]) {
    fill(simd, seed_stream_step, start, to);
}

/// Fills `to` with the uniform random numbers at positions from `start` on; as [`bits`].
pub fn uniform(simd: Simd, seed_stream_step: [u64; 3], start: u64, to: &mut [f32]) {
    fill(simd, seed_stream_step, start, to);
}
