//! What the cells that a layer makes along an axis are made of, where the length of the axis is
//! known only when it is computed: [`Mixture`].

use std::fmt;

use deckle_autograd::{Lower, Op, Result as GraphResult, Rule, Signature, Var};
use deckle_tensor::{DType, Dim, Error as TensorError, Tensor, Value};

use crate::Result;

/// The cells that one cell is made of, and how much each counts.
pub(super) type Parts = Vec<(usize, f64)>;

/// The cells that are made along an axis as sums of weighted cells.
pub(super) struct Mixture {
    /// `(made, parts)`: where the cells are.
    places: Var,
    /// `(made, parts)`: how much each counts, 0 for those that only fill the list.
    weights: Var,
}

impl Mixture {
    /// What `made` cells are made of, which follows from the lengths of some axes of `x`.
    ///
    /// `rule` is asked once these are known, none of them 0.
    pub(super) fn of_lengths(
        x: &Var,
        axes: &[usize],
        made: impl Into<Dim>,
        rule: impl Fn(&[usize]) -> GraphResult<Vec<Parts>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let op = Table { axes: axes.to_vec(), made: made.into(), dtype: x.dtype(), rule };
        let mut outputs = Var::apply(op, &[x])?.into_iter();
        let mut next = || outputs.next().expect("a table has two outputs");
        Ok(Self { places: next(), weights: next() })
    }

    /// The parts of each cell, along `axis` and a new axis after it. A cell with fewer parts than
    /// others has one of them several times.
    pub(super) fn parts(&self, x: &Var, axis: usize) -> Result<Var> {
        Ok(x.gather(axis.cast_signed(), &self.places)?)
    }

    /// The cells that are made, along `axis`.
    pub(super) fn mix(&self, x: &Var, axis: usize) -> Result<Var> {
        let mut weights = self.weights.clone();
        for _ in axis + 1..x.rank() {
            weights = weights.expand_dims(-1)?;
        }
        Ok(self.parts(x, axis)?.mul(&weights)?.sum(axis.cast_signed() + 1)?)
    }

    /// `(made,)`: how much the parts of each cell count together.
    pub(super) fn totals(&self) -> Result<Var> {
        Ok(self.weights.sum(1)?)
    }
}

/// Input: a tensor whose shape is read. Outputs: places and weights.
struct Table<F> {
    axes: Vec<usize>,
    made: Dim,
    dtype: DType,
    rule: F,
}

impl<F> fmt::Debug for Table<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { axes, made, dtype, .. } = self;
        write!(f, "Table {{ axes: {axes:?}, made: {made}, dtype: {dtype}, .. }}")
    }
}

impl<F: Fn(&[usize]) -> GraphResult<Vec<Parts>>> Table<F> {
    fn tensors(&self, lens: &[usize]) -> GraphResult<[Tensor; 2]> {
        if let Some(at) = lens.iter().position(|&len| len == 0) {
            let expected = format_args!("a length above 0 of axis {}", self.axes[at]);
            return Err(TensorError::invalid("mixture", expected).got(0).into());
        }
        let made = (self.rule)(lens)?;
        let count = made.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        for parts in &made {
            // The first part fills the list up, its weight shared: 0 · ∞ would be another sum.
            let (first, weight) = parts.first().copied().unwrap_or_default();
            let times = (count + 1).saturating_sub(parts.len().max(1));
            let rest = parts.get(1..).unwrap_or_default().iter().copied();
            let shared = (first, weight / times as f64);
            for (place, weight) in std::iter::repeat_n(shared, times).chain(rest) {
                places.push(place as i32);
                weights.push(weight);
            }
        }
        let shape = [made.len(), count];
        Ok([Tensor::new(places, shape)?, Tensor::new(weights, shape)?.cast(self.dtype)])
    }
}

