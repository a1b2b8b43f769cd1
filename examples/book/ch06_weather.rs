//! Tomorrow's temperature: section 6.3 of *Deep Learning with Python*, on the hourly weather of
//! New York's three airports in 2013 instead of Jena's.
//!
//! `DECKLE_DATA_DIR=<folder with weather_nyc/> cargo run --release --example ch06_weather
//! [-- NETWORK]`
//!
//! From ten numbers for each of the last 120 hours, the temperature in 24 hours. January to August
//! train, September and October validate and choose the epoch, November and December test. Trains
//! the networks of [`NETWORKS`] or only the one that is named; `gru` with five seeds, to see whether
//! it beats "as it is now" by more than chance. On Jena's weather, the book has mean absolute errors
//! in validation of 2.57 °C for that baseline, 2.35 for a GRU; `reversed` and `conv1d` (section 6.4)
//! are worse than the baseline there, `conv1d_gru` is about as good.

use std::{collections::BTreeMap, fs::File, io::Read};

use deckle::{
    data::{DatasetExt, Timeseries, Windows},
    plot,
    prelude::*,
};
use deckle_examples::{choice, picture, report, seed};
use flate2::read::GzDecoder;

const FEATURES: usize = 10;
const HOURS: usize = 120;
const AHEAD: usize = 24;
const NETWORKS: [&str; 8] = [
    "dense",
    "gru",
    "gru_dropout",
    "stacked",
    "reversed",
    "bidirectional",
    "conv1d",
    "conv1d_gru",
];
/// The hours before September, and before November.
const TRAIN: usize = 243 * 24;
const VALIDATION: usize = 304 * 24;

/// The weather of each airport, `(hours, features)`, the temperature in °C first. What is missing
/// is as it was an hour before.
fn weather() -> std::io::Result<Vec<Vec<[f32; FEATURES]>>> {
    let folder = std::env::var("DECKLE_DATA_DIR").unwrap_or_else(|_| "data".into());
    let path = format!("{folder}/weather_nyc/weather.csv.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
    let mut airports: BTreeMap<&str, Vec<[f32; FEATURES]>> = BTreeMap::new();
    for line in lines {
        let cells: BTreeMap<_, _> = names.iter().copied().zip(line.split(',')).collect();
        let number = |name: &str| cells[name].parse::<f32>().ok();
        let [month, day, hour] =
            ["month", "day", "hour"].map(|name| number(name).unwrap_or_default());
        let days = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let at = (days[month as usize - 1] + day as usize - 1) * 24 + hour as usize;
        let rows = airports.entry(cells["origin"]).or_default();
        if at < rows.len() {
            continue; // The hour that comes twice in November.
        }
        let before = rows.last().copied();
        let mut row = before.unwrap_or_default();
        let celsius = |fahrenheit: f32| (fahrenheit - 32.0) / 1.8;
        let turn = |degrees: f32| degrees.to_radians();
        let speed = number("wind_speed");
        let direction = number("wind_dir").map(turn);
        let day = turn(hour * 15.0);
        let values = [
            number("temp").map(celsius),
            number("dewp").map(celsius),
            number("humid"),
            number("pressure"),
            number("precip"),
            number("visib"),
            speed.zip(direction).map(|(speed, direction)| speed * direction.sin()),
            speed.zip(direction).map(|(speed, direction)| speed * direction.cos()),
            Some(day.sin()),
            Some(day.cos()),
        ];
        for (cell, value) in row.iter_mut().zip(values) {
            *cell = value.unwrap_or(*cell);
        }
        rows.resize(at, before.unwrap_or(row));
        rows.push(row);
    }
    Ok(airports.into_values().collect())
}

/// The airports' hours in units of their deviation, and that of the temperature.
struct Series {
    airports: Vec<Tensor>,
    deviation: f64,
}

impl Series {
    fn new(airports: &[Vec<[f32; FEATURES]>]) -> Result<Self> {
        let tensor =
            |rows: &[[f32; FEATURES]]| Tensor::new(rows.concat(), [rows.len(), FEATURES]);
        let seen: Vec<_> =
            airports.iter().flat_map(|rows| &rows[..TRAIN]).copied().collect();
        let seen = tensor(&seen)?;
        let (mean, deviation) = (seen.mean(0)?, seen.std(0)?);
        let scaled =
            |rows: &Vec<_>| -> Result<_> { Ok(&(&tensor(rows)? - &mean) / &deviation) };
        let airports = airports.iter().map(scaled).collect::<Result<_>>()?;
        Ok(Self { airports, deviation: f64::from(deviation.at(0)?.item::<f32>()?) })
    }

    /// Windows that lie in these hours with what is to be forecast, airport after airport.
    fn windows(&self, from: usize, to: usize) -> Result<impl Dataset + use<>> {
        let cut = |series: &Tensor| -> Result<Windows> {
            let temperature = series.slice((.., 0..1))?;
            let later = temperature.slice(HOURS as isize - 1 + AHEAD as isize..)?;
            let to = to.min(series.shape()[0]);
            let windows = Timeseries::new(HOURS).start_index(from).end_index(to - AHEAD);
            Ok(windows.apply(series, &later)?)
        };
        let [a, b, c] = [0, 1, 2].map(|airport| cut(&self.airports[airport]));
        Ok(a?.concatenate(b?)?.concatenate(c?)?)
    }

    /// How wrong it is, in °C, to say that it will be as it is now.
    fn naive(&self, from: usize, to: usize) -> Result<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for series in &self.airports {
            let to = to.min(series.shape()[0]);
            let part = series.slice((from + HOURS - 1..to, 0))?.to_vec::<f32>()?;
            for pair in part.windows(AHEAD + 1) {
                sum += f64::from((pair[AHEAD] - pair[0]).abs());
                count += 1;
            }
        }
        Ok(sum / f64::from(count) * self.deviation)
    }
}

