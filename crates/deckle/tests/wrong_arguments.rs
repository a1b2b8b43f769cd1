//! Every setting of every layer with values that make no sense: an error with the layer's name
//! and what is allowed, never a panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use deckle::{
    autograd::{Device, Var},
    data::Arrays,
    formats::KerasArchive,
    nn::{
        Call, Constraint, Initializer, LayerExt, Model, Registry, Regularizer, Result,
        Sequential, Symbol,
        layers::{
            AlphaDropout, BatchNormalization, Conv1D, Conv2D, Dense, Dropout, ELU,
            GaussianDropout, GaussianNoise, GroupNormalization, LSTM, LayerNormalization,
            LeakyReLU, MaxPooling1D, MultiHeadAttention, Normalization, Padding,
            RMSNormalization, ReLU, Rescaling, ReversibleEmbedding, SimpleRNN, Softmax,
        },
    },
    optim::{AnyOptimizer, Muon},
    tensor::{DType, Tensor},
    train::{
        Compile, Fit, Metric, Trainable,
        metrics::{AUC, BinaryAccuracy, BinaryIoU},
    },
};
use serde_json::{Map, Value, json};

/// A layer as Keras wrote it, and the shapes of its inputs.
struct Example {
    object: Value,
    shapes: Vec<Value>,
    in_list: bool,
}

/// Of each class the layers in the golden cases whose inputs' shapes the file says.
fn examples() -> BTreeMap<String, Vec<Example>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/golden/cases");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = BTreeMap::new();
    for path in paths.iter().map(|path| path.join("model.keras")).filter(|p| p.is_file())
    {
        collect(&KerasArchive::read(path).unwrap().config, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeMap<String, Vec<Example>>) {
    match value {
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, found)),
        Value::Object(object) => {
            if let Some(example) = example(value) {
                let class = value["class_name"].as_str().unwrap().to_owned();
                found.entry(class).or_default().push(example);
            }
            object.values().for_each(|part| collect(part, found));
        }
        _ => {}
    }
}

fn example(object: &Value) -> Option<Example> {
    if object.get("module")?.as_str()? != "keras.layers" {
        return None;
    }
    let (shapes, in_list) = of_call(object).or_else(|| of_build(object))?;
    let object = json!({
        "module": "keras.layers", "class_name": object["class_name"],
        "config": object["config"], "name": "brick",
    });
    Some(Example { object, shapes, in_list })
}

fn is_shape(value: &Value) -> bool {
    let lens = value.as_array();
    lens.is_some_and(|lens| lens.iter().all(|len| len.is_null() || len.is_u64()))
}

/// The shapes of the inputs of a layer's first call, and whether they are one list.
fn of_call(object: &Value) -> Option<(Vec<Value>, bool)> {
    let call = object.get("inbound_nodes")?.get(0)?;
    let args = call.get("args")?.as_array()?;
    let shape = |tensor: &Value| tensor.pointer("/config/shape").cloned();
    let (tensors, in_list) = match &args[..] {
        [Value::Array(list)] => (list, true),
        _ => (args, false),
    };
    let shapes: Option<Vec<_>> = tensors.iter().map(shape).collect();
    shapes.filter(|shapes| !shapes.is_empty()).map(|shapes| (shapes, in_list))
}

/// The shapes that a layer was built for, and whether they are one list.
fn of_build(object: &Value) -> Option<(Vec<Value>, bool)> {
    let known = object.get("build_config")?.as_object()?;
    match (known.get("input_shape"), known.get("shapes_dict")) {
        (Some(one), _) if is_shape(one) => Some((vec![one.clone()], false)),
        (Some(Value::Array(all)), _) if all.iter().all(is_shape) => {
            Some((all.clone(), true))
        }
        (_, Some(Value::Object(all))) if all.values().all(is_shape) => {
            Some((all.values().cloned().collect(), false))
        }
        _ => None,
    }
}

