//! The tensor itself: [`Tensor`], and how one is made and looked into.

use std::{ops::Range, sync::Arc};

use crate::{
    DType, Element, Error, Result, Spec, Storage, shape_text, walk, with_element,
};

/// An array of numbers with a shape: immutable values, cheap clones.
///
/// A tensor is a view (shape, strides, offset) of shared, 64-byte-aligned memory. Slicing,
/// transposing and broadcasting make new views of the same memory; all else makes new memory.
///
/// # Examples
///
/// ```
/// use deckle_tensor::Tensor;
///
/// let x = Tensor::new(vec![5.0f32, 10.0, 15.0, 20.0, 25.0, 30.0], [2, 3])?;
/// assert_eq!(x.rank(), 2);
/// assert_eq!(x.shape(), [2, 3]);
/// assert_eq!(x.to_vec::<f32>()?[4], 25.0);
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    storage: Arc<Storage>,
    dtype: DType,
    shape: Vec<usize>,
    /// In elements, per axis.
    strides: Vec<isize>,
    /// Of the first element, in elements.
    offset: usize,
}

impl Tensor {
    /// A tensor of `values` in row-major order.
    ///
    /// # Errors
    ///
    /// If the number of values is not the product of `shape`.
    pub fn new<T: Element>(
        values: impl AsRef<[T]>,
        shape: impl AsRef<[usize]>,
    ) -> Result<Self> {
        let (values, shape) = (values.as_ref(), shape.as_ref());
        let size = checked_size(shape)?;
        if values.len() != size {
            return Err(Error::invalid(
                "Tensor::new",
                format_args!("{size} elements for shape {}", shape_text(shape)),
            )
            .got(format_args!("{} elements", values.len())));
        }
        Ok(Self::from_storage(Storage::from_slice(values), T::DTYPE, shape))
    }

