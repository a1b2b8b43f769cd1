//! Times fixed workloads through the public API; prints one JSON line for each.
//!
//! `cargo run --release -p deckle-bench -- --case NAME|all [--mode train|infer] [--fit]`
//!
//! A training step is forward, loss, backward and update of a fixed batch in memory. The
//! workloads and the fields of the lines are those of the other frameworks in `benchmarks/`.

mod augment;
mod bricks;
mod cases;
mod measure;

use std::time::Instant;

use clap::{Parser, ValueEnum};
use deckle::{
    data::{Batch, Order},
    formats::json::{Value, json},
    prelude::*,
};

use crate::{
    cases::{Case, LEARNING_RATE, NAMES, Variant},
    measure::{memory, timed},
};

/// Times fixed workloads; prints one JSON line for each.
#[derive(Parser)]
struct Arguments {
    /// Name of a workload, or `all`
    #[arg(long, default_value = "mnist_mlp")]
    case: String,
    /// What is timed: training steps and the forward pass, or the forward pass alone
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    mode: Mode,
    /// Time `fit` over several batches too
    #[arg(long)]
    fit: bool,
    /// Examples in a batch, instead of the workload's own number
    #[arg(long)]
    batch: Option<usize>,
    /// Units, filters and lengths instead of the workload's own, and options of its layers
    #[command(flatten)]
    variant: Variant,
    /// Threads; by default, as many as cores
    #[arg(long)]
    threads: Option<usize>,
    /// Seconds spent on the timed steps
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Predict from that many threads at once too, each with the same model
    #[arg(long, default_value_t = 1)]
    callers: usize,
    /// Time `fit` on images that as many threads change at random, of all threads, instead
    #[arg(long, value_name = "WORKERS")]
    augment: Option<usize>,
    /// Print the plan of the training step instead
    #[arg(long)]
    plan: bool,
    /// Print what variants of layers cost beside their plain siblings instead; of those whose
    /// name, or whose plain sibling's, has that text
    #[arg(long, num_args = 0..=1, default_missing_value = "", value_name = "TEXT")]
    bricks: Option<String>,
    /// Print JSON lines of that, not a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Train,
    Infer,
}

#[expect(clippy::print_stdout, reason = "the results are the program's output")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(part) = &arguments.bricks {
        let device = Device::new(Cpu::with_threads(threads(&arguments)));
        if arguments.plan {
            println!("{}", bricks::plans(&device, part)?);
            return Ok(());
        }
        let lines = bricks::lines(arguments.seconds, &device, part)?;
        if arguments.json {
            lines.iter().for_each(|line| println!("{line}"));
        } else {
            println!("{}", bricks::table(&lines));
        }
        return Ok(());
    }
    let names: Vec<&str> =
        if arguments.case == "all" { NAMES.to_vec() } else { vec![&arguments.case] };
    for name in names {
        if arguments.plan {
            let case = cases::case(name, arguments.batch, &arguments.variant)?;
            let mut trainer = case.model.compile(case.compile)?;
            println!("{}", trainer.plan(&case.data, case.batch)?);
        } else if let Some(workers) = arguments.augment {
            let case = cases::case(name, arguments.batch, &arguments.variant)?;
            let threads = [threads(&arguments), workers];
            println!("{}", augment::line(name, case, threads, arguments.seconds)?);
        } else {
            println!("{}", run(name, &arguments)?);
        }
    }
    Ok(())
}

fn threads(arguments: &Arguments) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.threads.unwrap_or(cores)
}

fn run(name: &str, arguments: &Arguments) -> Result<Value> {
    let threads = threads(arguments);
    let Case { model, compile, data, batch } =
        cases::case(name, arguments.batch, &arguments.variant)?;
    let device = Device::new(Cpu::with_threads(threads));
    let parameters = model.count_params();
    let mut step = Batch::new();
    data.read_batch(Order::of(&data).indices(), &mut step)?;
    let started = Instant::now();
    let mut trainer = model.compile(compile.device(&device))?;
    let predictor = trainer.predictor()?.batch_size(batch);
    let mut line = json!({
        "framework": "deckle", "version": env!("CARGO_PKG_VERSION"), "case": name,
        "mode": if arguments.mode == Mode::Train { "train" } else { "infer" },
        "threads": threads, "lr": LEARNING_RATE, "batch": batch, "params": parameters,
    });
    let mut add = |key: &str, value: Value| {
        line[key] = value;
    };
    if arguments.mode == Mode::Train {
        let first = trainer.train_step(&step)?;
        add("first_step_s", json!(started.elapsed().as_secs_f64()));
        let times = timed(arguments.seconds, || trainer.train_step(&step))?;
        add("ms", json!(times.ms));
        add("samples_per_s", json!(batch as f64 / times.ms * 1e3));
        add("train", times.to_json());
        add("loss_first", json!(first));
        add("loss_last", json!(trainer.train_step(&step)?));
        for (name, megabytes) in resident(&mut trainer, &data, &step)? {
            add(name, json!(megabytes));
        }
        let other = cases::case(name, arguments.batch, &arguments.variant)?;
        let started = Instant::now();
        let mut other = other.model.compile(other.compile.device(&device))?;
        other.train_step(&step)?;
        add("first_step_warm_s", json!(started.elapsed().as_secs_f64()));
        drop(other);
        if arguments.fit {
            let [ms, bare] =
                fit(&mut trainer, &data, &step, times.ms, arguments.seconds)?;
            add("fit_ms_per_step", json!(ms));
            add("bare_ms_beside_fit", json!(bare));
        }
    } else {
        predictor.predict(&step.inputs)?;
        add("first_step_s", json!(started.elapsed().as_secs_f64()));
    }
    let times = timed(arguments.seconds / 2.0, || predictor.predict(&step.inputs))?;
    if arguments.mode == Mode::Infer {
        add("ms", json!(times.ms));
        add("samples_per_s", json!(batch as f64 / times.ms * 1e3));
        if arguments.callers > 1 {
            let rate = |callers| together(&predictor, &step, callers, arguments.seconds);
            add("calls_per_s", json!(rate(1)?));
            add("calls_per_s_together", json!(rate(arguments.callers)?));
        }
    }
    add("forward", times.to_json());
    if arguments.mode == Mode::Infer
        && let Some(megabytes) = memory("VmHWM")
    {
        add("rss_peak_mb", json!(megabytes));
    }
    Ok(line)
}

