//! Pooling to a given length: `AdaptiveAveragePooling2D`, `AdaptiveMaxPooling1D` and kin.

use std::ops::Range;

use deckle_autograd::{Padding as Edges, Result as GraphResult, Var};
use deckle_tensor::{Part, Shape, keep};
use serde::{Deserialize, Serialize};

use super::{DataFormat, PerAxis, mixture::Mixture, setters::setters};
use crate::{Built, Call, Error, Init, Inputs, Layer, Result, expect};

/// Each window is a part of the graph.
const MOST_WINDOWS: usize = 1 << 16;

/// The [means](AdaptivePooling) of so many windows over time.
pub type AdaptiveAveragePooling1D = AdaptivePooling<1, true>;
/// The [means](AdaptivePooling) of so many windows of images.
pub type AdaptiveAveragePooling2D = AdaptivePooling<2, true>;
/// The [means](AdaptivePooling) of so many windows of volumes.
pub type AdaptiveAveragePooling3D = AdaptivePooling<3, true>;
/// The [largest elements](AdaptivePooling) of so many windows over time.
pub type AdaptiveMaxPooling1D = AdaptivePooling<1, false>;
/// The [largest elements](AdaptivePooling) of so many windows of images.
pub type AdaptiveMaxPooling2D = AdaptivePooling<2, false>;
/// The [largest elements](AdaptivePooling) of so many windows of volumes.
pub type AdaptiveMaxPooling3D = AdaptivePooling<3, false>;

/// The mean, or the largest element, of each of a given number of windows.
///
/// Of `n` cells and `m` windows, window `i` is the cells from `⌊i · n / m⌋` to before
/// `⌈(i + 1) · n / m⌉`; windows may overlap by a cell.
///
/// # Shapes
///
/// `(batch, spatial..., channels)` becomes `(batch, output_size..., channels)`.
///
/// # Errors
///
/// Applying it fails if the input has another rank or an empty spatial axis, or `output_size` is 0.
///
/// # Examples
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_nn::{Call, Sequential, layers::AdaptiveMaxPooling1D};
/// use deckle_tensor::Tensor;
///
/// let model = Sequential::new([5, 1]).add(AdaptiveMaxPooling1D::new(2)).build()?;
/// let x = Var::constant(&Tensor::new(vec![1.0f32, 2.0, 9.0, 4.0, 5.0], [1, 5, 1])?);
/// let y = model.call(&[x], &mut Call::inference())?;
/// assert_eq!(y[0].eval()?.to_vec::<f32>()?, [9.0, 9.0]);
/// # Ok::<(), deckle_nn::Error>(())
/// ```
///
/// # Keras
///
/// `keras.layers.AdaptiveAveragePooling1D` and so on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptivePooling<const N: usize, const AVERAGE: bool> {
    output_size: PerAxis<N>,
    #[serde(default)]
    data_format: DataFormat,
}

/// The cells of one of the windows of an axis.
const fn window(i: usize, len: usize, windows: usize) -> Range<usize> {
    i * len / windows..((i + 1) * len).div_ceil(windows)
}

impl<const N: usize, const AVERAGE: bool> AdaptivePooling<N, AVERAGE> {
    /// The layer with so many windows.
    #[must_use]
    pub fn new(output_size: impl Into<PerAxis<N>>) -> Self {
        Self { output_size: output_size.into(), data_format: DataFormat::ChannelsLast }
    }

    setters! {
        /// Sets where the channels are; last by default.
        data_format: DataFormat;
    }

    /// The windows of an axis of unknown length.
    fn along_any(x: &Var, axis: usize, windows: usize) -> Result<Var> {
        let windows = Mixture::of_lengths(x, &[axis], windows, move |lens| {
            let parts = |i| {
                let cells = window(i, lens[0], windows);
                let share = 1.0 / cells.len() as f64;
                cells.map(|cell| (cell, share)).collect()
            };
            Ok((0..windows).map(parts).collect())
        })?;
        if AVERAGE {
            return windows.mix(x, axis);
        }
        Ok(windows.parts(x, axis)?.max(axis.cast_signed() + 1)?)
    }

