//! Layers with the same weights in several models, and parts of models cut out of others.

use deckle_autograd::{Device, Var};
use deckle_nn::{
    Call, LayerExt, Model, Registry, Result, Sequential, Symbol,
    layers::{Add, BatchNormalization, Concatenate, Dense, LSTM, TimeDistributed},
};
use deckle_tensor::Tensor;
use serde_json::{Value, json};

fn run(model: &Model, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let inputs: Vec<_> = inputs.iter().map(Var::constant).collect();
    let outputs = model.call(&inputs, &mut Call::inference())?;
    outputs.iter().map(|y| Ok(y.eval()?)).collect()
}

fn ramp(shape: &[usize]) -> Tensor {
    let size: usize = shape.iter().product();
    let values: Vec<_> = (0..size).map(|i| i as f32 / size as f32 - 0.3).collect();
    Tensor::new(values, shape).expect("as many values")
}

fn read(config: &Value) -> Result<Model> {
    Model::from_config(config, &Registry::keras(), 1, &Device::reference())
}

/// Two models that are layers of a third and have a layer in common.
fn pair(are_sequential: bool) -> Result<Model> {
    let first = Sequential::new([4]).add(Dense::new(4).named("common")).name("first");
    let first = first.add(Dense::new(2)).build()?;
    let common = first.layer("common")?.shared();
    let second = if are_sequential {
        Sequential::new([4]).add(common).add(Dense::new(2)).name("second").build()?
    } else {
        let x = Symbol::input("x", [4]);
        let y = Dense::new(2).apply(&common.apply(&common.apply(&x)?)?)?;
        Model::new([&x], [&y])?.named("second")
    };
    let x = Symbol::input("x", [4]);
    Model::new([&x], [&Add::new().join([&first.apply(&x)?, &second.apply(&x)?])?])
}

fn values_from(from: &Model, to: &Model) -> Result<()> {
    assert_eq!(from.count_params(), to.count_params());
    to.set_weights(&from.get_weights()?)
}

#[test]
fn a_layer_of_several_models_has_its_weights_once() -> Result<()> {
    for (are_sequential, key) in [(true, "shared_object_id"), (false, "shared_layer")] {
        let model = pair(are_sequential)?;
        assert_eq!(model.count_params(), 20 + 10 + 10);
        assert_eq!(model.trainable_weights().count(), 6);
        let config = model.config()?;
        let number =
            |model: usize| &config["config"]["layers"][model]["config"]["layers"][1];
        assert_eq!(
            (&number(1)[key], &number(2)[key]),
            (&json!(1), &json!(1)),
            "{config}"
        );
        let again = read(&config)?;
        assert_eq!(again.config()?, config);
        values_from(&model, &again)?;
        assert_eq!(run(&again, &[ramp(&[3, 4])])?, run(&model, &[ramp(&[3, 4])])?);
        let one = |path: &str| {
            Ok::<_, deckle_nn::Error>(again.weight(path)?.variable().clone())
        };
        let all = again.layer("second/common")?.weights();
        assert!(all[0].variable().is_same(&one("first/common/kernel")?));
    }
    Ok(())
}

#[test]
fn the_first_place_of_a_layer_need_not_be_numbered() -> Result<()> {
    let model = pair(true)?;
    let mut config = model.config()?;
    let first = &mut config["config"]["layers"][1]["config"]["layers"][1];
    first.as_object_mut().expect("a layer").shift_remove("shared_object_id");
    let again = read(&config)?;
    assert_eq!(again.count_params(), model.count_params());
    // A number that belongs to nothing.
    config["config"]["layers"][2]["config"]["layers"][1]["config"]["name"] =
        json!("other");
    assert_eq!(read(&config)?.count_params(), model.count_params() + 20);
    Ok(())
}

