//! What gradients promise, and the texts of their errors.

use std::collections::BTreeMap;

use deckle_autograd::{
    Composite, Device, Error, Function, Lower, Op, Result, Rule, Signature, Var,
    check_gradients, check_rejections, grad, gradients,
};
use deckle_tensor::{
    Attribute, DType, Reference, Tensor, Unary, Value, conformance::check_composite, keep,
};

fn text<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.expect_err("an error").to_string()
}

#[test]
fn what_cannot_be_differentiated_is_named() {
    let x = Var::input("x", [2], DType::F64);
    assert_eq!(
        text(grad(&x, &[&x])),
        "grad: cannot differentiate this\n  expected: one floating-point number, shape ()\n       \
         got: float64 (2,)\n      help: reduce it first, e.g. .sum() or .mean()"
    );
    let whole = Var::input("n", [2], DType::I64);
    let loss = whole.cast(DType::F64).unwrap().sum(..).unwrap();
    assert_eq!(
        text(grad(&loss, &[&whole])),
        "Var(n: int64 (2,)) has no gradient, because it is not floating point\n      help: leave \
         it out, or cast it before it is used: .cast(DType::F32)"
    );
}

#[test]
fn an_operation_without_a_gradient_is_named_with_its_layer() {
    let x = Var::input("x", [2], DType::F64);
    let y = x.mul(2.0).unwrap().floor().unwrap();
    Var::set_path(std::slice::from_ref(&y), std::slice::from_ref(&x), "rounding_1");
    assert_eq!(
        text(grad(&y.sum(..).unwrap(), &[&x])),
        "`floor` in `rounding_1` has no gradient, but lies between the loss and what it is \
         differentiated by\n      help: cut the path where you mean to with .stop_gradient()"
    );
}

#[test]
fn gradients_belong_to_the_layer_of_their_operation() {
    let x = Var::input("x", &[][..] as &[usize], DType::F64);
    let y = x.sin().unwrap();
    Var::set_path(std::slice::from_ref(&y), std::slice::from_ref(&x), "wave");
    let dx = grad(&y, &[&x]).unwrap().remove(0);
    assert_eq!(dx.path(), "wave");
    assert_eq!(
        Error::at(Error::Independent { wrt: "x".into() }, "a").to_string().lines().next(),
        Some("in `a`: the loss does not depend on x")
    );
}

#[test]
fn several_outputs_share_one_pass() {
    let x = Var::constant(&Tensor::from([1.0, 2.0]));
    let outputs = [x.mul(3.0).unwrap(), x.square().unwrap(), x.neg().unwrap()];
    let by = |value: f64| Some(x.full_like(value).unwrap());
    let found = gradients(&outputs, &[by(1.0), by(10.0), None], &[&x]).unwrap().remove(0);
    assert_eq!(found.unwrap().eval().unwrap(), Tensor::from([23.0, 43.0]));
}

/// Its name, `x²`, and the rule that it claims.
#[derive(Debug)]
struct Claim(fn(&Var, &Var) -> Result<Var>);

impl Op for Claim {
    fn name(&self) -> &str {
        "claim"
    }

    fn infer(&self, inputs: &[Signature]) -> Result<Vec<Signature>> {
        Ok(inputs.to_vec())
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> Result<Vec<Value>> {
        Ok(vec![lower.unary(Unary::Square, inputs[0])?])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some((self.0)(rule.x(), &rule.dy()?)?)])
    }
}

fn checked(rule: fn(&Var, &Var) -> Result<Var>) -> Result<()> {
    let x = Tensor::from([0.5, -1.5, 2.0]);
    check_gradients(|x| Var::apply(Claim(rule), &[&x[0]]), &[x])
}

