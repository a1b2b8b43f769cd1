//! Where the time of runs goes: [`Profile`].

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Whether and how runs are profiled.
///
/// With `DECKLE_PROFILE=1` in the environment a [`Cpu`](crate::Cpu) begins with `Table`, with
/// any other text but `0` with a `Trace` to the file of that name.
///
/// # Examples
///
/// ```
/// use deckle_cpu::{Cpu, Profile};
/// use deckle_tensor::{Backend, Builder, DType, Primitive, Spec, Unary};
///
/// let mut builder = Builder::new();
/// let x = builder.input(Spec::new(DType::F32, [3]));
/// let y = builder.push(Primitive::Unary(Unary::Exp), &[x])?;
/// let program = builder.finish([y], [])?;
///
/// let cpu = Cpu::with_threads(1).profile(Profile::Table);
/// let executable = cpu.compile(&program)?;
/// let (x, y) = (cpu.allocate(program.spec(x))?, cpu.allocate(program.spec(y))?);
/// executable.run(&[x], &[], &[y])?;
/// assert!(executable.profile().starts_with("profile: 1 runs"));
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// Nothing is measured, and nothing is spent on it.
    #[default]
    Off,
    /// A table of each compiled program's instructions, to standard error at the end of its
    /// life.
    Table,
    /// The table, and a file of Chrome's trace events with each instruction's begin and end,
    /// for `chrome://tracing` or <https://ui.perfetto.dev>.
    Trace(PathBuf),
}

impl Profile {
    /// What the environment asks for.
    pub(crate) fn from_environment() -> Self {
        match std::env::var("DECKLE_PROFILE").as_deref() {
            Err(_) | Ok("" | "0") => Self::Off,
            Ok("1") => Self::Table,
            Ok(path) => Self::Trace(path.into()),
        }
    }
}

/// What the programs of one backend have in common while they are measured.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    trace: Option<Trace>,
}

#[derive(Debug)]
struct Trace {
    path: PathBuf,
    state: Mutex<TraceState>,
}

#[derive(Debug, Default)]
struct TraceState {
    programs: u32,
    /// Lines of the file.
    events: Vec<String>,
    left_out: usize,
}

/// The events that a trace holds; later ones are counted only.
const MOST_EVENTS: usize = 200_000;

impl Recorder {
    pub(crate) fn new(profile: Profile) -> Option<Arc<Self>> {
        let trace = match profile {
            Profile::Off => return None,
            Profile::Table => None,
            Profile::Trace(path) => Some(Trace { path, state: Mutex::default() }),
        };
        Some(Arc::new(Self { start: Instant::now(), trace }))
    }
}

/// What an instruction is, for the table.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) path: Arc<str>,
    pub(crate) flops: u64,
    /// Of all that it reads and writes, each value once.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct Row {
    subject: Subject,
    nanoseconds: AtomicU64,
    least: AtomicU64,
    calls: AtomicU64,
}

