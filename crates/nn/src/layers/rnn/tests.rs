//! Cells over sequences.

use deckle_tensor::{DType, Tensor};

use super::*;
use crate::{Initializer, LayerExt, Model, Symbol, check_layer, layers::Dense};

#[test]
fn keeps_the_promises_of_a_layer() -> Result<()> {
    check_layer(&RNN::new(LSTMCell::new(2)), [[2, 3, 2]])?;
    check_layer(
        &RNN::new(GRUCell::new(2).dropout(0.3)).return_sequences(true).return_state(true),
        [[2, 3, 1]],
    )?;
    check_layer(
        &RNN::stacked([LSTMCell::new(1).into(), SimpleRNNCell::new(2).into()])
            .go_backwards(true)
            .return_sequences(true),
        [[2, 3, 1]],
    )?;
    check_layer(&RNN::new(SimpleRNNCell::new(2)), [vec![2, 3, 1], vec![2, 2]])
}

/// The cell in an `RNN` computes what the layer computes.
#[test]
fn a_cell_over_steps_is_the_layer() -> Result<()> {
    let x = Symbol::input("x", [3, 2]);
    let mask = Symbol::typed_input("mask", [3], DType::Bool);
    let state = Symbol::input("state", [2]);
    let ones = || Initializer::Constant(0.3);
    let cell = LSTMCell::new(2).kernel_initializer(ones());
    let cell = cell.recurrent_initializer(ones());
    let layer = LSTM::new(2).kernel_initializer(ones()).recurrent_initializer(ones());
    let (with_mask, all) = ([("mask", &mask)], [&x, &state, &state]);
    // A frozen cell runs by the loop over steps.
    let cell = Wrapped::from(cell).with(|cell| cell.clone().trainable(false));
    let a = RNN::new(cell).return_sequences(true).shared();
    let a = a.call(all, with_mask)?;
    let b = layer.return_sequences(true).shared().call(all, with_mask)?;
    let model = Model::new([&x, &mask, &state], [&a[0], &b[0]])?;
    let x = Tensor::new(vec![0.1f32, 0.5, -0.4, 0.9, 0.3, -0.7], [1, 3, 2])?;
    let mask = Tensor::new(vec![false, true, false], [1, 3])?;
    let state = Tensor::full([1, 2], 0.5f32);
    let given = [x, mask, state].map(|tensor| Var::constant(&tensor));
    let made = model.call(&given, &mut Call::inference())?;
    assert!(made[0].eval()?.allclose(&made[1].eval()?, 1e-6, 1e-6)?);
    let y = made[0].eval()?.to_vec::<f32>()?;
    assert_eq!((&y[..2], &y[2..4]), (&[0.5, 0.5][..], &y[4..]));
    Ok(())
}

/// A stack of cells that have layers computes what the loop over steps computes.
#[test]
fn a_stack_is_its_cells_one_after_another() -> Result<()> {
    let cells = |trainable: bool| -> [Wrapped; 3] {
        let ones = || Initializer::Constant(0.3);
        let lstm = LSTMCell::new(2).kernel_initializer(ones());
        let gru = GRUCell::new(3).kernel_initializer(ones());
        let simple = SimpleRNNCell::new(2).kernel_initializer(ones());
        let cells: [Wrapped; 3] = [
            lstm.recurrent_initializer(ones()).into(),
            gru.recurrent_initializer(ones()).into(),
            simple.recurrent_initializer(ones()).into(),
        ];
        cells.map(|cell| cell.with(|cell| cell.clone().trainable(trainable)))
    };
    let x = Symbol::input("x", [4, 2]);
    let mask = Symbol::typed_input("mask", [4], DType::Bool);
    let units = [2, 2, 3, 2];
    let states: [Symbol; 4] =
        std::array::from_fn(|i| Symbol::input(&format!("s{i}"), [units[i]]));
    for flags in 0..16 {
        let flag = |bit: u32| (flags >> bit) & 1 == 1;
        let outputs = |trainable: bool| -> Result<Vec<Symbol>> {
            let layer = RNN::stacked(cells(trainable))
                .return_sequences(flag(0))
                .return_state(true)
                .zero_output_for_mask(flag(1))
                .go_backwards(flag(2))
                .unroll(flag(3));
            let all: Vec<_> = std::iter::once(&x).chain(&states).collect();
            layer.shared().call(all, [("mask", &mask)])
        };
        let (a, b) = (outputs(true)?, outputs(false)?);
        let inputs: Vec<_> = [&x, &mask].into_iter().chain(&states).collect();
        let model = Model::new(inputs, a.iter().chain(&b).collect::<Vec<_>>())?;
        let paths: Vec<_> = model
            .weights()
            .filter_map(|weight| {
                Some(weight.variable().name().split_once('/')?.1.to_owned())
            })
            .collect();
        assert_eq!((paths.len(), &paths[..9]), (18, &paths[9..]));
        let ramp = |shape: &[usize]| -> Result<Tensor> {
            let len = shape.iter().product::<usize>();
            let numbers: Vec<f32> = (0..len).map(|i| i as f32 / 8.0 - 0.4).collect();
            Ok(Tensor::new(numbers, shape)?)
        };
        let mask = vec![false, true, false, true, true, true, false, false];
        let mut given = vec![ramp(&[2, 4, 2])?, Tensor::new(mask, [2, 4])?];
        for units in units {
            given.push(ramp(&[2, units])?);
        }
        let given: Vec<_> = given.iter().map(Var::constant).collect();
        let made = model.call(&given, &mut Call::inference())?;
        assert_eq!(made.len(), 10);
        for (a, b) in made[..5].iter().zip(&made[5..]) {
            assert!(a.eval()?.allclose(&b.eval()?, 1e-6, 1e-6)?, "flags {flags}");
        }
    }
    Ok(())
}

#[test]
fn a_layer_that_is_no_cell_is_named() {
    let error = RNN::new(Dense::new(2)).output_shape(&[[2, 3, 1].into()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run this layer over steps\n  expected: a cell, as LSTMCell\n       \
         got: Dense\n      help: a cell has Layer::state_shapes"
    );
}
