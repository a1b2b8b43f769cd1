//! Parts of tensors, their adjoint, flipping and padding.

use deckle_tensor::{
    Axes, Dim, Error as TensorError, Part, Parts, Primitive, Scalar, SliceAxis, Value,
};

use super::Axis;
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The part that ranges and indices name, one per axis from the first.
    ///
    /// Ranges beyond the end are cut there, as in Python; an index beyond it is an error. Axes
    /// that are not named stay whole.
    ///
    /// # Errors
    ///
    /// If there are more parts than axes or two [`Part::Ellipsis`], an index is out of range, or
    /// a step is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::{Tensor, step};
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2, 3], [4, 5, 6]]));
    /// assert_eq!(x.slice((.., 1..))?.eval()?, Tensor::from([[2, 3], [5, 6]]));
    /// assert_eq!(x.slice((-1, step(.., -2)))?.eval()?, Tensor::from([6, 4]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn slice(&self, parts: impl Parts) -> Result<Self> {
        let parts = parts.parts();
        let taken = |part: &&Part| !matches!(part, Part::NewAxis | Part::Ellipsis);
        let named = parts.iter().filter(taken).count();
        let ellipses = parts.iter().filter(|part| **part == Part::Ellipsis).count();
        if named > self.rank() || ellipses > 1 {
            return Err(TensorError::invalid(
                "slice",
                format_args!("{} parts or fewer, one Ellipsis", self.rank()),
            )
            .got(format_args!("{named} parts, {ellipses} Ellipsis"))
            .into());
        }
        let rest = vec![Part::from(..); self.rank() - named];
        let (mut ranges, mut axes, mut rest) = (Vec::new(), Vec::new(), Some(rest));
        for part in parts.into_iter().chain([Part::Ellipsis]) {
            match part {
                Part::NewAxis => axes.push(Axis::Dim(1.into())),
                Part::Index(_) => ranges.push(part),
                Part::Ellipsis => {
                    for part in rest.take().into_iter().flatten() {
                        axes.push(Axis::Of(ranges.len()));
                        ranges.push(part);
                    }
                }
                part => {
                    axes.push(Axis::Of(ranges.len()));
                    ranges.push(part);
                }
            }
        }
        let whole = ranges.iter().all(|part| *part == Part::from(..));
        let taken =
            if whole { self.clone() } else { Self::apply_one(Slice(ranges), &[self])? };
        if axes.iter().cloned().eq((0..self.rank()).map(Axis::Of)) {
            return Ok(taken);
        }
        taken.reshape(axes)
    }

    /// The elements along these axes from last to first.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2], [3, 4]]));
    /// assert_eq!(x.flip(-1)?.eval()?, Tensor::from([[2, 1], [4, 3]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn flip(&self, axes: impl Into<Axes>) -> Result<Self> {
        let mut parts = vec![Part::from(..); self.rank()];
        for axis in axes.into().resolve("flip", self.rank())? {
            parts[axis] = Part::Range { start: None, stop: None, step: -1 };
        }
        self.slice(parts)
    }

    /// One number around the elements: `padding` has the cells before and after, per axis.
    ///
    /// # Errors
    ///
    /// If there is not one pair for each axis, or the element type cannot hold the number.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2]));
    /// assert_eq!(x.pad([(1, 2)], 0)?.eval()?, Tensor::from([0, 1, 2, 0, 0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn pad(
        &self,
        padding: impl AsRef<[(usize, usize)]>,
        value: impl Into<Scalar>,
    ) -> Result<Self> {
        let padding = padding.as_ref();
        if padding.len() != self.rank() {
            return Err(TensorError::invalid("pad", "a pair of numbers for each axis")
                .got(format_args!("{} for shape {}", padding.len(), self.shape()))
                .into());
        }
        if padding.iter().any(|&(low, high)| low.max(high) > isize::MAX.unsigned_abs()) {
            return Err(TensorError::invalid("pad", "a result that fits into memory")
                .got(format_args!("{padding:?}"))
                .into());
        }
        let value = value.into();
        let number = Self::constant(&value.to_tensor(self.dtype())?);
        if padding.iter().all(|pair| *pair == (0, 0)) {
            return Ok(self.clone());
        }
        Self::apply_one(Pad(padding.to_vec()), &[self, &number])
    }
}

