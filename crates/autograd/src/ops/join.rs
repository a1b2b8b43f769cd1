//! Joining, splitting and repeating tensors.

use std::borrow::Borrow;

use deckle_tensor::{
    Dim, Error as TensorError, Part, Primitive, SliceAxis, Value, resolve_axis,
};

use super::Axis;
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// Tensors that differ in the length of `axis` only, joined along it.
    ///
    /// # Errors
    ///
    /// If there is no tensor or no such axis, or element types or other axes differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1], [2]]));
    /// let y = Var::concatenate(&[&x, &x], -1)?;
    /// assert_eq!(y.eval()?, Tensor::from([[1, 1], [2, 2]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn concatenate(tensors: &[impl Borrow<Self>], axis: isize) -> Result<Self> {
        let inputs: Vec<&Self> = tensors.iter().map(Borrow::borrow).collect();
        let Some(first) = inputs.first() else { return Err(nothing("concatenate")) };
        let axis = resolve_axis("concatenate", axis, first.rank())?;
        if let [only] = inputs[..] {
            return Ok(only.clone());
        }
        Self::apply_one(Concatenate { axis }, &inputs)
    }

    /// Tensors of one shape, joined along a new axis.
    ///
    /// # Errors
    ///
    /// If there is no tensor or no such axis, or element types or shapes differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2]));
    /// assert_eq!(Var::stack(&[&x, &x], 0)?.eval()?, Tensor::from([[1, 2], [1, 2]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn stack(tensors: &[impl Borrow<Self>], axis: isize) -> Result<Self> {
        let Some(first) = tensors.first() else { return Err(nothing("stack")) };
        let rank = first.borrow().rank() + 1;
        let axis = resolve_axis("stack", axis, rank)?.cast_signed();
        let expanded = tensors.iter().map(|tensor| tensor.borrow().expand_dims(axis));
        Self::concatenate(&expanded.collect::<Result<Vec<_>>>()?, axis)
    }

    /// Equal parts along `axis`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, its length is unknown, or the sections do not divide it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2, 3, 4]));
    /// let parts = x.split(2, 0)?;
    /// assert_eq!(parts[1].eval()?, Tensor::from([3, 4]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn split(&self, sections: usize, axis: isize) -> Result<Vec<Self>> {
        let (at, len) = self.known("split", axis)?;
        if sections == 0 || sections > len.max(1) || len % sections != 0 {
            return Err(TensorError::invalid(
                "split",
                format_args!("sections that divide the axis' length {len}"),
            )
            .got(format_args!("{sections} sections"))
            .help("name the cuts: .split_at(cuts, axis)")
            .into());
        }
        let cuts: Vec<_> = (1..sections).map(|i| i * (len / sections)).collect();
        self.split_at(cuts, at.cast_signed())
    }

    /// Parts along `axis`, cut before these positions.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the cuts do not ascend.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2, 3, 4]));
    /// let parts = x.split_at([1], 0)?;
    /// assert_eq!(parts[1].eval()?, Tensor::from([2, 3, 4]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn split_at(&self, cuts: impl AsRef<[usize]>, axis: isize) -> Result<Vec<Self>> {
        let at = resolve_axis("split_at", axis, self.rank())?;
        let cuts = cuts.as_ref();
        if cuts.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(TensorError::invalid("split_at", "cuts in ascending order")
                .got(format_args!("{cuts:?}"))
                .into());
        }
        if cuts.is_empty() {
            return Ok(vec![self.clone()]);
        }
        Self::apply(Split { axis: at, cuts: cuts.to_vec() }, &[self])
    }

    /// The slices along `axis`, which goes away.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or its length is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1, 2], [3, 4]]));
    /// assert_eq!(x.unstack(1)?[0].eval()?, Tensor::from([1, 3]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn unstack(&self, axis: isize) -> Result<Vec<Self>> {
        let (at, len) = self.known("unstack", axis)?;
        (0..len)
            .map(|index| {
                let mut parts = vec![Part::from(..); self.rank()];
                parts[at] = Part::Index(index.cast_signed());
                self.slice(parts)
            })
            .collect()
    }

    /// The whole tensor, repeated along each axis; NumPy's `tile`.
    ///
    /// # Errors
    ///
    /// If there is not one number for each axis.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1, 2]));
    /// assert_eq!(x.tile([2])?.eval()?, Tensor::from([1, 2, 1, 2]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn tile(&self, repeats: impl AsRef<[usize]>) -> Result<Self> {
        let repeats = repeats.as_ref();
        if repeats.len() != self.rank() {
            return Err(TensorError::invalid("tile", "one number for each axis")
                .got(format_args!("{} for shape {}", repeats.len(), self.shape()))
                .into());
        }
        let axes = (0..self.rank()).flat_map(|axis| [1usize.into(), Axis::Of(axis)]);
        let lens = repeats.iter().enumerate().map(|(axis, &times)| (2 * axis, times));
        self.repeated(axes.collect(), lens.filter(|(_, times)| *times != 1).collect())
    }

    /// Each element, repeated along `axis`; NumPy's `repeat`.
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
    /// let x = Var::constant(&Tensor::from([1, 2]));
    /// assert_eq!(x.repeat(2, 0)?.eval()?, Tensor::from([1, 1, 2, 2]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn repeat(&self, times: usize, axis: isize) -> Result<Self> {
        let at = resolve_axis("repeat", axis, self.rank())?;
        let axes = (0..self.rank()).flat_map(|axis| [Axis::Of(axis), 1usize.into()]);
        let lens = if times == 1 { vec![] } else { vec![(2 * at + 1, times)] };
        self.repeated(axes.collect(), lens)
    }

    /// Under the shape of `axes`, of which two each become one again, axes of length 1 are
    /// repeated.
    fn repeated(&self, axes: Vec<Axis>, lens: Vec<(usize, usize)>) -> Result<Self> {
        if lens.is_empty() {
            return Ok(self.clone());
        }
        let repeated = self.reshape_by(self, axes)?.stretch(lens)?;
        let merged = (0..self.rank()).map(|axis| Axis::Product(2 * axis..2 * axis + 2));
        repeated.reshape(merged)
    }

    /// An axis and its length, which has to be known.
    fn known(&self, op: &'static str, axis: isize) -> Result<(usize, usize)> {
        let at = resolve_axis(op, axis, self.rank())?;
        let len = self.shape().dims()[at].known().ok_or_else(|| {
            TensorError::invalid(op, "an axis of known length")
                .got(format_args!("axis {at} of shape {}", self.shape()))
        })?;
        Ok((at, len))
    }
}

