//! Vectors of length one: [`normalize`].

use deckle_tensor::{DType, Tensor, resolve_axis};

use crate::{Error, Result};

/// Divides by the norm along an axis: `x / (Σ |xᵢ|ᵖ)^(1/p)`, with `p` the order.
///
/// Order 2 is the Euclidean norm, 1 the sum of the absolute values, `f64::INFINITY` the
/// largest of these. Where the norm is 0, `x` stays as it is. Sums are accumulated in `f64`.
///
/// # Errors
///
/// If `x` is not of a floating-point type, `axis` is out of range, or `order` is not positive.
///
/// # Examples
///
/// ```
/// use deckle_data::normalize;
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::new(vec![3.0f32, 4.0, 0.0, 0.0], [2, 2])?;
/// assert_eq!(normalize(&x, -1, 2.0)?.to_vec::<f32>()?, [0.6, 0.8, 0.0, 0.0]);
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `keras.utils.normalize(x, axis=-1, order=2)`.
pub fn normalize(x: &Tensor, axis: isize, order: f64) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Err(Error::invalid("normalize", "a floating-point type")
            .got(x.dtype())
            .help("cast the tensor first: .cast(DType::F32)"));
    }
    if order.is_nan() || order <= 0.0 {
        return Err(Error::invalid("normalize", "a positive order").got(order));
    }
    let axis = resolve_axis("normalize", axis, x.rank())?;
    let mut values = x.cast(DType::F64).to_vec::<f64>()?;
    let len = x.shape()[axis];
    let inner: usize = x.shape()[axis + 1..].iter().product();
    if values.is_empty() {
        return Ok(x.clone());
    }
    for block in values.chunks_exact_mut(len * inner) {
        for at in 0..inner {
            let norm = norm(block.iter().skip(at).step_by(inner), order);
            if norm > 0.0 {
                block.iter_mut().skip(at).step_by(inner).for_each(|value| *value /= norm);
            }
        }
    }
    Ok(Tensor::new(values, x.shape())?.cast(x.dtype()))
}

fn norm<'a>(values: impl Iterator<Item = &'a f64>, order: f64) -> f64 {
    let magnitudes = values.map(|value| value.abs());
    if order.is_infinite() {
        magnitudes.fold(0.0, f64::max)
    } else {
        magnitudes.map(|value| value.powf(order)).sum::<f64>().powf(order.recip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(axis: isize, order: f64, expected: [f64; 6]) {
        let x = Tensor::new(vec![3.0f64, -2.0, 1.0, 4.0, 0.0, -1.0], [2, 3]).unwrap();
        let got = normalize(&x, axis, order).unwrap().to_vec::<f64>().unwrap();
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-15, "{got} {expected}");
        }
    }

    #[test]
    fn every_vector_along_the_axis_has_norm_one() {
        check(0, 2.0, [0.6, -1.0, 0.5_f64.sqrt(), 0.8, 0.0, -(0.5_f64.sqrt())]);
        check(-1, 1.0, [0.5, -1.0 / 3.0, 1.0 / 6.0, 0.8, 0.0, -0.2]);
        check(1, f64::INFINITY, [1.0, -2.0 / 3.0, 1.0 / 3.0, 1.0, 0.0, -0.25]);
    }

    #[test]
    fn what_has_no_norm_is_an_error() {
        let x = Tensor::zeros(DType::F32, [2, 3]);
        assert!(normalize(&x, 2, 2.0).is_err());
        assert!(normalize(&x, 0, 0.0).is_err());
        assert!(normalize(&x, 0, f64::NAN).is_err());
        assert_eq!(
            normalize(&Tensor::zeros(DType::U8, [2]), 0, 2.0).unwrap_err().to_string(),
            "`normalize`: cannot take this input\n  expected: a floating-point type\n       \
             got: uint8\n      help: cast the tensor first: .cast(DType::F32)"
        );
        let none = Tensor::zeros(DType::F32, [2, 0]);
        assert_eq!(normalize(&none, 1, 2.0).unwrap(), none);
    }
}