/// The measured times of one program's instructions.
#[derive(Debug)]
pub(crate) struct Measured {
    recorder: Arc<Recorder>,
    /// Which of the backend's programs it is, from 1 on.
    program: u32,
    rows: Vec<Row>,
    runs: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Measured {
    pub(crate) fn new(recorder: &Arc<Recorder>, subjects: Vec<Subject>) -> Self {
        let row = |subject| Row {
            subject,
            nanoseconds: AtomicU64::new(0),
            least: AtomicU64::new(u64::MAX),
            calls: AtomicU64::new(0),
        };
        let program = recorder.trace.as_ref().map_or(0, |trace| {
            let mut state = lock(&trace.state);
            state.programs += 1;
            state.programs
        });
        Self {
            recorder: Arc::clone(recorder),
            program,
            rows: subjects.into_iter().map(row).collect(),
            runs: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
        }
    }

    /// Measures a whole run.
    pub(crate) fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = body();
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds(start.elapsed()), Ordering::Relaxed);
        result
    }

    /// Measures one instruction.
    pub(crate) fn instruction<R>(&self, number: usize, body: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = body();
        let took = start.elapsed();
        let row = &self.rows[number];
        row.calls.fetch_add(1, Ordering::Relaxed);
        row.nanoseconds.fetch_add(nanoseconds(took), Ordering::Relaxed);
        row.least.fetch_min(nanoseconds(took), Ordering::Relaxed);
        self.trace(&row.subject, start, took);
        result
    }

    fn trace(&self, subject: &Subject, start: Instant, took: Duration) {
        let Some(trace) = &self.recorder.trace else { return };
        let mut state = lock(&trace.state);
        if state.events.len() >= MOST_EVENTS {
            state.left_out += 1;
            return;
        }
        let begin = start.duration_since(self.recorder.start);
        state.events.push(format!(
            "{{\"name\":{},\"cat\":{},\"ph\":\"X\",\"ts\":{:.3},\"dur\":{:.3},\
             \"pid\":1,\"tid\":{},\"args\":{{\"flops\":{},\"bytes\":{}}}}}",
            quoted(first_line(&subject.name)),
            quoted(&subject.path),
            begin.as_secs_f64() * 1e6,
            took.as_secs_f64() * 1e6,
            self.program,
            subject.flops,
            subject.bytes,
        ));
    }

    /// One line per instruction, those that took longest first.
    pub(crate) fn table(&self) -> String {
        let runs = self.runs.load(Ordering::Relaxed);
        let total = self.nanoseconds.load(Ordering::Relaxed);
        let per_run = milliseconds(total) / (runs.max(1) as f64);
        let mut text = format!("profile: {runs} runs, {per_run:.3} ms each\n");
        text.push_str(
            "  #   share        ms    least    calls   GFLOP/s     GB/s  instruction\n",
        );
        let time = |row: &Row| row.nanoseconds.load(Ordering::Relaxed);
        let mut rows: Vec<_> = self.rows.iter().enumerate().collect();
        rows.sort_by_key(|&(number, row)| (std::cmp::Reverse(time(row)), number));
        for (number, row) in rows {
            let calls = row.calls.load(Ordering::Relaxed);
            if calls == 0 {
                continue;
            }
            let share = 100.0 * time(row) as f64 / total.max(1) as f64;
            let ms = milliseconds(time(row)) / calls as f64;
            let least = milliseconds(row.least.load(Ordering::Relaxed));
            let rate = |work: u64| work as f64 * calls as f64 / time(row).max(1) as f64;
            let Subject { name, path, flops, bytes } = &row.subject;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{number:3}  {share:5.1} %  {ms:8.3} {least:8.3} {calls:8} {:9.1} {:8.1}  \
                 {} [{path}]",
                rate(*flops),
                rate(*bytes),
                first_line(name),
            );
        }
        text
    }

    /// Writes the table, and the trace of all programs so far.
    fn report(&self) -> std::io::Result<()> {
        std::io::stderr().write_all(self.table().as_bytes())?;
        let Some(trace) = &self.recorder.trace else { return Ok(()) };
        let state = lock(&trace.state);
        let mut text = String::from("{\"traceEvents\":[\n");
        text.push_str(&state.events.join(",\n"));
        let left_out = state.left_out;
        // Writing to a string cannot fail.
        let _ =
            write!(text, "\n],\"otherData\":{{\"events_left_out\":\"{left_out}\"}}}}\n");
        fs::write(&trace.path, text).map_err(|error| {
            let message = format!("DECKLE_PROFILE: {}: {error}", trace.path.display());
            std::io::Error::new(error.kind(), message)
        })
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if self.runs.load(Ordering::Relaxed) > 0
            && let Err(error) = self.report()
        {
            // Whether somebody reads it changes nothing.
            let _ = writeln!(std::io::stderr(), "{error}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// A text in JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_json() {
        assert_eq!(quoted("a \"b\" \\ \n"), r#""a \"b\" \\ \u000a""#);
    }

    #[test]
    fn a_row_tells_calls_and_rates() {
        let recorder = Recorder::new(Profile::Table).unwrap();
        let subject = |name: &str, flops| Subject {
            name: name.to_owned(),
            path: "dense".into(),
            flops,
            bytes: 8,
        };
        let subjects =
            vec![subject("matmul\n    | inner", 2_000_000), subject("never", 1)];
        let measured = Measured::new(&recorder, subjects);
        for _ in 0..3 {
            measured.instruction(0, || std::thread::sleep(Duration::from_millis(1)));
        }
        let table = measured.table();
        let row: Vec<_> = table.lines().nth(2).unwrap().split_whitespace().collect();
        assert_eq!((row[0], row[5], row[8], row[9]), ("0", "3", "matmul", "[dense]"));
        // 2 million operations in a millisecond or more.
        let rate: f64 = row[6].parse().unwrap();
        assert!(rate > 0.0 && rate <= 2.0, "{table}");
        assert_eq!(table.lines().count(), 3);
    }
}
