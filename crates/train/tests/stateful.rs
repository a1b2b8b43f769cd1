//! Recurrent layers whose states carry over from batch to batch.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use deckle_data::Arrays;
use deckle_nn::{
    Functional, LayerHandle, Model, Registry, Sequential, Symbol,
    layers::{Bidirectional, ConvLSTM1D, GRU, GRUCell, LSTM, LSTMCell, RNN, SimpleRNN},
    losses::MeanSquaredError,
};
use deckle_optim::Sgd;
use deckle_tensor::Tensor;
use deckle_train::{Compile, Fit, Trainable, load_model};

fn noise(shape: &[usize]) -> Tensor {
    Tensor::random_uniform(shape, -1.0..1.0, 3)
}

fn model(layer: impl Into<LayerHandle>, steps: Option<usize>, rest: &[usize]) -> Model {
    let lens: Vec<_> =
        std::iter::once(steps).chain(rest.iter().map(|&n| Some(n))).collect();
    let x = Symbol::batch_input("x", 2, deckle_nn::layers::KerasShape(lens));
    let y = layer.into().named("layer").call([&x], []).unwrap();
    Functional::new([&x], &y).seed(1).build().unwrap()
}

/// A sequence in two parts ends as the whole one does.
#[track_caller]
fn carries_over(
    stateful: impl Into<LayerHandle>,
    plain: impl Into<LayerHandle>,
    rest: &[usize],
) {
    let shape = [&[2, 6], rest].concat();
    let x = noise(&shape);
    let whole = model(plain, None, rest)
        .predictor()
        .unwrap()
        .predict(std::slice::from_ref(&x))
        .unwrap();
    let parts = model(stateful, None, rest);
    let predictor = parts.predictor().unwrap();
    let run = |from: usize, to: usize| {
        predictor.predict(&[x.slice((.., from..to)).unwrap()]).unwrap().remove(0)
    };
    let first = run(0, 2);
    let second = run(2, 6);
    assert!(
        second.allclose(&whole[0], 1e-5, 1e-5).unwrap(),
        "{second} is not {}",
        whole[0]
    );
    // Without what it remembers, it begins anew.
    assert_ne!(run(0, 2), first);
    parts.reset_states().unwrap();
    assert_eq!(run(0, 2), first);
}

#[test]
fn the_next_batch_begins_with_the_states_of_the_last() {
    carries_over(LSTM::new(3).stateful(true), LSTM::new(3), &[2]);
    carries_over(GRU::new(3).stateful(true), GRU::new(3), &[2]);
    carries_over(SimpleRNN::new(3).stateful(true), SimpleRNN::new(3), &[2]);
    carries_over(
        RNN::new(LSTMCell::new(3)).stateful(true),
        RNN::new(LSTMCell::new(3)),
        &[2],
    );
    let cells = || [GRUCell::new(3).into(), LSTMCell::new(2).into()];
    carries_over(RNN::stacked(cells()).stateful(true), RNN::stacked(cells()), &[2]);
    carries_over(ConvLSTM1D::new(2, 2).stateful(true), ConvLSTM1D::new(2, 2), &[4, 1]);
}

#[test]
fn states_of_a_layer_in_another_one_carry_over_too() {
    let layer = model(Bidirectional::new(GRU::new(2).stateful(true)), Some(3), &[2]);
    let predictor = layer.predictor().unwrap();
    let x = noise(&[2, 3, 2]);
    let first = predictor.predict(std::slice::from_ref(&x)).unwrap();
    assert_ne!(predictor.predict(&[x]).unwrap(), first);
}

/// More examples than the layer remembers are several batches; a part of one is an error.
#[test]
fn batches_have_one_size() {
    let rnn = model(LSTM::new(2).stateful(true), Some(3), &[2]);
    assert_eq!(rnn.fixed_batch(), Some(2));
    let predictor = rnn.predictor().unwrap();
    let y = predictor.predict(&[noise(&[4, 3, 2])]).unwrap();
    assert_eq!(y[0].shape(), [4, 2]);
    let error = predictor.predict(&[noise(&[3, 3, 2])]).unwrap_err().to_string();
    assert!(
        error.contains("batches of 2 examples") && error.contains("got: 1"),
        "{error}"
    );
    let data = Arrays::new(noise(&[3, 3, 2]), noise(&[3, 2])).unwrap();
    let mut trainer =
        rnn.compile(Compile::new(Sgd::new(), MeanSquaredError::new())).unwrap();
    let error = trainer.fit(&data, Fit::new().batch_size(3).verbose(0)).unwrap_err();
    assert!(error.to_string().contains("batches of 2 examples"), "{error}");
}

#[test]
fn training_remembers_and_files_do_not() {
    let build = || {
        let layers = Sequential::new([3, 2]).batch_size(2).seed(5);
        layers.add(GRU::new(2).stateful(true)).build().unwrap()
    };
    let rnn = build();
    let x = noise(&[4, 3, 2]);
    let data = Arrays::new(x.clone(), noise(&[4, 2])).unwrap();
    let compile = Compile::new(Sgd::new().learning_rate(0.0), MeanSquaredError::new());
    let mut trainer = rnn.compile(compile).unwrap();
    let fit = Fit::new().batch_size(2).epochs(2).shuffle(false).verbose(0);
    let history = trainer.fit(&data, fit).unwrap();
    let loss = history.get("loss").unwrap();
    // Nothing was learned, but the second epoch began with other states.
    assert!((loss[0] - loss[1]).abs() > 1e-6, "{loss:?}");
    assert_eq!(rnn.variables().len(), 3);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stateful");
    std::fs::create_dir_all(&folder).unwrap();
    rnn.save(folder.join("model.keras")).unwrap();
    let again = load_model(folder.join("model.keras"), &Registry::keras()).unwrap();
    assert_eq!(again.fixed_batch(), Some(2));
    let predict = |model: &Model| {
        model.predictor().unwrap().predict(std::slice::from_ref(&x)).unwrap()
    };
    rnn.reset_states().unwrap();
    assert_eq!(predict(&rnn), predict(&again));
}
