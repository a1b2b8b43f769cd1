//! What the programs beside this folder share: a seed, a place for pictures, a way to state a
//! figure beside the published one.

use std::path::PathBuf;

/// What follows an option, as `--seed`, among the program's arguments.
#[must_use]
pub fn argument(option: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != option).nth(1)
}

/// The seed of this run: what follows `--seed` among the program's arguments, or 1.
///
/// # Panics
///
/// If that is not a whole number.
#[must_use]
pub fn seed() -> u64 {
    if !std::env::args().any(|argument| argument == "--seed") {
        return 1;
    }
    let seed = argument("--seed").unwrap_or_default();
    seed.parse().unwrap_or_else(|_| panic!("--seed takes a whole number; got \"{seed}\""))
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
