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
    unsafe fn places(places: &[u32; 16]) -> Self::Places;
    /// The elements at these places; `count` numbers are there, and the places lie among them
    /// or their elements are not used.
    unsafe fn load_at(
        from: *const Self::Number,
        count: usize,
        places: Self::Places,
    ) -> Self;
}

/// Vectors that can hold two sums for each number of half a vector, side by side.
///
/// # Safety
///
/// As that of [`Lanes`].
pub(super) unsafe trait Pairs: Lanes {
    type Half: Lanes<Number = Self::Number>;

    /// Two numbers, again and again.
    unsafe fn load_pair(from: *const Self::Number) -> Self;
    /// Four numbers, again and again; with at least as many elements.
    unsafe fn load_four(from: *const Self::Number) -> Self;
    /// The elements of both, by turns.
    unsafe fn join(even: Self::Half, odd: Self::Half) -> Self;
    /// The elements at even and those at odd places.
    unsafe fn split(self) -> [Self::Half; 2];
    /// The sums of an element at an even place and the next one, of this vector and then of the
    /// other.
    unsafe fn add_pairs(self, other: Self) -> Self;
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
            unsafe fn places(places: &[u32; 16]) -> [usize; LEN] {
                std::array::from_fn(|i| places[i] as usize)
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

macro_rules! plain_pairs {
    ($number:ty, $len:literal, $half:literal) => {
        // SAFETY: plain Rust; it needs no instruction set.
        unsafe impl Pairs for Plain<$number, $len> {
            type Half = Plain<$number, $half>;

            #[inline(always)]
            unsafe fn load_pair(from: *const $number) -> Self {
                // SAFETY: the caller promises that two elements can be read.
                let pair = unsafe { [*from, *from.add(1)] };
                Self(std::array::from_fn(|i| pair[i % 2]))
            }
            #[inline(always)]
            unsafe fn load_four(from: *const $number) -> Self {
                // SAFETY: the caller promises that four elements can be read.
                Self(std::array::from_fn(|i| unsafe { *from.add(i % 4) }))
            }
            #[inline(always)]
            unsafe fn join(even: Self::Half, odd: Self::Half) -> Self {
                let both = [even.0, odd.0];
                Self(std::array::from_fn(|i| both[i % 2][i / 2]))
            }
            #[inline(always)]
            unsafe fn split(self) -> [Self::Half; 2] {
                [0, 1].map(|odd| Plain(std::array::from_fn(|i| self.0[2 * i + odd])))
            }
            #[inline(always)]
            unsafe fn add_pairs(self, other: Self) -> Self {
                let all = [self.0, other.0];
                let all = all.as_flattened();
                Self(std::array::from_fn(|i| all[2 * i] + all[2 * i + 1]))
            }
        }
    };
}

plain_pairs!(f32, 4, 2);
plain_pairs!(f64, 2, 1);

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::{Lanes, Pairs, Spread};

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
                unsafe fn places(places: &[u32; 16]) -> $integers {
                    // An element is as long as one index or two.
                    let each = $indices / $len;
                    let mut indices: [$index; $indices] = [0; $indices];
                    for i in 0..$indices {
                        indices[i] =
                            (places[i / each] as usize * each + i % each) as $index;
                    }
                    // SAFETY: the caller promises the instruction set; the array is there.
                    unsafe { $load_integers(indices.as_ptr().cast()) }
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

    macro_rules! pairs {
        (
            $vector:ident of $number:ident, $half:ident,
            |$from:ident| $load:expr, $four:expr, |$even:ident, $odd:ident| $join:expr,
            |$both:ident| $split:expr, |$first:ident, $second:ident| $add:expr
        ) => {
            // SAFETY: needs the instruction set that the intrinsics name, as the trait says.
            unsafe impl Pairs for $vector {
                type Half = $half;

                #[inline(always)]
                unsafe fn load_pair($from: *const $number) -> Self {
                    // SAFETY: the caller promises the instruction set and two elements.
                    unsafe { $load }
                }
                #[inline(always)]
                unsafe fn load_four($from: *const $number) -> Self {
                    // SAFETY: the caller promises the instruction set and four elements.
                    unsafe { $four }
                }
                #[inline(always)]
                unsafe fn join($even: $half, $odd: $half) -> Self {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $join }
                }
                #[inline(always)]
                unsafe fn split(self) -> [$half; 2] {
                    let $both = self;
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $split }
                }
                #[inline(always)]
                unsafe fn add_pairs(self, other: Self) -> Self {
                    let ($first, $second) = (self, other);
                    // SAFETY: the caller promises the instruction set.
                    unsafe { $add }
                }
            }
        };
    }

    pairs!(
        __m512 of f32, __m256,
        |from| _mm512_castpd_ps(_mm512_set1_pd(from.cast::<f64>().read_unaligned())),
        _mm512_broadcast_f32x4(_mm_loadu_ps(from)),
        |even, odd| _mm512_permutex2var_ps(
            _mm512_castps256_ps512(even),
            _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
            _mm512_castps256_ps512(odd),
        ),
        |both| {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            [even, odd].map(|at| _mm512_castps512_ps256(_mm512_permutexvar_ps(at, both)))
        },
        |a, b| {
            let even =
                _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            _mm512_add_ps(
                _mm512_permutex2var_ps(a, even, b),
                _mm512_permutex2var_ps(a, odd, b),
            )
        }
    );
    pairs!(
        __m512d of f64, __m256d,
        |from| _mm512_broadcast_f64x2(_mm_loadu_pd(from)),
        _mm512_broadcast_f64x4(_mm256_loadu_pd(from)),
        |even, odd| _mm512_permutex2var_pd(
            _mm512_castpd256_pd512(even),
            _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11),
            _mm512_castpd256_pd512(odd),
        ),
        |both| {
            let even = _mm512_setr_epi64(0, 2, 4, 6, 0, 0, 0, 0);
            let odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
            [even, odd].map(|at| _mm512_castpd512_pd256(_mm512_permutexvar_pd(at, both)))
        },
        |a, b| {
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
            _mm512_add_pd(
                _mm512_permutex2var_pd(a, even, b),
                _mm512_permutex2var_pd(a, odd, b),
            )
        }
    );
    pairs!(
        __m256 of f32, __m128,
        |from| _mm256_castpd_ps(_mm256_set1_pd(from.cast::<f64>().read_unaligned())),
        _mm256_broadcast_ps(&_mm_loadu_ps(from)),
        |even, odd| _mm256_set_m128(_mm_unpackhi_ps(even, odd), _mm_unpacklo_ps(even, odd)),
        |both| {
            let (low, high) = (_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
            [_mm_shuffle_ps(low, high, 0b10_00_10_00), _mm_shuffle_ps(low, high, 0b11_01_11_01)]
        },
        |a, b| _mm256_castpd_ps(_mm256_permute4x64_pd(
            _mm256_castps_pd(_mm256_hadd_ps(a, b)), 0b11_01_10_00
        ))
    );
    pairs!(
        __m256d of f64, __m128d,
        |from| {
            let pair = _mm_loadu_pd(from);
            _mm256_set_m128d(pair, pair)
        },
        _mm256_loadu_pd(from),
        |even, odd| _mm256_set_m128d(_mm_unpackhi_pd(even, odd), _mm_unpacklo_pd(even, odd)),
        |both| {
            let (low, high) = (_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
            [_mm_unpacklo_pd(low, high), _mm_unpackhi_pd(low, high)]
        },
        |a, b| _mm256_permute4x64_pd(_mm256_hadd_pd(a, b), 0b11_01_10_00)
    );
}
