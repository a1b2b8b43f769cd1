//! Operations that move or repeat elements: reshaping, broadcasting and its adjoint.

use std::ops::Range;

use deckle_tensor::{
    Dim, Error as TensorError, Primitive, Reduction, Shape, Tensor, Value,
};

use crate::{Lower, Op, Result, Rule, Signature, Var};

/// The length of one axis of a reshape, in terms of another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// A length, or a symbol for one.
    Dim(Dim),
    /// The length of that axis.
    Of(usize),
    /// The product of the lengths of these axes.
    Product(Range<usize>),
    /// Whatever is left; once at most.
    Rest,
    /// A length below -1, which is an error.
    Negative(isize),
}

impl From<usize> for Axis {
    fn from(len: usize) -> Self {
        Self::Dim(Dim::Known(len))
    }
}

/// -1 is [`Axis::Rest`].
impl From<isize> for Axis {
    fn from(len: isize) -> Self {
        match usize::try_from(len) {
            Ok(len) => len.into(),
            Err(_) if len == -1 => Self::Rest,
            Err(_) => Self::Negative(len),
        }
    }
}

/// -1 is [`Axis::Rest`].
impl From<i32> for Axis {
    fn from(len: i32) -> Self {
        Self::from(len as isize)
    }
}

impl From<Dim> for Axis {
    fn from(dim: Dim) -> Self {
        Self::Dim(dim)
    }
}

impl From<&Dim> for Axis {
    fn from(dim: &Dim) -> Self {
        Self::Dim(dim.clone())
    }
}

impl Var {
    /// The same elements under another shape, whose lengths may refer to the axes of `like`.
    ///
    /// # Errors
    ///
    /// If the number of elements differs, or an axis does not exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Axis, Var};
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = x.reshape_by(&x, [Axis::Of(0), Axis::Of(1), 1usize.into()])?;
    /// assert_eq!(y.eval()?.shape(), [2, 2, 1]);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn reshape_by(&self, like: &Self, axes: impl Into<Vec<Axis>>) -> Result<Self> {
        let op = Reshape(axes.into());
        let made = op.infer(&[self.signature().clone(), like.signature().clone()])?;
        if made[0].shape == *self.shape() && !self.shape().dims().contains(&Dim::Unknown)
        {
            return Ok(self.clone());
        }
        Self::apply_one(op, &[self, like])
    }

    /// The same elements under the shape of `like`.
    ///
    /// # Errors
    ///
    /// If the number of elements differs.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let y = Var::constant(&Tensor::from([1.0, 2.0, 3.0, 4.0])).reshape_like(&x)?;
    /// assert_eq!(y.eval()?, x.eval()?);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn reshape_like(&self, like: &Self) -> Result<Self> {
        self.reshape_by(like, (0..like.rank()).map(Axis::Of).collect::<Vec<_>>())
    }

    /// The same elements with the axes from `start` to before `end` as one.
    ///
    /// # Errors
    ///
    /// If there are no such axes.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.merge_axes(0, 2)?.eval()?, Tensor::from([1.0, 2.0, 3.0, 4.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn merge_axes(&self, start: usize, end: usize) -> Result<Self> {
        if start > end || end > self.rank() {
            return Err(TensorError::invalid(
                "merge_axes",
                format_args!("axes of shape {}", self.shape()),
            )
            .got(format_args!("{start}..{end}"))
            .into());
        }
        let before = (0..start).map(Axis::Of);
        let after = (end..self.rank()).map(Axis::Of);
        let merged = std::iter::once(Axis::Product(start..end));
        self.reshape_by(self, before.chain(merged).chain(after).collect::<Vec<_>>())
    }

    /// Sums over the axes along which `like` was broadcast, the adjoint of broadcasting.
    ///
    /// # Errors
    ///
    /// If `like` does not broadcast to this shape.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let row = Var::constant(&Tensor::from([0.0, 0.0]));
    /// assert_eq!(x.sum_to_like(&row)?.eval()?, Tensor::from([4.0, 6.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn sum_to_like(&self, like: &Self) -> Result<Self> {
        if self.shape() == like.shape() && !self.shape().dims().contains(&Dim::Unknown) {
            return Ok(self.clone());
        }
        Self::apply_one(SumToLike, &[self, like])
    }

    /// Repeats to the shape of `like` by NumPy's rule.
    ///
    /// # Errors
    ///
    /// If this shape does not broadcast to that of `like`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let row = Var::constant(&Tensor::from([5.0, 6.0])).broadcast_like(&x)?;
    /// assert_eq!(row.eval()?, Tensor::from([[5.0, 6.0], [5.0, 6.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn broadcast_like(&self, like: &Self) -> Result<Self> {
        if self.shape() == like.shape() && !self.shape().dims().contains(&Dim::Unknown) {
            return Ok(self.clone());
        }
        Self::apply_one(BroadcastLike, &[self, like])
    }

    /// One number in the shape and element type of this.
    ///
    /// # Errors
    ///
    /// Never today.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.full_like(7.0)?.eval()?, Tensor::from([[7.0, 7.0], [7.0, 7.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn full_like(&self, value: f64) -> Result<Self> {
        Self::apply_one(FullLike(value), &[self])
    }

    /// Zeros in the shape and element type of this.
    ///
    /// # Errors
    ///
    /// Never today.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(x.zeros_like()?.eval()?, Tensor::from([[0.0, 0.0], [0.0, 0.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn zeros_like(&self) -> Result<Self> {
        self.full_like(0.0)
    }
}

