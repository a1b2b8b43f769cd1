//! Running tile programs: [`Worker`] goes over the elements of a part, tile by tile.
#![expect(unsafe_code, reason = "tiles of values in raw memory")]

use std::mem::MaybeUninit;

use deckle_tensor::{DType, Unary};

use super::{
    Level, Tile,
    fill::{expand, gather, scatter, side_by_side},
    layout::{Call, FRAME, Home, MOST_LOADS, MOST_VALUES, Runs},
};
use crate::{
    Simd,
    graph::{Id, Map},
    math,
    place::Places,
    simd::{Float, prefetch},
    threads,
};

/// The bytes of most programs' registers.
const SMALL: usize = 28 * 1024;

/// Memory for the registers of one worker.
#[repr(C, align(64))]
struct Frame<const BYTES: usize>([MaybeUninit<u8>; BYTES]);

/// Runs `body` with memory for registers. It is a function of its own: a large frame takes a
/// touch of each of its pages.
#[inline(never)]
fn with_frame<const BYTES: usize>(body: impl FnOnce(&mut [MaybeUninit<u8>])) {
    let mut frame = Frame([MaybeUninit::uninit(); BYTES]);
    body(&mut frame.0);
}

/// A tile program on its way over some elements.
pub(crate) struct Worker<'a> {
    pub(super) tile: &'a Tile,
    /// Where the values of the current tile are.
    pub(super) pointers: [*mut u8; MOST_VALUES],
    /// Of filled loads, which part of their period is in the register, and how much.
    loaded: [(usize, usize); MOST_LOADS],
    pub(super) registers: *mut u8,
    pub(super) places: Places<'a>,
    /// The start of a value, and where its elements of the current tile are.
    given: Option<(*mut u8, *mut u8)>,
    /// The elements of the next tile, which follow those of the current one and are fetched
    /// meanwhile.
    ahead: usize,
}