fn nothing(op: &'static str) -> crate::Error {
    TensorError::invalid(op, "one tensor or more").got("none").into()
}

/// Parts of its input, cut before these positions.
#[derive(Debug)]
struct Split {
    axis: usize,
    cuts: Vec<usize>,
}

impl Split {
    /// The place and length of each part of an axis.
    fn parts(&self, len: usize) -> impl Iterator<Item = (usize, usize)> {
        let starts = std::iter::once(0).chain(self.cuts.iter().copied());
        let stops = self.cuts.iter().copied().chain([len]);
        starts.zip(stops).map(move |(start, stop)| {
            let (start, stop) = (start.min(len), stop.min(len));
            (if stop > start { start } else { 0 }, stop - start)
        })
    }
}

impl Op for Split {
    fn name(&self) -> &str {
        "split"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let Signature { dtype, shape, .. } = &inputs[0];
        let lens: Vec<_> = match shape.dims()[self.axis].known() {
            Some(len) => self.parts(len).map(|(_, len)| Dim::from(len)).collect(),
            None => vec![Dim::Unknown; self.cuts.len() + 1],
        };
        let part = |len| {
            let mut dims = shape.dims().to_vec();
            dims[self.axis] = len;
            Signature::new(*dtype, dims)
        };
        Ok(lens.into_iter().map(part).collect())
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let whole = lower.shape(inputs[0]);
        let mut made = Vec::new();
        for (place, (start, len)) in self.parts(whole[self.axis]).enumerate() {
            let mut axes: Vec<_> = whole.iter().map(|&len| SliceAxis::all(len)).collect();
            (axes[self.axis].start, axes[self.axis].len) = (start, len);
            // The place of what nobody reads is taken by anything.
            made.push(match lower.is_used(place) {
                true => lower.push(Primitive::Slice(axes), inputs)?,
                false => inputs[0],
            });
        }
        Ok(made)
    }

