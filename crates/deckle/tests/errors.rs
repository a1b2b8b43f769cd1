//! Bad input meets an error that says where, what was expected, what came, and what to do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use deckle::{data::Batch, prelude::*};

fn classifier(classes: usize) -> Model {
    Sequential::new([4]).add(Dense::new(classes).activation(Softmax)).build().unwrap()
}

fn compile(model: &Model) -> Trainer {
    let compile = Compile::new(RmsProp::new(), SparseCategoricalCrossentropy::new());
    model.compile(compile.device(&Device::new(Cpu::with_threads(1)))).unwrap()
}

fn data(x: Tensor, labels: &[i64]) -> Arrays {
    Arrays::new(x, Tensor::new(labels, [labels.len()]).unwrap()).unwrap()
}

fn quiet<'a>() -> Fit<'a> {
    Fit::new().verbose(0)
}

#[track_caller]
fn check<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>, expected: &str) {
    let error = result.map_err(|error| error.to_string()).unwrap_err();
    assert_eq!(error, expected);
}

#[test]
fn a_label_outside_the_classes_is_named() {
    let mut trainer = compile(&classifier(10));
    let x = Tensor::random_uniform([3, 4], 0.0..1.0, 1);
    let before = weights(&trainer);
    check(
        trainer.fit(&data(x, &[1, 10, 2]), quiet()),
        "a target is not one of the classes
  expected: 0 <= label < 10
       got: 10
      help: number the classes from 0, and give the last layer one unit for each",
    );
    let after = weights(&trainer);
    assert!(before.iter().zip(&after).all(|(a, b)| a.bits_equal(b)), "nothing is lost");
}

#[test]
fn a_loss_that_is_not_a_number_is_named_at_once() {
    let mut trainer = compile(&classifier(2));
    let mut values = vec![0.5f32; 40];
    values[30] = f32::NAN;
    let x = Tensor::new(values, [10, 4]).unwrap();
    let fit = quiet().batch_size(2).epochs(3).shuffle(false);
    check(
        trainer.fit(&data(x, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]), fit),
        "the loss is NaN in epoch 1, batch 4; the weights are those from before that batch
      help: look for NaN in the data, or lower the learning rate",
    );
    let weights = trainer.model().variables();
    assert!(weights.iter().all(|v| {
        v.value().unwrap().to_vec::<f32>().unwrap().iter().all(|w| w.is_finite())
    }));
}

#[test]
fn an_empty_data_set_is_named() {
    let mut trainer = compile(&classifier(2));
    let empty = data(Tensor::zeros(DType::F32, [0, 4]), &[]);
    let text = "the data set is empty\n  expected: one example or more\n       got: none";
    check(trainer.fit(&empty, quiet()), text);
    check(trainer.evaluate(&empty), text);
}

#[test]
fn a_batch_of_nothing_is_named() {
    let mut trainer = compile(&classifier(2));
    let one = data(Tensor::zeros(DType::F32, [1, 4]), &[0]);
    let error = trainer.fit(&one, quiet().batch_size(0)).unwrap_err().to_string();
    assert!(error.contains("batch_size") && error.contains("expected"), "{error}");
}

#[test]
fn a_wrong_shape_names_the_input() {
    let mut trainer = compile(&classifier(2));
    let x = Tensor::zeros(DType::F32, [2, 5]);
    check(
        trainer.fit(&data(x, &[0, 1]), quiet()),
        "input `input_layer` of the model got data of another shape
  expected: (batch, 4)
       got: (batch, 5)
      help: reshape the data, or build the model for examples of shape (5,)",
    );
}

#[test]
fn a_layer_that_cannot_take_its_input_is_named() {
    let model = Sequential::new([28, 28])
        .add(Flatten::new())
        .add(Dense::new(3))
        .add(Conv2D::new(4, 3))
        .build();
    let error = model.map(|_| ()).unwrap_err().to_string();
    assert!(
        error.starts_with("layer `conv2d` (Conv2D): cannot take this input\n"),
        "{error}"
    );
    assert!(error.contains("\n       got: (batch, 3)"), "{error}");
    assert!(error.contains("\n      help: "), "{error}");
}

