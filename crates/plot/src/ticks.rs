//! Where an axis has its numbers: [`ticks`].

/// Round numbers in a range, and their texts.
///
/// Steps are 1, 2 or 5 times a power of ten, at least 1 if `whole`; about as many as asked for.
pub(crate) fn ticks(
    low: f64,
    high: f64,
    about: usize,
    whole: bool,
) -> Vec<(f64, String)> {
    let raw =
        (high / about.max(1) as f64 - low / about.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(raw.log10().floor());
    let factor = raw / power;
    let factor = [1.0, 2.0, 5.0].into_iter().find(|&nice| factor <= nice * 1.000_001);
    let mut step = factor.unwrap_or(10.0) * power;
    if whole {
        step = step.max(1.0).round();
    }
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    if !(step.is_finite() && first.abs() < 1e15 && last.abs() < 1e15) {
        // So far from 0 that neighbours look the same.
        return vec![(low, format!("{low:.3e}")), (high, format!("{high:.3e}"))];
    }
    let (first, last) = (first as i64, last as i64);
    (first..=last).map(|i| i as f64 * step).map(|at| (at, text(at, step))).collect()
}

/// A number with the digits that tell it from the next.
fn text(value: f64, step: f64) -> String {
    let largest = value.abs().max(step);
    let digits = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    if value == 0.0 {
        return "0".to_owned();
    }
    if largest >= 1e6 || digits > 5 {
        let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 6.0);
        return format!("{value:.*e}", digits as usize);
    }
    format!("{value:.digits$}")
}

/// Powers of ten between those with the exponents `low` and `high`, and their texts; if there
/// are fewer than two, round numbers.
pub(crate) fn powers(low: f64, high: f64, about: usize) -> Vec<(f64, String)> {
    let (first, last) = (low.ceil() as i32, high.floor() as i32);
    if first >= last {
        return ticks(10f64.powf(low), 10f64.powf(high), about, false);
    }
    let every = ((last - first) as usize / about.max(1)).max(1);
    (first..=last).step_by(every).map(|i| (10f64.powi(i), format!("1e{i}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, about: usize, whole: bool) -> Vec<String> {
        ticks(low, high, about, whole).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn numbers_are_round_and_within_the_range() {
        assert_eq!(texts(0.0, 1.0, 5, false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(0.021, 0.0283, 4, false), ["0.022", "0.024", "0.026", "0.028"]);
        assert_eq!(texts(1.0, 20.0, 5, true), ["5", "10", "15", "20"]);
        assert_eq!(texts(1.0, 3.0, 6, true), ["1", "2", "3"]);
        assert_eq!(texts(-3.0, 3.0, 3, false), ["-2", "0", "2"]);
        assert_eq!(texts(0.0, 3e7, 3, false), ["0", "1e7", "2e7", "3e7"]);
        assert_eq!(texts(0.0, 3e-7, 3, false), ["0", "1e-7", "2e-7", "3e-7"]);
    }

    #[test]
    fn the_strangest_ranges_have_ticks_and_not_too_many() {
        for (low, high) in [
            (0.0, f64::MIN_POSITIVE),
            (f64::MIN, f64::MAX),
            (1e300, 1.1e300),
            (1.0, 1.0 + f64::EPSILON),
            (1e16, 1e16 + 2.0),
            (5.0, 5.0),
        ] {
            let count = ticks(low, high, 5, false).len();
            assert!((0..=12).contains(&count), "{low} {high}: {count}");
        }
    }

    #[test]
    fn powers_of_ten_mark_logarithmic_axes() {
        let texts: Vec<_> = powers(-2.7, 2.2, 6).into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["1e-2", "1e-1", "1e0", "1e1", "1e2"]);
        let texts: Vec<_> = powers(0.3, 0.91, 4).into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["2", "4", "6", "8"]);
        assert!(powers(-300.0, 300.0, 5).len() <= 7);
    }
}