    /// The parts' gradients, joined.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let parts = (0..rule.grads.len()).map(|place| rule.grad(place));
        let whole = Var::concatenate(
            &parts.collect::<Result<Vec<_>>>()?,
            self.axis.cast_signed(),
        )?;
        Ok(vec![Some(whole)])
    }
}

#[derive(Clone, Copy, Debug)]
struct Concatenate {
    axis: usize,
}

impl Op for Concatenate {
    fn name(&self) -> &str {
        "concatenate"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let first = &inputs[0];
        let mut dims = first.shape.dims().to_vec();
        let mut total = Some(0usize);
        for input in inputs {
            let own = input.shape.dims();
            let wrong = || {
                let shapes: Vec<_> = inputs.iter().map(Signature::to_string).collect();
                let expected =
                    format_args!("tensors that differ in axis {} only", self.axis);
                TensorError::invalid("concatenate", expected).got(shapes.join(" and "))
            };
            if own.len() != dims.len() {
                return Err(wrong().into());
            }
            if input.dtype != first.dtype {
                return Err(wrong().help("cast some of them: .cast(dtype)").into());
            }
            for axis in (0..dims.len()).filter(|&axis| axis != self.axis) {
                dims[axis] = dims[axis].meet(&own[axis]).ok_or_else(wrong)?;
            }
            let len = own[self.axis].known();
            total = total.zip(len).and_then(|(total, len)| total.checked_add(len));
        }
        dims[self.axis] = Dim::from(total);
        Ok(vec![Signature::new(first.dtype, dims)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.push(Primitive::Concat { axis: self.axis }, inputs)?])
    }

    /// Each gradient is its part of `dy`.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let dy = rule.dy()?;
        let inputs: Vec<_> = [&dy].into_iter().chain(rule.inputs).collect();
        (0..rule.inputs.len())
            .map(|place| {
                let part = ConcatenatePart { axis: self.axis, place };
                rule.when_needed(place, || Var::apply_one(part, &inputs))
            })
            .collect()
    }
}

/// One part of what was joined. Inputs: the whole, and the parts, whose shapes are read.
#[derive(Debug)]
struct ConcatenatePart {
    axis: usize,
    place: usize,
}

