//! Loops over the elements of a tile: [`Loop`], and which one runs a [`Map`].
#![expect(unsafe_code, reason = "typed loops over tiles of any element type")]

use deckle_tensor::{Binary, Compare, DType, Element, Unary, bf16, f16};

use super::number::{Bits, Float, Number};
use crate::{Simd, graph::Map, simd::one_by_one};

/// Runs a function of up to three elements over the first `len` elements of its operands.
///
/// Operands that the function does not have are not read. The result may be in the place of an
/// operand whose elements have the same size: groups of elements are read before their results
/// are written.
///
/// # Safety
///
/// The pointers are valid for `len` elements of the function's types, the last one for writes;
/// the machine has the instructions that the loop was picked for.
pub(super) type Loop =
    unsafe fn(a: *const u8, b: *const u8, c: *const u8, out: *mut u8, len: usize);

/// A function of elements; operands that it does not have are `()`.
trait Function {
    type A: Copy;
    type B: Copy;
    type C: Copy;
    type Out: Copy;
    fn apply(a: Self::A, b: Self::B, c: Self::C) -> Self::Out;
}

/// The elements that are read before any of their results is written.
const GROUP: usize = 16;

#[inline(always)]
unsafe fn run<F: Function>(
    a: *const u8,
    b: *const u8,
    c: *const u8,
    out: *mut u8,
    len: usize,
) {
    let (a, b, c) = (a.cast::<F::A>(), b.cast::<F::B>(), c.cast::<F::C>());
    let out = out.cast::<F::Out>();
    let whole = len - len % GROUP;
    let mut i = 0;
    while i < whole {
        one_by_one();
        // SAFETY: i + GROUP <= len, and the caller promises `len` elements. `()` has no bytes.
        unsafe {
            let x = a.add(i).cast::<[F::A; GROUP]>().read_unaligned();
            let y = b.add(i).cast::<[F::B; GROUP]>().read_unaligned();
            let z = c.add(i).cast::<[F::C; GROUP]>().read_unaligned();
            let result: [F::Out; GROUP] =
                std::array::from_fn(|j| F::apply(x[j], y[j], z[j]));
            out.add(i).cast::<[F::Out; GROUP]>().write_unaligned(result);
        }
        i += GROUP;
    }
    while i < len {
        // SAFETY: i < len.
        unsafe {
            let (x, y, z) = (a.add(i).read(), b.add(i).read(), c.add(i).read());
            out.add(i).write(F::apply(x, y, z));
        }
        i += 1;
    }
}

