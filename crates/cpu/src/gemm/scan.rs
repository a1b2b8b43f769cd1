//! Finding what is not zero: [`scan`].

use crate::{
    Simd,
    simd::{Float, prefetch},
};

/// The elements whose bits are one number.
const CHUNK: usize = 16;

/// The elements that a scan may write beyond the last non-zero.
pub(super) const SLACK: usize = 16;

/// Writes the places, counted from the second argument on, and the values of what is not zero;
/// returns how many there are.
///
/// If there are more than fit with [`SLACK`] to spare, it is `None`.
pub(super) type Scan<T> = fn(&[T], u32, &mut [u32], &mut [T]) -> Option<usize>;

/// The scan for an instruction set.
pub(super) fn scan<T: Float>(simd: Simd) -> Scan<T> {
    #[cfg(target_arch = "x86_64")]
    match simd.or_detected() {
        Simd::Avx512 => return by_avx512(bytes_compress()),
        // SAFETY: the machine has this instruction set.
        Simd::Avx2 => return |x, first, at, to| unsafe { avx2(x, first, at, to) },
        Simd::Portable => {}
    }
    let _ = simd;
    by_bits::<T, false>
}

/// Whether AVX-512 can move bytes together.
#[cfg(target_arch = "x86_64")]
fn bytes_compress() -> bool {
    is_x86_feature_detected!("avx512vbmi2")
}

