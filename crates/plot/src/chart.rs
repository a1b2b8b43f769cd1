//! Lines and points over two axes: [`Chart`].

use std::path::Path;

use crate::{
    Anchor, Color, Picture, Result,
    picture::Look,
    ticks::{powers, ticks},
};

/// Lines and points over two axes.
///
/// Points that are not finite are gaps in their line. On a logarithmic axis so are those that
/// are not positive.
///
/// # Examples
///
/// ```
/// use deckle_plot::Chart;
///
/// let chart = Chart::new("MNIST")
///     .x_label("epoch")
///     .line("loss", [(1.0, 0.26), (2.0, 0.10), (3.0, 0.07)])
///     .points("best", [(3.0, 0.07)]);
/// let svg = chart.picture().to_svg();
/// assert!(svg.contains(">epoch</text>") && svg.contains(">best</text>"));
/// ```
///
/// # Keras
///
/// The book's curves with Matplotlib.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    title: String,
    x_label: String,
    y_label: String,
    size: (f64, f64),
    log_x: bool,
    log_y: bool,
    series: Vec<Series>,
}

#[derive(Clone, Debug, PartialEq)]
struct Series {
    name: String,
    values: Vec<(f64, f64)>,
    has_line: bool,
    has_points: bool,
}

/// Up to this many points of a line are marked.
const MARKED: usize = 40;

/// One axis: the values at its ends (their exponents of ten if it is logarithmic), and where
/// these lie.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Axis {
    /// The axis that holds all values, with a margin.
    fn of(
        values: impl Iterator<Item = f64>,
        (from, to): (f64, f64),
        log: bool,
        margin: f64,
    ) -> Self {
        let values = values.map(|value| scaled(value, log));
        let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
            Some(ends.map_or((value, value), |(l, h)| (l.min(value), h.max(value))))
        });
        let (low, high) = ends.unwrap_or((0.0, 1.0));
        let room = match high - low {
            0.0 if log || low == 0.0 => 0.5,
            0.0 => low.abs() * 0.1,
            range => range * margin,
        };
        Self { low: low - room, high: high + room, from, to, log }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (scaled(value, self.log) - self.low) / (self.high - self.low);
        self.from + (self.to - self.from) * share
    }

    fn ticks(&self, about: usize, whole: bool) -> Vec<(f64, String)> {
        if self.log {
            powers(self.low, self.high, about)
        } else {
            ticks(self.low, self.high, about, whole)
        }
    }
}

/// What is laid out evenly along an axis, so that no difference is infinite.
fn scaled(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value.clamp(-1e300, 1e300) }
}

