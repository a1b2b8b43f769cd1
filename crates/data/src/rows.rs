//! Filling the rows of a batch's tensors, on several threads where there are some: [`Workers`].

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use deckle_tensor::{Backend, Element, Tensor, with_element};

use crate::{Error, Result};

/// Bytes that one thread fills at a time. Fewer are filled where they are asked for.
const PIECE: usize = 1 << 16;

/// The backend whose threads help to fill a batch, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers(pub(crate) Option<Arc<dyn Backend>>);

impl Workers {
    /// Fills each row of `to` with `fill`, which is told the row's index; allocates nothing.
    pub(crate) fn fill<T: Element>(
        &self,
        to: &mut [T],
        indices: &[usize],
        fill: impl Fn(&mut [T], usize) + Sync,
    ) {
        let width = to.len() / indices.len().max(1);
        if width == 0 {
            return;
        }
        let fill_all = |rows: &mut [T], indices: &[usize]| {
            for (row, &index) in rows.chunks_exact_mut(width).zip(indices) {
                fill(row, index);
            }
        };
        let Some(backend) = self.0.as_ref().filter(|_| size_of_val(to) > PIECE) else {
            return fill_all(to, indices);
        };
        let rows = (PIECE / (width * size_of::<T>())).max(1);
        let pieces = to.chunks_mut(rows * width).zip(indices.chunks(rows));
        let (count, pieces) = (pieces.len(), Mutex::new(pieces));
        backend.share(count, &|_| {
            let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            if let Some((piece, indices)) = piece {
                fill_all(piece, indices);
            }
        });
    }

    /// Copies the rows of the examples at `indices`, which are in range, to a tensor of as many.
    pub(crate) fn copy(
        &self,
        from: &Tensor,
        indices: &[usize],
        row_of: impl Fn(usize) -> usize + Sync,
        to: &mut Tensor,
    ) {
        with_element!(from.dtype(), T => {
            let from = from.as_slice::<T>().expect("arrays are in row-major order");
            self.fill(to.make_mut::<T>(), indices, |to, index| {
                to.copy_from_slice(&from[row_of(index) * to.len()..][..to.len()]);
            });
        });
    }
}

/// Copies rows of a tensor over those of another from row `at` on. A tensor in row-major order is
/// copied from where it lies.
///
/// # Errors
///
/// If the element types or the shapes of a row differ, or either has no such rows; nothing is
/// written then.
pub(crate) fn copy_rows(
    from: &Tensor,
    rows: &Range<usize>,
    to: &mut Tensor,
    at: usize,
) -> Result<()> {
    let is_alike =
        from.dtype() == to.dtype() && from.shape().get(1..) == to.shape().get(1..);
    if !is_alike {
        return Err(Error::invalid("batch", format_args!("rows of {}", to.spec()))
            .got(from.spec()));
    }
    let count = from.shape().first().copied().unwrap_or(0);
    if rows.start > rows.end || rows.end > count {
        return Err(Error::invalid("batch", format_args!("{} rows", rows.end))
            .got(format_args!("{count} rows")));
    }
    let width = from.size() / count.max(1);
    let whole;
    let bytes = if let Some(bytes) = from.as_bytes() {
        bytes
    } else {
        whole = from.contiguous();
        whole.as_bytes().unwrap_or_default()
    };
    let row = width * from.dtype().size();
    Ok(to.write_bytes(at * width, &bytes[rows.start * row..rows.end * row])?)
}