/// Reads a model of that layer alone.
fn read(example: &Example, config: &Map<String, Value>) -> Result<Model> {
    let mut layers = Vec::new();
    let mut tensors = Vec::new();
    for (at, shape) in example.shapes.iter().enumerate() {
        let mut shape = shape.clone();
        // Stateful layers need to know it.
        shape[0] = json!(2);
        let name = format!("input_{at}");
        layers.push(json!({
            "class_name": "InputLayer", "name": name, "inbound_nodes": [],
            "config": { "name": name, "batch_shape": shape, "dtype": "float32" },
        }));
        tensors.push(json!({
            "class_name": "__keras_tensor__",
            "config": { "shape": shape, "dtype": "float32", "keras_history": [name, 0, 0] },
        }));
    }
    let inputs: Vec<_> =
        (0..tensors.len()).map(|at| json!([format!("input_{at}"), 0, 0])).collect();
    let args = if example.in_list { json!([tensors]) } else { tensors.into() };
    let mut layer = example.object.clone();
    layer["config"] = config.clone().into();
    layer["config"]["name"] = "brick".into();
    layer["inbound_nodes"] = json!([{ "args": args, "kwargs": {} }]);
    layers.push(layer);
    let config = json!({
        "class_name": "Functional",
        "config": {
            "name": "model", "layers": layers, "input_layers": inputs,
            "output_layers": [["brick", 0, 0]],
        },
    });
    Model::from_config(&config, &Registry::keras(), 0, &Device::reference())
}

/// What makes no sense for a setting of that name, whatever the layer; a value of it is given.
fn wrong(class: &str, key: &str, value: &Value) -> Vec<Value> {
    let mut all = vec![json!({ "a": [] })];
    match value {
        Value::Bool(_) => all.extend([json!("maybe"), json!(3), json!([1]), json!([])]),
        Value::Number(_) => all.extend([json!("many"), json!([[[1]]])]),
        Value::Object(object) if object.contains_key("class_name") => {
            let nothing = json!({ "class_name": "Nothing", "config": {} });
            all.extend([nothing, json!("nothing"), json!(-3)]);
        }
        _ => {}
    }
    let spatial = class.chars().rev().nth(1).and_then(|c| c.to_digit(10)).unwrap_or(0);
    let own = match key {
        "units"
        | "filters"
        | "input_dim"
        | "output_dim"
        | "key_dim"
        | "num_heads"
        | "head_dim"
        | "num_query_heads"
        | "num_key_value_heads"
        | "n"
        | "power_iterations"
        | "depth_multiplier"
        | "num_tokens"
        | "height"
        | "width" => {
            json!([0, -1, 1.5, 9_223_372_036_854_775_808_u64])
        }
        "rate"
            if [
                "Dropout",
                "SpatialDropout1D",
                "SpatialDropout2D",
                "SpatialDropout3D",
            ]
            .contains(&class) =>
        {
            json!([-0.1, 1.1])
        }
        "dropout" if class.ends_with("Attention") => json!([-0.1, 1.1]),
        "rate" | "recurrent_dropout" | "dropout" => json!([-0.1, 1.0, 2]),
        "stddev" | "negative_slope" | "l1" | "l2" | "threshold" | "max_value" => {
            json!([-0.1])
        }
        "momentum" | "renorm_momentum" => json!([-0.1, 1.1]),
        "epsilon" if class != "Discretization" => json!([-0.1]),
        "kernel_size" | "strides" | "dilation_rate" | "pool_size" | "output_size"
        | "size" => {
            json!([0, -1, [], [1, 1, 1, 1], "3", [-1, -1, -1]])
        }
        "padding" if class.starts_with("ZeroPadding") => {
            json!(["same", -1, [[1, 2, 3]], [[-1, 0], [0, 0]]])
        }
        "cropping" => json!(["same", -1, 50, [[1, 2, 3]], [[-1, 0], [0, 0]]]),
        "padding" if class == "Conv1D" => json!(["full", "", 3]),
        "padding" => json!(["full", "", 3, "causal"]),
        "output_padding" => json!([9, -1, [1, 1, 1, 1]]),
        "groups" if class == "GroupNormalization" => json!([0, 3, -2]),
        "groups" => json!([0, 5, -1]),
        "data_format" => json!(["channels_middle", 1]),
        "activation" | "recurrent_activation" => json!(["sofmax", 2]),
        "axis" if class == "Normalization" => json!([9, [9]]),
        "axis" => json!([9, -9, "last"]),
        "axes" => json!([9, [1, 9], [1, 1, 1]]),
        "shared_axes" | "attention_axes" => json!([[9], [0], "one"]),
        "dims" => json!([[1], [1, 1, 2], [0, 1, 2], [1, 2, 9]]),
        "target_shape" => json!([[5], [-1, -1], [-2, 3], [0]]),
        "merge_mode" | "score_mode" | "interpolation" | "output_mode" | "mode"
        | "fill_mode" => {
            json!(["none at all", 3])
        }
        "value_dim" | "output_shape" | "sliding_window" | "logit_soft_cap" => {
            json!([0, -1])
        }
        "noise_shape" => json!([[7, 7, 7], [7], [0], "all"]),
        "equation" => json!(["abc", "abc,cd", "abc,cd->abz", "ab,bc->ac", ""]),
        "bias_axes" => json!(["z"]),
        "value_range" => json!([[1], [1, 2, 3], "all"]),
        "factor" => json!([-1.5, [0.1, 0.2, 0.3], [-3, 3]]),
        "bin_boundaries" => json!([[2, 1], ["a"]]),
        "reverse_dtype" => json!(["int32", "float3"]),
        "renorm_clipping" => {
            json!([{ "rmax": 1, "rmin": 2 }, { "dmax": -1 }, { "r": 1 }])
        }
        "mean" | "variance" => json!(["high", [1, 2, 3, 4, 5, 6, 7]]),
        "seed" => json!(["seven"]),
        _ => json!([]),
    };
    let own = own.as_array().unwrap().clone();
    let is_fine = |value: &Value| {
        // As many numbers as there are axes are fine.
        let count = value.as_array().map_or(0, Vec::len);
        key == "output_padding"
            && value == &json!([1, 1, 1, 1])
            && count as u32 == spatial
    };
    all.extend(own.into_iter().filter(|value| !is_fine(value)));
    all
}