impl Chart {
    /// An empty chart with that title.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            x_label: String::new(),
            y_label: String::new(),
            size: (480.0, 320.0),
            log_x: false,
            log_y: false,
            series: Vec::new(),
        }
    }

    /// Sets what is written below; nothing by default.
    #[must_use]
    pub fn x_label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.x_label);
        self
    }

    /// Sets what is written at the left; nothing by default.
    #[must_use]
    pub fn y_label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.y_label);
        self
    }

    /// Sets width and height, at least 160 by 120; 480 by 320 by default.
    #[must_use]
    pub fn size(mut self, width: f64, height: f64) -> Self {
        self.size = (width.max(160.0), height.max(120.0));
        self
    }

    /// Sets whether the lower axis is logarithmic; false by default.
    #[must_use]
    pub fn log_x(mut self, log: bool) -> Self {
        self.log_x = log;
        self
    }

    /// Sets whether the left axis is logarithmic; false by default.
    #[must_use]
    pub fn log_y(mut self, log: bool) -> Self {
        self.log_y = log;
        self
    }

    /// Adds a line through points, which are marked unless there are many.
    #[must_use]
    pub fn line(self, name: &str, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.add(name, values, true)
    }

    /// Adds points.
    #[must_use]
    pub fn points(
        self,
        name: &str,
        values: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.add(name, values, false)
    }

    fn add(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = (f64, f64)>,
        has_line: bool,
    ) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        let has_points = !has_line || values.len() <= MARKED;
        self.series.push(Series { name: name.to_owned(), values, has_line, has_points });
        self
    }

    /// Whether a point can be drawn.
    fn is_shown(&self, &(x, y): &(f64, f64)) -> bool {
        let on = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
        on(x, self.log_x) && on(y, self.log_y)
    }

    /// The chart as a picture.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let (width, height) = self.size;
        let mut picture = Picture::new(width, height);
        let all = || {
            let values = self.series.iter().flat_map(|series| &series.values);
            values.filter(|point| self.is_shown(point))
        };
        let top = if self.title.is_empty() { 14.0 } else { 34.0 };
        let bottom = height - if self.x_label.is_empty() { 28.0 } else { 46.0 };
        let y = Axis::of(all().map(|point| point.1), (bottom, top), self.log_y, 0.05);
        let y_ticks = y.ticks((bottom - top) as usize / 44, false);
        let widest = y_ticks.iter().map(|(_, text)| Picture::width_of(text));
        let label = if self.y_label.is_empty() { 0.0 } else { Picture::LINE + 4.0 };
        let left = widest.fold(0.0, f64::max) + label + 14.0;
        let right = width - 14.0;
        let x = Axis::of(all().map(|point| point.0), (left, right), self.log_x, 0.03);
        let whole = all().all(|point| point.0.fract() == 0.0);
        let x_ticks = x.ticks((right - left) as usize / 64, whole);

        for (value, text) in &y_ticks {
            let at = y.place(*value);
            picture.line([(left, at), (right, at)], Color::PALE, 1.0);
            picture.text(left - 6.0, at, text, Anchor::End, Color::GREY);
        }
        for (value, text) in &x_ticks {
            let at = x.place(*value);
            picture.line([(at, top), (at, bottom)], Color::PALE, 1.0);
            picture.text(at, bottom + 12.0, text, Anchor::Middle, Color::GREY);
        }
        picture.line([(left, top), (left, bottom), (right, bottom)], Color::GREY, 1.0);
        let middle = left.midpoint(right);
        picture.bold(middle, 16.0, &self.title, Anchor::Middle, Color::BLACK);
        picture.text(middle, height - 14.0, &self.x_label, Anchor::Middle, Color::BLACK);
        let upwards = Look { bold: false, upwards: true };
        let (at, black) = (top.midpoint(bottom), Color::BLACK);
        picture.look(12.0, at, &self.y_label, Anchor::Middle, black, upwards);
        for (number, series) in self.series.iter().enumerate() {
            self.draw(&mut picture, series, Color::of_series(number), &x, &y);
        }
        if all().next().is_none() {
            picture.text(middle, at, "no values", Anchor::Middle, Color::GREY);
        }
        self.legend(&mut picture, right, top, &x, &y);
        picture
    }

    fn draw(
        &self,
        picture: &mut Picture,
        series: &Series,
        color: Color,
        x: &Axis,
        y: &Axis,
    ) {
        let place = |point: &(f64, f64)| (x.place(point.0), y.place(point.1));
        if series.has_line {
            for run in series.values.split(|point| !self.is_shown(point)) {
                picture.line(run.iter().map(place), color, 2.0);
            }
        }
        if series.has_points {
            for (x, y) in series.values.iter().filter(|p| self.is_shown(p)).map(place) {
                picture.circle(x, y, 3.0, color);
            }
        }
    }

    /// The names with their colors, in the corner or at the side that fewest points are in.
    fn legend(&self, picture: &mut Picture, right: f64, top: f64, x: &Axis, y: &Axis) {
        let named: Vec<_> = (self.series.iter().enumerate())
            .filter(|(_, series)| !series.name.is_empty())
            .collect();
        let widest = named.iter().map(|(_, series)| Picture::width_of(&series.name));
        let width = widest.fold(0.0, f64::max) + 34.0;
        let height = named.len() as f64 * Picture::LINE + 8.0;
        if named.is_empty() {
            return;
        }
        let (at_left, at_right) = (x.from + 8.0, right - width - 6.0);
        let (below, between) = (y.from - height - 6.0, (top + y.from - height) / 2.0);
        let corners = [
            (at_right, top + 4.0),
            (at_right, below),
            (at_left, top + 4.0),
            (at_left, below),
            (at_right, between),
            (at_left, between),
        ];
        let hidden = |&(left, top): &(f64, f64)| {
            let points = self.series.iter().flat_map(|series| &series.values);
            let shown = points.filter(|point| self.is_shown(point));
            let places = shown.map(|point| (x.place(point.0), y.place(point.1)));
            places
                .filter(|(x, y)| {
                    (left..=left + width).contains(x) && (top..=top + height).contains(y)
                })
                .count()
        };
        let (left, top) = corners.into_iter().min_by_key(hidden).unwrap_or(corners[0]);
        picture.rectangle(left, top, width, height, Color::WHITE);
        picture.frame(left, top, width, height, Color::PALE);
        for (row, (number, series)) in named.into_iter().enumerate() {
            let y = top + 4.0 + (row as f64 + 0.5) * Picture::LINE;
            let color = Color::of_series(number);
            if series.has_line {
                picture.line([(left + 6.0, y), (left + 22.0, y)], color, 2.0);
            }
            if series.has_points {
                picture.circle(left + 14.0, y, 3.0, color);
            }
            picture.text(left + 28.0, y, &series.name, Anchor::Start, Color::BLACK);
        }
    }

    /// Writes an SVG or a PNG file, by the name's ending.
    ///
    /// # Errors
    ///
    /// As [`Picture::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture().save(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_where_the_axes_say() {
        let axis = Axis::of([0.0, 10.0].into_iter(), (100.0, 0.0), false, 0.0);
        assert_eq!([0.0, 5.0, 10.0].map(|v| axis.place(v) as i32), [100, 50, 0]);
        let axis = Axis::of([1.0, 100.0].into_iter(), (0.0, 100.0), true, 0.0);
        assert_eq!(
            [1.0, 10.0, 100.0].map(|v| axis.place(v).round() as i32),
            [0, 50, 100]
        );
        for value in [0.0, 5.0, -1e-9, f64::MAX] {
            let axis = Axis::of([value].into_iter(), (0.0, 100.0), false, 0.1);
            assert_eq!(axis.place(value).round() as i32, 50, "{value}");
        }
    }

    #[test]
    fn gaps_split_lines_and_nothing_is_drawn_of_what_is_not_finite() {
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        let values = [(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 1.0), (4.0, infinite)];
        let svg = Chart::new("").line("", values).picture().to_svg();
        let own = Color::of_series(0).to_string();
        let own_lines =
            svg.lines().filter(|line| line.contains("<polyline") && line.contains(&own));
        assert_eq!(own_lines.count(), 2);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn charts_of_nothing_of_one_value_and_of_extremes_can_be_drawn() {
        for values in [
            vec![],
            vec![(1.0, f64::NAN)],
            vec![(1.0, 0.5)],
            vec![(0.0, f64::MIN), (1.0, f64::MAX)],
            vec![(1e300, 1e-300), (1e300, 1e-300)],
            vec![(5e-324, f64::MAX), (f64::MAX, 5e-324)],
            (0..5000).map(|i| (f64::from(i), f64::from(i).sin())).collect(),
        ] {
            for log in [false, true] {
                let chart =
                    Chart::new("t").log_y(log).log_x(log).line("a", values.clone());
                let picture = chart.picture();
                assert!(!picture.to_svg().contains("NaN"), "{values:?}");
                picture.to_image().unwrap();
            }
        }
        let empty = Chart::new("nothing").picture().to_svg();
        assert!(empty.contains(">no values</text>"));
    }

    #[test]
    fn many_points_are_not_marked() {
        let line = |len: u32| {
            let chart = Chart::new("").line("", (0..len).map(|i| (f64::from(i), 0.0)));
            chart.picture().to_svg().matches("<circle").count()
        };
        assert_eq!((line(40), line(41)), (40, 0));
    }
}
