//! Pooling over any number of spatial axes, and its adjoints.

use deckle_tensor::{Dim, Error as TensorError, Pool, Primitive, Value};

use super::{Padding, padding::positive};
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The largest element of each window; cells outside never count.
    ///
    /// The gradient goes to the first of the largest elements.
    ///
    /// # Shapes
    ///
    /// `(batch, spatial..., channels)`, the result likewise.
    ///
    /// # Errors
    ///
    /// If shape or settings do not fit, or the elements are `Bool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Padding, Var};
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[[1.0], [4.0], [3.0]]]));
    /// let y = x.max_pool(&[2], &[2], &Padding::Same)?;
    /// assert_eq!(y.eval()?, Tensor::from([[[4.0], [3.0]]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn max_pool(
        &self,
        window: &[usize],
        strides: &[usize],
        padding: &Padding,
    ) -> Result<Self> {
        let settings = Settings::new(window, strides, padding);
        Self::apply_one(MaxPool(settings), &[self])
    }

    /// The mean of the cells of each window that lie inside.
    ///
    /// # Shapes
    ///
    /// `(batch, spatial..., channels)`, the result likewise.
    ///
    /// # Errors
    ///
    /// If shape or settings do not fit, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::{Padding, Var};
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[[1.0], [4.0], [3.0]]]));
    /// let y = x.average_pool(&[2], &[2], &Padding::Same)?;
    /// assert_eq!(y.eval()?, Tensor::from([[[2.5], [3.0]]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn average_pool(
        &self,
        window: &[usize],
        strides: &[usize],
        padding: &Padding,
    ) -> Result<Self> {
        self.float("average_pool")?;
        let settings = Settings::new(window, strides, padding);
        Self::apply_one(AveragePool(settings), &[self])
    }
}

#[derive(Clone, Debug)]
struct Settings {
    window: Vec<usize>,
    strides: Vec<usize>,
    padding: Padding,
}

impl Settings {
    fn new(window: &[usize], strides: &[usize], padding: &Padding) -> Self {
        Self {
            window: window.to_vec(),
            strides: strides.to_vec(),
            padding: padding.clone(),
        }
    }

    fn infer(&self, op: &'static str, x: &Signature) -> Result<Signature> {
        let dims = x.shape.dims();
        if dims.len() < 3 || x.dtype == deckle_tensor::DType::Bool {
            return Err(TensorError::invalid(
                op,
                "numbers (batch, spatial..., channels)",
            )
            .got(x)
            .into());
        }
        let spatial = dims.len() - 2;
        positive(op, "windows", &self.window, spatial)?;
        positive(op, "strides", &self.strides, spatial)?;
        self.padding.check(op, spatial)?;
        let mut pooled = dims.to_vec();
        for axis in 0..spatial {
            let (window, stride) = (Dim::Known(self.window[axis]), self.strides[axis]);
            pooled[axis + 1] =
                self.padding.windows(op, axis, &dims[axis + 1], &window, stride)?;
        }
        Ok(Signature::new(x.dtype, pooled))
    }

    /// The settings for an input of that shape.
    fn resolve(&self, x: &[usize]) -> Pool {
        let (mut windows, mut paddings) = (Vec::new(), Vec::new());
        for (axis, &len) in x[1..=self.window.len()].iter().enumerate() {
            let (window, stride) = (self.window[axis], self.strides[axis]);
            let (before, after) = self.padding.amounts(axis, len, window, stride);
            // What all windows reach beyond the elements is not walked over.
            let padded = len.saturating_add(before).saturating_add(after);
            let steps = padded.saturating_sub(window) / stride;
            let reach = steps.saturating_mul(stride);
            let covers = before >= reach && window >= before.saturating_add(len);
            if covers && len > 0 && window > reach.saturating_add(len) {
                windows.push(reach + len);
                paddings.push((reach, reach));
            } else {
                windows.push(window);
                paddings.push((before, after));
            }
        }
        Pool { window: windows, strides: self.strides.clone(), padding: paddings }
    }
}

#[derive(Debug)]
struct MaxPool(Settings);

impl Op for MaxPool {
    fn name(&self) -> &str {
        "max_pool"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![self.0.infer("max_pool", &inputs[0])?])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let pool = self.0.resolve(&lower.shape(inputs[0]));
        Ok(vec![lower.push(Primitive::MaxPool(pool), inputs)?])
    }

    /// `dx`: each element of `dy` is added where its window is largest.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let back = MaxPoolScatter(self.0.clone());
        Ok(vec![Some(Var::apply_one(back, &[rule.x(), &rule.dy()?])?)])
    }
}

/// Inputs: `x`, `dy`. The places in `x` have no gradient by their nature.
#[derive(Debug)]
struct MaxPoolScatter(Settings);

