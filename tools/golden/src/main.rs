//! Runs every case of a folder through the program `deckle`: a line each, and a total.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use deckle_golden::{Checker, Outcome, cases, name};

/// Compares what deckle computes with what real Keras computed.
///
/// A line for each case: `ok NAME`, `missing NAME: layers X, Y` or `FAIL NAME: why`; then a
/// total. Exit codes: 0 no case failed (some may be missing), 1 a case failed, 2 there is
/// nothing to run.
#[derive(Debug, Parser)]
#[command(name = "deckle-golden")]
struct Arguments {
    /// A folder with a folder for each case: model.keras or model.h5, data.npz, case.json.
    folder: PathBuf,
    /// The program.
    #[arg(long, default_value = "deckle")]
    deckle: PathBuf,
    /// Where the program's files are kept; by default they are removed.
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "the table is the program's result")]
#[expect(clippy::print_stderr, reason = "the program's way to report an error")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let found = match cases(&arguments.folder) {
        Ok(found) if !found.is_empty() => found,
        Ok(_) => {
            eprintln!("error: {} holds no case", arguments.folder.display());
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("error: {}: {error}", arguments.folder.display());
            return ExitCode::from(2);
        }
    };
    let scratch =
        std::env::temp_dir().join(format!("deckle-golden-{}", std::process::id()));
    let checker =
        Checker::new(arguments.deckle, arguments.keep.clone().unwrap_or(scratch.clone()));
    let (mut passed, mut missing, mut failed) = (0, 0, 0);
    for case in &found {
        let name = name(case);
        match checker.check(case) {
            Outcome::Passed => {
                passed += 1;
                println!("ok {name}");
            }
            Outcome::Missing(what) => {
                missing += 1;
                println!("missing {name}: {what}");
            }
            Outcome::Failed(why) => {
                failed += 1;
                println!("FAIL {name}: {why}");
            }
        }
    }
    println!("{} cases: {passed} ok, {missing} missing, {failed} failed", found.len());
    if arguments.keep.is_none() {
        // It may be that nothing was written.
        let _ = std::fs::remove_dir_all(scratch);
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
