//! Whole numbers as vectors: `CategoryEncoding`, `Discretization`.

use deckle_autograd::{Signature, Var};
use deckle_tensor::{DType, Dim, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// What a layer makes of numbers of categories.
///
/// # Keras
///
/// `output_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// The number itself.
    Int,
    /// A vector for each number, 1 in its place.
    OneHot,
    /// A vector for each example, 1 in the places of all its numbers.
    #[serde(alias = "binary")]
    MultiHot,
    /// A vector for each example: how often it has each number.
    Count,
}

impl OutputMode {
    /// The shape of what is made of numbers of that shape.
    fn shape(self, input: &Shape, depth: usize) -> Result<Shape> {
        let dims = input.dims();
        let rest = match self {
            Self::Int => return Ok(input.clone()),
            Self::OneHot if dims.len() > 1 && dims[dims.len() - 1].known() == Some(1) => {
                dims[..dims.len() - 1].to_vec()
            }
            Self::OneHot => dims.to_vec(),
            Self::MultiHot | Self::Count => {
                let help = "add an axis of length 1, e.g. with Reshape";
                expect::at_least(input, 2, "(batch, numbers, ...)", help)?;
                [&dims[..1], &dims[2..]].concat()
            }
        };
        Ok(rest.into_iter().chain([depth.into()]).collect())
    }

    /// What is made of numbers below `depth`; what lies outside makes zeros.
    fn encode(
        self,
        numbers: &Var,
        depth: usize,
        weights: Option<&Var>,
        dtype: DType,
    ) -> Result<Var> {
        let numbers = numbers.cast(DType::I32)?.stop_gradient()?;
        match self {
            Self::Int => Ok(numbers),
            Self::OneHot => {
                let last = numbers.shape().dims().last().and_then(Dim::known);
                let is_one = numbers.rank() > 1 && last == Some(1);
                let numbers = if is_one { numbers.squeeze(-1)? } else { numbers };
                Ok(numbers.one_hot(depth, dtype)?)
            }
            Self::MultiHot => Ok(numbers.one_hot(depth, dtype)?.max(1)?),
            Self::Count => {
                let mut hot = numbers.one_hot(depth, dtype)?;
                if let Some(weights) = weights {
                    hot = hot.mul(&weights.cast(dtype)?.expand_dims(-1)?)?;
                }
                Ok(hot.sum(1)?)
            }
        }
    }
}

/// The most categories.
const MOST: usize = 1 << 31;

fn check_depth(name: &str, depth: usize) -> Result<()> {
    expect::positive(name, depth)?;
    if depth < MOST {
        return Ok(());
    }
    let problem = format_args!("`{name}` makes no sense").to_string();
    Err(Error::invalid(problem, "a number below 2^31").got(depth))
}

/// Makes vectors of numbers of categories, 0 and up; what lies outside makes zeros.
///
/// With `Count`, weights of the numbers may be given by name, as `count_weights`.
///
/// # Shapes
///
/// | mode                 | input                   | output                       |
/// |----------------------|-------------------------|------------------------------|
/// | `MultiHot`, `Count`  | `(batch, numbers, ...)` | `(batch, ..., num_tokens)`   |
/// | `OneHot`             | `(batch, ...)`          | `(batch, ..., num_tokens)`   |
///
/// With `OneHot`, a last axis of length 1 is left out.
///
/// # Errors
///
/// Applying it fails if `num_tokens` is 0, or an example is one number where several are needed.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::CategoryEncoding};
/// use deckle_tensor::{DType, Tensor};
///
/// let model = Sequential::typed([2], DType::I32).add(CategoryEncoding::new(3)).build()?;
/// let x = Var::constant(&Tensor::new(vec![0i32, 2], [1, 2])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [1.0, 0.0, 1.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.CategoryEncoding`; `sparse` is up to the backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryEncoding {
    num_tokens: usize,
    #[serde(default = "multi_hot")]
    output_mode: OutputMode,
}

fn multi_hot() -> OutputMode {
    OutputMode::MultiHot
}