unsafe fn portable<F: Function>(
    a: *const u8,
    b: *const u8,
    c: *const u8,
    out: *mut u8,
    len: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { run::<F>(a, b, c, out, len) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<F: Function>(
    a: *const u8,
    b: *const u8,
    c: *const u8,
    out: *mut u8,
    len: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { run::<F>(a, b, c, out, len) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn avx512<F: Function>(
    a: *const u8,
    b: *const u8,
    c: *const u8,
    out: *mut u8,
    len: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { run::<F>(a, b, c, out, len) }
}

/// The loop for the best instructions of the machine.
#[cfg(target_arch = "x86_64")]
fn fast<F: Function>(simd: Simd) -> Loop {
    match simd {
        Simd::Portable => portable::<F>,
        Simd::Avx2 => avx2::<F>,
        _ => avx512::<F>,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fast<F: Function>(_: Simd) -> Loop {
    portable::<F>
}

/// The loop for all machines, for types that are rare in long loops.
fn plain<F: Function>(_: Simd) -> Loop {
    portable::<F>
}

/// The loop of a body over elements of the given types.
macro_rules! body {
    ($pick:ident, $simd:expr, |$a:ident: $A:ty| -> $Out:ty $body:block) => {
        body!($pick, $simd, |$a: $A, _b: (), _c: ()| -> $Out $body)
    };
    ($pick:ident, $simd:expr, |$a:ident: $A:ty, $b:ident: $B:ty| -> $Out:ty $body:block) => {
        body!($pick, $simd, |$a: $A, $b: $B, _c: ()| -> $Out $body)
    };
    ($pick:ident, $simd:expr, |$a:ident: $A:ty, $b:ident: $B:ty, $c:ident: $C:ty|
        -> $Out:ty $body:block) => {{
        struct Body;
        impl Function for Body {
            type A = $A;
            type B = $B;
            type C = $C;
            type Out = $Out;
            #[inline(always)]
            fn apply($a: $A, $b: $B, $c: $C) -> $Out {
                $body
            }
        }
        $pick::<Body>($simd)
    }};
}

/// Bools are bytes 0 and 1 here.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            deckle_tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            deckle_tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            deckle_tensor::DType::I32 => {
                type $T = i32;
                $body
            }
            deckle_tensor::DType::I64 => {
                type $T = i64;
                $body
            }
            deckle_tensor::DType::U32 => {
                type $T = u32;
                $body
            }
            deckle_tensor::DType::F16 => {
                type $T = deckle_tensor::f16;
                $body
            }
            deckle_tensor::DType::BF16 => {
                type $T = deckle_tensor::bf16;
                $body
            }
            _ => {
                type $T = u8;
                $body
            }
        }
    };
}
pub(crate) use with_number;

macro_rules! select {
    ($pick:ident, $simd:expr, $T:ty) => {
        body!($pick, $simd, |condition: u8, a: $T, b: $T| -> $T {
            if condition != 0 { a } else { b }
        })
    };
}

/// The loop that runs a map over operands of that type (for `Select`, its second one).
///
/// `None` for a combination that no program has, and for maps that are no function of elements.
pub(super) fn pick_loop(map: Map, dtype: DType, simd: Simd) -> Option<Loop> {
    Some(match map {
        Map::Copy => {
            with_number!(dtype, T => body!(plain, simd, |a: T| -> T { a }))
        }
        Map::Unary(unary) => pick_unary(unary, dtype, simd)?,
        Map::Binary(binary) => pick_binary(binary, dtype, simd)?,
        Map::Compare(compare) => pick_compare(compare, dtype, simd),
        Map::Select => match dtype {
            DType::F32 => select!(fast, simd, f32),
            _ => with_number!(dtype, T => select!(plain, simd, T)),
        },
        Map::Cast(to) => pick_cast(dtype, to, simd),
        Map::Random { .. } => return None,
    })
}

macro_rules! methods {
    ($pick:ident, $simd:expr, $T:ty, $value:expr, $Enum:ident:
        $($variant:ident $First:ident $method:ident,)*;
        $($pair:ident $Second:ident $pair_method:ident,)*; $($rest:tt)*) => {
        match $value {
            $($Enum::$variant => body!($pick, $simd, |a: $T| -> $T { $First::$method(a) }),)*
            $($Enum::$pair => body!($pick, $simd, |a: $T, b: $T| -> $T {
                $Second::$pair_method(a, b)
            }),)*
            $($rest)*
        }
    };
}

/// Functions that vector code is made of without further ado.
macro_rules! simple_unary {
    ($pick:ident, $simd:expr, $T:ty, $value:expr) => {
        float_unary!($pick, $simd, $T, $value;)
    };
}

macro_rules! all_unary {
    ($pick:ident, $simd:expr, $T:ty, $value:expr) => {
        float_unary!($pick, $simd, $T, $value;
            Exp Float exp, Expm1 Float expm1, Log Float log, Log1p Float log1p,
            Sin Float sin, Cos Float cos, Tan Float tan, Asin Float asin, Acos Float acos,
            Atan Float atan, Sinh Float sinh, Cosh Float cosh, Asinh Float asinh,
            Acosh Float acosh, Atanh Float atanh, Tanh Float tanh, Sigmoid Float sigmoid,
            Softplus Float softplus, Erf Float erf, Erfinv Float erfinv,)
    };
}

macro_rules! float_unary {
    ($pick:ident, $simd:expr, $T:ty, $value:expr; $($rest:tt)*) => {
        methods!($pick, $simd, $T, $value, Unary:
            Neg Number neg, Abs Number abs, Sign Number sign,
            Reciprocal Float reciprocal, Square Number square, Sqrt Float sqrt,
            Rsqrt Float rsqrt, Floor Float floor, Ceil Float ceil, Round Float round,
            $($rest)*;;
            Unary::IsFinite => body!($pick, $simd, |a: $T| -> u8 { u8::from(a.is_finite()) }),
            Unary::IsNan => body!($pick, $simd, |a: $T| -> u8 { u8::from(a.is_nan()) }),
            _ => return None,
        )
    };
}

macro_rules! integer_unary {
    ($simd:expr, $T:ty, $value:expr) => {
        methods!(plain, $simd, $T, $value, Unary:
            Neg Number neg, Abs Number abs, Sign Number sign, Square Number square, Not Bits not,;;
            _ => return None,
        )
    };
}

fn pick_unary(unary: Unary, dtype: DType, simd: Simd) -> Option<Loop> {
    Some(match dtype {
        DType::F32 => simple_unary!(fast, simd, f32, unary),
        DType::F64 => simple_unary!(plain, simd, f64, unary),
        DType::F16 => all_unary!(plain, simd, f16, unary),
        DType::BF16 => all_unary!(plain, simd, bf16, unary),
        DType::I32 => integer_unary!(simd, i32, unary),
        DType::I64 => integer_unary!(simd, i64, unary),
        DType::U32 => integer_unary!(simd, u32, unary),
        DType::Bool if unary == Unary::Not => {
            body!(plain, simd, |a: u8| -> u8 { a ^ 1 })
        }
        _ => integer_unary!(simd, u8, unary),
    })
}

macro_rules! binary {
    ($pick:ident, $simd:expr, $T:ty, $value:expr; $($rest:tt)*) => {
        methods!($pick, $simd, $T, $value, Binary:;
            Add Number add, Sub Number sub, Mul Number mul, Div Number div, Rem Number rem, Pow Number pow, Max Number maximum,
            Min Number minimum, $($rest)*;
            _ => return None,
        )
    };
}

fn pick_binary(binary: Binary, dtype: DType, simd: Simd) -> Option<Loop> {
    Some(match dtype {
        DType::F32 => binary!(fast, simd, f32, binary; Atan2 Float atan2,),
        DType::F64 => binary!(plain, simd, f64, binary; Atan2 Float atan2,),
        DType::F16 => binary!(plain, simd, f16, binary; Atan2 Float atan2,),
        DType::BF16 => binary!(plain, simd, bf16, binary; Atan2 Float atan2,),
        DType::I32 => {
            binary!(plain, simd, i32, binary; And Bits and, Or Bits or, Xor Bits xor,)
        }
        DType::I64 => {
            binary!(plain, simd, i64, binary; And Bits and, Or Bits or, Xor Bits xor,)
        }
        DType::U32 => {
            binary!(plain, simd, u32, binary; And Bits and, Or Bits or, Xor Bits xor,)
        }
        _ => binary!(plain, simd, u8, binary; And Bits and, Or Bits or, Xor Bits xor,),
    })
}

macro_rules! compare {
    ($pick:ident, $simd:expr, $T:ty, $value:expr) => {
        match $value {
            Compare::Equal => {
                body!($pick, $simd, |a: $T, b: $T| -> u8 { u8::from(a == b) })
            }
            Compare::NotEqual => {
                body!($pick, $simd, |a: $T, b: $T| -> u8 { u8::from(a != b) })
            }
            Compare::Less => {
                body!($pick, $simd, |a: $T, b: $T| -> u8 { u8::from(a < b) })
            }
            Compare::LessEqual => {
                body!($pick, $simd, |a: $T, b: $T| -> u8 { u8::from(a <= b) })
            }
            Compare::Greater => {
                body!($pick, $simd, |a: $T, b: $T| -> u8 { u8::from(a > b) })
            }
            Compare::GreaterEqual => {
                body!($pick, $simd, |a: $T, b: $T| -> u8 { u8::from(a >= b) })
            }
        }
    };
}

#[expect(clippy::float_cmp, reason = "the comparison that the program asks for")]
fn pick_compare(compare: Compare, dtype: DType, simd: Simd) -> Loop {
    match dtype {
        DType::F32 => compare!(fast, simd, f32, compare),
        _ => with_number!(dtype, T => compare!(plain, simd, T, compare)),
    }
}

/// By the rule of `Tensor::cast`.
#[expect(clippy::float_cmp, reason = "everything but 0 is true")]
fn pick_cast(from: DType, to: DType, simd: Simd) -> Loop {
    if to == DType::Bool {
        return with_number!(from, T => body!(plain, simd, |a: T| -> u8 {
            u8::from(a != T::default())
        }));
    }
    match (from, to) {
        (DType::U8 | DType::Bool, DType::F32) => {
            body!(fast, simd, |a: u8| -> f32 { f32::from(a) })
        }
        (DType::I32, DType::F32) => body!(fast, simd, |a: i32| -> f32 { a as f32 }),
        (DType::I64, DType::F32) => body!(fast, simd, |a: i64| -> f32 { a as f32 }),
        (DType::F32, DType::F64) => body!(fast, simd, |a: f32| -> f64 { f64::from(a) }),
        (DType::F64, DType::F32) => body!(fast, simd, |a: f64| -> f32 { a as f32 }),
        (DType::F32, DType::BF16) => {
            body!(fast, simd, |a: f32| -> bf16 { bf16::from_f32(a) })
        }
        (DType::BF16, DType::F32) => body!(fast, simd, |a: bf16| -> f32 { a.to_f32() }),
        _ => with_number!(from, From => with_number!(to, To => {
            if !from.is_float() && !to.is_float() {
                body!(plain, simd, |a: From| -> To { To::from_i64(a.to_i64()) })
            } else if to == DType::I64 {
                body!(plain, simd, |a: From| -> To { To::from_i64(a.to_i64()) })
            } else {
                body!(plain, simd, |a: From| -> To { To::from_f64(a.to_f64()) })
            }
        })),
    }
}
