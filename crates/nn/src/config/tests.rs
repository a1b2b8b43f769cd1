//! Round trips, and all that is missing named at once.

use deckle_autograd::{Device, Var};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{
    Activation, Built, Call, DTypePolicy, Error, Functional, Init, LayerExt, LayerHandle,
    Regularizer, Result, Sequential, Symbol,
    layers::{
        Add, BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Embedding, Flatten,
        GRU, GRUCell, LSTM, MaxPooling2D, Padding, RNN, ReLU, Reshape, SimpleRNN,
        TimeDistributed, Wrapped,
    },
};
use deckle_tensor::{DType, Shape, Tensor};

mod custom;
mod forms;

fn read(config: &Value) -> Result<Model> {
    Model::from_config(config, &Registry::keras(), 0, &Device::reference())
}

fn convnet() -> Result<Model> {
    Sequential::new([8, 8, 1])
        .add(Conv2D::new(4, 3).padding(Padding::Same).activation(Activation::Relu))
        .add(BatchNormalization::new().momentum(0.9).dtype_f64())
        .add(MaxPooling2D::new(2))
        .add(Dropout::new(0.25).seed(3))
        .add(Flatten::new())
        .add(Dense::new(3).kernel_regularizer(Regularizer::l2(0.5)).trainable(false))
        .name("convnet")
        .build()
}

trait DtypeF64 {
    fn dtype_f64(self) -> LayerHandle;
}

impl<L: AnyLayer> DtypeF64 for L {
    fn dtype_f64(self) -> LayerHandle {
        self.shared().dtype(DType::F64)
    }
}

fn branches() -> Result<Model> {
    let (a, words) =
        (Symbol::input("a", [4]), Symbol::typed_input("w", [None], DType::I32));
    let e = Embedding::new(10, 4).mask_zero(true).apply(&words)?;
    let encoder = LSTM::new(4).return_state(true).named("encoder");
    let states = encoder.call([&e], [])?;
    let decoder = LSTM::new(4).named("decoder");
    let d = decoder.call([&e, &states[1], &states[2]], [])?;
    let g = GRU::new(4).shared().call([&e], [("initial_state", &states[1])])?;
    let r = SimpleRNN::new(4).apply(&e)?;
    let shared = Dense::new(4).named("shared");
    let (x, y) = (shared.apply(&a)?, shared.apply(&d[0])?);
    let joined = Concatenate::new().join([&x, &y, &g[0], &r])?;
    let last = Reshape::new([2, -1]).apply(&joined)?;
    let sum = Add::new().join([&x, &y])?;
    Functional::new([&a, &words], [&last, &sum, &x]).name("branches").build()
}

#[track_caller]
fn round_trip(model: &Model) {
    let config = model.config().unwrap();
    let again = read(&config).unwrap();
    assert_eq!(again.config().unwrap(), config);
    let weights = |model: &Model| -> Vec<_> {
        let variables = model.variables().into_iter();
        variables
            .map(|v| (v.name().to_owned(), v.spec().clone(), v.value().unwrap()))
            .collect()
    };
    assert_eq!(weights(&again), weights(model));
    let frozen = |model: &Model| model.trainable_weights().count();
    assert_eq!(frozen(&again), frozen(model));
    assert_eq!(again.name(), model.name());
}

#[test]
fn models_survive_a_round_trip() -> Result<()> {
    round_trip(&convnet()?);
    round_trip(&branches()?);
    round_trip(&Sequential::new(()).add(Flatten::new()).build()?);
    Ok(())
}

