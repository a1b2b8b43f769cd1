//! The activation functions of Keras that work element by element, and `glu`.

use deckle_tensor::{Binary, Primitive, Value};

use super::{
    element_wise,
    unary::{gradient_test, method, unary},
};
use crate::{Lower, Op, Result, Rule, Signature, Var};

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

unary! {
    /// `min(max(x, 0), 6)`, element by element. The gradient at 0 and 6 is 0.
    relu6, 7.0 => 6.0 on [-2.0..-0.1, 0.1..5.9, 6.1..7.0],
    |x| x.between(0.0, 6.0);

    /// The scaled exponential linear unit `1.0507 · elu(x, 1.67326)`, element by element.
    selu, 1.0 => 1.0507009873554805 on [-2.0..-0.1, 0.1..2.0],
    |x| x.elu(SELU_ALPHA)?.mul(SELU_SCALE);

    /// `x · sigmoid(x)`, also called swish, element by element.
    silu, 1.0 => 0.7310585786300049 on [-3.0..3.0], |x| x.mul(&x.sigmoid()?);

    /// `x / (1 + |x|)`, element by element.
    softsign, 1.0 => 0.5 on [-2.0..-0.1, 0.1..2.0], |x| x.div(&x.abs()?.add(1.0)?);

    /// `relu6(x + 3) / 6`, element by element. The gradient at -3 and 3 is 0.
    hard_sigmoid, 0.0 => 0.5 on [-4.0..-3.1, -2.9..2.9, 3.1..4.0],
    |x| x.add(3.0)?.relu6()?.div(6.0);

    /// `x · hard_sigmoid(x)`, also called hard swish, element by element.
    hard_silu, 3.0 => 3.0 on [-4.0..-3.1, -2.9..2.9, 3.1..4.0],
    |x| x.mul(&x.hard_sigmoid()?);

    /// `min(max(x, -1), 1)`, element by element. The gradient at -1 and 1 is 1.
    hard_tanh, -2.0 => -1.0 on [-2.0..-1.1, -0.9..0.9, 1.1..2.0],
    |x| {
        let capped = x.greater(1.0)?.select(1.0, x)?;
        x.less(-1.0)?.select(-1.0, &capped)
    };

    /// `x - tanh(x)`, element by element.
    tanh_shrink, 1.0 => 0.23840584404423515 on [-3.0..-0.4, 0.4..3.0],
    |x| x.sub(&x.tanh()?);

    /// `x · tanh(softplus(x))`, element by element.
    mish, 1.0 => 0.8650983882673103 on [-3.0..3.0], |x| x.mul(&x.softplus()?.tanh()?);

    /// `-ln(1 + e⁻ˣ)`, the logarithm of the sigmoid, element by element.
    log_sigmoid, 0.0 => -0.6931471805599453 on [-3.0..3.0], |x| x.neg()?.softplus()?.neg();

    /// 0 below -1, `(x + 1)² / 4` up to 1, `x` above, element by element.
    sparse_plus, 0.0 => 0.25 on [-2.0..-1.1, -0.9..0.9, 1.1..2.0],
    |x| {
        let curve = x.add(1.0)?.square()?.mul(0.25)?;
        x.less_equal(-1.0)?.select(0.0, &x.greater_equal(1.0)?.select(x, &curve)?)
    };

    /// `min(max((x + 1) / 2, 0), 1)`, element by element. The gradient at -1 and 1 is 1/4.
    sparse_sigmoid, 0.0 => 0.5 on [-2.0..-1.1, -0.9..0.9, 1.1..2.0],
    |x| x.clip(-1.0, 1.0)?.add(1.0)?.mul(0.5);
}