/// Inputs: `x`, and a tensor whose shape is read.
#[derive(Debug)]
struct Reshape(Vec<Axis>);

impl Reshape {
    /// The lengths but for `Rest`, which is `None`.
    fn lens(&self, like: &Shape) -> Result<Vec<Option<Dim>>> {
        let dims = like.dims();
        let missing = || {
            TensorError::invalid("reshape", format_args!("axes of shape {like}"))
                .got(format_args!("{:?}", self.0))
        };
        self.0
            .iter()
            .map(|axis| match axis {
                Axis::Dim(dim) => Ok(Some(dim.clone())),
                Axis::Of(axis) => Ok(Some(dims.get(*axis).ok_or_else(missing)?.clone())),
                Axis::Product(axes) => {
                    let dims = dims.get(axes.clone()).ok_or_else(missing)?;
                    let one = [Dim::Known(1)];
                    let known = |dim: &&Dim| **dim != one[0];
                    let rest: Vec<_> = dims.iter().filter(known).collect();
                    Ok(Some(match rest[..] {
                        [dim] => dim.clone(),
                        _ => dims
                            .iter()
                            .try_fold(1usize, |n, dim| n.checked_mul(dim.known()?))
                            .into(),
                    }))
                }
                Axis::Rest => Ok(None),
                Axis::Negative(len) => {
                    Err(TensorError::invalid("reshape", "lengths from -1")
                        .got(len)
                        .into())
                }
            })
            .collect()
    }
}

impl Op for Reshape {
    fn name(&self) -> &str {
        "reshape"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input == 0
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, like) = (&inputs[0], &inputs[1]);
        let mut lens = self.lens(&like.shape)?;
        let wrong = |lens: &[Option<Dim>]| {
            let text =
                |len: &Option<Dim>| len.as_ref().map_or("-1".into(), Dim::to_string);
            let lens: Vec<_> = lens.iter().map(text).collect();
            TensorError::invalid("reshape", format_args!("{} elements", x.shape))
                .got(format_args!("shape ({})", lens.join(", ")))
        };
        let rest: Vec<_> = (0..lens.len()).filter(|&i| lens[i].is_none()).collect();
        if let [at] = rest[..] {
            lens[at] = Some(rest_of(&x.shape, &lens).ok_or_else(|| wrong(&lens))?);
        } else if rest.len() > 1 {
            return Err(wrong(&lens).help("leave one length open at most").into());
        }
        let shape: Shape = lens.iter().flatten().cloned().collect();
        if let (Some(from), Some(to)) = (x.shape.size(), shape.size())
            && from != to
        {
            return Err(wrong(&lens).into());
        }
        Ok(vec![Signature { dtype: x.dtype, shape }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let (x, like) = (lower.spec(inputs[0]).clone(), lower.shape(inputs[1]));
        let mut lens = self.lens(&Shape::from(&like[..]))?;
        for len in lens.iter_mut().flatten() {
            *len = lower.resolve(len)?.into();
        }
        if let Some(at) = lens.iter().position(Option::is_none) {
            lens[at] = rest_of(&Shape::from(&x.shape[..]), &lens);
        }
        let shape: Option<Vec<_>> =
            lens.iter().map(|len| len.as_ref()?.known()).collect();
        let shape = shape.ok_or_else(|| {
            TensorError::invalid("reshape", "a length that follows from the others")
                .got(format_args!("-1 for {x}"))
        })?;
        Ok(vec![lower.reshape(shape, inputs[0])?])
    }

    /// `dx` is `dy` under the shape of `x`.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?.reshape_like(rule.x())?), None])
    }
}