impl CategoryEncoding {
    /// The layer for that many categories.
    #[must_use]
    pub fn new(num_tokens: usize) -> Self {
        Self { num_tokens, output_mode: OutputMode::MultiHot }
    }

    setters! {
        /// Sets what is made, all but `Int`; `MultiHot` by default.
        output_mode: OutputMode;
    }
}

impl Layer for CategoryEncoding {
    fn class_name(&self) -> &'static str {
        "CategoryEncoding"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        check_depth("num_tokens", self.num_tokens)?;
        if self.output_mode == OutputMode::Int {
            let expected = "OneHot, MultiHot or Count";
            return Err(
                Error::invalid("`output_mode` makes no sense", expected).got("Int")
            );
        }
        let input = expect::one_input(inputs)?;
        Ok(vec![self.output_mode.shape(input, self.num_tokens)?])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn casts_inputs(&self) -> bool {
        false
    }

    fn takes_named(&self, name: &str) -> bool {
        name == "count_weights"
    }
}

impl Built for CategoryEncoding {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let weights = inputs.named("count_weights").next();
        if weights.is_some() && self.output_mode != OutputMode::Count {
            let problem = "`count_weights` has no meaning here";
            return Err(Error::invalid(problem, "the output mode Count")
                .got(format_args!("{:?}", self.output_mode)));
        }
        let (x, depth) = (inputs.only()?, self.num_tokens);
        Ok(vec![self.output_mode.encode(x, depth, weights, call.dtype())?])
    }
}

/// Makes numbers of ranges of numbers: 0 below the first boundary, 1 from it on, and so on.
///
/// # Shapes
///
/// With `Int` that of the input; else as [`CategoryEncoding`], of one category more than there are
/// boundaries.
///
/// # Errors
///
/// Applying it fails if there are no boundaries, or they do not ascend.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::Discretization};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([3]).add(Discretization::new([0.0, 1.0])).build()?;
/// let x = Var::constant(&Tensor::new(vec![-5.0f32, 0.0, 7.0], [1, 3])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<i32>()?, [0, 1, 2]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Discretization` with boundaries, given or found by `adapt` there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discretization {
    #[serde(default)]
    bin_boundaries: Option<Vec<f64>>,
    #[serde(default)]
    num_bins: Option<usize>,
    #[serde(default = "hundredth")]
    epsilon: f64,
    #[serde(default = "int")]
    output_mode: OutputMode,
}

fn hundredth() -> f64 {
    0.01
}

fn int() -> OutputMode {
    OutputMode::Int
}

impl Discretization {
    /// The layer with these boundaries, ascending.
    #[must_use]
    pub fn new(bin_boundaries: impl Into<Vec<f64>>) -> Self {
        Self {
            bin_boundaries: Some(bin_boundaries.into()),
            num_bins: None,
            epsilon: hundredth(),
            output_mode: OutputMode::Int,
        }
    }

    setters! {
        /// Sets what is made; the number of the range by default.
        output_mode: OutputMode;
    }

    fn boundaries(&self) -> Result<&[f64]> {
        let wrong = |got: &str| {
            Error::invalid("`bin_boundaries` makes no sense", "numbers that ascend")
                .got(got)
        };
        let Some(boundaries) = self.bin_boundaries.as_deref() else {
            return Err(
                wrong("none").help("adapt the layer in Keras, or give boundaries")
            );
        };
        let ascends = boundaries.windows(2).all(|pair| pair[0] <= pair[1]);
        if ascends && !boundaries.iter().any(|boundary| boundary.is_nan()) {
            return Ok(boundaries);
        }
        Err(wrong(&format!("{boundaries:?}")))
    }
}

impl Layer for Discretization {
    fn class_name(&self) -> &'static str {
        "Discretization"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let depth = self.boundaries()?.len() + 1;
        Ok(vec![self.output_mode.shape(expect::one_input(inputs)?, depth)?])
    }

    fn outputs(&self, inputs: &[Signature], dtype: DType) -> Result<Vec<Signature>> {
        let shapes: Vec<_> = inputs.iter().map(|input| input.shape.clone()).collect();
        let dtype = if self.output_mode == OutputMode::Int { DType::I32 } else { dtype };
        let outputs = self.output_shape(&shapes)?.into_iter();
        Ok(outputs.map(|shape| Signature::new(dtype, shape)).collect())
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    /// They are compared as `F32`, whatever the layer's element type.
    fn casts_inputs(&self) -> bool {
        false
    }

    fn takes_trainable(&self) -> bool {
        false
    }
}