    /// A tensor without axes.
    #[must_use]
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_storage(Storage::from_slice(&[value]), T::DTYPE, &[])
    }

    /// A tensor of zeros (`false` for `Bool`).
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    #[must_use]
    pub fn zeros(dtype: DType, shape: impl AsRef<[usize]>) -> Self {
        let shape = shape.as_ref();
        let size = checked_size(shape).expect("a shape that fits into memory");
        Self::from_storage(Storage::zeroed(size * dtype.size()), dtype, shape)
    }

    /// A tensor of zeros (`false` for `Bool`), if there is memory for it.
    ///
    /// # Errors
    ///
    /// If there is not.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// assert_eq!(Tensor::try_zeros(DType::F32, [2])?, Tensor::from([0.0f32, 0.0]));
    /// assert!(Tensor::try_zeros(DType::F32, [usize::MAX, 2]).is_err());
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn try_zeros(dtype: DType, shape: impl AsRef<[usize]>) -> Result<Self> {
        let shape = shape.as_ref();
        let bytes = checked_size(shape)?.checked_mul(dtype.size());
        // More than any memory has, so that the error is of one kind.
        let storage = Storage::try_zeroed(bytes.unwrap_or(usize::MAX))?;
        Ok(Self::from_storage(storage, dtype, shape))
    }

    /// A tensor of one value.
    ///
    /// # Panics
    ///
    /// If the number of bytes exceeds the address space.
    #[must_use]
    pub fn full<T: Element>(shape: impl AsRef<[usize]>, value: T) -> Self {
        let mut tensor = Self::zeros(T::DTYPE, shape);
        tensor.make_mut().fill(value);
        tensor
    }

    /// A tensor made of all elements of `storage` in row-major order.
    ///
    /// `storage` must hold exactly the elements of `shape`.
    pub(crate) fn from_storage(storage: Storage, dtype: DType, shape: &[usize]) -> Self {
        debug_assert!(
            storage.is_foreign()
                || storage.len() == shape.iter().product::<usize>() * dtype.size()
        );
        Self {
            storage: Arc::new(storage),
            dtype,
            shape: shape.to_vec(),
            strides: contiguous_strides(shape),
            offset: 0,
        }
    }

    /// A tensor of memory that others may see too, in row-major order; changing it copies it.
    ///
    /// # Errors
    ///
    /// If the memory has not the spec's number of bytes, or is foreign.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use deckle_tensor::{DType, Spec, Storage, Tensor};
    ///
    /// let storage = Arc::new(Storage::from_slice(&[1.0f32, 2.0]));
    /// let x = Tensor::of_storage(storage, &Spec::new(DType::F32, [2]))?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn of_storage(storage: Arc<Storage>, spec: &Spec) -> Result<Self> {
        if storage.len() != spec.bytes() || storage.is_foreign() {
            return Err(Error::invalid(
                "Tensor::of_storage",
                format_args!("{} bytes for {spec}", spec.bytes()),
            )
            .got(format_args!("{}", storage.len())));
        }
        let (shape, strides) = (spec.shape.clone(), contiguous_strides(&spec.shape));
        Ok(Self { storage, dtype: spec.dtype, shape, strides, offset: 0 })
    }

    /// A tensor of raw little-endian bytes in row-major order.
    ///
    /// # Errors
    ///
    /// If the number of bytes is not that of `shape`, or a byte of a `Bool` is neither 0 nor 1.
    pub fn from_bytes(
        dtype: DType,
        shape: impl AsRef<[usize]>,
        bytes: &[u8],
    ) -> Result<Self> {
        let shape = shape.as_ref();
        let size = checked_size(shape)?;
        let expected = size.checked_mul(dtype.size());
        if expected != Some(bytes.len()) {
            return Err(Error::invalid(
                "Tensor::from_bytes",
                format_args!(
                    "{size} elements of {dtype} for shape {}",
                    shape_text(shape)
                ),
            )
            .got(format_args!("{} bytes", bytes.len())));
        }
        if dtype == DType::Bool && bytes.iter().any(|&byte| byte > 1) {
            return Err(Error::invalid("Tensor::from_bytes", "bytes 0 and 1 for bool")
                .got("another byte"));
        }
        let mut storage = Storage::zeroed(bytes.len());
        storage.as_mut_slice::<u8>().copy_from_slice(bytes);
        Ok(Self::from_storage(storage, dtype, shape))
    }

    /// A view of the same memory; the caller has checked that it lies inside.
    pub(crate) fn view(
        &self,
        shape: Vec<usize>,
        strides: Vec<isize>,
        offset: usize,
    ) -> Self {
        Self {
            storage: Arc::clone(&self.storage),
            dtype: self.dtype,
            shape,
            strides,
            offset,
        }
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The distance in elements between neighbours along each axis.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The position of the first element in the memory, in elements.
    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    /// The element type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// The number of axes.
    #[must_use]
    pub const fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// Shape and element type.
    #[must_use]
    pub fn spec(&self) -> Spec {
        Spec::new(self.dtype, self.shape.clone())
    }

    /// Whether shape and element type are those of `spec`.
    #[must_use]
    pub fn is_of(&self, spec: &Spec) -> bool {
        self.dtype == spec.dtype && self.shape == spec.shape
    }

    /// Whether the elements lie in row-major order without gaps.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.is_empty()
            || self.shape.iter().zip(&self.strides).rev().all(|(&len, &stride)| {
                let fits = len <= 1 || stride == expected;
                expected *= len.cast_signed();
                fits
            })
    }

    /// The elements in row-major order, if they lie so and are of type `T`.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE != self.dtype || !self.is_contiguous() {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        Some(&self.storage.as_slice()[self.offset..self.offset + self.size()])
    }

    /// The elements of a tensor that the caller has made contiguous.
    pub(crate) fn values<T: Element>(&self) -> &[T] {
        self.as_slice().expect("the caller has checked layout and element type")
    }

    /// All elements of the memory under this view, whatever its order.
    pub(crate) fn memory<T: Element>(&self) -> &[T] {
        debug_assert_eq!(T::DTYPE, self.dtype);
        self.storage.as_slice()
    }

    /// The raw bytes of the elements, if these lie in row-major order.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        let (size, width) = (self.size(), self.dtype.size());
        if size == 0 {
            return Some(&[]);
        }
        self.is_contiguous().then(|| {
            &self.storage.bytes()[self.offset * width..(self.offset + size) * width]
        })
    }

    /// The memory, and where in it the bytes of the elements lie, if these are in row-major
    /// order and the memory is the tensor's own, not foreign.
    ///
    /// For backends: as long as the memory is held, nothing changes it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::new(vec![1.0f32, 2.0, 3.0], [3])?;
    /// let (storage, range) = x.slice((1..,))?.shared_bytes().expect("in order");
    /// assert_eq!((storage.len(), range), (12, 4..12));
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    #[must_use]
    pub fn shared_bytes(&self) -> Option<(Arc<Storage>, Range<usize>)> {
        if !self.is_contiguous() || self.storage.is_foreign() {
            return None;
        }
        let (size, width) = (self.size(), self.dtype.size());
        let start = if size == 0 { 0 } else { self.offset * width };
        Some((Arc::clone(&self.storage), start..start + size * width))
    }

    /// Whether the memory holds these elements alone, in row-major order, and no other tensor
    /// sees it.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_contiguous()
            && self.storage.len() == self.size() * self.dtype.size()
            && !self.storage.is_foreign()
            && Arc::strong_count(&self.storage) == 1
    }

    /// The same values in row-major order without gaps; no copy if they lie so already.
    #[must_use]
    pub fn contiguous(&self) -> Self {
        if self.is_contiguous() {
            return self.clone();
        }
        with_element!(self.dtype, T => walk::map(self, |x: T| x))
    }

    /// The positions in the memory of the elements, in row-major order.
    pub(crate) fn positions(&self) -> Positions<'_> {
        Positions::new(&self.shape, &self.strides, self.offset)
    }

    /// The elements in row-major order, whatever the strides. `T` must be the element type.
    pub(crate) fn iter<T: Element>(&self) -> impl Iterator<Item = T> + '_ {
        let memory = self.memory::<T>();
        self.positions().map(move |at| memory[at])
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    ///
    /// If they are not of type `T`.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect_dtype::<T>("to_vec")?;
        Ok(self.as_slice().map_or_else(|| self.iter().collect(), <[T]>::to_vec))
    }

    /// The one element.
    ///
    /// # Errors
    ///
    /// If there is not exactly one element, or it is not of type `T`.
    pub fn item<T: Element>(&self) -> Result<T> {
        self.expect_dtype::<T>("item")?;
        if self.size() != 1 {
            return Err(Error::invalid("item", "exactly one element")
                .got(format_args!("shape {}", shape_text(&self.shape))));
        }
        Ok(self.memory()[self.offset])
    }

    /// The elements for writing; copies them first if somebody else sees them.
    ///
    /// # Panics
    ///
    /// If `T` is not the element type.
    #[must_use]
    pub fn make_mut<T: Element>(&mut self) -> &mut [T] {
        assert_eq!(T::DTYPE, self.dtype, "make_mut: another element type");
        self.own().as_mut_slice()
    }

    /// The memory, which holds the elements in row-major order and nothing else, for writing;
    /// copies first if it is not so, or if somebody else sees it.
    fn own(&mut self) -> &mut Storage {
        let whole = self.offset == 0
            && self.storage.len() == self.size() * self.dtype.size()
            && !self.storage.is_foreign()
            && self.is_contiguous();
        if !whole || Arc::get_mut(&mut self.storage).is_none() {
            let ordered = self.contiguous();
            let bytes = ordered.as_bytes().expect("in row-major order");
            *self =
                Self::from_storage(Storage::from_slice(bytes), self.dtype, &self.shape);
        }
        Arc::get_mut(&mut self.storage).expect("nobody else sees it now")
    }

    /// Writes raw little-endian bytes over the elements from `start` on, in row-major order;
    /// copies first if somebody else sees them.
    ///
    /// # Errors
    ///
    /// If they are no whole elements or too many, or a byte of a `Bool` is neither 0 nor 1; nothing
    /// is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::{DType, Tensor};
    ///
    /// let mut x = Tensor::zeros(DType::I32, [2, 2]);
    /// x.write_bytes(1, &[7, 0, 0, 0, 0, 1, 0, 0])?;
    /// assert_eq!(x.to_vec::<i32>()?, [0, 7, 256, 0]);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn write_bytes(&mut self, start: usize, bytes: &[u8]) -> Result<()> {
        let width = self.dtype.size();
        let count = bytes.len() / width;
        let fits = bytes.len().is_multiple_of(width)
            && start.checked_add(count).is_some_and(|end| end <= self.size());
        if !fits {
            return Err(Error::invalid(
                "Tensor::write_bytes",
                format_args!("whole elements of {} within {}", self.dtype, self.size()),
            )
            .got(format_args!("{} bytes from element {start} on", bytes.len())));
        }
        if self.dtype == DType::Bool && bytes.iter().any(|&byte| byte > 1) {
            return Err(Error::invalid("Tensor::write_bytes", "bytes 0 and 1 for bool")
                .got("another byte"));
        }
        let all = self.own().as_mut_slice::<u8>();
        all[start * width..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// The same values as another type.
    ///
    /// Floating point to integer truncates towards zero and saturates, NaN becomes 0; between
    /// integers the bits wrap; to `Bool`, all but 0 is `true`.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Self {
        if dtype == self.dtype {
            return self.clone();
        }
        let float = self.dtype.is_float() || dtype.is_float();
        let through_float = float && dtype != DType::I64;
        with_element!(self.dtype, From => with_element!(dtype, To => {
            walk::map(self, |x: From| {
                if through_float {
                    To::from_f64(x.to_f64())
                } else {
                    To::from_i64(x.to_i64())
                }
            })
        }))
    }

    /// Whether shape, element type and every bit of every element are equal.
    #[must_use]
    pub fn bits_equal(&self, other: &Self) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && self.contiguous().as_bytes() == other.contiguous().as_bytes()
    }

    pub(crate) fn expect_dtype<T: Element>(&self, op: &'static str) -> Result<()> {
        if T::DTYPE == self.dtype {
            return Ok(());
        }
        Err(Error::invalid(op, T::DTYPE)
            .got(self.dtype)
            .help(format_args!("cast the tensor first: .cast(DType::{:?})", T::DTYPE)))
    }
}