/// The scan for AVX-512, with or without the instructions that move bytes together.
#[cfg(target_arch = "x86_64")]
fn by_avx512<T: Float>(bytes: bool) -> Scan<T> {
    match bytes {
        true if size_of::<T>() == 4 => |x, first, at, to| {
            // SAFETY: the machine has these sets; a `Float` of four bytes is an `f32`.
            unsafe { avx512_bytes(x, first, at, to) }
        },
        // SAFETY: the machine has this instruction set.
        _ => |x, first, at, to| unsafe { avx512(x, first, at, to) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Float>(x: &[T], first: u32, at: &mut [u32], to: &mut [T]) -> Option<usize> {
    by_bits::<T, true>(x, first, at, to)
}

/// Moves what is not zero together, without a branch: with one in fifty elements, most chunks
/// are empty, but which ones cannot be foreseen.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,popcnt")]
fn avx512<T: Float>(x: &[T], first: u32, at: &mut [u32], to: &mut [T]) -> Option<usize> {
    use std::arch::x86_64::*;

    let room = at.len().min(to.len()).checked_sub(SLACK)?;
    let mut count = 0;
    let lanes = 64 / size_of::<T>();
    let (at, to) = (at.as_mut_ptr().cast::<i32>(), to.as_mut_ptr());
    let mut place =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    place = _mm512_add_epi32(place, _mm512_set1_epi32(first.cast_signed()));
    let step = _mm512_set1_epi32(lanes as i32);
    for chunk in x.chunks(lanes) {
        if count > room {
            return None;
        }
        let mask = u16::MAX >> (16 - chunk.len());
        // SAFETY: a `Float` of four bytes is an `f32`, any other one an `f64`. The loads are
        // those of the chunk's elements; at most 16 elements are written from `count` on, which
        // is at most `room`.
        let some = unsafe {
            if size_of::<T>() == 4 {
                let x = _mm512_maskz_loadu_ps(mask, chunk.as_ptr().cast());
                let zero = _mm512_setzero_ps();
                let some = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(x, zero);
                let x = _mm512_maskz_compress_ps(some, x);
                _mm512_storeu_ps(to.add(count).cast(), x);
                some
            } else {
                let x = _mm512_maskz_loadu_pd(mask as u8, chunk.as_ptr().cast());
                let zero = _mm512_setzero_pd();
                let some = _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(x, zero);
                let x = _mm512_maskz_compress_pd(some, x);
                _mm512_storeu_pd(to.add(count).cast(), x);
                u16::from(some)
            }
        };
        // SAFETY: as above.
        unsafe {
            let place = _mm512_maskz_compress_epi32(some, place);
            _mm512_storeu_epi32(at.add(count), place);
        }
        place = _mm512_add_epi32(place, step);
        count += some.count_ones() as usize;
    }
    Some(count)
}

/// As [`avx512`], for 64 elements at a time: what is not zero among them is rarely more than one
/// vector, and their values are looked up afterwards.
///
/// # Safety
///
/// `T` is `f32`.
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vbmi2,avx2,fma,popcnt"
)]
unsafe fn avx512_bytes<T: Float>(
    x: &[T],
    first: u32,
    at: &mut [u32],
    to: &mut [T],
) -> Option<usize> {
    use std::arch::x86_64::*;

    /// The elements whose bits are one number.
    const BLOCK: usize = 64;
    /// The elements between what is looked at and what is fetched.
    const AHEAD: usize = 1024;

    let room = at.len().min(to.len()).checked_sub(SLACK)?;
    let numbers: [i8; BLOCK] = std::array::from_fn(|i| i as i8);
    // SAFETY: the array is as long as a vector.
    let numbers = unsafe { _mm512_loadu_epi8(numbers.as_ptr()) };
    let mut count = 0;
    for (block, chunk) in x.chunks(BLOCK).enumerate() {
        let mut bits = 0;
        for (part, some) in chunk.chunks(CHUNK).enumerate() {
            let mask = u16::MAX >> (CHUNK - some.len());
            prefetch(some.as_ptr().wrapping_add(AHEAD));
            // SAFETY: the elements are those of the part, and `f32`s by the caller's promise.
            let some = unsafe { _mm512_maskz_loadu_ps(mask, some.as_ptr().cast()) };
            let some = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(some, _mm512_setzero_ps());
            bits |= u64::from(some) << (CHUNK * part);
        }
        let mut places = _mm512_maskz_compress_epi8(bits, numbers);
        let before = _mm512_set1_epi32((first as usize + BLOCK * block) as i32);
        let end = count + bits.count_ones() as usize;
        loop {
            if count > room {
                return None;
            }
            let here = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
            // SAFETY: 16 elements from `count` on, which is at most `room`, are there.
            unsafe {
                let to = at.as_mut_ptr().add(count).cast();
                _mm512_storeu_epi32(to, _mm512_add_epi32(here, before));
            }
            if end <= count + CHUNK {
                break;
            }
            count += CHUNK;
            // The next quarter.
            places = _mm512_alignr_epi32::<4>(_mm512_setzero_si512(), places);
        }
        count = end;
    }
    if count > room {
        return None;
    }
    for (to, &at) in to.iter_mut().zip(&at[..count]) {
        *to = x[(at - first) as usize];
    }
    Some(count)
}

/// Goes from one set bit to the next.
#[inline(always)]
fn by_bits<T: Float, const AVX2: bool>(
    x: &[T],
    first: u32,
    at: &mut [u32],
    to: &mut [T],
) -> Option<usize> {
    let room = at.len().min(to.len()).checked_sub(SLACK)?;
    let mut count = 0;
    for (number, block) in x.chunks(4 * CHUNK).enumerate() {
        let (chunks, rest) = block.as_chunks::<CHUNK>();
        let mut bits = 0;
        for (i, chunk) in chunks.iter().enumerate() {
            bits |= u64::from(bits_of::<T, AVX2>(chunk)) << (CHUNK * i);
        }
        if !rest.is_empty() {
            let mut last = [T::ZERO; CHUNK];
            last[..rest.len()].copy_from_slice(rest);
            bits |= u64::from(bits_of::<T, AVX2>(&last)) << (CHUNK * chunks.len());
        }
        while bits != 0 {
            if count > room {
                return None;
            }
            let place = bits.trailing_zeros() as usize;
            at[count] = first + (4 * CHUNK * number + place) as u32;
            to[count] = block[place];
            count += 1;
            bits &= bits - 1;
        }
    }
    Some(count)
}

/// A bit for each element that is not zero, the first element's the lowest.
#[inline(always)]
fn bits_of<T: Float, const AVX2: bool>(chunk: &[T; CHUNK]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        use std::arch::x86_64::*;

        // SAFETY: `vectorized` sets its constant only where AVX2 is there. A `Float` of four
        // bytes is an `f32`, any other one an `f64`; the loads are those of the chunk.
        return unsafe {
            let mut bits = 0;
            if size_of::<T>() == 4 {
                let values = chunk.as_ptr().cast::<f32>();
                let zero = _mm256_setzero_ps();
                for part in 0..2 {
                    let values = _mm256_loadu_ps(values.add(8 * part));
                    let other = _mm256_cmp_ps::<_CMP_NEQ_UQ>(values, zero);
                    bits |= _mm256_movemask_ps(other).cast_unsigned() << (8 * part);
                }
            } else {
                let values = chunk.as_ptr().cast::<f64>();
                let zero = _mm256_setzero_pd();
                for part in 0..4 {
                    let values = _mm256_loadu_pd(values.add(4 * part));
                    let other = _mm256_cmp_pd::<_CMP_NEQ_UQ>(values, zero);
                    bits |= _mm256_movemask_pd(other).cast_unsigned() << (4 * part);
                }
            }
            bits as u16
        };
    }
    (0..CHUNK).fold(0, |bits, i| bits | u16::from(chunk[i] != T::ZERO) << i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Float>(numbers: &[T]) {
        let mut scans: Vec<(Simd, Scan<T>)> =
            Simd::available().map(|simd| (simd, scan(simd))).collect();
        #[cfg(target_arch = "x86_64")]
        if Simd::detect() == Simd::Avx512 {
            scans.push((Simd::Avx512, by_avx512(false)));
        }
        let expected: Vec<(u32, T)> = (7..)
            .zip(numbers.iter().copied())
            .filter(|&(_, x)| x.is_nan() || x != T::ZERO)
            .collect();
        for (simd, scan) in scans {
            let room = expected.len() + SLACK;
            let (mut at, mut to) = (vec![0; room], vec![T::ZERO; room]);
            let count = scan(numbers, 7, &mut at, &mut to);
            assert_eq!(count, Some(expected.len()), "{simd:?} {}", numbers.len());
            for (i, &(place, value)) in expected.iter().enumerate() {
                assert_eq!(at[i], place);
                assert!(to[i] == value || to[i].is_nan() && value.is_nan());
            }
            // One place too few, or more.
            if expected.len() > 2 * SLACK {
                let found = scan(numbers, 7, &mut at[..SLACK + 1], &mut to);
                assert_eq!(found, None);
                let found = scan(numbers, 7, &mut at[..3], &mut to);
                assert_eq!(found, None);
            }
        }
    }

    #[test]
    fn what_is_not_zero_is_found_at_its_place() {
        for len in [0, 1, 7, 8, 15, 16, 17, 63, 64, 65, 1000] {
            for rare in [1, 2, 7, 50] {
                let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -0.0 };
                let number =
                    |i: usize| if (i * 31).is_multiple_of(rare) { i as f64 } else { 0.0 };
                let numbers: Vec<f64> = (0..len).map(|i| sign(i) * number(i)).collect();
                check(&numbers);
                check(&numbers.iter().map(|&x| x as f32).collect::<Vec<_>>());
            }
        }
        check(&[0.0, f32::NAN, -0.0, f32::INFINITY]);
        check(&[f64::NAN, 0.0, f64::NEG_INFINITY]);
    }
}
