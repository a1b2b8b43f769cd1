//! What a terminal shows of a training.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::Read,
    num::NonZero,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
};

use common::{folder, model, write};
use deckle::tensor::{DType, Tensor};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// The screens that a terminal of that width shows while the program runs: one whenever it goes
/// back to the start of a line, however much of what it writes is read at a time.
fn screens(folder: &Path, columns: u16, arguments: &[&str]) -> Vec<Vec<String>> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).unwrap();
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deckle"));
    command.current_dir(folder).args(arguments).env("TERM", "xterm").stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The last handle of the other side that is ours.
    drop(command);

    let side = |cells| NonZero::new(cells).unwrap();
    let mut parser = vt100::Parser::new(side(24), side(columns), 0);
    let (mut file, mut bytes, mut seen) = (File::from(master), [0; 4096], Vec::new());
    // Reading fails when the program has closed its side.
    while let Ok(count @ 1..) = file.read(&mut bytes) {
        for part in bytes[..count].split_inclusive(|&byte| byte == b'\r') {
            parser.process(part);
            let lines =
                parser.screen().rows(0, columns).map(|line| line.trim_end().to_owned());
            seen.push(lines.collect::<Vec<_>>());
        }
    }
    assert!(child.wait().unwrap().success(), "{:?}", seen.last());
    seen
}

fn many_examples(folder: &Path, count: usize) {
    let x = Tensor::random_normal([count, 6], 0.0, 1.0, 1);
    let y = Tensor::zeros(DType::I32, [count]);
    write(folder, &[("x0", x), ("t0", y)]);
}

/// The text with every number as `#`.
fn shape_of(line: &str) -> String {
    let mut shape = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' | '.' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            other => shape.push(other),
        }
    }
    shape
}

#[test]
fn a_training_shows_epochs_steps_times_and_metrics() {
    let folder = folder("terminal/fit");
    many_examples(&folder, 60_000);
    let model = model();
    let fit = ["fit", &model, "--data", "data.npz", "--epochs", "2", "--batch-size", "1"];
    let seen = screens(&folder, 120, &fit);

    let full = "━".repeat(20);
    let last: Vec<_> =
        seen.last().unwrap().iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(last.len(), 4, "{last:#?}");
    assert_eq!((&last[0][..], &last[2][..]), ("Epoch 1/2", "Epoch 2/2"));
    for line in [last[1], last[3]] {
        assert!(line.starts_with(&format!("60000/60000 {full} ")), "{line}");
        let values = shape_of(line.split_once(&full).unwrap().1);
        let is_known = |unit| values.starts_with(&format!(" #s #{unit}/step - loss: #"));
        assert!(["us", "ms", "s"].into_iter().any(is_known), "{line}");
    }
    // In between a part of the bar, on one line that is drawn over and over.
    let live: Vec<_> = seen.iter().flatten().filter(|line| line.contains('─')).collect();
    let is_live =
        |line: &&&String| line.contains("/60000 ━") && line.contains("/step - loss: ");
    assert!(live.iter().filter(is_live).count() > 2, "{live:#?}");
    assert!(
        seen.iter()
            .all(|lines| lines.iter().filter(|line| line.contains('─')).count() < 2)
    );
}

#[test]
fn a_narrow_terminal_keeps_its_lines() {
    let folder = folder("terminal/narrow");
    many_examples(&folder, 10_000);
    let model = model();
    let fit = ["fit", &model, "--data", "data.npz", "--epochs", "1", "--batch-size", "1"];
    let seen = screens(&folder, 40, &fit);
    let epochs =
        |lines: &Vec<String>| lines.iter().filter(|line| *line == "Epoch 1/1").count();
    assert_eq!(epochs(seen.last().unwrap()), 1);
    // Whatever was drawn before is gone.
    let bars = seen.last().unwrap().iter().filter(|line| line.contains("/10000 "));
    assert_eq!(bars.count(), 1, "{:#?}", seen.last());
}

#[test]
fn an_evaluation_shows_how_far_it_is() {
    let folder = folder("terminal/evaluate");
    many_examples(&folder, 300_000);
    let model = model();
    let evaluate = ["evaluate", &model, "--data", "data.npz", "--batch-size", "1"];
    let evaluate = [&evaluate[..], &["--verbose", "1"]].concat();
    let seen = screens(&folder, 100, &evaluate);
    assert!(
        seen.iter().flatten().any(|line| line.contains('─') && line.contains("loss: "))
    );
    assert!(
        seen.last().unwrap()[0].starts_with("300000/300000 ━━"),
        "{:#?}",
        seen.last()
    );
}
