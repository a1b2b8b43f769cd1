//! Which layers pass masks on, join them, use them, and drop them.

use deckle_autograd::Var;
use deckle_nn::{
    Activation, Call, LayerExt, LayerHandle, Model, Result, Symbol,
    layers::{
        self, Add, BatchNormalization, Concatenate, Conv1D, Dense, Dropout, Embedding,
        Flatten, GRUCell, GlobalMaxPooling1D, GroupNormalization, LSTM, MaxPooling1D,
        Multiply, RNN, ReLU, Rescaling, Reshape, SimpleRNN, Softmax,
    },
};
use deckle_tensor::{DType, Tensor};

/// Outputs and their masks for two sentences of three words, 0 being masked.
fn run(model: &Model, words: &[[i32; 6]]) -> Result<Vec<(Tensor, Option<Vec<bool>>)>> {
    let inputs = words.iter().map(|words| Tensor::new(words, [2, 3]));
    let inputs =
        inputs.map(|words| Ok(Var::constant(&words?))).collect::<Result<Vec<_>>>()?;
    let mut call = Call::inference();
    let outputs = model.call(&inputs, &mut call)?;
    let of = |output: &Var| -> Result<(Tensor, Option<Vec<bool>>)> {
        let mask = call.mask(output).map(Var::eval).transpose()?;
        Ok((output.eval()?, mask.map(|mask| mask.to_vec()).transpose()?))
    };
    outputs.iter().map(of).collect()
}

const WORDS: [i32; 6] = [3, 0, 2, 1, 1, 0];
const MASK: [bool; 6] = [true, false, true, true, true, false];

fn words(name: &str) -> Result<(Symbol, Symbol)> {
    let words = Symbol::typed_input(name, [3], DType::I32);
    let vectors = Embedding::new(5, 2).mask_zero(true).apply(&words)?;
    Ok((words, vectors))
}

#[track_caller]
fn check(layer: impl Into<LayerHandle>, expected: Option<&[bool]>) {
    let layer: LayerHandle = layer.into();
    let mask = || -> Result<Option<Vec<bool>>> {
        let (words, vectors) = words("words")?;
        let model = Model::new([&words], [&layer.apply(&vectors)?])?;
        Ok(run(&model, &[WORDS])?.remove(0).1)
    };
    assert_eq!(mask().expect("the model runs").as_deref(), expected, "{layer:?}");
}

#[test]
fn layers_pass_masks_on_as_in_keras() {
    check(Dense::new(3), Some(&MASK));
    check(Dense::new(3).shared().dtype(DType::F64), Some(&MASK));
    check(Dropout::new(0.5), Some(&MASK));
    check(layers::Activation::new(Activation::Tanh), Some(&MASK));
    check(ReLU::new(), Some(&MASK));
    check(Softmax::new(), Some(&MASK));
    check(BatchNormalization::new(), Some(&MASK));
    check(LSTM::new(2).return_sequences(true), Some(&MASK));
    check(LSTM::new(2), None);
    check(Flatten::new(), None);
    check(Reshape::new([3, 2]), None);
    check(Rescaling::new(2.0), Some(&MASK));
    check(GroupNormalization::new(1), Some(&MASK));
    check(Conv1D::new(2, 1), None);
    check(MaxPooling1D::new(1), None);
    check(GlobalMaxPooling1D::new(), None);
}

/// A layer that changes nothing drops the mask for what follows it, not for its input.
#[test]
fn a_dropped_mask_still_belongs_to_the_input() -> Result<()> {
    let (words, x) = words("words")?;
    let same = Reshape::new([3, 2]).apply(&x)?;
    let model = Model::new([&words], [&same, &x])?;
    let made = run(&model, &[WORDS])?;
    assert_eq!(made[0].1, None);
    assert_eq!(made[1].1.as_deref(), Some(&MASK[..]));
    assert_eq!(made[0].0, made[1].0);
    Ok(())
}

const OTHER: [i32; 6] = [0, 0, 1, 2, 0, 0];
const EITHER: [bool; 6] = [true, false, true, true, true, false];

