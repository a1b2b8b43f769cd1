//! L-BFGS beside that of `SciPy` (`tools/golden/lbfgs.py`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use deckle_autograd::{Device, Group, Var};
use deckle_optim::{Lbfgs, Minimum};
use deckle_tensor::Tensor;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    start: Vec<f64>,
    at: Vec<f64>,
    loss: f64,
    iterations: usize,
    evaluations: usize,
}

#[derive(Deserialize)]
struct Cases {
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    penalty: f64,
    cases: Vec<Case>,
}

fn cases() -> Cases {
    serde_json::from_str(include_str!("testdata/scipy.json")).unwrap()
}

/// Rosenbrock's valley, `Σ 100 (x[i+1] - x[i]²)² + (1 - x[i])²`.
fn valley(x: &Var, len: usize) -> Var {
    let (from, to) = (x.slice(0..len - 1).unwrap(), x.slice(1..len).unwrap());
    let bend = (&to - from.square().unwrap()).square().unwrap() * 100.0;
    (bend + (1.0 - &from).square().unwrap()).sum(..).unwrap()
}

/// The mean cross-entropy of a logistic regression and its penalty; `w` ends in the bias.
fn logistic(w: &Var, cases: &Cases) -> Var {
    let (count, features) = (cases.x.len(), cases.x[0].len());
    let x = Tensor::new(cases.x.concat(), [count, features]).unwrap();
    let (x, y) = (Var::constant(&x), Var::constant(&Tensor::from(cases.y.clone())));
    let weights = w.slice(0..features).unwrap();
    let z = x.matmul(&weights.expand_dims(-1).unwrap()).unwrap().squeeze([-1]).unwrap();
    let z = z + w.slice(features).unwrap();
    let entropy = (z.softplus().unwrap() - y * &z).mean(..).unwrap();
    entropy + weights.square().unwrap().sum(..).unwrap() * cases.penalty
}

fn minimize(case: &Case, cases: &Cases) -> (Vec<f64>, Minimum) {
    let group = Group::new(&Device::reference());
    let x = group.variable("x", &Tensor::from(case.start.clone())).unwrap();
    let loss = match case.name.as_str() {
        "logistic" => logistic(&x.read(), cases),
        _ => valley(&x.read(), case.start.len()),
    };
    let lbfgs = Lbfgs::new().max_iterations(1000).change_tolerance(0.0);
    let found = lbfgs.minimize(&loss, std::slice::from_ref(&x)).unwrap();
    (x.value().unwrap().to_vec().unwrap(), found)
}

/// The same place, as deep, in no more than a quarter more steps and evaluations.
#[test]
fn it_ends_where_scipys_ends_after_about_as_many_steps() {
    let cases = cases();
    for case in &cases.cases {
        let (at, found) = minimize(case, &cases);
        let name = &case.name;
        for (got, scipy) in at.iter().zip(&case.at) {
            assert!((got - scipy).abs() < 2e-6, "{name}: {at:?}, SciPy {:?}", case.at);
        }
        assert!((found.loss - case.loss).abs() < 1e-12, "{name}: {}", found.loss);
        assert!(found.is_minimum, "{name}: {found:?}");
        let about = |ours: usize, scipys: usize| ours * 4 <= scipys * 5;
        assert!(
            about(found.iterations, case.iterations)
                && about(found.evaluations, case.evaluations),
            "{name}: {found:?}, SciPy {} and {}",
            case.iterations,
            case.evaluations
        );
    }
}
