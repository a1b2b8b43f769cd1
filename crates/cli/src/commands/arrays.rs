//! Arrays of `.npz` files, by position or by name.

use std::path::Path;

use deckle::{
    Error, Result,
    nn::{Model, did_you_mean},
    prelude::*,
    tensor::{self, Npz},
};

/// Inputs, targets and weights for training or measuring a model.
pub(crate) fn examples(model: &Model, file: &Path) -> Result<Arrays> {
    let npz = Npz::open(file)?;
    let outputs: Vec<_> = model.outputs().map(|(name, _)| name.to_owned()).collect();
    let inputs = inputs(model, &npz, file)?;
    let targets = find_all(&npz, file, &["t", "y"], "target", &outputs)?;
    let data = Arrays::named(inputs, targets)?;
    let has = |name: &str| npz.names().any(|known| known == name);
    let numbered = (0..).map(|i| format!("w{i}")).take_while(|name| has(name));
    let alone = [String::from("w")].into_iter().filter(|name| has(name) && !has("w0"));
    let weights: Vec<_> =
        numbered.chain(alone).map(|name| npz.tensor(&name)).collect::<Result<_, _>>()?;
    match &weights[..] {
        [] => Ok(data),
        [one] => Ok(data.sample_weight(one)?),
        all if all.len() == outputs.len() => Ok(data.sample_weights(all)?),
        all => {
            let outputs = outputs.len();
            let plural = if outputs == 1 { "" } else { "s" };
            let (count, last) = (all.len(), all.len() - 1);
            Err(problem_with(
                file,
                format_args!("has {count} arrays of weights, `w0` to `w{last}`"),
                format_args!(
                    "the model has {outputs} output{plural}: give `w0` alone, or one for each"
                ),
            ))
        }
    }
}

/// The arrays for a model's inputs.
pub(crate) fn inputs(
    model: &Model,
    npz: &Npz,
    file: &Path,
) -> Result<Vec<(String, Tensor)>> {
    let names: Vec<_> = model.inputs().map(|(name, ..)| name.to_owned()).collect();
    let mut found = find_all(npz, file, &["x"], "input", &names)?;
    for ((name, tensor), (_, shape, dtype)) in found.iter_mut().zip(model.inputs()) {
        *tensor = with_rank(tensor, shape)?;
        let fits = |(len, dim): (&usize, &Dim)| !matches!(dim, Dim::Known(n) if n != len);
        let dims = shape.dims();
        // How many examples make a batch is not how many there are.
        let mut lens = tensor.shape().iter().zip(dims).skip(1);
        if tensor.rank() != dims.len() || !lens.all(fits) {
            let got = tensor::shape_text(tensor.shape());
            let problem = format_args!("array `{name}` has shape {got}");
            let shape = shape.with(0, Dim::batch())?;
            return Err(problem_with(
                file,
                problem,
                format_args!("the model takes {shape}"),
            ));
        }
        if tensor.dtype().is_float() && !dtype.is_float() {
            let numbers = tensor.cast(DType::F64).to_vec::<f64>()?;
            if let Some(number) = numbers.iter().find(|number| number.fract() != 0.0) {
                let problem = format_args!("array `{name}` holds {number}");
                let help = format_args!("the model's input takes {dtype}");
                return Err(problem_with(file, problem, help));
            }
        }
    }
    Ok(found)
}

/// Keras's leniency: a last axis of length 1 may be there or not.
fn with_rank(tensor: &Tensor, expected: &Shape) -> Result<Tensor> {
    let (rank, wanted) = (tensor.rank(), expected.dims().len());
    if rank + 1 == wanted && expected.dims().last() == Some(&Dim::Known(1)) {
        return Ok(tensor.expand_dims(-1)?);
    }
    if rank == wanted + 1 && rank > 1 && tensor.shape().last() == Some(&1) {
        return Ok(tensor.squeeze([-1])?);
    }
    Ok(tensor.clone())
}

fn problem_with(
    file: &Path,
    problem: impl std::fmt::Display,
    help: impl std::fmt::Display,
) -> Error {
    tensor::Error::file(file.display(), problem).help(help).into()
}

/// For each name the array of its position, as `x0`, else that of its name; for one alone also
/// that of a letter, of which the first counts positions.
fn find_all(
    npz: &Npz,
    file: &Path,
    letters: &[&str],
    what: &str,
    names: &[String],
) -> Result<Vec<(String, Tensor)>> {
    let known: Vec<&str> = npz.names().collect();
    let letter = letters[0];
    let alone = if names.len() == 1 { letters } else { &[] };
    let surplus = format!("{letter}{}", names.len());
    if known.contains(&surplus.as_str()) {
        let count = names.len();
        let plural = if count == 1 { "" } else { "s" };
        return Err(problem_with(
            file,
            format_args!(
                "has an array `{surplus}`, but the model has {count} {what}{plural}"
            ),
            format_args!("its {what}{plural}: {}", names.join(", ")),
        ));
    }
    let mut found = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let place = format!("{letter}{i}");
        let mut names = [place.as_str(), name].into_iter().chain(alone.iter().copied());
        let Some(array) = names.find(|name| known.contains(name)) else {
            let similar = did_you_mean(name, &known)
                .map_or(String::new(), |similar| format!("; did you mean `{similar}`?"));
            return Err(problem_with(
                file,
                format_args!("has no array `{place}` or `{name}`"),
                format_args!("it has {}{similar}", known.join(", ")),
            ));
        };
        found.push((array.to_owned(), npz.tensor(array)?));
    }
    Ok(found)
}
