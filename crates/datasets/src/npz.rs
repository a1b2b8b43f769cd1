//! What Keras's `.npz` files hold: arrays of integers, and arrays of lists.

use std::path::Path;

use deckle_data::Sequences;
use deckle_tensor::{DType, Npz, Tensor};

use crate::{Error, Result, lists};

/// A `.npz` file, by its path.
pub(crate) struct Archive<'a> {
    npz: Npz,
    path: &'a Path,
}

impl<'a> Archive<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        Ok(Self { npz: Npz::open(path)?, path })
    }

    fn failed(&self, member: &str, problem: impl std::fmt::Display) -> Error {
        Error::file(format_args!("{}, member `{member}`", self.path.display()), problem)
    }

    /// An array of bytes.
    pub(crate) fn bytes(&self, member: &str) -> Result<Tensor> {
        let tensor = self.npz.tensor(member)?;
        if tensor.dtype() != DType::U8 {
            return Err(self.failed(
                member,
                format_args!("holds {}, expected uint8", tensor.dtype()),
            ));
        }
        Ok(tensor)
    }

    /// An array of class numbers, as `I64`.
    pub(crate) fn labels(&self, member: &str) -> Result<Vec<i64>> {
        let tensor = self.npz.tensor(member)?;
        if !tensor.dtype().is_integer() || tensor.rank() != 1 {
            return Err(self.failed(
                member,
                format_args!("holds {}, expected a list of integers", tensor.spec()),
            ));
        }
        Ok(tensor.cast(DType::I64).to_vec()?)
    }

    /// An array of numbers, as `F32`.
    pub(crate) fn floats(&self, member: &str) -> Result<Tensor> {
        let tensor = self.npz.tensor(member)?;
        if !tensor.dtype().is_float() {
            return Err(self.failed(
                member,
                format_args!("holds {}, expected floating-point numbers", tensor.dtype()),
            ));
        }
        Ok(tensor.cast(DType::F32))
    }

    /// An array of lists of ids.
    pub(crate) fn sequences(&self, member: &str) -> Result<Sequences> {
        let bytes = self.npz.bytes(member)?;
        let name = format!("{}, member `{member}`", self.path.display());
        lists::from_npy(&bytes, &name)
    }
}