impl Var {
    /// `max(x, 0)`, element by element. The gradient at 0 is 0.
    ///
    /// # Errors
    ///
    /// If the elements are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-1.0, 2.0]));
    /// assert_eq!(x.relu()?.eval()?, Tensor::from([0.0, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn relu(&self) -> Result<Self> {
        Self::apply_one(Relu, &[self])
    }

    /// `low` up to there, `high` from there on, `x` between; NaN stays. The gradient at `low`
    /// and `high` is 0.
    fn between(&self, low: f64, high: f64) -> Result<Self> {
        let capped = self.greater_equal(high)?.select(high, self)?;
        self.less_equal(low)?.select(low, &capped)
    }

    /// `max(x, 0)` with a slope below, a bound above, and another threshold.
    ///
    /// `max_value` from there on, `x` above `threshold`, `negative_slope · (x - threshold)` up to
    /// it. The gradient at `max_value` is 1/2, but 0 if that is 6 and `threshold` 0; at
    /// `threshold` it is 0, but that of [`Var::leaky_relu`] with nothing but a slope, as of Keras
    /// on JAX.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-2.0, 0.5, 1.5, 9.0]));
    /// let y = x.relu_with(0.1, Some(6.0), 1.0)?.eval()?;
    /// assert!(y.allclose(&Tensor::from([-0.3, -0.05, 1.5, 6.0]), 1e-12, 1e-12)?);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.activations.relu(x, negative_slope, max_value, threshold)`.
    pub fn relu_with(
        &self,
        negative_slope: f64,
        max_value: Option<f64>,
        threshold: f64,
    ) -> Result<Self> {
        let y = match (negative_slope, max_value) {
            (0.0, _) => self.less_equal(threshold)?.select(0.0, self)?,
            (slope, None) if threshold == 0.0 => return self.leaky_relu(slope),
            (slope, _) => {
                let below = self.sub(threshold)?.mul(slope)?;
                let below = self.equal(threshold)?.select(0.0, &below)?;
                self.less_equal(threshold)?.select(&below, self)?
            }
        };
        match max_value {
            // Keras takes its `relu6` here.
            Some(6.0) if threshold == 0.0 => y.greater_equal(6.0)?.select(6.0, &y),
            Some(max) => y.minimum(max),
            None => Ok(y),
        }
    }

    /// `x` above 0, `negative_slope · x` below, element by element.
    ///
    /// The gradient at 0 is 1, as of Keras on JAX.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-1.0, 2.0]));
    /// assert_eq!(x.leaky_relu(0.5)?.eval()?, Tensor::from([-0.5, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn leaky_relu(&self, negative_slope: f64) -> Result<Self> {
        self.greater_equal(0.0)?.select(self, &self.mul(negative_slope)?)
    }

    /// The exponential linear unit: `x` above 0, `alpha · (eˣ - 1)` below.
    ///
    /// The gradient at 0 is `alpha`.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([0.0, 2.0]));
    /// assert_eq!(x.elu(1.0)?.eval()?, Tensor::from([0.0, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn elu(&self, alpha: f64) -> Result<Self> {
        let above = self.greater(0.0)?;
        // What is not taken must not overflow: infinity times 0 would be NaN in the gradient.
        let below = above.select(0.0, self)?.expm1()?.mul(alpha)?;
        above.select(self, &below)
    }

    /// The continuous exponential linear unit: `x` above 0, `alpha · (exp(x / alpha) - 1)`
    /// below.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([0.0, 2.0]));
    /// assert_eq!(x.celu(1.0)?.eval()?, Tensor::from([0.0, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn celu(&self, alpha: f64) -> Result<Self> {
        let above = self.greater(0.0)?;
        let below = above.select(0.0, self)?.div(alpha)?.expm1()?.mul(alpha)?;
        above.select(self, &below)
    }

    /// The Gaussian error linear unit `x · Φ(x)`, element by element.
    ///
    /// `Φ(x) = (1 + erf(x / √2)) / 2`; if `approximate`,
    /// `(1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2`.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from(1.0));
    /// assert!(x.gelu(false)?.eval()?.allclose(0.8413447460685429, 1e-12, 0.0)?);
    /// assert!(x.gelu(true)?.eval()?.allclose(0.8411919906082768, 1e-12, 0.0)?);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.activations.gelu`, where `approximate` is false by default.
    pub fn gelu(&self, approximate: bool) -> Result<Self> {
        let inner = if approximate {
            let cubic = self.mul(&self.square()?)?.mul(0.044_715)?;
            self.add(&cubic)?.mul((2.0 / std::f64::consts::PI).sqrt())?.tanh()?
        } else {
            self.mul(std::f64::consts::FRAC_1_SQRT_2)?.erf()?
        };
        self.mul(&inner.add(1.0)?.mul(0.5)?)
    }

    /// `x` where `|x| > threshold`, else 0, element by element.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-1.0, 0.25]));
    /// assert_eq!(x.hard_shrink(0.5)?.eval()?, Tensor::from([-1.0, 0.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn hard_shrink(&self, threshold: f64) -> Result<Self> {
        self.abs()?.greater(threshold)?.select(self, 0.0)
    }

    /// `x` moved towards 0 by `threshold`, and 0 if it is closer or NaN, element by element.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-1.0, 0.25]));
    /// assert_eq!(x.soft_shrink(0.5)?.eval()?, Tensor::from([-0.5, 0.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn soft_shrink(&self, threshold: f64) -> Result<Self> {
        let moved =
            self.greater(0.0)?.select(&self.sub(threshold)?, &self.add(threshold)?)?;
        self.abs()?.greater(threshold)?.select(&moved, 0.0)
    }

    /// `x` above `threshold`, else `default_value`, element by element.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1.0, 0.25]));
    /// assert_eq!(x.threshold(0.5, -3.0)?.eval()?, Tensor::from([1.0, -3.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn threshold(&self, threshold: f64, default_value: f64) -> Result<Self> {
        self.less_equal(threshold)?.select(default_value, self)
    }

    /// `(x + √(x² + b)) / 2`, a smooth `max(x, 0)`, element by element.
    ///
    /// # Errors
    ///
    /// If the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([0.0, 1.5]));
    /// assert_eq!(x.squareplus(4.0)?.eval()?, Tensor::from([1.0, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.activations.squareplus`, where `b` is 4 by default.
    pub fn squareplus(&self, b: f64) -> Result<Self> {
        self.add(&self.square()?.add(b)?.sqrt()?)?.mul(0.5)
    }

    /// The gated linear unit: the first half along `axis` times the sigmoid of the second.
    ///
    /// # Errors
    ///
    /// If the axis' length is unknown or odd, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([3.0, 0.0]));
    /// assert_eq!(x.glu(-1)?.eval()?, Tensor::from([1.5]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn glu(&self, axis: isize) -> Result<Self> {
        let halves = self.split(2, axis)?;
        halves[0].mul(&halves[1].sigmoid()?)
    }
}

