//! Models that real Keras saved compute what real Keras computed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use deckle_autograd::{Device, Function, Var};
use deckle_cpu::Cpu;
use deckle_formats::{KerasArchive, json};
use deckle_nn::{Call, Model, Registry, snake_case};
use deckle_tensor::{Npz, Tensor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The folder of the cases, if it is there: `fixtures` beside the data sets.
fn fixtures() -> Option<PathBuf> {
    let data = std::env::var_os("DECKLE_DATA_DIR").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = data.unwrap_or(beside).join("../fixtures");
    folder.is_dir().then_some(folder)
}

/// Gives the model's variables the weights of the archive.
fn load(model: &Model, archive: &KerasArchive) -> Result<()> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for layer in model.layers() {
        let class = snake_case(layer.class_name());
        let count = counts.entry(class.clone()).or_default();
        let group = if *count == 0 { class } else { format!("{class}_{count}") };
        *count += 1;
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for weight in layer.weights() {
            let scope = weight.scope().join("/");
            let i = numbers.entry(scope.clone()).or_default();
            let path = format!("layers/{group}/{scope}/vars/{i}").replace("//", "/");
            *i += 1;
            let found = archive.weights.dataset(&path).ok_or(format!("no {path}"))?;
            weight.variable().set(found)?;
        }
    }
    Ok(())
}

fn predict(model: &Model, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let vars = model.inputs().map(|(name, shape, dtype)| Var::input(name, shape, dtype));
    let vars: Vec<_> = vars.collect();
    let given: Vec<_> =
        inputs.iter().zip(&vars).map(|(x, var)| x.cast(var.dtype())).collect();
    let outputs = model.call(&vars, &mut Call::inference())?;
    let function = Function::new(&vars, &outputs);
    Ok(function.compile(&model.group().device())?.call(&given)?)
}

/// The largest `|ours - theirs| / (1 + |theirs|)`.
fn error(ours: &Tensor, theirs: &Tensor) -> Result<f64> {
    assert_eq!(ours.shape(), theirs.shape());
    let (ours, theirs) = (ours.to_vec::<f32>()?, theirs.to_vec::<f32>()?);
    let pairs = ours.iter().zip(&theirs);
    let errors = pairs.map(|(a, b)| f64::from(a - b).abs() / (1.0 + f64::from(b.abs())));
    Ok(errors.fold(0.0, |worst, error| if error <= worst { worst } else { error }))
}

fn tensors(npz: &Npz, letter: char) -> Vec<Tensor> {
    (0..).map_while(|i| npz.tensor(&format!("{letter}{i}")).ok()).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "says what was not run")]
fn models_of_keras_compute_the_same() -> Result<()> {
    let Some(folder) = fixtures() else {
        eprintln!("not run: there is no folder ../shared/fixtures");
        return Ok(());
    };
    let entries = std::fs::read_dir(&folder)?;
    let mut cases: Vec<_> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    cases.retain(|path| path.is_dir());
    cases.sort();
    for case in cases {
        let name = case.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
        let archive = KerasArchive::read(case.join("model.keras"))?;
        let registry = Registry::keras();
        let device = Device::reference();
        let model = Model::from_config(&archive.config, &registry, 0, &device)?;
        load(&model, &archive)?;
        let settings = json::read(case.join("case.json"))?;
        let tolerance = settings["tolerance"].as_f64().ok_or("no tolerance")?;
        let npz = Npz::open(case.join("data.npz"))?;
        let (inputs, expected) = (tensors(&npz, 'x'), tensors(&npz, 'y'));
        for device in [Device::reference(), Device::new(Cpu::new())] {
            model.group().move_to(&device)?;
            let made = predict(&model, &inputs)?;
            assert_eq!(made.len(), expected.len(), "{name}");
            for (made, expected) in made.iter().zip(&expected) {
                let (error, device) = (error(made, expected)?, device.name());
                assert!(
                    error <= tolerance,
                    "{name}, {device}: {error:e} > {tolerance:e}"
                );
            }
        }
    }
    Ok(())
}
