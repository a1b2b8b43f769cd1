//! Colors: [`Color`], those of series, and those of numbers.

use std::fmt;

/// A color: red, green and blue from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// Black.
    pub const BLACK: Self = Self(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self(255, 255, 255);
    /// What axes are drawn with.
    pub(crate) const GREY: Self = Self(96, 96, 96);
    /// What lines behind a chart are drawn with.
    pub(crate) const PALE: Self = Self(224, 224, 224);

    /// The color of the series of that number: eight that people with color blindness can tell
    /// apart, again and again.
    ///
    /// # References
    ///
    /// Okabe and Ito: *Color Universal Design* (2008).
    #[must_use]
    pub const fn of_series(number: usize) -> Self {
        [
            Self(0, 114, 178),
            Self(213, 94, 0),
            Self(0, 158, 115),
            Self(204, 121, 167),
            Self(230, 159, 0),
            Self(86, 180, 233),
            Self(117, 112, 179),
            Self(0, 0, 0),
        ][number % 8]
    }

    /// The color of a number from 0 (dark violet) to 1 (yellow); NaN is 0, what lies outside is
    /// cut.
    ///
    /// # References
    ///
    /// Smith and van der Walt: the color map *viridis* of Matplotlib, between nine of its colors.
    #[must_use]
    pub fn viridis(value: f64) -> Self {
        const STOPS: [Color; 9] = [
            Color(68, 1, 84),
            Color(71, 44, 122),
            Color(59, 81, 139),
            Color(44, 113, 142),
            Color(33, 144, 141),
            Color(39, 173, 129),
            Color(92, 200, 99),
            Color(170, 220, 50),
            Color(253, 231, 37),
        ];
        let at = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) * 8.0 };
        let from = (at as usize).min(7);
        STOPS[from].mix(STOPS[from + 1], at - from as f64)
    }

    /// This color, with that share of another.
    #[must_use]
    pub fn mix(self, other: Self, share: f64) -> Self {
        let mix = |a: u8, b: u8| {
            (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// Black or white, whichever is read more easily on this color.
    #[must_use]
    pub fn of_text_on(self) -> Self {
        let [r, g, b] = [self.0, self.1, self.2].map(u32::from);
        if 299 * r + 587 * g + 114 * b > 128_000 { Self::BLACK } else { Self::WHITE }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_colors_from_end_to_end() {
        assert_eq!(Color::viridis(0.0), Color(68, 1, 84));
        assert_eq!(Color::viridis(0.5), Color(33, 144, 141));
        assert_eq!(Color::viridis(1.0), Color(253, 231, 37));
        assert_eq!(Color::viridis(f64::INFINITY), Color::viridis(1.0));
        assert_eq!(Color::viridis(f64::NAN), Color::viridis(-3.0));
        assert_eq!(Color::viridis(1.0).of_text_on(), Color::BLACK);
        assert_eq!(Color::viridis(0.0).of_text_on(), Color::WHITE);
        assert_eq!(Color(1, 171, 255).to_string(), "#01abff");
    }
}
