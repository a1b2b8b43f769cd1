//! Aligned memory with a borrow state: what lies behind a [`Buffer`](deckle_tensor::Buffer).
#![expect(
    unsafe_code,
    reason = "memory that several handles share, guarded by its borrow state"
)]

use std::{
    ops::Range,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use deckle_tensor::{Element, Result, Storage};

/// The alignment of all memory: one cache line, and one AVX-512 register.
pub(crate) const ALIGN: usize = 64;

/// The bytes of a page that maps much memory at once.
const HUGE: usize = 1 << 21;

/// The state of memory that somebody writes.
const WRITER: usize = usize::MAX;

/// Zero-initialized bytes, aligned to [`ALIGN`], that nobody or any number of readers or one
/// writer use; or for a while, those of a tensor, which can only be read.
pub(crate) struct Memory {
    /// What is used: `own`, or the first byte of the tensor's.
    start: NonNull<u8>,
    /// The first byte of the storage.
    own: NonNull<u8>,
    /// The bytes from `own` on.
    bytes: usize,
    /// Keeps `own` in place. It is used through that pointer alone, unless it is lent.
    storage: Arc<Storage>,
    /// The number of readers, or [`WRITER`]. A tensor that is shown or lent to is one reader.
    state: AtomicUsize,
    /// Keeps the tensor's memory in place and unchanged.
    shown: Option<Arc<Storage>>,
    /// Whether a tensor may show `own`.
    lent: bool,
}

// SAFETY: the memory is plain bytes that this value owns, or holds with `shown`. It is reached
// through `pointer` alone, whose users hold a borrow (`read` or `write`) or own the `Memory`.
unsafe impl Send for Memory {}
// SAFETY: as above: the atomic borrow state keeps a writer apart from all others.
unsafe impl Sync for Memory {}

impl Memory {
    /// `bytes` zeros.
    pub(crate) fn zeroed(bytes: usize) -> Result<Self> {
        let (storage, own) = allocate(bytes)?;
        let state = AtomicUsize::new(0);
        Ok(Self { start: own, own, bytes, storage, state, shown: None, lent: false })
    }

    /// Shows `range` of a tensor's memory instead of its own, if it is as long and well aligned;
    /// false if it is not, or somebody uses the memory.
    pub(crate) fn show(&mut self, storage: Arc<Storage>, range: Range<usize>) -> bool {
        self.take_back();
        let Some(bytes) = storage.bytes().get(range) else { return false };
        let fits =
            bytes.len() == self.bytes && bytes.as_ptr().addr().is_multiple_of(ALIGN);
        if !fits || *self.state.get_mut() != 0 {
            return false;
        }
        self.start = NonNull::from(bytes).cast();
        *self.state.get_mut() = 1;
        self.shown = Some(storage);
        true
    }

    /// Its own memory, for a tensor to show it; it can only be read until [`Memory::reclaim`].
    /// None if somebody uses it, or it shows a tensor's instead.
    pub(crate) fn lend(&mut self) -> Option<Arc<Storage>> {
        if *self.state.get_mut() != 0 {
            return None;
        }
        *self.state.get_mut() = 1;
        self.lent = true;
        Some(Arc::clone(&self.storage))
    }

    /// Has memory of its own again, after [`Memory::lend`]: that which was lent, with what it
    /// held, if no tensor shows it any more; or else new one, of zeros.
    pub(crate) fn reclaim(&mut self) -> Result<()> {
        if !self.lent {
            return Ok(());
        }
        self.take_back();
        if self.lent && *self.state.get_mut() == 1 {
            let (storage, own) = allocate(self.bytes)?;
            (self.start, self.own, self.storage, self.lent) = (own, own, storage, false);
            *self.state.get_mut() = 0;
        }
        Ok(())
    }

    /// Ends what `show` began, or `lend` if no tensor shows the memory any more; it is its own
    /// again, with what it held before.
    pub(crate) fn take_back(&mut self) {
        let unseen = !self.lent || Arc::get_mut(&mut self.storage).is_some();
        if (self.shown.is_some() || self.lent) && unseen && *self.state.get_mut() == 1 {
            self.start = self.own;
            *self.state.get_mut() = 0;
            (self.shown, self.lent) = (None, false);
        }
    }

    /// The first byte. What is done with it needs a borrow; without a writer's, it is only read.
    pub(crate) const fn pointer(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Joins the readers, unless there is a writer; ends with [`Memory::release_read`].
    pub(crate) fn acquire_read(&self) -> bool {
        let more = |readers: usize| (readers < WRITER - 1).then(|| readers + 1);
        self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_ok()
    }

    /// Becomes the writer, unless anybody is there; ends with [`Memory::release_write`].
    pub(crate) fn acquire_write(&self) -> bool {
        self.state
            .compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    pub(crate) fn release_read(&self) {
        self.state.fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn release_write(&self) {
        self.state.store(0, Ordering::Release);
    }

    /// Runs `body` on the first `len` bytes as a reader; `None` if there is a writer.
    pub(crate) fn read<R>(&self, len: usize, body: impl FnOnce(&[u8]) -> R) -> Option<R> {
        assert!(len <= self.bytes, "the memory is as long as its spec");
        if !self.acquire_read() {
            return None;
        }
        let _release = Release(|| self.release_read());
        // SAFETY: `start` is valid for `len` initialized bytes, and no writer is there until
        // the borrow is released.
        Some(body(unsafe { std::slice::from_raw_parts(self.start.as_ptr(), len) }))
    }

    /// Copies as many elements as fit; false if there is a writer.
    pub(crate) fn read_into<T: Element>(&self, to: &mut [T]) -> bool {
        let bytes = size_of_val(to);
        let copied = self.read(bytes, |from| {
            // SAFETY: `from` is as long as `to`, and another memory. It holds elements of the
            // type `T`: zeros, or what a tensor or a kernel for that type wrote there.
            unsafe { from.as_ptr().copy_to_nonoverlapping(to.as_mut_ptr().cast(), bytes) }
        });
        copied.is_some()
    }

    /// Runs `body` on the first `len` bytes as the writer; `None` if anybody is there.
    pub(crate) fn write<R>(
        &self,
        len: usize,
        body: impl FnOnce(&mut [u8]) -> R,
    ) -> Option<R> {
        assert!(len <= self.bytes, "the memory is as long as its spec");
        if !self.acquire_write() {
            return None;
        }
        let _release = Release(|| self.release_write());
        // SAFETY: `start` is valid for `len` initialized bytes, and nobody else reads or
        // writes them until the borrow is released.
        Some(body(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), len) }))
    }
}

/// Memory of `bytes` zeros, and where it starts.
fn allocate(bytes: usize) -> Result<(Arc<Storage>, NonNull<u8>)> {
    let align = if bytes >= 2 * HUGE { HUGE } else { ALIGN };
    let mut storage = Storage::try_aligned(bytes, align)?;
    let own = storage.as_mut_ptr().expect("storage that was allocated");
    if align == HUGE {
        prefer_huge_pages(own, bytes / HUGE * HUGE);
    }
    Ok((Arc::new(storage), own))
}

/// Asks the system for huge pages: large memory is touched faster, and found faster, by them.
fn prefer_huge_pages(start: NonNull<u8>, bytes: usize) {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(miri)
    ))]
    {
        use std::ffi::{c_int, c_void};

        unsafe extern "C" {
            fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
        }
        const HUGE_PAGES: c_int = 14;
        // SAFETY: the range is part of an allocation of ours; the advice changes no content. A
        // system that does not take it leaves things as they are.
        unsafe { madvise(start.as_ptr().cast(), bytes, HUGE_PAGES) };
    }
    let _ = (start, bytes);
}

