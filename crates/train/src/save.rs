//! Models in files: [`load`], [`load_with`], and what saves them.

mod compile;
mod keras2;
mod legacy;
mod weights;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use deckle_autograd::{Device, Variable};
use deckle_formats::{Group, KerasArchive, Safetensors};
use deckle_nn::{Model, Registry, keras::keras_object};
use deckle_optim::OptimizerState;
use deckle_tensor::Tensor;
use serde_json::{Map, Value, json};

use crate::{Compile, Error, Result, Trainable, Trainer};
use compile::{compile_config, parse_compile};
use weights::Values;

/// What the weights of a model may have more elements than its file.
const ALWAYS_ALLOWED: usize = 1 << 16;

/// What a file holds: a model with its weights, and how it was compiled.
///
/// # Examples
///
/// ```
/// use deckle_nn::{Sequential, layers::Dense};
/// use deckle_train::{Trainable, load};
///
/// let folder = std::env::temp_dir().join("deckle-saved-example");
/// std::fs::create_dir_all(&folder).unwrap();
/// let model = Sequential::new([4]).add(Dense::new(3)).build()?;
/// model.save(folder.join("model.keras"))?;
/// let saved = load(folder.join("model.keras"))?;
/// assert_eq!(saved.model.count_params(), 15);
/// assert!(saved.compile.is_none());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), deckle_train::Error>(())
/// ```
#[derive(Debug)]
pub struct Saved {
    /// The model.
    pub model: Model,
    /// Optimizer, losses and metrics, if the model was compiled.
    pub compile: Option<Compile>,
    optimizer: Slots,
    file: PathBuf,
}

impl Saved {
    /// The model as it was left: compiled, with the optimizer's state.
    ///
    /// # Errors
    ///
    /// If the file holds no compile state, or the optimizer's state does not fit.
    pub fn into_trainer(self) -> Result<Trainer> {
        let Self { model, compile, optimizer, file } = self;
        let compile = compile.ok_or_else(|| {
            let error =
                Error::invalid("cannot be trained on", "a model that was compiled")
                    .got("no compile state")
                    .help("compile the model: model.compile(Compile::new(..))");
            in_file(error, &file)
        })?;
        // Its settings may have been changed since: not each of their errors is the file's.
        let trainer = model.compile(compile)?;
        let state = optimizer_values(trainer.optimizer(), &optimizer);
        state.assign("the optimizer").map_err(|error| in_file(error, &file))?;
        Ok(trainer)
    }

    /// Writes all of it to a file of another or the same format, see [`Trainable::save`].
    ///
    /// # Errors
    ///
    /// As [`Saved::into_trainer`] if the model was compiled, and as [`Trainable::save`].
    pub fn save(self, path: impl AsRef<Path>) -> Result<()> {
        if self.compile.is_some() {
            return self.into_trainer()?.save(path);
        }
        save_model(&self.model, path)
    }
}

/// An optimizer's state in a file; empty if it has not made a step.
#[derive(Debug)]
enum Slots {
    /// In the order of [`OptimizerState::variables`].
    Ordered(Vec<Tensor>),
    /// Keras 2's: by names.
    Named(Vec<(String, Tensor)>),
}

/// Puts the optimizer in the `LossScaleOptimizer` that Keras puts it in by itself for models in
/// `mixed_float16`: of that, files tell by the optimizer's state alone.
fn scale_as_keras(compile: &mut Map<String, Value>, saved: &Slots) {
    let Slots::Ordered(saved) = saved else { return };
    let is_number = |at: usize, is_float: bool| {
        let found = saved.get(at);
        found.is_some_and(|n| n.rank() == 0 && n.dtype().is_float() == is_float)
    };
    // Step and learning rate; then the steps since the scale grew and the scale or, before the
    // first one, the optimizer's own, without a rate that follows a schedule. Of slots only
    // `Adafactor`'s of a vector begin with a whole number, which another one follows.
    let scales = (0..saved.len().clamp(3, 4)).all(|at| is_number(at, at % 2 == 1));
    let Some(optimizer) = compile.get_mut("optimizer").filter(|_| scales) else { return };
    let class = optimizer.get("class_name").and_then(Value::as_str);
    if class.is_some_and(|class| class != "LossScaleOptimizer") {
        let inner = optimizer.take();
        *optimizer = keras_object(
            "keras.optimizers",
            "LossScaleOptimizer",
            json!({ "name": "loss_scale_optimizer", "inner_optimizer": inner }),
        );
    }
}

