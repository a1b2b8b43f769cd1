//! Vectorized functions of slices: [`unary`], [`pow`], [`uniform`].
//!
//! The functions in `single` and `double` are plain Rust without branches, which the
//! compiler turns into vector code for each instruction set. An element's bits depend on its
//! value and the instruction set, not on its place or its neighbours.
#![expect(unsafe_code, reason = "loops compiled for instruction sets that are detected")]

pub(crate) mod double;
mod random;
pub(crate) mod single;
#[cfg(test)]
mod tests;

pub use random::{bits, normal, truncated_normal, uniform};

use deckle_tensor::Unary;

use crate::{Simd, simd::Float};

/// A function of one number; `FMA` says whether `mul_add` is one instruction.
trait Function<T> {
    fn apply<const FMA: bool>(x: T) -> T;
}

/// Replaces each element by the function of it.
fn map<T: Float, F: Function<T>>(simd: Simd, values: &mut [T]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn avx512<T: Float, F: Function<T>>(values: &mut [T]) {
            for x in values {
                *x = F::apply::<true>(*x);
            }
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<T: Float, F: Function<T>>(values: &mut [T]) {
            for x in values {
                *x = F::apply::<true>(*x);
            }
        }
        match simd.or_detected() {
            // SAFETY: the machine has this instruction set.
            Simd::Avx512 => return unsafe { avx512::<T, F>(values) },
            // SAFETY: the machine has this instruction set.
            Simd::Avx2 => return unsafe { avx2::<T, F>(values) },
            Simd::Portable => {}
        }
    }
    let _ = simd;
    values
        .iter_mut()
        .for_each(|x| *x = F::apply::<{ cfg!(target_arch = "aarch64") }>(*x));
}

/// The number types that have these functions.
pub trait MathFloat: Sized {
    #[doc(hidden)]
    fn unary(simd: Simd, function: Unary, values: &mut [Self]);

    #[doc(hidden)]
    fn pow(simd: Simd, base: &mut [Self], exponent: &[Self]);

    /// Of what is not above zero; zero for what would be below the normal numbers.
    #[doc(hidden)]
    #[must_use]
    fn exp_of_negative<const FMA: bool>(self) -> Self;

    #[doc(hidden)]
    #[must_use]
    fn ln<const FMA: bool>(self) -> Self;

    #[doc(hidden)]
    #[must_use]
    fn sigmoid<const FMA: bool>(self) -> Self;

    #[doc(hidden)]
    #[must_use]
    fn tanh<const FMA: bool>(self) -> Self;
}

/// Computes a function of each element.
///
/// For `f32` the largest error in units of the last place (1/2 is that of correct rounding):
/// `Exp` 1, `Expm1` 2, `Log` 1, `Log1p` 2, `Tanh` 3, `Sigmoid` 3, `Softplus` 3, `Erf` 2, `Sin`
/// and `Cos` 1, `Tan` 1; of results that are normal numbers. For `f64` it is 2 for `Exp`, 2 for `Log`, 4 for `Tanh` and `Sigmoid`. The rest are
/// the standard library's, in `f64`.
///
/// # Panics
///
/// If the slices differ in length, or the function does not make a float: `Not`, `IsFinite`,
/// `IsNan`.
///
/// # Examples
///
/// ```
/// use deckle_cpu::{Simd, math};
/// use deckle_tensor::Unary;
///
/// let mut y = [0.0_f32; 3];
/// math::unary(Simd::detect(), Unary::Tanh, &[-100.0, 0.0, 100.0], &mut y);
/// assert_eq!(y, [-1.0, 0.0, 1.0]);
/// ```
pub fn unary<T: Float>(simd: Simd, function: Unary, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "one result for each element");
    // Pieces that stay in the first cache between the copy and the function.
    for (x, y) in x.chunks(1024).zip(y.chunks_mut(1024)) {
        y.copy_from_slice(x);
        T::unary(simd, function, y);
    }
}

/// Replaces each element by a function of it; as [`unary`].
///
/// # Panics
///
/// If the function does not make a float: `Not`, `IsFinite`, `IsNan`.
pub fn unary_in_place<T: Float>(simd: Simd, function: Unary, values: &mut [T]) {
    T::unary(simd, function, values);
}

/// Replaces each element of `base` by its power; the error for `f32` is at most 1 unit in the
/// last place.
///
/// # Panics
///
/// If the slices differ in length.
pub fn pow<T: Float>(simd: Simd, base: &mut [T], exponent: &[T]) {
    assert_eq!(base.len(), exponent.len(), "one exponent for each element");
    T::pow(simd, base, exponent);
}

macro_rules! functions {
    (single: $($rest:tt)*) => { functions!(@ f32: $($rest)*) };
    (double: $($rest:tt)*) => { functions!(@ f64: $($rest)*) };
    (@ $number:ty: $simd:ident, $function:ident, $values:ident,
        $($variant:ident $body:expr,)*) => {
        match $function {
            $(Unary::$variant => {
                struct Body;
                impl Function<$number> for Body {
                    #[inline(always)]
                    fn apply<const FMA: bool>(x: $number) -> $number {
                        let body: fn($number) -> $number = $body;
                        body(x)
                    }
                }
                map::<$number, Body>($simd, $values);
            })*
            Unary::Not | Unary::IsFinite | Unary::IsNan => {
                unreachable!("`{}` does not make a float", $function.name())
            }
        }
    };
}

