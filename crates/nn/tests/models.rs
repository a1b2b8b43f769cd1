//! Models of several inputs, outputs and uses of a layer; what is wrong is named.

use deckle_autograd::{Var, grad};
use deckle_nn::{
    Call, Functional, LayerExt, Model, Randomness, Regularizer, Result, Sequential,
    Symbol,
    layers::{Concatenate, Dense, Dropout, Embedding, Flatten, LSTM, Reshape},
};
use deckle_tensor::{DType, Tensor};

#[track_caller]
fn text<T: std::fmt::Debug>(result: Result<T>, expected: &str) {
    let error = result.expect_err("this is wrong");
    assert_eq!(error.to_string(), expected);
    // What `main` prints is the same.
    assert_eq!(format!("{error:?}"), expected);
}

/// Two inputs, two outputs, and a layer on both inputs.
fn two_in_two_out() -> Result<Model> {
    let (left, right) = (Symbol::input("left", [3]), Symbol::input("right", [3]));
    let shared = Dense::new(2).named("shared");
    let joined =
        Concatenate::new().join([&shared.apply(&left)?, &shared.apply(&right)?])?;
    let score = Dense::new(1).named("score").apply(&joined)?;
    let kind = Dense::new(3).named("kind").apply(&joined)?;
    Functional::new([&left, &right], [&score, &kind]).seed(3).build()
}

#[test]
fn a_shared_layer_has_its_weights_once() -> Result<()> {
    let model = two_in_two_out()?;
    assert_eq!(model.count_params(), (3 * 2 + 2) + (4 + 1) + (4 * 3 + 3));
    let names: Vec<_> = model.inputs().map(|(name, ..)| name).collect();
    assert_eq!(names, ["left", "right"]);
    let outputs: Vec<_> =
        model.outputs().map(|(name, shape)| format!("{name} {shape}")).collect();
    assert_eq!(outputs, ["score (batch, 1)", "kind (batch, 3)"]);
    let shared = model.layers().iter().position(|layer| layer.name() == "shared");
    let calls = model.calls().iter().filter(|call| Some(call.layer) == shared);
    assert_eq!(calls.count(), 2);
    Ok(())
}

#[test]
fn a_shared_layers_gradient_is_that_of_both_uses() -> Result<()> {
    let model = two_in_two_out()?;
    let of = |left: f32, right: f32| -> Result<Vec<f32>> {
        let inputs = [left, right].map(|x| Var::constant(&Tensor::full([1, 3], x)));
        let y = model.call(&inputs, &mut Call::inference())?.remove(0);
        let bias = model.layer("shared")?.weights()[0].variable().read();
        Ok(grad(&y.sum(..)?, &[&bias])?.remove(0).eval()?.to_vec()?)
    };
    let (both, left, right) = (of(1.0, 2.0)?, of(1.0, 0.0)?, of(0.0, 2.0)?);
    for i in 0..both.len() {
        assert!((both[i] - left[i] - right[i]).abs() < 1e-5);
    }
    Ok(())
}

#[test]
fn two_uses_of_dropout_draw_twice() -> Result<()> {
    let x = Symbol::input("x", [64]);
    let layer = Dropout::new(0.5).shared();
    let model = Model::new([&x], [&layer.apply(&x)?, &layer.apply(&x)?])?;
    let number = Var::constant(&Tensor::scalar(1i64));
    let mut call = Call::training(Randomness { seed: &number, step: &number });
    let y = model.call(&[Var::constant(&Tensor::full([1, 64], 1.0f32))], &mut call)?;
    assert_ne!(y[0].eval()?, y[1].eval()?);
    Ok(())
}

#[test]
fn weights_depend_on_seed_and_name_alone() -> Result<()> {
    let kernel = |seed, first: usize| -> Result<Tensor> {
        let model = Sequential::new([4])
            .add(Dense::new(first).named("first"))
            .add(Flatten::new())
            .add(Dense::new(2).named("last"))
            .seed(seed)
            .build()?;
        Ok(model.layer("first")?.weights()[0].variable().value()?)
    };
    assert_eq!(kernel(1, 3)?, kernel(1, 3)?);
    assert_ne!(kernel(1, 3)?, kernel(2, 3)?);
    Ok(())
}

#[test]
fn layers_get_kerass_names() -> Result<()> {
    let model = Sequential::typed([None], DType::I32)
        .add(Embedding::new(9, 2))
        .add(LSTM::new(3))
        .add(Dense::new(4))
        .add(Dense::new(4).named("dense_1"))
        .add(Dense::new(4))
        .build()?;
    let names: Vec<_> =
        model.layers().iter().skip(1).map(deckle_nn::ModelLayer::name).collect();
    assert_eq!(names, ["embedding", "lstm", "dense", "dense_1", "dense_2"]);
    text(model.layer("dens"), "unknown layer `dens`\n      help: did you mean `dense`?");
    Ok(())
}

#[test]
fn a_layer_that_cannot_take_its_input_is_named() {
    text(
        Sequential::new([28, 28]).add(Flatten::new()).add(LSTM::new(4)).build(),
        "layer `lstm` (LSTM): cannot take this input\n  expected: (batch, time, features)\n       \
         got: (batch, 784)\n      help: add an axis for time or features, e.g. with an Embedding \
         or Reshape",
    );
    text(
        Sequential::new(()).add(Dense::new(3)).add(Dense::new(4)).build(),
        "layer `dense` (Dense): cannot take this input\n  expected: (batch, ..., features) with at \
         least two axes\n       got: (batch,)\n      help: add an axis for the features, e.g. \
         Reshape::new([1])",
    );
    text(
        Sequential::new([4]).add(Dense::new(0).named("none")).build(),
        "layer `none` (Dense): `units` makes no sense\n  expected: a positive number\n       got: 0",
    );
    let (a, b) = (Symbol::input("a", [3]), Symbol::input("b", [2, 2]));
    text(
        Concatenate::new().join([&a, &b]),
        "layer `concatenate` (Concatenate): cannot join these inputs\n  expected: shapes that \
         differ in axis -1 only\n       got: (batch, 3) and (batch, 2, 2)",
    );
}

