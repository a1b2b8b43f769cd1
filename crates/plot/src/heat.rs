//! Numbers as colors: [`heat_map`], [`overlay`], [`confusion_matrix`].

use deckle_formats::Image;
use deckle_tensor::{DType, Tensor, shape_text};
use deckle_train::ConfusionMatrix;

use crate::{Anchor, Color, Error, Picture, Result, grid::range};

/// A tensor `(height, width)` as colors from its least number (violet) to its greatest (yellow).
///
/// # Errors
///
/// If the shape is another one, or an axis has no length.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
///
/// let image = deckle_plot::heat_map(&Tensor::new(vec![-1.0f32, 3.0], [1, 2])?)?;
/// assert_eq!((image.pixel(0, 0), image.pixel(1, 0)), (&[68, 1, 84][..], &[253, 231, 37][..]));
/// # Ok::<(), deckle_plot::Error>(())
/// ```
pub fn heat_map(values: &Tensor) -> Result<Image> {
    let (height, width, values) = plane(values)?;
    let (low, high) = range(&values);
    let colors = values.iter().map(|value| Color::viridis((value - low) / (high - low)));
    let pixels = colors.flat_map(|color| [color.0, color.1, color.2]);
    Ok(Image::new(width, height, 3, pixels.collect())?)
}

fn plane(values: &Tensor) -> Result<(usize, usize, Vec<f64>)> {
    let [height, width] = *values.shape() else {
        return Err(Error::invalid(
            "this cannot be drawn as a plane",
            "(height, width)",
            shape_text(values.shape()),
        ));
    };
    Ok((height, width, values.cast(DType::F64).to_vec()?))
}

/// An image under the colors of a heat map, which is enlarged to it; `opacity` from 0 to 1.
///
/// # Errors
///
/// If the heat is not `(height, width)`, or an axis of it has no length.
///
/// # Keras
///
/// The book's last step of Grad-CAM (section 5.4.3).
pub fn overlay(image: &Image, heat: &Tensor, opacity: f64) -> Result<Image> {
    let (height, width, values) = plane(heat)?;
    if values.is_empty() {
        let got = shape_text(heat.shape());
        return Err(Error::invalid("there is no heat", "one number or more", got));
    }
    let (low, high) = range(&values);
    // Between the centers of the heat's pixels.
    let place = |at: usize, of: usize, len: usize| {
        let place = (at as f64 + 0.5) / of as f64 * len as f64 - 0.5;
        let place = place.clamp(0.0, len as f64 - 1.0);
        let from = place as usize;
        (from, (from + 1).min(len - 1), place.fract())
    };
    let mut pixels = Vec::with_capacity(image.width() * image.height() * 3);
    for y in 0..image.height() {
        let (top, bottom, down) = place(y, image.height(), height);
        for x in 0..image.width() {
            let (left, right, across) = place(x, image.width(), width);
            let row = |y: usize| {
                let [a, b] = [left, right].map(|x| values[y * width + x]);
                a + (b - a) * across
            };
            let value = row(top) + (row(bottom) - row(top)) * down;
            let color = Color::viridis((value - low) / (high - low));
            let below = match *image.pixel(x, y) {
                [grey] | [grey, _] => Color(grey, grey, grey),
                [r, g, b, ..] => Color(r, g, b),
                [] => Color::WHITE,
            };
            let mixed = below.mix(color, opacity.clamp(0.0, 1.0));
            pixels.extend([mixed.0, mixed.1, mixed.2]);
        }
    }
    Ok(Image::new(image.width(), image.height(), 3, pixels)?)
}

/// A confusion matrix as a table whose cells are colored by their share of the row.
///
/// # Examples
///
/// ```
/// use deckle_train::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::new(&[0, 1, 1], &[0, 1, 0])?;
/// let svg = deckle_plot::confusion_matrix(&matrix).to_svg();
/// assert!(svg.contains(">predicted</text>"));
/// # Ok::<(), deckle_train::Error>(())
/// ```
#[must_use]
pub fn confusion_matrix(matrix: &ConfusionMatrix) -> Picture {
    let (names, rows) = (matrix.names(), matrix.rows());
    let count = names.len();
    let name = names.iter().map(|name| Picture::width_of(name)).fold(0.0, f64::max);
    let numbers = rows.iter().flatten().map(u64::to_string);
    let number = numbers.map(|text| Picture::width_of(&text)).fold(0.0, f64::max);
    let side = (number + 10.0).max(26.0);
    let (left, top) = (name + 44.0, 30.0);
    let end = side * count as f64;
    let mut picture = Picture::new(left + end + 16.0, top + end + name + 24.0);
    let look = crate::picture::Look { bold: false, upwards: true };
    for (i, row) in rows.iter().enumerate() {
        let y = top + (i as f64 + 0.5) * side;
        picture.text(left - 8.0, y, &names[i], Anchor::End, Color::BLACK);
        let below = top + end + 8.0;
        let x = left + (i as f64 + 0.5) * side;
        picture.look(x, below, &names[i], Anchor::End, Color::BLACK, look);
        let total: u64 = row.iter().sum();
        for (j, &cell) in row.iter().enumerate() {
            let x = left + j as f64 * side;
            let color = Color::viridis(cell as f64 / total.max(1) as f64);
            picture.rectangle(x, y - side / 2.0, side, side, color);
            let (text, black) = (cell.to_string(), color.of_text_on());
            picture.text(x + side / 2.0, y, &text, Anchor::Middle, black);
        }
    }
    picture.frame(left, top, end, end, Color::GREY);
    let (x, y) = (left + end / 2.0, top + end / 2.0);
    picture.bold(x, 16.0, "predicted", Anchor::Middle, Color::BLACK);
    let look = crate::picture::Look { bold: true, upwards: true };
    picture.look(14.0, y, "true", Anchor::Middle, Color::BLACK, look);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_is_enlarged_smoothly() -> Result<()> {
        let image = Image::new(4, 1, 1, vec![0; 4])?;
        let heat = Tensor::new(vec![0.0f32, 1.0], [1, 2])?;
        let all = overlay(&image, &heat, 1.0)?;
        assert_eq!(all.pixel(0, 0), [68, 1, 84]);
        assert_eq!(all.pixel(3, 0), [253, 231, 37]);
        let between = Color::viridis(0.25);
        assert_eq!(all.pixel(1, 0), [between.0, between.1, between.2]);
        assert_eq!(overlay(&image, &heat, 0.0)?.pixels(), [0; 12]);
        Ok(())
    }

    #[test]
    fn heat_without_a_plane_or_without_a_number_is_an_error() {
        let image = Image::new(1, 1, 1, vec![0]).unwrap();
        let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
        assert!(overlay(&image, &zeros(&[0, 3]), 0.5).is_err());
        assert!(overlay(&image, &zeros(&[3]), 0.5).is_err());
        assert!(heat_map(&zeros(&[0, 3])).is_err());
        let constant = heat_map(&zeros(&[2, 2])).unwrap();
        assert_eq!(constant.pixel(1, 1), [68, 1, 84]);
    }

    #[test]
    fn every_cell_has_its_number() -> std::result::Result<(), deckle_train::Error> {
        let matrix = ConfusionMatrix::new(&[0, 1, 1, 2], &[0, 1, 2, 2])?;
        let svg = confusion_matrix(&matrix).to_svg();
        assert_eq!(svg.matches("<rect x").count(), 9 + 1);
        Ok(())
    }
}