/// The values for an optimizer's state.
fn optimizer_values(state: &OptimizerState, saved: &Slots) -> Values {
    let mut values = Values::default();
    let ordered;
    let saved = match saved {
        Slots::Ordered(saved) => saved,
        Slots::Named(saved) if saved.is_empty() => return values,
        Slots::Named(saved) => match keras2::optimizer_state(state, saved) {
            Ok(found) => {
                ordered = found;
                &ordered
            }
            Err(problem) => {
                values.problem(problem);
                return values;
            }
        },
    };
    let variables = state.saved_variables(saved.len()).unwrap_or_else(|| {
        let variables = state.variables();
        values.problem(format!(
            "{} variables of the optimizer, but the file has {}; compile the model anew to \
             begin without them",
            variables.len(),
            saved.len()
        ));
        variables
    });
    for (number, (variable, tensor)) in variables.iter().zip(saved).enumerate() {
        let place = format!("variable {number} of the file's optimizer");
        values.take(variable.name(), variable, &place, tensor);
    }
    values
}

/// What a file is, by its first bytes.
enum Content {
    Archive(KerasArchive),
    Hdf5(Group),
    Tensors(Safetensors),
}

impl Content {
    fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::invalid(
                format_args!("{}: cannot be read", path.display()),
                "a file that ends in .keras, .h5, .weights.h5 or .safetensors",
            )
            .got("a folder")
            .help("Keras writes a file: model.save(\"model.keras\")"));
        }
        let mut start = [0; 8];
        let read = File::open(path).and_then(|mut file| file.read(&mut start));
        match &start[..read.unwrap_or(0)] {
            [b'P', b'K', ..] => Ok(Self::Archive(KerasArchive::read(path)?)),
            [0x89, b'H', b'D', b'F', ..] => Ok(Self::Hdf5(Group::read(path)?)),
            _ if file_name(path).ends_with(".weights.json") => {
                Ok(Self::Hdf5(Group::read_shards(path)?))
            }
            _ => match Format::of(path)? {
                Format::Keras => Ok(Self::Archive(KerasArchive::read(path)?)),
                Format::Hdf5 | Format::Weights => Ok(Self::Hdf5(Group::read(path)?)),
                Format::Safetensors => Ok(Self::Tensors(Safetensors::read(path)?)),
            },
        }
    }

    /// The values for a model's weights.
    fn weights(&self, model: &Model) -> Result<Values> {
        match self {
            Self::Archive(archive) => Ok(weights::read_groups(model, &archive.weights)),
            Self::Hdf5(file) if legacy::is_legacy(file) => {
                legacy::read_weights(model, file)
            }
            Self::Hdf5(file) => Ok(weights::read_groups(model, file)),
            Self::Tensors(file) => Ok(weights::read_named(model, file)),
        }
    }

    /// How many elements all tensors have.
    fn elements(&self) -> usize {
        let of = |file: &Group| file.tensors().iter().map(|(_, x)| x.size()).sum();
        match self {
            Self::Archive(archive) => of(&archive.weights),
            Self::Hdf5(file) => of(file),
            Self::Tensors(file) => file.tensors.values().map(Tensor::size).sum(),
        }
    }

    /// The optimizer's state, in its order.
    fn optimizer(&self) -> Result<Slots> {
        let numbered = |file: &Group| match file.group("optimizer/vars") {
            Some(vars) => in_turn(vars.numbered(), vars.datasets.len()),
            None => Ok(Slots::Ordered(Vec::new())),
        };
        match self {
            Self::Archive(archive) => numbered(&archive.weights),
            Self::Hdf5(file) if legacy::is_legacy(file) => {
                let saved = legacy::read_optimizer(file)?;
                Ok(match keras2::wrote(file) {
                    true => Slots::Named(saved),
                    false => Slots::Ordered(saved.into_iter().map(|(_, t)| t).collect()),
                })
            }
            Self::Hdf5(file) => numbered(file),
            Self::Tensors(file) => {
                let named =
                    |number: usize| file.tensors.get(&format!("optimizer/{number}"));
                let all =
                    file.tensors.keys().filter(|name| name.starts_with("optimizer/"));
                in_turn((0..).map_while(named), all.count())
            }
        }
    }
}

