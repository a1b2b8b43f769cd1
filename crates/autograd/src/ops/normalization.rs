//! Normalizations of the numbers along the last axis.

use std::collections::BTreeMap;

use deckle_tensor::{Attribute, keep};

use super::softmax::one;
use crate::{Composite, Result, Rule, Var};

impl Var {
    /// `gamma · (x - mean) / √(variance + epsilon) + beta` along the last axis, with the biased
    /// variance.
    ///
    /// # Shapes
    ///
    /// This and the result are `(…, n)`, `gamma` and `beta` `(n,)`.
    ///
    /// # Errors
    ///
    /// If element types or lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 5.0]]));
    /// let (gamma, beta) = (Tensor::from([2.0, 2.0]), Tensor::from([0.0, 1.0]));
    /// let (gamma, beta) = (Var::constant(&gamma), Var::constant(&beta));
    /// let y = x.layer_normalization(&gamma, &beta, 0.0)?;
    /// assert_eq!(y.eval()?, Tensor::from([[-2.0, 3.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.ops.layer_normalization` along the last axis.
    ///
    /// # References
    ///
    /// Ba, Kiros and Hinton, *Layer normalization* (2016), equations 3 and 4.
    pub fn layer_normalization(
        &self,
        gamma: &Self,
        beta: &Self,
        epsilon: f64,
    ) -> Result<Self> {
        one(Self::composite(LayerNormalization { epsilon }, &[self, gamma, beta])?)
    }

    /// `scale · x / √(mean of x² + epsilon)` along the last axis.
    ///
    /// # Shapes
    ///
    /// This and the result are `(…, n)`, `scale` is `(n,)`.
    ///
    /// # Errors
    ///
    /// If element types or lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 7.0]]));
    /// let scale = Var::constant(&Tensor::from([5.0, 5.0]));
    /// let y = x.rms_normalization(&scale, 0.0)?.eval()?;
    /// assert!(y.allclose(&Tensor::from([[1.0, 7.0]]), 1e-12, 1e-12)?);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.ops.rms_normalization` along the last axis.
    ///
    /// # References
    ///
    /// Zhang and Sennrich, *Root mean square layer normalization* (2019), equation 4.
    pub fn rms_normalization(&self, scale: &Self, epsilon: f64) -> Result<Self> {
        one(Self::composite(RmsNormalization { epsilon }, &[self, scale])?)
    }
}

fn attributes(epsilon: f64) -> BTreeMap<String, Attribute> {
    BTreeMap::from([("epsilon".to_owned(), Attribute::Float(epsilon))])
}

/// All axes but the last.
fn leading(x: &Var) -> Vec<usize> {
    (0..x.rank().saturating_sub(1)).collect()
}

/// Inputs: `x` (…, n), `gamma` (n), `beta` (n). Result: `y` (…, n). Residuals: the mean (…, 1),
/// and `1 / √(variance + epsilon)` (…, 1).
#[derive(Debug)]
struct LayerNormalization {
    epsilon: f64,
}

impl Composite for LayerNormalization {
    fn name(&self) -> &str {
        "layer_normalization"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.epsilon)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, gamma, beta) = (&inputs[0], &inputs[1], &inputs[2]);
        let mean = x.mean(keep(-1))?;
        let distance = x.sub(&mean)?;
        let rstd = distance.square()?.mean(keep(-1))?.add(self.epsilon)?.rsqrt()?;
        Ok(vec![distance.mul(&rstd)?.mul(gamma)?.add(beta)?, mean, rstd])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let (x, gamma) = (&rule.inputs[0], &rule.inputs[1]);
        let (mean, rstd) = (&rule.outputs[1], &rule.outputs[2]);
        let made = rule.dy().and_then(|dy| {
            let inputs = [x, gamma, mean, rstd, &dy];
            Var::composite(LayerNormalizationBackward, &inputs)
        });
        Some(made.map(|made| made.into_iter().map(Some).collect()))
    }
}

/// Inputs: `x` (…, n), `gamma` (n), mean and `rstd` (…, 1) as [`LayerNormalization`] leaves
/// them, `dy` (…, n). Results: `dx` (…, n), `dgamma` (n), `dbeta` (n).
///
/// With `z = (x - mean) · rstd` and `g = dy · gamma`:
/// `dx = rstd · (g - mean of g - z · mean of g·z)`, `dgamma = Σ dy·z`, `dbeta = Σ dy`.
#[derive(Debug)]
struct LayerNormalizationBackward;

impl Composite for LayerNormalizationBackward {
    fn name(&self) -> &str {
        "layer_normalization_backward"
    }