#[test]
fn unknown_names_get_a_suggestion() {
    check(
        Compile::named("rmsprob", "mse"),
        "unknown optimizer `rmsprob`\n  expected: one of SGD, RMSprop, Adam, AdamW, Adagrad, Adadelta, Adafactor, Adamax, Ftrl, Lamb, \
         Lion, LossScaleOptimizer, Muon, Nadam, ScheduleFreeAdamW\n      help: did you mean `RMSprop`?",
    );
    check(
        Compile::named("rmsprop", "mssse"),
        "unknown loss `mssse`\n      help: did you mean `mse`?",
    );
    check(
        Compile::named("rmsprop", "mse").unwrap().metrics_named(&["acuracy"]),
        "unknown metric `acuracy`\n      help: did you mean `accuracy`?",
    );
}

#[test]
fn one_hot_targets_for_a_sparse_loss_are_named() {
    let mut trainer = compile(&classifier(3));
    let (x, y) = (Tensor::zeros(DType::F32, [2, 4]), Tensor::zeros(DType::F32, [2, 3]));
    check(
        trainer.fit(&Arrays::new(x, y).unwrap(), quiet()),
        "loss SparseCategoricalCrossentropy: cannot take these targets
  expected: one integer label for each prediction of shape (batch, 3)
       got: (batch, 3)
      help: for one-hot targets use CategoricalCrossentropy",
    );
}

fn weights(trainer: &Trainer) -> Vec<Tensor> {
    trainer.model().variables().iter().map(|v| v.value().unwrap()).collect()
}

/// Fails with that text, and changes no weight.
#[track_caller]
fn refuses(trainer: &mut Trainer, data: &Arrays, fit: Fit<'_>, expected: &str) {
    let before = weights(trainer);
    check(trainer.fit(data, fit), expected);
    let after = weights(trainer);
    assert!(before.iter().zip(&after).all(|(a, b)| a.bits_equal(b)), "{expected}");
}

fn regression(units: usize, loss: &str) -> Trainer {
    let model = Sequential::new([4]).add(Dense::new(units)).build().unwrap();
    let device = Device::new(Cpu::with_threads(1));
    model.compile(Compile::named("sgd", loss).unwrap().device(&device)).unwrap()
}

/// None of them is repeated along an axis until it fits.
#[test]
fn targets_of_another_shape_than_the_predictions_are_named() {
    let x = || Tensor::random_uniform([3, 4], 0.0..1.0, 1);
    for (loss, class) in [
        ("mse", "MeanSquaredError"),
        ("mae", "MeanAbsoluteError"),
        ("binary_crossentropy", "BinaryCrossentropy"),
        ("huber", "Huber"),
        ("hinge", "Hinge"),
        ("kl_divergence", "KLDivergence"),
        ("cosine_similarity", "CosineSimilarity"),
        ("dice", "Dice"),
    ] {
        // As many examples as units would fit along the wrong axis.
        for (units, shape, text) in [
            (3, &[3][..], "(batch,)"),
            (3, &[3, 1], "(batch, 1)"),
            (1, &[3, 3], "(batch, 3)"),
            (2, &[3, 3], "(batch, 3)"),
        ] {
            let data = Arrays::new(x(), Tensor::full(shape, 0.5f32)).unwrap();
            refuses(
                &mut regression(units, loss),
                &data,
                quiet(),
                &format!(
                    "loss {class}: cannot take these targets\n  expected: targets of the \
                     prediction's shape (batch, {units})\n       got: {text}\n      help: give the \
                     last layer as many units as a target has numbers"
                ),
            );
        }
        let column = Arrays::new(x(), Tensor::full([3], 0.5f32)).unwrap();
        regression(1, loss).fit(&column, quiet()).unwrap();
    }
    let error = |metric: &str, y: Tensor| {
        let compile = Compile::named("sgd", "sparse_categorical_crossentropy").unwrap();
        let mut trainer =
            classifier(3).compile(compile.metrics_named(&[metric]).unwrap()).unwrap();
        trainer.fit(&Arrays::new(x(), y).unwrap(), quiet()).map(drop)
    };
    let labels = || Tensor::from([0i64, 2, 1]);
    check(
        error("categorical_accuracy", labels()),
        "metric CategoricalAccuracy: cannot take these shapes
  expected: one-hot truths of the predictions' shape (batch, 3)
       got: (batch,)
      help: for labels that are integers use SparseCategoricalAccuracy",
    );
    check(
        error("mae", labels()),
        "metric MeanAbsoluteError: cannot take these targets
  expected: targets of the prediction's shape (batch, 3)
       got: (batch,)
      help: give the last layer as many units as a target has numbers",
    );
    check(
        error("binary_accuracy", labels()),
        "metric BinaryAccuracy: cannot take these shapes
  expected: truths of the predictions' shape (batch, 3)
       got: (batch,)",
    );
    error("accuracy", labels()).unwrap();
}

