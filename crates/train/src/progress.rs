//! What is shown while a model trains: [`Verbose`].

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Logs;

/// How much is shown, on standard error.
///
/// # Keras
///
/// `verbose` 0, 1, 2. Where Keras draws its line into files too, a line for each epoch is
/// written here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbose {
    /// Nothing.
    Silent,
    /// A live line on a terminal, else a line for each epoch.
    #[default]
    Progress,
    /// A line for each epoch.
    Lines,
}

impl From<u8> for Verbose {
    fn from(level: u8) -> Self {
        match level {
            0 => Self::Silent,
            1 => Self::Progress,
            _ => Self::Lines,
        }
    }
}

/// The display of one run of `fit` or `evaluate`.
pub(crate) struct Progress {
    verbose: Verbose,
    epochs: Option<usize>,
    bar: Option<ProgressBar>,
    started: Instant,
    shown: Instant,
    steps: usize,
}

/// The time between two drawings of the live line.
const INTERVAL: Duration = Duration::from_millis(50);

impl Progress {
    /// For that many epochs; `None` if there are none to count.
    pub(crate) fn new(verbose: Verbose, epochs: Option<usize>) -> Self {
        let verbose = match verbose {
            Verbose::Progress if !std::io::stderr().is_terminal() => Verbose::Lines,
            verbose => verbose,
        };
        let now = Instant::now();
        Self { verbose, epochs, bar: None, started: now, shown: now, steps: 0 }
    }

    pub(crate) fn begin(&mut self, epoch: usize, steps: usize) {
        self.started = Instant::now();
        self.steps = steps;
        if self.verbose != Verbose::Progress {
            return;
        }
        if let Some(epochs) = self.epochs.filter(|&epochs| epochs > 1) {
            write_line(&format!("Epoch {}/{epochs}", epoch + 1));
        }
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template("{pos}/{len} {bar:20} {msg}");
        bar.set_style(
            style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─"),
        );
        self.bar = Some(bar);
        self.shown = self.started;
    }

    /// Whether the live line is due, after that many steps.
    pub(crate) fn is_due(&self) -> bool {
        self.bar.is_some() && self.shown.elapsed() >= INTERVAL
    }

    /// Writes lines beside the live line, and forgets them.
    pub(crate) fn lines(&self, lines: &mut Vec<String>) {
        for line in lines.drain(..) {
            match &self.bar {
                Some(bar) => bar.suspend(|| write_line(&line)),
                None => write_line(&line),
            }
        }
    }

    /// Draws the live line.
    pub(crate) fn show(&mut self, done: usize, logs: &Logs) {
        let Some(bar) = &self.bar else { return };
        if done > self.steps {
            // How many there are was not known.
            self.steps = done;
            bar.set_length(done as u64);
        }
        let elapsed = self.started.elapsed();
        let left =
            elapsed.mul_f64(self.steps.saturating_sub(done) as f64 / done.max(1) as f64);
        bar.set_position(done as u64);
        bar.set_message(format!(
            "{} {} - {logs}",
            time_left(left),
            per_step(elapsed, done)
        ));
        self.shown = Instant::now();
    }

    /// Ends an epoch with its final values.
    pub(crate) fn end(&mut self, epoch: usize, logs: &Logs) {
        let elapsed = self.started.elapsed();
        let times = format!("{} {}", seconds(elapsed), per_step(elapsed, self.steps));
        match (self.verbose, self.bar.take()) {
            (Verbose::Silent, _) => {}
            (_, Some(bar)) => {
                bar.set_position(self.steps as u64);
                bar.abandon_with_message(format!("{times} - {logs}"));
            }
            (_, None) => {
                let which =
                    self.epochs.map(|epochs| format!("Epoch {}/{epochs} - ", epoch + 1));
                let which = which.unwrap_or_default();
                write_line(&format!(
                    "{which}{}/{} - {times} - {logs}",
                    self.steps, self.steps
                ));
            }
        }
    }
}

fn write_line(line: &str) {
    // A closed standard error is no reason to stop training.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// The time that an epoch still takes, as Keras shows it.
fn time_left(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60);
    if seconds > 3600 {
        format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60)
    } else if seconds > 60 {
        format!("{minutes}:{:02}", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

fn per_step(time: Duration, steps: usize) -> String {
    let step = time.as_secs_f64() / steps.max(1) as f64;
    if step >= 1.0 {
        format!("{step:.0}s/step")
    } else if step >= 1e-3 {
        format!("{:.0}ms/step", step * 1e3)
    } else {
        format!("{:.0}us/step", step * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let left = |seconds| time_left(Duration::from_secs_f64(seconds));
        let texts = [0.9, 60.0, 61.0, 3600.0, 3725.0, 90_000.0].map(left);
        assert_eq!(texts, ["0s", "60s", "1:01", "60:00", "1:02:05", "25:00:00"]);
        let step = |seconds, steps| per_step(Duration::from_secs_f64(seconds), steps);
        assert_eq!(step(3.0, 2), "2s/step");
        assert_eq!(step(0.5, 10), "50ms/step");
        assert_eq!(step(0.5, 10_000), "50us/step");
        assert_eq!(step(0.0, 0), "0us/step");
    }
}