impl<F: Fn(&[usize]) -> GraphResult<Vec<Parts>> + Send + Sync + 'static> Op for Table<F> {
    fn name(&self) -> &str {
        "mixture"
    }

    fn depends(&self, _output: usize, _input: usize) -> bool {
        false
    }

    fn infer(&self, inputs: &[Signature]) -> GraphResult<Vec<Signature>> {
        let dims = inputs[0].shape.dims();
        let lens: Option<Vec<_>> =
            self.axes.iter().map(|&axis| dims[axis].known()).collect();
        let shape = match lens {
            Some(lens) => self.tensors(&lens)?[0].shape().into(),
            None => [self.made.clone(), Dim::Unknown].into_iter().collect(),
        };
        let places = Signature::new(DType::I32, &shape);
        Ok(vec![places, Signature { dtype: self.dtype, shape }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> GraphResult<Vec<Value>> {
        let shape = lower.shape(inputs[0]);
        let lens: Vec<_> = self.axes.iter().map(|&axis| shape[axis]).collect();
        let tensors = self.tensors(&lens)?;
        Ok(tensors.iter().map(|tensor| lower.constant(tensor)).collect())
    }

    /// A shape has no gradient by its nature.
    fn vjp(&self, _rule: &Rule<'_>) -> GraphResult<Vec<Option<Var>>> {
        Ok(vec![None])
    }
}

#[cfg(test)]
mod tests {
    use deckle_autograd::{Device, Function, grad};

    use super::*;
    use crate::{
        Call, LayerHandle, Sequential,
        layers::{
            AdaptiveAveragePooling2D, AdaptiveMaxPooling2D, CenterCrop, DataFormat,
            Interpolation, RandomCrop, Resizing, UpSampling2D,
        },
    };

    /// The outputs for images of two channels, and the gradient by them of the squares' sum.
    fn made(
        layer: impl Into<LayerHandle>,
        x: &Tensor,
        last: bool,
        are_known: bool,
    ) -> [Tensor; 2] {
        let name = |axis: usize| Dim::symbol(&format!("side{axis}"));
        let sides = if last { 1..3 } else { 2..4 };
        let dims: Vec<_> = x.shape().iter().map(|&len| Dim::from(len)).collect();
        let is_open = |axis: &usize| !are_known && sides.contains(axis);
        let given = dims.iter().enumerate();
        let given: deckle_tensor::Shape = given
            .map(|(axis, dim)| if is_open(&axis) { name(axis) } else { dim.clone() })
            .collect();
        let example: Vec<_> = given.dims()[1..].iter().map(Dim::known).collect();
        let example = crate::layers::KerasShape(example);
        let model = Sequential::new(example).add(layer).build().unwrap();
        let given = Var::input("x", given, x.dtype());
        let y = model.call(std::slice::from_ref(&given), &mut Call::inference());
        let y = y.unwrap().remove(0);
        let dx = grad(&y.square().unwrap().sum(..).unwrap(), &[&given]).unwrap();
        let function = Function::new([&given], [&y, &dx[0]]);
        let function = function.compile(&Device::reference()).unwrap();
        function.call(std::slice::from_ref(x)).unwrap().try_into().unwrap()
    }

    #[track_caller]
    fn agrees<L: Into<LayerHandle> + Clone>(layer: &L, last: bool) {
        for [height, width] in [[5, 8], [8, 3], [1, 2], [4, 4]] {
            let shape = if last { [2, height, width, 2] } else { [2, 2, height, width] };
            let count = shape.iter().product();
            let x = (0..count).map(|at: usize| (at * 37 % 64) as f32 / 8.0 - 3.0);
            let x = Tensor::new(x.collect::<Vec<_>>(), shape).unwrap();
            let [known, unknown] =
                [true, false].map(|are_known| made(layer.clone(), &x, last, are_known));
            for (known, unknown) in known.iter().zip(&unknown) {
                assert!(
                    unknown.allclose(known, 1e-5, 1e-5).unwrap(),
                    "{height} x {width}: {known:?}, {unknown:?}"
                );
            }
        }
    }

    #[test]
    fn images_of_unknown_size_are_resized_as_those_of_known_size() {
        for interpolation in [
            Interpolation::Nearest,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
            Interpolation::Lanczos5,
        ] {
            agrees(&Resizing::new(3, 7).interpolation(interpolation), true);
            agrees(&UpSampling2D::new([2, 3]).interpolation(interpolation), true);
        }
        let layer = Resizing::new(2, 5).interpolation(Interpolation::Bicubic);
        agrees(&layer.clone().antialias(true), true);
        agrees(&layer.clone().crop_to_aspect_ratio(true), true);
        let first = layer.antialias(true).data_format(DataFormat::ChannelsFirst);
        agrees(&first, false);
        agrees(&Resizing::new(5, 2).pad_to_aspect_ratio(true).fill_value(0.5), true);
        agrees(&Resizing::new(2, 9).pad_to_aspect_ratio(true), true);
        agrees(&CenterCrop::new(2, 3), true);
        agrees(&CenterCrop::new(5, 4).data_format(DataFormat::ChannelsFirst), false);
        agrees(&RandomCrop::new(3, 2), true);
    }

    #[test]
    fn windows_of_unknown_axes_are_those_of_known_ones() {
        agrees(&AdaptiveAveragePooling2D::new([3, 2]), true);
        agrees(&AdaptiveMaxPooling2D::new([2, 3]), true);
        let layer = AdaptiveAveragePooling2D::new([1, 4]);
        agrees(&layer.data_format(DataFormat::ChannelsFirst), false);
    }

    #[test]
    fn an_infinite_cell_stays_in_its_windows() {
        let x = Tensor::new(vec![f32::INFINITY, 1.0, 2.0], [1, 3, 1, 1]).unwrap();
        let layer = AdaptiveAveragePooling2D::new([2, 1]);
        let model = Sequential::new([None, Some(1), Some(1)]).add(layer).build().unwrap();
        let y = model.call(&[Var::constant(&x)], &mut Call::inference()).unwrap();
        let y = y[0].eval().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(y, [f32::INFINITY, 1.5]);
    }

    #[test]
    fn a_pixel_that_is_no_number_stays_alone() {
        let mut pixels = vec![1.0f32; 16];
        pixels[5] = f32::NAN;
        let x = Tensor::new(pixels, [1, 4, 4, 1]).unwrap();
        let model = Sequential::new([None, None, Some(1)]).add(CenterCrop::new(2, 2));
        let model = model.build().unwrap();
        let given = Var::input("x", model.inputs().next().unwrap().1, DType::F32);
        let y = model.call(std::slice::from_ref(&given), &mut Call::inference()).unwrap();
        let function = Function::new([&given], [&y[0]]).compile(&Device::reference());
        let y = function.unwrap().call(&[x]).unwrap()[0].to_vec::<f32>().unwrap();
        assert_eq!(y.iter().filter(|pixel| pixel.is_nan()).count(), 1, "{y:?}");
    }

    #[test]
    fn an_empty_image_has_nothing_to_be_made_of() {
        let image = || Sequential::new([None, None, Some(1)]);
        let layer = AdaptiveAveragePooling2D::new(2);
        let empty = Tensor::zeros(DType::F32, [1, 0, 3, 1]);
        for model in [image().add(Resizing::new(2, 2)), image().add(layer)] {
            let model = model.build().unwrap();
            let x = Var::input("x", model.inputs().next().unwrap().1, DType::F32);
            let y = model.call(std::slice::from_ref(&x), &mut Call::inference()).unwrap();
            let function = Function::new([&x], [&y[0]]).compile(&Device::reference());
            let error = function.unwrap().call(std::slice::from_ref(&empty));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("a length above 0 of axis 1"), "{error}");
            let error = model.call(&[Var::constant(&empty)], &mut Call::inference());
            assert!(error.is_err());
        }
        let x = Var::constant(&empty);
        let model = image().add(Resizing::new(2, 2)).build().unwrap();
        let y = model.call(&[x], &mut Call::inference());
        assert!(y.unwrap_err().to_string().contains("1 to 1048576 pixels"));
    }
}
