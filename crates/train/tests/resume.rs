//! Training that is interrupted ends with the same bits.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use deckle_data::{Arrays, Batch, Dataset, Generator, Loader, Reading, StreamExt};
use deckle_nn::{
    Activation, Sequential,
    layers::{BatchNormalization, Dense, Dropout},
    losses::MeanSquaredError,
};
use deckle_optim::Adam;
use deckle_tensor::Tensor;
use deckle_train::{
    AnyMetric, Compile, Error, Fit, History, Result, Trainable, Trainer,
    callbacks::{
        BackupAndRestore, CSVLogger, EarlyStopping, LambdaCallback,
        LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau, SaveFreq,
        SwapEMAWeights,
    },
};
use tempfile::TempDir;

const EPOCHS: usize = 4;
/// 23 examples in batches of 4, the last one smaller.
const BATCHES: usize = 6;

fn trainer() -> Trainer {
    let model = Sequential::new([3])
        .add(Dense::new(6).activation(Activation::Tanh))
        .add(BatchNormalization::new())
        .add(Dropout::new(0.3))
        .add(Dense::new(1))
        .seed(5)
        .build()
        .unwrap();
    let adam = Adam::new()
        .learning_rate(0.05)
        .use_ema(true)
        .ema_momentum(0.9)
        .gradient_accumulation_steps(3);
    let compile = Compile::new(adam, MeanSquaredError::new());
    model.compile(compile.metric(AnyMetric::by_name("mae").unwrap())).unwrap()
}

fn arrays() -> Arrays {
    let x = Tensor::random_normal([33, 3], 0.0, 1.0, 1);
    Arrays::new(x, Tensor::random_normal([33, 1], 0.0, 1.0, 2)).unwrap()
}

/// One run with all that has state, whose files are in that folder; `at` is called after each
/// batch.
fn run(
    folder: &Path,
    freq: SaveFreq,
    at: impl FnMut() -> Result<()>,
) -> Result<(Trainer, History)> {
    let mut at = at;
    let mut trainer = trainer();
    let fit = Fit::new()
        .epochs(EPOCHS)
        .batch_size(4)
        .validation_split(0.3)
        .verbose(0)
        .callback(SwapEMAWeights::new())
        .callback(LearningRateScheduler::new(|_, rate| rate * 0.9))
        .callback(ReduceLROnPlateau::new().factor(0.5).patience(1).cooldown(1))
        .callback(EarlyStopping::new().patience(2).restore_best_weights(true))
        .callback(CSVLogger::new(folder.join("log.csv")))
        .callback(
            ModelCheckpoint::new(folder.join("best.keras"))
                .save_best_only(true)
                .monitor("mae")
                .save_freq(4),
        )
        .callback(
            BackupAndRestore::file(folder.join("training.checkpoint"))
                .save_freq(freq)
                .delete_checkpoint(false),
        )
        .callback(LambdaCallback::new().on_train_batch_end(move |_, _| at()));
    let history = trainer.fit(&arrays(), fit)?;
    Ok((trainer, history))
}

/// Everything that has to be the same, bit for bit.
fn result(trainer: &Trainer, history: &History, folder: &Path) -> Vec<Vec<u8>> {
    let weights = trainer.model().variables();
    let all = weights.into_iter().chain(trainer.optimizer().variables());
    let mut result: Vec<_> =
        all.map(|v| v.value().unwrap().as_bytes().unwrap().to_vec()).collect();
    result.push(format!("{history:?}").into_bytes());
    result.push(fs::read(folder.join("log.csv")).unwrap());
    result.push(fs::read(folder.join("best.keras")).unwrap());
    result
}

fn stop() -> Error {
    Error::invalid("interrupted", "")
}

