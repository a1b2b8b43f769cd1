//! Models that real Keras saved compute what real Keras computed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use deckle_autograd::{Device, Function, Var};
use deckle_formats::{KerasArchive, json};
use deckle_nn::{Call, Error, Model, Registry, snake_case};
use deckle_tensor::{Npz, Tensor};

/// The folder of the cases, if it is there: `fixtures` beside the data sets.
fn fixtures() -> Option<PathBuf> {
    let data = std::env::var_os("DECKLE_DATA_DIR").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = data.unwrap_or(beside).join("../fixtures");
    folder.is_dir().then_some(folder)
}

/// Gives the model's variables the weights of the archive.
fn load(model: &Model, archive: &KerasArchive) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for layer in model.layers() {
        let class = snake_case(layer.class_name());
        let count = counts.entry(class.clone()).or_default();
        let group = if *count == 0 { class } else { format!("{class}_{count}") };
        *count += 1;
        for (i, weight) in layer.weights().iter().enumerate() {
            let scope = weight.scope().join("/");
            let path = format!("layers/{group}/{scope}/vars/{i}").replace("//", "/");
            let found = archive.weights.dataset(&path);
            weight.variable().set(found.unwrap_or_else(|| panic!("no {path}"))).unwrap();
        }
    }
}

fn predict(model: &Model, inputs: &[Tensor]) -> Vec<Tensor> {
    let vars = model.inputs().map(|(name, shape, dtype)| Var::input(name, shape, dtype));
    let vars: Vec<_> = vars.collect();
    let given: Vec<_> =
        inputs.iter().zip(&vars).map(|(x, var)| x.cast(var.dtype())).collect();
    let outputs = model.call(&vars, &mut Call::inference()).unwrap();
    let function = Function::new(&vars, &outputs);
    function.compile(&model.group().device()).unwrap().call(&given).unwrap()
}

/// The largest `|ours - theirs| / (1 + |theirs|)`.
fn error(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.shape(), theirs.shape());
    let (ours, theirs) = (ours.to_vec::<f32>().unwrap(), theirs.to_vec::<f32>().unwrap());
    let pairs = ours.iter().zip(&theirs);
    let errors = pairs.map(|(a, b)| f64::from(a - b).abs() / (1.0 + f64::from(b.abs())));
    errors.fold(0.0, |worst, error| if error <= worst { worst } else { error })
}

fn tensors(npz: &Npz, letter: char) -> Vec<Tensor> {
    (0..).map_while(|i| npz.tensor(&format!("{letter}{i}")).ok()).collect()
}

/// Cases whose layers exist here.
const CASES: &[&str] = &[
    "activations",
    "batch_normalization",
    "conv1d_causal_dilated",
    "conv2d_same_stride2",
    "conv2d_valid",
    "conv3d",
    "dense",
    "dense_rank3",
    "embedding_pooled",
    "fit_binary_rmsprop",
    "fit_convnet_batchnorm",
    "fit_lstm",
    "fit_multiclass_adam",
    "fit_regression_sgd_l2",
    "functional_two_in_two_out",
    "gru",
    "lstm",
    "masked_lstm",
    "mnist_convnet",
    "pooling",
    "simple_rnn",
];

#[test]
fn models_of_keras_compute_the_same() {
    let Some(folder) = fixtures() else {
        eprintln!("not run: there is no folder ../shared/fixtures");
        return;
    };
    let mut cases: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let archive = KerasArchive::read(case.join("model.keras")).unwrap();
        let made = Model::from_config(
            &archive.config,
            &Registry::keras(),
            0,
            &Device::reference(),
        );
        let model = match made {
            Err(error @ Error::Unsupported { .. }) if !CASES.contains(&name) => {
                eprintln!("{name}: {error}");
                continue;
            }
            made => made.unwrap_or_else(|error| panic!("{name}: {error}")),
        };
        load(&model, &archive);
        let settings = json::read(case.join("case.json")).unwrap();
        let tolerance = settings["tolerance"].as_f64().unwrap();
        let npz = Npz::open(case.join("data.npz")).unwrap();
        let made = predict(&model, &tensors(&npz, 'x'));
        let expected = tensors(&npz, 'y');
        assert_eq!(made.len(), expected.len(), "{name}");
        let worst =
            made.iter().zip(&expected).map(|(a, b)| error(a, b)).fold(0.0, f64::max);
        eprintln!("{name}: {worst:.2e} of {tolerance:.0e}");
        assert!(worst <= tolerance, "{name}: {worst:e} is more than {tolerance:e}");
    }
}