    fn results(&self) -> usize {
        3
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [x, gamma, mean, rstd, dy] = inputs else {
            unreachable!("made with these inputs")
        };
        let z = x.sub(mean)?.mul(rstd)?;
        let g = dy.mul(gamma)?;
        let along = z.mul(&g.mul(&z)?.mean(keep(-1))?)?;
        let dx = g.sub(&g.mean(keep(-1))?)?.sub(&along)?.mul(rstd)?;
        let leading = leading(x);
        Ok(vec![dx, dy.mul(&z)?.sum(&leading)?, dy.sum(&leading)?])
    }
}

/// Inputs: `x` (…, n), `scale` (n). Result: `y` (…, n). Residual: `1 / √(mean of x² + epsilon)`
/// (…, 1).
#[derive(Debug)]
struct RmsNormalization {
    epsilon: f64,
}

impl Composite for RmsNormalization {
    fn name(&self) -> &str {
        "rms_normalization"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        attributes(self.epsilon)
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, scale) = (&inputs[0], &inputs[1]);
        let rrms = x.square()?.mean(keep(-1))?.add(self.epsilon)?.rsqrt()?;
        Ok(vec![x.mul(&rrms)?.mul(scale)?, rrms])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let inputs = [&rule.inputs[0], &rule.inputs[1], &rule.outputs[1]];
        let made = rule.dy().and_then(|dy| {
            let inputs = [inputs[0], inputs[1], inputs[2], &dy];
            Var::composite(RmsNormalizationBackward, &inputs)
        });
        Some(made.map(|made| made.into_iter().map(Some).collect()))
    }
}

/// Inputs: `x` (…, n), `scale` (n), `rrms` (…, 1) as [`RmsNormalization`] leaves it, `dy` (…, n).
/// Results: `dx` (…, n), `dscale` (n).
///
/// With `z = x · rrms` and `g = dy · scale`: `dx = rrms · (g - z · mean of g·z)`,
/// `dscale = Σ dy·z`.
#[derive(Debug)]
struct RmsNormalizationBackward;

impl Composite for RmsNormalizationBackward {
    fn name(&self) -> &str {
        "rms_normalization_backward"
    }

    fn results(&self) -> usize {
        2
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [x, scale, rrms, dy] = inputs else { unreachable!("made with these inputs") };
        let z = x.mul(rrms)?;
        let g = dy.mul(scale)?;
        let along = z.mul(&g.mul(&z)?.mean(keep(-1))?)?;
        Ok(vec![g.sub(&along)?.mul(rrms)?, dy.mul(&z)?.sum(leading(x))?])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use crate::{
        Result, Var,
        ops::testing::{cases, check, distinct, ramp, rejects},
    };

    fn layer(x: &[Var]) -> Result<Vec<Var>> {
        Ok(vec![x[0].layer_normalization(&x[1], &x[2], 0.01)?])
    }

    fn rms(x: &[Var]) -> Result<Vec<Var>> {
        Ok(vec![x[0].rms_normalization(&x[1], 0.01)?])
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right(x in distinct(1..4)) {
            let n = *x.shape().last().unwrap();
            let (gamma, beta) = (ramp(&[n]), ramp(&[n]));
            check(layer, &[x.clone(), gamma.clone(), beta]);
            check(rms, &[x, gamma]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let given = [ramp(&[2, 3]), ramp(&[3]), ramp(&[3])];
        rejects(layer, &given);
        rejects(rms, &given[..2]);
    }

    /// Keras 3.15.1.
    #[test]
    fn values_are_those_of_keras() {
        let x = Var::constant(&Tensor::from([[1.0, 2.0, 4.0]]));
        let (one, zero) = (Tensor::from([1.0, 1.0, 1.0]), Tensor::from([0.0, 0.0, 0.0]));
        let y = x.layer_normalization(&Var::constant(&one), &Var::constant(&zero), 1e-3);
        let expected = Tensor::from([[-1.068_702, -0.267_176, 1.335_877]]);
        assert!(y.unwrap().eval().unwrap().allclose(&expected, 1e-6, 1e-6).unwrap());
    }

    #[test]
    fn nothing_is_normalized_to_nothing() {
        let x = Var::constant(&Tensor::zeros(DType::F64, [0, 2]));
        let ones = Var::constant(&Tensor::from([1.0, 1.0]));
        let y = x.layer_normalization(&ones, &ones, 0.1).unwrap().eval().unwrap();
        assert_eq!(y.shape(), [0, 2]);
    }
}
