//! Random numbers, many at a time: [`bits`], [`uniform`], [`normal`].
#![expect(clippy::needless_range_loop, reason = "constant bounds, unrolled to registers")]

#[cfg(doc)]
use deckle_tensor::random::Draw;
use deckle_tensor::random::{TWO_DEVIATIONS, philox};

use super::{double::mul_add, single::log2};
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

/// What becomes of 32 random bits.
trait Make {
    type Number: Copy + Default;
    /// Whether it takes so many instructions that they need a loop of their own.
    const LONG: bool = false;

    /// `FMA` says whether `mul_add` is one instruction.
    fn make<const FMA: bool>(bits: u32) -> Self::Number;
}

struct Bits;
struct Uniform;
struct Normal;
struct TruncatedNormal;

impl Make for Bits {
    type Number = u32;

    #[inline(always)]
    fn make<const FMA: bool>(bits: u32) -> u32 {
        bits
    }
}

impl Make for Uniform {
    type Number = f32;

    #[inline(always)]
    fn make<const FMA: bool>(bits: u32) -> f32 {
        // Below 2²⁴, so exact; and a signed conversion is one instruction everywhere.
        (bits >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
    }
}

/// The middle of the bits' cell, from -1 to 1.
#[inline(always)]
fn centred(bits: u32) -> f64 {
    // A signed conversion is one instruction everywhere.
    (f64::from((bits ^ 1 << 31) as i32) + 0.5) * (1.0 / 2_147_483_648.0)
}

/// A polynomial, the constant coefficient first.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = mul_add::<FMA>(sum, x, coefficients[i]);
    }
    sum
}

/// `√2 · erfinv(x)` to 1e-9, in the variables of [`erfinv`](deckle_tensor::random::erfinv) with
/// polynomials of fewer terms, fitted at Chebyshev points; without `TAILS` for |x| up to 0.999.
#[inline(always)]
fn quantile<const FMA: bool, const TAILS: bool>(x: f64) -> f32 {
    /// Of w - 3.125, for w from 0 to 6.25.
    const CENTRAL: [f64; 13] = [
        2.338_620_710_026_593,
        0.339_634_953_075_064_6,
        -0.008_532_899_404_755_849,
        -0.001_047_495_303_750_469_7,
        0.000_264_082_689_468_158_74,
        -1.964_645_456_038_699e-5,
        -1.931_563_643_707_431_5e-6,
        6.038_481_744_356_054e-7,
        -4.095_415_452_089_042e-8,
        -6.721_397_313_114_064e-9,
        1.465_674_296_611_927_9e-9,
        8.044_352_890_481_519e-12,
        -1.777_781_623_509_46e-11,
    ];
    /// Of √w - 3.5, for w from 6.25 to 21.6.
    const TAIL: [f64; 12] = [
        4.717_089_139_715_371,
        1.424_634_656_568_149,
        0.004_634_098_349_709_957,
        -0.002_918_188_753_911_426,
        0.001_547_300_253_270_538_8,
        -0.000_958_882_923_333_635_6,
        0.000_605_540_850_889_309_2,
        -0.000_325_020_886_755_668_16,
        0.000_118_136_765_431_169_8,
        3.751_196_453_532_968_3e-7,
        -2.652_402_418_797_494e-5,
        9.137_768_464_694_103e-6,
    ];
    let w = -std::f64::consts::LN_2 * log2::<FMA>((1.0 - x) * (1.0 + x));
    let central = polynomial::<FMA, 13>(w - 3.125, CENTRAL);
    let factor = if TAILS {
        let tail = polynomial::<FMA, 12>(w.sqrt() - 3.5, TAIL);
        if w < 6.25 { central } else { tail }
    } else {
        central
    };
    (x * factor) as f32
}

impl Make for Normal {
    type Number = f32;
    const LONG: bool = true;

    #[inline(always)]
    fn make<const FMA: bool>(bits: u32) -> f32 {
        quantile::<FMA, true>(centred(bits))
    }
}

impl Make for TruncatedNormal {
    type Number = f32;
    const LONG: bool = true;

    #[inline(always)]
    fn make<const FMA: bool>(bits: u32) -> f32 {
        quantile::<FMA, false>(TWO_DEVIATIONS * centred(bits))
    }
}

/// Numbers that are made together.
const CHUNK: usize = 4 * TOGETHER;

#[inline(always)]
fn fill_chunk<M: Make, const FMA: bool>(
    block: u64,
    key: [u32; 2],
    to: &mut [M::Number; CHUNK],
) {
    let numbers = blocks(block, key);
    if M::LONG {
        let mut bits = [0; CHUNK];
        place(&numbers, &mut bits, |bits| bits);
        for (number, bits) in to.iter_mut().zip(bits) {
            *number = M::make::<FMA>(bits);
        }
    } else {
        place(&numbers, to, M::make::<FMA>);
    }
}