#[test]
fn joined_tensors_keep_what_any_of_them_keeps() -> Result<()> {
    let (a, x) = words("a")?;
    let (b, y) = words("b")?;
    let plain = Reshape::new([3, 2]).apply(&y)?;
    let outputs = [
        Add::new().join([&x, &y])?,
        Multiply::new().join([&x, &plain])?,
        Add::new().join([&x])?,
        Concatenate::new().join([&x, &y])?,
        Concatenate::new().axis(1).join([&y, &x])?,
        Concatenate::new().axis(1).join([&plain, &x])?,
    ];
    let model = Model::new([&a, &b], &outputs)?;
    let made = run(&model, &[WORDS, OTHER])?;
    let masks: Vec<_> = made.into_iter().map(|(_, mask)| mask).collect();
    assert_eq!(masks[0].as_deref(), Some(&EITHER[..]));
    assert_eq!(masks[1], None, "one input without a mask");
    assert_eq!(masks[2].as_deref(), Some(&MASK[..]));
    assert_eq!(masks[3].as_deref(), Some(&EITHER[..]));
    let one_after_the_other =
        [false, false, true, true, false, true, true, false, false, true, true, false];
    assert_eq!(masks[4].as_deref(), Some(&one_after_the_other[..]));
    let all_and_then =
        [true, true, true, true, false, true, true, true, true, true, true, false];
    assert_eq!(masks[5].as_deref(), Some(&all_and_then[..]));
    Ok(())
}

/// Keras 3.15.1: with states, the mask of the input is not used, unless it is given by name.
#[test]
fn given_states_hide_the_inputs_mask() -> Result<()> {
    let (words, x) = words("words")?;
    let plain = Reshape::new([3, 2]).apply(&x)?;
    let states = LSTM::new(2).return_state(true).shared().call([&x], [])?;
    let states = || states[1..].iter().map(|state| ("initial_state", state));
    let layer = LSTM::new(2).return_sequences(true).shared();
    let mask = not_zero().apply(&words)?;
    let outputs = [
        layer.call([&x], states())?,
        layer.call([&plain], states())?,
        layer.call([&x], states().chain([("mask", &mask)]))?,
    ];
    let model = Model::new([&words], outputs.iter().flatten())?;
    let made = run(&model, &[WORDS])?;
    assert_eq!(made[0].0, made[1].0);
    assert_eq!(made[0].1.as_deref(), Some(&MASK[..]));
    assert_ne!(made[0].0, made[2].0);
    let masked = made[2].0.slice((0, ..2))?;
    assert_eq!(masked.slice(0)?, masked.slice(1)?);
    Ok(())
}

fn not_zero() -> layers::Operation {
    let constant = deckle_nn::Nest::Constant(0.into());
    layers::Operation::new("NotEqual").expect("an operation").arguments(
        deckle_nn::Arguments {
            positional: vec![deckle_nn::Nest::One(0), constant],
            named: Vec::new(),
        },
    )
}

/// The output before a masked step, and 0 before the first that counts, whatever else is set.
#[test]
fn unrolled_loops_know_no_zeros_for_masked_steps() -> Result<()> {
    let words = Symbol::typed_input("words", [3], DType::I32);
    let vectors = Embedding::new(5, 2).mask_zero(true).apply(&words)?;
    let simple = |unroll| {
        let layer = SimpleRNN::new(1).return_sequences(true).zero_output_for_mask(true);
        layer.unroll(unroll).activation(Activation::Exponential)
    };
    let cell = |unroll| {
        let layer = RNN::new(GRUCell::new(1).activation(Activation::Exponential));
        layer.return_sequences(true).zero_output_for_mask(true).unroll(unroll)
    };
    for unroll in [false, true] {
        let outputs = [
            simple(unroll).apply(&vectors)?,
            cell(unroll).apply(&vectors)?,
            simple(unroll).return_sequences(false).apply(&vectors)?,
        ];
        let model = Model::new([&words], &outputs)?;
        // Between two words, at the end; and at the beginning.
        for (output, _) in run(&model, &[[3, 0, 2, 0, 4, 0]])? {
            let y = output.to_vec::<f32>()?;
            let is_zero = |at: usize| y[at].to_bits() == 0;
            if y.len() == 2 {
                assert_eq!([is_zero(0), is_zero(1)], [false, !unroll], "{y:?}");
                continue;
            }
            let repeats = |at: usize| y[at].to_bits() == y[at - 1].to_bits();
            assert_eq!([repeats(1), repeats(5)], [unroll; 2], "{y:?}");
            assert_eq!([is_zero(1), is_zero(3)], [!unroll, true], "{y:?}");
        }
    }
    Ok(())
}
