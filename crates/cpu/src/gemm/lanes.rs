//! Vectors of one register: [`Lanes`].

/// A vector register of numbers.
///
/// # Safety
///
/// All methods have to run where the instruction set of the type is enabled, and be inlined
/// there. Pointers have to be valid for the elements that are read or written; they need no
/// alignment.
pub(super) unsafe trait Lanes: Copy {
    type Number: Copy;
    const LEN: usize;

    unsafe fn zero() -> Self;
    unsafe fn splat(value: Self::Number) -> Self;
    unsafe fn load(from: *const Self::Number) -> Self;
    /// The first `len` elements, and zeros; `len < LEN`.
    unsafe fn load_part(from: *const Self::Number, len: usize) -> Self;
    unsafe fn store(self, to: *mut Self::Number);
    /// The first `len` elements; `len < LEN`.
    unsafe fn store_part(self, to: *mut Self::Number, len: usize);
    unsafe fn add(self, other: Self) -> Self;
    /// `self · factor + addend`, fused where the instruction set can.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The sum of all elements, in a fixed order.
    unsafe fn sum(self) -> Self::Number;
}

/// Vectors whose elements can be copies of fewer numbers.
///
/// # Safety
///
/// As that of [`Lanes`].
pub(super) unsafe trait Spread: Lanes {
    /// Which of some numbers each element is.
    type Places: Copy;
    /// Whether there is an instruction for it.
    const FAST: bool;

    /// Those that are given, element by element.
    unsafe fn places(next: impl FnMut() -> usize) -> Self::Places;
    /// The elements at these places; `count` numbers are there, and the places lie among them
    /// or their elements are not used.
    unsafe fn load_at(
        from: *const Self::Number,
        count: usize,
        places: Self::Places,
    ) -> Self;
}

/// Four or two numbers, left to the compiler.
#[derive(Clone, Copy)]
pub(super) struct Plain<T, const LEN: usize>([T; LEN]);

