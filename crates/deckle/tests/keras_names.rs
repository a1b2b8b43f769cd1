//! Keras's public names and what stands for them here: `docs/keras.md`, written by a test.
//!
//! `DECKLE_WRITE_DOCS=1 cargo test -p deckle --test keras_names` writes it again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use deckle::{
    autograd::Device,
    formats::KerasArchive,
    nn::keras::names_class,
    nn::layers::Operation,
    nn::{Activation, AnyLoss, Constraint, Initializer, Model, Registry, Regularizer},
    optim::{AnyOptimizer, AnySchedule},
    train::AnyMetric,
};
use serde_json::{Map, Value, json};

/// How, not what, Keras computes: read from a file, and of no effect.
const HARMLESS: &[&str] = &["use_cudnn", "flash_attention", "synchronized"];

/// Arguments that do not exist here: the class, or `*` for all, the argument, a value of it
/// that a file may have (none if files never have it), and what to do instead.
const MISSING: &[(&str, &str, Option<&str>, &str)] = &[
    ("*", "lora_rank", Some("2"), ""),
    ("*", "lora_alpha", None, ""),
    ("*", "quantization_config", Some(r#"{"class_name": "Int8QuantizationConfig"}"#), ""),
    ("*", "gptq_unpacked_column_size", Some("3"), ""),
    ("*", "sparse", Some("true"), ""),
    ("*", "weights", None, "set the variables of the built model"),
    (
        "IoU",
        "axis",
        None,
        "Keras sums the classes' values over it, too: the last alone works",
    ),
    ("MeanIoU", "axis", None, "as IoU's"),
    ("OneHotIoU", "axis", None, "as IoU's"),
    ("OneHotMeanIoU", "axis", None, "as IoU's"),
    ("InputLayer", "ragged", Some("true"), ""),
    ("InputLayer", "input_tensor", None, ""),
];

/// Arguments that a configuration has otherwise than the constructor.
const OTHERWISE: &[(&str, &str)] = &[
    ("InputLayer", "shape"),
    ("InputLayer", "batch_size"),
    // There is one value only.
    ("Resizing", "fill_mode"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Of each group the names, with the arguments and their defaults; in Keras's order.
fn names() -> Map<String, Value> {
    serde_json::from_str(include_str!("keras_names.json")).unwrap()
}

/// All configurations of a class in what Keras computed; metrics are under `metrics:` and the
/// class, as losses have the same names.
type Configs = BTreeMap<String, Vec<Map<String, Value>>>;

/// Collects every object with a class and a configuration.
fn collect(value: &Value, are_metrics: bool, found: &mut Configs) {
    match value {
        Value::Array(parts) => {
            parts.iter().for_each(|part| collect(part, are_metrics, found));
        }
        Value::Object(object) => {
            let class = object.get("class_name").or_else(|| object.get("class"));
            if let (Some(Value::String(class)), Some(Value::Object(config))) =
                (class, object.get("config"))
            {
                let module = object.get("module").and_then(Value::as_str);
                let is_metric = are_metrics || module == Some("keras.metrics");
                let prefix = if is_metric { "metrics:" } else { "" };
                found.entry(format!("{prefix}{class}")).or_default().push(config.clone());
            }
            // An activation with its values.
            if let (Some(Value::String(name)), Some(Value::Object(config)), Some(_)) =
                (object.get("name"), object.get("config"), object.get("y"))
            {
                found.entry(name.clone()).or_default().push(config.clone());
            }
            for (key, part) in object {
                match part {
                    Value::String(name) if key.ends_with("activation") => {
                        found.entry(name.clone()).or_default().push(Map::new());
                    }
                    part => collect(part, are_metrics, found),
                }
            }
        }
        _ => {}
    }
}

/// The models of the golden cases.
fn models() -> Vec<Value> {
    let mut folders: Vec<_> = fs::read_dir(root().join("tools/golden/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("model.keras"))
        .filter(|path| path.is_file())
        .collect();
    folders.sort();
    folders.iter().map(|path| KerasArchive::read(path).unwrap().config).collect()
}

/// What Keras computed: configurations of layers, losses, metrics, optimizers, ...
fn golden(models: &[Value]) -> Configs {
    let mut found = Configs::new();
    models.iter().for_each(|model| collect(model, false, &mut found));
    for file in ["crates/nn/tests", "crates/optim/tests/testdata", "crates/train/tests"] {
        for entry in fs::read_dir(root().join(file)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let text = fs::read_to_string(&path).unwrap();
                let are_metrics = path.ends_with("metrics.json");
                collect(&serde_json::from_str(&text).unwrap(), are_metrics, &mut found);
            }
        }
    }
    found
}

/// All numbers in a value.
fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Number(number) => number.as_f64().map(|number| vec![number]),
        Value::Array(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(numbers).collect();
            Some(parts?.concat())
        }
        _ => None,
    }
}

/// Whether a configuration's value is what the constructor has by default.
fn is_default(
    argument: &str,
    value: &Value,
    default: &Value,
    config: &Map<String, Value>,
) -> bool {
    match (value, default) {
        (value, default) if value == default => true,
        (Value::String(value), Value::Null) => {
            matches!(
                (argument, &value[..]),
                ("data_format", "channels_last") | ("activation", "linear")
            )
        }
        (Value::Object(object), Value::String(name)) => {
            let class =
                object.get("class_name").and_then(Value::as_str).unwrap_or_default();
            let settings = object.get("config").and_then(Value::as_object);
            let seed_only = settings.is_none_or(|s| s.keys().all(|key| key == "seed"))
                || ["uniform", "orthogonal"].contains(&&name[..]);
            let name = if name == "uniform" { "random_uniform" } else { name };
            names_class(name, class) && seed_only
        }
        (value, Value::Null) if argument == "strides" => {
            config.get("pool_size") == Some(value)
        }
        (value, default) => match (numbers(value), numbers(default)) {
            (Some(value), Some(default)) => {
                value == default
                    || default.iter().chain(&value).all(|n| Some(n) == default.first())
            }
            _ => false,
        },
    }
}

fn missing(
    class: &str,
    argument: &str,
) -> Option<&'static (&'static str, &'static str, Option<&'static str>, &'static str)> {
    MISSING
        .iter()
        .find(|(of, name, ..)| (*of == class || *of == "*") && *name == argument)
}

/// Whether Deckle has what that name stands for.
fn is_known(group: &str, name: &str, configs: &Configs) -> bool {
    let object =
        |config: &Map<String, Value>| json!({ "class_name": name, "config": config });
    let first = configs.get(&key(group, name)).and_then(|all| all.first());
    let first = first.cloned().unwrap_or_default();
    match group {
        "layers" => name == "InputLayer" || Registry::keras().knows(name),
        "losses" => AnyLoss::from_keras(&object(&first)).is_ok(),
        "metrics" => AnyMetric::from_keras(&object(&first)).is_ok(),
        "optimizers" => AnyOptimizer::from_keras(&object(&first)).is_ok(),
        "schedules" => AnySchedule::from_keras(&object(&first)).is_ok(),
        "initializers" => serde_json::from_value::<Initializer>(object(&first)).is_ok(),
        "regularizers" => serde_json::from_value::<Regularizer>(object(&first)).is_ok(),
        "constraints" => serde_json::from_value::<Constraint>(object(&first)).is_ok(),
        _ => name.parse::<Activation>().is_ok() || Operation::new(&camel(name)).is_ok(),
    }
}

/// Where a name's configurations are kept: losses and metrics share some names.
fn key(group: &str, name: &str) -> String {
    if group == "metrics" { format!("metrics:{name}") } else { name.to_owned() }
}

/// A name in Rust's form of types' names.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

/// What stands for a name.
fn counterpart(group: &str, name: &str, takes_arguments: bool) -> String {
    let own = match (group, name) {
        ("optimizers", "SGD") => "Sgd",
        ("optimizers", "RMSprop") => "RmsProp",
        ("layers", "InputLayer") => return "nn::InputLayer".to_owned(),
        _ => name,
    };
    let function = if name == "relu" { "relu_with" } else { name };
    let of_var = format!("autograd::Var::{function}");
    match group {
        "layers" => format!("nn::layers::{own}"),
        "losses" => format!("nn::losses::{own}"),
        "metrics" => format!("train::metrics::{own}"),
        "optimizers" | "schedules" => format!("optim::{own}"),
        "initializers" => format!("nn::Initializer::{own}"),
        "regularizers" => format!("nn::Regularizer::{own}"),
        "constraints" => format!("nn::Constraint::{own}"),
        _ if name.parse::<Activation>().is_err() => of_var,
        _ if takes_arguments => format!("nn::Activation::{}`, `{of_var}", camel(name)),
        _ => format!("nn::Activation::{}", camel(name)),
    }
}

/// How many configurations that differ in what they set there are cases of, other than the
/// defaults; of what has no arguments, how many cases.
fn variety(all: &[Map<String, Value>], arguments: &[(&String, &Value)]) -> usize {
    if arguments.is_empty() {
        return all.len();
    }
    let set = |config: &Map<String, Value>| -> Vec<String> {
        let changed = arguments.iter().filter_map(|(argument, default)| {
            let value = config.get(*argument)?;
            let is_same = is_default(argument, value, default, config);
            (!is_same).then(|| format!("{argument}: {value}"))
        });
        changed.collect()
    };
    let sets: BTreeSet<_> = all.iter().map(set).filter(|set| !set.is_empty()).collect();
    sets.len()
}

/// A row of the table: whether the name counts, what is written.
fn row(
    group: &str,
    name: &str,
    arguments: &Map<String, Value>,
    configs: &Configs,
) -> (bool, String) {
    if !is_known(group, name, configs) {
        return (false, format!("| {name} | not yet | | | |\n"));
    }
    // Operations of models have the names of functions in another form.
    let own = if group == "activations" { camel(name) } else { key(group, name) };
    let keys = BTreeSet::from([key(group, name), own]);
    let all: Vec<_> =
        keys.iter().filter_map(|key| configs.get(key)).flatten().cloned().collect();
    let (mut accepted, mut absent) = (0, Vec::new());
    let generic = ["name", "dtype", "trainable"];
    let is_input = |key: &str| group == "activations" && key == "x";
    let arguments: Vec<_> = arguments
        .iter()
        .filter(|(key, _)| !generic.contains(&&key[..]) && !is_input(key))
        .collect();
    let mut count = 0;
    let mut is_complete = true;
    for &(argument, default) in &arguments {
        count += 1;
        let changed = all.iter().any(|config| {
            let value = config.get(argument);
            value.is_some_and(|value| !is_default(argument, value, default, config))
        });
        let fine = changed
            || HARMLESS.contains(&&argument[..])
            || OTHERWISE.contains(&(name, &argument[..]));
        match missing(name, argument) {
            Some((.., instead)) if !fine => absent.push(match *instead {
                "" => argument.clone(),
                instead => format!("{argument} ({instead})"),
            }),
            _ if fine => accepted += 1,
            _ => {
                is_complete = false;
                absent.push(format!("{argument} (no case)"));
            }
        }
    }
    let variety = variety(&all, &arguments);
    // What is on or off has one other value only.
    let is_switch = |argument: &str, default: &Value| {
        default.is_boolean() || argument == "data_format"
    };
    let is_switch =
        matches!(arguments[..], [(argument, default)] if is_switch(argument, default));
    let wanted = if is_switch { 1 } else { 2 };
    let of =
        if count == 0 { "none".to_owned() } else { format!("{accepted} of {count}") };
    let text = format!(
        "| {name} | `{}` | {of} | {variety} | {} |\n",
        counterpart(group, name, !arguments.is_empty()),
        absent.join(", ")
    );
    (is_complete && variety >= wanted, text)
}

#[test]
fn the_table_of_names_is_up_to_date() {
    let names = names();
    let aliases = names["aliases"].as_object().unwrap();
    let configs = golden(&models());
    let (mut summary, mut tables) = (String::new(), String::new());
    for (group, all) in names.iter().filter(|(group, _)| *group != "aliases") {
        let (mut counted, mut rows) = (0, String::new());
        for (name, arguments) in all.as_object().unwrap() {
            let arguments = arguments.as_object().unwrap();
            let (counts, text) = row(group, name, arguments, &configs);
            counted += usize::from(counts);
            rows += &text;
        }
        let total = all.as_object().unwrap().len();
        writeln!(summary, "| {group} | {counted} of {total} |").unwrap();
        write!(tables, "\n## {group}\n\n| Keras | Deckle | arguments | cases | missing |\n|---|---|---|---|---|\n{rows}").unwrap();
    }
    let same: Vec<_> = aliases
        .iter()
        .map(|(alias, name)| format!("{alias} is {}", name.as_str().unwrap()))
        .collect();
    let text =
        format!("{HEAD}{summary}\nNames for the same: {}.\n{tables}", same.join(", "));
    let path = root().join("docs/keras.md");
    if std::env::var_os("DECKLE_WRITE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/keras.md is not what it should be: write it with DECKLE_WRITE_DOCS=1"
    );
}

const HEAD: &str = "\
# Keras's bricks, and Deckle's

Every public name of Keras 3 in these groups. A name counts if files with it are read, Keras
computed cases of it in at least two configurations (`cases`) that are not the default and differ
from each other, and each of its arguments either had another value than its default in one of
them, or is named here as missing. One is enough of what can only be switched. Of names without arguments, `cases` counts the cases. A file with
what is missing is refused, not misread. Written by
`DECKLE_WRITE_DOCS=1 cargo test -p deckle --test keras_names`.

In Rust, an argument is one of `new`'s or a method of its name. Named or placed otherwise:

| Keras's argument | in Rust |
|---|---|
| `name`, `trainable` of a layer | `LayerExt::named`, `LayerExt::trainable` |
| `dtype` of a layer; of a model | `LayerHandle::from(layer).dtype(...)`; `Sequential::dtype_policy` |
| `batch_size`, `dtype` of `Input` | `Symbol::batch_input`, `Symbol::typed_input`, `Sequential::typed` |
| `output_shape` of `MultiHeadAttention` | `output_lens` |
| `groups=-1` of `GroupNormalization` | `GroupNormalization::of_each_channel` |
| `mean`, `variance` of `Normalization` | `statistics`, or `adapted_to` data |
| lists as `scale`, `offset` of `Rescaling` | `Rescaling::by_channel`, `offsets` |
| `num_bins`, `epsilon` of `Discretization` | `data::preprocessing::Discretization::adapt` finds boundaries for `new` |
| `seed`, `input_axes`, `output_axes` of an initializer | `Initializer::seeded`, `Initializer::OverAxes` |
| `name` of a metric | `AnyMetric::from(metric).with_name(...)` |
| `backup_dir` of `BackupAndRestore` | `new`; without `double_checkpoint`, as files are replaced whole |
| `sparse`, `ragged`, `optional` of `Input`; `use_cudnn`, `flash_attention`, `synchronized`; `name` and `dtype` of losses; `name` of schedules | no method |

| group | names that count |
|---|---|
";

/// The first object of that class in a tree, to be changed.
fn find<'a>(value: &'a mut Value, class: &str) -> Option<&'a mut Map<String, Value>> {
    if value.get("class_name").and_then(Value::as_str) == Some(class) {
        return value.get_mut("config")?.as_object_mut();
    }
    match value {
        Value::Array(parts) => parts.iter_mut().find_map(|part| find(part, class)),
        Value::Object(object) => object.values_mut().find_map(|part| find(part, class)),
        _ => None,
    }
}

/// What the table calls missing is an error, never passed over.
#[test]
fn what_is_missing_is_refused() {
    let (names, models) = (names(), models());
    let mut checked = BTreeSet::new();
    for (class, arguments) in names["layers"].as_object().unwrap() {
        for argument in arguments.as_object().unwrap().keys() {
            let Some((_, _, Some(probe), _)) = missing(class, argument) else { continue };
            let changed = models.iter().find_map(|model| {
                let mut model = model.clone();
                let config = find(&mut model, class)?;
                config.insert(argument.clone(), serde_json::from_str(probe).unwrap());
                Some(model)
            });
            let Some(changed) = changed else { continue };
            let read =
                Model::from_config(&changed, &Registry::keras(), 0, &Device::reference());
            let text =
                read.map_or_else(|error| error.to_string(), |_| "it was read".to_owned());
            assert!(
                text.contains(&argument[..]),
                "{class} with {argument} = {probe}: {text}"
            );
            checked.insert((class.clone(), argument.clone()));
        }
    }
    assert!(checked.len() > 8, "{checked:?}");
}
