//! Settings in other forms than Keras's usual ones, and what is said of wrong ones.

use super::*;
use crate::layers::{Bidirectional, SpatialDropout1D, TimeDistributed};

/// A model of that layer, of its class and settings.
fn of_layer(class: &str, config: Value) -> Value {
    let mut config = config;
    config["name"] = json!("it");
    let input = json!({"class_name": "InputLayer", "config": {
        "batch_shape": [null, 6, 4], "dtype": "float32", "name": "input",
    }});
    json!({"class_name": "Sequential", "config": {"name": "model", "layers": [
        input, {"class_name": class, "module": "keras.layers", "config": config},
    ]}})
}

fn written(class: &str, config: Value) -> Result<Value> {
    Ok(read(&of_layer(class, config))?.config()?["config"]["layers"][1]["config"].take())
}

#[test]
fn numbers_and_nothing_are_true_or_false() -> Result<()> {
    for (given, truth) in [
        (json!(0), false),
        (json!(0.0), false),
        (json!(1), true),
        (json!(1.0), true),
        (json!(null), false),
    ] {
        let dense = written("Dense", json!({"units": 2, "use_bias": given}))?;
        assert_eq!(dense["use_bias"], truth);
        let settings = json!({"units": 2, "return_sequences": given, "unroll": given});
        let gru = written("GRU", settings.clone())?;
        assert_eq!(
            (&gru["return_sequences"], &gru["unroll"]),
            (&truth.into(), &truth.into())
        );
        let inner = json!({"class_name": "GRU", "config": settings});
        let both = written("Bidirectional", json!({"layer": inner}))?;
        assert_eq!(both["layer"]["config"]["return_sequences"], truth);
    }
    let other = of_layer("Dense", json!({"units": 2, "use_bias": 3}));
    fails(&other, "use_bias = 3: invalid type: integer 3, expected true or false");
    Ok(())
}

#[test]
fn nothing_is_the_default_of_formats_and_initializers() -> Result<()> {
    let pool = written("MaxPooling1D", json!({"pool_size": 2, "data_format": null}))?;
    assert_eq!(pool["data_format"], "channels_last");
    let dense = written("Dense", json!({"units": 2, "bias_initializer": null}))?;
    assert_eq!(dense["bias_initializer"]["class_name"], "GlorotUniform");
    Ok(())
}

#[test]
fn wrong_settings_are_named_once() {
    let units = of_layer("Dense", json!({"units": true, "use_bias": "no"}));
    let error = read(&units).expect_err("wrong").to_string();
    assert!(error.contains("units = true: invalid type: boolean true"), "{error}");
    assert!(!error.contains("missing field") && !error.contains("no `units`"), "{error}");
    for trainable in [json!(null), json!(1), json!("yes")] {
        let text = format!("trainable = {trainable}: expected true or false");
        fails(&of_layer("Dense", json!({"units": 2, "trainable": trainable})), &text);
        let inner = json!({"class_name": "Dense", "config": {"units": 2, "trainable": trainable}});
        fails(&of_layer("TimeDistributed", json!({"layer": inner})), &text);
        let mut model = of_layer("Dense", json!({"units": 2}));
        model["config"]["trainable"] = trainable;
        fails(&model, &format!("missing: model `model`: {text}"));
    }
}

#[test]
fn margins_have_one_form_for_each_number_of_axes() {
    for padding in [json!([1]), json!([[1, 2]]), json!([1, 2, 3])] {
        let text = format!("padding = {padding}: {padding} is not one number, or a pair");
        fails(&of_layer("ZeroPadding1D", json!({"padding": padding})), &text);
    }
    let text = "[1] is not one number, or a list of 2 numbers or pairs";
    fails(&of_layer("Cropping2D", json!({"cropping": [1]})), text);
}

#[test]
fn what_layers_in_a_layer_say_of_themselves_counts() -> Result<()> {
    let open = |outer: bool, inner: bool| -> Result<(usize, Value)> {
        let cell = json!({"class_name": "GRUCell", "module": "keras.layers", "config": {
            "units": 2, "trainable": inner, "name": "cell",
        }});
        let model = read(&of_layer("RNN", json!({"trainable": outer, "cell": cell})))?;
        let config = model.config()?;
        assert_eq!(read(&config)?.config()?, config);
        let trained = model.trainable_weights().count();
        Ok((trained, config["config"]["layers"][1]["config"]["trainable"].clone()))
    };
    assert_eq!(open(false, true)?, (3, json!(true)));
    assert_eq!(open(true, false)?, (0, json!(true)));
    assert_eq!(open(false, false)?, (0, json!(false)));
    // One that is frozen as a whole is so where its file is read.
    let both = Bidirectional::new(RNN::stacked([GRUCell::new(2).into()]));
    let model = Sequential::new([6, 4]).add(both.trainable(false)).build()?;
    let config = model.config()?;
    let layer = &config["config"]["layers"][1]["config"]["layer"]["config"];
    assert_eq!(layer["trainable"], false);
    assert_eq!(layer["cell"]["config"]["trainable"], false);
    let again = read(&config)?;
    assert_eq!(again.trainable_weights().count(), 0);
    assert_eq!(again.config()?, config);
    // Opening it opens all in it, whether it was read or not.
    let opened = again.with_trainable("bidirectional", true)?;
    assert_eq!(opened.trainable_weights().count(), 6);
    assert_eq!(opened.trainable(true).config()?, opened.config()?);
    // What a layer around others says, within another one, counts as little.
    let open = |inner: bool| -> Result<usize> {
        let cell = json!({"class_name": "GRUCell", "module": "keras.layers", "config": {
            "units": 2, "trainable": inner, "name": "cell",
        }});
        let rnn = json!({"class_name": "RNN", "module": "keras.layers", "config": {
            "trainable": false, "cell": cell,
        }});
        let both = json!({"trainable": false, "layer": rnn});
        Ok(read(&of_layer("Bidirectional", both))?.trainable_weights().count())
    };
    assert_eq!((open(true)?, open(false)?), (6, 0));
    let none = TimeDistributed::new(SpatialDropout1D::new(0.3)).trainable(false);
    let config = Sequential::new([3, 6, 4]).add(none).build()?.config()?;
    assert_eq!(read(&config)?.config()?, config);
    Ok(())
}
