//! Values, masks, states, dropout and unknown lengths of the LSTM.

use deckle_autograd::{Device, Function};
use deckle_tensor::{DType, Tensor};

use super::*;
use crate::{
    LayerExt, LayerHandle, Model, Randomness, Sequential, Symbol, check_layer,
    layers::{Embedding, recurrent::composite::Extras},
};

/// `(0, 1, …, n - 1) / n - 0.5` in that shape.
fn lin(shape: &[usize]) -> Tensor {
    let size: usize = shape.iter().product();
    let values: Vec<_> = (0..size).map(|i| (i as f32) / (size as f32) - 0.5).collect();
    Tensor::new(values, shape).unwrap()
}

/// Compares the outputs of all steps with what Keras computes for weights and input `lin`.
#[track_caller]
pub(in crate::layers) fn golden(
    layer: impl Into<LayerHandle>,
    expected: &[f32],
) -> Result<()> {
    let model = Sequential::new([3, 2]).add(layer).build()?;
    set_lin(&model)?;
    let y = model.call(&[Var::constant(&lin(&[1, 3, 2]))], &mut Call::inference())?;
    close(&y[0].eval()?, expected);
    Ok(())
}

fn set_lin(model: &Model) -> Result<()> {
    for variable in model.variables() {
        variable.set(&lin(variable.shape()))?;
    }
    Ok(())
}

#[track_caller]
fn close(value: &Tensor, expected: &[f32]) {
    let value = value.to_vec::<f32>().unwrap();
    let fits = value.len() == expected.len()
        && value.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6);
    assert!(fits, "{value:?} is not {expected:?}");
}

#[test]
fn keeps_the_promises_of_a_layer() -> Result<()> {
    check_layer(&LSTM::new(2), [[2, 3, 2]])?;
    check_layer(&LSTM::new(2).return_sequences(true).return_state(true), [[2, 3, 1]])?;
    check_layer(
        &LSTM::new(2).activation(Activation::Softsign).go_backwards(true),
        [[2, 3, 1]],
    )?;
    check_layer(&LSTM::new(2).dropout(0.3).recurrent_dropout(0.4), [[2, 3, 2]])?;
    check_layer(&LSTM::new(2).dropout(0.3).use_bias(false), [[2, 3, 2]])?;
    let states = [vec![2, 2, 2], vec![2, 2], vec![2, 2]];
    check_layer(&LSTM::new(2).unit_forget_bias(false), states)
}

/// Keras 3.15.1.
#[test]
fn values_are_kerass() -> Result<()> {
    let expected = [0.009_967, 0.029_343, 0.015_192, 0.055_993, 0.017_774, 0.079_584];
    golden(LSTM::new(2).return_sequences(true), &expected)
}

/// The rule and differentiating through the body give the same gradients, orders one and two.
#[test]
fn the_gradient_is_right() -> Result<()> {
    let given = [lin(&[3, 2, 8]), lin(&[2, 2]), lin(&[2, 2]), lin(&[2, 8])];
    let given: Vec<_> = given.iter().map(|x| x.cast(DType::F64)).collect();
    let dropout = lin(&[4, 2, 2]).cast(DType::F64);
    check_loop(&given, &dropout, |extras, x| Var::composite(Lstm(extras), x))
}

/// Checks the gradients of a loop of three steps of two rows, with and without a mask and what
/// multiplies states.
pub(in crate::layers) fn check_loop(
    given: &[Tensor],
    dropout: &Tensor,
    run: impl Fn(Extras, &[&Var]) -> deckle_autograd::Result<Vec<Var>>,
) -> Result<()> {
    let mask = Tensor::new(vec![true, false, false, true, true, true], [3, 2])?;
    for (dropped, masked) in [(false, false), (false, true), (true, false), (true, true)]
    {
        let mut more = Vec::new();
        more.extend(dropped.then(|| Var::constant(dropout)));
        more.extend(masked.then(|| Var::constant(&mask)));
        let extras = Extras { dropped, masked };
        let with_more =
            |x: &[Var]| run(extras, &x.iter().chain(&more).collect::<Vec<_>>());
        deckle_autograd::check_gradients(with_more, given)?;
    }
    // As one of the numbers that have a gradient.
    let extras = Extras { dropped: true, masked: false };
    let given: Vec<_> = given.iter().chain([dropout]).cloned().collect();
    let run = |x: &[Var]| run(extras, &x.iter().collect::<Vec<_>>());
    Ok(deckle_autograd::check_gradients(run, &given)?)
}