/// Predictions per second of that many threads with one model.
fn together(
    predictor: &Predictor,
    step: &Batch,
    callers: usize,
    seconds: f64,
) -> Result<f64> {
    let begin = Instant::now();
    let call = || -> Result<usize> {
        let mut calls = 0;
        while begin.elapsed().as_secs_f64() < seconds {
            predictor.predict(&step.inputs)?;
            calls += 1;
        }
        Ok(calls)
    };
    let calls = std::thread::scope(|scope| -> Result<usize> {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        let counts = threads.into_iter().map(|thread| match thread.join() {
            Ok(count) => count,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        counts.sum()
    })?;
    Ok(calls as f64 / begin.elapsed().as_secs_f64())
}

/// The program's memory after the steps so far, and what of it has to be there, in MiB.
///
/// The data set of the workload is a second batch, which is no part of training.
fn resident(
    trainer: &mut Trainer,
    data: &Arrays,
    step: &Batch,
) -> Result<Vec<(&'static str, f64)>> {
    let found = [("rss_mb", memory("VmRSS")), ("rss_peak_mb", memory("VmHWM"))];
    let variables = trainer.model().variables().into_iter();
    let variables = variables.chain(trainer.optimizer().variables());
    let variables: usize = variables.map(|one| one.spec().bytes()).sum();
    let tensors = step.inputs.iter().chain(&step.targets);
    let batch: usize = tensors.map(|one| one.spec().bytes()).sum();
    let plan = trainer.plan(data, step.len())?;
    let arena = plan.lines().find_map(|line| {
        line.strip_prefix("arena ")?.split(' ').next()?.parse::<usize>().ok()
    });
    let megabytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let parts = [
        ("variables_mb", Some(megabytes(variables))),
        ("arena_mb", arena.map(megabytes)),
        ("batch_mb", Some(megabytes(batch))),
    ];
    let found = found.map(|(name, all)| (name, all.map(|all| all - megabytes(batch))));
    let known = |(name, value): (&'static str, Option<f64>)| Some((name, value?));
    Ok(found.into_iter().chain(parts).filter_map(known).collect())
}

/// Milliseconds of a step of `fit`, over as many batches as `seconds` hold, in random order; and
/// of bare steps in turn with it: medians of five rounds each.
fn fit(
    trainer: &mut Trainer,
    data: &Arrays,
    batch: &Batch,
    ms: f64,
    seconds: f64,
) -> Result<[f64; 2]> {
    const ROUNDS: usize = 5;
    let bytes: usize = data.inputs().iter().map(|input| input.spec().bytes()).sum();
    let fitting = 2_000_000_000 / bytes.max(1);
    let wanted = (seconds * 1e3 / ms / ROUNDS as f64) as usize;
    let count = wanted.min(200).min(fitting).max(4);
    let repeat = |tensors: &[Tensor]| -> Result<Vec<Tensor>> {
        let all = |tensor: &Tensor| Ok(Tensor::concatenate(&vec![tensor; count], 0)?);
        tensors.iter().map(all).collect()
    };
    let many = Arrays::of(repeat(data.inputs())?, repeat(data.targets())?)?;
    let epochs = (wanted / count).max(1);
    let fit = || Fit::new().epochs(epochs).batch_size(batch.len()).verbose(0);
    trainer.fit(&many, fit())?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        trainer.fit(&many, fit())?;
        times[0].push(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        for _ in 0..count * epochs {
            trainer.train_step(batch)?;
        }
        times[1].push(begin.elapsed().as_secs_f64());
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2] * 1e3 / (count * epochs) as f64
    }))
}
