//! Lists of ids of different lengths in NumPy's files.
//!
//! `numpy.save` writes an array of lists as a pickle, a program that may call any function of
//! Python. Here it is read without running anything: lists of integers are taken from it, and
//! whatever else it asks for is an error.

use deckle_data::Sequences;
use deckle_tensor::NpyHeader;

use crate::{Error, Result, pickle};

/// Reads the bytes of an `.npy` file that holds an array of lists of ids.
///
/// `name` stands for the file in errors. Lists of one length may have become an array of two
/// axes; its rows are the lists.
///
/// # Errors
///
/// If this is no such file or a damaged one, or if it holds anything but lists of whole numbers
/// from 0 to 4294967295.
///
/// # Examples
///
/// ```
/// use deckle_datasets::lists;
///
/// // What numpy.save writes of numpy.array([[3, 1], [4]], dtype=object).
/// let header = b"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}\n";
/// let pickle = b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85\
///     C\x01btR(K\x01K\x02\x85cnumpy\ndtype\n(U\x02O8\x89\x88tR\x89](](K\x03K\x01e](K\x04eetb.";
/// let mut npy = b"\x93NUMPY\x01\x00".to_vec();
/// npy.extend((header.len() as u16).to_le_bytes());
/// npy.extend(header);
/// npy.extend(pickle);
///
/// let lists = lists::from_npy(&npy, "lists.npy")?;
/// assert_eq!(lists.get(0), Some(&[3, 1][..]));
/// assert_eq!(lists.get(1), Some(&[4][..]));
/// # Ok::<(), deckle_datasets::Error>(())
/// ```
///
/// # References
///
/// Python's module `pickletools` documents the instructions of pickles.
pub fn from_npy(bytes: &[u8], name: &str) -> Result<Sequences> {
    let header = NpyHeader::parse(bytes, name)?;
    if header.descr != "|O" {
        return Err(Error::file(
            name,
            format_args!("holds elements of type `{}`, expected lists", header.descr),
        ));
    }
    let pickle = bytes.get(header.data_start..).unwrap_or_default();
    pickle::read_lists(pickle, &header.shape)
        .map_err(|problem| Error::file(name, problem))
}
