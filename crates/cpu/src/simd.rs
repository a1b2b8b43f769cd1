//! Which vector instructions the kernels use: [`Simd`].
#![expect(unsafe_code, reason = "a barrier for the compiler")]

use std::{
    ops::{Add, AddAssign, Div, Mul, Neg, Sub},
    sync::OnceLock,
};

use deckle_tensor::Element;

use crate::{gemm::GemmFloat, math::MathFloat};

/// A set of vector instructions; the later ones hold the earlier ones.
///
/// Kernels take it as a parameter. Results of different sets differ in the last bits; with one
/// set they depend on the shapes only.
///
/// # Examples
///
/// ```
/// use deckle_cpu::Simd;
///
/// assert!(Simd::detect() >= Simd::Portable);
/// assert_eq!(Simd::from_name("portable"), Some(Simd::Portable));
/// assert_eq!(Simd::Avx2.min(Simd::Avx512).name(), "avx2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Simd {
    /// What the compiler makes of plain Rust on every target.
    Portable,
    /// 256-bit vectors with fused multiply-add, x86-64.
    Avx2,
    /// 512-bit vectors, x86-64.
    Avx512,
}

impl Simd {
    /// Every set, the smallest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The largest set that this machine has, or `DECKLE_SIMD` in the environment names if that
    /// is smaller: `avx512`, `avx2` or `portable`; any other value sets nothing.
    #[must_use]
    pub fn detect() -> Self {
        static LARGEST: OnceLock<Simd> = OnceLock::new();
        *LARGEST.get_or_init(|| {
            let named = std::env::var("DECKLE_SIMD").ok();
            let named = named.and_then(|name| Self::from_name(&name));
            named.map_or(Self::of_machine(), |named| named.min(Self::of_machine()))
        })
    }

    fn of_machine() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("popcnt")
            {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// The sets that this machine has.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::detect();
        Self::ALL.into_iter().filter(move |&simd| simd <= best)
    }

    /// The set of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|simd| simd.name() == name)
    }

    /// The name, as `avx2`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// This set, or the largest one that this machine has if that is smaller.
    ///
    /// The kernels start with this, so that no value of [`Simd`] can make them run
    /// instructions that are not there.
    #[must_use]
    pub fn or_detected(self) -> Self {
        self.min(Self::detect())
    }
}

/// Compiles the body of a function on slices for each instruction set; the function that is
/// defined takes a [`Simd`], and gives the version for it, or for the machine's if that is
/// smaller.
macro_rules! vectorized {
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident<T: Float>($($argument:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $crate::simd::vectorized! {
            $(#[$meta])*
            $visibility fn $name<T: Float, const FUSED: bool>($($argument: $type),*) $body
        }
    };
    // `$fused` says whether `mul_add` is one instruction.
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident<T: Float, const $fused:ident: bool>(
            $($argument:ident: $type:ty),* $(,)?
        ) $body:block
    ) => {
        $(#[$meta])*
        $visibility fn $name<T: $crate::simd::Float>(simd: $crate::Simd) -> fn($($type),*) {
            #[inline(always)]
            fn run<T: $crate::simd::Float, const $fused: bool>($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512<T: $crate::simd::Float>($($argument: $type),*) {
                    run::<T, true>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2<T: $crate::simd::Float>($($argument: $type),*) {
                    run::<T, true>($($argument),*);
                }
                match simd.or_detected() {
                    $crate::Simd::Avx512 => {
                        // SAFETY: the machine has this instruction set.
                        return |$($argument),*| unsafe { avx512($($argument),*) };
                    }
                    $crate::Simd::Avx2 => {
                        // SAFETY: the machine has this instruction set.
                        return |$($argument),*| unsafe { avx2($($argument),*) };
                    }
                    $crate::Simd::Portable => {}
                }
            }
            let _ = simd;
            run::<T, { cfg!(target_arch = "aarch64") }>
        }
    };
}
pub(crate) use vectorized;

/// Keeps the compiler from taking several turns of a loop at once, where each computes a whole
/// vector: it would gather the first elements of sixteen turns, then their second ones.
#[inline(always)]
pub(crate) fn one_by_one() {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: there is no instruction.
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

/// The same number, of which the compiler does not know where it comes from: so it stays in one
/// register, where its sums with others would each take one.
#[inline(always)]
pub(crate) fn opaque(number: usize) -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut same = number;
        // SAFETY: there is no instruction.
        unsafe {
            std::arch::asm!(
                "/* {0} */",
                inout(reg) same,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        same
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    number
}

/// `f32` and `f64`, the types that the fast kernels compute in.
///
/// Sealed, as [`Element`] is.
pub trait Float:
    Element
    + GemmFloat
    + MathFloat
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// -∞.
    const NEG_INFINITY: Self;

    /// Whether this is no number.
    #[must_use]
    #[inline]
    fn is_nan(self) -> bool {
        self.partial_cmp(&self).is_none()
    }
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;
}
/// Asks for the cache line of an address, which need not be valid.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction, which does nothing where nothing can be read.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