#[test]
fn the_checker_rejects_wrong_rules_of_either_order() {
    checked(|x, dy| dy.mul(x)?.mul(2.0)).unwrap();
    let wrong: [fn(&Var, &Var) -> Result<Var>; 4] = [
        |x, dy| dy.mul(x)?.mul(2.02),
        |x, dy| dy.mul(x),
        |_, dy| dy.zeros_like(),
        |x, dy| dy.mul(&x.abs()?)?.mul(2.0),
    ];
    for wrong in wrong {
        assert!(matches!(checked(wrong), Err(Error::Gradient { order: "first", .. })));
    }
    // Right at this point, but not when it is differentiated again.
    let second = checked(|x, dy| dy.mul(&x.stop_gradient()?)?.mul(2.0)).unwrap_err();
    assert!(matches!(second, Error::Gradient { order: "second", .. }), "{second}");
    let text = second.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "the second derivative is wrong");
    assert!(lines[1].starts_with("  expected: ") && lines[1].ends_with(" (numerically)"));
    assert!(lines[2].starts_with("       got: "));
    // One element's gradient for all.
    assert_eq!(
        text_of_shape(),
        "the gradient rule of `claim` gives shape () for an input of shape (3,)\n      help: sum \
         it to the input's shape, e.g. with .sum_to_like(input)"
    );
    let none =
        check_gradients(|x| Ok(vec![x[0].stop_gradient()?]), &[Tensor::from([1.0])]);
    assert!(matches!(none, Err(Error::Independent { .. })));
}

fn text_of_shape() -> String {
    text(checked(|x, dy| dy.mul(x)?.sum(..)))
}

#[test]
fn the_checker_of_the_checker_finds_what_does_not_matter() {
    let zero = [Tensor::from([0.0, 0.0])];
    assert_eq!(
        text(check_rejections(|x| Ok(vec![x[0].square()?]), &zero)),
        "`square`: the wrong rule Scaled is not noticed\n      help: choose inputs at which the \
         gradient is not zero"
    );
    // The operations of the gradient are examined too.
    let rule = |x: &Var, dy: &Var| dy.mul(x)?.mul(2.0)?.add(&x.sin()?.mul(0.0)?);
    let x = [Tensor::from([0.5, -1.5])];
    let claimed = check_rejections(|x| Var::apply(Claim(rule), &[&x[0]]), &x);
    assert!(text(claimed).starts_with("`add`: the wrong rule Dropped(1) is not noticed"));
}

/// `(x - mean) / √(variance + ε)` along the last axis. Residual: `1 / √(variance + ε)`.
#[derive(Debug)]
struct Standardize;

const EPSILON: f64 = 1e-3;

impl Composite for Standardize {
    fn name(&self) -> &str {
        "standardize"
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        BTreeMap::from([("epsilon".to_owned(), Attribute::Float(EPSILON))])
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let x = &inputs[0];
        let centred = x.sub(&x.mean(keep(-1))?)?;
        let scale = centred.square()?.mean(keep(-1))?.add(EPSILON)?.rsqrt()?;
        Ok(vec![centred.mul(&scale)?, scale])
    }

    fn vjp(&self, rule: &Rule<'_>) -> Option<Result<Vec<Option<Var>>>> {
        let residual = &rule.outputs[1];
        let dx = rule.dy().and_then(|dy| {
            Var::composite(StandardizeBackward, &[rule.y(), residual, &dy])
        });
        Some(dx.map(|dx| dx.into_iter().map(Some).collect()))
    }
}

/// Inputs: `y`, the residual `s`, `dy`. `dx = s · (dy - mean(dy) - y · mean(dy · y))`.
#[derive(Debug)]
struct StandardizeBackward;

impl Composite for StandardizeBackward {
    fn name(&self) -> &str {
        "standardize_backward"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let [y, scale, dy] = inputs else { unreachable!("made with three inputs") };
        let along = y.mul(&dy.mul(y)?.mean(keep(-1))?)?;
        Ok(vec![dy.sub(&dy.mean(keep(-1))?)?.sub(&along)?.mul(scale)?])
    }
}

fn standardize(x: &Var) -> Result<Var> {
    Ok(Var::composite(Standardize, &[x])?.remove(0))
}