/// The tensors of an optimizer, whose names are numbers without a gap.
fn in_turn<'a>(found: impl Iterator<Item = &'a Tensor>, count: usize) -> Result<Slots> {
    let found: Vec<_> = found.cloned().collect();
    if found.len() == count {
        return Ok(Slots::Ordered(found));
    }
    let expected = format!("tensors 0 to {}", count - 1);
    Err(Error::invalid("the optimizer's state cannot be read", expected)
        .got(format_args!("none of the name {}", found.len()))
        .help("load_model reads the model without it"))
}

/// The name without the folder, in lower case.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What a file is to be, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Keras,
    /// The legacy layout.
    Hdf5,
    /// Keras 3's layout of weights.
    Weights,
    Safetensors,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let name = file_name(path);
        [
            (".keras", Self::Keras),
            (".weights.h5", Self::Weights),
            (".h5", Self::Hdf5),
            (".hdf5", Self::Hdf5),
            (".safetensors", Self::Safetensors),
        ]
        .into_iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, format)| format)
        .ok_or_else(|| {
            Error::invalid(
                format_args!("{}: of an unknown format", path.display()),
                "a name that ends in .keras, .h5, .weights.h5 or .safetensors",
            )
            .got(format_args!("`{name}`"))
        })
    }
}

/// Reads a model that Keras, or Deckle, has saved as `.keras` or as legacy `.h5`.
///
/// # Errors
///
/// If the file cannot be read or is damaged, or asks for what Deckle does not have; everything
/// that is missing is named. If it holds weights alone.
pub fn load(path: impl AsRef<Path>) -> Result<Saved> {
    load_with(path, &Registry::keras())
}

/// Reads a model that may hold layers of your own, which `registry` knows.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(path: impl AsRef<Path>, registry: &Registry) -> Result<Saved> {
    let path = path.as_ref();
    let content = Content::read(path)?;
    let (model, compile, optimizer) =
        read_all(&content, registry).map_err(|error| in_file(error, path))?;
    Ok(Saved { model, compile, optimizer, file: path.to_owned() })
}

/// Reads a model, and not how it was compiled: that may be what does not exist here.
///
/// # Errors
///
/// As [`load`], but for the compile state.
///
/// # Examples
///
/// How to go on with a loss of one's own, of which the file has the name alone.
///
/// ```
/// use deckle_autograd::Var;
/// use deckle_data::Arrays;
/// use deckle_nn::{Loss, Registry, Sequential, layers::Dense};
/// use deckle_optim::Adam;
/// use deckle_tensor::Tensor;
/// use deckle_train::{Compile, Fit, Trainable, load, load_model};
///
/// #[derive(Debug)]
/// struct Quartic;
///
/// impl Loss for Quartic {
///     fn class_name(&self) -> &'static str {
///         "Quartic"
///     }
///
///     fn per_sample(&self, y_true: &Var, y_pred: &Var) -> deckle_nn::Result<Var> {
///         Ok(y_pred.sub(y_true)?.square()?.square()?.mean(-1)?)
///     }
/// }
///
/// let data = Arrays::new(Tensor::full([8, 2], 1.0f32), Tensor::full([8, 1], 2.0f32))?;
/// let compile = || Compile::new(Adam::new(), Quartic);
/// let mut trainer = Sequential::new([2]).add(Dense::new(1)).build()?.compile(compile())?;
/// trainer.fit(&data, Fit::new().verbose(0))?;
/// let path = std::env::temp_dir().join(format!("deckle-own-loss-{}.keras", std::process::id()));
/// trainer.save(&path)?;
///
/// assert!(load(&path).unwrap_err().to_string().contains("unknown loss `Quartic`"));
/// let mut again = load_model(&path, &Registry::keras())?.compile(compile())?;
/// // The optimizer's state, too.
/// again.load_weights(&path)?;
/// # std::fs::remove_file(path).unwrap();
/// trainer.fit(&data, Fit::new().verbose(0))?;
/// again.fit(&data, Fit::new().verbose(0))?;
/// assert_eq!(again.model().get_weights()?, trainer.model().get_weights()?);
/// # Ok::<(), deckle_train::Error>(())
/// ```
pub fn load_model(path: impl AsRef<Path>, registry: &Registry) -> Result<Model> {
    let path = path.as_ref();
    let content = Content::read(path)?;
    let read = read_model(&content, registry);
    read.map(|(model, _)| model).map_err(|error| in_file(error, path))
}