#[test]
fn mixed_precision_survives_a_round_trip() -> Result<()> {
    let model = Sequential::new([None, Some(4)])
        .dtype_policy(DTypePolicy::MIXED_FLOAT16)
        .add(TimeDistributed::new(Dense::new(3)))
        .add(BatchNormalization::new())
        .add(LayerHandle::from(Dense::new(2)).dtype(DType::F64))
        .build()?;
    let policies = |model: &Model| -> Vec<_> {
        model.layers()[1..].iter().map(|layer| layer.handle().dtype_policy()).collect()
    };
    let mixed = DTypePolicy::MIXED_FLOAT16;
    assert_eq!(policies(&model), [mixed, mixed, DType::F64.into()]);
    let again = read(&model.config()?)?;
    assert_eq!(policies(&again), policies(&model));
    assert_eq!(again.config()?, model.config()?);
    let inner = "/config/layers/1/config/layer/config/dtype/config/name";
    assert_eq!(model.config()?.pointer(inner), Some(&json!("mixed_float16")));
    let dtypes: Vec<_> = again.weights().map(|w| w.variable().dtype()).collect();
    assert_eq!(dtypes, [[DType::F32; 6].as_slice(), &[DType::F64; 2]].concat());
    let x = Var::constant(&Tensor::ones(DType::F32, [1, 2, 4]));
    let y = again.call(&[x], &mut Call::inference())?;
    assert_eq!(y[0].dtype(), DType::F64);
    let twice = LayerHandle::from(Dense::new(4));
    let model = Sequential::new([4]).dtype_policy(mixed).add(twice.clone()).add(twice);
    assert_eq!(model.build()?.count_params(), 20);
    Ok(())
}

#[test]
fn another_precision_within_a_layer_is_named() -> Result<()> {
    let model = Sequential::new([2, 4]).add(TimeDistributed::new(Dense::new(3)));
    let mut config = model.build()?.config()?;
    let at = "/config/layers/1/config/layer/config/dtype/config/name";
    *config.pointer_mut(at).unwrap() = json!("float64");
    assert!(read(&config).is_ok());
    *config.pointer_mut(at).unwrap() = json!("mixed_float16");
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("dtype mixed_float16 of the layer within"), "{error}");
    Ok(())
}

#[test]
fn a_layer_looks_as_keras_writes_it() -> Result<()> {
    let config = Sequential::new([4]).add(Dense::new(3)).build()?.config()?;
    assert_eq!(
        config["config"]["layers"],
        json!([
            {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": {
                    "name": "input_layer",
                    "batch_shape": [null, 4],
                    "sparse": false,
                    "ragged": false,
                    "dtype": "float32",
                },
                "registered_name": null,
            },
            {
                "module": "keras.layers",
                "class_name": "Dense",
                "config": {
                    "name": "dense",
                    "trainable": true,
                    "dtype": {
                        "module": "keras",
                        "class_name": "DTypePolicy",
                        "config": {"name": "float32"},
                        "registered_name": null,
                    },
                    "units": 3,
                    "activation": "linear",
                    "use_bias": true,
                    "kernel_initializer": {
                        "module": "keras.initializers",
                        "class_name": "GlorotUniform",
                        "config": {"seed": null},
                        "registered_name": null,
                    },
                    "bias_initializer": {
                        "module": "keras.initializers",
                        "class_name": "Zeros",
                        "config": {},
                        "registered_name": null,
                    },
                    "kernel_constraint": null,
                    "bias_constraint": null,
                    "kernel_regularizer": null,
                    "bias_regularizer": null,
                    "activity_regularizer": null,
                },
                "registered_name": null,
                "build_config": {"input_shape": [null, 4]},
            },
        ])
    );
    Ok(())
}

#[test]
fn calls_look_as_keras_writes_them() -> Result<()> {
    let config = branches()?.config()?;
    let layers = config["config"]["layers"].as_array().expect("a list");
    let node = |name: &str, call: usize| -> Value {
        let layer = layers.iter().find(|layer| layer["name"] == name).expect(name);
        let mut node = layer["inbound_nodes"][call].clone();
        shorten(&mut node);
        node
    };
    assert_eq!(
        node("decoder", 0),
        json!({
            "args": [["embedding", 0, 0], [["encoder", 0, 1], ["encoder", 0, 2]]],
            "kwargs": {},
        })
    );
    assert_eq!(
        node("gru", 0),
        json!({"args": [["embedding", 0, 0]], "kwargs": {"initial_state": ["encoder", 0, 1]}})
    );
    assert_eq!(node("shared", 1), json!({"args": [["decoder", 0, 0]], "kwargs": {}}));
    assert_eq!(
        node("add", 0),
        json!({"args": [[["shared", 0, 0], ["shared", 1, 0]]], "kwargs": {}})
    );
    assert_eq!(config["config"]["input_layers"], json!([["a", 0, 0], ["w", 0, 0]]));
    assert_eq!(
        config["config"]["output_layers"],
        json!([["reshape", 0, 0], ["add", 0, 0], ["shared", 0, 0]])
    );
    Ok(())
}

