//! Times of repeated steps, and what else the machine did meanwhile.

use std::{
    fs,
    sync::LazyLock,
    time::{Duration, Instant},
};

use deckle::formats::json::{Value, json};

/// The times of one step, in milliseconds.
pub(crate) struct Times {
    pub(crate) ms: f64,
    least: f64,
    quartiles: [f64; 2],
    steps: usize,
    /// Cores that this program and the others used on average, where the system tells.
    cores: Option<[f64; 2]>,
}

impl Times {
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "ms": self.ms, "ms_min": self.least, "ms_q1": self.quartiles[0],
            "ms_q3": self.quartiles[1], "steps": self.steps,
        });
        if let Some([own, other]) = self.cores {
            value["own_cores"] = json!(own);
            value["other_cores"] = json!(other);
        }
        value
    }
}

/// How long a program has to have been busy before its times count. The threads of a new one may
/// share a core for the first second, and the clock of a core that was idle rises late.
const WARM: Duration = Duration::from_secs(2);

/// When the program first timed something.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Warms up, then times single steps for about `seconds`, 20 at least.
pub(crate) fn timed<T, E>(
    seconds: f64,
    mut step: impl FnMut() -> Result<T, E>,
) -> Result<Times, E> {
    let (begun, warm) = (*BEGUN, Instant::now());
    for i in 0.. {
        step()?;
        let enough = i >= 9 || (i >= 2 && warm.elapsed().as_secs_f64() > seconds / 2.0);
        if enough && begun.elapsed() > WARM {
            break;
        }
    }
    let (before, begin, mut times) = (processor_seconds(), Instant::now(), Vec::new());
    while times.len() < 20
        || (begin.elapsed().as_secs_f64() < seconds && times.len() < 2000)
    {
        let one = Instant::now();
        step()?;
        times.push(one.elapsed().as_secs_f64() * 1e3);
    }
    let wall = begin.elapsed().as_secs_f64();
    let cores =
        before.zip(processor_seconds()).map(|([all, own], [all_now, own_now])| {
            let own = own_now - own;
            [own / wall, (all_now - all - own).max(0.0) / wall]
        });
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let quartiles = [at(0.25), at(0.75)];
    Ok(Times { ms: at(0.5), least: times[0], quartiles, steps: times.len(), cores })
}

/// Processor time that all programs, and this one, have used so far (Linux).
fn processor_seconds() -> Option<[f64; 2]> {
    /// The kernel counts in this unit on every machine that Linux runs on today.
    const TICKS_PER_SECOND: f64 = 100.0;
    let number = |text: &str| text.parse::<f64>().ok();
    let all = fs::read_to_string("/proc/stat").ok()?;
    // user, nice, system, (idle, iowait), irq, softirq
    let fields: Vec<_> = all.lines().next()?.split_whitespace().skip(1).collect();
    let all: f64 =
        [0, 1, 2, 5, 6].iter().map(|&i| number(fields.get(i)?)).sum::<Option<f64>>()?;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold spaces.
    let fields: Vec<_> = own.rsplit_once(')')?.1.split_whitespace().collect();
    let own = number(fields.get(11)?)? + number(fields.get(12)?)?;
    Some([all / TICKS_PER_SECOND, own / TICKS_PER_SECOND])
}

/// Memory of this program in MiB (Linux): what it has, `VmRSS`, or the most that it had, `VmHWM`.
pub(crate) fn memory(which: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(which))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