#[test]
fn labels_that_are_no_whole_numbers_are_named() {
    let x = || Tensor::random_uniform([3, 4], 0.0..1.0, 1);
    for wrong in [1.5f32, f32::NAN, -0.5] {
        let data = Arrays::new(x(), Tensor::from([0.0, wrong, 2.0])).unwrap();
        refuses(
            &mut compile(&classifier(3)),
            &data,
            quiet(),
            "a target is not one of the classes
  expected: 0 <= label < 3
       got: a number that is not whole
      help: number the classes from 0, and give the last layer one unit for each",
        );
    }
    let whole = Arrays::new(x(), Tensor::from([0.0f32, 1.0, 2.0])).unwrap();
    let same = data(x(), &[0, 1, 2]);
    let loss = |data: &Arrays| compile(&classifier(3)).evaluate(data).unwrap().loss();
    assert_eq!(loss(&whole).to_bits(), loss(&same).to_bits());
    let infinite = Arrays::new(x(), Tensor::from([0.0, f32::INFINITY, 1.0])).unwrap();
    assert!(compile(&classifier(3)).fit(&infinite, quiet()).is_err());
}

#[test]
fn settings_of_fit_that_make_no_sense_are_named() {
    let x = || Tensor::random_uniform([3, 4], 0.0..1.0, 1);
    let data = data(x(), &[0, 1, 2]);
    let mut trainer = compile(&classifier(3));
    for (fit, expected) in [
        (quiet().epochs(0), "epochs\n  expected: 1 or more\n       got: 0"),
        (
            quiet().initial_epoch(4).epochs(3),
            "initial_epoch\n  expected: at most 3, as training ends before that epoch\n       \
             got: 4\n      help: epochs is where training ends, not how many epochs follow",
        ),
        (
            quiet().validation_data(&data).validation_freq([1, 0]),
            "validation_freq\n  expected: epochs counted from 1\n       got: [1, 0]",
        ),
        (
            quiet().class_weight(&[(0, 1.0), (3, 2.0)]),
            "class weights\n  expected: classes from 0 to 2\n       got: class 3",
        ),
        (
            quiet().callback(EarlyStopping::new().monitor("loss").min_delta(f64::NAN)),
            "callback `EarlyStopping`: min_delta\n  expected: a finite number\n       got: NaN",
        ),
        (
            quiet().callback(LearningRateScheduler::new(|_, _| -1.0)),
            "callback `LearningRateScheduler`: RMSprop: cannot use this `learning_rate`\n  \
             expected: a finite number of at least 0\n       got: -1",
        ),
    ] {
        refuses(&mut trainer, &data, fit, expected);
    }
    let done = quiet().initial_epoch(3).epochs(3);
    assert!(trainer.fit(&data, done).unwrap().epochs().is_empty());
    check(
        trainer.evaluate_with(&data, Evaluate::new().steps(0)),
        "steps\n  expected: 1 or more\n       got: 0",
    );
    let sum = |weight| {
        let compile = Compile::named("sgd", "mse").unwrap().loss_weight("dense", weight);
        regression(1, "mse").model().compile(compile).map(drop)
    };
    check(
        sum(f64::NAN),
        "loss_weight\n  expected: a finite number\n       got: NaN for output `dense`",
    );
    sum(0.5).unwrap();
    check(
        classifier(3)
            .compile(Compile::named("sgd", "mse").unwrap().loss_weight("out", 0.5))
            .map(drop),
        "unknown output `out`\n  expected: the name of an output's layer: `dense`",
    );
}