impl Built for Discretization {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let boundaries = self.boundaries()?;
        let x = inputs.only()?.cast(DType::F32)?.stop_gradient()?;
        let table = Tensor::new(boundaries, [boundaries.len()])?.cast(DType::F32);
        let below = x.expand_dims(-1)?.less(&Var::constant(&table))?;
        // So a NaN lies above all, as in Keras.
        let numbers = below.cast(DType::I32)?.neg()?.add(1)?.sum(-1)?;
        let depth = boundaries.len() + 1;
        Ok(vec![self.output_mode.encode(&numbers, depth, None, call.dtype())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerHandle, Sequential, check_layer_on};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        let x = Tensor::new(vec![0i32, 3, 1, 3, 2, 5], [2, 3])?;
        for mode in [OutputMode::OneHot, OutputMode::MultiHot, OutputMode::Count] {
            check_layer_on(
                &CategoryEncoding::new(4).output_mode(mode),
                std::slice::from_ref(&x),
            )?;
            let layer = Discretization::new([0.5, 2.0]).output_mode(mode);
            check_layer_on(&layer, std::slice::from_ref(&x))?;
        }
        check_layer_on(&Discretization::new([1.0]), &[x])
    }

    #[test]
    fn what_is_encoded_gets_no_gradient() -> Result<()> {
        for mode in [OutputMode::OneHot, OutputMode::MultiHot, OutputMode::Count] {
            let layer = CategoryEncoding::new(3).output_mode(mode);
            let model = Sequential::new([1]).add(layer).build()?;
            let x = Var::constant(&Tensor::from([[1.5f32]]));
            let y = model.call(std::slice::from_ref(&x), &mut Call::inference())?;
            let y = y[0].mul(&x)?.sum(..)?;
            let dx = deckle_autograd::grad(&y, &[&x])?[0].eval()?;
            assert_eq!(dx, Tensor::from([[1.0f32]]));
        }
        Ok(())
    }

    #[test]
    fn bins_do_not_depend_on_the_element_type() -> Result<()> {
        let x = Var::constant(&Tensor::new(vec![-0.25f32, 0.25, 0.75], [1, 3])?);
        for dtype in [DType::F16, DType::F64, DType::I32, DType::I64] {
            let layer = LayerHandle::from(Discretization::new([0.0, 0.5])).dtype(dtype);
            let model = Sequential::new([3]).add(layer).build()?;
            let y = model.call(std::slice::from_ref(&x), &mut Call::inference())?;
            assert_eq!(y[0].eval()?.to_vec::<i32>()?, [0, 1, 2], "{dtype}");
        }
        Ok(())
    }

    #[test]
    fn a_nan_lies_above_all_boundaries() -> Result<()> {
        let model = Sequential::new([2]).add(Discretization::new([0.0, 1.0])).build()?;
        let x = Var::constant(&Tensor::new(vec![f32::NAN, f32::NEG_INFINITY], [1, 2])?);
        let y = model.call(&[x], &mut Call::inference())?[0].eval()?;
        assert_eq!(y.to_vec::<i32>()?, [2, 0]);
        Ok(())
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let shape = [[2, 3].into()];
        let error = Discretization::new([1.0, 0.0]).output_shape(&shape).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`bin_boundaries` makes no sense\n  expected: numbers that ascend\n       \
             got: [1.0, 0.0]"
        );
        let layer = CategoryEncoding::new(2).output_mode(OutputMode::Int);
        assert!(layer.output_shape(&shape).is_err());
        let error = CategoryEncoding::new(0).output_shape(&shape).unwrap_err();
        assert!(error.to_string().starts_with("`num_tokens` makes no sense"));
        assert!(CategoryEncoding::new(2).output_shape(&[[2].into()]).is_err());
    }
}
