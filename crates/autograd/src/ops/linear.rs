//! Products of matrices.

use deckle_tensor::{Dim, Error as TensorError, Primitive, Shape, Value};

use super::Axis;
use crate::{Lower, Op, Result, Rule, Signature, Var};

impl Var {
    /// The product of matrices: `(…, m, k) · (…, k, n)`, whose leading axes broadcast.
    ///
    /// `(…, k) · (k, n)` is one product for all leading axes together.
    ///
    /// # Errors
    ///
    /// If the element types or the inner lengths differ, the leading axes do not broadcast, or
    /// an input has fewer than two axes.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let a = Var::constant(&Tensor::new(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?);
    /// assert_eq!(a.matmul(&a)?.eval()?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        self.matmul_with(other, false, false)
    }

    /// The product by NumPy's rule for `dot`: the last axis of this with the last but one of the
    /// other, or its only one.
    ///
    /// Of two vectors it is one number; a number multiplies.
    ///
    /// # Errors
    ///
    /// If the element types or the lengths of these axes differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1.0, 2.0]));
    /// assert_eq!(x.dot(&x)?.eval()?, Tensor::from(5.0));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn dot(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.rank(), other.rank());
        if a == 0 || b == 0 {
            return self.mul(other);
        }
        if a == 1 {
            let row = self.expand_dims(0)?.dot(other)?;
            return row.squeeze(0);
        }
        if b == 1 {
            return self.matmul(&other.expand_dims(-1)?)?.squeeze(-1);
        }
        if b == 2 {
            return self.matmul(other);
        }
        // (a..., k) · (b..., k, n) is (a..., b..., n).
        let last = other.move_axis(-2, 0)?;
        let rest: Vec<_> = last.shape().dims()[1..].to_vec();
        let product = self.matmul(&last.merge_axes(1, last.rank())?)?;
        let before = (0..a - 1).map(Axis::Of);
        let after = rest.iter().map(Axis::from);
        if rest.iter().filter(|dim| **dim == Dim::Unknown).count() > 1 {
            return Err(TensorError::invalid(
                "dot",
                "at most one axis of unknown length",
            )
            .got(other.shape())
            .into());
        }
        let after = after.map(|axis| match axis {
            Axis::Dim(Dim::Unknown) => Axis::Rest,
            axis => axis,
        });
        product.reshape_by(self, before.chain(after).collect::<Vec<_>>())
    }

    /// The products of each element of this with each of the other, both as vectors.
    ///
    /// # Errors
    ///
    /// If the element types differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([1.0, 2.0]));
    /// assert_eq!(x.outer(&x)?.eval()?, Tensor::from([[1.0, 2.0], [2.0, 4.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn outer(&self, other: &Self) -> Result<Self> {
        self.flatten()?.expand_dims(-1)?.mul(&other.flatten()?)
    }

    /// As [`Var::matmul`], with either input stored with its last two axes swapped.
    ///
    /// # Errors
    ///
    /// As [`Var::matmul`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// let gram = x.matmul_with(&x, true, false)?;
    /// assert_eq!(gram.eval()?, Tensor::from([[10.0, 14.0], [14.0, 20.0]]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn matmul_with(
        &self,
        other: &Self,
        transpose_a: bool,
        transpose_b: bool,
    ) -> Result<Self> {
        let op = MatMul { transpose_a, transpose_b };
        if self.rank() > 2 && other.rank() == 2 && !transpose_a {
            // One product for all leading axes, so that the gradient by `other` is one too.
            let last = self.rank() - 1;
            let product = Self::apply_one(op, &[&self.merge_axes(0, last)?, other])?;
            let columns = Axis::Dim(product.shape().dims()[1].clone());
            let axes = (0..last).map(Axis::Of).chain([columns]);
            return product.reshape_by(self, axes.collect::<Vec<_>>());
        }
        Self::apply_one(op, &[self, other])
    }
}

#[derive(Debug)]
pub(crate) struct MatMul {
    pub(crate) transpose_a: bool,
    pub(crate) transpose_b: bool,
}

impl Op for MatMul {
    fn name(&self) -> &str {
        "matmul"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let wrong = |expected: &str| {
            TensorError::invalid("matmul", expected).got(format_args!("{a} and {b}"))
        };
        if a.dtype != b.dtype {
            return Err(wrong("one element type")
                .help("cast one of them: .cast(dtype)")
                .into());
        }
        if a.shape.rank() < 2 || b.shape.rank() < 2 {
            return Err(wrong("two axes or more").into());
        }
        let split = |shape: &Shape, transposed: bool| -> (Shape, Dim, Dim) {
            let (batch, matrix) = shape.dims().split_at(shape.rank() - 2);
            let (rows, columns) = (usize::from(transposed), usize::from(!transposed));
            (
                batch.iter().cloned().collect(),
                matrix[rows].clone(),
                matrix[columns].clone(),
            )
        };
        let (batch_a, m, k_a) = split(&a.shape, self.transpose_a);
        let (batch_b, k_b, n) = split(&b.shape, self.transpose_b);
        if !k_a.may_equal(&k_b) {
            return Err(wrong("inner axes of one length").into());
        }
        let batch = batch_a
            .broadcast(&batch_b)
            .ok_or_else(|| wrong("leading axes that broadcast"))?;
        let shape = batch.dims().iter().cloned().chain([m, n]).collect();
        Ok(vec![Signature { dtype: a.dtype, shape }])
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        let Self { transpose_a, transpose_b } = *self;
        Ok(vec![lower.push(Primitive::MatMul { transpose_a, transpose_b }, inputs)?])
    }

