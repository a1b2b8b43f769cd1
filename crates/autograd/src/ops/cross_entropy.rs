//! Cross-entropies from logits: stable by construction, composites that a backend may fuse.

use deckle_tensor::{Error as TensorError, keep};

use super::softmax::one;
use crate::{Composite, Result, Rule, Var};

impl Var {
    /// The cross-entropy of labels from 0 to 1 and the sigmoid of these logits, element by
    /// element.
    ///
    /// `-z·ln σ(x) - (1 - z)·ln(1 - σ(x))`, computed as `max(x, 0) - x·z + ln(1 + e^(-|x|))`.
    ///
    /// # Errors
    ///
    /// If the element types differ or are not floating point, or the shapes do not broadcast.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let logits = Var::constant(&Tensor::from([0.0, 1000.0]));
    /// let labels = Var::constant(&Tensor::from([1.0, 0.0]));
    /// let loss = logits.sigmoid_cross_entropy(&labels)?.eval()?;
    /// assert_eq!(loss, Tensor::from([std::f64::consts::LN_2, 1000.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn sigmoid_cross_entropy(&self, labels: &Self) -> Result<Self> {
        self.float("sigmoid_cross_entropy")?;
        one(Self::composite(SigmoidCrossEntropy, &[self, labels])?)
    }

    /// The cross-entropy of labels, one probability per class, and the softmax of these logits
    /// along the last axis, which goes away.
    ///
    /// `-Σ z · ln softmax(x)`.
    ///
    /// # Errors
    ///
    /// If the shapes or element types differ, or the elements are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let logits = Var::constant(&Tensor::from([[0.0, 1000.0]]));
    /// let labels = Var::constant(&Tensor::from([[1.0, 0.0]]));
    /// assert_eq!(logits.softmax_cross_entropy(&labels)?.eval()?, Tensor::from([1000.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn softmax_cross_entropy(&self, labels: &Self) -> Result<Self> {
        let op = "softmax_cross_entropy";
        self.float(op)?;
        if self.rank() == 0 || !self.shape().may_equal(labels.shape()) {
            return Err(TensorError::invalid(op, "logits and labels of shape (..., classes)")
                .got(format_args!("{} and {}", self.shape(), labels.shape()))
                .help("for labels that are class numbers: .sparse_softmax_cross_entropy(labels)")
                .into());
        }
        one(Self::composite(SoftmaxCrossEntropy, &[self, labels])?)
    }

    /// The cross-entropy of labels, one class number each, and the softmax of these logits
    /// along the last axis, which goes away.
    ///
    /// A label outside the classes is the error [`Index`](deckle_tensor::Error::Index) of the
    /// run.
    ///
    /// # Errors
    ///
    /// If the labels are no integers or have another shape than the logits without their last
    /// axis, or the logits are not floating point.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let logits = Var::constant(&Tensor::from([[0.0, 1000.0]]));
    /// let labels = Var::constant(&Tensor::from([0]));
    /// let loss = logits.sparse_softmax_cross_entropy(&labels)?;
    /// assert_eq!(loss.eval()?, Tensor::from([1000.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn sparse_softmax_cross_entropy(&self, labels: &Self) -> Result<Self> {
        let op = "sparse_softmax_cross_entropy";
        self.float(op)?;
        let fits = self.rank() == labels.rank() + 1
            && labels
                .shape()
                .dims()
                .iter()
                .zip(self.shape().dims())
                .all(|(a, b)| a.may_equal(b));
        if !fits || !labels.dtype().is_integer() {
            return Err(TensorError::invalid(
                op,
                "logits (..., classes) and integer labels (...)",
            )
            .got(format_args!("{} and {}", self.signature(), labels.signature()))
            .help("for labels that are probabilities: .softmax_cross_entropy(labels)")
            .into());
        }
        one(Self::composite(SparseSoftmaxCrossEntropy, &[self, labels])?)
    }
}

/// Inputs: `x`, `z`. No residuals.
#[derive(Debug)]
struct SigmoidCrossEntropy;