macro_rules! plain {
    ($number:ty) => {
        // SAFETY: plain Rust; it needs no instruction set.
        unsafe impl<const LEN: usize> Lanes for Plain<$number, LEN> {
            type Number = $number;
            const LEN: usize = LEN;

            #[inline(always)]
            unsafe fn zero() -> Self {
                Self([0.0; LEN])
            }
            #[inline(always)]
            unsafe fn splat(value: $number) -> Self {
                Self([value; LEN])
            }
            #[inline(always)]
            unsafe fn load(from: *const $number) -> Self {
                // SAFETY: the caller promises that all elements can be read.
                Self(unsafe { from.cast::<[$number; LEN]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $number, len: usize) -> Self {
                let mut values = [0.0; LEN];
                for (i, value) in values.iter_mut().enumerate().take(len) {
                    // SAFETY: the caller promises that `len` elements can be read.
                    *value = unsafe { *from.add(i) };
                }
                Self(values)
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $number) {
                // SAFETY: the caller promises that all elements can be written.
                unsafe { to.cast::<[$number; LEN]>().write_unaligned(self.0) };
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $number, len: usize) {
                for (i, value) in self.0.into_iter().enumerate().take(len) {
                    // SAFETY: the caller promises that `len` elements can be written.
                    unsafe { *to.add(i) = value };
                }
            }
            #[inline(always)]
            unsafe fn add(mut self, other: Self) -> Self {
                for i in 0..LEN {
                    self.0[i] += other.0[i];
                }
                self
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, mut addend: Self) -> Self {
                for i in 0..LEN {
                    if cfg!(target_arch = "aarch64") {
                        addend.0[i] = self.0[i].mul_add(factor.0[i], addend.0[i]);
                    } else {
                        addend.0[i] += self.0[i] * factor.0[i];
                    }
                }
                addend
            }
            #[inline(always)]
            unsafe fn sum(self) -> $number {
                let mut values = self.0;
                let mut len = LEN / 2;
                while len > 0 {
                    for i in 0..len {
                        values[i] += values[i + len];
                    }
                    len /= 2;
                }
                values[0]
            }
        }

        // SAFETY: plain Rust; it needs no instruction set.
        unsafe impl<const LEN: usize> Spread for Plain<$number, LEN> {
            type Places = [usize; LEN];
            const FAST: bool = false;

            #[inline(always)]
            unsafe fn places(mut next: impl FnMut() -> usize) -> [usize; LEN] {
                std::array::from_fn(|_| next())
            }
            #[inline(always)]
            unsafe fn load_at(
                from: *const $number,
                count: usize,
                places: [usize; LEN],
            ) -> Self {
                // SAFETY: the caller promises that `count` numbers can be read.
                Self(places.map(|place| unsafe { *from.add(place.min(count - 1)) }))
            }
        }
    };
}

plain!(f32);
plain!(f64);

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::{Lanes, Spread};

    macro_rules! lanes {
        (
            $vector:ident of $len:literal $number:ident,
            $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident,
            |$from:ident, $to:ident, $count:ident, $value:ident| $load_part:expr, $store_part:expr
        ) => {
            // SAFETY: needs the instruction set that the intrinsics name, as the trait says.
            unsafe impl Lanes for $vector {
                type Number = $number;
                const LEN: usize = $len;

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn splat(value: $number) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn load(from: *const $number) -> Self {
                    // SAFETY: the caller promises the instruction set and the elements.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn load_part($from: *const $number, $count: usize) -> Self {
                    // SAFETY: the caller promises the instruction set and the elements.
                    unsafe { $load_part }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $number) {
                    // SAFETY: the caller promises the instruction set and the elements.
                    unsafe { $store(to, self) };
                }
                #[inline(always)]
                unsafe fn store_part(self, $to: *mut $number, $count: usize) {
                    let $value = self;
                    // SAFETY: the caller promises the instruction set and the elements.
                    unsafe { $store_part };
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $fma(self, factor, addend) }
                }
                #[inline(always)]
                unsafe fn sum(self) -> $number {
                    let mut values = [0.0; $len];
                    // SAFETY: the caller promises the instruction set; the array has room.
                    unsafe { self.store(values.as_mut_ptr()) };
                    let mut len = $len / 2;
                    while len > 0 {
                        for i in 0..len {
                            values[i] += values[i + len];
                        }
                        len /= 2;
                    }
                    values[0]
                }
            }
        };
    }

    /// 32-bit masks whose first `count` elements are set.
    #[inline(always)]
    unsafe fn mask8(count: usize) -> __m256i {
        static STEPS: [i32; 16] =
            [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        debug_assert!(count <= 8, "within one vector");
        // SAFETY: AVX is the caller's promise; 8 elements from `8 - count` lie in the table.
        unsafe { _mm256_loadu_si256(STEPS.as_ptr().add(8 - count).cast()) }
    }

    /// 64-bit masks whose first `count` elements are set.
    #[inline(always)]
    unsafe fn mask4(count: usize) -> __m256i {
        static STEPS: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
        debug_assert!(count <= 4, "within one vector");
        // SAFETY: AVX is the caller's promise; 4 elements from `4 - count` lie in the table.
        unsafe { _mm256_loadu_si256(STEPS.as_ptr().add(4 - count).cast()) }
    }

    /// Two 64-bit masks whose first `count` elements are set.
    #[inline(always)]
    unsafe fn mask2(count: usize) -> __m128i {
        static STEPS: [i64; 4] = [-1, -1, 0, 0];
        debug_assert!(count <= 2, "within one vector");
        // SAFETY: 2 elements from `2 - count` lie in the table.
        unsafe { _mm_loadu_si128(STEPS.as_ptr().add(2 - count).cast()) }
    }

    lanes!(
        __m512 of 16 f32,
        _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps,
        _mm512_fmadd_ps,
        |from, to, count, value| _mm512_maskz_loadu_ps((1_u16 << count) - 1, from),
        _mm512_mask_storeu_ps(to, (1_u16 << count) - 1, value)
    );
    lanes!(
        __m512d of 8 f64,
        _mm512_setzero_pd, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd,
        _mm512_fmadd_pd,
        |from, to, count, value| _mm512_maskz_loadu_pd((1_u8 << count) - 1, from),
        _mm512_mask_storeu_pd(to, (1_u8 << count) - 1, value)
    );
    lanes!(
        __m256 of 8 f32,
        _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps,
        _mm256_fmadd_ps,
        |from, to, count, value| _mm256_maskload_ps(from, mask8(count)),
        _mm256_maskstore_ps(to, mask8(count), value)
    );
    lanes!(
        __m256d of 4 f64,
        _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd,
        _mm256_fmadd_pd,
        |from, to, count, value| _mm256_maskload_pd(from, mask4(count)),
        _mm256_maskstore_pd(to, mask4(count), value)
    );
    lanes!(
        __m128 of 4 f32,
        _mm_setzero_ps, _mm_set1_ps, _mm_loadu_ps, _mm_storeu_ps, _mm_add_ps,
        _mm_fmadd_ps,
        |from, to, count, value| _mm_maskload_ps(from, _mm256_castsi256_si128(mask8(count))),
        _mm_maskstore_ps(to, _mm256_castsi256_si128(mask8(count)), value)
    );
    lanes!(
        __m128d of 2 f64,
        _mm_setzero_pd, _mm_set1_pd, _mm_loadu_pd, _mm_storeu_pd, _mm_add_pd,
        _mm_fmadd_pd,
        |from, to, count, value| _mm_maskload_pd(from, mask2(count)),
        _mm_maskstore_pd(to, mask2(count), value)
    );

    macro_rules! spread {
        (
            $vector:ident of $len:literal $number:ident, [$index:ident; $indices:literal],
            $integers:ident = $load_integers:ident,
            |$values:ident, $places:ident| $permute:expr
        ) => {
            // SAFETY: needs the instruction set that the intrinsics name, as the trait says.
            unsafe impl Spread for $vector {
                type Places = $integers;
                const FAST: bool = true;

                #[inline(always)]
                unsafe fn places(mut next: impl FnMut() -> usize) -> $integers {
                    // An element is as long as one index or two.
                    let each = $indices / $len;
                    let mut place = 0;
                    let places: [$index; $indices] = std::array::from_fn(|i| {
                        if i % each == 0 {
                            place = next() * each;
                        }
                        (place + i % each) as $index
                    });
                    // SAFETY: the caller promises the instruction set; the array is there.
                    unsafe { $load_integers(places.as_ptr().cast()) }
                }
                #[inline(always)]
                unsafe fn load_at(
                    from: *const $number,
                    count: usize,
                    $places: $integers,
                ) -> Self {
                    // SAFETY: the caller promises the instruction set and the numbers.
                    unsafe {
                        let $values = if count < $len {
                            Self::load_part(from, count)
                        } else {
                            Self::load(from)
                        };
                        $permute
                    }
                }
            }
        };
    }

    spread!(
        __m512 of 16 f32, [i32; 16], __m512i = _mm512_loadu_si512,
        |values, places| _mm512_permutexvar_ps(places, values)
    );
    spread!(
        __m512d of 8 f64, [i64; 8], __m512i = _mm512_loadu_si512,
        |values, places| _mm512_permutexvar_pd(places, values)
    );
    spread!(
        __m256 of 8 f32, [i32; 8], __m256i = _mm256_loadu_si256,
        |values, places| _mm256_permutevar8x32_ps(values, places)
    );
    spread!(
        __m256d of 4 f64, [i32; 8], __m256i = _mm256_loadu_si256,
        |values, places| _mm256_castps_pd(_mm256_permutevar8x32_ps(
            _mm256_castpd_ps(values), places
        ))
    );
}
