//! Aligned, shared memory under tensors. All of this crate's `unsafe` lives here.
#![expect(unsafe_code, reason = "typed views of aligned bytes")]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
};

use crate::{Element, Error, Result};

/// The bytes of one cache line, and of one AVX-512 register.
const LINE: usize = 64;

/// Zero-initialized bytes, aligned to 64.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Storage;
///
/// let mut storage = Storage::zeroed(12);
/// storage.as_mut_slice::<f32>()[2] = 1.5;
/// assert_eq!(storage.as_slice::<f32>(), [0.0, 0.0, 1.5]);
/// ```
pub struct Storage {
    memory: Memory,
    len: usize,
}

enum Memory {
    Owned(Block),
    /// Memory of a foreign owner, who keeps it in place and unchanged as long as it lives.
    #[cfg_attr(
        not(feature = "ndarray"),
        expect(dead_code, reason = "only `ndarray` lends memory")
    )]
    Foreign {
        start: *const u8,
        _owner: Box<dyn std::any::Any + Send + Sync>,
    },
}

/// Bytes from the allocator, with the first aligned one among them.
struct Block {
    start: NonNull<u8>,
    aligned: NonNull<u8>,
    layout: Layout,
}

impl Block {
    /// Zeros, `len` of them aligned; `None` if there is not so much memory.
    fn zeroed(len: usize, align: usize) -> Option<Self> {
        // Aligned here: the allocator would write the zeros of memory that it has to align, and
        // so touch all of it, where the system has pages of zeros.
        let layout = Layout::from_size_align(len.checked_add(align)?, 1).ok()?;
        // SAFETY: the layout's size is not 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let gap = start.addr().get().wrapping_neg() % align;
        // SAFETY: the gap is less than the alignment, which the block is longer by.
        let aligned = unsafe { start.add(gap) };
        Some(Self { start, aligned, layout })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, and freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

// SAFETY: `Owned` is plain data that this value owns. `Foreign` is only ever read through `start`,
// and its owner, which is `Send + Sync` itself, neither moves nor changes the memory while it lives.
unsafe impl Send for Storage {}
// SAFETY: as above; shared references give read access only.
unsafe impl Sync for Storage {}

impl Storage {
    /// `len` bytes, all zero.
    ///
    /// # Panics
    ///
    /// If there is no such number of bytes in any memory.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::try_zeroed(len).unwrap_or_else(|error| panic!("{error}"))
    }

    /// `len` bytes, all zero, if there is so much memory.
    ///
    /// # Errors
    ///
    /// If there is not.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Storage;
    ///
    /// assert_eq!(Storage::try_zeroed(12)?.len(), 12);
    /// assert!(Storage::try_zeroed(usize::MAX).is_err());
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn try_zeroed(len: usize) -> Result<Self> {
        Self::try_aligned(len, LINE)
    }

    /// As [`Storage::try_zeroed`], aligned to `align` bytes instead of 64.
    ///
    /// # Errors
    ///
    /// If there is not so much memory.
    ///
    /// # Panics
    ///
    /// If `align` is less than 64 or no power of two.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Storage;
    ///
    /// let page = Storage::try_aligned(5, 4096)?;
    /// assert!(page.bytes().as_ptr().addr().is_multiple_of(4096));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn try_aligned(len: usize, align: usize) -> Result<Self> {
        let fits = align.is_power_of_two() && align >= LINE;
        assert!(fits, "align: a power of two, at least {LINE}");
        let block = Block::zeroed(len, align).ok_or_else(|| {
            Error::invalid("allocate", "a value that fits into memory")
                .got(format_args!("{len} bytes"))
        })?;
        Ok(Self { memory: Memory::Owned(block), len })
    }

    /// A copy of `values`.
    #[must_use]
    pub fn from_slice<T: Element>(values: &[T]) -> Self {
        let mut storage = Self::zeroed(size_of_val(values));
        storage.as_mut_slice().copy_from_slice(values);
        storage
    }

    /// The number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is not one byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn start(&self) -> *const u8 {
        match &self.memory {
            Memory::Owned(block) => block.aligned.as_ptr(),
            Memory::Foreign { start, .. } => *start,
        }
    }

    /// Whether the memory belongs to someone else, so that it can only be read.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.memory, Memory::Foreign { .. })
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` is valid for reads of `len` initialized bytes: `Owned` has as
        // many from its first aligned byte on, `Foreign` was made from a slice of that many bytes.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }

    /// The memory as elements; a rest that is too short for one is left out.
    ///
    /// # Panics
    ///
    /// If `T` is `bool`, and a byte is neither 0 nor 1.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> &[T] {
        if T::DTYPE == crate::DType::Bool {
            assert!(self.bytes().iter().all(|&byte| byte < 2), "a Bool is 0 or 1");
        }
        // SAFETY: the memory is valid for reads of `len` initialized bytes and aligned for
        // every `Element` (64 for `Owned`; `Foreign` was made from a slice of such elements).
        // All bit patterns are values of an `Element` but for `bool`, checked above.
        unsafe {
            std::slice::from_raw_parts(self.start().cast(), self.len / size_of::<T>())
        }
    }

    /// The first byte, for backends that guard the memory themselves; none if it is foreign.
    ///
    /// It stays where it is as long as this value lives.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Storage;
    ///
    /// let mut storage = Storage::zeroed(12);
    /// let start = storage.as_mut_ptr().map(|start| start.as_ptr().cast_const());
    /// assert_eq!(start, Some(storage.bytes().as_ptr()));
    /// ```
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> Option<NonNull<u8>> {
        match &self.memory {
            Memory::Owned(block) => Some(block.aligned),
            Memory::Foreign { .. } => None,
        }
    }

    /// The memory as elements that can be changed; a rest that is too short is left out.
    ///
    /// # Panics
    ///
    /// If the memory is foreign, or `T` is `bool` and a byte is neither 0 nor 1.
    #[must_use]
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        if T::DTYPE == crate::DType::Bool {
            assert!(self.bytes().iter().all(|&byte| byte < 2), "a Bool is 0 or 1");
        }
        let Memory::Owned(block) = &self.memory else {
            panic!("foreign memory is read-only; copy it first");
        };
        // SAFETY: as in `as_slice`; `&mut self` makes the access exclusive, and `Owned` memory
        // may be written.
        unsafe {
            std::slice::from_raw_parts_mut(
                block.aligned.as_ptr().cast(),
                self.len / size_of::<T>(),
            )
        }
    }
}

#[cfg(feature = "ndarray")]
impl Storage {
    /// Lends the memory that `view` finds in `owner`, without a copy.
    ///
    /// The owner is boxed first, so that the memory stays in place even if `view` points into
    /// the owner itself.
    pub(crate) fn from_owner<O: Send + Sync + 'static, T: Element>(
        owner: O,
        view: impl FnOnce(&O) -> &[T],
    ) -> Self {
        let owner = Box::new(owner);
        let slice = view(&owner);
        let (start, len) = (slice.as_ptr().cast(), size_of_val(slice));
        Self { memory: Memory::Foreign { start, _owner: owner }, len }
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_memory_is_aligned_and_zero() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let storage = Storage::zeroed(len);
            assert_eq!(storage.bytes().as_ptr() as usize % 64, 0);
            assert_eq!(storage.bytes(), vec![0; len]);
        }
    }

    #[test]
    #[should_panic(expected = "a Bool is 0 or 1")]
    fn bytes_that_are_no_bools_are_refused() {
        let mut storage = Storage::zeroed(3);
        storage.as_mut_slice::<u8>()[1] = 2;
        let _ = storage.as_slice::<bool>();
    }
}
