//! The program `deckle`: look at, use and train models from the command line.
#![forbid(unsafe_code)]

mod arguments;
mod commands;

use std::{io::Write, process::ExitCode};

use clap::Parser;
use deckle::{Error, nn, optim, train};

use crate::arguments::Arguments;

/// The exit code for models that ask for what Deckle does not have.
const MISSING: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match commands::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told to whom does not listen.
            let _ = writeln!(std::io::stderr(), "error: {error:?}");
            if is_missing(&error) { ExitCode::from(MISSING) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether a file asks for what does not exist here; not so what the arguments name.
fn is_missing(error: &Error) -> bool {
    let Error::Train(train::Error::InFile { error, .. }) = error else { return false };
    match &**error {
        train::Error::Model(error) => {
            matches!(error, nn::Error::Unsupported { .. } | nn::Error::Unknown { .. })
        }
        train::Error::Optimizer(error) => {
            matches!(error, optim::Error::UnknownName { .. })
        }
        _ => false,
    }
}