#[test]
fn composites_with_residuals_are_right_to_second_order() {
    let x = Tensor::from([[0.5, -1.5, 2.0], [0.1, 0.2, -0.9]]);
    check_gradients(|x| Ok(vec![standardize(&x[0])?]), std::slice::from_ref(&x)).unwrap();
    check_rejections(|x| Ok(vec![standardize(&x[0])?]), std::slice::from_ref(&x))
        .unwrap();
    // One inside the other, and one value as two inputs of a composite.
    check_gradients(|x| Ok(vec![standardize(&standardize(&x[0])?.sin()?)?]), &[x])
        .unwrap();
}

#[test]
fn composites_mean_the_same_with_forward_and_backward_by_kernel_or_body() {
    let x = Var::input("x", [2, 3], DType::F64);
    let loss = standardize(&x).unwrap().exp().unwrap().sum(..).unwrap();
    let dx = grad(&loss, &[&x]).unwrap().remove(0);
    let call = Function::new([&x], [&loss, &dx]).compile(&Device::reference()).unwrap();
    let given = Tensor::from([[0.5, -1.5, 2.0], [0.1, 0.2, -0.9]]);
    let program = call.program(&[given.spec()]).unwrap();
    let shown = program.to_string();
    for name in [" = standardize(", " = standardize_backward("] {
        assert_eq!(shown.matches(name).count(), 1, "{shown}");
    }
    check_composite(&Reference::new(), &program, &[given]).unwrap();
}

/// `a · b`, differentiated through its body.
#[derive(Debug)]
struct Product;

impl Composite for Product {
    fn name(&self) -> &str {
        "product"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        Ok(vec![inputs[0].mul(&inputs[1])?])
    }
}

#[test]
fn a_composite_without_a_rule_is_differentiated_through_its_body() {
    let x = Tensor::from([0.5, -1.5]);
    check_gradients(
        |x| {
            let square = Var::composite(Product, &[&x[0], &x[0]])?.remove(0);
            // One input is made of the other.
            Ok(vec![Var::composite(Product, &[&x[0], &square])?.remove(0), square])
        },
        &[x],
    )
    .unwrap();
}

/// Class numbers enter through an operation that has no gradient.
#[derive(Debug)]
struct Picked;

impl Composite for Picked {
    fn name(&self) -> &str {
        "picked"
    }

    fn body(&self, inputs: &[Var]) -> Result<Vec<Var>> {
        let classes = inputs[1].one_hot(3, DType::F64)?;
        Ok(vec![inputs[0].mul(&classes)?.sum(-1)?])
    }
}

#[test]
fn a_composites_data_may_enter_where_no_gradient_leads() {
    let x = Tensor::from([[0.5, -1.5, 2.0], [0.1, 0.2, -0.9]]);
    let inputs = [x.clone(), Tensor::from([2i64, 0])];
    check_gradients(|x| Var::composite(Picked, &[&x[0], &x[1]]), &inputs).unwrap();
    let x = Var::constant(&x);
    let best = x.argmax(-1).unwrap();
    let y = Var::composite(Picked, &[&x, &best]).unwrap().remove(0);
    let error = text(grad(&y.sum(..).unwrap(), &[&x]));
    assert!(error.starts_with("`one_hot` has no gradient"), "{error}");
}

#[test]
fn the_order_of_sums_follows_from_the_graph_alone() {
    let build = || {
        let x = Var::input("x", [3], DType::F32);
        let parts = [x.sin().unwrap(), x.exp().unwrap(), x.square().unwrap(), &x * 0.1];
        let sum = &(&(&parts[2] + &parts[0]) + &parts[3]) * &parts[1];
        let dx = grad(&sum.sum(..).unwrap(), &[&x]).unwrap().remove(0);
        let call = Function::new([&x], [&dx]).compile(&Device::reference()).unwrap();
        call.program(&[Tensor::zeros(DType::F32, [3]).spec()]).unwrap().to_string()
    };
    let first = build();
    // Addresses differ, because these are alive.
    let kept: Vec<_> = (0..100).map(|i| Var::scalar(DType::F32, f64::from(i))).collect();
    assert_eq!(build(), first);
    drop(kept);
}