/// The first position and the number of elements of a range along an axis of known length, by
/// Python's rule.
fn resolve(part: Part, axis: usize, len: usize) -> Result<SliceAxis> {
    let signed = isize::try_from(len).map_err(|_| {
        TensorError::invalid("slice", "an axis that fits into memory").got(len)
    })?;
    let from_end = |at: isize| if at < 0 { at.saturating_add(signed) } else { at };
    match part {
        Part::Range { step: 0, .. } => Err(step_of_zero()),
        Part::Range { start, stop, step } => {
            let (low, high) = if step > 0 { (0, signed) } else { (-1, signed - 1) };
            let bound = |at: isize| from_end(at).clamp(low, high);
            let start = start.map_or(if step > 0 { low } else { high }, bound);
            let stop = stop.map_or(if step > 0 { high } else { low }, bound);
            let span = if step > 0 { stop - start } else { start - stop };
            let count = if span > 0 {
                (span.unsigned_abs() - 1) / step.unsigned_abs() + 1
            } else {
                0
            };
            let start = if count == 0 { 0 } else { start.unsigned_abs() };
            // A step that is never taken may be longer than the axis.
            let step = if count > 1 { step } else { 1 };
            Ok(SliceAxis { start, len: count, step })
        }
        Part::Index(index) => {
            let at = from_end(index);
            if !(0..signed).contains(&at) {
                let expected = format_args!(
                    "an index from -{len} to {signed_last}",
                    signed_last = signed - 1
                );
                let got = format_args!("{index} along axis {axis}");
                return Err(TensorError::invalid("slice", expected).got(got).into());
            }
            Ok(SliceAxis { start: at.unsigned_abs(), len: 1, step: 1 })
        }
        _ => unreachable!("only ranges and indices are kept"),
    }
}

fn step_of_zero() -> crate::Error {
    TensorError::invalid("slice", "a step other than 0").got("0").into()
}

/// One range or index per axis; an index leaves length 1.
#[derive(Clone, Debug)]
struct Slice(Vec<Part>);

impl Slice {
    fn axes(&self, shape: &[usize]) -> Result<Vec<SliceAxis>> {
        let axes = self.0.iter().zip(shape).enumerate();
        axes.map(|(axis, (part, len))| resolve(*part, axis, *len)).collect()
    }
}