fn read_all(
    content: &Content,
    registry: &Registry,
) -> Result<(Model, Option<Compile>, Slots)> {
    let (model, compile) = read_model(content, registry)?;
    let mut compile = compile.filter(|config| config.contains_key("optimizer"));
    if let (Some(compile), Content::Hdf5(file)) = (&mut compile, content)
        && keras2::wrote(file)
    {
        let outputs: Vec<_> = model.outputs().map(|(name, _)| name.to_owned()).collect();
        keras2::name_metrics(compile, &outputs);
    }
    let optimizer = content.optimizer()?;
    if let Some(compile) = &mut compile {
        scale_as_keras(compile, &optimizer);
    }
    let compile = compile.map(|config| parse_compile(&config, &model)).transpose()?;
    Ok((model, compile, optimizer))
}

/// The model with its weights, and its compile state as it stands in the file.
fn read_model(
    content: &Content,
    registry: &Registry,
) -> Result<(Model, Option<Map<String, Value>>)> {
    let (config, compile) = match content {
        Content::Archive(archive) => {
            let compile = archive.config.get("compile_config").and_then(Value::as_object);
            (Some(archive.config.clone()), compile.cloned())
        }
        Content::Hdf5(file) => {
            (legacy::model_config(file)?, legacy::compile_config(file)?)
        }
        Content::Tensors(_) => (None, None),
    };
    let config = config.ok_or_else(|| {
        Error::invalid("cannot be loaded as a model", "a model's configuration")
            .got("weights alone")
            .help("build the model, then model.load_weights(path)")
    })?;
    // More weights than values would be an error in the end; a little more is told better then.
    let elements = content.elements() + ALWAYS_ALLOWED;
    let device = Device::reference();
    let model = Model::blank_from_config(&config, registry, 0, &device, elements)?;
    content.weights(&model)?.assign(&format!("model `{}`", model.name()))?;
    Ok((model, compile))
}

/// Says in which file something failed, if that is not said yet.
fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::File(error) => Error::File(error),
        error => Error::InFile { file: path.display().to_string(), error: error.into() },
    }
}

/// Fails where a model could not be saved: before it is trained for hours.
///
/// # Errors
///
/// If the name's ending is none of those of [`Trainable::save`], its folder does not exist, or
/// it is that of a folder or a file that is read-only.
///
/// # Examples
///
/// ```
/// use deckle_train::check_path;
///
/// let error = check_path("trained.txt").unwrap_err();
/// assert!(error.to_string().starts_with("trained.txt: of an unknown format"));
/// ```
pub fn check_path(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    Format::of(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let wrong = |expected: &str, got: String| {
        let problem = format!("{}: cannot be written", path.display());
        Err(Error::invalid(problem, expected).got(got))
    };
    if !folder.is_dir() {
        return wrong("a folder that exists", format!("`{}`", folder.display()));
    }
    match path.metadata() {
        Ok(old) if old.is_dir() => wrong("the name of a file", "a folder's".to_owned()),
        Ok(old) if old.permissions().readonly() => {
            wrong("a file that may be replaced", "a read-only one".to_owned())
        }
        _ => Ok(()),
    }
}

/// Writes a model with its weights, and what it was compiled with.
pub(crate) fn save(trainer: &Trainer, path: impl AsRef<Path>) -> Result<()> {
    let (path, model) = (path.as_ref(), trainer.model());
    match Format::of(path)? {
        Format::Keras => {
            let mut config = model.config()?;
            if let Value::Object(object) = &mut config {
                object.insert("compile_config".to_owned(), compile_config(trainer)?);
            }
            Ok(KerasArchive::new(config, trainer_groups(trainer)?).write(path)?)
        }
        Format::Hdf5 => {
            let compile = (compile_config(trainer)?, trainer.optimizer());
            Ok(legacy::write(model, Some(compile))?.write(path)?)
        }
        Format::Weights | Format::Safetensors => save_trainer_weights(trainer, path),
    }
}

/// Writes a model with its weights, as [`Trainable::save`] does.
///
/// # Errors
///
/// If the name's ending is none of these, the model holds what Keras has no form for, or the
/// file cannot be written.
pub fn save_model(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Keras => {
            let archive =
                KerasArchive::new(model.config()?, weights::write_groups(model)?);
            Ok(archive.write(path)?)
        }
        Format::Hdf5 => Ok(legacy::write(model, None)?.write(path)?),
        Format::Weights | Format::Safetensors => save_weights(model, path),
    }
}