/// The length that is left for one axis when all but it are given.
fn rest_of(shape: &Shape, lens: &[Option<Dim>]) -> Option<Dim> {
    // What occurs on both sides cancels, known or not.
    let mut open: Vec<&Dim> = shape.dims().iter().collect();
    let mut given: Vec<&Dim> = Vec::new();
    for len in lens.iter().flatten() {
        match open
            .iter()
            .position(|dim| *dim == len && *len != Dim::Unknown && *len != Dim::Known(0))
        {
            Some(at) => drop(open.swap_remove(at)),
            None => given.push(len),
        }
    }
    let product = |dims: &[&Dim]| {
        dims.iter().try_fold(1usize, |n, dim| n.checked_mul(dim.known()?))
    };
    match (product(&open), product(&given)) {
        (Some(0), Some(_)) if given.iter().all(|dim| dim.known() != Some(0)) => {
            Some(Dim::Known(0))
        }
        (Some(size), Some(given)) if given > 0 && size % given == 0 => {
            Some(Dim::Known(size / given))
        }
        (Some(_), Some(_)) => None,
        (None, Some(1)) => {
            let symbols: Vec<_> =
                open.iter().filter(|dim| dim.known() != Some(1)).collect();
            Some(match symbols[..] {
                [dim] => (*dim).clone(),
                _ => Dim::Unknown,
            })
        }
        _ => Some(Dim::Unknown),
    }
}

/// Inputs: `x`, and a tensor whose shape is read.
#[derive(Debug)]
struct SumToLike;

impl Op for SumToLike {
    fn name(&self) -> &str {
        "sum_to_like"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input == 0
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, like) = (&inputs[0], &inputs[1]);
        let fits =
            like.shape.broadcast(&x.shape).is_some_and(|shape| shape.may_equal(&x.shape));
        if !fits {
            return Err(TensorError::invalid(
                "sum_to_like",
                "a shape that broadcasts to the other",
            )
            .got(format_args!("{} and {}", like.shape, x.shape))
            .into());
        }
        Ok(vec![Signature { dtype: x.dtype, shape: like.shape.clone() }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let (x, like) = (lower.shape(inputs[0]), lower.shape(inputs[1]));
        if x == like {
            return Ok(vec![inputs[0]]);
        }
        let new = x.len() - like.len();
        let axes: Vec<_> = (0..x.len())
            .filter(|&i| i < new || like[i - new] == 1 && x[i] != 1)
            .collect();
        let sum = lower.reduce(Reduction::Sum, &axes, inputs[0])?;
        Ok(vec![lower.reshape(like, sum)?])
    }

    /// `dx` is `dy`, repeated.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?.broadcast_like(rule.x())?), None])
    }
}

/// Inputs: `x`, and a tensor whose shape is read.
#[derive(Debug)]
struct BroadcastLike;

impl Op for BroadcastLike {
    fn name(&self) -> &str {
        "broadcast_like"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input == 0
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, like) = (&inputs[0], &inputs[1]);
        let fits = x
            .shape
            .broadcast(&like.shape)
            .is_some_and(|shape| shape.may_equal(&like.shape));
        if !fits {
            return Err(TensorError::invalid(
                "broadcast_like",
                format_args!("a shape that broadcasts to {}", like.shape),
            )
            .got(&x.shape)
            .into());
        }
        Ok(vec![Signature { dtype: x.dtype, shape: like.shape.clone() }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let shape = lower.shape(inputs[1]);
        Ok(vec![lower.push(Primitive::Broadcast { shape }, &inputs[..1])?])
    }

    /// `dx` is `dy`, summed over the repetitions.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?.sum_to_like(rule.x())?), None])
    }
}