impl Composite for SigmoidCrossEntropy {
    fn name(&self) -> &str {
        "sigmoid_cross_entropy"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let (x, z) = (&inputs[0], &inputs[1]);
        let rest = x.abs()?.neg()?.softplus()?;
        Ok(vec![x.relu()?.sub(&x.mul(z)?)?.add(&rest)?])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let (x, z) = (&rule.inputs[0], &rule.inputs[1]);
        Some(rule.dy().and_then(|dy| {
            Ok(vec![
                rule.when_needed(0, || {
                    let dx = Var::composite(SigmoidCrossEntropyBackward, &[x, z, &dy])?;
                    one(dx)?.sum_to_like(x)
                })?,
                rule.when_needed(1, || dy.mul(x)?.neg()?.sum_to_like(z))?,
            ])
        }))
    }
}

/// Inputs: `x`, `z`, `dy`. `dx = dy · (σ(x) - z)`, before it is summed to the shape of `x`.
#[derive(Debug)]
struct SigmoidCrossEntropyBackward;

impl Composite for SigmoidCrossEntropyBackward {
    fn name(&self) -> &str {
        "sigmoid_cross_entropy_backward"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [x, z, dy] = inputs else { unreachable!("made with three inputs") };
        Ok(vec![x.sigmoid()?.sub(z)?.mul(dy)?])
    }
}

/// Inputs: `x`, `z`. Residual: `ln softmax(x)`.
#[derive(Debug)]
struct SoftmaxCrossEntropy;

impl Composite for SoftmaxCrossEntropy {
    fn name(&self) -> &str {
        "softmax_cross_entropy"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let log = log_softmax(&inputs[0])?;
        Ok(vec![log.mul(&inputs[1])?.sum(-1)?.neg()?, log])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let (z, log) = (&rule.inputs[1], &rule.outputs[1]);
        Some(rule.dy().and_then(|dy| {
            Ok(vec![
                rule.when_needed(0, || {
                    one(Var::composite(SoftmaxCrossEntropyBackward, &[log, z, &dy])?)
                })?,
                rule.when_needed(1, || dy.expand_dims(-1)?.mul(log)?.neg())?,
            ])
        }))
    }
}

/// Inputs: `ln softmax(x)`, `z`, `dy`. `dx = dy · (softmax(x) · Σz - z)`.
#[derive(Debug)]
struct SoftmaxCrossEntropyBackward;

impl Composite for SoftmaxCrossEntropyBackward {
    fn name(&self) -> &str {
        "softmax_cross_entropy_backward"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [log, z, dy] = inputs else { unreachable!("made with three inputs") };
        let dx = log.exp()?.mul(&z.sum(keep(-1))?)?.sub(z)?;
        Ok(vec![dx.mul(&dy.expand_dims(-1)?)?])
    }
}

/// Inputs: `x`, labels. Residual: `ln softmax(x)`.
#[derive(Debug)]
struct SparseSoftmaxCrossEntropy;

impl Composite for SparseSoftmaxCrossEntropy {
    fn name(&self) -> &str {
        "sparse_softmax_cross_entropy"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let log = log_softmax(&inputs[0])?;
        let found = log.gather_along(-1, &inputs[1].expand_dims(-1)?)?;
        Ok(vec![found.squeeze(-1)?.neg()?, log])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let (labels, log) = (&rule.inputs[1], &rule.outputs[1]);
        let backward = SparseSoftmaxCrossEntropyBackward;
        let dx =
            rule.dy().and_then(|dy| one(Var::composite(backward, &[log, labels, &dy])?));
        Some(dx.map(|dx| vec![Some(dx), None]))
    }
}

/// Inputs: `ln softmax(x)`, labels, `dy`. `dx = dy · (softmax(x) - one-hot(labels))`.
#[derive(Debug)]
struct SparseSoftmaxCrossEntropyBackward;

impl Composite for SparseSoftmaxCrossEntropyBackward {
    fn name(&self) -> &str {
        "sparse_softmax_cross_entropy_backward"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [log, labels, dy] = inputs else { unreachable!("made with three inputs") };
        let dy = dy.expand_dims(-1)?;
        let hit = log.scatter_add_along_like(-1, &labels.expand_dims(-1)?, &dy)?;
        Ok(vec![log.exp()?.mul(&dy)?.sub(&hit)?])
    }
}

