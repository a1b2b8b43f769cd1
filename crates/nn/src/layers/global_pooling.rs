//! Pooling over all spatial axes: `GlobalAveragePooling2D`, `GlobalMaxPooling1D` and kin.

use deckle_autograd::Var;
use deckle_tensor::{Axes, DType, Dim, Shape, keep};
use serde::{Deserialize, Serialize};

use super::DataFormat;
use crate::{Built, Call, Init, Inputs, Layer, Result};

/// The [mean](GlobalPooling) over time.
pub type GlobalAveragePooling1D = GlobalPooling<1, true>;
/// The [mean](GlobalPooling) of images.
pub type GlobalAveragePooling2D = GlobalPooling<2, true>;
/// The [mean](GlobalPooling) of volumes.
pub type GlobalAveragePooling3D = GlobalPooling<3, true>;
/// The [largest element](GlobalPooling) over time.
pub type GlobalMaxPooling1D = GlobalPooling<1, false>;
/// The [largest element](GlobalPooling) of images.
pub type GlobalMaxPooling2D = GlobalPooling<2, false>;
/// The [largest element](GlobalPooling) of volumes.
pub type GlobalMaxPooling3D = GlobalPooling<3, false>;

/// The mean, or the largest element, of each channel over all spatial axes.
///
/// [`GlobalAveragePooling1D`] leaves out masked steps; the other cases pay no attention to
/// masks, as in Keras. Equal largest elements share the gradient.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, channels)`, or `(batch, 1..., channels)` if
/// axes are kept.
///
/// # Errors
///
/// Applying it fails if the input has another rank.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::GlobalAveragePooling2D};
///
/// let image = [None, None, None, Some(32)].into();
/// let shapes = GlobalAveragePooling2D::new().output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 32)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.GlobalAveragePooling1D` and so on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GlobalPooling<const N: usize, const AVERAGE: bool> {
    #[serde(default)]
    data_format: DataFormat,
    #[serde(default)]
    keepdims: bool,
}

impl<const N: usize, const AVERAGE: bool> GlobalPooling<N, AVERAGE> {
    /// The layer, which drops the spatial axes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether spatial axes stay, with length 1; false by default.
    #[must_use]
    pub fn keepdims(mut self, keepdims: bool) -> Self {
        self.keepdims = keepdims;
        self
    }

    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = data_format;
        self
    }

    fn axes(&self) -> Axes {
        let first = match self.data_format {
            DataFormat::ChannelsLast => 1,
            DataFormat::ChannelsFirst => 2,
        };
        let spatial: Vec<_> = (first..first + N).collect();
        if self.keepdims { keep(spatial) } else { spatial.into() }
    }
}

impl<const N: usize, const AVERAGE: bool> Layer for GlobalPooling<N, AVERAGE> {
    fn class_name(&self) -> &'static str {
        match (AVERAGE, N) {
            (false, 1) => "GlobalMaxPooling1D",
            (false, 2) => "GlobalMaxPooling2D",
            (false, _) => "GlobalMaxPooling3D",
            (true, 1) => "GlobalAveragePooling1D",
            (true, 2) => "GlobalAveragePooling2D",
            (true, _) => "GlobalAveragePooling3D",
        }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = self.data_format.spatial_input::<N>(inputs)?;
        let dims = input.dims();
        let kept = std::iter::repeat_n(Dim::Known(1), if self.keepdims { N } else { 0 });
        let (batch, channels) = (dims[0].clone(), dims[N + 1].clone());
        let shape = std::iter::once(batch).chain(kept).chain([channels]).collect();
        Ok(vec![self.data_format.shape_of_last(&shape)])
    }

    fn takes_named(&self, name: &str) -> bool {
        AVERAGE && N == 1 && name == "mask"
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl<const N: usize, const AVERAGE: bool> Built for GlobalPooling<N, AVERAGE> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        if !AVERAGE {
            let is_truth = x.dtype() == DType::Bool;
            let largest =
                if is_truth { x.any(self.axes())? } else { x.max(self.axes())? };
            return Ok(vec![largest]);
        }
        let mask = inputs.named("mask").next().or_else(|| call.mask(x));
        // The mean of whole numbers is none.
        let x = &if x.dtype().is_float() { x.clone() } else { x.cast(call.dtype())? };
        let (1, Some(mask)) = (N, mask) else {
            return Ok(vec![x.mean(self.axes())?]);
        };
        let features = match self.data_format {
            DataFormat::ChannelsLast => -1,
            DataFormat::ChannelsFirst => 1,
        };
        let mask = mask.expand_dims(features)?;
        let sum = mask.select(x, 0.0)?.sum(self.axes())?;
        Ok(vec![sum.div(&mask.cast(x.dtype())?.sum(self.axes())?)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{LayerExt, Model, Symbol, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&GlobalAveragePooling1D::new(), [[2, 3, 4]])?;
        check_layer(&GlobalAveragePooling2D::new().keepdims(true), [[2, 3, 2, 2]])?;
        check_layer(&GlobalAveragePooling3D::new(), [[1, 2, 3, 2, 2]])?;
        check_layer(&GlobalMaxPooling1D::new().keepdims(true), [[2, 3, 4]])?;
        check_layer(&GlobalMaxPooling2D::new(), [[2, 3, 2, 2]])?;
        let first = GlobalAveragePooling2D::new().data_format(DataFormat::ChannelsFirst);
        check_layer(&first.keepdims(true), [[2, 3, 2, 2]])?;
        check_layer(&GlobalMaxPooling3D::new(), [[1, 2, 3, 2, 2]])
    }

    #[test]
    fn the_mean_of_whole_numbers_is_none() -> Result<()> {
        let x = Symbol::typed_input("x", [2, 1], DType::I32);
        let y = GlobalAveragePooling1D::new().apply(&x)?;
        let x_value = Var::constant(&Tensor::new(vec![1i32, 2], [1, 2, 1])?);
        let y = Model::new([&x], [&y])?.call(&[x_value], &mut Call::inference())?;
        assert_eq!(y[0].eval()?.to_vec::<f32>()?, [1.5]);
        Ok(())
    }

    #[test]
    fn the_largest_truth_value_is_whether_any_is_true() -> Result<()> {
        let x = Symbol::typed_input("x", [2, 2], DType::Bool);
        let y = GlobalMaxPooling1D::new().apply(&x)?;
        let x_value =
            Var::constant(&Tensor::new(vec![true, false, false, false], [1, 2, 2])?);
        let y = Model::new([&x], [&y])?.call(&[x_value], &mut Call::inference())?;
        assert_eq!(y[0].eval()?.to_vec::<bool>()?, [true, false]);
        Ok(())
    }

    #[test]
    fn masked_steps_do_not_count() -> Result<()> {
        let x = Symbol::input("x", [3, 1]);
        let mask = Symbol::typed_input("mask", [3], DType::Bool);
        let layer = GlobalAveragePooling1D::new().shared();
        let y = layer.call([&x], [("mask", &mask)])?.remove(0);
        let model = Model::new([&x, &mask], [&y])?;
        let x = Var::constant(&Tensor::new(vec![1.0f32, 3.0, f32::NAN], [1, 3, 1])?);
        let mask = Var::constant(&Tensor::new(vec![true, true, false], [1, 3])?);
        let y = model.call(&[x, mask], &mut Call::inference())?;
        assert_eq!(y[0].eval()?.to_vec::<f32>()?, [2.0]);
        Ok(())
    }
}
