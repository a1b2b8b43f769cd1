//! Shapes and texts on a white sheet: [`Picture`].

use std::path::Path;

use deckle_formats::{Image, write_atomically};

use crate::{Color, Error, Result, raster, svg};

/// Shapes and texts on a white sheet, which becomes an SVG or a PNG file.
///
/// Lengths are in pixels of SVG; a PNG has two pixels for each of them. `x` counts from the
/// left, `y` from the top. All texts have one size, and a letter the width [`Picture::LETTER`].
///
/// # Examples
///
/// ```
/// use deckle_plot::{Anchor, Color, Picture};
///
/// let mut picture = Picture::new(120.0, 40.0);
/// picture.line([(10.0, 30.0), (110.0, 30.0)], Color::BLACK, 2.0);
/// picture.text(60.0, 14.0, "a line", Anchor::Middle, Color::BLACK);
/// assert!(picture.to_svg().starts_with("<svg "));
/// assert_eq!(picture.to_image()?.width(), 240);
/// # Ok::<(), deckle_plot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

/// Which part of a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Rectangle { at: [f64; 4], fill: Option<Color>, line: Option<Color>, dashed: bool },
    Line { points: Vec<(f64, f64)>, color: Color, width: f64 },
    Circle { center: (f64, f64), radius: f64, color: Color },
    Triangle { corners: [(f64, f64); 3], color: Color },
    Text { at: (f64, f64), text: String, anchor: Anchor, color: Color, look: Look },
    Picture { at: (f64, f64), image: Image, scale: usize },
}

/// How a text is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) bold: bool,
    /// Whether it runs from the bottom to the top.
    pub(crate) upwards: bool,
}

impl Picture {
    /// The width of a letter.
    pub const LETTER: f64 = 7.0;
    /// The height of a line of text.
    pub const LINE: f64 = 16.0;

    /// A white sheet of that size, which is at least 1 by 1.
    #[must_use]
    pub fn new(width: f64, height: f64) -> Self {
        // `max` makes 1 of NaN.
        Self { width: width.max(1.0), height: height.max(1.0), shapes: Vec::new() }
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    /// The width of a text.
    #[must_use]
    pub fn width_of(text: &str) -> f64 {
        text.chars().count() as f64 * Self::LETTER
    }

    /// Draws a filled rectangle.
    pub fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Color) {
        let at = [x, y, width, height];
        self.shapes.push(Shape::Rectangle {
            at,
            fill: Some(fill),
            line: None,
            dashed: false,
        });
    }

    /// Draws the edges of a rectangle.
    pub fn frame(&mut self, x: f64, y: f64, width: f64, height: f64, color: Color) {
        let at = [x, y, width, height];
        self.shapes.push(Shape::Rectangle {
            at,
            fill: None,
            line: Some(color),
            dashed: false,
        });
    }

    pub(crate) fn dashed_frame(&mut self, at: [f64; 4], color: Color) {
        self.shapes.push(Shape::Rectangle {
            at,
            fill: None,
            line: Some(color),
            dashed: true,
        });
    }

