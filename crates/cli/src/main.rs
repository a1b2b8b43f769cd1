//! The program `deckle`: look at, use and train models from the command line.
#![forbid(unsafe_code)]

mod arguments;
mod commands;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match commands::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the program's way to report an error"
            )]
            {
                eprintln!("error: {error:?}");
            }
            ExitCode::FAILURE
        }
    }
}