/// Input: a tensor whose shape and element type are read.
#[derive(Debug)]
struct FullLike(f64);

impl Op for FullLike {
    fn name(&self) -> &str {
        "full_like"
    }

    fn depends(&self, _output: usize, _input: usize) -> bool {
        false
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(inputs.to_vec())
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let spec = lower.spec(inputs[0]).clone();
        let value = lower.constant(&Tensor::scalar(self.0).cast(spec.dtype));
        Ok(vec![lower.push(Primitive::Broadcast { shape: spec.shape }, &[value])?])
    }

    /// The values do not depend on the input's.
    fn vjp(&self, _rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![None])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use super::Axis;
    use crate::{
        Device, Function, Var, grad,
        ops::testing::{cases, check, pair_on, ramp, rejects, symbolic},
    };

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right((a, b) in pair_on(&[-2.0..2.0], &[-2.0..2.0])) {
            let like = a.add(&b).unwrap();
            check(
                |x| {
                    let wide = x[0].broadcast_like(&x[2])?;
                    let narrow = wide.mul(&x[1])?.sum_to_like(&x[1])?;
                    let same = x[2].flatten()?.reshape_like(&x[2])?;
                    Ok(vec![wide.square()?, narrow.square()?, same.square()?])
                },
                &[a, b, like],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[2, 1]), ramp(&[4, 2, 3])];
        rejects(|x| Ok(vec![x[0].broadcast_like(&x[1])?.mul(&x[1])?]), &x);
        rejects(|x| Ok(vec![x[1].square()?.sum_to_like(&x[0])?.square()?]), &x);
        rejects(|x| Ok(vec![x[1].reshape_by(&x[1], [Axis::Rest])?.square()?]), &x[..]);
    }

    #[test]
    fn what_is_broadcast_is_known_when_it_is_called() {
        let (x, y) = (symbolic("x", 1), symbolic("y", 1));
        let loss = x.mul(&y).unwrap().sum(..).unwrap();
        let found = grad(&loss, &[&x, &y]).unwrap();
        let call = Function::new([&x, &y], &found).compile(&Device::reference()).unwrap();
        let made = call.call(&[Tensor::from([2.0]), Tensor::from([1.0, 3.0])]).unwrap();
        assert_eq!(made, [Tensor::from([4.0]), Tensor::from([2.0, 2.0])]);
        let made = call.call(&[Tensor::from([2.0, 3.0]), Tensor::from([5.0])]).unwrap();
        assert_eq!(made, [Tensor::from([5.0, 5.0]), Tensor::from([5.0])]);
    }

    #[test]
    fn a_stopped_gradient_is_none() {
        let x = Var::constant(&ramp(&[2]));
        let y = x.stop_gradient().unwrap().mul(&x).unwrap();
        let dx = grad(&y.sum(..).unwrap(), &[&x]).unwrap().remove(0);
        assert_eq!(dx.eval().unwrap(), ramp(&[2]));
        let error =
            grad(&x.stop_gradient().unwrap().sum(..).unwrap(), &[&x]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the loss does not depend on Var(constant: float64 (2,))\n      help: leave it out, \
             or check that it is used on the way to the loss"
        );
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = |shape: &[usize]| Var::input("x", shape, DType::F32);
        assert_eq!(
            x(&[2]).broadcast_like(&x(&[3])).unwrap_err().to_string(),
            "`broadcast_like`: cannot take this input\n  expected: a shape that broadcasts to \
             (3,)\n       got: (2,)"
        );
        assert_eq!(
            x(&[2]).sum_to_like(&x(&[3])).unwrap_err().to_string(),
            "`sum_to_like`: cannot take this input\n  expected: a shape that broadcasts to the \
             other\n       got: (3,) and (2,)"
        );
        assert_eq!(
            x(&[2]).reshape_by(&x(&[2]), [Axis::Of(1)]).unwrap_err().to_string(),
            "`reshape`: cannot take this input\n  expected: axes of shape (2,)\n       got: \
             [Of(1)]"
        );
        let reversed = Axis::Product(std::ops::Range { start: 1, end: 0 });
        assert!(x(&[2]).reshape_by(&x(&[2]), [reversed]).is_err());
    }
}