#[test]
fn a_model_in_several_models_stays_one() -> Result<()> {
    let inner = Sequential::new([4]).add(Dense::new(4)).add(BatchNormalization::new());
    let inner = inner.name("inner").build()?;
    let wrap = |name: &str| -> Result<Model> {
        let x = Symbol::input("x", [4]);
        let y = Dense::new(4).apply(&inner.apply(&x)?)?;
        Ok(Model::new([&x], [&y])?.named(name))
    };
    let x = Symbol::input("x", [4]);
    let y = wrap("a")?.apply(&wrap("b")?.apply(&inner.apply(&x)?)?)?;
    let model = Model::new([&x], [&y])?;
    assert_eq!(model.count_params(), 20 + 16 + 2 * 20);
    let again = read(&model.config()?)?;
    values_from(&model, &again)?;
    assert_eq!(again.config()?, model.config()?);
    assert_eq!(run(&again, &[ramp(&[3, 4])])?, run(&model, &[ramp(&[3, 4])])?);
    let clone = model.with_new_weights(7)?;
    assert_eq!(clone.count_params(), model.count_params());
    assert_eq!(clone.config()?, model.config()?);
    assert!(!clone.variables()[0].is_same(&model.variables()[0]));
    // Frozen in one place, frozen everywhere.
    let frozen = model.with_trainable("inner/dense", false)?;
    assert_eq!(frozen.trainable_weights().count(), model.trainable_weights().count() - 2);
    Ok(())
}

/// `outer` holds `middle` twice, which holds `inner`.
fn deep() -> Result<Model> {
    let inner = Sequential::new([3]).add(Dense::new(5).named("low")).add(Dense::new(3));
    let inner = inner.name("inner").build()?;
    let (a, b) = (Symbol::input("a", [3]), Symbol::input("b", [2]));
    let joined = Concatenate::new().join([&inner.apply(&a)?, &b])?;
    let (p, q) = (Dense::new(3).apply(&joined)?, Dense::new(2).apply(&b)?);
    let middle = Model::new([&a, &b], [&p, &q])?.named("middle");
    let (x, y) = (Symbol::input("x", [3]), Symbol::input("y", [2]));
    let first = middle.apply_all([&x, &y])?;
    let second = middle.apply_all([&first[0], &first[1]])?;
    let head = Dense::new(1).named("head").apply(&second[0])?;
    Model::new([&x, &y], [&head, &second[1]])
}

#[test]
fn sub_models_reach_into_models() -> Result<()> {
    let model = deep()?;
    let (x, y) = (ramp(&[4, 3]), ramp(&[4, 2]));
    let middle = model.layer("middle")?.model().expect("a model").clone();
    let inner = middle.layer("inner")?.model().expect("a model").clone();
    let low = run(&inner.sub_model(["low"])?, std::slice::from_ref(&x))?;

    let cut = model.sub_model(["middle/inner/low"])?;
    assert_eq!(cut.inputs().map(|(name, ..)| name).collect::<Vec<_>>(), ["x"]);
    assert_eq!(cut.count_params(), 20);
    assert_eq!(run(&cut, std::slice::from_ref(&x))?, low);
    let kernel = model.weight("middle/inner/low/kernel")?.variable();
    assert!(cut.variables()[0].is_same(kernel));

    let paths =
        ["head", "middle/inner/low", "middle", "middle/concatenate", "middle/inner"];
    let cut = model.sub_model(paths)?;
    let both = [x, y];
    let made = run(&cut, &both)?;
    let whole = run(&middle, &both)?;
    assert_eq!(made[0], run(&model, &both)?[0]);
    assert_eq!(made[1], low[0]);
    assert_eq!(made[2..4], whole[..]);
    assert_eq!(made[4], run(&middle.sub_model(["concatenate"])?, &both)?[0]);
    assert_eq!(made[5], run(&inner, &both[..1])?[0]);
    assert_eq!(cut.count_params(), model.count_params());

    for model in [cut, model.sub_model(["middle/inner", "middle/dense"])?] {
        let again = read(&model.config()?)?;
        assert_eq!(again.config()?, model.config()?);
        values_from(&model, &again)?;
        assert_eq!(run(&again, &both)?, run(&model, &both)?);
    }
    for (path, text) in [
        ("middle/iner", "unknown layer `iner`\n      help: did you mean `inner`?"),
        (
            "head/low",
            "there is no layer `head/low`\n  expected: `head` to be a model, with a layer \
             `low`\n       got: a layer of class Dense",
        ),
    ] {
        assert_eq!(model.sub_model([path]).unwrap_err().to_string(), text);
    }
    Ok(())
}

