//! What `fit` does with its settings and its data.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Mutex;

use deckle_data::{Arrays, Batch, Dataset, Example, Generator, Stream};
use deckle_nn::{
    Activation, Constraint, Initializer, Sequential,
    layers::{Dense, Dropout},
    losses::MeanSquaredError,
};
use deckle_optim::{AnyOptimizer, LossScaleOptimizer, Sgd};
use deckle_tensor::{DType, Tensor};
use deckle_train::{
    Accuracy, Callback, Compile, Context, Evaluate, Fit, History, Logs, Result,
    Trainable, Trainer,
    callbacks::{EarlyStopping, LambdaCallback},
    k_fold,
};

/// A small model on `(2,)`, the same at each call.
fn trainer(optimizer: impl Into<AnyOptimizer>) -> Trainer {
    let model = Sequential::new([2])
        .add(Dense::new(4).activation(Activation::Tanh))
        .add(Dense::new(1))
        .seed(3)
        .build()
        .unwrap();
    model.compile(Compile::new(optimizer, MeanSquaredError::new())).unwrap()
}

fn sgd() -> Trainer {
    trainer(Sgd::new().learning_rate(0.1))
}

fn arrays(count: usize) -> Arrays {
    let x = Tensor::random_normal([count, 2], 0.0, 1.0, 1);
    Arrays::new(x, Tensor::random_normal([count, 1], 0.0, 1.0, 2)).unwrap()
}

fn weights(trainer: &Trainer) -> Vec<Vec<f32>> {
    let values = trainer.model().weights().map(|w| w.variable().value().unwrap());
    values.map(|value| value.to_vec().unwrap()).collect()
}

/// A data set that notes the first example of each batch, and the epochs it is read for.
struct Noted {
    data: Arrays,
    seen: Mutex<Vec<usize>>,
    epochs: Mutex<Vec<u64>>,
}

impl Noted {
    fn new(data: Arrays) -> Self {
        Self { data, seen: Mutex::default(), epochs: Mutex::default() }
    }
}

impl Dataset for Noted {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> deckle_data::Result<()> {
        self.seen.lock().unwrap().push(indices[0]);
        self.data.read_batch(indices, into)
    }

    fn read_epoch(
        &self,
        epoch: u64,
        indices: &[usize],
        into: &mut Batch,
    ) -> deckle_data::Result<()> {
        self.epochs.lock().unwrap().push(epoch);
        self.read_batch(indices, into)
    }
}

/// A data set in order, as a stream of so many passes.
struct Passes {
    data: Arrays,
    size: usize,
    passes: u64,
    at: usize,
    knows_len: bool,
}

impl Stream for Passes {
    fn name(&self) -> String {
        "passes".to_owned()
    }

    fn example(&self) -> &Example {
        self.data.example()
    }

    fn next_batch(&mut self, into: &mut Batch) -> deckle_data::Result<bool> {
        let to = (self.at + self.size).min(self.data.len());
        let indices: Vec<_> = (self.at..to).collect();
        self.at = to;
        if indices.is_empty() {
            return Ok(false);
        }
        self.data.read_batch(&indices, into)?;
        Ok(true)
    }

    fn batches(&self) -> Option<usize> {
        self.knows_len.then(|| self.data.len().div_ceil(self.size))
    }

    fn restart(&mut self, pass: u64) -> deckle_data::Result<bool> {
        self.at = 0;
        Ok(pass < self.passes)
    }
}

fn passes(count: usize, size: usize, passes: u64, knows_len: bool) -> Passes {
    Passes { data: arrays(count), size, passes, at: 0, knows_len }
}

#[test]
fn epochs_of_some_steps_go_on_in_the_data() {
    let noted = Noted::new(arrays(10));
    let fit = Fit::new().epochs(4).batch_size(1).steps_per_epoch(4).shuffle(false);
    let history = sgd().fit(&noted, fit.verbose(0)).unwrap();
    // As Keras has it: what is left of the data is a shorter epoch.
    let expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3];
    assert_eq!(noted.seen.into_inner().unwrap(), expected);
    assert_eq!(history.epochs(), [0, 1, 2, 3]);
}