/// In primitives of its own, because a composite's body holds no composite that a backend
/// would have to know.
fn log_softmax(x: &Var) -> Result<Var> {
    let shifted = x.sub(&x.max(keep(-1))?.stop_gradient()?)?;
    shifted.sub(&shifted.exp()?.sum(keep(-1))?.log()?)
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use crate::{
        Device, Error, Function, Var, grad,
        ops::testing::{cases, check, filled, gradient, pair_on, ramp, rejects, tensor},
    };

    /// Logits, as many labels as floating-point numbers, and class numbers.
    fn batch() -> impl Strategy<Value = (Tensor, Tensor, Tensor)> {
        filled(1..4).prop_flat_map(|shape| {
            let (classes, rest) = shape.split_last().expect("one axis or more");
            let (rest, count) = (rest.to_vec(), rest.iter().product::<usize>());
            let labels = proptest::collection::vec(0..*classes as i64, count);
            let labels = labels
                .prop_map(move |labels| Tensor::new(labels, &rest).expect("as many"));
            let x = tensor(shape.clone(), &[-3.0..3.0]);
            (x, tensor(shape, &[0.1..1.0]), labels)
        })
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn sigmoids_have_the_right_gradients(
            (x, z) in pair_on(&[-3.0..-0.1, 0.1..3.0], &[0.0..1.0]),
        ) {
            check(|x| Ok(vec![x[0].sigmoid_cross_entropy(&x[1])?]), &[x, z]);
        }

        #[test]
        fn softmaxes_have_the_right_gradients((x, z, labels) in batch()) {
            let dense = [x.clone(), z];
            check(|x| Ok(vec![x[0].softmax_cross_entropy(&x[1])?]), &dense);
            check(|x| Ok(vec![x[0].sparse_softmax_cross_entropy(&x[1])?]), &[x, labels]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let (x, z) = (ramp(&[2, 3]), ramp(&[2, 3]));
        let dense = [x.clone(), z];
        rejects(|x| Ok(vec![x[0].sigmoid_cross_entropy(&x[1])?]), &dense);
        rejects(|x| Ok(vec![x[0].softmax_cross_entropy(&x[1])?]), &dense);
        let sparse = [x, Tensor::from([2, 0])];
        rejects(|x| Ok(vec![x[0].sparse_softmax_cross_entropy(&x[1])?]), &sparse);
    }

    #[test]
    fn class_numbers_and_vectors_mean_the_same() {
        let (x, labels) = (ramp(&[2, 3]), Var::constant(&Tensor::from([2, 0])));
        let dense = labels.one_hot(3, DType::F64).unwrap();
        let of_numbers = gradient(|x| x.sparse_softmax_cross_entropy(&labels), &x);
        let of_vectors = gradient(|x| x.softmax_cross_entropy(&dense), &x);
        assert!(of_numbers.allclose(&of_vectors, 1e-12, 1e-12).unwrap());
    }

    #[test]
    fn a_label_out_of_range_is_an_error_forward_and_backward() {
        let x = Var::input("x", [2, 10], DType::F32);
        let labels = Var::input("labels", [2], DType::I64);
        let loss = x.sparse_softmax_cross_entropy(&labels).unwrap().sum(..).unwrap();
        let dx = grad(&loss, &[&x]).unwrap().remove(0);
        for result in [loss, dx] {
            let call = Function::new([&x, &labels], [&result]);
            let call = call.compile(&Device::reference()).unwrap();
            let logits = Tensor::zeros(DType::F32, [2, 10]);
            let error = call.call(&[logits, Tensor::from([0i64, 10])]).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Tensor(deckle_tensor::Error::Index { index: 10, len: 10, .. })
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn labels_of_another_kind_are_named() {
        let x = Var::input("x", [None, Some(3)], DType::F32);
        let labels = Var::input("labels", [None], DType::F32);
        assert_eq!(
            x.sparse_softmax_cross_entropy(&labels)
                .unwrap_err()
                .to_string()
                .lines()
                .nth(2),
            Some("       got: float32 (batch, 3) and float32 (batch,)")
        );
    }
}