#[test]
fn a_rate_too_small_to_drop_any_state_changes_nothing() -> Result<()> {
    let layer = LSTM::new(2).return_sequences(true);
    let run = |layer: LSTM| -> Result<Vec<f32>> {
        let model = Sequential::new([3, 2]).add(layer).build()?;
        set_lin(&model)?;
        let number = Var::constant(&Tensor::scalar(3i64));
        let mut call = Call::training(Randomness { seed: &number, step: &number });
        let y = model.call(&[Var::constant(&lin(&[1, 3, 2]))], &mut call)?.remove(0);
        let is_composite = y.inputs()[0].op().is_some_and(|op| op.name() == "lstm");
        assert!(is_composite, "one operation, with dropout or without");
        Ok(y.eval()?.to_vec()?)
    };
    let expected = run(layer.clone())?;
    close(&Tensor::new(run(layer.recurrent_dropout(1e-9))?, [6])?, &expected);
    Ok(())
}

#[test]
fn the_forget_gate_starts_open() -> Result<()> {
    let model = Sequential::new([3, 2]).add(LSTM::new(2)).build()?;
    let bias = model.variables()[2].value()?;
    assert_eq!(bias.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let names: Vec<_> = model.variables().iter().map(|v| v.name().to_owned()).collect();
    assert_eq!(
        names,
        ["lstm/cell/kernel", "lstm/cell/recurrent_kernel", "lstm/cell/bias"]
    );
    Ok(())
}

/// Outputs for words, where 0 is masked, and any number of steps.
fn masked(layer: LSTM, words: &Tensor) -> Result<Vec<Tensor>> {
    let x = Symbol::typed_input("words", [None], DType::I32);
    let vectors = Embedding::new(5, 3).mask_zero(true).apply(&x)?;
    let model = Model::new([&x], &layer.shared().call([&vectors], [])?)?;
    for variable in model.variables() {
        let value = lin(variable.shape()).mul(3.0f32)?;
        variable.set(&value)?;
    }
    let x = Var::input("words", [None, None], DType::I32);
    let y = model.call(std::slice::from_ref(&x), &mut Call::inference())?;
    Ok(Function::new([&x], &y)
        .compile(&Device::reference())?
        .call(std::slice::from_ref(words))?)
}

#[test]
fn masked_steps_keep_states() -> Result<()> {
    let short = Tensor::new(vec![3i32, 2], [1, 2])?;
    let padded = Tensor::new(vec![0i32, 3, 0, 2, 0], [1, 5])?;
    let layer = LSTM::new(2).return_state(true);
    assert_eq!(masked(layer.clone(), &short)?, masked(layer, &padded)?);
    let layer = LSTM::new(2).return_sequences(true);
    let short = masked(layer.clone(), &short)?.remove(0).to_vec::<f32>()?;
    let long = masked(layer.clone(), &padded)?.remove(0).to_vec::<f32>()?;
    let (zero, first, second) = (&[0.0; 2][..], &short[..2], &short[2..]);
    assert_eq!(long, [zero, first, first, second, second].concat());
    let long =
        masked(layer.zero_output_for_mask(true), &padded)?.remove(0).to_vec::<f32>()?;
    assert_eq!(long, [zero, first, zero, second, zero].concat());
    let last = masked(LSTM::new(2).zero_output_for_mask(true), &padded)?.remove(0);
    assert_eq!(last.to_vec::<f32>()?, zero);
    Ok(())
}

#[test]
fn no_step_at_all_leaves_the_states() -> Result<()> {
    let none = Tensor::new(Vec::<i32>::new(), [2, 0])?;
    let y = masked(LSTM::new(2).return_state(true), &none)?;
    assert_eq!(y[1].to_vec::<f32>()?, [0.0; 4]);
    Ok(())
}

#[test]
fn backwards_is_the_reversed_input() -> Result<()> {
    let forward = Tensor::new(vec![1i32, 0, 3, 0, 0], [1, 5])?;
    let backward = Tensor::new(vec![0i32, 0, 3, 0, 1], [1, 5])?;
    let layer = LSTM::new(2).return_sequences(true).return_state(true);
    let expected = masked(layer.clone(), &forward)?;
    assert_eq!(masked(layer.go_backwards(true), &backward)?, expected);
    Ok(())
}

#[test]
fn states_can_be_given() -> Result<()> {
    let x = Symbol::input("x", [3, 2]);
    let first = LSTM::new(2).return_sequences(true).return_state(true).shared();
    let by_name = |x: &Symbol, states: &[Symbol]| -> Result<Vec<Symbol>> {
        first.call([x], states.iter().map(|state| ("initial_state", state)))
    };
    let a = first.call([&x], [])?;
    let b = by_name(&x, &a[1..])?;
    let c = first.call([&x, &a[1], &a[2]], [])?;
    let twice = Symbol::input("twice", [6, 2]);
    let d = first.call([&twice], [])?;
    let model = Model::new([&x, &twice], [&b[1], &c[1], &d[1]])?;
    set_lin(&model)?;
    let x = lin(&[1, 3, 2]);
    let twice = Tensor::concatenate(&[&x, &x], 1)?;
    let inputs = [Var::constant(&x), Var::constant(&twice)];
    let y = model.call(&inputs, &mut Call::inference())?;
    let expected = y[2].eval()?.to_vec::<f32>()?;
    close(&y[0].eval()?, &expected);
    close(&y[1].eval()?, &expected);
    Ok(())
}

#[test]
fn dropout_is_drawn_once_for_all_steps() -> Result<()> {
    let layer = LSTM::new(1).dropout(0.5).return_sequences(true);
    let model = Sequential::new([4, 1]).add(layer).build()?;
    for variable in model.variables() {
        variable.set(&Tensor::full(variable.shape(), 0.5f32))?;
    }
    let number = Var::constant(&Tensor::scalar(3i64));
    let mut call = Call::training(Randomness { seed: &number, step: &number });
    let x = Var::constant(&Tensor::full([64, 4, 1], 1.0f32));
    let y = model.call(&[x], &mut call)?[0].eval()?.to_vec::<f32>()?;
    let rows: std::collections::BTreeSet<Vec<u32>> =
        y.chunks(4).map(|row| row.iter().map(|y| y.to_bits()).collect()).collect();
    assert_eq!(rows.len(), 2, "a sample has its input at all steps or at none");
    Ok(())
}

#[test]
fn what_makes_no_sense_is_named() {
    let sequence = Shape::from([None, None, Some(3)]);
    let error = |layer: LSTM, shape: &Shape| {
        layer.output_shape(std::slice::from_ref(shape)).unwrap_err().to_string()
    };
    assert_eq!(
        error(LSTM::new(2), &[None, Some(3)].into()),
        "cannot take this input\n  expected: (batch, time, features)\n       got: (batch, 3)\n      \
         help: add an axis for time or features, e.g. with an Embedding or Reshape"
    );
    assert_eq!(
        error(LSTM::new(2).dropout(1.0), &sequence),
        "`dropout` makes no sense\n  expected: a number from 0 to below 1\n       got: 1"
    );
    let shapes = [sequence, [None, Some(2)].into()];
    assert_eq!(
        LSTM::new(2).output_shape(&shapes).unwrap_err().to_string(),
        "cannot start with these states\n  expected: 2 of shape (batch, 2)\n       got: (batch, 2)"
    );
}