/// The number of elements of `shape`, if they can be addressed.
pub(crate) fn checked_size(shape: &[usize]) -> Result<usize> {
    // As in NumPy, the other axes have to fit beside an empty one: strides are their products.
    shape
        .iter()
        .try_fold(1usize, |size, &len| size.checked_mul(len.max(1)))
        .filter(|&size| size <= isize::MAX.unsigned_abs() / 16)
        .map(|size| if shape.contains(&0) { 0 } else { size })
        .ok_or_else(|| {
            Error::invalid("shape", "a number of elements that fits into memory")
                .got(shape_text(shape))
        })
}

/// The strides of row-major order without gaps.
pub(crate) fn contiguous_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        // It cannot saturate, unless the tensor is empty and has no use for strides.
        let len = isize::try_from(shape[axis]).unwrap_or(isize::MAX).max(1);
        strides[axis - 1] = isize::saturating_mul(strides[axis], len);
    }
    strides
}

/// The positions in memory of a view's elements, in row-major order.
pub(crate) struct Positions<'a> {
    shape: &'a [usize],
    strides: &'a [isize],
    index: Vec<usize>,
    at: isize,
    left: usize,
}

impl<'a> Positions<'a> {
    pub(crate) fn new(shape: &'a [usize], strides: &'a [isize], offset: usize) -> Self {
        let left = shape.iter().product();
        Self {
            shape,
            strides,
            index: vec![0; shape.len()],
            at: offset.cast_signed(),
            left,
        }
    }
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let at = self.at.unsigned_abs();
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.at += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.at -= self.strides[axis] * self.shape[axis].cast_signed();
            self.index[axis] = 0;
        }
        Some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
