//! Where values are during a run: [`Places`], and the [`Context`] that kernels get.
#![expect(unsafe_code, reason = "typed slices of memory that a plan has laid out")]

use deckle_tensor::Spec;

use crate::{
    Simd, Threads,
    graph::{Access, Graph, Id},
};

/// Where a value is: so many bytes behind the start of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) base: usize,
    pub(crate) offset: usize,
}

/// The start of a memory.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Base(pub(crate) *mut u8);

// SAFETY: what is done with the pointer is the concern of those who do it.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

/// Where all values of a plan are in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) places: &'a [Place],
    pub(crate) bases: &'a [Base],
}

impl Places<'_> {
    /// The first byte of a value.
    pub(crate) fn pointer(&self, id: Id) -> *mut u8 {
        let place = self.places[id];
        // SAFETY: the plan has put the value inside that memory.
        unsafe { self.bases[place.base].0.add(place.offset) }
    }
}

/// What a kernel runs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    places: Places<'a>,
    pub(crate) threads: &'a Threads,
    pub(crate) simd: Simd,
}

impl<'a> Context<'a> {
    /// A context of a run.
    ///
    /// # Safety
    ///
    /// The places are those of a plan; its memory is borrowed for `'a`, inputs for reading, all
    /// else for writing. Only one instruction of the plan runs at a time.
    pub(crate) const unsafe fn new(
        places: Places<'a>,
        threads: &'a Threads,
        simd: Simd,
    ) -> Self {
        Self { places, threads, simd }
    }

    pub(crate) const fn places(&self) -> Places<'a> {
        self.places
    }

    /// A value's address.
    pub(crate) fn base(&self, id: Id) -> Base {
        Base(self.places.pointer(id))
    }

    /// The first element's address.
    pub(crate) fn pointer(&self, of: &Dense) -> *mut u8 {
        // SAFETY: the elements lie within the value.
        unsafe { self.places.pointer(of.id).add(of.offset * of.width) }
    }

    /// The elements that an instruction reads. `T` is as wide as the element type.
    pub(crate) fn read<T: Plain>(&self, from: &Dense) -> &'a [T] {
        assert_eq!(size_of::<T>(), from.width, "elements of another size");
        // SAFETY: the plan has put the value there, all of whose bytes are initialized; every
        // bit pattern is a `T`. It puts nothing that the same instruction writes in its place,
        // but for passes, which use pointers.
        unsafe {
            let start = self.places.pointer(from.id).cast::<T>().add(from.offset);
            std::slice::from_raw_parts(start, from.len)
        }
    }

    /// The elements that an instruction writes; each kernel asks for each of them once.
    pub(crate) fn write<T: Plain>(&self, to: &Dense) -> &'a mut [T] {
        assert_eq!(size_of::<T>(), to.width, "elements of another size");
        // SAFETY: as in `read`; nobody else reads or writes the value at that time.
        unsafe {
            let start = self.places.pointer(to.id).cast::<T>().add(to.offset);
            std::slice::from_raw_parts_mut(start, to.len)
        }
    }
}

/// Types of which every bit pattern is a value.
pub(crate) trait Plain: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($T:ty),*) => { $(impl Plain for $T {})* };
}

plain! { f32, f64, i32, i64, u8, u16, u32, u64, deckle_tensor::f16, deckle_tensor::bf16, Base }

/// Some consecutive elements of a value.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) id: Id,
    pub(crate) spec: Spec,
    offset: usize,
    len: usize,
    width: usize,
}

impl Dense {
    /// What a contiguous view picks.
    pub(crate) fn new(graph: &Graph, access: &Access) -> Self {
        let spec = Spec::new(graph.dtype(access.id), access.view.shape.clone());
        let (len, width) = (spec.size(), spec.dtype.size());
        let offset = if len == 0 { 0 } else { access.view.offset.unsigned_abs() };
        Self { id: access.id, offset, len, width, spec }
    }

    /// A whole value.
    pub(crate) fn whole(id: Id, spec: &Spec) -> Self {
        let (len, width) = (spec.size(), spec.dtype.size());
        Self { id, spec: spec.clone(), offset: 0, len, width }
    }

    /// `len` things of `width` bytes at the start of a value.
    pub(crate) fn scratch(id: Id, len: usize, width: usize) -> Self {
        let spec = Spec::new(deckle_tensor::DType::U8, [len * width]);
        Self { id, spec, offset: 0, len, width }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.spec.shape
    }
}