#[test]
fn batches_whose_tensors_do_not_belong_together_are_named() {
    let mut trainer = compile(&classifier(3));
    let x = |len: usize| Tensor::zeros(DType::F32, [len, 4]);
    let labels = |len: usize| Tensor::zeros(DType::I64, [len]);
    let mut batch = Batch::new();
    for (inputs, targets, given, expected) in [
        (
            x(2),
            labels(3),
            None,
            "data set: arrays disagree in their number of examples
  expected: 2 examples, as in `input 0`
       got: 3 examples in `target 0`
      help: the first axis of every array counts the examples",
        ),
        (
            x(2),
            labels(2),
            Some(Tensor::full([5], 1.0f32)),
            "data set: arrays disagree in their number of examples
  expected: 2 examples, as in `input 0`
       got: 5 examples in `weights of 0`
      help: the first axis of every array counts the examples",
        ),
        (
            x(0),
            labels(0),
            None,
            "a batch is empty\n  expected: one example or more\n       got: none",
        ),
        (
            x(2),
            Tensor::scalar(1i64),
            None,
            "a batch's tensors hold examples\n  expected: a first axis that counts them\n       \
             got: target 0 of shape ()",
        ),
    ] {
        (batch.inputs, batch.targets) = (vec![inputs], vec![targets]);
        batch.weights = given.into_iter().collect();
        let before = weights(&trainer);
        check(trainer.train_on_batch(&batch), expected);
        check(trainer.test_on_batch(&batch), expected);
        let after = weights(&trainer);
        assert!(before.iter().zip(&after).all(|(a, b)| a.bits_equal(b)), "{expected}");
    }
}

#[test]
fn a_folder_is_not_loaded() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("saved_model");
    std::fs::create_dir(&path).unwrap();
    check(
        deckle::train::load(&path).map(drop),
        &format!(
            "{}: cannot be read\n  expected: a file that ends in .keras, .h5, .weights.h5 or \
             .safetensors\n       got: a folder\n      help: Keras writes a file: \
             model.save(\"model.keras\")",
            path.display()
        ),
    );
}

#[test]
fn validation_data_that_do_not_fit_are_named_before_training() {
    let x = |len: usize| Tensor::random_uniform([3, len], 0.0..1.0, 1);
    let train = data(x(4), &[0, 1, 2]);
    let mut trainer = compile(&classifier(3));
    let one_hot = Arrays::new(x(4), Tensor::zeros(DType::F32, [3, 3])).unwrap();
    let empty = data(Tensor::zeros(DType::F32, [0, 4]), &[]);
    for (held_out, expected) in [
        (
            data(x(5), &[0, 1, 2]),
            "validation data: input `input_layer` of the model got data of another shape
  expected: (batch, 4)
       got: (batch, 5)
      help: reshape the data, or build the model for examples of shape (5,)",
        ),
        (
            one_hot,
            "validation data: loss SparseCategoricalCrossentropy: cannot take these targets
  expected: one integer label for each prediction of shape (batch, 3)
       got: (batch, 3)
      help: for one-hot targets use CategoricalCrossentropy",
        ),
        (
            Arrays::of_inputs([x(4)]).unwrap(),
            "validation data: the data set's targets are not those that the losses need
  expected: a target for `dense`
       got: 0 targets",
        ),
        (
            empty,
            "validation data: the data set is empty\n  expected: one example or more\n       got: none",
        ),
    ] {
        refuses(&mut trainer, &train, quiet().validation_data(&held_out), expected);
    }
    let wrong = data(x(4), &[0, 9, 2]);
    check(
        trainer.fit(&train, quiet().validation_data(&wrong)),
        "validation data: a target is not one of the classes
  expected: 0 <= label < 3
       got: 9
      help: number the classes from 0, and give the last layer one unit for each",
    );
}

