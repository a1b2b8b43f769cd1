//! Zeros around the spatial axes: `ZeroPadding1D`, `ZeroPadding2D`, `ZeroPadding3D`.

use deckle_autograd::Var;
use deckle_tensor::{DType, Dim, Scalar, Shape};
use serde::{Deserialize, Serialize};

use super::{DataFormat, Margins, setters::setters};
use crate::{Built, Call, Init, Inputs, Layer, Result};

/// [Zeros](ZeroPadding) before and after the steps.
pub type ZeroPadding1D = ZeroPadding<1>;
/// [Zeros](ZeroPadding) around images.
pub type ZeroPadding2D = ZeroPadding<2>;
/// [Zeros](ZeroPadding) around volumes.
pub type ZeroPadding3D = ZeroPadding<3>;

/// Adds zeros before and after each spatial axis.
///
/// The names [`ZeroPadding1D`], [`ZeroPadding2D`] and [`ZeroPadding3D`] stand for one, two and
/// three spatial axes.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, longer..., channels)`.
///
/// # Errors
///
/// Applying it fails if the input has another rank.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::ZeroPadding1D};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([1, 1]).add(ZeroPadding1D::new((2, 1))).build()?;
/// let x = Var::constant(&Tensor::new(vec![5.0f32], [1, 1, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [0.0, 0.0, 5.0, 0.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.ZeroPadding1D`, `ZeroPadding2D`, `ZeroPadding3D`. The padding has no default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZeroPadding<const N: usize> {
    #[serde(default = "one")]
    padding: Margins<N>,
    #[serde(default)]
    data_format: DataFormat,
}

fn one<const N: usize>() -> Margins<N> {
    1.into()
}

impl<const N: usize> ZeroPadding<N> {
    /// The layer that adds so many zeros.
    #[must_use]
    pub fn new(padding: impl Into<Margins<N>>) -> Self {
        Self { padding: padding.into(), data_format: DataFormat::ChannelsLast }
    }

    setters! {
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }
}

impl<const N: usize> Layer for ZeroPadding<N> {
    fn class_name(&self) -> &'static str {
        ["ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"][N - 1]
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let mut shape = self.data_format.spatial_input::<N>(inputs)?;
        for (axis, &(before, after)) in self.padding.0.iter().enumerate() {
            let at = axis.cast_signed() + 1;
            let len = shape.dim(at)?.clone();
            let longer =
                len.known().map(|len| len.saturating_add(before).saturating_add(after));
            let same = (before, after) == (0, 0);
            shape = shape.with(at, if same { len } else { Dim::from(longer) })?;
        }
        Ok(vec![self.data_format.shape_of_last(&shape)])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl<const N: usize> Built for ZeroPadding<N> {
    fn call(&self, inputs: &Inputs, _call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut padding = self.padding.0.to_vec();
        let channels = match self.data_format {
            DataFormat::ChannelsLast => N,
            DataFormat::ChannelsFirst => 0,
        };
        padding.insert(channels, (0, 0));
        padding.insert(0, (0, 0));
        let x = inputs.only()?;
        let zero = if x.dtype() == DType::Bool { false.into() } else { Scalar::from(0) };
        Ok(vec![x.pad(padding, zero)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&ZeroPadding1D::new((2, 0)), [[2, 3, 2]])?;
        check_layer(&ZeroPadding2D::new([1, 2]), [[2, 2, 3, 2]])?;
        check_layer(
            &ZeroPadding2D::new([(0, 1), (2, 0)]).data_format(DataFormat::ChannelsFirst),
            [[2, 2, 3, 2]],
        )?;
        check_layer(&ZeroPadding3D::new(1), [[1, 1, 2, 1, 2]])
    }

    #[test]
    fn truth_values_get_false_around_them() -> Result<()> {
        let layer = ZeroPadding1D::new((1, 0));
        let model = Sequential::typed([2, 1], DType::Bool).add(layer).build()?;
        let x = Var::constant(&Tensor::new(vec![true, false], [1, 2, 1])?);
        let y = model.call(&[x], &mut Call::inference())?;
        assert_eq!(y[0].eval()?.to_vec::<bool>()?, [false, true, false]);
        Ok(())
    }
}
