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
    /// How many there are, if that is known.
    steps: Option<usize>,
    done: usize,
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
        Self {
            verbose,
            epochs,
            bar: None,
            started: now,
            shown: now,
            steps: None,
            done: 0,
        }
    }

    pub(crate) fn begin(&mut self, epoch: usize, steps: Option<usize>) {
        self.started = Instant::now();
        (self.steps, self.done) = (steps, 0);
        if self.verbose != Verbose::Progress {
            return;
        }
        if let Some(epochs) = self.epochs {
            write_line(&format!("Epoch {}/{epochs}", epoch + 1));
        }
        let (bar, template) = match steps {
            Some(steps) => (ProgressBar::new(steps as u64), "{pos}/{len} {bar:20} {msg}"),
            None => (ProgressBar::no_length(), "{pos}/Unknown {msg}"),
        };
        bar.set_style(style(template));
        self.bar = Some(bar);
        self.shown = self.started;
    }

    /// Whether the live line is due, after that many steps.
    pub(crate) fn is_due(&mut self, done: usize) -> bool {
        self.done = done;
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
    pub(crate) fn show(&mut self, logs: &Logs) {
        let Some(bar) = &self.bar else { return };
        let done = self.done;
        let elapsed = self.started.elapsed();
        let time = match self.steps {
            Some(steps) => {
                let left = steps.saturating_sub(done) as f64 / done.max(1) as f64;
                time_left(elapsed.mul_f64(left))
            }
            None => seconds(elapsed),
        };
        bar.set_position(done as u64);
        bar.set_message(format!("{time} {} - {logs}", per_step(elapsed, done)));
        self.shown = Instant::now();
    }

    /// Ends an epoch with its final values.
    pub(crate) fn end(&mut self, epoch: usize, logs: &Logs) {
        let done = self.done;
        // It may have been stopped, or how many there are has not been known.
        let steps = self.steps.unwrap_or(done).max(done);
        let elapsed = self.started.elapsed();
        let times = format!("{} {}", seconds(elapsed), per_step(elapsed, done));
        match (self.verbose, self.bar.take()) {
            (Verbose::Silent, _) => {}
            (_, Some(bar)) => {
                bar.set_style(style("{pos}/{len} {bar:20} {msg}"));
                bar.set_length(steps as u64);
                bar.set_position(done as u64);
                bar.abandon_with_message(format!("{times} - {logs}"));
            }
            (_, None) => {
                let which =
                    self.epochs.map(|epochs| format!("Epoch {}/{epochs} - ", epoch + 1));
                let which = which.unwrap_or_default();
                write_line(&format!("{which}{done}/{steps} - {times} - {logs}"));
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─")
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