    /// `da = dy · bᵀ`, `db = aᵀ · dy`, and the same with the operands as they are stored.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (a, b, dy) = (&rule.inputs[0], &rule.inputs[1], rule.dy()?);
        let (ta, tb) = (self.transpose_a, self.transpose_b);
        let product = |x: &Var, y: &Var, tx: bool, ty: bool| {
            Var::apply_one(Self { transpose_a: tx, transpose_b: ty }, &[x, y])
        };
        let da = if ta { product(b, &dy, tb, true) } else { product(&dy, b, false, !tb) };
        let db = if tb { product(&dy, a, true, ta) } else { product(a, &dy, !ta, false) };
        Ok(vec![Some(da?.sum_to_like(a)?), Some(db?.sum_to_like(b)?)])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use crate::{
        Var,
        ops::testing::{cases, check, filled, ramp, rejects, symbolic, tensor},
    };

    /// Matrices whose leading axes broadcast, stored either way.
    fn matrices() -> impl Strategy<Value = (Tensor, Tensor, bool, bool)> {
        let lens = (0usize..4, 1usize..4, 1usize..4);
        let ones = proptest::collection::vec(any::<bool>(), 4);
        (lens, filled(0..3), 0usize..3, ones, any::<bool>(), any::<bool>()).prop_flat_map(
            |((m, k, n), batch, cut, ones, ta, tb)| {
                let with = |one: bool, len: usize| if one { 1 } else { len };
                let first: Vec<_> =
                    batch.iter().zip(&ones).map(|(&n, &one)| with(one, n)).collect();
                let second: Vec<_> =
                    batch.iter().zip(&ones[2..]).map(|(&n, &one)| with(one, n)).collect();
                let second = &second[cut.min(second.len())..];
                let swap = |transposed, a: usize, b: usize| {
                    if transposed { [b, a] } else { [a, b] }
                };
                let a = tensor([&first[..], &swap(ta, m, k)].concat(), &[-2.0..2.0]);
                let b = tensor([second, &swap(tb, k, n)].concat(), &[-2.0..2.0]);
                (a, b, Just(ta), Just(tb))
            },
        )
    }

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn products_have_the_right_gradients((a, b, ta, tb) in matrices()) {
            check(|x| Ok(vec![x[0].matmul_with(&x[1], ta, tb)?.square()?]), &[a, b]);
        }

        #[test]
        fn dot_and_outer_products_have_the_right_gradients(
            (a, b) in (filled(1..4), filled(1..4)).prop_flat_map(|(a, mut b)| {
                let place = b.len().saturating_sub(2);
                b[place] = a[a.len() - 1];
                (tensor(a, &[-2.0..2.0]), tensor(b, &[-2.0..2.0]))
            }),
        ) {
            let [x, y] = [&a, &b].map(Var::constant);
            let graph = x.dot(&y).unwrap().eval().unwrap();
            prop_assert!(graph.allclose(&a.dot(&b).unwrap(), 1e-12, 1e-12).unwrap());
            check(|x| Ok(vec![x[0].dot(&x[1])?, x[0].outer(&x[1])?]), &[a, b]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let shape = |transposed| if transposed { [3, 2] } else { [2, 3] };
            let inputs = [ramp(&shape(ta)), ramp(&shape(!tb))];
            rejects(|x| Ok(vec![x[0].matmul_with(&x[1], ta, tb)?]), &inputs);
        }
        let broadcast = [ramp(&[2, 1, 2, 3]), ramp(&[2, 3, 2])];
        rejects(|x| Ok(vec![x[0].matmul(&x[1])?]), &broadcast);
        rejects(|x| Ok(vec![x[0].dot(&x[1])?]), &[ramp(&[2, 3]), ramp(&[3])]);
        rejects(|x| Ok(vec![x[0].outer(&x[1])?]), &[ramp(&[2]), ramp(&[3])]);
    }

    #[test]
    fn leading_axes_become_one_product() {
        let x = Var::input("x", [None, None, Some(2)], DType::F64);
        let y = x.matmul(&Var::constant(&ramp(&[2, 3]))).unwrap();
        assert_eq!(y.shape().to_string(), "(batch, ?, 3)");
        let columns = symbolic("w", 2);
        assert_eq!(x.matmul(&columns).unwrap().shape().to_string(), "(batch, ?, w1)");
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = |shape: &[usize]| Var::input("x", shape, DType::F32);
        assert_eq!(
            x(&[2, 3]).matmul(&x(&[2, 3])).unwrap_err().to_string(),
            "`matmul`: cannot take this input\n  expected: inner axes of one length\n       got: \
             float32 (2, 3) and float32 (2, 3)"
        );
        assert_eq!(
            x(&[2, 3]).matmul(&x(&[3])).unwrap_err().to_string(),
            "`matmul`: cannot take this input\n  expected: two axes or more\n       got: \
             float32 (2, 3) and float32 (3,)"
        );
    }
}