/// Settings that may have any value of any type, or that only say how.
const FREE: &[&str] = &[
    "name",
    "trainable",
    "dtype",
    "unroll",
    "use_cudnn",
    "flash_attention",
    "layer",
    "backward_layer",
    "cell",
    "cells",
    "input_mean",
    "input_variance",
    "mask_value",
    "autocast",
    "arguments",
];

#[test]
fn what_makes_no_sense_is_an_error_with_the_layers_name() {
    let examples = examples();
    let (mut problems, mut checked, mut classes) = (Vec::new(), 0, BTreeSet::new());
    for (class, all) in &examples {
        if !Registry::keras().knows(class) {
            continue;
        }
        // Settings that do not come together are in several examples.
        let mut seen = BTreeSet::new();
        for example in all {
            let config = example.object["config"].as_object().unwrap();
            if config.iter().all(|(key, value)| value.is_null() || seen.contains(key)) {
                continue;
            }
            // Cells have states besides, which the file does not say.
            if read(example, config).is_err() {
                continue;
            }
            classes.insert(class.clone());
            for (key, value) in config {
                let is_nothing = value.is_null();
                if FREE.contains(&&key[..])
                    || (is_nothing && all.len() > 1)
                    || !seen.insert(key.clone())
                {
                    continue;
                }
                for wrong in wrong(class, key, value) {
                    let mut changed = config.clone();
                    changed.insert(key.clone(), wrong.clone());
                    checked += 1;
                    let read = catch_unwind(AssertUnwindSafe(|| read(example, &changed)));
                    let named = format!("layer `brick` ({class})");
                    match read {
                        Err(_) => {
                            problems.push(format!("{class}: {key} = {wrong}: a panic"));
                        }
                        Ok(Ok(_)) => {
                            problems.push(format!("{class}: {key} = {wrong} is taken"));
                        }
                        Ok(Err(error)) if error.to_string().contains(&named) => {}
                        Ok(Err(error)) => {
                            problems.push(format!("{class}: {key} = {wrong}: {error}"));
                        }
                    }
                }
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {checked}:\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(classes.len() > 80 && checked > 1400, "{} {checked}", classes.len());
}

/// Absurd numbers anywhere: an error or not, but no panic and no memory for them.
#[test]
fn absurd_numbers_do_not_panic() {
    let absurd = [
        json!(u64::MAX),
        json!(1_u64 << 62),
        json!(i64::MIN),
        json!(1e300),
        json!(-1e300),
        json!([u64::MAX]),
        json!([1_u64 << 62, 1_u64 << 62]),
        json!([[1_u64 << 62, 1_u64 << 62]]),
        json!([1_u64 << 62, 1_u64 << 62, 1_u64 << 62]),
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!([[1_u64 << 62, 1_u64 << 62], [1_u64 << 62, 1_u64 << 62]]),
        json!([null, -1]),
    ];
    let mut problems = Vec::new();
    for (class, all) in examples() {
        if !Registry::keras().knows(&class) {
            continue;
        }
        let Some(example) = all.first() else { continue };
        let config = example.object["config"].as_object().unwrap();
        for key in config.keys().filter(|key| *key != "name") {
            for value in &absurd {
                let mut changed = config.clone();
                changed.insert(key.clone(), value.clone());
                if catch_unwind(AssertUnwindSafe(|| drop(read(example, &changed))))
                    .is_err()
                {
                    problems.push(format!("{class}: {key} = {value}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The same from setters, with what JSON has no form for.
#[test]
fn setters_are_checked_too() {
    let nan = f64::NAN;
    let x = Symbol::input("x", [4, 4]);
    let image = Symbol::input("image", [4, 4, 4]);
    let check = |made: Result<Symbol>, expected: &str| {
        let text = match made.and_then(|y| Model::new([&x, &image], [&y])) {
            Ok(_) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(
            text.starts_with("layer `") && text.contains(expected),
            "{expected}: {text}"
        );
    };
    check(Dense::new(0).apply(&x), "`units`");
    check(Dense::new(usize::MAX).apply(&x), "Dense");
    check(
        Dense::new(2).kernel_regularizer(Regularizer::l2(nan)).apply(&x),
        "regularizer L2",
    );
    check(
        Dense::new(2).activity_regularizer(Regularizer::l1(-1.0)).apply(&x),
        "regularizer L1",
    );
    check(
        Dense::new(2).kernel_constraint(Constraint::max_norm(nan)).apply(&x),
        "constraint MaxNorm",
    );
    let initializer = Initializer::RandomNormal { mean: 0.0, stddev: -1.0 };
    check(
        Dense::new(2).kernel_initializer(initializer).apply(&x),
        "initializer RandomNormal",
    );
    check(
        Dense::new(2).bias_initializer(Initializer::Constant(nan)).apply(&x),
        "initializer Constant",
    );
    check(Conv1D::new(2, 2).groups(3).apply(&x), "`groups`");
    check(Conv1D::new(2, usize::MAX).apply(&x), "Conv1D");
    check(Conv2D::new(2, 2).strides(2).dilation_rate(2).apply(&image), "strides");
    check(Conv2D::new(2, 2).dilation_rate(usize::MAX).apply(&image), "Conv2D");
    for layer in [Dropout::new(nan), Dropout::new(-0.1), Dropout::new(1.1)] {
        check(layer.apply(&x), "`rate`");
    }
    check(AlphaDropout::new(nan).apply(&x), "`rate`");
    check(GaussianDropout::new(1.0).apply(&x), "`rate`");
    check(GaussianNoise::new(nan).apply(&x), "`stddev`");
    check(BatchNormalization::new().epsilon(nan).apply(&x), "`epsilon`");
    check(BatchNormalization::new().momentum(nan).apply(&x), "`momentum`");
    check(LayerNormalization::new().epsilon(nan).apply(&x), "`epsilon`");
    check(GroupNormalization::new(2).epsilon(f64::INFINITY).apply(&x), "`epsilon`");
    check(RMSNormalization::new().epsilon(-1.0).apply(&x), "`epsilon`");
    check(Softmax::new().axis(isize::MIN).apply(&x), "Softmax");
    check(ReLU::new().threshold(nan).apply(&x), "`threshold`");
    check(LeakyReLU::new().negative_slope(nan).apply(&x), "`negative_slope`");
    check(ELU::new().alpha(nan).apply(&x), "`alpha`");
    check(LeakyReLU::new().negative_slope(f64::INFINITY).apply(&x), "`negative_slope`");
    check(Rescaling::new(nan).apply(&x), "`scale`");
    check(Rescaling::new(1.0).offsets([0.0, nan, 0.0, 0.0]).apply(&x), "`offset`");
    check(Normalization::new().statistics([nan], [1.0]).apply(&x), "`mean`");
    check(Normalization::new().statistics([0.0], [-1.0]).apply(&x), "`variance`");
    let look_up = ReversibleEmbedding::new(4, 4).reverse_dtype(DType::I32);
    check(look_up.apply(&x), "`reverse_dtype`");
    check(LSTM::new(2).dropout(nan).apply(&x), "`dropout`");
    check(LSTM::new(usize::MAX).apply(&x), "LSTM");
    check(SimpleRNN::new(2).stateful(true).apply(&x), "batches of one size");
    check(MultiHeadAttention::new(2, 0).join([&x, &x]), "`key_dim`");
    check(MultiHeadAttention::new(usize::MAX, 2).join([&x, &x]), "MultiHeadAttention");
}

/// A mask, or any tensor by name, where the layer has no use for it.
#[test]
fn a_mask_where_none_is_possible_is_an_error() {
    let x = Symbol::input("x", [4, 4]);
    let mask = Symbol::input("mask", [4]);
    let layer = Conv1D::new(2, 2).named("conv");
    let error = layer.call([&x], [("mask", &mask)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer `conv` (Conv1D): cannot be called so\n  expected: a tensor that the layer takes by \
         that name\n       got: mask"
    );
    for name in ["attention_mask", "initial_state", "banana"] {
        assert!(Dense::new(2).shared().call([&x], [(name, &mask)]).is_err(), "{name}");
    }
    assert!(LSTM::new(2).shared().call([&x], [("mask", &mask)]).is_ok());
}

/// Windows and batches without end are as long as the data.
#[test]
fn what_is_longer_than_the_data_ends_with_it() {
    for window in [17, 1 << 40, 1 << 62] {
        let layer = MaxPooling1D::new(window).padding(Padding::Same).strides(1);
        let model = Sequential::new([3, 1]).add(layer).build().unwrap();
        let x = Var::constant(&Tensor::new(vec![1.0f32, 3.0, 2.0], [1, 3, 1]).unwrap());
        let y = model.call(&[x], &mut Call::inference()).unwrap();
        assert_eq!(y[0].eval().unwrap().to_vec::<f32>().unwrap(), [3.0; 3], "{window}");
    }
    let data = Arrays::new(Tensor::full([3, 2], 0.5f32), Tensor::full([3, 1], 1.0f32));
    let model = Sequential::new([2]).add(Dense::new(1)).build().unwrap();
    let mut trainer = model.compile(Compile::named("sgd", "mse").unwrap()).unwrap();
    let fit = Fit::new().epochs(2).batch_size(usize::MAX).verbose(0);
    assert!(trainer.fit(&data.unwrap(), fit).is_ok());
}

/// Of metrics, optimizers and `Compile`.
#[test]
fn settings_of_training_are_checked() {
    let fails = |text: String, expected: &str| {
        assert!(text.contains(expected), "{expected}: {text}");
    };
    let (nan, t) = (f64::NAN, Tensor::full([2, 2], 1.0f32));
    let text = BinaryAccuracy::new().threshold(nan).measure(&t, &t, None);
    fails(text.unwrap_err().to_string(), "metric BinaryAccuracy: `threshold`");
    let text = BinaryIoU::new().threshold(nan).measure(&t, &t, None);
    fails(text.unwrap_err().to_string(), "metric BinaryIoU: `threshold`");
    for weights in [[nan, 1.0], [-1.0, 1.0]] {
        let auc = AUC::new().multi_label(true).num_labels(2).label_weights(weights);
        let text = auc.measure(&t, &t, None).unwrap_err().to_string();
        fails(text, "metric AUC: `label_weights`");
    }
    let compiled = |optimizer: AnyOptimizer, layer: &str| {
        let model = Sequential::new([2]).add(Dense::new(1)).build().unwrap();
        let compile = Compile::named("sgd", "mse").unwrap().optimizer(optimizer);
        model.compile(compile.multiply_learning_rate(layer, 0.1)).map(drop)
    };
    assert!(compiled(Muon::new().into(), "dense/").is_ok());
    let base = Sequential::new([2]).add(Dense::new(4)).name("base").build().unwrap();
    let model = Sequential::new([2]).add(&base).add(Dense::new(1)).build().unwrap();
    let compile = Compile::named("sgd", "mse").unwrap();
    assert!(model.compile(compile.multiply_learning_rate("base/", 0.1)).is_ok());
    for (muon, setting) in [
        (Muon::new().muon_a(nan), "`muon_a`"),
        (Muon::new().muon_c(f64::INFINITY), "`muon_c`"),
        (Muon::new().rms_rate(-1.0), "`rms_rate`"),
    ] {
        fails(compiled(muon.into(), "dense/").unwrap_err().to_string(), setting);
    }
    assert_eq!(
        compiled(Muon::new().into(), "dens_1/").unwrap_err().to_string(),
        "multiply_learning_rate\n  expected: a text in the path of a weight, as \
         model.weight_paths() has them\n       got: `dens_1/`\n      help: name the layer, as \
         `dense/`, or the weight, as `dense/kernel`"
    );
}