/// Tensors are taken by their place, which names that say otherwise would hide.
#[test]
fn names_in_another_order_than_the_models_are_named() {
    let (a, b) = (Symbol::input("a", [2]), Symbol::input("b", [2]));
    let joined = Subtract::new().join([&a, &b]).unwrap();
    let y = Dense::new(1).named("y").apply(&joined).unwrap();
    let z = Dense::new(1).named("z").apply(&joined).unwrap();
    let model = Functional::new([&a, &b], [&y, &z]).build().unwrap();
    let device = Device::new(Cpu::with_threads(1));
    let compile = Compile::named("sgd", "mse").unwrap().device(&device);
    let mut trainer = model.compile(compile).unwrap();
    let named = |inputs: [&str; 2], targets: [&str; 2]| {
        let column = |name: &str, len| (name.to_owned(), Tensor::full([3, len], 0.5f32));
        let inputs = inputs.map(|name| column(name, 2));
        Arrays::named(inputs, targets.map(|name| column(name, 1))).unwrap()
    };
    let text = |what: &str, ours: &str, given: &str| {
        format!(
            "the data set's {what} are in another order than the model's\n  expected: {ours}\n       \
             got: {given}\n      help: give them in the model's order, by which they are taken"
        )
    };
    let swapped = named(["b", "a"], ["y", "z"]);
    let inputs = text("inputs", "`a`, `b`", "`b`, `a`");
    refuses(&mut trainer, &swapped, quiet(), &inputs);
    check(trainer.evaluate(&swapped), &inputs);
    check(trainer.predictor().unwrap().predict_dataset(&swapped), &inputs);
    let targets = text("targets", "`y`, `z`", "`z`, `y`");
    refuses(&mut trainer, &named(["a", "b"], ["z", "y"]), quiet(), &targets);
    let good = named(["a", "b"], ["y", "z"]);
    let held_out = quiet().validation_data(&swapped);
    refuses(&mut trainer, &good, held_out, &format!("validation data: {inputs}"));
    // Other names say nothing of an order.
    for inputs in [["a", "b"], ["x0", "x1"], ["b", "c"]] {
        trainer.fit(&named(inputs, ["y", "z"]), quiet()).unwrap();
    }
}

#[test]
fn one_example_without_the_axis_of_the_batch_is_told_of_it() -> Result<()> {
    let [image, table] = [Symbol::input("image", [8, 8, 1]), Symbol::input("table", [5])];
    let flat = Flatten::new().apply(&image)?;
    let both = Concatenate::new().join([&flat, &table])?;
    let model = Model::new([&image, &table], [&Dense::new(1).apply(&both)?])?;
    let predictor = model.predictor()?;
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
    check(
        predictor.predict(&[zeros(&[8, 8, 1]), zeros(&[5])]),
        "input `image` of the model got data of another shape
  expected: (batch, 8, 8, 1)
       got: (8, 8, 1)
      help: one example is a batch, too: give it the axis of the batch by expand_dims(0)",
    );
    check(
        predictor.predict(&[zeros(&[1, 8, 8, 1]), zeros(&[2, 5])]),
        "data set: arrays disagree in their number of examples
  expected: 1 examples, as in `image`
       got: 2 examples in `table`
      help: the first axis of every array counts the examples",
    );
    check(
        predictor.predict(&[]),
        "model `functional` cannot take these inputs\n  expected: 2 inputs\n       got: 0",
    );
    Ok(())
}