impl<'a> Worker<'a> {
    /// Runs `body` with a worker.
    pub(crate) fn with(
        tile: &Tile,
        places: Places<'_>,
        body: impl FnOnce(&mut Worker<'_>),
    ) {
        let body = |frame: &mut [MaybeUninit<u8>]| {
            body(&mut Worker::new(tile, places, frame));
        };
        if tile.layout.bytes <= SMALL {
            with_frame::<SMALL>(body);
        } else {
            with_frame::<FRAME>(body);
        }
    }

    /// A worker with registers in `frame`, which has to stay in place.
    fn new(tile: &'a Tile, places: Places<'a>, frame: &'a mut [MaybeUninit<u8>]) -> Self {
        assert!(tile.layout.bytes <= frame.len(), "room for all registers");
        let registers = frame.as_mut_ptr().cast();
        let mut worker = Self {
            tile,
            pointers: [registers; MOST_VALUES],
            loaded: [(0, 0); MOST_LOADS],
            registers,
            places,
            given: None,
            ahead: 0,
        };
        for (local, home) in tile.layout.homes.iter().enumerate() {
            if let Home::Register(start) = *home {
                // SAFETY: registers lie within the frame.
                worker.pointers[local] = unsafe { registers.add(start) };
            }
        }
        worker
    }

    /// Computes elements `start` to `end` of the space.
    ///
    /// # Safety
    ///
    /// The program's values are in `places`, and nobody else uses what it writes.
    pub(crate) unsafe fn range(&mut self, start: usize, end: usize) {
        let width = self.tile.layout.width;
        let mut at = start;
        while at < end {
            let len = width.min(end - at);
            if self.tile.layout.far {
                self.ahead = width.min(end - at - len);
            }
            // SAFETY: the caller's promise.
            unsafe { self.advance((at, len), (0, 0)) };
            at += len;
        }
    }

    /// Asks for the part of the next tile's values in memory that belongs to a step.
    fn fetch(&self, step: usize, len: usize) {
        let layout = &self.tile.layout;
        for &local in &layout.moving {
            let size = layout.sizes[local];
            let next = self.pointers[local].wrapping_add(len * size);
            let lines = (self.ahead * size).div_ceil(LINE);
            for line in threads::part(lines, layout.calls.len(), step) {
                prefetch(next.wrapping_add(line * LINE));
            }
        }
    }

    /// Computes whole rows of the frame.
    ///
    /// # Safety
    ///
    /// As for [`Worker::range`].
    pub(super) unsafe fn whole_rows(&mut self, start: usize, end: usize, len: usize) {
        let together = (self.tile.layout.width / len).max(1);
        let mut row = start;
        while row < end {
            let rows = together.min(end - row);
            // SAFETY: the caller's promise.
            unsafe { self.advance((row * len, rows * len), (row, rows)) };
            row += rows;
        }
    }

    /// Computes the elements from `start` on for which `part` holds those of value `id`.
    ///
    /// What shares the value's memory is read and written in `part`.
    ///
    /// # Safety
    ///
    /// As for [`Worker::range`].
    pub(crate) unsafe fn part(
        &mut self,
        start: usize,
        part: &mut [u8],
        id: Id,
        size: usize,
    ) {
        let width = self.tile.layout.width;
        let base = self.places.pointer(id);
        let end = start + part.len() / size;
        let mut at = start;
        while at < end {
            let len = width.min(end - at);
            // SAFETY: the part has `end - start` elements.
            let here = unsafe { part.as_mut_ptr().add((at - start) * size) };
            self.given = Some((base, here));
            // SAFETY: the caller's promise.
            unsafe { self.advance((at, len), (0, 0)) };
            at += len;
        }
    }

    /// Where element `at` of the value at `base` is.
    fn element(&self, base: *mut u8, at: usize, size: usize) -> *mut u8 {
        match self.given {
            Some((given, here)) if given == base => here,
            // SAFETY: the element lies within the value.
            _ => unsafe { base.add(at * size) },
        }
    }

    /// Computes one tile: elements of the space, and rows of the frame, from and how many.
    ///
    /// # Safety
    ///
    /// As for [`Worker::range`]; there are at most as many as the layout's width.
    pub(super) unsafe fn advance(&mut self, full: (usize, usize), row: (usize, usize)) {
        let layout = &self.tile.layout;
        let part = |level: Level| if level == Level::Full { full } else { row };
        for (local, home) in layout.homes.iter().enumerate() {
            if let Home::Moving(id) = *home {
                let (at, _) = part(layout.levels[local]);
                let base = self.places.pointer(id);
                self.pointers[local] = self.element(base, at, layout.sizes[local]);
            }
        }
        for &local in &layout.filled {
            let (at, len) = part(layout.levels[local]);
            // SAFETY: the caller's promise.
            unsafe { self.fill(local, at, len) };
        }
        for (step, call) in layout.calls.iter().enumerate() {
            // SAFETY: each value has room for its elements of this tile.
            unsafe { self.call(call, full, row) };
            if self.ahead > 0 {
                self.fetch(step, full.1);
            }
        }
        for &number in &layout.copied {
            let store = &self.tile.stores[number];
            let size = store.dtype.size();
            let (at, len) = part(layout.levels[store.local]);
            let from = self.pointers[store.local];
            let base = self.places.pointer(store.id);
            // SAFETY: the region, or these elements, lie within the value.
            unsafe {
                match &store.region {
                    Some(region) => scatter(region, base, at, len, from, size),
                    None => from.copy_to(self.element(base, at, size), len * size),
                }
            }
        }
    }

    /// Runs one step over a tile.
    #[inline(always)]
    unsafe fn call(&self, call: &Call, (at, len): (usize, usize), row: (usize, usize)) {
        let [a, b, c] = call.inputs.map(|local| self.pointers[local]);
        let out = self.pointers[call.out];
        let (_, rows) = row;
        let count = |level: Level| if level == Level::Full { len } else { rows };
        let simd = self.tile.layout.simd.unwrap_or(Simd::Portable);
        match call.run {
            // SAFETY: the caller's promise.
            Runs::Function(unary, DType::F32, level) => unsafe {
                function::<f32>(simd, unary, a, out, count(level));
            },
            // SAFETY: as above.
            Runs::Function(unary, _, level) => unsafe {
                function::<f64>(simd, unary, a, out, count(level));
            },
            // SAFETY: as above.
            Runs::Power(DType::F32, level) => unsafe {
                power::<f32>(simd, a, b, out, count(level));
            },
            // SAFETY: as above.
            Runs::Power(_, level) => unsafe {
                power::<f64>(simd, a, b, out, count(level));
            },
            Runs::Loop(run, level) => {
                // SAFETY: the caller's promise.
                unsafe { run(a, b, c, out, count(level)) };
            }
            Runs::Random(map, dtype, level) => {
                let (at, len) = if level == Level::Full { (at, len) } else { row };
                let Map::Random { distribution, stream } = map else {
                    unreachable!("all other maps have loops");
                };
                // SAFETY: seed and step are loaded `I64`s; `out` has room.
                unsafe {
                    let (seed, step) = (a.cast::<i64>().read(), b.cast::<i64>().read());
                    let keys = [seed.cast_unsigned(), stream, step.cast_unsigned()];
                    super::random::draw(simd, keys, distribution, dtype, at, len, out);
                }
            }
            Runs::Fold(fold, identity, size) => {
                let each = len / rows;
                // SAFETY: `out` has an element for each row.
                unsafe { identity.fill(out, rows, size) };
                for row in 0..rows {
                    // SAFETY: as above; `a` has `len` elements.
                    unsafe { fold(a.add(row * each * size), each, out.add(row * size)) };
                }
            }
            Runs::Expand(size) => {
                // SAFETY: `a` has an element for each row, `out` has `len`.
                unsafe { expand(a, out, rows, len / rows, size) };
            }
        }
    }

    unsafe fn fill(&mut self, local: usize, at: usize, len: usize) {
        let load = &self.tile.loads[local];
        let size = self.tile.layout.sizes[local];
        let base = self.places.pointer(load.id);
        let register = match self.tile.layout.homes[local] {
            Home::Moving(_) => {
                // SAFETY: the view lies within the value, and the target has room.
                unsafe { gather(&load.view, base, at, len, self.pointers[local], size) };
                return;
            }
            // SAFETY: registers lie within the frame.
            Home::Register(start) => unsafe { self.registers.add(start) },
        };
        let phase = load.period().map(|period| at % period.max(1));
        if let Some(phase) = phase {
            let (loaded, count) = self.loaded[local];
            if loaded == phase && count >= len {
                self.pointers[local] = register;
                return;
            }
        }
        if let Some(position) = side_by_side(&load.view, at, len) {
            // SAFETY: these elements of the view lie within the value.
            self.pointers[local] = unsafe { base.offset(position * size.cast_signed()) };
            return;
        }
        // SAFETY: as above; a register has room for a tile.
        unsafe { gather(&load.view, base, at, len, register, size) };
        self.pointers[local] = register;
        self.loaded[local] = match phase {
            Some(phase) => (phase, len),
            None => (0, 0),
        };
    }
}

/// The bytes of a cache line.
const LINE: usize = 64;

/// Computes a function of `len` elements, whose results may take their place.
unsafe fn function<T: Float>(
    simd: Simd,
    unary: Unary,
    from: *const u8,
    to: *mut u8,
    len: usize,
) {
    // SAFETY: the caller promises `len` elements in both places; they are floats, of which any
    // bits are values.
    let values = unsafe {
        from.copy_to(to, len * size_of::<T>());
        std::slice::from_raw_parts_mut(to.cast::<T>(), len)
    };
    math::unary_in_place(simd, unary, values);
}

/// Computes powers of `len` elements, which may take the place of either operand.
unsafe fn power<T: Float>(
    simd: Simd,
    base: *const u8,
    exponent: *const u8,
    to: *mut u8,
    len: usize,
) {
    const PIECE: usize = 64;
    let mut exponents = [T::ONE; PIECE];
    let mut at = 0;
    while at < len {
        let count = PIECE.min(len - at);
        // SAFETY: the caller promises `len` elements in all places.
        let values = unsafe {
            let exponent = exponent.cast::<T>().add(at);
            exponent.copy_to_nonoverlapping(exponents.as_mut_ptr(), count);
            let to = to.cast::<T>().add(at);
            base.cast::<T>().add(at).copy_to(to, count);
            std::slice::from_raw_parts_mut(to, count)
        };
        math::pow(simd, values, &exponents[..count]);
        at += count;
    }
}