fn network(name: &str, seed: u64) -> Result<Model> {
    let model = Sequential::new([HOURS, FEATURES]).name(name).seed(seed);
    let model = match name {
        "dense" => model.add(Flatten::new()).add(Dense::new(32).activation(Relu)),
        "gru" => model.add(GRU::new(32)),
        "gru_dropout" => model.add(GRU::new(32).dropout(0.2).recurrent_dropout(0.2)),
        "stacked" => model
            .add(GRU::new(32).dropout(0.1).recurrent_dropout(0.5).return_sequences(true))
            .add(GRU::new(64).dropout(0.1).recurrent_dropout(0.5)),
        // From the latest hour to the earliest.
        "reversed" => model.add(GRU::new(32).go_backwards(true)),
        "bidirectional" => model.add(Bidirectional::new(GRU::new(32))),
        "conv1d" => model
            .add(Conv1D::new(32, 5).activation(Relu))
            .add(MaxPooling1D::new(3))
            .add(Conv1D::new(32, 5).activation(Relu))
            .add(MaxPooling1D::new(3))
            .add(Conv1D::new(32, 5).activation(Relu))
            .add(GlobalMaxPooling1D::new()),
        "conv1d_gru" => model
            .add(Conv1D::new(32, 5).activation(Relu))
            .add(MaxPooling1D::new(3))
            .add(Conv1D::new(32, 5).activation(Relu))
            .add(GRU::new(32).dropout(0.1).recurrent_dropout(0.5)),
        _ => panic!("there is no network `{name}`"),
    };
    Ok(model.add(Dense::new(1)).build()?)
}

fn main() -> Result<()> {
    let airports = weather().unwrap_or_else(|error| panic!("weather.csv.gz: {error}"));
    let series = Series::new(&airports)?;
    let train = series.windows(0, TRAIN)?;
    let validation = series.windows(TRAIN, VALIDATION)?;
    let test = series.windows(VALIDATION, usize::MAX)?;
    let naive = [series.naive(TRAIN, VALIDATION)?, series.naive(VALIDATION, usize::MAX)?];
    report("weather, as now: error in validation (°C)", None, naive[0]);
    report("weather, as now: error in the test (°C)", None, naive[1]);

    let chosen = choice();
    for name in NETWORKS {
        if chosen.as_ref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        let seeds = if name == "gru" { 5 } else { 1 };
        let mut errors = [Vec::new(), Vec::new()];
        for seed in seed()..seed() + seeds {
            let compile = Compile::new(RmsProp::new(), MeanAbsoluteError::new());
            let mut trainer = network(name, seed)?.compile(compile)?;
            let stop = EarlyStopping::new().patience(4).restore_best_weights(true);
            let fit = Fit::new().epochs(20).batch_size(128).validation_data(&validation);
            let history = trainer.fit(&train, fit.verbose(2).callback(stop))?;
            plot::history(&history).save(picture(&format!("ch06_weather_{name}.png")))?;
            let all = Evaluate::new().batch_size(128);
            errors[0]
                .push(trainer.evaluate_with(&validation, all)?.loss() * series.deviation);
            let all = Evaluate::new().batch_size(128);
            errors[1].push(trainer.evaluate_with(&test, all)?.loss() * series.deviation);
        }
        for (part, (errors, naive)) in
            ["validation", "the test"].into_iter().zip(errors.iter().zip(naive))
        {
            let count = errors.len() as f64;
            let mean = errors.iter().sum::<f64>() / count;
            report(&format!("weather, {name}: error in {part} (°C)"), None, mean);
            if count > 1.0 {
                let squares: f64 =
                    errors.iter().map(|error| (error - mean).powi(2)).sum();
                let deviation = (squares / (count - 1.0)).sqrt();
                println!("{name}: {errors:.3?}, deviation {deviation:.3}");
                let what = format!("weather, {name}: σ better than as now in {part}");
                report(&what, None, (naive - mean) / deviation);
            }
        }
    }
    Ok(())
}