#[test]
fn an_interruption_at_any_batch_changes_nothing() {
    let whole_scratch = TempDir::new().unwrap();
    let whole = whole_scratch.path();
    let (trainer, history) = run(whole, SaveFreq::Epoch, || Ok(())).unwrap();
    let expected = result(&trainer, &history, whole);
    assert!(history.epochs().len() > 2, "{history:?}");
    let part_scratch = TempDir::new().unwrap();
    let part = part_scratch.path();
    for freq in [SaveFreq::Epoch, SaveFreq::Batches(1), SaveFreq::Batches(4)] {
        for interrupted in (1..history.epochs().len() * BATCHES).step_by(3) {
            for file in fs::read_dir(part).unwrap() {
                fs::remove_file(file.unwrap().path()).unwrap();
            }
            let mut batches = 0;
            let failed = run(part, freq, || {
                batches += 1;
                if batches == interrupted { Err(stop()) } else { Ok(()) }
            });
            assert!(failed.is_err());
            let (trainer, history) = run(part, freq, || Ok(())).unwrap();
            let found = result(&trainer, &history, part);
            assert!(found == expected, "{freq:?}, batch {interrupted}");
        }
    }
    // Training that is done is not done again.
    let (trainer, history) =
        run(part, SaveFreq::Batches(4), || panic!("a batch is trained on"))
            .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(history.epochs().len() * BATCHES % 4, 0, "the last batch was saved");
    assert!(result(&trainer, &history, part) == expected);
}

/// Not a test of its own: what is killed below.
#[test]
fn child_process() {
    let Some(folder) = std::env::var_os("DECKLE_RESUME_FOLDER") else { return };
    let folder = Path::new(&folder);
    let report = || {
        writeln!(std::io::stdout(), "\nbatch").map_err(|_| stop())?;
        std::io::stdout().flush().map_err(|_| stop())
    };
    let (trainer, history) = run(folder, SaveFreq::Batches(1), report).unwrap();
    let result = result(&trainer, &history, folder).concat();
    fs::write(folder.join("result"), result).unwrap();
}

fn child(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child_process", "--exact", "--nocapture", "--test-threads=1"])
        .env("DECKLE_RESUME_FOLDER", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_killed_process_is_resumed_with_the_same_bits() {
    let scratches = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [whole, killed] = scratches.each_ref().map(TempDir::path);
    assert!(child(whole).output().unwrap().status.success());
    let mut kills = 0;
    for batches in [1, 4, 2, 7, 3] {
        let mut process = child(killed).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let seen = lines.map_while(std::io::Result::ok).filter(|line| line == "batch");
        // It goes on while it is killed, so that this happens anywhere in a step or a write.
        if seen.take(batches).count() == batches {
            process.kill().unwrap();
            kills += 1;
        }
        process.wait().unwrap();
    }
    assert!(kills >= 3, "only {kills} kills");
    assert!(child(killed).output().unwrap().status.success());
    let result = |folder: &Path| fs::read(folder.join("result")).unwrap();
    assert!(result(killed) == result(whole));
    let names = fs::read_dir(killed).unwrap();
    let left: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

fn backup(path: &Path) -> BackupAndRestore {
    BackupAndRestore::file(path).delete_checkpoint(false)
}

fn fit(path: &Path) -> Fit<'_> {
    Fit::new().epochs(2).batch_size(4).verbose(0).callback(backup(path))
}

#[test]
fn a_damaged_checkpoint_is_an_error() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("training.checkpoint");
    trainer().fit(&arrays(), fit(&path)).unwrap();
    let whole = fs::read(&path).unwrap();
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let mut trainer = trainer();
        let error = trainer.fit(&arrays(), fit(&path)).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        assert_eq!(trainer.optimizer().iterations().unwrap(), 0);
        assert_eq!(fs::read(&path).unwrap(), bytes, "the file was changed");
        error
    };
    for len in (0..whole.len()).step_by(97) {
        let error = error(&whole[..len]);
        assert!(error.contains("got: a "), "{error}");
    }
    for at in (0..whole.len()).step_by(101) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        error(&bytes);
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(error(&longer).contains("bytes"));
    let mut other = whole.clone();
    other[8] = 1;
    assert!(
        error(&other)
            .contains("expected: version 2 of the format\n       got: version 1")
    );
    assert!(error(b"PK\x03\x04 and more").contains("got: another kind of file"));
    fs::write(&path, &whole).unwrap();
    let history = trainer().fit(&arrays(), fit(&path).epochs(3)).unwrap();
    assert_eq!(history.epochs(), [0, 1, 2]);
}

