//! Mean and variance of the same elements: [`Var::moments`].

use deckle_tensor::{Axes, Binary, Reduction, Unary, Value};

use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// Mean and variance along `axes`: `Σx / n` and `Σ(x - mean)² / n`.
    ///
    /// The gradient of both is one expression, `(dmean + 2 · (x - mean) · dvariance) / n`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 3.0], [4.0, 8.0]]));
    /// let (mean, variance) = x.moments(-1)?;
    /// assert_eq!(mean.eval()?, Tensor::from([2.0, 6.0]));
    /// assert_eq!(variance.eval()?, Tensor::from([1.0, 4.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.ops.moments`.
    pub fn moments(&self, axes: impl Into<Axes>) -> Result<(Self, Self)> {
        let axes = axes.into();
        self.float("moments")?;
        let mut resolved = axes.resolve("moments", self.rank())?;
        resolved.sort_unstable();
        if resolved.is_empty() {
            return Ok((self.clone(), self.sub(self)?));
        }
        let outputs = Self::apply(Moments { axes: resolved.clone() }, &[self])?;
        let (mean, variance) = (&outputs[0], &outputs[1]);
        if axes.is_kept() {
            return Ok((mean.clone(), variance.clone()));
        }
        Ok((mean.squeeze(&resolved)?, variance.squeeze(&resolved)?))
    }
}

/// Outputs: mean and variance, with length 1 along the axes.
#[derive(Debug)]
struct Moments {
    /// Ascending, at least one.
    axes: Vec<usize>,
}

impl Op for Moments {
    fn name(&self) -> &str {
        "moments"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let x = &inputs[0];
        let dims = x.shape.dims().iter().enumerate();
        let one = |axis: &usize| self.axes.contains(axis);
        let shape =
            dims.map(|(axis, dim)| if one(&axis) { 1.into() } else { dim.clone() });
        let made = Signature { dtype: x.dtype, shape: shape.collect() };
        Ok(vec![made.clone(), made])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let x = inputs[0];
        let dtype = lower.spec(x).dtype;
        let mut kept = lower.shape(x);
        let count: usize = self.axes.iter().map(|&axis| kept[axis]).product();
        self.axes.iter().for_each(|&axis| kept[axis] = 1);
        let count = lower.scalar(dtype, count as f64);
        let mean_of = |lower: &mut Lower<'_>, x: Value| -> Result<Value> {
            let sum = lower.reduce(Reduction::Sum, &self.axes, x)?;
            let sum = lower.reshape(kept.clone(), sum)?;
            lower.binary(Binary::Div, sum, count)
        };
        let mean = mean_of(lower, x)?;
        let distance = lower.binary(Binary::Sub, x, mean)?;
        let square = lower.unary(Unary::Square, distance)?;
        Ok(vec![mean, mean_of(lower, square)?])
    }

    /// `dx = (dmean + 2 · (x - mean) · dvariance) / n`; that the variance depends on the mean
    /// makes no difference, because the distances from it add up to 0.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (x, mean) = (rule.x(), &rule.outputs[0]);
        let count = x.count_of(&self.axes, x.dtype())?;
        let shift = rule.grads[0].as_ref().map(|dmean| dmean.div(&count)).transpose()?;
        let along = |dvariance: &Var| -> Result<Var> {
            x.sub(mean)?.mul(&dvariance.mul(2.0)?.div(&count)?)
        };
        let along = rule.grads[1].as_ref().map(along).transpose()?;
        let dx = match (along, shift) {
            (Some(along), Some(shift)) => along.add(&shift)?,
            (Some(along), None) => along,
            (None, Some(shift)) => shift.broadcast_like(x)?,
            (None, None) => x.zeros_like()?,
        };
        Ok(vec![Some(dx)])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{Axes, DType, Tensor, keep};
    use proptest::prelude::*;

    use crate::{
        Result, Var,
        ops::testing::{cases, check, filled, ramp, rejects, tensor, with_axes},
    };

    fn dense() -> impl Strategy<Value = Tensor> + use<> {
        filled(0..4).prop_flat_map(|shape| tensor(shape, &[-2.0..2.0]))
    }

    fn both(x: &Var, axes: &Axes) -> Result<Vec<Var>> {
        let (mean, variance) = x.moments(axes)?;
        Ok(vec![mean.square()?, variance.square()?, mean.mul(&variance)?])
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right((x, axes) in with_axes(dense())) {
            check(|x| both(&x[0], &axes), std::slice::from_ref(&x));
            check(|x| Ok(vec![x[0].moments(&axes)?.0.square()?]), std::slice::from_ref(&x));
            check(|x| Ok(vec![x[0].moments(&axes)?.1]), &[x]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        rejects(|x| both(&x[0], &keep(0)), &[ramp(&[2, 3])]);
    }

    #[test]
    fn moments_are_means_and_variances() {
        let x = Var::constant(&ramp(&[2, 3, 4]));
        for axes in [Axes::from(1), keep([0, 2]), Axes::from(..), Axes::from(())] {
            let (mean, variance) = x.moments(&axes).unwrap();
            let pairs = [(mean, x.mean(&axes)), (variance, x.variance(&axes))];
            for (found, expected) in pairs {
                let (found, expected) = (found.eval().unwrap(), expected.unwrap());
                assert!(found.allclose(&expected.eval().unwrap(), 1e-12, 1e-12).unwrap());
            }
        }
    }

    #[test]
    fn nothing_and_integers_have_none() {
        let nothing = Var::constant(&Tensor::zeros(DType::F64, [0, 2]));
        let (mean, _) = nothing.moments(0).unwrap();
        let mean = mean.eval().unwrap().to_vec::<f64>().unwrap();
        assert!(mean.len() == 2 && mean.iter().all(|mean| mean.is_nan()));
        assert!(Var::constant(&Tensor::from([1_i32])).moments(0).is_err());
        assert!(nothing.moments(2).is_err());
    }
}
