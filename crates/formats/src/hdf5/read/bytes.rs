//! What is left of a piece of the file: [`Bytes`].

use crate::{Error, Result};

/// What is left of a piece of the file.
#[derive(Clone, Debug)]
pub(in crate::hdf5) struct Bytes<'a> {
    pub(super) rest: &'a [u8],
    what: &'static str,
}

impl<'a> Bytes<'a> {
    pub(super) const fn new(rest: &'a [u8], what: &'static str) -> Self {
        Self { rest, what }
    }

    pub(in crate::hdf5) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| {
            Error::new(format_args!("damaged: {} ends early", self.what))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(in crate::hdf5) fn skip(&mut self, len: usize) -> Result<()> {
        self.take(len).map(|_| ())
    }

    /// A piece of its own, of `len` bytes and what fills them up to a multiple of `align`.
    pub(super) fn piece(
        &mut self,
        len: usize,
        align: usize,
        what: &'static str,
    ) -> Result<Self> {
        let piece = Self::new(self.take(len)?, what);
        self.skip((len.next_multiple_of(align) - len).min(self.rest.len()))?;
        Ok(piece)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(in crate::hdf5) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(in crate::hdf5) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(in crate::hdf5) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(in crate::hdf5) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of `size` bytes, 8 at most.
    pub(super) fn uint(&mut self, size: usize) -> Result<u64> {
        if size > 8 {
            return Err(Error::new(format_args!(
                "damaged: a number of {size} bytes in {}",
                self.what
            )));
        }
        let mut array = [0; 8];
        array[..size].copy_from_slice(self.take(size)?);
        Ok(u64::from_le_bytes(array))
    }

    pub(super) fn expect(&mut self, signature: &[u8]) -> Result<()> {
        if self.take(signature.len())? == signature {
            return Ok(());
        }
        Err(Error::new(format_args!("damaged: no {} where one should be", self.what)))
    }
}