#[test]
fn training_of_something_else_is_not_resumed() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("training.checkpoint");
    trainer().fit(&arrays(), fit(&path)).unwrap();
    let error = |trainer: &mut Trainer, fit: Fit<'_>| {
        trainer.fit(&arrays(), fit).unwrap_err().to_string()
    };
    let found = error(&mut trainer(), fit(&path).batch_size(8));
    assert!(found.contains("33 examples in batches of 4"), "{found}");
    assert!(found.contains("got: data: 33 examples in batches of 8"), "{found}");
    for other in [
        fit(&path).seed(9),
        fit(&path).shuffle(false),
        fit(&path).validation_split(0.5),
        fit(&path).steps_per_epoch(2),
        fit(&path).class_weight(&[(0, 2.0)]),
    ] {
        let error = error(&mut trainer(), other);
        assert!(error.contains("training cannot go on from here"), "{error}");
    }
    let build = |units, activation| {
        Sequential::new([3])
            .add(Dense::new(units).activation(activation))
            .add(Dense::new(1))
            .build()
            .unwrap()
    };
    let compile = |name: &str| Compile::named(name, "mse").unwrap();
    let small =
        |optimizer| build(4, Activation::Tanh).compile(compile(optimizer)).unwrap();
    let other = folder.join("small.checkpoint");
    small("adam").fit(&arrays(), fit(&other)).unwrap();
    for (mut trainer, text) in [
        (build(5, Activation::Tanh).compile(compile("adam")).unwrap(), "float32"),
        (build(4, Activation::Relu).compile(compile("adam")).unwrap(), "model: "),
        (small("sgd"), "optimizer: "),
        (trainer(), "optimizer: "),
        (
            build(4, Activation::Tanh)
                .compile(Compile::named("adam", "mae").unwrap())
                .unwrap(),
            "losses and metrics: ",
        ),
    ] {
        let before = trainer.model().variables()[0].value().unwrap();
        let error = error(&mut trainer, fit(&other));
        assert!(error.contains(text), "{text}: {error}");
        let after = trainer.model().variables()[0].value().unwrap();
        assert_eq!(before.as_bytes(), after.as_bytes());
    }
    // A callback that remembers something is missed.
    let stopping = EarlyStopping::new().monitor("loss").patience(9);
    small("adam").fit(&arrays(), fit(&other).epochs(3).callback(stopping)).unwrap();
    let error = error(&mut small("adam"), fit(&other).epochs(4));
    assert!(error.contains("1 callbacks `EarlyStopping`"), "{error}");
}

/// Trains on what streams make of data, in epochs of a length that nobody knows before.
fn run_streams(
    path: &Path,
    freq: SaveFreq,
    mut at: impl FnMut() -> Result<()>,
) -> Result<(Trainer, History)> {
    let noisy = |reading: Reading<'_>, from: &Batch, to: &mut Batch| {
        let x = from.inputs[0].to_vec::<f32>()?;
        let noise = |at: usize| (reading.indices[at / 3] as u64 + reading.epoch) as f32;
        let to_x = to.inputs[0].make_mut::<f32>().iter_mut();
        for (at, (to, x)) in to_x.zip(x).enumerate() {
            *to = x + 0.01 * noise(at);
        }
        to.targets.clone_from(&from.targets);
        Ok(())
    };
    let mut stream = Loader::new(arrays(), 5)?
        .shuffle(3)
        .filter(|one| Ok(one.inputs[0].to_vec::<f32>()?[0] < 0.7))
        .map(arrays().example().clone(), noisy)
        .workers(2)
        .shuffle(9, 4)?
        .batch(4)?
        .prefetch(2)?;
    let mut trainer = trainer();
    let fit = Fit::new()
        .epochs(3)
        .verbose(0)
        .callback(backup(path).save_freq(freq))
        .callback(LambdaCallback::new().on_train_batch_end(move |_, _| at()));
    let history = trainer.fit(&mut stream, fit)?;
    Ok((trainer, history))
}

