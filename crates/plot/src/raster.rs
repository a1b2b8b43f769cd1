//! Pictures as pixels.

use deckle_formats::Image;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster};

use crate::{
    Anchor, Color, Error, Picture, Result,
    picture::{Look, Shape},
};

/// Pixels for each unit of length.
const SCALE: f64 = 2.0;

/// The most pixels that a picture may have.
const MOST: f64 = 1e8;

/// A picture in the making: RGB, row by row.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

pub(crate) fn draw(picture: &Picture) -> Result<Image> {
    let (width, height) =
        ((picture.width * SCALE).ceil(), (picture.height * SCALE).ceil());
    if width * height > MOST || !(width * height).is_finite() {
        return Err(Error::invalid(
            "the picture is too large for PNG",
            format_args!("at most {MOST:.0} pixels"),
            format_args!("{width} x {height}"),
        )
        .help("write it as `.svg`"));
    }
    let (width, height) = (width as usize, height as usize);
    let mut canvas = Canvas { width, height, pixels: vec![255; width * height * 3] };
    for shape in &picture.shapes {
        canvas.shape(shape);
    }
    Ok(Image::new(width, height, 3, canvas.pixels)?)
}

impl Canvas {
    /// Lays a color over a pixel, opaque by that share.
    fn blend(&mut self, x: usize, y: usize, color: Color, share: f64) {
        let at = (y * self.width + x) * 3;
        let old = Color(self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]);
        let new = old.mix(color, share.clamp(0.0, 1.0));
        self.pixels[at..at + 3].copy_from_slice(&[new.0, new.1, new.2]);
    }

    /// The pixels that a rectangle touches.
    fn touched(
        &self,
        [left, top, right, bottom]: [f64; 4],
    ) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        // `as` cuts at 0.
        let range = |from: f64, to: f64, end: usize| {
            let to = (to.ceil() as usize).min(end);
            (from.floor() as usize).min(to)..to
        };
        (range(left, right, self.width), range(top, bottom, self.height))
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Rectangle { at, fill, line, dashed } => {
                let [x, y, width, height] = at.map(|length| length * SCALE);
                if let Some(color) = fill {
                    self.fill([x, y, x + width, y + height], *color);
                }
                if let Some(color) = line {
                    self.frame([x, y, x + width, y + height], *color, *dashed);
                }
            }
            Shape::Line { points, color, width } => {
                let points: Vec<_> =
                    points.iter().map(|&(x, y)| (x * SCALE, y * SCALE)).collect();
                self.line(&points, *color, width * SCALE / 2.0);
            }
            Shape::Circle { center: (x, y), radius, color } => {
                self.line(&[(x * SCALE, y * SCALE)], *color, radius * SCALE);
            }
            Shape::Triangle { corners, color } => {
                self.triangle(corners.map(|(x, y)| (x * SCALE, y * SCALE)), *color);
            }
            Shape::Text { at: (x, y), text, anchor, color, look } => {
                self.text((x * SCALE, y * SCALE), text, *anchor, *color, *look);
            }
            Shape::Picture { at: (x, y), image, scale } => {
                self.image((x * SCALE, y * SCALE), image, *scale as f64 * SCALE);
            }
        }
    }

    fn fill(&mut self, [left, top, right, bottom]: [f64; 4], color: Color) {
        let (columns, rows) = self.touched([left, top, right, bottom]);
        let covered = |at: usize, from: f64, to: f64| {
            (to.min(at as f64 + 1.0) - from.max(at as f64)).clamp(0.0, 1.0)
        };
        for y in rows {
            let share = covered(y, top, bottom);
            for x in columns.clone() {
                self.blend(x, y, color, share * covered(x, left, right));
            }
        }
    }

    fn frame(
        &mut self,
        [left, top, right, bottom]: [f64; 4],
        color: Color,
        dashed: bool,
    ) {
        let corners =
            [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        let half = SCALE / 2.0;
        if !dashed {
            return self.line(&corners, color, half);
        }
        let (dash, gap) = (5.0 * SCALE, 3.0 * SCALE);
        for side in corners.windows(2) {
            let [(x0, y0), (x1, y1)] = [side[0], side[1]];
            let length = (x1 - x0).hypot(y1 - y0);
            let place = |along: f64| {
                let share = (along / length).min(1.0);
                (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
            };
            let mut along = 0.0;
            while along < length {
                self.line(&[place(along), place(along + dash)], color, half);
                along += dash + gap;
            }
        }
    }

    /// A line with round ends and joints, which covers no pixel twice.
    fn line(&mut self, points: &[(f64, f64)], color: Color, half: f64) {
        if points.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return;
        }
        let reach = half + 1.0;
        let bounds = |points: &[(f64, f64)]| {
            let start =
                [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
            points.iter().fold(start, |[l, t, r, b], &(x, y)| {
                [l.min(x - reach), t.min(y - reach), r.max(x + reach), b.max(y + reach)]
            })
        };
        let (columns, rows) = self.touched(bounds(points));
        let mut covered = vec![0f32; columns.len() * rows.len()];
        let segments = points.windows(points.len().clamp(1, 2));
        for segment in segments {
            let (from, to) = (segment[0], segment[segment.len() - 1]);
            let (inner_columns, inner_rows) = self.touched(bounds(segment));
            for y in inner_rows {
                for x in inner_columns.clone() {
                    let distance = distance((x as f64 + 0.5, y as f64 + 0.5), from, to);
                    let share = (half + 0.5 - distance).clamp(0.0, 1.0) as f32;
                    let at = (y - rows.start) * columns.len() + x - columns.start;
                    covered[at] = covered[at].max(share);
                }
            }
        }
        let mut shares = covered.into_iter();
        for y in rows {
            for x in columns.clone() {
                match shares.next() {
                    Some(share) if share > 0.0 => {
                        self.blend(x, y, color, f64::from(share));
                    }
                    _ => {}
                }
            }
        }
    }

    fn triangle(&mut self, corners: [(f64, f64); 3], color: Color) {
        let [(ax, ay), (bx, by), (cx, cy)] = corners;
        let bounds = [
            ax.min(bx).min(cx),
            ay.min(by).min(cy),
            ax.max(bx).max(cx),
            ay.max(by).max(cy),
        ];
        let (columns, rows) = self.touched(bounds);
        let side = |(x0, y0): (f64, f64), (x1, y1): (f64, f64), x: f64, y: f64| {
            (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        };
        let is_inside = |x: f64, y: f64| {
            let sides = [0, 1, 2].map(|i| side(corners[i], corners[(i + 1) % 3], x, y));
            sides.iter().all(|s| *s >= 0.0) || sides.iter().all(|s| *s <= 0.0)
        };
        for y in rows {
            for x in columns.clone() {
                let inside = (0..16).filter(|i| {
                    let (dx, dy) = (f64::from(i % 4), f64::from(i / 4));
                    is_inside(x as f64 + (dx + 0.5) / 4.0, y as f64 + (dy + 0.5) / 4.0)
                });
                self.blend(x, y, color, inside.count() as f64 / 16.0);
            }
        }
    }

    fn text(
        &mut self,
        (x, y): (f64, f64),
        text: &str,
        anchor: Anchor,
        color: Color,
        look: Look,
    ) {
        let advance = Picture::LETTER * SCALE;
        let length = text.chars().count() as f64 * advance;
        let back = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => length / 2.0,
            Anchor::End => length,
        };
        for (i, letter) in text.chars().enumerate() {
            let glyph = glyph(letter, look.bold);
            let along =
                i as f64 * advance - back + (advance - glyph.width() as f64) / 2.0;
            let across = -(glyph.height() as f64) / 2.0;
            for (row, line) in glyph.rows().enumerate() {
                for (column, &share) in line.iter().enumerate() {
                    let (along, across) = (along + column as f64, across + row as f64);
                    let (x, y) = if look.upwards {
                        (x + across, y - along - 1.0)
                    } else {
                        (x + along, y + across)
                    };
                    let (x, y) = (x.round(), y.round());
                    let fits = (0.0..self.width as f64).contains(&x)
                        && (0.0..self.height as f64).contains(&y);
                    if share > 0 && fits {
                        let share = f64::from(share) / 255.0;
                        self.blend(x as usize, y as usize, color, share);
                    }
                }
            }
        }
    }

    fn image(&mut self, (left, top): (f64, f64), image: &Image, scale: f64) {
        for row in 0..image.height() {
            for column in 0..image.width() {
                let (color, share) = match *image.pixel(column, row) {
                    [grey] => (Color(grey, grey, grey), 1.0),
                    [grey, share] => (Color(grey, grey, grey), f64::from(share) / 255.0),
                    [r, g, b, share] => (Color(r, g, b), f64::from(share) / 255.0),
                    [r, g, b, ..] => (Color(r, g, b), 1.0),
                    [] => continue,
                };
                let (x, y) = (left + column as f64 * scale, top + row as f64 * scale);
                let (columns, rows) = self.touched([x, y, x + scale, y + scale]);
                for y in rows {
                    for x in columns.clone() {
                        self.blend(x, y, color, share);
                    }
                }
            }
        }
    }
}

/// The distance of a point from a segment.
fn distance((x, y): (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let share = if length > 0.0 {
        (((x - from.0) * dx + (y - from.1) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (x - from.0 - dx * share).hypot(y - from.1 - dy * share)
}

/// A letter's pixels; a replacement for one that the font does not have.
fn glyph(letter: char, bold: bool) -> RasterizedChar {
    let weight = if bold { FontWeight::Bold } else { FontWeight::Regular };
    let find = |letter| get_raster(letter, weight, RasterHeight::Size32);
    find(letter)
        .or_else(|| find('\u{fffd}'))
        .or_else(|| find('?'))
        .expect("the font has a question mark")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(draw: impl FnOnce(&mut Picture)) -> Image {
        let mut picture = Picture::new(20.0, 10.0);
        draw(&mut picture);
        picture.to_image().unwrap()
    }

    fn is(image: &Image, x: usize, y: usize, color: Color) -> bool {
        image.pixel(x, y) == [color.0, color.1, color.2]
    }

    #[test]
    fn rectangles_and_lines_are_where_they_should_be() {
        let red = Color(255, 0, 0);
        let image = of(|picture| picture.rectangle(5.0, 2.0, 4.25, 3.0, red));
        assert_eq!((image.width(), image.height()), (40, 20));
        assert!(is(&image, 10, 4, red) && is(&image, 17, 9, red));
        assert!(is(&image, 9, 4, Color::WHITE) && is(&image, 10, 10, Color::WHITE));
        assert!(is(&image, 18, 4, Color(255, 128, 128)), "half of this pixel");

        let image = of(|picture| picture.line([(2.0, 5.0), (18.0, 5.0)], red, 2.0));
        assert!(is(&image, 20, 9, red) && is(&image, 20, 10, red));
        assert!(is(&image, 20, 6, Color::WHITE) && is(&image, 20, 13, Color::WHITE));
    }

    #[test]
    fn shapes_outside_the_sheet_are_cut() {
        let image = of(|picture| {
            picture.rectangle(-1e9, -1e9, 1e9 + 1.0, 1e9 + 1.0, Color::BLACK);
            picture.line([(-50.0, 1e6), (1e6, -50.0)], Color::BLACK, 1.0);
            picture.text(19.0, 9.0, "outside", Anchor::Start, Color::BLACK);
            picture.line([(f64::NAN, 1.0), (2.0, f64::INFINITY)], Color::BLACK, 1.0);
            picture.arrow(&[(3.0, 3.0), (3.0, 3.0)], Color::BLACK);
        });
        assert!(is(&image, 1, 1, Color::BLACK) && is(&image, 2, 2, Color::WHITE));
    }

    #[test]
    fn texts_are_as_wide_as_they_say_and_upright_or_not() {
        let ink = |text: &str, upwards: bool| -> Vec<(usize, usize)> {
            let mut picture = Picture::new(60.0, 60.0);
            let look = Look { bold: false, upwards };
            picture.look(30.0, 30.0, text, Anchor::Middle, Color::BLACK, look);
            let image = picture.to_image().unwrap();
            let all = (0..120 * 120).map(|i| (i % 120, i / 120));
            all.filter(|&(x, y)| image.pixel(x, y)[0] < 128).collect()
        };
        let extent = |ink: &[(usize, usize)], along: fn(&(usize, usize)) -> usize| {
            let all = ink.iter().map(along);
            all.clone().max().unwrap() - all.min().unwrap()
        };
        let level = ink("LLLL", false);
        assert!((48..56).contains(&extent(&level, |p| p.0)), "four letters of 14 pixels");
        assert!(extent(&level, |p| p.1) < 24);
        let upwards = ink("LLLL", true);
        assert_eq!(upwards.len(), level.len());
        assert_eq!(extent(&upwards, |p| p.1), extent(&level, |p| p.0));
        assert_ne!(ink("é", false), ink("e", false));
        assert_eq!(ink("日", false), ink("\u{fffd}", false));
        assert!(ink(" ", false).is_empty());
    }

    #[test]
    fn huge_pictures_are_refused() {
        for side in [1e6, f64::INFINITY] {
            let error = Picture::new(side, side).to_image().unwrap_err().to_string();
            assert!(error.starts_with("the picture is too large for PNG"), "{error}");
            assert!(error.ends_with("help: write it as `.svg`"));
        }
    }
}
