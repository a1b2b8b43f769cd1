//! Models as layers of models.

use deckle_autograd::{Device, Var};
use deckle_nn::{
    Call, Functional, LayerExt, Model, Nest, Registry, Result, Sequential, Symbol,
    layers::{Add, BatchNormalization, Concatenate, Dense, Dropout},
};
use deckle_tensor::Tensor;

fn encoder() -> Result<Model> {
    Sequential::new([4]).add(Dense::new(3).named("inner")).name("encoder").seed(5).build()
}

fn siamese() -> Result<Model> {
    let encoder = encoder()?;
    let head = Sequential::new([3]).add(Dense::new(2)).add(BatchNormalization::new());
    let head = head.build()?;
    let (x, y) = (Symbol::input("x", [4]), Symbol::input("y", [4]));
    let (ex, ey) = (encoder.apply(&x)?, encoder.apply(&y)?);
    let sum = Add::new().join([&head.apply(&ex)?, &head.apply(&ey)?])?;
    let both = Concatenate::new().join([&ex, &ey])?;
    Functional::new([&x, &y], [&sum, &both, &ey]).build()
}

fn run(model: &Model) -> Result<Vec<Tensor>> {
    let inputs = [1.0f32, 2.0].map(|x| Var::constant(&Tensor::full([2, 4], x)));
    let outputs = model.call(&inputs, &mut Call::inference())?;
    outputs.iter().map(|y| Ok(y.eval()?)).collect()
}

#[test]
fn a_nested_model_has_its_weights_once() -> Result<()> {
    let model = siamese()?;
    assert_eq!(model.count_params(), 15 + 8 + 8);
    assert_eq!(model.trainable_weights().count(), 2 + 2 + 2);
    assert_eq!(model.groups().len(), 3);
    let names: Vec<_> = model.layers().iter().map(deckle_nn::ModelLayer::name).collect();
    assert_eq!(names, ["x", "y", "encoder", "sequential", "add", "concatenate"]);
    assert_eq!(model.layer("encoder/inner")?.count_params(), 15);
    let text = model.layer("add/inner").unwrap_err().to_string();
    assert_eq!(
        text,
        "there is no layer `add/inner`\n  expected: `add` to be a model, with a layer \
         `inner`\n       got: a layer of class Add"
    );
    Ok(())
}

#[test]
fn nested_models_survive_a_round_trip() -> Result<()> {
    let model = siamese()?;
    let config = model.config()?;
    // As Keras counts: from 1 for functional models, which there are none of here.
    assert_eq!(
        config["config"]["output_layers"][2],
        serde_json::json!(["encoder", 1, 0])
    );
    let again = Model::from_config(&config, &Registry::keras(), 1, &Device::reference())?;
    assert_eq!(again.config()?, config);
    let (from, to): (Vec<_>, Vec<_>) = (model.variables(), again.variables());
    for (from, to) in from.iter().zip(&to) {
        to.set(&from.value()?)?;
    }
    assert_eq!(run(&model)?, run(&again)?);
    Ok(())
}

#[test]
fn freezing_reaches_every_depth_and_shares_weights() -> Result<()> {
    let model = siamese()?;
    let frozen = model.with_trainable("encoder/inner", false)?;
    assert_eq!(frozen.trainable_weights().count(), 4);
    assert_eq!(model.trainable_weights().count(), 6);
    assert!(frozen.variables()[0].is_same(&model.variables()[0]));
    let config = frozen.config()?;
    let again = Model::from_config(&config, &Registry::keras(), 1, &Device::reference())?;
    assert_eq!(again.trainable_weights().count(), 4);
    assert_eq!(model.trainable(false).trainable_weights().count(), 0);
    assert_eq!(
        model.with_trainable("encodr", false).unwrap_err().to_string(),
        "unknown layer `encodr`\n      help: did you mean `encoder`?"
    );
    Ok(())
}

#[test]
fn dictionaries_of_outputs_survive() -> Result<()> {
    let x = Symbol::input("x", [4]);
    let (a, b) = (Dense::new(2).apply(&x)?, Dropout::new(0.5).apply(&x)?);
    let outputs = [("b".to_owned(), Nest::One(b)), ("a".to_owned(), Nest::One(a))];
    let inner = Functional::nested(&Nest::One(x), &Nest::Dict(outputs.into()))
        .name("inner")
        .build()?;
    let y = Symbol::input("y", [4]);
    let made = inner.apply_all([&y])?;
    assert_eq!(made[0].shape().to_string(), "(batch, 2)");
    let model = Model::new([&y], [&made[1]])?;
    let config = model.config()?;
    assert_eq!(config["config"]["output_layers"], serde_json::json!(["inner", 1, 1]));
    let again = Model::from_config(&config, &Registry::keras(), 1, &Device::reference())?;
    assert_eq!(again.config()?, config);
    Ok(())
}