/// Writes a model's weights, see [`Trainable::save_weights`].
pub(crate) fn save_weights(model: &Model, path: &Path) -> Result<()> {
    match Format::of(path)? {
        Format::Weights | Format::Keras => {
            only_weights(path)?;
            Ok(weights::write_groups(model)?.write(path)?)
        }
        Format::Hdf5 => Ok(legacy::write(model, None)?.write(path)?),
        Format::Safetensors => Ok(weights::write_named(model)?.write(path)?),
    }
}

/// Writes weights and the optimizer's state.
pub(crate) fn save_trainer_weights(trainer: &Trainer, path: &Path) -> Result<()> {
    match Format::of(path)? {
        Format::Weights | Format::Keras => {
            only_weights(path)?;
            Ok(trainer_groups(trainer)?.write(path)?)
        }
        Format::Hdf5 => save(trainer, path),
        Format::Safetensors => {
            let mut file = weights::write_named(trainer.model())?;
            for (number, variable) in
                trainer.optimizer().tracked_variables().iter().enumerate()
            {
                file.tensors.insert(format!("optimizer/{number}"), variable.value()?);
            }
            Ok(file.write(path)?)
        }
    }
}

fn only_weights(path: &Path) -> Result<()> {
    if Format::of(path)? != Format::Keras {
        return Ok(());
    }
    let problem = format!("{}: holds a whole model", path.display());
    Err(Error::invalid(problem, "a name that ends in .weights.h5 or .safetensors")
        .got("one that ends in .keras")
        .help("use save"))
}

/// Weights and the optimizer's state in Keras 3's layout.
fn trainer_groups(trainer: &Trainer) -> Result<Group> {
    let mut file = weights::write_groups(trainer.model())?;
    let state = trainer.optimizer();
    let config = state.optimizer().config();
    let own = config["name"].as_str().unwrap_or_default();
    write_variables(&mut file, "optimizer", own, &state.tracked_variables())?;
    // Keras writes an optimizer in an optimizer twice: in its own place, too.
    if state.optimizer().loss_scale().is_some() {
        let (place, own) =
            ("optimizer/inner_optimizer", &state.optimizer().common().name);
        write_variables(&mut file, place, own, &state.tracked_variables()[4..])?;
    }
    Ok(file)
}

fn write_variables(
    file: &mut Group,
    place: &str,
    name: &str,
    variables: &[Variable],
) -> Result<()> {
    let vars = file.create_group(&format!("{place}/vars"))?;
    vars.attributes.insert("name".to_owned(), name.to_owned().into());
    for (number, variable) in variables.iter().enumerate() {
        vars.insert(&number.to_string(), variable.value()?)?;
    }
    Ok(())
}

/// Replaces a model's weights by those in a file, see [`Trainable::load_weights`].
pub(crate) fn load_weights(model: &Model, path: &Path) -> Result<()> {
    let content = Content::read(path)?;
    let values = content.weights(model);
    let assigned =
        values.and_then(|values| values.assign(&format!("model `{}`", model.name())));
    assigned.map_err(|error| in_file(error, path))
}

/// Replaces weights and, if the file has it, the optimizer's state.
pub(crate) fn load_trainer_weights(trainer: &Trainer, path: &Path) -> Result<()> {
    let content = Content::read(path)?;
    let read = || {
        let mut values = content.weights(trainer.model())?;
        values.extend(optimizer_values(trainer.optimizer(), &content.optimizer()?));
        values.assign(&format!("model `{}` and its optimizer", trainer.model().name()))
    };
    read().map_err(|error| in_file(error, path))
}