impl Op for Slice {
    fn name(&self) -> &str {
        "slice"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let axes = self.0.iter().zip(inputs[0].shape.dims()).enumerate();
        let dims = axes.map(|(axis, (part, dim))| match (*part, dim.known()) {
            (Part::Range { step: 0, .. }, _) => Err(step_of_zero()),
            (Part::Range { start: None, stop: None, step: 1 | -1 }, _) => Ok(dim.clone()),
            (part, Some(len)) => Ok(resolve(part, axis, len)?.len.into()),
            (Part::Index(_), None) => Ok(Dim::Known(1)),
            (_, None) => Ok(Dim::Unknown),
        });
        let dims = dims.collect::<Result<Vec<_>>>()?;
        Ok(vec![Signature::new(inputs[0].dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let axes = self.axes(&lower.shape(inputs[0]))?;
        Ok(vec![lower.push(Primitive::Slice(axes), inputs)?])
    }

    /// `dx` is `dy` at its places among zeros.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let back = SliceBack(self.clone());
        Ok(vec![Some(Var::apply_one(back, &[&rule.dy()?, rule.x()])?)])
    }
}

/// The adjoint of a slice. Inputs: `dy`, and a tensor whose shape is read.
#[derive(Debug)]
struct SliceBack(Slice);

impl Op for SliceBack {
    fn name(&self) -> &str {
        "slice_back"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input == 0
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![Signature::new(inputs[0].dtype, &inputs[1].shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let shape = lower.shape(inputs[1]);
        let axes = self.0.axes(&shape)?;
        let zero = lower.scalar(lower.spec(inputs[0]).dtype, 0.0);
        let mut dy = inputs[0];
        // From the end, if a step is negative.
        if axes.iter().any(|axis| axis.step < 0) {
            let flip = axes.iter().map(|axis| match axis.step {
                ..0 if axis.len > 0 => {
                    SliceAxis { start: axis.len - 1, len: axis.len, step: -1 }
                }
                _ => SliceAxis::all(axis.len),
            });
            dy = lower.push(Primitive::Slice(flip.collect()), &[dy])?;
        }
        // Zeros between, if a step is longer than 1.
        if axes.iter().any(|axis| axis.step.unsigned_abs() > 1) {
            let gap = |axis: &SliceAxis| axis.step.unsigned_abs() - 1;
            let expanded: Vec<_> = axes.iter().flat_map(|axis| [axis.len, 1]).collect();
            let padding = axes.iter().flat_map(|axis| [(0, 0), (0, gap(axis))]).collect();
            let merged: Vec<_> =
                axes.iter().map(|axis| axis.len * axis.step.unsigned_abs()).collect();
            let cut = axes.iter().map(|axis| SliceAxis::all(span(axis))).collect();
            dy = lower.reshape(expanded, dy)?;
            dy = lower.push(Primitive::Pad { padding }, &[dy, zero])?;
            dy = lower.reshape(merged, dy)?;
            dy = lower.push(Primitive::Slice(cut), &[dy])?;
        }
        let padding = axes.iter().zip(&shape).map(|(axis, len)| {
            let low =
                if axis.step < 0 { axis.start + 1 - span(axis) } else { axis.start };
            (low, len - low - span(axis))
        });
        Ok(vec![lower.push(Primitive::Pad { padding: padding.collect() }, &[dy, zero])?])
    }

    /// The gradient by `dy` is the same part of this one's gradient.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(Var::apply_one(self.0.clone(), &[&rule.dy()?])?), None])
    }
}

/// The cells from the first to the last element.
fn span(axis: &SliceAxis) -> usize {
    match axis.len.checked_sub(1) {
        Some(steps) => steps * axis.step.unsigned_abs() + 1,
        None => 0,
    }
}

/// Cells before and after, per axis. Inputs: `x`, a number.
#[derive(Debug)]
struct Pad(Vec<(usize, usize)>);

impl Op for Pad {
    fn name(&self) -> &str {
        "pad"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let dims = inputs[0].shape.dims().iter().zip(&self.0);
        let dims = dims.map(|(dim, &(low, high))| match (dim.known(), low, high) {
            (_, 0, 0) => dim.clone(),
            (None, ..) => Dim::Unknown,
            (Some(len), ..) => {
                let padded = len.checked_add(low).and_then(|len| len.checked_add(high));
                padded.into()
            }
        });
        Ok(vec![Signature { dtype: inputs[0].dtype, shape: dims.collect() }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.push(Primitive::Pad { padding: self.0.clone() }, inputs)?])
    }

    /// `dx` is the middle of `dy`; the number is a constant.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let parts = self.0.iter().map(|&(low, high)| Part::Range {
            start: (low > 0).then_some(low.cast_signed()),
            stop: (high > 0).then_some(-high.cast_signed()),
            step: 1,
        });
        Ok(vec![Some(rule.dy()?.slice(parts.collect::<Vec<_>>())?), None])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Part, Tensor, step};
    use proptest::{collection::vec, prelude::*};

    use crate::{
        Device, Function, Var, grad,
        ops::testing::{check, filled, ramp, rejects, symbolic, tensor},
    };