#[test]
fn streams_made_of_streams_are_resumed_at_any_batch() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("training.checkpoint");
    let result = |(trainer, history): (Trainer, History)| {
        let weights = trainer.model().variables().into_iter();
        let weights = weights.map(|v| v.value().unwrap().as_bytes().unwrap().to_vec());
        (weights.collect::<Vec<_>>(), format!("{history:?}"))
    };
    let mut batches = 0;
    let count = || {
        batches += 1;
        Ok(())
    };
    let expected = result(run_streams(&path, SaveFreq::Epoch, count).unwrap());
    assert!((12..27).contains(&batches), "{batches}");
    for freq in [SaveFreq::Batches(1), SaveFreq::Batches(3)] {
        for interrupted in (1..batches).step_by(3) {
            fs::remove_file(&path).unwrap();
            let mut at = 0;
            let failed = run_streams(&path, freq, || {
                at += 1;
                if at == interrupted { Err(stop()) } else { Ok(()) }
            });
            assert!(failed.is_err());
            let found = result(run_streams(&path, freq, || Ok(())).unwrap());
            assert!(found == expected, "{freq:?}, batch {interrupted}");
        }
    }
}

fn fit_stream(
    path: &Path,
    stream: &mut impl deckle_data::Stream,
    epochs: usize,
) -> Result<History> {
    trainer().fit(stream, fit(path).steps_per_epoch(2).epochs(epochs))
}

#[test]
fn a_stream_that_cannot_seek_is_named() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("training.checkpoint");
    let data = arrays();
    let read = |batch: &mut Batch, _: &deckle_data::Example| {
        data.read_batch(&[0, 1, 2], batch)?;
        Ok(true)
    };
    let stream = || Generator::new("sensor", data.example().clone(), read);
    let (mut plain, mut made) = (stream(), stream().take(99).batch(3).unwrap());
    // What is made of a stream can no more than that.
    fit_stream(&path, &mut made, 2).unwrap();
    let error = fit_stream(&path, &mut made, 3).unwrap_err().to_string();
    assert!(error.contains("`sensor` cannot go to batch 4 of pass 0"), "{error}");
    fs::remove_file(&path).unwrap();
    let mut run = |epochs| fit_stream(&path, &mut plain, epochs);
    run(2).unwrap();
    let error = run(3).unwrap_err().to_string();
    assert_eq!(
        error,
        "stream `sensor` cannot go to batch 4 of pass 0, so training cannot be resumed\n  \
         expected: a stream that can seek\n       got: one that cannot\n      \
         help: implement Stream::seek or Stream::restart, or begin anew"
    );
}

#[test]
fn a_folder_that_cannot_be_written_to_is_found_before_training() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    fs::write(folder.join("file"), "").unwrap();
    let path = folder.join("file/training.checkpoint");
    let mut trainer = trainer();
    let error = trainer.fit(&arrays(), fit(&path)).unwrap_err().to_string();
    assert!(error.starts_with("callback `BackupAndRestore`: "), "{error}");
    assert_eq!(trainer.optimizer().iterations().unwrap(), 0);
}

/// The limit of a file's size stands for a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path();
    let path = folder.join("training.checkpoint");
    let mut batches = 0;
    let failed = run(folder, SaveFreq::Batches(1), || {
        batches += 1;
        if batches == 5 { Err(stop()) } else { Ok(()) }
    });
    assert!(failed.is_err());
    let before = fs::read(&path).unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" child_process --exact"])
        .arg(std::env::current_exe().unwrap())
        .env("DECKLE_RESUME_FOLDER", folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("training.checkpoint"), "{text}");
    assert!(before.len() > 1024 && fs::read(&path).unwrap() == before);
    let left = fs::read_dir(folder).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")),
        "{left:?}"
    );
    assert!(child(folder).output().unwrap().status.success());
}