#[test]
fn a_step_that_the_loss_scale_leaves_out_constrains_nothing() {
    let halfway = Constraint::min_max_norm(0.5, 0.5).rate(0.5);
    let dense = Dense::new(1).kernel_initializer(Initializer::Ones);
    let model =
        Sequential::new([2]).add(dense.kernel_constraint(halfway)).build().unwrap();
    let x = Tensor::full([4, 2], 1000.0f32);
    let data = Arrays::new(x, Tensor::zeros(DType::F32, [4, 1])).unwrap();
    for (scale, norm) in [(1e38, 2f32.sqrt()), (1.0, 0.5)] {
        let sgd = Sgd::new().learning_rate(0.0);
        let optimizer = LossScaleOptimizer::new(sgd).initial_scale(scale);
        let compile = Compile::new(optimizer, MeanSquaredError::new());
        let mut trainer = model.compile(compile).unwrap();
        trainer.fit(&data, Fit::new().epochs(20).verbose(0)).unwrap();
        let kernel = &weights(&trainer)[0];
        let got = kernel.iter().map(|weight| weight * weight).sum::<f32>().sqrt();
        assert!((got - norm).abs() < 1e-3, "{got}, not {norm}");
    }
}

#[test]
fn steps_without_a_batch_size_share_the_data() {
    let noted = Noted::new(arrays(10));
    let fit = Fit::new().epochs(2).steps_per_epoch(4).shuffle(false).verbose(0);
    sgd().fit(&noted, fit).unwrap();
    assert_eq!(noted.seen.into_inner().unwrap(), [0, 3, 6, 9, 0, 3, 6, 9]);
}

#[test]
fn every_pass_is_shuffled_anew() {
    let noted = Noted::new(arrays(6));
    let fit = Fit::new().epochs(4).batch_size(1).steps_per_epoch(3).verbose(0);
    sgd().fit(&noted, fit).unwrap();
    let seen = noted.seen.into_inner().unwrap();
    let (first, second) = seen.split_at(6);
    assert_ne!(first, second);
    let sorted = |part: &[usize]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part
    };
    assert_eq!((sorted(first), sorted(second)), ((0..6).collect(), (0..6).collect()));
}

/// So that augmented examples are others in each epoch, and the same again in validation.
#[test]
fn training_reads_its_data_by_epoch() {
    let (train, held_out) = (Noted::new(arrays(4)), Noted::new(arrays(4)));
    let fit = |epochs| Fit::new().epochs(epochs).batch_size(2).shuffle(false).verbose(0);
    let mut trainer = sgd();
    trainer.fit(&train, fit(3).validation_data(&held_out)).unwrap();
    assert_eq!(train.epochs.lock().unwrap()[..], [0, 0, 1, 1, 2, 2]);
    assert_eq!(held_out.seen.lock().unwrap().len(), 6);
    assert!(held_out.epochs.lock().unwrap().is_empty());
    // A second call goes on where the first ended.
    trainer.fit(&train, fit(1)).unwrap();
    assert_eq!(train.epochs.lock().unwrap()[6..], [3, 3]);
    k_fold(&train, 2, |fold| {
        let mut trainer = sgd();
        trainer.fit(fold.train(), fit(2))?;
        trainer.evaluate(fold.validation())
    })
    .unwrap();
    assert_eq!(train.epochs.lock().unwrap()[8..], [0, 1, 0, 1]);
}

#[test]
fn validation_has_its_own_epochs_and_steps() {
    let (data, held_out) = (arrays(8), arrays(8));
    let fit = || Fit::new().epochs(5).validation_data(&held_out).verbose(0);
    let count = |history: &History| history.get("val_loss").map_or(0, <[f64]>::len);
    assert_eq!(count(&sgd().fit(&data, fit().validation_freq(2)).unwrap()), 2);
    assert_eq!(count(&sgd().fit(&data, fit().validation_freq([1, 4, 9])).unwrap()), 2);
    let mut trainer = sgd();
    let some = fit().validation_batch_size(2).validation_steps(3);
    let history = trainer.fit(&data, some).unwrap();
    let pairs = Evaluate::new().batch_size(2);
    let part = trainer.evaluate_with(&held_out.take(6), pairs).unwrap().loss();
    assert_eq!(history.last("val_loss"), Some(part));
    let steps = Evaluate::new().batch_size(2).steps(3);
    let measured = trainer.evaluate_with(&held_out, steps).unwrap();
    assert_eq!(measured.get("loss"), Some(part));
    // Without a batch size, the steps see all examples; those of training say nothing of it.
    let all = |trainer: &mut Trainer| trainer.evaluate(&held_out).unwrap().loss();
    let mut trainer = sgd();
    let history =
        trainer.fit(&data, fit().steps_per_epoch(8).validation_steps(3)).unwrap();
    let loss = history.last("val_loss").unwrap();
    assert!((loss - all(&mut trainer)).abs() < 1e-6);
    let steps = trainer.evaluate_with(&held_out, Evaluate::new().steps(3)).unwrap();
    assert_eq!(steps.loss().to_bits(), loss.to_bits());
    for wrong in [
        fit().validation_freq(0),
        fit().validation_steps(0),
        fit().validation_batch_size(0),
        fit().steps_per_epoch(0),
        fit().batch_size(0),
    ] {
        assert!(sgd().fit(&data, wrong).is_err());
    }
}

