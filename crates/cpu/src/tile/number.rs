//! The functions of numbers that programs are made of: [`Number`].

use deckle_tensor::{bf16, f16};

use crate::math::double::{erf, erfinv};

/// What a primitive computes for elements of one type.
///
/// A type that a function does not take has the function too, but no program calls it.
pub(crate) trait Number: Copy {
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    fn square(self) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn rem(self, other: Self) -> Self;
    fn pow(self, other: Self) -> Self;
    fn maximum(self, other: Self) -> Self;
    fn minimum(self, other: Self) -> Self;
}

/// What only integers and truth values have.
pub(crate) trait Bits: Number {
    fn not(self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
}

/// What only floating-point numbers have.
pub(crate) trait Float: Number {
    fn reciprocal(self) -> Self;
    fn sqrt(self) -> Self;
    fn rsqrt(self) -> Self;
    fn exp(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log1p(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
    fn tanh(self) -> Self;
    fn sigmoid(self) -> Self;
    fn softplus(self) -> Self;
    fn erf(self) -> Self;
    fn erfinv(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn atan2(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($T:ident),*) => {$(
        impl Number for $T {
            #[inline(always)]
            fn neg(self) -> Self { self.wrapping_neg() }
            #[inline(always)]
            fn abs(self) -> Self { if self < 0 as Self { self.wrapping_neg() } else { self } }
            #[inline(always)]
            fn sign(self) -> Self {
                if self > 0 { 1 } else if self < 0 as Self { (0 as Self).wrapping_sub(1) } else { 0 }
            }
            #[inline(always)]
            fn square(self) -> Self { self.wrapping_mul(self) }
            #[inline(always)]
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn rem(self, other: Self) -> Self {
                if other == 0 { return 0; }
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest < 0 as Self) != (other < 0 as Self) {
                    rest.wrapping_add(other)
                } else {
                    rest
                }
            }
            #[inline(always)]
            fn pow(self, other: Self) -> Self {
                if other < 0 as Self {
                    // 1 / self^-other, truncated.
                    return match self {
                        1 => 1,
                        _ if self == (0 as Self).wrapping_sub(1) => if other % 2 == 0 { 1 } else { self },
                        _ => 0,
                    };
                }
                let (mut base, mut exponent, mut result) = (self, other, 1 as Self);
                while exponent > 0 {
                    if exponent % 2 == 1 { result = result.wrapping_mul(base); }
                    base = base.wrapping_mul(base);
                    exponent /= 2;
                }
                result
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self { self.min(other) }
        }

        impl Bits for $T {
            #[inline(always)]
            fn not(self) -> Self { !self }
            #[inline(always)]
            fn and(self, other: Self) -> Self { self & other }
            #[inline(always)]
            fn or(self, other: Self) -> Self { self | other }
            #[inline(always)]
            fn xor(self, other: Self) -> Self { self ^ other }
        }
    )*};
}

integers! { i32, i64, u8, u32 }

macro_rules! floats {
    ($($T:ident),*) => {$(
        impl Number for $T {
            #[inline(always)]
            fn neg(self) -> Self { -self }
            #[inline(always)]
            fn abs(self) -> Self { $T::abs(self) }
            #[inline(always)]
            fn sign(self) -> Self {
                if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else if self == 0.0 { 0.0 } else { self }
            }
            #[inline(always)]
            fn square(self) -> Self { self * self }
            #[inline(always)]
            fn add(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self - other }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn div(self, other: Self) -> Self { self / other }
            #[inline(always)]
            fn rem(self, other: Self) -> Self {
                let rest = self % other;
                if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest }
            }
            #[inline(always)]
            fn pow(self, other: Self) -> Self { self.powf(other) }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
        }

        impl Float for $T {
            #[inline(always)]
            fn reciprocal(self) -> Self { 1.0 / self }
            #[inline(always)]
            fn sqrt(self) -> Self { $T::sqrt(self) }
            #[inline(always)]
            fn rsqrt(self) -> Self { 1.0 / $T::sqrt(self) }
            #[inline(always)]
            fn exp(self) -> Self { $T::exp(self) }
            #[inline(always)]
            fn expm1(self) -> Self { self.exp_m1() }
            #[inline(always)]
            fn log(self) -> Self { self.ln() }
            #[inline(always)]
            fn log1p(self) -> Self { self.ln_1p() }
            #[inline(always)]
            fn sin(self) -> Self { $T::sin(self) }
            #[inline(always)]
            fn cos(self) -> Self { $T::cos(self) }
            #[inline(always)]
            fn tan(self) -> Self { $T::tan(self) }
            #[inline(always)]
            fn asin(self) -> Self { $T::asin(self) }
            #[inline(always)]
            fn acos(self) -> Self { $T::acos(self) }
            #[inline(always)]
            fn atan(self) -> Self { $T::atan(self) }
            #[inline(always)]
            fn sinh(self) -> Self { $T::sinh(self) }
            #[inline(always)]
            fn cosh(self) -> Self { $T::cosh(self) }
            #[inline(always)]
            fn asinh(self) -> Self { $T::asinh(self) }
            #[inline(always)]
            fn acosh(self) -> Self { $T::acosh(self) }
            #[inline(always)]
            fn atanh(self) -> Self { $T::atanh(self) }
            #[inline(always)]
            fn tanh(self) -> Self { $T::tanh(self) }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                // Of a negative number only, so that nothing overflows.
                let small = $T::exp(-$T::abs(self));
                if self < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
            }
            #[inline(always)]
            fn softplus(self) -> Self {
                Number::maximum(self, 0.0) + $T::exp(-$T::abs(self)).ln_1p()
            }
            #[inline(always)]
            fn erf(self) -> Self { erf(f64::from(self)) as Self }
            #[inline(always)]
            fn erfinv(self) -> Self { erfinv(f64::from(self)) as Self }
            #[inline(always)]
            fn floor(self) -> Self { $T::floor(self) }
            #[inline(always)]
            fn ceil(self) -> Self { $T::ceil(self) }
            #[inline(always)]
            fn round(self) -> Self { self.round_ties_even() }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self { $T::atan2(self, other) }
        }
    )*};
}

floats! { f32, f64 }

macro_rules! halves {
    ($($T:ident: unary $($unary:ident)*; binary $($binary:ident)*; float $($float:ident)*),*) => {$(
        impl Number for $T {
            $(#[inline(always)]
            fn $unary(self) -> Self { $T::from_f32(Number::$unary(self.to_f32())) })*
            $(#[inline(always)]
            fn $binary(self, other: Self) -> Self {
                $T::from_f32(Number::$binary(self.to_f32(), other.to_f32()))
            })*
        }

        impl Float for $T {
            $(#[inline(always)]
            fn $float(self) -> Self { $T::from_f32(Float::$float(self.to_f32())) })*
            #[inline(always)]
            fn atan2(self, other: Self) -> Self {
                $T::from_f32(Float::atan2(self.to_f32(), other.to_f32()))
            }
        }
    )*};
}

halves! {
    f16: unary neg abs sign square;
        binary add sub mul div rem pow maximum minimum;
        float reciprocal sqrt rsqrt exp expm1 log log1p sin cos tan asin acos atan sinh cosh
            asinh acosh atanh tanh sigmoid softplus erf erfinv floor ceil round,
    bf16: unary neg abs sign square;
        binary add sub mul div rem pow maximum minimum;
        float reciprocal sqrt rsqrt exp expm1 log log1p sin cos tan asin acos atan sinh cosh
            asinh acosh atanh tanh sigmoid softplus erf erfinv floor ceil round
}
