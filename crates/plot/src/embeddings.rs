//! Vectors as points in the plane: [`embeddings`].

use deckle_tensor::{DType, Tensor, shape_text};

use crate::{Anchor, Color, Error, Picture, Result};

/// Vectors `(count, length)` as points in the plane of their first two principal components,
/// with a name at each; points without a name are small.
///
/// Vectors of length 2 are drawn as they are, of length 1 on a line.
///
/// # Errors
///
/// If the shape is another one, or a number is not finite.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
///
/// let words = Tensor::new(vec![1.0f32, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0, 0.0, 1.0], [3, 3])?;
/// let svg = deckle_plot::embeddings(&words, &["good", "great", "bad"])?.to_svg();
/// assert!(svg.contains(">great</text>"));
/// # Ok::<(), deckle_plot::Error>(())
/// ```
///
/// # References
///
/// Pearson: *On lines and planes of closest fit to systems of points in space* (1901).
pub fn embeddings(vectors: &Tensor, names: &[&str]) -> Result<Picture> {
    let [count, length] = *vectors.shape() else {
        return Err(Error::invalid(
            "these are no vectors",
            "(count, length)",
            shape_text(vectors.shape()),
        ));
    };
    let values = vectors.cast(DType::F64).to_vec::<f64>()?;
    if count * length == 0 || values.iter().any(|value| !value.is_finite()) {
        return Err(Error::invalid(
            "these vectors cannot be drawn",
            "finite numbers, one or more",
            format_args!("{}, or NaN", shape_text(vectors.shape())),
        ));
    }
    let rows: Vec<&[f64]> = values.chunks_exact(length).collect();
    let points = match length {
        1 => rows.iter().map(|row| (row[0], 0.0)).collect(),
        2 => rows.iter().map(|row| (row[0], row[1])).collect(),
        _ => projected(&rows),
    };
    Ok(draw(&points, names))
}

fn draw(points: &[(f64, f64)], names: &[&str]) -> Picture {
    let side = 640.0;
    let mut picture = Picture::new(side, side);
    let place = |value: fn(&(f64, f64)) -> f64| {
        let all: Vec<_> = points.iter().map(value).collect();
        let (low, high) = crate::grid::range(&all);
        move |point: &(f64, f64)| {
            40.0 + (value(point) - low) / (high - low) * (side - 80.0)
        }
    };
    let (x, y) = (place(|point| point.0), place(|point| point.1));
    for (i, point) in points.iter().enumerate() {
        let (x, y) = (x(point), side - y(point));
        match names.get(i) {
            Some(name) => {
                picture.circle(x, y, 3.0, Color::of_series(0));
                picture.text(x, y - 10.0, name, Anchor::Middle, Color::BLACK);
            }
            None => picture.circle(x, y, 1.5, Color::of_series(0)),
        }
    }
    picture
}

/// The rows in the directions in which they differ most.
fn projected(rows: &[&[f64]]) -> Vec<(f64, f64)> {
    let length = rows[0].len();
    let mut centered: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
    for at in 0..length {
        let mean = rows.iter().map(|row| row[at] / rows.len() as f64).sum::<f64>();
        centered.iter_mut().for_each(|row| row[at] -= mean);
    }
    let axes = [(); 2].map(|()| {
        let axis = direction(&centered);
        let along: Vec<_> = centered.iter().map(|row| dot(row, &axis)).collect();
        for (row, &along) in centered.iter_mut().zip(&along) {
            row.iter_mut().zip(&axis).for_each(|(value, axis)| *value -= along * axis);
        }
        along
    });
    let [first, second] = axes;
    first.into_iter().zip(second).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The direction in which centered rows differ most, by power iteration.
fn direction(rows: &[Vec<f64>]) -> Vec<f64> {
    let length = rows[0].len();
    let norm = |axis: &[f64]| dot(axis, axis).sqrt();
    // The longest row is not orthogonal to that direction, but by accident.
    let longest = rows.iter().max_by(|a, b| norm(a).total_cmp(&norm(b)));
    let mut axis = longest.cloned().unwrap_or_else(|| vec![0.0; length]);
    for _ in 0..100 {
        let size = norm(&axis);
        if size == 0.0 || !size.is_finite() {
            return vec![0.0; length];
        }
        axis.iter_mut().for_each(|value| *value /= size);
        let mut next = vec![0.0; length];
        for row in rows {
            let along = dot(row, &axis);
            next.iter_mut().zip(row).for_each(|(next, value)| *next += along * value);
        }
        if norm(&next) == 0.0 {
            break;
        }
        axis = next;
    }
    let size = norm(&axis).max(f64::MIN_POSITIVE);
    axis.iter().map(|value| value / size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_keeps_the_largest_differences() {
        let turn = |a: f64, b: f64| vec![a * 0.6 + 1.0, a * 0.8, b, 0.01 * a * b];
        let rows: Vec<_> = [(-9.0, 1.0), (-3.0, -2.0), (2.0, 2.0), (10.0, -1.0)]
            .map(|(a, b)| turn(a, b))
            .to_vec();
        let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
        let points = projected(&rows);
        let sign = points[3].0.signum();
        let order: Vec<_> = points.iter().map(|point| (point.0 * sign).round()).collect();
        assert_eq!(order, [-9.0, -3.0, 2.0, 10.0]);
        let spread: f64 = points.iter().map(|point| point.1 * point.1).sum();
        assert!((8.0..12.0).contains(&spread), "{spread}");
    }

    #[test]
    fn every_number_of_vectors_and_length_is_drawn() {
        for shape in [[1, 1], [1, 5], [3, 2], [2, 7]] {
            let zeros = Tensor::zeros(DType::F32, shape);
            assert!(!embeddings(&zeros, &["a"]).unwrap().to_svg().contains("NaN"));
        }
        assert!(embeddings(&Tensor::zeros(DType::F32, [0, 3]), &[]).is_err());
        assert!(embeddings(&Tensor::zeros(DType::F32, [3]), &[]).is_err());
        let nan = Tensor::new(vec![f32::NAN; 6], [2, 3]).unwrap();
        assert!(embeddings(&nan, &[]).is_err());
    }
}