impl Op for MaxPoolScatter {
    fn name(&self) -> &str {
        "max_pool_scatter"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, dy) = (&inputs[0], &inputs[1]);
        let y = self.0.infer("max_pool_scatter", x)?;
        if !y.shape.may_equal(&dy.shape) {
            return Err(TensorError::invalid("max_pool_scatter", y).got(dy).into());
        }
        Ok(vec![Signature::new(dy.dtype, &x.shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let pool = self.0.resolve(&lower.shape(inputs[0]));
        Ok(vec![lower.push(Primitive::MaxPoolScatter(pool), inputs)?])
    }

    /// By `dy`: the gradient at the places where the windows are largest.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let back = MaxPoolGather(self.0.clone());
        Ok(vec![None, Some(Var::apply_one(back, &[rule.x(), &rule.dy()?])?)])
    }
}

/// Inputs: `x`, values. The places in `x` have no gradient by their nature.
#[derive(Debug)]
struct MaxPoolGather(Settings);

impl Op for MaxPoolGather {
    fn name(&self) -> &str {
        "max_pool_gather"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (x, values) = (&inputs[0], &inputs[1]);
        let y = self.0.infer("max_pool_gather", x)?;
        if !x.shape.may_equal(&values.shape) {
            let error = TensorError::invalid("max_pool_gather", &x.shape).got(values);
            return Err(error.into());
        }
        Ok(vec![Signature::new(values.dtype, &y.shape)])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let pool = self.0.resolve(&lower.shape(inputs[0]));
        Ok(vec![lower.push(Primitive::MaxPoolGather(pool), inputs)?])
    }

    /// By the values: each element is added where its window is largest.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let back = MaxPoolScatter(self.0.clone());
        Ok(vec![None, Some(Var::apply_one(back, &[rule.x(), &rule.dy()?])?)])
    }
}

#[derive(Debug)]
struct AveragePool(Settings);

impl Op for AveragePool {
    fn name(&self) -> &str {
        "average_pool"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(vec![self.0.infer("average_pool", &inputs[0])?])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let pool = self.0.resolve(&lower.shape(inputs[0]));
        Ok(vec![lower.push(Primitive::AveragePool(pool), inputs)?])
    }

    /// The adjoint.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let back = AveragePoolToInput(self.0.clone());
        Ok(vec![Some(Var::apply_one(back, &[&rule.dy()?, rule.x()])?)])
    }
}

/// Inputs: `dy`, and a tensor whose shape is read.
#[derive(Debug)]
struct AveragePoolToInput(Settings);

impl Op for AveragePoolToInput {
    fn name(&self) -> &str {
        "average_pool_to_input"
    }

    fn depends(&self, _output: usize, input: usize) -> bool {
        input == 0
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (dy, like) = (&inputs[0], &inputs[1]);
        let x = Signature::new(dy.dtype, &like.shape);
        let y = self.0.infer("average_pool_to_input", &x)?;
        if !y.shape.may_equal(&dy.shape) {
            return Err(TensorError::invalid("average_pool_to_input", y).got(dy).into());
        }
        Ok(vec![x])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let x = lower.shape(inputs[1]);
        let (pool, spatial) = (self.0.resolve(&x), x[1..x.len() - 1].to_vec());
        let primitive = Primitive::AveragePoolToInput { pool, spatial };
        Ok(vec![lower.push(primitive, &inputs[..1])?])
    }

    /// The forward pass.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let forward = AveragePool(self.0.clone());
        Ok(vec![Some(Var::apply_one(forward, &[&rule.dy()?])?), None])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::{collection::vec, prelude::*};

    use super::Padding;
    use crate::{
        Var,
        ops::testing::{cases, check, distinct_of, gradient, ramp, rejects},
    };

    type Case = (Tensor, Vec<usize>, Vec<usize>, Padding);

    fn case() -> impl Strategy<Value = Case> {
        (1usize..3).prop_flat_map(|spatial| {
            let per_axis = |lens: std::ops::Range<usize>| vec(lens, spatial);
            (per_axis(1..4), per_axis(0..3), per_axis(1..4), 1usize..3, any::<bool>())
                .prop_flat_map(|(window, more, strides, channels, same)| {
                    let lens: Vec<_> =
                        window.iter().zip(more).map(|(n, m)| n + m).collect();
                    let shape = [&[2], &lens[..], &[channels]].concat();
                    let padding = if same { Padding::Same } else { Padding::Valid };
                    (distinct_of(shape), Just(window), Just(strides), Just(padding))
                })
        })
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn gradients_are_right((x, window, strides, padding) in case()) {
            check(
                |x| {
                    let max = x[0].max_pool(&window, &strides, &padding)?;
                    let mean = x[0].average_pool(&window, &strides, &padding)?;
                    Ok(vec![max.square()?, mean.square()?])
                },
                &[x],
            );
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let x = [ramp(&[1, 4, 3, 2])];
        let same = Padding::Same;
        rejects(|x| Ok(vec![x[0].max_pool(&[2, 2], &[1, 2], &same)?.square()?]), &x);
        rejects(|x| Ok(vec![x[0].average_pool(&[2, 2], &[1, 2], &same)?.square()?]), &x);
    }

    #[test]
    fn the_first_of_the_largest_gets_the_gradient() {
        let x = Tensor::from([[[1.0], [1.0]]]);
        let dx = gradient(|x| x.max_pool(&[2], &[2], &Padding::Valid), &x);
        assert_eq!(dx, Tensor::from([[[1.0], [0.0]]]));
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [1, 4], DType::F32);
        assert_eq!(
            x.max_pool(&[2], &[2], &Padding::Valid).unwrap_err().to_string(),
            "`max_pool`: cannot take this input\n  expected: numbers (batch, spatial..., \
             channels)\n       got: float32 (1, 4)"
        );
        let x = Var::input("x", [1, 4, 1], DType::F32);
        assert_eq!(
            x.average_pool(&[5], &[2], &Padding::Valid).unwrap_err().to_string(),
            "`average_pool`: cannot take this input\n  expected: 5 cells or more along spatial \
             axis 0\n       got: 4 and 0 + 0 around them\n      help: use smaller windows, or \
             Padding::Same"
        );
    }
}
