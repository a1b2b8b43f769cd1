//! Checks of shapes for [`Layer::output_shape`](crate::Layer::output_shape).

use std::fmt::Display;

use deckle_tensor::Shape;

use crate::{Error, Result};

/// The only input.
///
/// # Errors
///
/// If there is not exactly one.
pub fn one_input(inputs: &[Shape]) -> Result<&Shape> {
    match inputs {
        [input] => Ok(input),
        _ => Err(Error::invalid("cannot take these inputs", "one input")
            .got(format_args!("{} inputs", inputs.len()))),
    }
}

/// An input with at least that many axes, the batch included.
///
/// # Errors
///
/// If it has fewer; `help` says what to do.
pub fn at_least<'a>(
    input: &'a Shape,
    rank: usize,
    expected: &str,
    help: &str,
) -> Result<&'a Shape> {
    if input.rank() >= rank {
        return Ok(input);
    }
    Err(Error::invalid("cannot take this input", expected).got(input).help(help))
}

/// An input with exactly that many axes, the batch included.
///
/// # Errors
///
/// If it has another number; `help` says what to do.
pub fn exactly<'a>(
    input: &'a Shape,
    rank: usize,
    expected: &str,
    help: &str,
) -> Result<&'a Shape> {
    if input.rank() == rank {
        return Ok(input);
    }
    Err(Error::invalid("cannot take this input", expected).got(input).help(help))
}

/// The length of an axis that has to be known.
///
/// # Errors
///
/// If it is not.
pub fn known(input: &Shape, axis: isize) -> Result<usize> {
    input.dim(axis)?.known().ok_or_else(|| {
        Error::invalid(
            "cannot take this input",
            format_args!("a known length of axis {axis}"),
        )
        .got(input)
        .help("give the model's input that length")
    })
}

/// A setting that has to be positive.
///
/// # Errors
///
/// If it is 0.
pub fn positive(name: &str, value: usize) -> Result<()> {
    sense(name, value, "a positive number", value > 0)
}

/// A setting that may not be below 0.
///
/// # Errors
///
/// If it is, or it is infinite or NaN.
pub fn not_negative(name: &str, value: f64) -> Result<()> {
    let fits = (0.0..f64::INFINITY).contains(&value);
    sense(name, value, "a finite number of at least 0", fits)
}

/// A setting that has to be a share of 1.
///
/// # Errors
///
/// If it is negative, above 1, or NaN.
pub fn rate(name: &str, value: f64) -> Result<()> {
    sense(name, value, "a number from 0 to 1", (0.0..=1.0).contains(&value))
}

fn sense(name: &str, value: impl Display, expected: &str, fits: bool) -> Result<()> {
    let error = || Error::invalid(format_args!("`{name}` makes no sense"), expected);
    fits.then_some(()).ok_or_else(|| error().got(value))
}