#[test]
fn what_is_missing_inside_is_named_with_its_path() -> Result<()> {
    let mut config = siamese()?.config()?;
    let layers = config["config"]["layers"].as_array_mut().expect("layers");
    layers[2]["config"]["layers"][1]["class_name"] = "Tree".into();
    layers[4]["class_name"] = "Bush".into();
    let error = Model::from_config(&config, &Registry::keras(), 1, &Device::reference());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the model asks for what does not exist here\n  missing: layer `encoder/inner` \
         (Tree)\n  missing: layer `add` (Bush)"
    );
    Ok(())
}

#[test]
fn weights_have_paths_and_keras_order() -> Result<()> {
    let model = siamese()?;
    let paths: Vec<_> = model.weight_paths().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths[0], "encoder/inner/kernel");
    assert_eq!(paths[7], "sequential/batch_normalization/moving_variance");
    assert_eq!(model.weight("encoder/inner/bias")?.variable().shape(), [3]);
    assert_eq!(
        model.weight("encoder/inner/kernl").unwrap_err().to_string(),
        "unknown weight `encoder/inner/kernl`\n      help: did you mean `encoder/inner/kernel`?"
    );
    let mut values = model.get_weights()?;
    values[1] = Tensor::full([3], 7.0f32);
    model.set_weights(&values)?;
    assert_eq!(model.get_weights()?[1], values[1]);
    assert_eq!(
        model.set_weights(&values[1..]).unwrap_err().to_string(),
        "model `functional` cannot take these weights\n  expected: 8 tensors\n       got: 7"
    );
    values[0] = Tensor::full([2], 7.0f32);
    assert_eq!(
        model.set_weights(&values).unwrap_err().to_string(),
        "weight `encoder/inner/kernel` cannot take this value\n  expected: (4, 3)\n       \
         got: (2,)"
    );
    Ok(())
}

#[test]
fn a_sub_model_shares_weights_and_a_clone_does_not() -> Result<()> {
    let model = siamese()?;
    let features = model.sub_model(["concatenate"])?;
    assert_eq!(features.count_params(), 15);
    assert!(features.variables()[0].is_same(&model.variables()[0]));
    assert_eq!(run(&features)?[0], run(&model)?[1]);
    let config = features.config()?;
    let again = Model::from_config(&config, &Registry::keras(), 1, &Device::reference())?;
    assert_eq!(again.config()?, config);
    let clone = model.with_new_weights(9)?;
    assert_eq!(clone.config()?, model.config()?);
    assert!(!clone.variables()[0].is_same(&model.variables()[0]));
    assert_ne!(run(&clone)?[1], run(&model)?[1]);
    assert_eq!(
        model.sub_model(["concat"]).unwrap_err().to_string(),
        "unknown layer `concat`\n      help: did you mean `concatenate`?"
    );
    Ok(())
}

#[test]
fn configurations_of_keras_2_are_read() -> Result<()> {
    let input = |name: &str| {
        serde_json::json!({
            "class_name": "InputLayer", "name": name, "inbound_nodes": [],
            "config": {"batch_input_shape": [null, 4], "dtype": "float32",
                "sparse": false, "ragged": false, "name": name},
        })
    };
    let dense = serde_json::json!({
        "class_name": "Dense", "name": "dense", "inbound_nodes": [[["in", 0, 0, {}]]],
        "config": {"name": "dense", "trainable": true, "dtype": "float32", "units": 3,
            "activation": "linear", "use_bias": true, "kernel_constraint": null,
            "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": null}},
            "bias_initializer": {"class_name": "Zeros", "config": {}}},
    });
    let inner = serde_json::json!({
        "class_name": "Functional", "name": "inner",
        "inbound_nodes": [[["x", 0, 0, {}]], [["y", 0, 0, {}]]],
        "config": {"name": "inner", "trainable": true, "layers": [input("in"), dense],
            "input_layers": [["in", 0, 0]], "output_layers": [["dense", 0, 0]]},
    });
    let add = serde_json::json!({
        "class_name": "Add", "name": "add", "config": {"name": "add", "trainable": true},
        "inbound_nodes": [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]],
    });
    let config = serde_json::json!({
        "class_name": "Functional",
        "config": {"name": "old", "layers": [input("x"), input("y"), inner, add],
            "input_layers": [["x", 0, 0], ["y", 0, 0]], "output_layers": [["add", 0, 0]]},
    });
    let model = Model::from_config(&config, &Registry::keras(), 1, &Device::reference())?;
    assert_eq!(model.count_params(), 15);
    let (_, shape) = model.outputs().next().expect("an output");
    assert_eq!(shape.to_string(), "(batch, 3)");
    Ok(())
}
