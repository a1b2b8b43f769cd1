//! The same seed gives the same bits, on any number of threads.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use deckle::prelude::*;

/// Trains a model for two epochs on a device with that many threads; returns all weights.
fn train(model: &Sequential, data: &Arrays, threads: usize, seed: u64) -> Vec<Tensor> {
    let device = Device::new(Cpu::with_threads(threads));
    let model = model.clone().seed(seed).build().unwrap();
    let compile = Compile::new(Adam::new(), SparseCategoricalCrossentropy::new());
    let mut trainer =
        model.compile(compile.metric(Accuracy::new()).device(&device)).unwrap();
    let history =
        trainer.fit(data, Fit::new().epochs(2).batch_size(16).verbose(0)).unwrap();
    assert!(history.get("loss").unwrap().iter().all(|loss| loss.is_finite()));
    model.variables().iter().map(|variable| variable.value().unwrap()).collect()
}

#[track_caller]
fn check(model: &Sequential, data: &Arrays) {
    let expected = train(model, data, 1, 7);
    for threads in [1, 2, 3] {
        for (ours, expected) in train(model, data, threads, 7).iter().zip(&expected) {
            assert!(ours.bits_equal(expected), "{threads} threads give other bits");
        }
    }
    let other = train(model, data, 2, 8);
    assert!(
        other.iter().zip(&expected).any(|(a, b)| !a.bits_equal(b)),
        "the seed is ignored"
    );
}

fn labels(count: usize, classes: usize) -> Tensor {
    let labels: Vec<i64> = (0..count).map(|i| (i * 5 % classes) as i64).collect();
    Tensor::new(labels, [count]).unwrap()
}

#[test]
fn a_multilayer_perceptron_is_reproducible() {
    let model = Sequential::new([37])
        .add(Dense::new(65).activation(Relu))
        .add(Dense::new(5).activation(Softmax));
    let x = Tensor::random_uniform([70, 37], -1.0..1.0, 1);
    check(&model, &Arrays::new(x, labels(70, 5)).unwrap());
}

#[test]
fn a_convnet_with_batch_normalization_and_dropout_is_reproducible() {
    let model = Sequential::new([12, 11, 3])
        .add(Conv2D::new(9, 3))
        .add(BatchNormalization::new())
        .add(deckle::nn::layers::Activation::new(Relu))
        .add(MaxPooling2D::new(2))
        .add(Dropout::new(0.3))
        .add(Flatten::new())
        .add(Dense::new(4).activation(Softmax));
    let x = Tensor::random_uniform([45, 12, 11, 3], -1.0..1.0, 2);
    check(&model, &Arrays::new(x, labels(45, 4)).unwrap());
}

#[test]
fn a_masked_lstm_is_reproducible() {
    let model = Sequential::typed([None], DType::I32)
        .add(Embedding::new(20, 8).mask_zero(true))
        .add(LSTM::new(6))
        .add(Dense::new(3).activation(Softmax));
    let ids: Vec<i32> = (0..40 * 9).map(|i| i * 7 % 11 * i32::from(i % 9 < 6)).collect();
    let x = Tensor::new(ids, [40, 9]).unwrap();
    check(&model, &Arrays::new(x, labels(40, 3)).unwrap());
}
