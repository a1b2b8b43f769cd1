//! The layers that join tensors element by element: `Add`, `Multiply`, `Maximum` and kin.

use deckle_autograd::{Result as GraphResult, Var};
use deckle_tensor::{DType, Dim, Shape};
use serde::{Deserialize, Serialize};

use crate::{Built, Call, Error, Init, Inputs, Layer, Result};

/// A table of layers. A row holds the doc, the class, an example, and what joins the inputs.
macro_rules! merging {
    ($(
        $(#[$doc:meta])*
        $class:ident, $a:literal, $b:literal => $to:literal, $number:expr, $join:expr;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Shapes
        ///
        /// Any that broadcast; an input with fewer axes gets new ones after the batch. If all
        /// inputs have a mask, the output keeps what any of them keeps. Whole numbers become
        /// floating point beside such ones.
        ///
        /// # Errors
        ///
        /// Applying it fails if the number of inputs is wrong, or they do not broadcast.
        ///
        /// # Examples
        ///
        /// ```
        /// use deckle_autograd::Var;
        #[doc = concat!("use deckle_nn::{Call, LayerExt, Model, Symbol, layers::", stringify!($class), "};")]
        /// use deckle_tensor::Tensor;
        ///
        /// let inputs = [Symbol::input("a", [2]), Symbol::input("b", [2])];
        #[doc = concat!("let y = ", stringify!($class), "::new().join(&inputs)?;")]
        /// let model = Model::new(&inputs, [&y])?;
        #[doc = concat!("let a = Var::constant(&Tensor::new(vec!", $a, ", [1, 2])?);")]
        #[doc = concat!("let b = Var::constant(&Tensor::new(vec!", $b, ", [1, 2])?);")]
        /// let y = model.call(&[a, b], &mut Call::inference())?;
        #[doc = concat!("assert_eq!(y[0].eval()?.to_vec::<f32>()?, ", $to, ");")]
        /// # Ok::<(), deckle_nn::Error>(())
        /// ```
        ///
        /// # Keras
        ///
        #[doc = concat!("`keras.layers.", stringify!($class), "`.")]
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $class {}

        impl $class {
            /// The layer.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl Layer for $class {
            fn class_name(&self) -> &'static str {
                stringify!($class)
            }

            fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
                merged_shape(inputs, $number)
            }

            fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
                let masked = match stringify!($class) {
                    "Multiply" => Masked::One,
                    "Maximum" | "Minimum" => Masked::Other,
                    _ => Masked::Itself,
                };
                let is_mean = stringify!($class) == "Average";
                Ok(Box::new(BuiltMerge { join: $join, masked, is_mean }))
            }

            fn list_from(&self) -> Option<usize> {
                Some(0)
            }
        }
    )*};
}

merging! {
    /// The sum of its inputs.
    Add, "[1.0f32, 2.0]", "[3.0f32, 5.0]" => "[4.0, 7.0]", None,
    |inputs| fold(inputs, |a, b| if is_truth(a) { a.or(b) } else { a.add(b) });

    /// The first input less the second.
    Subtract, "[1.0f32, 2.0]", "[3.0f32, 5.0]" => "[-2.0, -3.0]", Some(2),
    |inputs| fold(inputs, |a, b| a.sub(b));

    /// The product of its inputs. A masked step counts as 1, and is 0 in the output if all
    /// inputs have a mask.
    Multiply, "[1.0f32, 2.0]", "[3.0f32, 5.0]" => "[3.0, 10.0]", None,
    |inputs| fold(inputs, |a, b| if is_truth(a) { a.and(b) } else { a.mul(b) });

    /// The mean of its inputs.
    Average, "[1.0f32, 2.0]", "[3.0f32, 5.0]" => "[2.0, 3.5]", None,
    |inputs| fold(inputs, |a, b| a.add(b))?.div(inputs.len());

    /// The largest of its inputs, element by element. A masked step of an input does not count.
    Maximum, "[1.0f32, 9.0]", "[3.0f32, 5.0]" => "[3.0, 9.0]", None,
    |inputs| fold(inputs, |a, b| if is_truth(a) { a.or(b) } else { a.maximum(b) });

    /// The least of its inputs, element by element. A masked step of an input does not count.
    Minimum, "[1.0f32, 9.0]", "[3.0f32, 5.0]" => "[1.0, 5.0]", None,
    |inputs| fold(inputs, |a, b| if is_truth(a) { a.and(b) } else { a.minimum(b) });
}

