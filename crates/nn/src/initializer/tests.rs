//! Distributions by their moments and their distance from theory; orthogonality; names.

use super::*;

/// 20,000 values for a kernel with 100 inputs and 200 outputs.
fn sample(initializer: &Initializer) -> Vec<f64> {
    initializer.values(&[100, 200], DType::F64, 42, 7).unwrap().to_vec().unwrap()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, square / values.len() as f64)
}

/// The largest distance between the values' distribution and a distribution function: the
/// Kolmogorov–Smirnov statistic, times the root of their number. Above 1.95 once in a thousand.
fn distance(values: &[f64], below: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gap = |(i, &value): (usize, &f64)| {
        let (p, i) = (below(value), i as f64);
        (p - i / n).abs().max((p - (i + 1.0) / n).abs())
    };
    sorted.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

/// The share of a normal distribution below `x`, by Simpson's rule from far below.
fn normal_below(x: f64) -> f64 {
    let (low, steps) = (-9.0, 400);
    if x <= low {
        return 0.0;
    }
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let width = (x - low) / f64::from(steps);
    let weight = |i: i32| match i {
        i if i == 0 || i == steps => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=steps).map(|i| weight(i) * density(low + f64::from(i) * width)).sum::<f64>()
        * width
        / 3.0
}

#[track_caller]
fn uniform(initializer: &Initializer, low: f64, high: f64) {
    let values = sample(initializer);
    assert!(values.iter().all(|v| (low..=high).contains(v)), "outside {low}..{high}");
    let distance = distance(&values, |x| (x - low) / (high - low));
    assert!(distance < 1.95, "{initializer:?}: {distance}");
}

#[track_caller]
fn normal(initializer: &Initializer, mean: f64, stddev: f64) {
    let distance = distance(&sample(initializer), |x| normal_below((x - mean) / stddev));
    assert!(distance < 1.95, "{initializer:?}: {distance}");
}

/// A normal distribution cut at two standard deviations, `stddev` before the cut.
#[track_caller]
fn truncated(initializer: &Initializer, mean: f64, stddev: f64) {
    let values = sample(initializer);
    assert!(values.iter().all(|v| (v - mean).abs() <= 2.0 * stddev * (1.0 + 1e-12)));
    let (low, high) = (normal_below(-2.0), normal_below(2.0));
    let below = |x: f64| (normal_below((x - mean) / stddev) - low) / (high - low);
    let distance = distance(&values, below);
    assert!(distance < 1.95, "{initializer:?}: {distance}");
}

#[test]
fn uniform_distributions_have_kerass_limits() {
    uniform(&Initializer::uniform(), -0.05, 0.05);
    uniform(&Initializer::RandomUniform { minval: 1.0, maxval: 3.0 }, 1.0, 3.0);
    for (initializer, limit) in [
        (Initializer::GlorotUniform, 6.0 / 300.0),
        (Initializer::HeUniform, 6.0 / 100.0),
        (Initializer::LecunUniform, 3.0 / 100.0),
    ] {
        let limit = f64::sqrt(limit);
        uniform(&initializer, -limit, limit);
    }
}

#[test]
fn normal_distributions_have_kerass_moments() {
    normal(&Initializer::RandomNormal { mean: 1.0, stddev: 0.05 }, 1.0, 0.05);
    truncated(&Initializer::TruncatedNormal { mean: 0.5, stddev: 0.05 }, 0.5, 0.05);
    for (initializer, variance) in [
        (Initializer::GlorotNormal, 2.0 / 300.0),
        (Initializer::HeNormal, 2.0 / 100.0),
        (Initializer::LecunNormal, 1.0 / 100.0),
    ] {
        truncated(&initializer, 0.0, f64::sqrt(variance) / 0.879_625_661_034_239_8);
        let (mean, found) = moments(&sample(&initializer));
        assert!(mean.abs() < 4.0 * (variance / 20_000.0_f64).sqrt(), "{mean}");
        assert!(
            (found / variance - 1.0).abs() < 0.025,
            "{initializer:?}: {found}, {variance}"
        );
    }
}

#[test]
fn variance_scaling_divides_by_its_fan() {
    for (mode, fan) in [(Fan::FanIn, 100.0), (Fan::FanOut, 200.0), (Fan::FanAvg, 150.0)] {
        let make = |distribution| Initializer::VarianceScaling {
            scale: 3.0,
            mode,
            distribution,
        };
        let stddev = f64::sqrt(3.0 / fan);
        normal(&make(Spread::UntruncatedNormal), 0.0, stddev);
        truncated(&make(Spread::TruncatedNormal), 0.0, stddev / 0.879_625_661_034_239_8);
        uniform(&make(Spread::Uniform), -stddev * 3.0f64.sqrt(), stddev * 3.0f64.sqrt());
    }
}

#[test]
fn fans_count_the_window() {
    assert_eq!(fans(&[]), (1.0, 1.0));
    assert_eq!(fans(&[7]), (7.0, 7.0));
    assert_eq!(fans(&[3, 5]), (3.0, 5.0));
    assert_eq!(fans(&[3, 4, 5, 7]), (60.0, 84.0));
}

/// Whether rows (or columns, if there are fewer) are orthogonal and of length `gain`.
#[track_caller]
fn orthogonal(shape: &[usize], gain: f64) {
    let values =
        Initializer::Orthogonal { gain }.values(shape, DType::F64, 1, 2).unwrap();
    let columns = shape[shape.len() - 1];
    let matrix = values.reshape([-1, columns.cast_signed()]).unwrap();
    let rows = matrix.shape()[0];
    let product = if rows < columns {
        matrix.matmul(&matrix.transpose()).unwrap()
    } else {
        matrix.transpose().matmul(&matrix).unwrap()
    };
    let expected = Tensor::eye(DType::F64, rows.min(columns)).mul(gain * gain).unwrap();
    assert!(product.allclose(&expected, 0.0, 1e-12).unwrap(), "{shape:?}");
}

#[test]
fn orthogonal_matrices_are() {
    orthogonal(&[5, 5], 1.0);
    orthogonal(&[7, 3], 2.0);
    orthogonal(&[3, 7], 0.5);
    orthogonal(&[2, 3, 4], 1.0);
    let error = Initializer::orthogonal().values(&[3], DType::F32, 0, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "initializer Orthogonal cannot fill this weight\n  expected: two axes or more\n       \
         got: (3,)"
    );
}

/// With the signs of R's diagonal, Q's columns point the way of the columns that they come from:
/// Q is uniformly distributed, and its first column is the first of the normal numbers, scaled.
#[test]
fn orthogonal_columns_keep_their_signs() {
    let draw = Draw::new(3, 4, 0);
    let q = Initializer::orthogonal().values(&[4, 2], DType::F64, 3, 4).unwrap();
    let q = q.to_vec::<f64>().unwrap();
    for row in 0..4 {
        let ratio = q[row * 2] / draw.normal(row as u64 * 2);
        assert!(ratio > 0.0 && (ratio - q[0] / draw.normal(0)).abs() < 1e-12, "{ratio}");
    }
    let along: f64 =
        (0..4).map(|row| q[row * 2 + 1] * draw.normal(row as u64 * 2 + 1)).sum();
    assert!(along > 0.0);
}

#[test]
fn the_others_are_what_they_say() -> Result<()> {
    let values = |initializer: Initializer| -> Result<Vec<f32>> {
        Ok(initializer.values(&[2, 3], DType::F32, 0, 0)?.to_vec()?)
    };
    assert_eq!(values(Initializer::Zeros)?, [0.0; 6]);
    assert_eq!(values(Initializer::Ones)?, [1.0; 6]);
    assert_eq!(values(Initializer::Constant(0.5))?, [0.5; 6]);
    assert_eq!(
        values(Initializer::Identity { gain: 2.0 })?,
        [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]
    );
    Ok(())
}

#[test]
fn values_depend_on_seed_and_stream() -> Result<()> {
    let at = |seed, stream| {
        Initializer::GlorotUniform.values(&[4, 4], DType::F32, seed, stream)
    };
    assert_eq!(at(1, 2)?, at(1, 2)?);
    assert_ne!(at(1, 2)?, at(2, 2)?);
    assert_ne!(at(1, 2)?, at(1, 3)?);
    Ok(())
}

#[test]
fn a_weight_that_does_not_fit_into_memory_is_an_error() {
    for shape in [[usize::MAX, 2], [1 << 40, 1 << 20]] {
        let error = Initializer::Zeros.values(&shape, DType::F32, 0, 0).unwrap_err();
        assert!(error.to_string().contains("expected: memory for it"), "{error}");
    }
}

#[test]
fn keras_names_are_understood() -> Result<()> {
    let parse = |json: &str| serde_json::from_str::<Initializer>(json);
    let normal = Initializer::RandomNormal { mean: 0.0, stddev: 0.05 };
    for (text, expected) in [
        ("\"glorot_uniform\"", Initializer::GlorotUniform),
        ("\"HeNormal\"", Initializer::HeNormal),
        ("\"uniform\"", Initializer::uniform()),
        ("\"normal\"", normal.clone()),
        ("\"zero\"", Initializer::Zeros),
        ("\"one\"", Initializer::Ones),
        ("\"IdentityInitializer\"", Initializer::Identity { gain: 1.0 }),
        ("\"OrthogonalInitializer\"", Initializer::orthogonal()),
        (
            "{\"class_name\": \"Constant\", \"config\": {\"value\": 3}}",
            Initializer::Constant(3.0),
        ),
    ] {
        assert_eq!(parse(text).unwrap(), expected, "{text}");
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(parse(&json).unwrap(), expected, "{json}");
    }
    assert_eq!(
        parse("\"glorot_unifrm\"").unwrap_err().to_string(),
        "unknown initializer `glorot_unifrm`\n      help: did you mean `GlorotUniform`?"
    );
    Ok(())
}

#[test]
fn axes_may_say_what_inputs_and_outputs_are() {
    let json = r#"{"class_name": "VarianceScaling", "config": {
        "scale": 1.0, "mode": "fan_in", "distribution": "uniform", "seed": 3,
        "input_axes": [0], "output_axes": [1, -1]}}"#;
    let initializer: Initializer = serde_json::from_str(json).unwrap();
    let back = serde_json::to_value(&initializer).unwrap();
    assert_eq!(back["config"]["output_axes"], serde_json::json!([1, -1]));
    assert_eq!(back["config"]["seed"], 3);
    assert_eq!(serde_json::from_value::<Initializer>(back).unwrap(), initializer);
    let values = initializer.values(&[4, 50, 20], DType::F64, 1, 2).unwrap();
    // √(3 / 4), not √(3 / 200).
    let most = values.to_vec::<f64>().unwrap().into_iter().fold(0.0, f64::max);
    assert!((0.8..=0.75f64.sqrt()).contains(&most), "{most}");
    assert_eq!(values, initializer.values(&[4, 50, 20], DType::F64, 9, 9).unwrap());
}

#[test]
fn settings_that_make_no_sense_are_an_error() {
    let wrong = [
        Initializer::RandomNormal { mean: 0.0, stddev: -1.0 },
        Initializer::RandomUniform { minval: 1.0, maxval: 0.0 },
        Initializer::Constant(f64::NAN),
        Initializer::Identity { gain: f64::INFINITY },
        Initializer::TruncatedNormal { mean: f64::NAN, stddev: 1.0 }.seeded(3),
    ];
    for initializer in wrong {
        let error = initializer.values(&[2, 2], DType::F32, 0, 0).unwrap_err();
        assert!(error.to_string().contains("makes no sense"), "{error}");
    }
    let over = Initializer::OverAxes {
        input_axes: vec![5],
        output_axes: vec![0],
        initializer: Box::new(Initializer::HeNormal),
    };
    assert!(over.values(&[2, 2], DType::F32, 0, 0).is_err());
}