#[test]
fn a_stream_trains_like_the_data_set_it_reads() {
    let data = arrays(10);
    let mut plain = sgd();
    let fit = || Fit::new().epochs(3).verbose(0);
    let expected = plain.fit(&data, fit().batch_size(4).shuffle(false)).unwrap();
    for knows_len in [true, false] {
        let mut streamed = sgd();
        let mut stream = passes(10, 4, 3, knows_len);
        let history = streamed.fit(&mut stream, fit()).unwrap();
        assert_eq!(history, expected);
        assert_eq!(weights(&streamed), weights(&plain));
        let mut stream = passes(10, 4, 1, knows_len);
        assert_eq!(
            streamed.evaluate(&mut stream).unwrap(),
            plain.evaluate_with(&data, Evaluate::new().batch_size(4)).unwrap()
        );
    }
}

#[test]
fn training_ends_with_the_data_of_a_stream() {
    for knows_len in [true, false] {
        let mut stream = passes(10, 4, 2, knows_len);
        let fit = Fit::new().epochs(9).verbose(0);
        assert_eq!(sgd().fit(&mut stream, fit).unwrap().epochs(), [0, 1]);
        // Epochs of 2 steps: 2, 1 (the end), 2, 1, and no more data.
        let mut stream = passes(10, 4, 2, knows_len);
        let fit = Fit::new().epochs(9).steps_per_epoch(2).verbose(0);
        assert_eq!(sgd().fit(&mut stream, fit).unwrap().epochs(), [0, 1, 2, 3]);
        // Epochs of 3 steps end where the passes do.
        let mut stream = passes(10, 4, 2, knows_len);
        let fit = Fit::new().epochs(9).steps_per_epoch(3).verbose(0);
        assert_eq!(sgd().fit(&mut stream, fit).unwrap().epochs(), [0, 1]);
    }
    let example = arrays(1).example().clone();
    let mut none = Generator::new("none", example, |_, _| Ok(false));
    let error = sgd().fit(&mut none, Fit::new().verbose(0)).unwrap_err();
    assert!(error.to_string().starts_with("the data set is empty"), "{error}");
}

#[test]
fn an_endless_stream_needs_steps_only() {
    let (data, held_out) = (arrays(4), arrays(4));
    let endless = |data: Arrays| {
        let example = data.example().clone();
        Generator::new("endless", example, move |batch, _| {
            data.read_batch(&[0, 1, 2, 3], batch)?;
            Ok(true)
        })
    };
    let (mut stream, mut validation) = (endless(data.clone()), endless(held_out));
    let fit = Fit::new().epochs(3).verbose(0).steps_per_epoch(1);
    let fit = fit.validation_data(&mut validation).validation_steps(2);
    let history = sgd().fit(&mut stream, fit).unwrap();
    let fit = Fit::new().epochs(3).batch_size(4).shuffle(false).verbose(0);
    let expected = sgd().fit(&data, fit).unwrap();
    assert_eq!(history.get("loss"), expected.get("loss"));
    assert_eq!(history.get("val_loss").unwrap().len(), 3);
}

#[test]
fn weights_of_examples_may_be_given_to_fit() {
    let data = arrays(9);
    let values = Tensor::random_uniform([9], 0.0..2.0, 5);
    let fit = || Fit::new().epochs(2).batch_size(4).validation_split(0.3).verbose(0);
    let (mut given, mut known) = (sgd(), sgd());
    let history = given.fit(&data, fit().sample_weight(&values)).unwrap();
    let weighted = data.clone().sample_weight(&values).unwrap();
    assert_eq!(history, known.fit(&weighted, fit()).unwrap());
    assert_eq!(weights(&given), weights(&known));
    assert_ne!(history, sgd().fit(&data, fit()).unwrap());
    let error = sgd().fit(&weighted, fit().sample_weight(&values)).unwrap_err();
    assert!(error.to_string().starts_with("sample_weight"), "{error}");
    let short = Tensor::full([8], 1.0f32);
    assert!(sgd().fit(&data, fit().sample_weight(&short)).is_err());
}

