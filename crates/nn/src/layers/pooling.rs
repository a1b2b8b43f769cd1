//! Pooling over one, two or three spatial axes: `MaxPooling2D`, `AveragePooling2D` and kin.

use deckle_autograd::Var;
use deckle_tensor::Shape;
use serde::{Deserialize, Serialize};

use super::{DataFormat, Padding, PerAxis};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// The largest element of each [window](Pooling) over time.
pub type MaxPooling1D = Pooling<1, false>;
/// The largest element of each [window](Pooling) of images.
pub type MaxPooling2D = Pooling<2, false>;
/// The largest element of each [window](Pooling) of volumes.
pub type MaxPooling3D = Pooling<3, false>;
/// The mean of each [window](Pooling) over time.
pub type AveragePooling1D = Pooling<1, true>;
/// The mean of each [window](Pooling) of images.
pub type AveragePooling2D = Pooling<2, true>;
/// The mean of each [window](Pooling) of volumes.
pub type AveragePooling3D = Pooling<3, true>;

/// The largest element, or the mean, of each window of each channel.
///
/// The names [`MaxPooling2D`], [`AveragePooling1D`] and so on stand for the cases. Cells outside
/// the input never count, neither as maximum nor in the number that a mean divides by.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, windows..., channels)`. A spatial axis of
/// length `n` has `⌈n / stride⌉` windows with padding `Same`, `⌊(n - pool_size) / stride⌋ + 1`
/// with `Valid`. It may be unknown.
///
/// # Errors
///
/// Applying it fails if the input has another rank, or the window is longer than the input.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Layer, layers::MaxPooling2D};
///
/// let image = [None, Some(26), Some(26), Some(32)].into();
/// let shapes = MaxPooling2D::new(2).output_shape(&[image])?;
/// assert_eq!(shapes[0].to_string(), "(batch, 13, 13, 32)");
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.MaxPooling1D` and so on. The pool size has no default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pooling<const N: usize, const AVERAGE: bool> {
    #[serde(default = "two")]
    pool_size: PerAxis<N>,
    #[serde(default)]
    padding: Padding,
    #[serde(default)]
    strides: Option<PerAxis<N>>,
    #[serde(default)]
    data_format: DataFormat,
}

fn two<const N: usize>() -> PerAxis<N> {
    2.into()
}

impl<const N: usize, const AVERAGE: bool> Pooling<N, AVERAGE> {
    /// The layer with windows of that size, side by side.
    #[must_use]
    pub fn new(pool_size: impl Into<PerAxis<N>>) -> Self {
        let pool_size = pool_size.into();
        let (padding, data_format) = (Padding::Valid, DataFormat::ChannelsLast);
        Self { pool_size, padding, strides: None, data_format }
    }

    /// Sets the step of the window; its size by default.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<PerAxis<N>>) -> Self {
        self.strides = Some(strides.into());
        self
    }

    /// Sets how windows meet the edges, `Valid` or `Same`; `Valid` by default.
    #[must_use]
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Sets where the channels are; last by default.
    #[must_use]
    pub fn data_format(mut self, data_format: DataFormat) -> Self {
        self.data_format = data_format;
        self
    }

    fn steps(&self) -> PerAxis<N> {
        self.strides.unwrap_or(self.pool_size)
    }
}

impl<const N: usize, const AVERAGE: bool> Layer for Pooling<N, AVERAGE> {
    fn class_name(&self) -> &'static str {
        match (AVERAGE, N) {
            (false, 1) => "MaxPooling1D",
            (false, 2) => "MaxPooling2D",
            (false, _) => "MaxPooling3D",
            (true, 1) => "AveragePooling1D",
            (true, 2) => "AveragePooling2D",
            (true, _) => "AveragePooling3D",
        }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let input = self.data_format.spatial_input::<N>(inputs)?;
        if self.padding == Padding::Causal {
            return Err(
                Error::invalid("`padding` makes no sense", "Valid or Same").got("Causal")
            );
        }
        let mut shape = input.clone();
        for axis in 0..N {
            let (window, stride) = (self.pool_size.0[axis], self.steps().0[axis]);
            expect::positive("pool_size", window)?;
            expect::positive("strides", stride)?;
            let at = axis.cast_signed() + 1;
            shape =
                shape.with(at, self.padding.windows(input.dim(at)?, window, stride)?)?;
        }
        Ok(vec![self.data_format.shape_of_last(&shape)])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl<const N: usize, const AVERAGE: bool> Built for Pooling<N, AVERAGE> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let (window, strides) = (&self.pool_size.0, &self.steps().0);
        let x = self.data_format.to_last(inputs.only()?)?;
        let edges = self.padding.edges();
        let y = if AVERAGE {
            call.floats(&x)?.average_pool(window, strides, &edges)?
        } else {
            x.max_pool(window, strides, &edges)?
        };
        Ok(vec![self.data_format.of_last(&y)?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;

    use super::*;
    use crate::{Sequential, check_layer};

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&MaxPooling1D::new(2), [[2, 5, 3]])?;
        check_layer(&MaxPooling2D::new([2, 1]).strides(1), [[2, 3, 2, 2]])?;
        check_layer(
            &MaxPooling2D::new(3).strides(2).padding(Padding::Same),
            [[1, 4, 5, 2]],
        )?;
        check_layer(
            &MaxPooling2D::new([2, 1]).data_format(DataFormat::ChannelsFirst),
            [[2, 2, 3, 2]],
        )?;
        check_layer(&MaxPooling3D::new(2), [[1, 2, 3, 2, 2]])?;
        check_layer(&AveragePooling1D::new(2).padding(Padding::Same), [[2, 5, 3]])?;
        check_layer(&AveragePooling2D::new(2), [[2, 4, 3, 2]])?;
        check_layer(&AveragePooling3D::new(2), [[1, 2, 2, 3, 1]])
    }

    /// Keras 3.15.1: 0 to 8 as a square, windows of 2, padding `Same`.
    #[test]
    fn cells_outside_never_count() -> Result<()> {
        let x = Tensor::arange(0.0f32..9.0).reshape([1, 3, 3, 1])?;
        let run = |model: Sequential| -> Result<Vec<f32>> {
            let y = model.build()?.call(&[Var::constant(&x)], &mut Call::inference())?;
            Ok(y[0].eval()?.to_vec()?)
        };
        let model = || Sequential::new([3, 3, 1]);
        let largest = MaxPooling2D::new(2).strides(2).padding(Padding::Same);
        assert_eq!(run(model().add(largest))?, [4.0, 5.0, 7.0, 8.0]);
        let mean = AveragePooling2D::new(2).strides(2).padding(Padding::Same);
        assert_eq!(run(model().add(mean))?, [2.0, 3.5, 6.5, 8.0]);
        Ok(())
    }
}