/// Replaces tensors by their history.
fn shorten(value: &mut Value) {
    if let Some(history) = value.pointer("/config/keras_history") {
        *value = history.clone();
        return;
    }
    match value {
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

/// A model of a file with these layers after an input of shape (4,).
fn sequential(layers: &[Value]) -> Value {
    let mut all = vec![json!({
        "class_name": "InputLayer",
        "config": {"batch_shape": [null, 4], "dtype": "float32", "name": "x"},
    })];
    all.extend_from_slice(layers);
    json!({"class_name": "Sequential", "config": {"name": "m", "layers": all}})
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let config = sequential(&[
        json!({"class_name": "Lambda", "config": {"name": "f", "function": "x"}}),
        json!({
            "class_name": "Dense",
            "config": {
                "name": "a",
                "units": 3,
                "activation": "sofmax",
                "kernel_constraint": {"class_name": "Frobenius", "config": {}},
                "lora_rank": 4,
                "bias_constraint": null,
                "kernel_regularizer": {"class_name": "OrthogonalPenalty", "config": {}},
                "dtype": {"class_name": "DTypePolicy", "config": {"name": "int8_from_float32"}},
            },
        }),
        json!({"class_name": "Conv2D", "config": {
            "name": "c", "filters": 3, "kernel_size": [3, 3], "data_format": "channels_middle",
        }}),
        json!({"class_name": "BatchNormalization", "config": {
            "name": "b", "renorm": true, "virtual_batch_size": 8, "axis": "last",
        }}),
    ]);
    assert_eq!(
        read(&config).expect_err("much is missing").to_string(),
        "the model asks for what does not exist here
  missing: layer `f` (Lambda)
  missing: layer `a` (Dense): dtype int8_from_float32
  missing: layer `a` (Dense): activation = \"sofmax\": unknown activation sofmax, help: did you \
         mean softmax?
  missing: layer `a` (Dense): kernel_constraint = {\"class_name\":\"Frobenius\",\"config\":{}}: \
         unknown constraint Frobenius
  missing: layer `a` (Dense): kernel_regularizer = \
         {\"class_name\":\"OrthogonalPenalty\",\"config\":{}}: unknown regularizer \
         OrthogonalPenalty, help: did you mean OrthogonalRegularizer?
  missing: layer `a` (Dense): lora_rank = 4
  missing: layer `c` (Conv2D): data_format = \"channels_middle\": unknown name channels_middle, \
         expected channels_last or channels_first
  missing: layer `b` (BatchNormalization): axis = \"last\": invalid type: string \"last\", \
         expected a whole number
  missing: layer `b` (BatchNormalization): virtual_batch_size = 8"
    );
}

#[test]
fn harmless_arguments_are_passed_over() -> Result<()> {
    let config = sequential(&[
        json!({"class_name": "Reshape", "config": {"name": "r", "target_shape": [2, 2]}}),
        json!({"class_name": "LSTM", "config": {
            "name": "l", "units": 2, "unroll": true, "use_cudnn": "auto", "seed": null,
            "kernel_constraint": null, "implementation": 2, "time_major": false,
        }}),
        json!({"class_name": "BatchNormalization", "config": {
            "name": "b", "renorm": false, "renorm_clipping": null, "renorm_momentum": 0.99,
            "synchronized": false,
        }}),
    ]);
    assert_eq!(read(&config)?.layers().len(), 4);
    Ok(())
}

#[test]
fn a_mask_that_keras_wrote_out_is_read() -> Result<()> {
    let words = Symbol::typed_input("w", [None], DType::I32);
    let e = Embedding::new(10, 4).apply(&words)?;
    let mask = layers::Operation::new("NotEqual")?
        .arguments(crate::Arguments {
            positional: vec![crate::Nest::One(0), crate::Nest::Constant(json!(0))],
            named: Vec::new(),
        })
        .apply(&words)?;
    let h = LSTM::new(2).shared().call([&e], [("mask", &mask)])?;
    let model = Model::new([&words], [&h[0]])?;
    let config = model.config()?;
    let layers = config["config"]["layers"].as_array().expect("a list");
    let operation =
        layers.iter().find(|l| l["class_name"] == "NotEqual").expect("NotEqual");
    assert_eq!(operation["config"], json!({"name": "not_equal"}));
    assert_eq!(operation["inbound_nodes"][0]["args"][1], 0.0);
    round_trip(&model);
    Ok(())
}

/// A model in a model, and operations of most kinds.
fn operations() -> Result<Model> {
    use crate::layers::Operation;

    let encoder = Sequential::new([4]).add(Dense::new(3)).name("encoder").build()?;
    let x = Symbol::input("x", [4]);
    let y = encoder.apply(&x)?;
    let mean = Operation::new("Mean")?.set("axis", -1).set("keepdims", true).apply(&y)?;
    let less = Operation::new("Subtract")?.join([&y, &mean])?;
    let both = Operation::new("Concatenate")?.set("axis", 1).join([&y, &less])?;
    let shape = json!([-1, 3, 2]);
    let turned = Operation::new("Reshape")?.set("newshape", shape).apply(&both)?;
    let padded = Operation::new("Pad")?
        .set("pad_width", json!([[0, 0], [1, 1], [0, 0]]))
        .apply(&turned)?;
    let key = json!([{"class_name": "__slice__", "config": {"start": null}}, 1]);
    let item = Operation::new("GetItem")?
        .arguments(crate::Arguments {
            positional: vec![crate::Nest::One(0), crate::Nest::Constant(key)],
            named: Vec::new(),
        })
        .apply(&padded)?;
    Model::new([&x], [&item])
}

#[test]
fn operations_survive_a_round_trip() -> Result<()> {
    let config = operations()?.config()?;
    assert_eq!(read(&config)?.config()?, config);
    Ok(())
}

#[track_caller]
fn fails(config: &Value, expected: &str) {
    let error = read(config).expect_err("this is wrong").to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_is_no_model_is_named() -> Result<()> {
    fails(&json!({}), "expected: an object with `class_name`\n       got: {}");
    fails(
        &json!({"class_name": "Tree", "config": {}}),
        "missing: class `Tree` of a model",
    );
    fails(&json!({"class_name": "Sequential", "config": {}}), "a list of layers");
    fails(
        &json!({"class_name": "Sequential", "config": {"layers": []}}),
        "expected: an InputLayer first, or a `build_input_shape`",
    );
    let mut config = branches()?.config()?;
    config["config"]["output_layers"] = json!(["nobody", 0, 0]);
    fails(&config, "got: output 0 of call 0 of layer `nobody`");
    let mut config = branches()?.config()?;
    let layers = config["config"]["layers"].as_array_mut().expect("a list");
    layers.retain(|layer| layer["name"] != "embedding");
    fails(&config, "got: output 0 of call 0 of layer `embedding`");
    fails(
        &sequential(&[json!({"class_name": "Dense", "config": {"name": "d"}})]),
        "missing: layer `d` (Dense): no `units`",
    );
    fails(
        &sequential(&[json!({"class_name": "Dense", "config": {
            "name": "d", "units": 9_007_199_254_740_992_u64,
        }})]),
        "layer `d` (Dense): initializer GlorotUniform cannot fill this weight",
    );
    Ok(())
}

/// All places in a JSON value, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                places(value, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

fn damage() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!(true)),
        Just(json!("same")),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(3)),
        Just(json!(0.5)),
        Just(json!([null, 2, 2])),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!([1, 2, 3, 4, 5])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is damaged in a configuration: an error or a model, never a panic.
    #[test]
    fn damaged_configurations_never_panic(
        which in 0..3u8,
        damages in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let model = match which {
            0 => convnet(),
            1 => branches(),
            _ => operations(),
        };
        let mut config = model.unwrap().config().unwrap();
        for (at, value) in damages {
            let mut found = Vec::new();
            places(&config, "", &mut found);
            *config.pointer_mut(at.get(&found[..]).as_str()).unwrap() = value;
        }
        let _ = read(&config);
    }
}

fn penalties(model: &Model) -> Vec<f32> {
    let x = Tensor::new(vec![1.0f32, 2.0, 0.5, 0.0], [1, 4]).unwrap();
    let mut call = Call::inference();
    model.call(&[Var::constant(&x)], &mut call).unwrap();
    call.losses().iter().map(|loss| loss.eval().unwrap().item().unwrap()).collect()
}

#[test]
fn every_layer_takes_a_penalty_on_each_output_of_each_call() -> Result<()> {
    let x = Symbol::input("x", [4]);
    let twice = ReLU::new().activity_regularizer(Regularizer::l1(2.0));
    let y = twice.apply(&twice.apply(&x)?)?;
    let steps = Reshape::new([2, 2]).apply(&y)?;
    let inner = Wrapped::from(Flatten::new());
    let inner = inner.with(|inner| inner.activity_regularizer(Regularizer::l2(1.0)));
    let y = TimeDistributed::new(inner).apply(&steps)?;
    let model = Model::new([&x], [&y])?;
    // As in Keras, that of a layer which is applied to steps does not count, but is kept.
    assert_eq!(penalties(&model), [7.0, 7.0]);
    let config = model.config()?;
    let written = config.pointer("/config/layers/1/config/activity_regularizer");
    let expected = serde_json::to_value(Regularizer::l1(2.0)).unwrap();
    assert_eq!(written, Some(&expected));
    round_trip(&model);
    assert_eq!(penalties(&read(&config)?), [7.0, 7.0]);
    Ok(())
}

#[test]
fn a_penalty_on_outputs_has_one_place() -> Result<()> {
    let (one, two) = (Regularizer::l2(1.0), Regularizer::l1(2.0));
    let dense = Dense::new(1).shared().activity_regularizer(one.clone());
    let model = Sequential::new([4]).add(dense).build()?;
    assert_eq!(penalties(&model).len(), 1);
    assert_eq!(penalties(&read(&model.config()?)?), penalties(&model));
    let dense = Dense::new(1).activity_regularizer(one.clone()).named("d");
    let dense = dense.activity_regularizer(two.clone());
    let error = Sequential::new([4]).add(dense).build().unwrap_err().to_string();
    let starts = "layer `d` (Dense): has `activity_regularizer` twice\n  expected: one,";
    assert!(error.starts_with(starts), "{error}");
    let part = LayerHandle::from(&model).activity_regularizer(one.clone());
    let error = Sequential::new([4]).add(part).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer `sequential` (Sequential): takes no `activity_regularizer`\n  \
         expected: a layer that takes one\n       got: Sequential\n      \
         help: add a layer ActivityRegularization after it"
    );
    let cell = Wrapped::from(GRUCell::new(2));
    let cell = cell.with(|cell| cell.activity_regularizer(one));
    let error = Sequential::new([4, 2]).add(RNN::new(cell)).build().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot penalize the outputs of a cell"), "{text}");
    Ok(())
}

#[test]
fn a_wrong_penalty_on_outputs_is_named() {
    let wrong = json!({"class_name": "L2", "config": {"l2": "much"}});
    let config = json!({"name": "f", "activity_regularizer": wrong});
    let config = sequential(&[json!({"class_name": "Flatten", "config": config})]);
    let error = read(&config).unwrap_err().to_string();
    let line = "layer `f` (Flatten): activity_regularizer: l2 is a number";
    assert!(error.contains(line), "{error}");
}
