//! How often values occur: [`Histogram`].

/// Counts of values in buckets of equal width between the least and the greatest of them.
///
/// Values that are NaN or infinite are left out.
///
/// # Examples
///
/// ```
/// use deckle_formats::events::Histogram;
///
/// let histogram = Histogram::of([0.0, 1.0, 1.5, 4.0], 2);
/// assert_eq!(histogram.buckets(), [[0.0, 2.0, 3.0], [2.0, 4.0, 1.0]]);
/// ```
///
/// # References
///
/// TensorBoard, `plugins/histogram/summary_v2.py`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram(Vec<[f64; 3]>);

impl Histogram {
    /// The number of buckets that TensorBoard makes by default.
    pub const BUCKETS: usize = 30;

    /// Counts values in that many buckets, at least one.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>, buckets: usize) -> Self {
        let values: Vec<_> =
            values.into_iter().filter(|value| value.is_finite()).collect();
        let buckets = buckets.max(1);
        let least = values.iter().copied().reduce(f64::min);
        let greatest = values.iter().copied().reduce(f64::max);
        let (Some(least), Some(greatest)) = (least, greatest) else {
            return Self(vec![[0.0; 3]; buckets]);
        };
        let mut counts = vec![0.0; buckets];
        // Halves, so that the range of the largest numbers is finite.
        let half_width = (greatest / 2.0 - least / 2.0) / buckets as f64;
        let edge = |i: usize| match i {
            0 => least,
            i if i == buckets => greatest,
            i => least + half_width * i as f64 + half_width * i as f64,
        };
        if half_width == 0.0 {
            counts[buckets - 1] = values.len() as f64;
        } else {
            for value in values {
                let at = (value / 2.0 - least / 2.0) / half_width;
                counts[(at as usize).min(buckets - 1)] += 1.0;
            }
        }
        let counted = counts.into_iter().enumerate();
        Self(counted.map(|(i, count)| [edge(i), edge(i + 1), count]).collect())
    }

    /// Each bucket's left edge, right edge and count.
    #[must_use]
    pub fn buckets(&self) -> &[[f64; 3]] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_lost_and_the_last_edge_counts() {
        let values = (0..=100).map(f64::from);
        let histogram = Histogram::of(values, 10);
        let counts: Vec<_> = histogram.buckets().iter().map(|b| b[2]).collect();
        assert_eq!(counts, [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 11.0]);
        assert_eq!(histogram.buckets()[9][1].to_bits(), 100f64.to_bits());
    }

    #[test]
    fn nothing_one_value_and_huge_values_have_buckets() {
        assert_eq!(Histogram::of([], 3).buckets(), [[0.0; 3]; 3]);
        assert_eq!(Histogram::of([f64::NAN, f64::INFINITY], 2).buckets(), [[0.0; 3]; 2]);
        let single = Histogram::of([2.0; 5], 2);
        assert_eq!(single.buckets(), [[2.0, 2.0, 0.0], [2.0, 2.0, 5.0]]);
        let huge = Histogram::of([f64::MIN, 0.0, f64::MAX], 4);
        let total: f64 = huge.buckets().iter().map(|bucket| bucket[2]).sum();
        assert_eq!(total.to_bits(), 3f64.to_bits());
        assert!(huge.buckets().iter().flatten().all(|number| number.is_finite()));
        assert_eq!(Histogram::of([1.0], 0).buckets(), [[1.0, 1.0, 1.0]]);
    }
}
