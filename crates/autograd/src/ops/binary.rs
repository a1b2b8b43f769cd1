//! Functions of two tensors, which broadcast, beyond arithmetic.

use deckle_tensor::{Binary, Compare, Primitive};

use super::{ElementWise, Operand};
use crate::{Result, Rule, Var};

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $op:ident, $x:literal, $y:literal => $to:literal) => {
        impl Var {
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the element types differ or are not taken, or the shapes do not broadcast.
            ///
            /// # Examples
            ///
            /// ```
            /// use deckle_autograd::Var;
            /// use deckle_tensor::Tensor;
            ///
            #[doc = concat!("let x = Var::constant(&Tensor::from(", $x, "));")]
            #[doc = concat!("let y = x.", stringify!($name), "(", $y, ")?.eval()?;")]
            #[doc = concat!("assert_eq!(y, Tensor::from(", $to, "));")]
            /// # Ok::<(), deckle_autograd::Error>(())
            /// ```
            pub fn $name<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Self> {
                Self::apply_one($op, &[self, &*other.into().resolve(self.dtype())?])
            }
        }
    };
}

macro_rules! binary {
    ($(
        $(#[$doc:meta])*
        $name:ident, $op:ident, $x:literal, $y:literal => $to:literal,
        |$a:pat_param, $b:pat_param, $out:pat_param, $dy:ident| $da:expr, $db:expr;
    )*) => {$(
        method! { $(#[$doc])* $name, $op, $x, $y => $to }

        #[derive(Debug)]
        struct $op;

        impl ElementWise for $op {
            const PRIMITIVE: Primitive = Primitive::Binary(Binary::$op);

            fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
                let ($a, $b, $out) = (&rule.inputs[0], &rule.inputs[1], rule.y());
                let $dy = &rule.dy()?;
                Ok(vec![
                    rule.when_needed(0, || Ok($da))?,
                    rule.when_needed(1, || Ok($db))?,
                ])
            }
        }
    )*};
}

/// `dy` where `a` wins over `b`, half of it where they are equal.
fn share(wins: &Var, a: &Var, b: &Var, dy: &Var) -> Result<Var> {
    let tie = a.equal(b)?.select(&(dy * 0.5), 0.0)?;
    wins.select(dy, &tie)
}

binary! {
    /// The larger of both, element by element; NaN wins.
    ///
    /// Where both are equal, each gets half of the gradient.
    maximum, Max, "[-1.0, 1.0]", "0.0" => "[0.0, 1.0]",
    |a, b, _, dy| share(&a.greater(b)?, a, b, dy)?, share(&b.greater(a)?, a, b, dy)?;

    /// The smaller of both, element by element; NaN wins.
    ///
    /// Where both are equal, each gets half of the gradient.
    minimum, Min, "[-1.0, 1.0]", "0.0" => "[-1.0, 0.0]",
    |a, b, _, dy| share(&a.less(b)?, a, b, dy)?, share(&b.less(a)?, a, b, dy)?;

    /// The power `aᵇ`, element by element.
    ///
    /// The gradient by `b` is `y · ln a`, and 0 where `a` is not positive. At `a = b = 0`, the
    /// gradient by `a` is 0.
    power, Pow, "[2.0, 3.0]", "2.0" => "[4.0, 9.0]",
    |a, b, y, dy| {
        let both = a.equal(0.0)?.and(&b.equal(0.0)?)?;
        dy * b * a.power(&both.select(1.0, &(b - 1.0))?)?
    },
    {
        let positive = a.greater(0.0)?;
        let log = positive.select(a, 1.0)?.log()?;
        positive.select(&(dy * y * log), 0.0)?
    };

    /// The remainder `a - b · ⌊a / b⌋`, element by element, with the sign of `b`.
    ///
    /// Where it jumps, the gradient is that of either side.
    mod_, Rem, "[-7.0, 7.0]", "3.0" => "[2.0, 1.0]",
    |a, b, _, dy| dy.clone(), -(dy * (a / b).floor()?.stop_gradient()?);

    /// The angle of the point (`b`, `a`), element by element, from -π to π.
    atan2, Atan2, "[0.0, 2.0]", "1.0" => "[0.0, 1.1071487177940904]",
    |a, b, _, dy| dy * b / (a.square()? + b.square()?),
    -(dy * a / (a.square()? + b.square()?));
}

macro_rules! logical {
    ($(
        $(#[$doc:meta])*
        $name:ident, $op:ident, $of:ident, $x:literal, $y:literal => $to:literal;
    )*) => {$(
        method! {
            $(#[$doc])*
            ///
            /// It has no gradient: on the way to a loss it is an error that names it.
            $name, $op, $x, $y => $to
        }

        #[derive(Debug)]
        struct $op;

        impl ElementWise for $op {
            const PRIMITIVE: Primitive = Primitive::$of($of::$op);
        }
    )*};
}

logical! {
    /// Whether `a = b`, element by element.
    equal, Equal, Compare, "[1, 2, 3]", "2" => "[false, true, false]";

    /// Whether `a ≠ b`, element by element.
    not_equal, NotEqual, Compare, "[1, 2, 3]", "2" => "[true, false, true]";

    /// Whether `a < b`, element by element.
    less, Less, Compare, "[1, 2, 3]", "2" => "[true, false, false]";

    /// Whether `a ≤ b`, element by element.
    less_equal, LessEqual, Compare, "[1, 2, 3]", "2" => "[true, true, false]";

    /// Whether `a > b`, element by element.
    greater, Greater, Compare, "[1, 2, 3]", "2" => "[false, false, true]";

    /// Whether `a ≥ b`, element by element.
    greater_equal, GreaterEqual, Compare, "[1, 2, 3]", "2" => "[false, true, true]";

    /// Whether both are true, element by element; bit by bit for integers.
    and, And, Binary, "[true, false]", "true" => "[true, false]";

    /// Whether one or both are true, element by element; bit by bit for integers.
    or, Or, Binary, "[true, false]", "true" => "[true, true]";

    /// Whether one of both is true, element by element; bit by bit for integers.
    xor, Xor, Binary, "[true, false]", "true" => "[false, true]";
}

impl Var {
    /// `a` where this condition is true, `b` elsewhere; all three broadcast.
    ///
    /// The gradient goes to `a` or `b`; a condition has none by its nature. At most one of `a`
    /// and `b` is a number.
    ///
    /// # Errors
    ///
    /// If this is not `Bool`, the element types of `a` and `b` differ, both are numbers, or the
    /// shapes do not broadcast.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-1.0, 2.0]));
    /// let y = x.greater(0.0)?.select(&x, 0.0)?;
    /// assert_eq!(y.eval()?, Tensor::from([0.0, 2.0]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    ///
    /// # Keras
    ///
    /// `keras.ops.where`.
    pub fn select<'a>(
        &self,
        a: impl Into<Operand<'a>>,
        b: impl Into<Operand<'a>>,
    ) -> Result<Self> {
        let (a, b) = (a.into(), b.into());
        let dtype = a.dtype().or(b.dtype()).ok_or_else(|| {
            deckle_tensor::Error::invalid("select", "a tensor among the two choices")
                .got("two numbers")
                .help("make one of them a tensor: Var::scalar(dtype, value)")
        })?;
        Self::apply_one(Select, &[self, &*a.resolve(dtype)?, &*b.resolve(dtype)?])
    }

    /// `min(max(x, low), high)`, element by element; NaN stays.
    ///
    /// The gradient is 1 between `low` and `high`, half of it at either, and 0 outside.
    ///
    /// # Errors
    ///
    /// If the element type cannot hold a bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_autograd::Var;
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Var::constant(&Tensor::from([-3, 0, 3]));
    /// assert_eq!(x.clip(-1, 2)?.eval()?, Tensor::from([-1, 0, 2]));
    /// # Ok::<(), deckle_autograd::Error>(())
    /// ```
    pub fn clip<'a>(
        &self,
        low: impl Into<Operand<'a>>,
        high: impl Into<Operand<'a>>,
    ) -> Result<Self> {
        self.maximum(low)?.minimum(high)
    }
}

/// Inputs: condition, `a`, `b`.
#[derive(Debug)]
struct Select;

impl ElementWise for Select {
    const PRIMITIVE: Primitive = Primitive::Select;

    /// `da = dy` where the condition is true, `db = dy` where it is false, else 0.
    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        let (condition, dy) = (&rule.inputs[0], &rule.dy()?);
        Ok(vec![
            None,
            rule.when_needed(1, || condition.select(dy, 0.0))?,
            rule.when_needed(2, || condition.select(0.0, dy))?,
        ])
    }
}

#[cfg(test)]
mod tests {
    use deckle_tensor::{DType, Tensor};
    use proptest::prelude::*;

    use crate::{
        Var,
        ops::testing::{
            cases, check, gradient, pair_on, ramp, rejects, spread, tensor_on,
        },
    };

    proptest! {
        #![proptest_config(cases())]
        #[test]
        fn extrema_have_the_right_gradients(
            (a, b) in pair_on(&[-2.0..-1.1, 0.1..0.9], &[-0.9..-0.1, 1.1..2.0]),
        ) {
            check(|x| Ok(vec![x[0].maximum(&x[1])?, x[0].minimum(&x[1])?]), &[a, b]);
        }

        #[test]
        fn powers_have_the_right_gradients(
            (a, b) in pair_on(&[0.4..2.0], &[-2.0..2.0]),
            (negative, _) in pair_on(&[-2.0..-0.4], &[0.0..1.0]),
        ) {
            check(|x| Ok(vec![x[0].power(&x[1])?]), &[a, b]);
            check(|x| Ok(vec![x[0].power(3.0)?, x[0].power(-2.0)?]), &[negative]);
        }

        #[test]
        fn remainders_have_the_right_gradients(
            (a, b) in pair_on(&[-0.7..-0.2, 0.2..0.7, 1.3..1.6], &[0.95..1.05]),
        ) {
            check(|x| Ok(vec![x[0].mod_(&x[1])?]), &[a, b]);
        }

        #[test]
        fn angles_have_the_right_gradients(
            (a, b) in pair_on(&[-2.0..-0.4, 0.4..2.0], &[-2.0..-0.4, 0.4..2.0]),
        ) {
            check(|x| Ok(vec![x[0].atan2(&x[1])?]), &[a, b]);
        }

        #[test]
        fn choices_have_the_right_gradients(
            (a, b) in pair_on(&[-2.0..2.0], &[-2.0..2.0]),
            (c, _) in pair_on(&[-1.0..-0.1, 0.1..1.0], &[0.0..1.0]),
        ) {
            prop_assume!(Var::constant(&a).add(&Var::constant(&b)).is_ok_and(|sum| {
                sum.add(&Var::constant(&c)).is_ok()
            }));
            check(
                |x| {
                    let condition = x[2].greater(0.0)?;
                    let both = condition.select(&x[0], &x[1])?;
                    Ok(vec![both, condition.select(&x[0], 2.0)?.square()?])
                },
                &[a, b, c],
            );
        }

        #[test]
        fn clips_have_the_right_gradients(
            x in tensor_on(&[-2.0..-1.1, -0.9..0.9, 1.1..2.0]),
        ) {
            check(|x| Ok(vec![x[0].clip(-1.0, 1.0)?.square()?]), &[x]);
        }
    }

    #[test]
    fn wrong_rules_are_noticed() {
        let far = [Tensor::from([[-1.0, 2.0, 0.5], [0.3, -2.0, 4.0]]), ramp(&[3])];
        rejects(|x| Ok(vec![x[0].maximum(&x[1])?]), &far);
        rejects(|x| Ok(vec![x[0].minimum(&x[1])?]), &far);
        rejects(|x| Ok(vec![x[0].atan2(&x[1])?]), &far);
        let positive =
            [Tensor::from([[0.5, 2.0], [1.5, 0.7]]), Tensor::from([-1.5, 2.5])];
        rejects(|x| Ok(vec![x[0].power(&x[1])?]), &positive);
        rejects(
            |x| Ok(vec![x[0].mod_(&x[1])?]),
            &[spread(&[1.2..1.8]), Tensor::from(1.0)],
        );
        let condition = Tensor::from([true, false, true]);
        rejects(
            |x| Ok(vec![x[2].select(&x[0], &x[1])?]),
            &[ramp(&[2, 3]), Tensor::from(0.5), condition],
        );
        let x = [spread(&[-2.0..-1.1, -0.9..0.9, 1.1..2.0])];
        rejects(|x| Ok(vec![x[0].clip(-1.0, 1.0)?]), &x);
    }

    #[test]
    fn ties_and_kinks_are_as_documented() {
        let at = Tensor::from([0.0]);
        assert_eq!(gradient(|x| x.maximum(0.0), &at), Tensor::from([0.5]));
        assert_eq!(gradient(|x| x.minimum(0.0), &at), Tensor::from([0.5]));
        assert_eq!(gradient(|x| x.clip(0.0, 1.0), &at), Tensor::from([0.5]));
        assert_eq!(gradient(|x| x.clip(-1.0, 0.0), &at), Tensor::from([0.5]));
        assert_eq!(gradient(|x| x.clip(0.0, 0.0), &at), Tensor::from([0.25]));
        assert_eq!(gradient(|x| x.power(0.0), &at), Tensor::from([0.0]));
        assert_eq!(gradient(|x| x.power(2.0), &at), Tensor::from([0.0]));
        assert_eq!(gradient(|x| x.power(1.0), &at), Tensor::from([1.0]));
    }

    #[test]
    fn nan_is_kept() {
        let x = Var::constant(&Tensor::from(f64::NAN));
        for y in [x.maximum(0.0), x.minimum(0.0), x.clip(0.0, 1.0), x.relu(), x.relu6()] {
            assert!(y.unwrap().eval().unwrap().item::<f64>().unwrap().is_nan());
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let x = Var::input("x", [2], DType::F32);
        let error = x.select(&x, &x).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`select`: cannot take this input\n  expected: a bool condition\n       got: \
             float32 ()"
        );
        let error = x.greater(0.0).unwrap().select(1.0, 2.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`select`: cannot take this input\n  expected: a tensor among the two choices\n       \
             got: two numbers\n      help: make one of them a tensor: Var::scalar(dtype, value)"
        );
        let error = x.and(&x).unwrap_err();
        assert!(error.to_string().contains("bool or integers"), "{error}");
    }
}
