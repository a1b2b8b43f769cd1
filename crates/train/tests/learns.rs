//! Training from end to end on small problems.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use deckle_data::Arrays;
use deckle_nn::{Activation, Sequential, layers::Dense, losses::BinaryCrossentropy};
use deckle_optim::Adam;
use deckle_tensor::Tensor;
use deckle_train::{Accuracy, Compile, Fit, Trainable};

fn xor() -> Arrays {
    let x = Tensor::new(vec![0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]).unwrap();
    let y = Tensor::new(vec![0.0f32, 1.0, 1.0, 0.0], [4, 1]).unwrap();
    Arrays::new(x, y).unwrap()
}

#[test]
fn a_network_learns_xor() {
    let model = Sequential::new([2])
        .add(Dense::new(8).activation(Activation::Tanh))
        .add(Dense::new(1).activation(Activation::Sigmoid))
        .seed(1)
        .build()
        .unwrap();
    let compile =
        Compile::new(Adam::new().learning_rate(0.05), BinaryCrossentropy::new());
    let mut trainer = model.compile(compile.metric(Accuracy::new())).unwrap();
    let history =
        trainer.fit(&xor(), Fit::new().epochs(200).batch_size(4).verbose(0)).unwrap();
    let loss = history.get("loss").unwrap();
    assert!(loss[0] > 0.5 && loss[199] < 0.05, "{loss:?}");
    assert_eq!(trainer.evaluate(&xor()).unwrap().get("accuracy"), Some(1.0));
}
