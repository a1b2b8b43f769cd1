//! Layers that break a promise are rejected.

use deckle_autograd::{Lower, Op, Result as GraphResult, Rule, Signature, Variable};
use deckle_tensor::{Unary, Value};
use serde::Deserialize;

use super::*;
use crate::{Init, Initializer, Inputs};

/// What is wrong with a layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Fault {
    None,
    Shape,
    Gradient,
    ForgottenWeight,
    SameNames,
    Infinite,
    MixedExamples,
    UpdateInInference,
    UpdateWhenFrozen,
    UpdateOfWeight,
}

/// `x · weight`, with something wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    fault: Fault,
    #[serde(skip)]
    lost: bool,
}

#[derive(Debug)]
struct BuiltScale {
    fault: Fault,
    weight: Variable,
    state: Variable,
}

impl Layer for Scale {
    fn class_name(&self) -> &'static str {
        "Scale"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if self.fault == Fault::Shape {
            return Ok(vec![inputs[0].with(-1, 7)?]);
        }
        Ok(vec![inputs[0].clone()])
    }

    fn build(&self, _: &[Shape], init: &mut Init<'_>) -> Result<Box<dyn crate::Built>> {
        let weight = init.variable("weight", [], &Initializer::Ones)?;
        let name = if self.fault == Fault::SameNames { "weight" } else { "state" };
        let state = init.state(name, [], &Initializer::Zeros)?;
        Ok(Box::new(BuiltScale { fault: self.fault, weight, state }))
    }
}

impl crate::Built for BuiltScale {
    fn call(&self, inputs: &Inputs, call: &mut Call<'_>) -> Result<Vec<Var>> {
        let x = inputs.only()?;
        let weight = match self.fault {
            Fault::ForgottenWeight => self.weight.read(),
            _ => call.read(&self.weight),
        };
        let y = x.mul(&weight)?;
        let state = call.read(&self.state).add(1.0)?;
        if call.updates_state()
            || self.fault == Fault::UpdateInInference
            || self.fault == Fault::UpdateWhenFrozen && call.is_training()
        {
            call.update(&self.state, &state);
        }
        if self.fault == Fault::UpdateOfWeight && call.is_training() {
            call.update(&self.weight, &weight.add(1.0)?);
        }
        Ok(vec![match self.fault {
            Fault::Gradient => Var::apply_one(WrongSquare, &[&y])?,
            Fault::Infinite => y.div(&y.sub(&y)?)?,
            Fault::MixedExamples => y.sub(&y.mean(deckle_tensor::keep(0))?)?,
            _ => y,
        }])
    }
}

/// The square, with the gradient of the identity.
#[derive(Debug)]
struct WrongSquare;

impl Op for WrongSquare {
    fn name(&self) -> &str {
        "wrong_square"
    }

    fn infer(&self, inputs: &[Signature]) -> GraphResult<Vec<Signature>> {
        Ok(inputs.to_vec())
    }

    fn lower(&self, inputs: &[Value], lower: &mut Lower<'_>) -> GraphResult<Vec<Value>> {
        Ok(vec![lower.unary(Unary::Square, inputs[0])?])
    }

    fn vjp(&self, rule: &Rule<'_>) -> GraphResult<Vec<Option<Var>>> {
        Ok(vec![Some(rule.dy()?)])
    }
}

#[track_caller]
fn rejects(layer: &Scale, promise: &str) {
    let error = check_layer(layer, [[3, 2]]).expect_err("the layer is wrong").to_string();
    assert!(error.contains(promise), "{error}");
}

#[test]
fn a_right_layer_passes() -> Result<()> {
    check_layer(&Scale { fault: Fault::None, lost: false }, [[3, 2]])
}

#[test]
fn every_broken_promise_is_noticed() {
    let with = |fault| Scale { fault, lost: false };
    rejects(&Scale { fault: Fault::None, lost: true }, "a round trip through JSON");
    rejects(&with(Fault::Shape), "the shapes of output_shape");
    rejects(&with(Fault::Gradient), "gradients are right");
    rejects(&with(Fault::ForgottenWeight), "has an effect");
    rejects(&with(Fault::SameNames), "names that differ");
    rejects(&with(Fault::Infinite), "outputs are finite");
    rejects(&with(Fault::MixedExamples), "do not influence each other");
    rejects(&with(Fault::UpdateInInference), "state changes in training only");
    rejects(&with(Fault::UpdateWhenFrozen), "a frozen layer's state does not change");
    rejects(&with(Fault::UpdateOfWeight), "left to the optimizer");
}