/// Puts what becomes of the words of blocks in the order of the blocks.
#[inline(always)]
fn place<T>(
    numbers: &[[u32; TOGETHER]; 4],
    to: &mut [T; CHUNK],
    make: impl Fn(u32) -> T,
) {
    for lane in 0..TOGETHER {
        for word in 0..4 {
            to[4 * lane + word] = make(numbers[word][lane]);
        }
    }
}

/// As [`fill_chunk`], but only some of the numbers, from `skip` on.
#[inline(always)]
fn fill_part<M: Make, const FMA: bool>(
    block: u64,
    key: [u32; 2],
    skip: usize,
    to: &mut [M::Number],
) {
    let mut numbers = [M::Number::default(); CHUNK];
    fill_chunk::<M, FMA>(block, key, &mut numbers);
    to.copy_from_slice(&numbers[skip..skip + to.len()]);
}

#[inline(always)]
fn fill_all<M: Make, const FMA: bool>(start: u64, key: [u32; 2], to: &mut [M::Number]) {
    let skip = (start % 4) as usize;
    let head = if skip == 0 { 0 } else { to.len().min(CHUNK - skip) };
    let (first, rest) = to.split_at_mut(head);
    if head > 0 {
        fill_part::<M, FMA>(start / 4, key, skip, first);
    }
    let mut block = (start + head as u64) / 4;
    let (whole, last) = rest.as_chunks_mut::<CHUNK>();
    for chunk in whole {
        fill_chunk::<M, FMA>(block, key, chunk);
        block += TOGETHER as u64;
    }
    if !last.is_empty() {
        fill_part::<M, FMA>(block, key, 0, last);
    }
}

fn fill<M: Make>(
    simd: Simd,
    [seed, stream, step]: [u64; 3],
    start: u64,
    to: &mut [M::Number],
) {
    let words = [stream as u32, (stream >> 32) as u32, step as u32, (step >> 32) as u32];
    let [a, b, ..] = philox(words, [seed as u32, (seed >> 32) as u32]);
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn avx512<M: Make>(start: u64, key: [u32; 2], to: &mut [M::Number]) {
            fill_all::<M, true>(start, key, to);
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<M: Make>(start: u64, key: [u32; 2], to: &mut [M::Number]) {
            fill_all::<M, true>(start, key, to);
        }
        match simd.or_detected() {
            // SAFETY: the machine has this instruction set.
            Simd::Avx512 => return unsafe { avx512::<M>(start, [a, b], to) },
            // SAFETY: the machine has this instruction set.
            Simd::Avx2 => return unsafe { avx2::<M>(start, [a, b], to) },
            Simd::Portable => {}
        }
    }
    let _ = simd;
    fill_all::<M, { cfg!(target_arch = "aarch64") }>(start, [a, b], to);
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
    fill::<Bits>(simd, seed_stream_step, start, to);
}

/// Fills `to` with the uniform random numbers at positions from `start` on; as [`bits`].
pub fn uniform(simd: Simd, seed_stream_step: [u64; 3], start: u64, to: &mut [f32]) {
    fill::<Uniform>(simd, seed_stream_step, start, to);
}

/// Fills `to` with the normally distributed random numbers at positions from `start` on, mean 0,
/// standard deviation 1, within a unit in the last place of [`Draw::normal`]; as [`bits`].
pub fn normal(simd: Simd, seed_stream_step: [u64; 3], start: u64, to: &mut [f32]) {
    fill::<Normal>(simd, seed_stream_step, start, to);
}

/// As [`normal`], but within -2 and 2; see [`Draw::truncated_normal`].
pub fn truncated_normal(
    simd: Simd,
    seed_stream_step: [u64; 3],
    start: u64,
    to: &mut [f32],
) {
    fill::<TruncatedNormal>(simd, seed_stream_step, start, to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use deckle_tensor::random;

    #[test]
    fn every_part_of_the_normal_distribution_is_met() {
        let ends = [0, 1, 2, 3, u32::MAX - 1, u32::MAX, 1 << 31, (1 << 31) - 1];
        for bits in ends.into_iter().chain((0..1 << 20).map(|i| i * 4093 + 5)) {
            for (value, exact) in [
                (Normal::make::<true>(bits), random::normal(bits)),
                (Normal::make::<false>(bits), random::normal(bits)),
                (TruncatedNormal::make::<true>(bits), random::truncated_normal(bits)),
            ] {
                let error = (f64::from(value) - exact).abs() / exact.abs();
                assert!(error < 7e-8, "{bits}: {value}, not {exact}");
            }
        }
    }
}