    /// The windows of one axis, where they are not of one length.
    fn along(x: &Var, axis: usize, len: usize, windows: usize) -> GraphResult<Var> {
        let mut parts = Vec::with_capacity(windows);
        for i in 0..windows {
            let Range { start, end } = window(i, len, windows);
            let mut slice = vec![Part::from(..); axis];
            slice.push(Part::from(start.cast_signed()..end.cast_signed()));
            let cells = x.slice(slice)?;
            parts.push(if AVERAGE {
                cells.mean(keep(axis))?
            } else {
                cells.max(keep(axis))?
            });
        }
        Var::concatenate(&parts, axis.cast_signed())
    }
}

impl<const N: usize, const AVERAGE: bool> Layer for AdaptivePooling<N, AVERAGE> {
    fn class_name(&self) -> &'static str {
        match (AVERAGE, N) {
            (false, 1) => "AdaptiveMaxPooling1D",
            (false, 2) => "AdaptiveMaxPooling2D",
            (false, _) => "AdaptiveMaxPooling3D",
            (true, 1) => "AdaptiveAveragePooling1D",
            (true, 2) => "AdaptiveAveragePooling2D",
            (true, _) => "AdaptiveAveragePooling3D",
        }
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let mut shape = self.data_format.spatial_input::<N>(inputs)?;
        for (axis, &windows) in self.output_size.0.iter().enumerate() {
            let at = axis.cast_signed() + 1;
            expect::positive("output_size", windows)?;
            if windows > MOST_WINDOWS {
                let expected = format!("{MOST_WINDOWS} or fewer");
                return Err(
                    Error::invalid("`output_size` makes no sense", expected).got(windows)
                );
            }
            let len = shape.dim(at)?.known().unwrap_or(1);
            expect::positive("the length of a spatial axis", len)?;
            shape = shape.with(at, windows)?;
        }
        Ok(vec![self.data_format.shape_of_last(&shape)])
    }

    fn build(&self, _inputs: &[Shape], _init: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl<const N: usize, const AVERAGE: bool> Built for AdaptivePooling<N, AVERAGE> {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let mut x = self.data_format.to_last(inputs.only()?)?;
        if AVERAGE {
            x = call.floats(&x)?;
        }
        let mut window = [1; N];
        for (axis, &windows) in self.output_size.0.iter().enumerate() {
            let len = x.shape().dims()[axis + 1].known();
            expect::positive("the length of a spatial axis", len.unwrap_or(1))?;
            match len {
                None => x = Self::along_any(&x, axis + 1, windows)?,
                Some(len) if len.is_multiple_of(windows) => {
                    window[axis] = len / windows;
                }
                Some(len) => x = Self::along(&x, axis + 1, len, windows)?,
            }
        }
        let y = if AVERAGE {
            x.average_pool(&window, &window, &Edges::Valid)?
        } else {
            x.max_pool(&window, &window, &Edges::Valid)?
        };
        Ok(vec![self.data_format.of_last(&y)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_layer;

    #[test]
    fn keeps_the_promises_of_a_layer() -> Result<()> {
        check_layer(&AdaptiveAveragePooling1D::new(2), [[2, 4, 2]])?;
        check_layer(&AdaptiveAveragePooling2D::new([2, 3]), [[1, 3, 3, 2]])?;
        check_layer(&AdaptiveAveragePooling3D::new(1), [[1, 2, 1, 2, 2]])?;
        check_layer(&AdaptiveMaxPooling1D::new(3), [[2, 5, 2]])?;
        let first = AdaptiveMaxPooling2D::new(2).data_format(DataFormat::ChannelsFirst);
        check_layer(&first, [[1, 2, 3, 4]])?;
        check_layer(&AdaptiveMaxPooling3D::new([1, 2, 1]), [[1, 2, 1, 2, 2]])
    }
}
