//! The layer that multiplies two tensors along an axis.

use deckle_autograd::{Axis, Result as GraphResult, Var};
use deckle_tensor::{Dim, Shape, keep, resolve_axis};
use serde::{Deserialize, Serialize};

use super::{merging::promoted, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result};

/// The axes of [`Dot`]: one number for both inputs, or one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DotAxes {
    /// The same for both.
    Both(isize),
    /// That of the first and that of the second.
    Each(isize, isize),
}

impl From<isize> for DotAxes {
    fn from(axis: isize) -> Self {
        Self::Both(axis)
    }
}

impl From<[isize; 2]> for DotAxes {
    fn from([first, second]: [isize; 2]) -> Self {
        Self::Each(first, second)
    }
}

/// The product of two tensors, example by example, summed along an axis of each.
///
/// # Shapes
///
/// The axes of the first input without its axis, then those of the second without batch and its
/// axis; of two vectors, `(batch, 1)`.
///
/// # Errors
///
/// Applying it fails if there are not two inputs, an axis is the batch or does not exist, or the
/// lengths along the axes differ.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, LayerExt, Model, Symbol, layers::Dot};
/// use deckle_tensor::Tensor;
///
/// let (a, b) = (Symbol::input("a", [2]), Symbol::input("b", [2]));
/// let model = Model::new([&a, &b], [&Dot::new(1).join([&a, &b])?])?;
/// let a = Var::constant(&Tensor::new(vec![1.0f32, 2.0], [1, 2])?);
/// let b = Var::constant(&Tensor::new(vec![3.0f32, 5.0], [1, 2])?);
/// let y = model.call(&[a, b], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [13.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.Dot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dot {
    axes: DotAxes,
    #[serde(default)]
    normalize: bool,
}

impl Dot {
    /// The layer that sums along that axis of both inputs, or one of each.
    #[must_use]
    pub fn new(axes: impl Into<DotAxes>) -> Self {
        Self { axes: axes.into(), normalize: false }
    }

    setters! {
        /// Sets whether both are scaled to length 1 along the axis first, so that the result is
        /// the cosine of their angle; false by default.
        normalize: bool;
    }

    fn axes(&self, ranks: [usize; 2]) -> Result<[usize; 2]> {
        let (first, second) = match self.axes {
            DotAxes::Both(axis) => (axis, axis),
            DotAxes::Each(first, second) => (first, second),
        };
        let axes = [
            resolve_axis("dot", first, ranks[0])?,
            resolve_axis("dot", second, ranks[1])?,
        ];
        if axes.contains(&0) {
            return Err(Error::invalid(
                "`axes` makes no sense",
                "an axis after the batch",
            )
            .got("that of the batch"));
        }
        Ok(axes)
    }
}

/// All dims but these.
fn without(shape: &Shape, axes: &[usize]) -> Vec<Dim> {
    let dims = shape.dims().iter().enumerate();
    dims.filter(|(at, _)| !axes.contains(at)).map(|(_, dim)| dim.clone()).collect()
}

impl Layer for Dot {
    fn class_name(&self) -> &'static str {
        "Dot"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [a, b] = inputs else {
            return Err(
                Error::invalid("cannot take these inputs", "2 inputs").got(inputs.len())
            );
        };
        let [first, second] = self.axes([a.rank(), b.rank()])?;
        let (along_a, along_b) = (&a.dims()[first], &b.dims()[second]);
        if !along_a.may_equal(along_b) || !a.dims()[0].may_equal(&b.dims()[0]) {
            let expected = "as many examples, and one length along the axes";
            return Err(Error::invalid("cannot multiply these inputs", expected)
                .got(format_args!("axis {first} of {a} and axis {second} of {b}")));
        }
        let rest = without(b, &[0, second]);
        if rest.iter().filter(|dim| **dim == Dim::Unknown).count() > 1 {
            let expected = "at most one unknown axis of the second";
            return Err(Error::invalid("cannot multiply these inputs", expected).got(b));
        }
        let mut dims = without(a, &[first]);
        dims.extend(rest);
        if dims.len() == 1 {
            dims.push(Dim::Known(1));
        }
        Ok(vec![dims.into()])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }

    fn list_from(&self) -> Option<usize> {
        Some(0)
    }
}

/// Scaled to length 1 along an axis.
fn unit(x: &Var, axis: usize) -> GraphResult<Var> {
    let square = x.square()?.sum(keep(axis))?;
    x.mul(&square.maximum(1e-14)?.rsqrt()?)
}

impl Built for Dot {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let [a, b] = inputs.positional() else {
            return Err(Error::invalid("cannot take these inputs", "2 inputs")
                .got(inputs.positional().len()));
        };
        let [first, second] = self.axes([a.rank(), b.rank()])?;
        let mut both = promoted(&[a.clone(), b.clone()])?.into_iter();
        let (mut a, mut b) =
            (both.next().expect("the first"), both.next().expect("the second"));
        if self.normalize {
            (a, b) = (unit(&a, first)?, unit(&b, second)?);
        }
        // (batch, m..., k) and (batch, k, n...).
        let a = a.move_axis(first.cast_signed(), -1)?;
        let b = b.move_axis(second.cast_signed(), 1)?;
        let (m, rank) = (a.rank() - 2, b.rank());
        let rows = if m == 0 { a.expand_dims(1)? } else { a.merge_axes(1, m + 1)? };
        let columns = if rank == 2 { b.expand_dims(-1)? } else { b.merge_axes(2, rank)? };
        let product = rows.matmul(&columns)?;
        // Of an empty batch, the other lengths do not tell what is left.
        let mut lens = b.shape().dims()[2..].iter().map(Dim::known);
        let count = lens.try_fold(1usize, |product, len| product.checked_mul(len?));
        let last = count.map_or(Axis::Rest, Axis::from);
        let split = (0..=m).map(Axis::Of).chain([last]).collect::<Vec<_>>();
        let mut y = product.reshape_by(&a, split)?;
        if rank != 3 {
            let rest = b.shape().dims()[2..].iter().map(|dim| match dim {
                Dim::Unknown => Axis::Rest,
                dim => Axis::from(dim),
            });
            let axes: Vec<_> = (0..=m).map(Axis::Of).chain(rest).collect();
            let axes = if axes.len() == 1 { vec![Axis::Of(0), 1.into()] } else { axes };
            y = y.reshape(axes)?;
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&Dot::new(1), [[2, 3], [2, 3]])?;
        check_layer(&Dot::new(-1).normalize(true), [[2, 3], [2, 3]])?;
        check_layer(&Dot::new([1, 2]), [[2, 3, 4], [2, 2, 3]])?;
        check_layer(&Dot::new([2, 1]), [vec![2, 3, 4], vec![2, 4]])?;
        check_layer(&Dot::new(1), [vec![2, 3], vec![2, 3, 4]])?;
        check_layer(&Dot::new([3, 1]), [[2, 3, 1, 2], [2, 2, 2, 3]])
    }

    #[test]
    fn lengths_that_differ_are_named() {
        let error =
            Dot::new(1).output_shape(&[[2, 3].into(), [2, 4].into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot multiply these inputs\n  expected: as many examples, and one length along \
             the axes\n       got: axis 1 of (2, 3) and axis 1 of (2, 4)"
        );
    }
}
