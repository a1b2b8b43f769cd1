//! Times one training step of a fixed workload through the public API; prints one JSON line.
//!
//! `cargo run --release -p deckle-bench -- --case NAME [--threads N] [--seconds S] [--plan]`
//!
//! The workloads are those of the comparison with other frameworks: a fixed batch in memory,
//! forward, loss, backward, update; medians of single steps after a warm-up.

use std::time::Instant;

use deckle::{
    data::{Batch, Order},
    formats::json::{Value, json},
    nn,
    optim::AnyOptimizer,
    prelude::*,
};

/// So small that nothing converges: on a fitted batch, what is measured would change.
const LEARNING_RATE: f64 = 1e-6;

struct Case {
    model: Model,
    compile: Compile,
    data: Arrays,
    batch: usize,
}

#[expect(clippy::print_stdout, reason = "the result is the program's output")]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: f64| {
        value(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let name = value("--case").unwrap_or_else(|| "mnist_mlp".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = number("--threads", cores as f64) as usize;
    let seconds = number("--seconds", 4.0);

    let started = Instant::now();
    let Case { model, compile, data, batch } = case(&name)?;
    let device = Device::new(Cpu::with_threads(threads));
    let mut trainer = model.compile(compile.device(&device))?;
    let mut step = Batch::new();
    data.read_batch(Order::of(&data).indices(), &mut step)?;
    if arguments.iter().any(|argument| argument == "--plan") {
        println!("{}", trainer.plan(&data, batch)?);
    }
    trainer.train_on_batch(&step)?;
    let first = started.elapsed().as_secs_f64();

    let warm = Instant::now();
    while warm.elapsed().as_secs_f64() < seconds / 4.0 {
        trainer.train_on_batch(&step)?;
    }
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < 20
        || (begin.elapsed().as_secs_f64() < seconds && times.len() < 2000)
    {
        let one = Instant::now();
        trainer.train_on_batch(&step)?;
        times.push(one.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let line: Value = json!({
        "framework": "deckle", "case": name, "mode": "train", "threads": threads,
        "lr": LEARNING_RATE, "batch": batch, "ms": at(0.5), "ms_min": times[0],
        "ms_q1": at(0.25), "ms_q3": at(0.75), "steps": times.len(),
        "samples_per_s": batch as f64 / at(0.5) * 1e3, "first_step_s": first,
    });
    println!("{line}");
    Ok(())
}

/// Random numbers in [0, 1), a different sequence for each `seed`.
fn uniform(shape: &[usize], seed: u64) -> Tensor {
    Tensor::random_uniform(shape, 0.0..1.0, seed)
}

fn labels(batch: usize, classes: usize) -> Result<Tensor> {
    let values: Vec<i64> = (0..batch).map(|i| (i * 7 % classes) as i64).collect();
    Ok(Tensor::new(values, [batch])?)
}

fn multi_hot(batch: usize) -> Result<Tensor> {
    let dense = uniform(&[batch, 10_000], 1);
    let values: Vec<f32> =
        dense.to_vec::<f32>()?.iter().map(|&x| f32::from(u8::from(x < 0.02))).collect();
    Ok(Tensor::new(values, [batch, 10_000])?)
}

fn case(name: &str) -> Result<Case> {
    let dense = |units| Dense::new(units);
    let rms_prop = || AnyOptimizer::from(RmsProp::new().learning_rate(LEARNING_RATE));
    let (model, optimizer, loss, x, y, batch): (_, _, nn::AnyLoss, _, _, _) = match name {
        "mnist_mlp" => {
            let model = Sequential::new([784])
                .add(dense(512).activation(Relu))
                .add(dense(10).activation(Softmax));
            let loss = SparseCategoricalCrossentropy::new().into();
            (model, rms_prop(), loss, uniform(&[128, 784], 1), labels(128, 10)?, 128)
        }
        "imdb_mlp" => {
            let model = Sequential::new([10_000])
                .add(dense(16).activation(Relu))
                .add(dense(16).activation(Relu))
                .add(dense(1).activation(Sigmoid));
            let y = labels(512, 2)?.reshape([512, 1])?.cast(DType::F32);
            (model, rms_prop(), BinaryCrossentropy::new().into(), multi_hot(512)?, y, 512)
        }
        "reuters_mlp" => {
            let model = Sequential::new([10_000])
                .add(dense(64).activation(Relu))
                .add(dense(64).activation(Relu))
                .add(dense(46).activation(Softmax));
            let loss = SparseCategoricalCrossentropy::new().into();
            (model, rms_prop(), loss, multi_hot(512)?, labels(512, 46)?, 512)
        }
        "mlp_big" => {
            let model = Sequential::new([1024])
                .add(dense(4096).activation(Relu))
                .add(dense(4096).activation(Relu))
                .add(dense(1024));
            let adam = Adam::new().learning_rate(LEARNING_RATE).into();
            let (x, y) = (uniform(&[256, 1024], 1), uniform(&[256, 1024], 2));
            (model, adam, MeanSquaredError::new().into(), x, y, 256)
        }
        "mnist_cnn" => {
            let conv = |filters| Conv2D::new(filters, 3).activation(Relu);
            let model = Sequential::new([28, 28, 1])
                .add(conv(32))
                .add(MaxPooling2D::new(2))
                .add(conv(64))
                .add(MaxPooling2D::new(2))
                .add(conv(64))
                .add(Flatten::new())
                .add(dense(64).activation(Relu))
                .add(dense(10).activation(Softmax));
            let loss = SparseCategoricalCrossentropy::new().into();
            (model, rms_prop(), loss, uniform(&[64, 28, 28, 1], 1), labels(64, 10)?, 64)
        }
        "lstm_imdb" => {
            let model = Sequential::typed([500], DType::I32)
                .add(Embedding::new(10_000, 32))
                .add(LSTM::new(32))
                .add(dense(1).activation(Sigmoid));
            let ids: Vec<i32> = (0..128 * 500).map(|i| i * 7919 % 10_000).collect();
            let y = labels(128, 2)?.reshape([128, 1])?.cast(DType::F32);
            let x = Tensor::new(ids, [128, 500])?;
            (model, rms_prop(), BinaryCrossentropy::new().into(), x, y, 128)
        }
        _ => {
            let known = [
                "mnist_mlp",
                "imdb_mlp",
                "reuters_mlp",
                "mlp_big",
                "mnist_cnn",
                "lstm_imdb",
            ];
            return Err(nn::Error::unknown("case", name, &known).into());
        }
    };
    let model = model.seed(1).build()?;
    let data = Arrays::new(x, y)?;
    Ok(Case { model, compile: Compile::new(optimizer, loss), data, batch })
}
