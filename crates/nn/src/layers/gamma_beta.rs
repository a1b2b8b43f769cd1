//! What the layers that normalize have in common: `gamma` and `beta`, axes, precision.

use deckle_autograd::{Result as GraphResult, Var, Variable};
use deckle_tensor::{DType, Shape};

use super::AxisList;
use crate::{Call, Constraint, Error, Init, Initializer, Regularizer, Result, expect};

/// A weight that there may be: its name, first values and penalty.
pub(super) struct Maybe<'a> {
    pub(super) wanted: bool,
    pub(super) name: &'a str,
    pub(super) initializer: &'a Initializer,
    pub(super) regularizer: Option<&'a Regularizer>,
    pub(super) constraint: Option<&'a Constraint>,
}

impl Maybe<'_> {
    pub(super) fn make(
        &self,
        shape: &[usize],
        init: &mut Init<'_>,
    ) -> Result<Option<Variable>> {
        if !self.wanted {
            return Ok(None);
        }
        let made = init.variable(self.name, shape, self.initializer)?;
        init.regularize(&made, self.regularizer);
        init.constrain(&made, self.constraint);
        Ok(Some(made))
    }
}

/// A setting that is added to a variance.
pub(super) fn check_epsilon(epsilon: f64) -> Result<()> {
    if epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::invalid("`epsilon` makes no sense", "a number from 0").got(epsilon))
}

/// The lengths of these axes, which have to be known, in the order of weights in files: that of
/// the axes as they are written, negative ones first.
///
/// So with axes of both signs, weights are not in the order of the input's axes; as in Keras,
/// their elements are taken in that of the input nevertheless.
pub(super) fn lens(input: &Shape, axes: &AxisList) -> Result<Vec<usize>> {
    axes.of(input.rank())?;
    let mut axes = axes.0.clone();
    axes.sort_unstable();
    axes.into_iter().map(|axis| expect::known(input, axis)).collect()
}

/// The element type to compute in: at least `F32`.
pub(super) fn wide(call: &Call<'_>) -> DType {
    match call.dtype() {
        DType::F16 | DType::BF16 => DType::F32,
        dtype => dtype,
    }
}

/// What was computed, in the element type of the input that it was made of: whole numbers lose
/// their fractions, as in Keras, and with them the gradient.
pub(super) fn narrow(y: &Var, dtype: DType) -> GraphResult<Var> {
    if dtype.is_float() { y.cast(dtype) } else { y.stop_gradient()?.cast(dtype) }
}

/// Applies `normalize`, which works along the last axis, along these axes together.
pub(super) fn along(
    x: &Var,
    axes: &[usize],
    normalize: impl FnOnce(&Var) -> GraphResult<Var>,
) -> GraphResult<Var> {
    let (rank, count) = (x.rank(), axes.len());
    if axes.iter().copied().eq(rank - count..rank) {
        let merged = if count == 1 { x } else { &x.merge_axes(rank - count, rank)? };
        let made = normalize(merged)?;
        return if count == 1 { Ok(made) } else { made.reshape_like(x) };
    }
    let others = (0..rank).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = others.chain(axes.iter().copied()).collect();
    let mut back = vec![0; rank];
    for (at, &axis) in order.iter().enumerate() {
        back[axis] = at;
    }
    let last: Vec<_> = (rank - count..rank).collect();
    along(&x.transpose(&order)?, &last, normalize)?.transpose(&back)
}

/// A weight as a vector of the computation's type; that of all axes together. In mixed precision
/// nothing of it is lost.
pub(super) fn vector(weight: &Variable, call: &Call<'_>) -> Result<Var> {
    Ok(call.read_exact(weight).cast(wide(call))?.flatten()?)
}
