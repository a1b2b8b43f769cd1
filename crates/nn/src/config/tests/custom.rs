//! Classes that are none of Keras's.

use super::*;

/// A layer that the registry does not know by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Twice {}

impl Layer for Twice {
    fn class_name(&self) -> &'static str {
        "Twice"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        Ok(inputs.to_vec())
    }

    fn build(&self, _: &[Shape], _: &mut Init<'_>) -> Result<Box<dyn Built>> {
        Ok(Box::new(self.clone()))
    }
}

impl Built for Twice {
    fn call(&self, inputs: &crate::Inputs, _: &mut Call<'_>) -> Result<Vec<Var>> {
        Ok(vec![inputs.only()?.mul(2.0)?])
    }
}

#[test]
fn custom_layers_are_known_where_they_are_registered() -> Result<()> {
    let config = Sequential::new([4]).add(Twice {}).build()?.config()?;
    let layer = &config["config"]["layers"][1];
    assert_eq!(layer["registered_name"], "Custom>Twice");
    assert_eq!(layer["module"], Value::Null);
    assert!(matches!(read(&config), Err(Error::Unsupported { .. })));
    let registry = Registry::empty().register::<Twice>("Twice");
    let model = Model::from_config(&config, &registry, 0, &Device::reference())?;
    assert_eq!(model.layers()[1].class_name(), "Twice");
    Ok(())
}

#[test]
fn a_class_registered_with_its_package_is_read_as_it_is_written() -> Result<()> {
    let mut config = Sequential::new([4]).add(Twice {}).build()?.config()?;
    let registry = Registry::keras().register::<Twice>("my_pkg>Twice");
    let read = |config: &Value, registry: &Registry| -> Result<Model> {
        Model::from_config(config, registry, 0, &Device::reference())
    };
    assert_eq!(read(&config, &registry)?.layers()[1].class_name(), "Twice");
    // Which of two it is, nothing says; and another package's is none of them.
    let two = registry.clone().register::<Twice>("her_pkg>Twice");
    assert!(read(&config, &two).is_err());
    config["config"]["layers"][1]["registered_name"] = json!("his_pkg>Twice");
    assert!(read(&config, &registry).is_err());
    Ok(())
}

#[test]
fn a_class_of_another_package_is_none_of_keras() -> Result<()> {
    let mut config = Sequential::new([4]).add(Dense::new(3)).build()?.config()?;
    let mut read_as = |module: &Value, registered: &Value, registry: &Registry| {
        let layer = &mut config["config"]["layers"][1];
        layer["module"] = module.clone();
        layer["registered_name"] = registered.clone();
        Model::from_config(&config, registry, 0, &Device::reference())
    };
    let (keras, null) = (Registry::keras(), Value::Null);
    for module in [json!("keras.layers"), json!("keras.src.layers.core.dense")] {
        for registered in [json!("Dense"), null.clone()] {
            assert!(read_as(&module, &registered, &keras).is_ok());
        }
    }
    assert!(read_as(&null, &null, &keras).is_ok());
    let foreign = [
        // Of a script.
        (null.clone(), json!("Dense")),
        (json!("my_pkg.layers"), json!("my_pkg>Dense")),
        (null.clone(), json!("Custom>Dense")),
        (json!("my_layers"), null),
        (json!("keras_hub.src.layers"), json!("Dense")),
        (json!("keras.layers"), json!("my_pkg>Dense")),
    ];
    for (module, registered) in &foreign {
        let error = read_as(module, registered, &keras).unwrap_err().to_string();
        let end = ", not Keras's: add it with Registry::register";
        assert!(error.contains("layer `dense` (Dense): a class of "), "{error}");
        assert!(error.ends_with(end), "{error}");
        let registry = Registry::keras().register::<Twice>("Dense");
        let error = read_as(module, registered, &registry).unwrap_err().to_string();
        assert!(!error.contains("not Keras's"), "{error}");
        let registry = Registry::keras().register::<Dense>("Dense");
        assert!(read_as(module, registered, &registry).is_ok());
    }
    let registry = Registry::keras().register::<Dense>("my_pkg>Dense");
    let reads = foreign.map(|(module, name)| read_as(&module, &name, &registry).is_ok());
    assert_eq!(reads, [true, true, true, false, false, true]);
    Ok(())
}

#[test]
fn a_class_of_another_package_is_none_of_keras_in_a_layer_either() -> Result<()> {
    let layer = TimeDistributed::new(Dense::new(3));
    let mut config = Sequential::new([5, 4]).add(layer).build()?.config()?;
    let inner = &mut config["config"]["layers"][1]["config"]["layer"];
    inner["module"] = json!("my_pkg.layers");
    inner["registered_name"] = json!("my_pkg>Dense");
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("a class of my_pkg>Dense, not Keras's"), "{error}");
    let registry = Registry::keras().register::<Dense>("my_pkg>Dense");
    assert!(Model::from_config(&config, &registry, 0, &Device::reference()).is_ok());
    Ok(())
}

#[test]
fn a_model_of_another_package_is_none_of_keras() -> Result<()> {
    let inner = Sequential::new([4]).add(Dense::new(3)).build()?;
    let mut config = Sequential::new([4]).add(&inner).build()?.config()?;
    let layer = &mut config["config"]["layers"][1];
    layer["registered_name"] = json!("my_pkg>Sequential");
    let error = read(&config).unwrap_err().to_string();
    assert!(error.contains("(Sequential): a class of my_pkg>Sequential"), "{error}");
    let error = read(&config["config"]["layers"][1]).unwrap_err().to_string();
    assert!(error.contains("missing: class `Sequential` of a model"), "{error}");
    Ok(())
}