/// Truth values are joined as the numbers 0 and 1 would be: by "or" and "and".
fn is_truth(x: &Var) -> bool {
    x.dtype() == DType::Bool
}

fn fold(inputs: &[Var], join: fn(&Var, &Var) -> GraphResult<Var>) -> GraphResult<Var> {
    inputs[1..].iter().try_fold(inputs[0].clone(), |joined, input| join(&joined, input))
}

/// The tensors in one element type, as arithmetic of different ones promotes them: whole numbers to
/// floating point, `Bool` to whole numbers, `I32` beside `U32` to `I64`.
pub(super) fn promoted(inputs: &[Var]) -> GraphResult<Vec<Var>> {
    let of = |dtype: DType| match dtype {
        DType::Bool => 0,
        DType::U8 => 1,
        DType::U32 => 2,
        DType::I32 => 3,
        DType::I64 => 4,
        DType::F16 => 5,
        DType::BF16 => 6,
        DType::F32 => 7,
        _ => 8,
    };
    let all = || inputs.iter().map(Var::dtype);
    let Some(mut dtype) = all().max_by_key(|&dtype| of(dtype)) else {
        return Ok(Vec::new());
    };
    let mixes = |with: DType| all().any(|other| other == with);
    match dtype {
        DType::BF16 if mixes(DType::F16) => dtype = DType::F32,
        DType::I32 if mixes(DType::U32) => dtype = DType::I64,
        _ => {}
    }
    inputs.iter().map(|input| input.cast(dtype)).collect()
}

/// The shape with new axes of length 1 after the batch.
fn widened(shape: &Shape, rank: usize) -> Shape {
    let dims = shape.dims();
    let batch = dims.len().min(1);
    let new = std::iter::repeat_n(Dim::Known(1), rank - dims.len());
    dims[..batch]
        .iter()
        .cloned()
        .chain(new)
        .chain(dims[batch..].iter().cloned())
        .collect()
}

fn merged_shape(inputs: &[Shape], number: Option<usize>) -> Result<Vec<Shape>> {
    if inputs.is_empty() || number.is_some_and(|number| number != inputs.len()) {
        let expected =
            number.map_or("one input or more".to_owned(), |n| format!("{n} inputs"));
        return Err(
            Error::invalid("cannot take these inputs", expected).got(inputs.len())
        );
    }
    let rank = inputs.iter().map(Shape::rank).max().unwrap_or(0);
    let mut joined = widened(&inputs[0], rank);
    for input in &inputs[1..] {
        joined = joined.broadcast(&widened(input, rank)).ok_or_else(|| {
            let shapes: Vec<_> = inputs.iter().map(Shape::to_string).collect();
            Error::invalid("cannot join these inputs", "shapes that broadcast")
                .got(shapes.join(" and "))
        })?;
    }
    Ok(vec![joined])
}

/// What joins inputs of one rank.
struct BuiltMerge {
    join: fn(&[Var]) -> GraphResult<Var>,
    masked: Masked,
    /// Whether whole numbers become floating point.
    is_mean: bool,
}

/// What a step of an input counts as that its mask leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Masked {
    Itself,
    /// 1, and what all masks leave out is 0 in the output.
    One,
    /// What the other inputs are there.
    Other,
}

/// A mask with new axes at its end, up to the rank of `like`.
fn mask_like(mask: &Var, like: &Var) -> GraphResult<Var> {
    (mask.rank()..like.rank()).try_fold(mask.clone(), |mask, _| mask.expand_dims(-1))
}

/// Joins the inputs one after another; a step that is left out on one side is the other's.
fn join_kept(
    join: fn(&[Var]) -> GraphResult<Var>,
    inputs: &[Var],
    masks: &[Option<Var>],
) -> GraphResult<Var> {
    let (mut y, mut kept) = (inputs[0].clone(), masks[0].clone());
    for (input, mask) in inputs.iter().zip(masks).skip(1) {
        let mut x = input.clone();
        if let Some(mask) = mask {
            x = mask_like(mask, &x)?.select(&x, &y)?;
        }
        if let Some(kept) = &kept {
            y = mask_like(kept, &y)?.select(&y, &x)?;
        }
        kept = match (kept, mask) {
            (Some(a), Some(b)) => Some(a.or(b)?),
            _ => None,
        };
        y = join(&[y, x])?;
    }
    Ok(y)
}