/// Runs its function when dropped, so that a panic leaves no borrow behind.
pub(crate) struct Release<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Release<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_alone() {
        let memory = Memory::zeroed(8).unwrap();
        assert!(memory.acquire_read() && memory.acquire_read());
        assert!(!memory.acquire_write());
        memory.release_read();
        memory.release_read();
        assert!(memory.acquire_write());
        assert!(!memory.acquire_read() && !memory.acquire_write());
        memory.release_write();
        assert_eq!(memory.read(8, <[u8]>::to_vec), Some(vec![0; 8]));
    }

    #[test]
    fn a_shown_tensor_is_read_and_never_written() {
        let mut storage = Storage::zeroed(256);
        storage.as_mut_slice::<u8>().copy_from_slice(&[7; 256]);
        let storage = Arc::new(storage);
        let mut memory = Memory::zeroed(100).unwrap();
        assert!(memory.show(Arc::clone(&storage), 64..164));
        assert_eq!(memory.read(100, <[u8]>::to_vec), Some(vec![7; 100]));
        assert_eq!(memory.pointer().cast_const(), storage.bytes()[64..].as_ptr());
        assert!(memory.acquire_read() && !memory.acquire_write());
        // Somebody reads: the tensor stays.
        memory.take_back();
        assert_eq!(Arc::strong_count(&storage), 2);
        memory.release_read();
        memory.take_back();
        assert_eq!(Arc::strong_count(&storage), 1);
        assert_eq!(memory.write(100, |to| to.to_vec()), Some(vec![0; 100]));
    }

    #[test]
    fn what_does_not_fit_is_not_shown() {
        let storage = Arc::new(Storage::zeroed(256));
        let mut memory = Memory::zeroed(100).unwrap();
        for range in [4..104, 0..64, 0..101, 0..256, 192..292, 0..257] {
            assert!(!memory.show(Arc::clone(&storage), range.clone()), "{range:?}");
        }
        assert!(memory.acquire_read());
        assert!(!memory.show(Arc::clone(&storage), 0..100));
        memory.release_read();
        assert!(memory.show(Arc::clone(&storage), 0..100));
    }

    #[test]
    fn lent_memory_is_written_again_when_nobody_sees_it() {
        let mut memory = Memory::zeroed(100).unwrap();
        memory.write(100, |to| to.fill(7)).unwrap();
        let first = memory.lend().unwrap();
        assert_eq!(first.bytes(), [7; 100]);
        // It is read, but neither written, nor lent once more, nor made to show another.
        assert_eq!(memory.read(100, <[u8]>::to_vec), Some(vec![7; 100]));
        assert!(memory.write(100, |to| to.fill(8)).is_none() && memory.lend().is_none());
        assert!(!memory.show(Arc::new(Storage::zeroed(100)), 0..100));
        memory.reclaim().unwrap();
        memory.write(100, |to| to.fill(8)).unwrap();
        assert_eq!(first.bytes(), [7; 100]);
        let second = memory.lend().unwrap();
        let place = second.bytes().as_ptr();
        drop(second);
        memory.reclaim().unwrap();
        assert_eq!(memory.pointer().cast_const(), place);
        assert_eq!(memory.read(100, <[u8]>::to_vec), Some(vec![8; 100]));
        // Who reads keeps what is read.
        let third = memory.lend().unwrap();
        assert!(memory.acquire_read());
        memory.reclaim().unwrap();
        assert_eq!(memory.pointer().cast_const(), third.bytes().as_ptr());
        memory.release_read();
    }

    #[test]
    fn memory_is_aligned_and_zero() {
        for bytes in [0, 1, 64, 65, 5000, 2 * HUGE - 1, 2 * HUGE, 2 * HUGE + 100] {
            let memory = Memory::zeroed(bytes).unwrap();
            let align = if bytes < 2 * HUGE { ALIGN } else { HUGE };
            // One below the limit is rounded up to it.
            assert!(memory.pointer().addr().is_multiple_of(align), "{bytes}");
            let zeros = memory.read(bytes, |bytes| bytes.iter().all(|&byte| byte == 0));
            assert_eq!(zeros, Some(true));
            let last = bytes.saturating_sub(1);
            memory.write(bytes, |to| to[last..].fill(7));
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(Memory::zeroed(usize::MAX).is_err());
        assert!(Memory::zeroed(isize::MAX.unsigned_abs()).is_err());
    }
}