#[test]
fn a_shared_layer_on_another_shape_is_named() -> Result<()> {
    let (a, b) = (Symbol::input("a", [3]), Symbol::input("b", [4]));
    let shared = Dense::new(2).named("shared");
    let made = Model::new([&a, &b], [&shared.apply(&a)?, &shared.apply(&b)?]);
    let error = made.expect_err("the kernel is for 3 features").to_string();
    assert!(error.starts_with("layer `shared` (Dense): "), "{error}");
    Ok(())
}

#[test]
fn data_of_another_shape_names_the_input() -> Result<()> {
    let model = Sequential::new([784]).add(Dense::new(2)).build()?;
    let images = Var::input("images", [32, 28, 28], DType::F32);
    text(
        model.call(std::slice::from_ref(&images), &mut Call::inference()),
        "input `input_layer` of the model got data of another shape\n  expected: (batch, 784)\n       \
         got: (32, 28, 28)\n      help: reshape the data, or build the model for examples of shape \
         (28, 28)",
    );
    text(
        model.call(&[images.clone(), images], &mut Call::inference()),
        "model `sequential` cannot take these inputs\n  expected: 1 input\n       got: 2",
    );
    Ok(())
}

#[test]
fn graphs_that_are_no_models_are_named() -> Result<()> {
    let (a, b) = (Symbol::input("a", [3]), Symbol::input("b", [3]));
    let y = Concatenate::new().join([&a, &b])?;
    text(
        Model::new([&a], [&y]),
        "an output depends on an input that the model does not have\n  expected: all inputs that \
         are used\n       got: input `b` is left out\n      help: name it among the model's inputs",
    );
    text(
        Model::new([&a, &y], [&y]),
        "this cannot be an input of a model\n  expected: a Symbol::input\n       \
         got: Symbol(Concatenate: (batch, 6))",
    );
    text(
        Model::new([&a], []),
        "a model needs an output\n  expected: one symbol or more\n       got: none",
    );
    text(
        Model::new([&a, &a], [&a]),
        "an input is named twice\n  expected: each input once\n       got: `a` twice",
    );
    let twice = Dense::new(1).named("same").apply(&a)?;
    let twice = Dense::new(1).named("same").apply(&twice)?;
    text(
        Model::new([&a], [&twice]),
        "two layers of a model have one name\n  expected: names that differ\n       got: `same` \
         twice\n      help: give one of them another name with .named(..)",
    );
    Ok(())
}

#[test]
fn an_output_may_be_an_input_or_named_twice() -> Result<()> {
    let x = Symbol::input("x", [2]);
    let y = Reshape::new([2, 1]).apply(&x)?;
    let model = Model::new([&x], [&x, &y, &y])?;
    let x = Var::constant(&Tensor::full([1, 2], 1.0f32));
    assert_eq!(model.call(&[x], &mut Call::inference())?.len(), 3);
    Ok(())
}

#[test]
fn a_layer_with_several_outputs_says_so() {
    let x = Symbol::input("x", [None, Some(2)]);
    let states = LSTM::new(3).return_state(true).named("memory");
    text(
        states.apply(&x),
        "layer `memory` (LSTM): has several outputs\n  expected: a layer with one output\n       \
         got: 3\n      help: use LayerHandle::call",
    );
    assert_eq!(states.call([&x], []).unwrap().len(), 3);
}

#[test]
fn frozen_layers_are_neither_trained_nor_penalized() -> Result<()> {
    let build = |trainable| -> Result<Model> {
        let dense = Dense::new(2).kernel_regularizer(Regularizer::l2(0.5));
        let model = Sequential::new([2])
            .add(dense.trainable(trainable))
            .add(Dense::new(1))
            .build()?;
        let kernel = model.layers()[1].weights()[0].variable();
        kernel.set(&Tensor::full([2, 2], 2.0f32))?;
        Ok(model)
    };
    let (trained, frozen) = (build(true)?, build(false)?);
    let penalty =
        trained.regularization(&Call::inference())?.expect("there is one").eval()?;
    assert_eq!(penalty.to_vec::<f32>()?, [8.0]);
    assert!(frozen.regularization(&Call::inference())?.is_none());
    let names: Vec<_> =
        frozen.trainable_weights().map(|w| w.variable().name().to_owned()).collect();
    assert_eq!(names, ["dense_1/kernel", "dense_1/bias"]);
    Ok(())
}

#[test]
fn inputs_of_other_types_are_cast() -> Result<()> {
    let model = Sequential::new([1]).add(Dense::new(1)).build()?;
    let x = Var::constant(&Tensor::new(vec![3u8], [1, 1])?);
    let y = model.call(&[x], &mut Call::inference())?;
    assert_eq!(y[0].dtype(), DType::F32);
    Ok(())
}

#[test]
fn a_layer_computes_in_its_own_type() -> Result<()> {
    let model = Sequential::new([2])
        .add(Dense::new(2).shared().dtype(DType::F64))
        .add(Dense::new(1))
        .build()?;
    assert_eq!(model.variables()[0].dtype(), DType::F64);
    assert_eq!(model.variables()[2].dtype(), DType::F32);
    let x = Var::constant(&Tensor::full([1, 2], 1.0f32));
    assert_eq!(model.call(&[x], &mut Call::inference())?[0].dtype(), DType::F32);
    Ok(())
}