impl std::fmt::Debug for BuiltMerge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BuiltMerge")
    }
}

impl Built for BuiltMerge {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let given = inputs.positional();
        let rank = given.iter().map(Var::rank).max().unwrap_or(0);
        let mut widened = promoted(given)?;
        if self.is_mean {
            widened = widened.iter().map(|x| call.floats(x)).collect::<Result<_>>()?;
        }
        for input in &mut widened {
            while input.rank() < rank {
                *input = input.expand_dims(1)?;
            }
        }
        let masks: Vec<Option<Var>> =
            given.iter().map(|input| call.mask(input).cloned()).collect();
        if self.masked == Masked::One {
            for (input, mask) in widened.iter_mut().zip(&masks) {
                if let Some(mask) = mask {
                    *input =
                        mask_like(mask, input)?.select(&*input, &input.ones_like()?)?;
                }
            }
        }
        let mut y = match self.masked {
            Masked::Other => join_kept(self.join, &widened, &masks)?,
            _ => (self.join)(&widened)?,
        };
        if given.len() == 1 {
            // A tensor of its own, to which the mask belongs.
            y = if is_truth(&y) { y.and(&y)? } else { y.mul(&y.ones_like()?)? };
        }
        let masks: Option<Vec<Var>> = masks.into_iter().collect();
        if let Some(masks) = masks {
            let mask = fold(&masks, |a, b| a.or(b))?;
            if self.masked == Masked::One {
                y = mask_like(&mask, &y)?.select(&y, &y.zeros_like()?)?;
            }
            call.set_mask(&y, &mask);
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{LayerExt, Model, Symbol, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Add::new(), [[2, 3], [2, 3], [2, 3]])?;
        check_layer(&Subtract::new(), [[2, 3], [2, 1]])?;
        check_layer(&Multiply::new(), [vec![2, 3, 4], vec![2, 4]])?;
        check_layer(&Average::new(), [[2, 3], [2, 3], [2, 3]])?;
        check_layer(&Maximum::new(), [[2, 3], [2, 3]])?;
        check_layer(&Minimum::new(), [[2, 1, 3], [2, 2, 3]])
    }

    #[test]
    fn truth_values_are_joined_by_or_and_and() -> Result<()> {
        let [a, b] = ["a", "b"].map(|name| Symbol::typed_input(name, [4], DType::Bool));
        let both = [&a, &b];
        let made = [
            Add::new().join(both)?,
            Maximum::new().join(both)?,
            Multiply::new().join(both)?,
            Minimum::new().join(both)?,
            Add::new().join([&a])?,
        ];
        let values = [vec![true, true, false, false], vec![true, false, true, false]]
            .map(|row| Tensor::new(row, [1, 4]).map(|tensor| Var::constant(&tensor)));
        let values: Vec<_> = values.into_iter().collect::<std::result::Result<_, _>>()?;
        let model = Model::new([&a, &b], made.iter().collect::<Vec<_>>())?;
        let y = model.call(&values, &mut Call::inference())?;
        let truth = |y: &Var| -> Result<Vec<bool>> { Ok(y.eval()?.to_vec()?) };
        let y = y.iter().map(truth).collect::<Result<Vec<_>>>()?;
        let (or, and) = ([true, true, true, false], [true, false, false, false]);
        assert_eq!(y, [or, or, and, and, [true, true, false, false]]);
        Ok(())
    }

    #[test]
    fn inputs_that_do_not_fit_are_named() {
        let error = Add::new().output_shape(&[[2, 3].into(), [2, 4].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot join these inputs\n  expected: shapes that broadcast\n       \
             got: (2, 3) and (2, 4)"
        );
        let error = Subtract::new().output_shape(&[[2, 3].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot take these inputs\n  expected: 2 inputs\n       got: 1"
        );
    }
}