#[derive(Debug)]
struct Relu;

impl Op for Relu {
    fn name(&self) -> &str {
        "relu"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let [x] = inputs else { unreachable!("made with one input") };
        element_wise::infer(&Primitive::Binary(Binary::Max), &[x.clone(), x.clone()])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let zero = lower.scalar(lower.spec(inputs[0]).dtype, 0.0);
        Ok(vec![lower.binary(Binary::Max, inputs[0], zero)?])
    }

    /// `dx = dy` where `y > 0`, else 0: only the output is kept for it.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(rule.y().greater(0.0)?.select(&rule.dy()?, 0.0)?)])
    }
}

gradient_test! { relu, [-2.0..-0.1, 0.1..2.0] }

#[cfg(test)]
mod tests {
    use deckle_tensor::Tensor;
    use proptest::prelude::*;

    use crate::{
        Var,
        ops::testing::{cases, check, gradient, rejects, spread, tensor_on},
    };

    const AROUND_0: [std::ops::Range<f64>; 2] = [-2.0..-0.1, 0.1..2.0];
    const AROUND_HALF: [std::ops::Range<f64>; 3] = [-2.0..-0.6, -0.4..0.4, 0.6..2.0];

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right(x in tensor_on(&AROUND_0), y in tensor_on(&AROUND_HALF)) {
            check(|x| Ok(vec![x[0].leaky_relu(0.3)?, x[0].elu(1.5)?, x[0].celu(1.5)?]), &[x]);
            check(
                |x| {
                    let bounded = x[0].relu_with(0.1, Some(0.5), -0.5)?;
                    Ok(vec![x[0].gelu(false)?, x[0].gelu(true)?, x[0].squareplus(4.0)?, bounded])
                },
                std::slice::from_ref(&y),
            );
            check(
                |x| {
                    let shrunk = [x[0].hard_shrink(0.5)?, x[0].soft_shrink(0.5)?];
                    let shrunk = shrunk.map(|y| y.square());
                    let [hard, soft] = shrunk;
                    Ok(vec![hard?, soft?, x[0].threshold(0.5, 7.0)?.square()?])
                },
                &[y],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [spread(&AROUND_HALF)];
        rejects(|x| Ok(vec![x[0].elu(1.5)?]), &x);
        rejects(|x| Ok(vec![x[0].gelu(true)?]), &x);
        rejects(|x| Ok(vec![x[0].squareplus(4.0)?]), &x);
        rejects(|x| Ok(vec![x[0].tile([2])?.glu(0)?]), &x);
    }

    /// Values of the formulas at -2, -1, -0.3, 0, 0.3, 1, 2.
    #[track_caller]
    fn is(function: impl Fn(&Var) -> crate::Result<Var>, expected: [f64; 7]) {
        let x = Var::constant(&Tensor::from([-2.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0]));
        let y = function(&x).unwrap().eval().unwrap();
        assert!(
            y.allclose(&Tensor::from(expected), 1e-6, 1e-6).unwrap(),
            "{:?}",
            y.to_vec::<f64>()
        );
    }

    #[test]
    fn values_are_those_of_their_formulas() {
        is(Var::relu, [0.0, 0.0, 0.0, 0.0, 0.3, 1.0, 2.0]);
        is(|x| x.leaky_relu(0.2), [-0.4, -0.2, -0.06, 0.0, 0.3, 1.0, 2.0]);
        is(|x| x.hard_shrink(0.5), [-2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
        is(|x| x.soft_shrink(0.5), [-1.5, -0.5, 0.0, 0.0, 0.0, 0.5, 1.5]);
        is(|x| x.threshold(0.3, 9.0), [9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 2.0]);
        is(Var::hard_tanh, [-1.0, -1.0, -0.3, 0.0, 0.3, 1.0, 1.0]);
        is(
            Var::hard_sigmoid,
            [1.0 / 6.0, 1.0 / 3.0, 0.45, 0.5, 0.55, 2.0 / 3.0, 5.0 / 6.0],
        );
        is(Var::sparse_plus, [0.0, 0.0, 0.1225, 0.25, 0.4225, 1.0, 2.0]);
        is(Var::sparse_sigmoid, [0.0, 0.0, 0.35, 0.5, 0.65, 1.0, 1.0]);
        is(
            |x| x.relu_with(0.5, Some(1.5), 0.5),
            [-1.25, -0.75, -0.4, -0.25, -0.1, 1.0, 1.5],
        );
        is(
            Var::selu,
            [
                -1.520_166_4,
                -1.111_330_7,
                -0.455_667_3,
                0.0,
                0.315_210_3,
                1.050_701,
                2.101_402,
            ],
        );
    }

    #[test]
    fn gradients_at_kinks_are_as_documented() {
        let at = Tensor::from([0.0]);
        assert_eq!(gradient(Var::relu, &at), Tensor::from([0.0]));
        assert_eq!(gradient(Var::abs, &at), Tensor::from([1.0]));
        assert_eq!(gradient(|x| x.leaky_relu(0.2), &at), Tensor::from([1.0]));
        assert_eq!(gradient(|x| x.relu_with(0.2, None, 0.0), &at), Tensor::from([1.0]));
        for (max, threshold) in [(None, 0.5), (Some(6.0), 0.0), (Some(2.0), 0.5)] {
            let at = Tensor::from([threshold]);
            let slope = gradient(|x| x.relu_with(0.2, max, threshold), &at);
            assert_eq!(slope, Tensor::from([0.0]), "{max:?} {threshold}");
        }
        assert_eq!(gradient(|x| x.elu(0.7), &at), Tensor::from([0.7]));
        assert_eq!(gradient(Var::relu6, &Tensor::from([6.0])), Tensor::from([0.0]));
        let at_ends = |function: fn(&Var) -> crate::Result<Var>, end: f64| {
            gradient(function, &Tensor::from([-end, end])).to_vec::<f64>().unwrap()
        };
        assert_eq!(at_ends(Var::hard_sigmoid, 3.0), [0.0, 0.0]);
        assert_eq!(at_ends(Var::hard_silu, 3.0), [0.0, 1.0]);
        assert_eq!(at_ends(Var::hard_tanh, 1.0), [1.0, 1.0]);
        assert_eq!(at_ends(Var::sparse_sigmoid, 1.0), [0.25, 0.25]);
        assert_eq!(at_ends(|x| x.relu_with(0.0, Some(2.0), 0.0), 2.0), [0.0, 0.5]);
        assert_eq!(at_ends(|x| x.relu_with(0.0, Some(6.0), 0.0), 6.0), [0.0, 0.0]);
        assert_eq!(gradient(|x| x.relu_with(0.0, None, 0.0), &at), Tensor::from([0.0]));
    }

    #[test]
    fn far_away_nothing_overflows() {
        let far = Tensor::from([-1e4, 1e4]);
        for function in [Var::softplus, Var::silu, Var::mish, Var::selu, Var::log_sigmoid]
        {
            for tensor in [gradient(function, &far), gradient(|x| x.elu(1.0), &far)] {
                let finite = Var::constant(&tensor).is_finite().unwrap().all(..).unwrap();
                assert_eq!(finite.eval().unwrap(), Tensor::from(true), "{tensor:?}");
            }
        }
    }
}