impl MathFloat for f32 {
    #[inline(always)]
    fn exp_of_negative<const FMA: bool>(self) -> Self {
        single::exp_of_negative::<FMA>(self)
    }

    #[inline(always)]
    fn ln<const FMA: bool>(self) -> Self {
        single::log::<FMA>(self)
    }

    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        single::sigmoid::<FMA>(self)
    }

    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        single::tanh::<FMA>(self)
    }

    fn unary(simd: Simd, function: Unary, values: &mut [Self]) {
        // Arguments that the fast reduction of angles does not reach; rare.
        let exact: Option<fn(f64) -> f64> = match function {
            Unary::Sin => Some(f64::sin),
            Unary::Cos => Some(f64::cos),
            Unary::Tan => Some(f64::tan),
            _ => None,
        };
        let is_large = |x: Self| x.abs() > single::LARGEST_ANGLE;
        if let Some(exact) = exact
            && values.iter().any(|&x| is_large(x))
        {
            for x in values {
                if is_large(*x) {
                    *x = exact(f64::from(*x)) as Self;
                } else {
                    Self::unary(simd, function, std::slice::from_mut(x));
                }
            }
            return;
        }
        functions!(single: simd, function, values,
            Neg |x| -x,
            Abs f32::abs,
            Sign |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x },
            Reciprocal |x| 1.0 / x,
            Square |x| x * x,
            Sqrt f32::sqrt,
            Rsqrt |x| 1.0 / x.sqrt(),
            Exp single::exp::<FMA>,
            Expm1 single::expm1::<FMA>,
            Log single::log::<FMA>,
            Log1p single::log1p::<FMA>,
            Sin single::sin::<FMA>,
            Cos single::cos::<FMA>,
            Tan single::tan::<FMA>,
            Asin |x| f64::from(x).asin() as f32,
            Acos |x| f64::from(x).acos() as f32,
            Atan |x| f64::from(x).atan() as f32,
            Sinh |x| f64::from(x).sinh() as f32,
            Cosh |x| f64::from(x).cosh() as f32,
            Asinh |x| f64::from(x).asinh() as f32,
            Acosh |x| f64::from(x).acosh() as f32,
            Atanh |x| f64::from(x).atanh() as f32,
            Tanh single::tanh::<FMA>,
            Sigmoid single::sigmoid::<FMA>,
            Softplus single::softplus::<FMA>,
            Erf single::erf::<FMA>,
            Erfinv |x| double::erfinv(f64::from(x)) as f32,
            Floor f32::floor,
            Ceil f32::ceil,
            Round f32::round_ties_even,
        );
    }

    fn pow(simd: Simd, base: &mut [Self], exponent: &[Self]) {
        #[inline(always)]
        fn run<const FMA: bool>(base: &mut [f32], exponent: &[f32]) {
            for (x, &y) in base.iter_mut().zip(exponent) {
                *x = single::pow::<FMA>(*x, y);
            }
        }
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            fn avx512(base: &mut [f32], exponent: &[f32]) {
                run::<true>(base, exponent);
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2(base: &mut [f32], exponent: &[f32]) {
                run::<true>(base, exponent);
            }
            match simd.or_detected() {
                // SAFETY: the machine has this instruction set.
                Simd::Avx512 => return unsafe { avx512(base, exponent) },
                // SAFETY: the machine has this instruction set.
                Simd::Avx2 => return unsafe { avx2(base, exponent) },
                Simd::Portable => {}
            }
        }
        let _ = simd;
        run::<false>(base, exponent);
    }
}

impl MathFloat for f64 {
    #[inline(always)]
    fn exp_of_negative<const FMA: bool>(self) -> Self {
        double::exp::<FMA>(self)
    }

    #[inline(always)]
    fn ln<const FMA: bool>(self) -> Self {
        double::log::<FMA>(self)
    }

    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        double::sigmoid::<FMA>(self)
    }

    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        double::tanh::<FMA>(self)
    }

    fn unary(simd: Simd, function: Unary, values: &mut [Self]) {
        functions!(double: simd, function, values,
            Neg |x| -x,
            Abs f64::abs,
            Sign |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x },
            Reciprocal |x| 1.0 / x,
            Square |x| x * x,
            Sqrt f64::sqrt,
            Rsqrt |x| 1.0 / x.sqrt(),
            Exp double::exp::<FMA>,
            Expm1 f64::exp_m1,
            Log double::log::<FMA>,
            Log1p f64::ln_1p,
            Sin f64::sin,
            Cos f64::cos,
            Tan f64::tan,
            Asin f64::asin,
            Acos f64::acos,
            Atan f64::atan,
            Sinh f64::sinh,
            Cosh f64::cosh,
            Asinh f64::asinh,
            Acosh f64::acosh,
            Atanh f64::atanh,
            Tanh double::tanh::<FMA>,
            Sigmoid double::sigmoid::<FMA>,
            Softplus double::softplus,
            Erf double::erf,
            Erfinv double::erfinv,
            Floor f64::floor,
            Ceil f64::ceil,
            Round f64::round_ties_even,
        );
    }

    fn pow(_: Simd, base: &mut [Self], exponent: &[Self]) {
        base.iter_mut().zip(exponent).for_each(|(x, &y)| *x = x.powf(y));
    }
}