    /// Draws a line through points; one point is a dot.
    pub fn line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: Color,
        width: f64,
    ) {
        let points: Vec<_> = points.into_iter().collect();
        if !points.is_empty() {
            self.shapes.push(Shape::Line { points, color, width });
        }
    }

    /// Draws a filled circle.
    pub fn circle(&mut self, x: f64, y: f64, radius: f64, color: Color) {
        self.shapes.push(Shape::Circle { center: (x, y), radius, color });
    }

    /// Draws a line through points that ends in an arrow's head.
    pub fn arrow(&mut self, points: &[(f64, f64)], color: Color) {
        let Some(&(x, y)) = points.last() else { return };
        let before = points.iter().rev().find(|&&point| point != (x, y));
        let Some(&(from_x, from_y)) = before else { return };
        let length = (x - from_x).hypot(y - from_y);
        let (dx, dy) = ((x - from_x) / length, (y - from_y) / length);
        let (long, wide) = (8.0, 4.0);
        let (neck_x, neck_y) = (x - dx * long, y - dy * long);
        let mut line = points.to_vec();
        if let Some(last) = line.last_mut() {
            *last = (neck_x, neck_y);
        }
        self.line(line, color, 1.5);
        let corners = [
            (x, y),
            (neck_x - dy * wide, neck_y + dx * wide),
            (neck_x + dy * wide, neck_y - dx * wide),
        ];
        self.shapes.push(Shape::Triangle { corners, color });
    }

    /// Writes a text whose middle line has that `y`.
    pub fn text(&mut self, x: f64, y: f64, text: &str, anchor: Anchor, color: Color) {
        self.look(x, y, text, anchor, color, Look::default());
    }

    /// Writes a text in bold.
    pub fn bold(&mut self, x: f64, y: f64, text: &str, anchor: Anchor, color: Color) {
        self.look(x, y, text, anchor, color, Look { bold: true, upwards: false });
    }

    pub(crate) fn look(
        &mut self,
        x: f64,
        y: f64,
        text: &str,
        anchor: Anchor,
        color: Color,
        look: Look,
    ) {
        // What is no letter has no place in a line of text, nor in XML.
        let text: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.shapes.push(Shape::Text { at: (x, y), text, anchor, color, look });
    }

    /// Places an image, each of its pixels as a square with sides of `scale`.
    pub fn image(&mut self, x: f64, y: f64, image: &Image, scale: usize) {
        let image = image.clone();
        self.shapes.push(Shape::Picture { at: (x, y), image, scale });
    }

    /// Places another picture.
    pub fn place(&mut self, x: f64, y: f64, other: &Self) {
        let to = |(a, b): (f64, f64)| (a + x, b + y);
        self.shapes.extend(other.shapes.iter().cloned().map(|mut shape| {
            match &mut shape {
                Shape::Rectangle { at, .. } => {
                    at[0] += x;
                    at[1] += y;
                }
                Shape::Line { points, .. } => {
                    points.iter_mut().for_each(|point| *point = to(*point));
                }
                Shape::Triangle { corners, .. } => *corners = corners.map(to),
                Shape::Circle { center: at, .. }
                | Shape::Text { at, .. }
                | Shape::Picture { at, .. } => *at = to(*at),
            }
            shape
        }));
    }

    /// Pictures in rows of that many, one for each.
    #[must_use]
    pub fn tiled(pictures: &[Self], columns: usize) -> Self {
        let columns = columns.clamp(1, pictures.len().max(1));
        let width = pictures.iter().map(|picture| picture.width).fold(1.0, f64::max);
        let height = pictures.iter().map(|picture| picture.height).fold(1.0, f64::max);
        let rows = pictures.len().div_ceil(columns).max(1);
        let mut sheet = Self::new(width * columns as f64, height * rows as f64);
        for (i, picture) in pictures.iter().enumerate() {
            let (column, row) = ((i % columns) as f64, (i / columns) as f64);
            sheet.place(column * width, row * height, picture);
        }
        sheet
    }

    /// The picture as text of an SVG file.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// The picture as pixels, two for each unit of length.
    ///
    /// # Errors
    ///
    /// If there would be more than 100 million of them.
    pub fn to_image(&self) -> Result<Image> {
        raster::draw(self)
    }

    /// Writes an SVG or a PNG file, by the name's ending, replacing the file at once.
    ///
    /// # Errors
    ///
    /// If the name ends in neither, the picture is too large for PNG, or the file cannot be
    /// written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match ending(path).as_str() {
            "svg" => Ok(write_atomically(path, self.to_svg().as_bytes())?),
            "png" => Ok(self.to_image()?.save_png(path)?),
            _ => Err(unknown_ending(path, "`.svg` or `.png`")),
        }
    }
}

/// A file name's ending in small letters; empty if there is none.
pub(crate) fn ending(path: &Path) -> String {
    path.extension().map_or_else(String::new, |e| e.to_string_lossy().to_lowercase())
}

pub(crate) fn unknown_ending(path: &Path, expected: &str) -> Error {
    Error::invalid(
        "the file's name does not say what picture it is",
        format_args!("a name that ends in {expected}"),
        path.display(),
    )
}