    fn part() -> impl Strategy<Value = Part> {
        let bound = || prop_oneof![Just(None), (-6isize..7).prop_map(Some)];
        let by = prop_oneof![Just(1isize), Just(-1), -4isize..0, 1isize..5];
        let range = (bound(), bound(), by).prop_map(|(start, stop, step)| Part::Range {
            start,
            stop,
            step,
        });
        prop_oneof![6 => range, 1 => Just(Part::NewAxis), 1 => Just(Part::Index(-1))]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn gradients_are_right(
            x in filled(1..4).prop_flat_map(|shape| tensor(shape, &[-2.0..2.0])),
            parts in vec(part(), 1..4),
            padding in vec((0usize..3, 0usize..3), 3),
        ) {
            let named = parts.iter().filter(|part| **part != Part::NewAxis).count();
            prop_assume!(named <= x.rank());
            // The values are those of tensors, whose slices have a test of their own.
            let graph = Var::constant(&x).slice(&parts[..]).unwrap().eval().unwrap();
            prop_assert_eq!(graph, x.slice(&parts[..]).unwrap().contiguous());
            let rank = x.rank();
            check(
                |x| {
                    let padded = x[0].pad(&padding[..rank], 0.5)?;
                    Ok(vec![x[0].slice(&parts[..])?.square()?, padded.square()?, x[0].flip(..)?])
                },
                &[x],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[5, 3])];
        rejects(|x| Ok(vec![x[0].slice((step(1.., 2), step(.., -2)))?.square()?]), &x);
        rejects(|x| Ok(vec![x[0].flip(0)?.square()?]), &x);
        rejects(|x| Ok(vec![x[0].pad([(1, 0), (0, 2)], 0.0)?.square()?]), &x);
    }

    #[test]
    fn lengths_may_be_unknown() {
        let x = symbolic("x", 2);
        let y = x.slice((step(.., -1), 1..-1)).unwrap();
        assert_eq!(y.shape().to_string(), "(x0, ?)");
        let padded = y.pad([(0, 0), (1, 1)], 7.0).unwrap();
        let loss = padded.square().unwrap().sum(..).unwrap();
        let dx = grad(&loss, &[&x]).unwrap().remove(0);
        let call =
            Function::new([&x], [&padded, &dx]).compile(&Device::reference()).unwrap();
        let made =
            call.call(&[Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])]).unwrap();
        assert_eq!(made[0], Tensor::from([[7.0, 5.0, 7.0], [7.0, 2.0, 7.0]]));
        assert_eq!(made[1], Tensor::from([[0.0, 4.0, 0.0], [0.0, 10.0, 0.0]]));
        let one = Tensor::from([[1.0]]);
        let y = x.slice((.., 2)).unwrap();
        let call = Function::new([&x], [&y]).compile(&Device::reference()).unwrap();
        assert!(
            call.call(&[one]).unwrap_err().to_string().contains("got: 2 along axis 1")
        );
    }

    #[test]
    fn nothing_happens_if_nothing_changes() {
        let x = Var::constant(&ramp(&[2, 3]));
        assert!(x.slice((.., Part::Ellipsis)).unwrap().is_same(&x));
        assert!(x.flip(Vec::<usize>::new()).unwrap().is_same(&x));
        assert!(x.pad([(0, 0), (0, 0)], 1.0).unwrap().is_same(&x));
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [2, 3], DType::F32);
        let text = |error: crate::Error| error.to_string();
        assert_eq!(
            text(x.slice((0, 0, 0)).unwrap_err()),
            "`slice`: cannot take this input\n  expected: 2 parts or fewer, one Ellipsis\n       \
             got: 3 parts, 0 Ellipsis"
        );
        assert_eq!(
            text(x.slice((.., 3)).unwrap_err()),
            "`slice`: cannot take this input\n  expected: an index from -3 to 2\n       got: 3 \
             along axis 1"
        );
        assert_eq!(
            text(x.slice(step(.., 0)).unwrap_err()),
            "`slice`: cannot take this input\n  expected: a step other than 0\n       got: 0"
        );
        assert_eq!(
            text(x.pad([(1, 1)], 0.0).unwrap_err()),
            "`pad`: cannot take this input\n  expected: a pair of numbers for each axis\n       \
             got: 1 for shape (2, 3)"
        );
    }
}