impl Op for ConcatenatePart {
    fn name(&self) -> &str {
        "concatenate_part"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input == 0
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![Signature::new(inputs[0].dtype, &inputs[self.place + 1].shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let lens: Vec<_> =
            inputs[1..].iter().map(|&part| lower.shape(part)[self.axis]).collect();
        let whole = lower.shape(inputs[0]);
        let mut axes: Vec<_> = whole.iter().map(|&len| SliceAxis::all(len)).collect();
        axes[self.axis].start = lens[..self.place].iter().sum();
        axes[self.axis].len = lens[self.place];
        Ok(vec![lower.push(Primitive::Slice(axes), &inputs[..1])?])
    }

    /// The gradient by the whole is `dy` among zeros.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let dy = rule.dy()?;
        let parts = rule.inputs[1..].iter().enumerate().map(|(place, part)| {
            if place == self.place { Ok(dy.clone()) } else { part.zeros_like() }
        });
        let whole = Var::concatenate(
            &parts.collect::<Result<Vec<_>>>()?,
            self.axis.cast_signed(),
        );
        let mut gradients = vec![None; rule.inputs.len()];
        gradients[0] = Some(whole?);
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use crate::{
        Device, Function, Var, grad,
        ops::testing::{cases, check, filled, ramp, rejects, symbolic, tensor},
    };

    /// Three tensors that differ in one axis.
    fn joinable() -> impl Strategy<Value = (Vec<Tensor>, isize)> {
        (filled(1..4), 0usize..3, [0usize..3, 1..3, 1..3]).prop_flat_map(
            |(shape, axis, lens)| {
                let axis = axis % shape.len();
                let parts = lens.map(|len| {
                    let mut shape = shape.clone();
                    shape[axis] = len;
                    tensor(shape, &[-2.0..2.0])
                });
                (parts.prop_map(|parts| parts.to_vec()), Just(axis.cast_signed()))
            },
        )
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn joined_and_split_gradients_are_right((parts, axis) in joinable()) {
            check(|x| Ok(vec![Var::concatenate(x, axis)?.square()?]), &parts);
            check(
                |x| {
                    let whole = Var::concatenate(&[&x[1], &x[2], &x[1], &x[2]], axis)?;
                    let halves = whole.square()?.split(2, axis)?;
                    let parts = whole.split_at([1], axis)?;
                    let slices = whole.unstack(axis)?;
                    let again = Var::stack(&slices[..2], axis)?.square()?;
                    Ok(vec![halves[0].mul(&halves[1])?, parts[1].square()?, again])
                },
                &parts,
            );
        }

        #[test]
        fn repeated_gradients_are_right(
            (x, repeats) in filled(1..4).prop_flat_map(|shape| {
                let repeats = proptest::collection::vec(0usize..3, shape.len());
                (tensor(shape, &[-2.0..2.0]), repeats)
            }),
            times in 1usize..4,
            axis in 0isize..3,
        ) {
            let axis = axis.rem_euclid(x.rank().cast_signed());
            check(
                |x| {
                    let tiled = x[0].tile(&repeats)?.square()?;
                    Ok(vec![tiled, x[0].repeat(times, axis)?.square()?])
                },
                &[x],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 3]), ramp(&[2, 1]).add(1.0).unwrap()];
        rejects(|x| Ok(vec![Var::concatenate(x, 1)?.square()?]), &x);
        rejects(|x| Ok(vec![Var::stack(&[&x[0], &x[0]], 0)?.square()?]), &x[..1]);
        rejects(|x| Ok(vec![x[0].split(3, 1)?.remove(1).square()?]), &x[..1]);
        rejects(|x| Ok(vec![x[0].tile([2, 2])?.square()?]), &x[..1]);
        rejects(|x| Ok(vec![x[0].repeat(2, 0)?.square()?]), &x[..1]);
    }

    #[test]
    fn lengths_may_be_unknown() {
        let (x, y) = (symbolic("x", 1), symbolic("y", 1));
        let both = Var::concatenate(&[&x, &y, &x], 0).unwrap();
        let loss = both.tile([2]).unwrap().repeat(2, 0).unwrap().square().unwrap();
        let found = grad(&loss.sum(..).unwrap(), &[&x, &y]).unwrap();
        let results = [&both, &found[0], &found[1]];
        let call =
            Function::new([&x, &y], results).compile(&Device::reference()).unwrap();
        let made = call.call(&[Tensor::from([1.0]), Tensor::from([2.0, 3.0])]).unwrap();
        assert_eq!(made[0], Tensor::from([1.0, 2.0, 3.0, 1.0]));
        assert_eq!(made[1], Tensor::from([16.0]));
        assert_eq!(made[2], Tensor::from([16.0, 24.0]));
    }

    #[test]
    fn nothing_happens_if_nothing_changes() {
        let x = Var::constant(&ramp(&[2, 3]));
        let same = [
            Var::concatenate(&[&x], 0).unwrap(),
            x.tile([1, 1]).unwrap(),
            x.repeat(1, 0).unwrap(),
            x.split(1, 1).unwrap().remove(0),
        ];
        assert!(same.iter().all(|y| y.is_same(&x)));
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = |shape: &[usize], dtype| Var::input("x", shape, dtype);
        let [a, b] = [x(&[2, 3], DType::F32), x(&[3, 2], DType::F32)];
        let text = |error: crate::Error| error.to_string();
        assert_eq!(
            text(Var::concatenate(&[&a, &b], 0).unwrap_err()),
            "`concatenate`: cannot take this input\n  expected: tensors that differ in axis 0 \
             only\n       got: float32 (2, 3) and float32 (3, 2)"
        );
        assert_eq!(
            text(a.split(2, 1).unwrap_err()),
            "`split`: cannot take this input\n  expected: sections that divide the axis' length \
             3\n       got: 2 sections\n      help: name the cuts: .split_at(cuts, axis)"
        );
        assert_eq!(
            text(Var::stack(&[] as &[Var], 0).unwrap_err()),
            "`stack`: cannot take this input\n  expected: one tensor or more\n       got: none"
        );
        let none = Var::concatenate(&[] as &[Var], 0).unwrap_err();
        assert!(text(none).contains("expected: one tensor or more"));
        let symbolic = Var::input("x", [None, Some(2)], DType::F32);
        assert_eq!(
            text(symbolic.unstack(0).unwrap_err()),
            "`unstack`: cannot take this input\n  expected: an axis of known length\n       got: \
             axis 0 of shape (batch, 2)"
        );
    }
}
