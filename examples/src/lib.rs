//! What the programs beside this folder share: a seed, a place for pictures, a way to state a
//! figure beside the published one.

use std::{fmt::Display, path::PathBuf, str::FromStr};

/// What follows an option, as `--seed`, among the program's arguments.
#[must_use]
pub fn argument(option: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != option).nth(1)
}

/// The number that follows an option among the program's arguments, or `default` if there is no
/// such option. Anything else ends the program with a message.
#[must_use]
pub fn number<T: FromStr<Err: Display>>(option: &str, default: T) -> T {
    if !std::env::args().any(|argument| argument == option) {
        return default;
    }
    let text = argument(option).unwrap_or_default();
    match text.parse() {
        Ok(number) => number,
        Err(error) => {
            eprintln!("Error: {option} cannot be \"{text}\": {error}");
            std::process::exit(2);
        }
    }
}

/// The seed of this run: what follows `--seed` among the program's arguments, or 1.
#[must_use]
pub fn seed() -> u64 {
    number("--seed", 1)
}

/// What of several things is asked for: the program's first argument, unless that is an option.
#[must_use]
pub fn choice() -> Option<String> {
    std::env::args().nth(1).filter(|argument| !argument.starts_with("--"))
}

/// The path of a picture in `target/examples/`, which is made if it is missing.
///
/// # Panics
///
/// If the folder cannot be made.
#[must_use]
pub fn picture(name: &str) -> PathBuf {
    let folder = PathBuf::from("target/examples");
    if let Err(error) = std::fs::create_dir_all(&folder) {
        panic!("{}: {error}", folder.display());
    }
    folder.join(name)
}

/// Prints a figure beside the published one (if there is one), and the same as a line of JSON
/// behind `RESULT`, which `tools/results` collects.
pub fn report(what: &str, published: impl Into<Option<f64>>, ours: f64) {
    let published = published.into();
    match published {
        Some(published) => println!("{what}: {ours:.4} (published {published:.4})"),
        None => println!("{what}: {ours:.4}"),
    }
    let line = serde_json::json!({ "what": what, "published": published, "ours": ours });
    println!("RESULT {line}");
}