#[test]
fn a_sub_model_of_a_layer_with_states_has_them_all() -> Result<()> {
    let part = Sequential::new([5, 3]).add(LSTM::new(2).named("cells")).build()?;
    let model = Sequential::new([5, 3]).add(&part).add(Dense::new(1)).build()?;
    let x = Symbol::input("x", [5, 3]);
    let states = LSTM::new(2).return_state(true).named("cells").call([&x], [])?;
    let inner = Model::new([&x], [&states[1]])?.named("inner");
    let y = Symbol::input("y", [5, 3]);
    let outer = Model::new([&y], [&Dense::new(1).apply(&inner.apply(&y)?)?])?;
    let cut = outer.sub_model(["inner/cells", "dense"])?;
    assert_eq!(cut.outputs().count(), 4);
    let made = run(&cut, &[ramp(&[2, 5, 3])])?;
    assert_eq!(made[1], run(&inner, &[ramp(&[2, 5, 3])])?[0]);
    assert_eq!(model.sub_model(["sequential/cells"])?.count_params(), 48);
    Ok(())
}

#[test]
fn a_model_is_applied_at_each_step() -> Result<()> {
    let step = Sequential::new([4]).add(Dense::new(3)).add(BatchNormalization::new());
    let step = step.name("step").build()?;
    let model = Sequential::new([5, 4]).add(TimeDistributed::new(&step)).build()?;
    assert!(model.variables()[0].is_same(&step.variables()[0]));
    let x = ramp(&[2, 5, 4]);
    let rows = run(&step, &[x.reshape([10, 4])?])?[0].reshape([2, 5, 3])?;
    assert_eq!(run(&model, &[x])?, [rows]);
    let scopes: Vec<_> = model.weights().map(|weight| weight.scope().join("/")).collect();
    assert_eq!(scopes[0], "layer/layers/dense");
    assert_eq!(scopes[5], "layer/layers/batch_normalization");
    assert_eq!(model.trainable_weights().count(), 4);
    let again = read(&model.config()?)?;
    assert_eq!(again.config()?, model.config()?);
    let clone = model.with_new_weights(3)?;
    assert_eq!(clone.count_params(), model.count_params());
    assert!(!clone.variables()[0].is_same(&model.variables()[0]));
    let mut config = model.config()?;
    config["config"]["layers"][1]["config"]["layer"]["config"]["layers"][1]["class_name"] =
        json!("Tree");
    assert_eq!(
        read(&config).unwrap_err().to_string(),
        "the model asks for what does not exist here\n  missing: layer `time_distributed` \
         (TimeDistributed): layer `dense` (Tree)"
    );
    Ok(())
}

/// As in Keras, what counts is each layer.
#[test]
fn a_layer_opened_in_a_frozen_model_is_trained() -> Result<()> {
    let part = Sequential::new([4]).add(Dense::new(4)).add(Dense::new(2)).name("part");
    let part = part.trainable(false).build()?;
    let model = Sequential::new([4]).add(&part).add(Dense::new(1)).build()?;
    assert_eq!(model.trainable_weights().count(), 2);
    let model = model.with_trainable("part/dense_1", true)?;
    assert_eq!(model.trainable_weights().count(), 4);
    let again = read(&model.config()?)?;
    assert_eq!(again.trainable_weights().count(), 4);
    assert_eq!(model.trainable(false).trainable_weights().count(), 0);
    Ok(())
}