#[test]
fn exact_metrics_are_those_of_an_evaluation() {
    let data = arrays(20);
    let model = Sequential::new([2])
        .add(Dense::new(8))
        .add(Dropout::new(0.5))
        .add(Dense::new(1).activation(Activation::Sigmoid))
        .build()
        .unwrap();
    let compile = Compile::named("adam", "mse").unwrap().metric(Accuracy::new());
    let mut trainer = model.compile(compile).unwrap();
    let fit = || Fit::new().epochs(2).batch_size(8).verbose(0);
    let history = trainer.fit(&data, fit().exact_metrics(true)).unwrap();
    let evaluate = Evaluate::new().batch_size(8);
    let exact = trainer.evaluate_with(&data, evaluate).unwrap();
    assert_eq!(history.last("loss"), Some(exact.loss()));
    assert_eq!(history.last("accuracy"), exact.get("accuracy"));
    let other = trainer.fit(&data, fit()).unwrap();
    let exact = trainer.evaluate(&data).unwrap();
    assert_ne!(other.last("loss"), Some(exact.loss()));
}

#[test]
fn accumulated_gradients_are_those_of_larger_batches() {
    let data = arrays(16);
    let fit = |size| Fit::new().epochs(3).batch_size(size).verbose(0);
    let mut small = trainer(Sgd::new().learning_rate(0.1).gradient_accumulation_steps(4));
    let mut large = sgd();
    small.fit(&data, fit(4)).unwrap();
    large.fit(&data, fit(16)).unwrap();
    for (a, b) in weights(&small).concat().iter().zip(weights(&large).concat()) {
        // Sums of other order.
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn averages_become_the_weights_at_the_end() {
    let data = arrays(12);
    let mut trainer =
        trainer(Sgd::new().learning_rate(0.1).use_ema(true).ema_momentum(0.5));
    let mut all: Vec<Vec<f32>> = Vec::new();
    let note = LambdaCallback::new().on_train_batch_end(|_, context| {
        let weights = context.weights()?;
        all.push(weights.iter().flat_map(|w| w.to_vec::<f32>().unwrap()).collect());
        Ok(())
    });
    let fit = Fit::new().epochs(2).batch_size(4).verbose(0).callback(note);
    trainer.fit(&data, fit).unwrap();
    // Keras copies the weights before the first average.
    let mut average = all[0].clone();
    for weights in &all[1..] {
        for (average, weight) in average.iter_mut().zip(weights) {
            *average = *average * 0.5 + weight * 0.5;
        }
    }
    let found = weights(&trainer).concat();
    for (a, b) in found.iter().zip(&average) {
        assert!((a - b).abs() < 1e-6, "{found:?} {average:?}");
    }
    assert_ne!(&found, all.last().unwrap());
}

#[test]
fn the_first_operation_that_makes_a_nan_is_named() {
    let model = Sequential::new([2])
        .add(Dense::new(3))
        .add(Dense::new(2).activation(Activation::Exponential))
        .add(Dense::new(1))
        .build()
        .unwrap();
    let mut x = vec![1.0f32; 12];
    // Whatever the signs of the weights, one of the two overflows.
    (x[8], x[9], x[10], x[11]) = (1e30, 0.0, -1e30, 0.0);
    let y = Tensor::zeros(DType::F32, [6, 1]);
    let data = Arrays::new(Tensor::new(x, [6, 2]).unwrap(), y.clone()).unwrap();
    let fit = || Fit::new().batch_size(2).shuffle(false).verbose(0);
    let mut trainer = model.compile(Compile::named("sgd", "mse").unwrap()).unwrap();
    let error = trainer.fit(&data, fit().debug()).unwrap_err().to_string();
    assert_eq!(
        error,
        "operation `exp` of `dense_1` makes the first value that is not finite in epoch 1, \
         batch 3; the weights are those from before that batch"
    );
    let mut x = vec![1.0f32; 12];
    x[5] = f32::NAN;
    let data = Arrays::new(Tensor::new(x, [6, 2]).unwrap(), y).unwrap();
    let error = trainer.fit(&data, fit().debug()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the data have a value that is not finite, in input 0, in epoch 1, batch 2; the weights \
         are those from before that batch"
    );
    let fine = arrays(6);
    let (mut debugged, mut plain) = (sgd(), sgd());
    let history = debugged.fit(&fine, fit().epochs(2).debug()).unwrap();
    assert_eq!(history, plain.fit(&fine, fit().epochs(2)).unwrap());
}

/// Notes the names of the hooks.
#[derive(Default)]
struct Hooks(Vec<String>);

impl Callback for Hooks {
    fn name(&self) -> &'static str {
        "Hooks"
    }

    fn adds(&self) -> Vec<String> {
        vec!["mine".to_owned()]
    }

    fn on_train_begin(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.0.push("train".to_owned());
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.0.push("end".to_owned());
        Ok(())
    }

    fn on_epoch_begin(&mut self, epoch: usize, _: &mut Context<'_>) -> Result<()> {
        self.0.push(format!("epoch {epoch}"));
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        context: &mut Context<'_>,
    ) -> Result<()> {
        logs.set("mine", epoch as f64);
        let other = context.evaluate(&arrays(3), Evaluate::new())?;
        assert!(other.loss().is_finite());
        self.0.push(format!("epoch {epoch} ends"));
        Ok(())
    }

    fn on_train_batch_begin(&mut self, batch: usize, _: &mut Context<'_>) -> Result<()> {
        self.0.push(format!("batch {batch}"));
        Ok(())
    }

    fn on_train_batch_end(&mut self, _: usize, context: &mut Context<'_>) -> Result<()> {
        let loss = context.logs()?.loss();
        assert!(loss.is_finite() && context.batch_loss().is_finite());
        Ok(())
    }

    fn on_test_begin(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.0.push("test".to_owned());
        Ok(())
    }

    fn on_test_batch_begin(&mut self, batch: usize, _: &mut Context<'_>) -> Result<()> {
        self.0.push(format!("test {batch}"));
        Ok(())
    }

    fn on_test_end(&mut self, logs: &Logs, _: &mut Context<'_>) -> Result<()> {
        assert!(logs.get("loss").is_some());
        self.0.push("test ends".to_owned());
        Ok(())
    }
}

#[test]
fn hooks_are_called_in_keras_order() {
    let (data, held_out) = (arrays(4), arrays(2));
    let mut hooks = Hooks::default();
    let mut history = History::default();
    // What one callback adds, another one may monitor.
    let stop = EarlyStopping::new()
        .monitor("mine")
        .mode(deckle_train::callbacks::Mode::Min)
        .patience(1);
    let fit = Fit::new().epochs(9).batch_size(2).validation_data(&held_out).verbose(0);
    let fit = fit.callback(&mut hooks).callback(stop).callback(&mut history);
    let result = sgd().fit(&data, fit).unwrap();
    let epoch = |epoch: usize| {
        [
            format!("epoch {epoch}"),
            "batch 0".into(),
            "batch 1".into(),
            "test".into(),
            "test 0".into(),
            "test ends".into(),
            format!("epoch {epoch} ends"),
        ]
    };
    let mut expected = vec!["train".to_owned()];
    expected.extend(epoch(0));
    expected.extend(epoch(1));
    expected.push("end".to_owned());
    assert_eq!(hooks.0, expected);
    assert_eq!(result.get("mine"), Some(&[0.0, 1.0][..]));
    assert_eq!(history, result);
    // What a callback evaluates besides changes nothing.
    let fit = Fit::new().epochs(2).batch_size(2).validation_data(&held_out).verbose(0);
    let plain = sgd().fit(&data, fit).unwrap();
    assert_eq!(plain.get("loss"), result.get("loss"));
    assert_eq!(plain.get("val_loss"), result.get("val_loss"));
}

#[test]
fn a_callback_that_fails_is_named() {
    let fail = LambdaCallback::new()
        .on_epoch_end(|_, _, context| context.set_learning_rate(f64::NAN));
    let fit = Fit::new().verbose(0).callback(fail);
    let error = sgd().fit(&arrays(4), fit).unwrap_err().to_string();
    assert!(error.starts_with("callback `LambdaCallback`: "), "{error}");
    let fit = Fit::new().verbose(0).callback(EarlyStopping::new());
    let error = sgd().fit(&arrays(4), fit).unwrap_err().to_string();
    assert_eq!(
        error,
        "callback `EarlyStopping`: cannot monitor `val_loss`\n  expected: one of `loss`\n       \
         got: `val_loss`\n      help: validate: Fit::validation_split or Fit::validation_data"
    );
}
