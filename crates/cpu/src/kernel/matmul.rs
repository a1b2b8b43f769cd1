//! Matrix products, and what is done to their results in passing.

use deckle_tensor::{DType, Result};

use super::{Finish, Kernel, Product};
use crate::{
    Simd, Threads,
    gemm::{Base, Epilogue, Gemm, Lists, Matrix, NonZeros, Packed},
    graph::{Graph, Id, Node},
    place::{Context, Dense, Plain},
    simd::Float,
    tile::number::Number,
    view::View,
};

/// Products of matrices, each finished by a tile program over its result.
pub(crate) struct MatMul {
    gemm: Gemm,
    /// The same product, if A can have few non-zeros.
    non_zeros: Option<NonZeros>,
    lists: Option<Listed>,
    /// A copy of B as the product reads it, made once for all parts of a batch.
    copy: Option<Dense>,
    sizes: [usize; 3],
    strides: [[usize; 2]; 2],
    /// Where A and B of each product start.
    offsets: Vec<(usize, usize)>,
    /// Where C starts.
    first_c: usize,
    a: Dense,
    b: Dense,
    c_dense: Dense,
    scratch: Option<Dense>,
    finish: Option<Finish>,
    dtype: DType,
}

/// What is not zero in A, for one or more products.
pub(crate) struct Listed {
    pub(crate) places: Dense,
    pub(crate) values: Dense,
    /// Whether an earlier product of A has made the lists.
    pub(crate) made: bool,
}

impl MatMul {
    pub(crate) fn new(graph: &Graph, node: &Node, transpose: [bool; 2]) -> Self {
        let [a, b] = [0, 1].map(|i| {
            let view = &node.operands[i].view;
            let rank = view.shape.len();
            let mut axes: Vec<_> = (0..rank).collect();
            if transpose[i] {
                axes.swap(rank - 2, rank - 1);
            }
            view.transpose(&axes)
        });
        let c = node.results[0];
        let spec = &graph.values[c].spec;
        let rank = spec.shape.len();
        let (batch, matrix) = spec.shape.split_at(rank - 2);
        let (mut m, n) = (matrix[0], matrix[1]);
        let k = a.shape[a.shape.len() - 1];
        let strides = |view: &View| {
            let at = view.strides.len() - 2;
            [view.strides[at].unsigned_abs(), view.strides[at + 1].unsigned_abs()]
        };
        let mut strides = [strides(&a), strides(&b)];
        let batch_size: usize = batch.iter().product();
        let b_batch: usize = b.shape[..b.shape.len() - 2].iter().product();
        let mut offsets = Vec::new();
        // Products with one B are one product, if A's rows go on evenly.
        let rows = (b_batch == 1 && batch_size > 1)
            .then(|| {
                a.broadcast(&[batch, &[m, k]].concat()).reshape(&[batch_size * m, k])
            })
            .flatten();
        let first = |view: &View| view.offset.unsigned_abs();
        if let Some(rows) = rows.filter(|rows| rows.strides[0] >= 0) {
            strides[0] = [rows.strides[0].unsigned_abs(), rows.strides[1].unsigned_abs()];
            m *= batch_size;
            offsets.push((first(&rows), first(&b)));
        } else {
            let a = a.broadcast(&[batch, &a.shape[a.shape.len() - 2..]].concat());
            let b = b.broadcast(&[batch, &b.shape[b.shape.len() - 2..]].concat());
            for number in 0..batch_size {
                let mut left = number;
                let mut offset = (first(&a), first(&b));
                for axis in (0..batch.len()).rev() {
                    let index = left % batch[axis];
                    left /= batch[axis];
                    offset.0 += index * a.strides[axis].unsigned_abs();
                    offset.1 += index * b.strides[axis].unsigned_abs();
                }
                offsets.push(offset);
            }
        }
        let gemm = Gemm::new(m, n, k)
            .a_strides(strides[0][0], strides[0][1])
            .b_strides(strides[1][0], strides[1][1]);
        let float = matches!(spec.dtype, DType::F32 | DType::F64);
        let non_zeros = (offsets.len() == 1 && float)
            .then(|| NonZeros::new([m, n, k], strides[0], strides[1]))
            .flatten();
        let whole = |i: usize| {
            let id: Id = node.operands[i].id;
            Dense::whole(id, &graph.values[id].spec)
        };
        Self {
            gemm,
            non_zeros,
            lists: None,
            copy: None,
            sizes: [m, n, k],
            strides,
            offsets,
            first_c: 0,
            a: whole(0),
            b: whole(1),
            c_dense: Dense::whole(c, spec),
            scratch: None,
            finish: None,
            dtype: spec.dtype,
        }
    }

    /// The product as a part of `whole`, if that is one product whose rows go on evenly there.
    pub(crate) fn into_part(self, graph: &Graph, whole: Id, part: &View) -> Option<Self> {
        let (view, [m, n, _]) = (part.collapsed(), self.sizes);
        let &[row, 1] = &view.strides[..] else { return None };
        let float = matches!(self.dtype, DType::F32 | DType::F64);
        let one = self.offsets.len() == 1 && self.non_zeros.is_none();
        let rows = view.shape == [m, n] && row >= 0;
        (float && one && rows && n > 1).then(|| Self {
            gemm: self.gemm.c_stride(row.unsigned_abs()),
            c_dense: Dense::whole(whole, &graph.values[whole].spec),
            first_c: view.offset.unsigned_abs(),
            ..self
        })
    }

    /// A as it is stored, from which element on, if it can have few non-zeros.
    pub(crate) fn listed(&self) -> Option<(Matrix, usize)> {
        Some((self.non_zeros?.matrix, self.offsets[0].0))
    }

    pub(crate) fn set_lists(&mut self, lists: Listed) {
        self.lists = Some(lists);
    }

    /// The elements of a copy of B that many runs can share, if each would make its own. Larger
    /// products are cut into tasks that a shared copy is not made for.
    pub(crate) fn copied(&self, simd: Simd) -> Option<usize> {
        const ROWS: usize = 256;
        let [m, n, _] = self.sizes;
        let one = self.offsets.len() == 1 && self.lists.is_none();
        let gemm = &self.gemm;
        match self.dtype {
            _ if !one || m > ROWS || n < 2 => None,
            DType::F32 if gemm.copies_b::<f32>(simd) => {
                Some(Packed::<f32>::new(gemm, simd).copy_len())
            }
            DType::F64 if gemm.copies_b::<f64>(simd) => {
                Some(Packed::<f64>::new(gemm, simd).copy_len())
            }
            _ => None,
        }
    }

    /// Says where the copy is, which `Kernel::share` makes.
    pub(crate) fn set_copy(&mut self, copy: Dense) {
        self.copy = Some(copy);
    }

    fn share_copy<T: Float + Plain>(&self, context: &Context<'_>, copy: &Dense) {
        let b = &context.read::<T>(&self.b)[self.offsets[0].1..];
        let packed = Packed::new(&self.gemm, context.simd);
        packed.pack(Some(context.threads), b, context.write::<T>(copy));
    }

    /// Computes the product of what is not zero in A, if that is little; tells whether.
    fn few<T: Float + Plain>(
        &self,
        context: &Context<'_>,
        [a, b]: [&[T]; 2],
        c: &mut [T],
        epilogue: Option<Epilogue<'_, T>>,
    ) -> bool {
        let (Some(product), Some(lists)) = (&self.non_zeros, &self.lists) else {
            return false;
        };
        let (simd, threads) = (context.simd, context.threads);
        let lists = if lists.made {
            let (places, values) = (&lists.places, &lists.values);
            Lists { places: context.read(places), values: context.read(values) }
        } else {
            let places = context.write(&lists.places);
            let values = context.write(&lists.values);
            product.matrix.list(simd, threads, a, places, values);
            Lists { places, values }
        };
        product.run(simd, threads, lists, b, c, epilogue)
    }

    fn float<T: Float + Plain>(&self, context: &Context<'_>) {
        let (a, b) = (context.read::<T>(&self.a), context.read::<T>(&self.b));
        let c = context.write::<T>(&self.c_dense);
        let first = self.first_c.min(c.len());
        let c = &mut c[first..];
        let scratch: &mut [T] = match &self.scratch {
            Some(scratch) => context.write(scratch),
            None => &mut [],
        };
        let finish = |row: usize, column: usize, part: &mut [T]| {
            if let Some(finish) = &self.finish {
                finish.part(context, row, column, part);
            }
        };
        let epilogue: Option<Epilogue<'_, T>> =
            if self.finish.is_some() { Some(&finish) } else { None };
        let (simd, threads) = (context.simd, context.threads);
        match self.offsets[..] {
            [] => {}
            [(first_a, _)] if let Some(copy) = &self.copy => {
                let (a, copy) = (&a[first_a.min(a.len())..], context.read::<T>(copy));
                let packed = Packed::new(&self.gemm, simd);
                packed.run(a, copy, Base::Zero, c, scratch, epilogue);
            }
            [(first_a, first_b)] => {
                let (a, b) = (&a[first_a.min(a.len())..], &b[first_b.min(b.len())..]);
                if !self.few(context, [a, b], c, epilogue) {
                    self.gemm.run(simd, threads, a, b, c, scratch, epilogue);
                }
            }
            _ => self.gemm.run_batch(
                simd,
                threads,
                (a, b),
                &self.offsets,
                c,
                scratch,
                epilogue,
            ),
        }
    }

    /// Integers are rare: one row after the other.
    fn integer<T: Number + Plain + Default>(&self, context: &Context<'_>) {
        let (a, b) = (context.read::<T>(&self.a), context.read::<T>(&self.b));
        let c = context.write::<T>(&self.c_dense);
        let [m, n, k] = self.sizes;
        let [[a_row, a_column], [b_row, b_column]] = self.strides;
        if n == 0 {
            return;
        }
        rows(context.threads, c, n, |row, c| {
            let (product, i) = (row / m, row % m);
            let (first_a, first_b) = self.offsets[product];
            c.fill(T::default());
            for p in 0..k {
                let x = a[first_a + i * a_row + p * a_column];
                for (j, c) in c.iter_mut().enumerate() {
                    *c = c.add(x.mul(b[first_b + p * b_row + j * b_column]));
                }
            }
        });
        if let Some(finish) = &self.finish {
            finish.whole(context);
        }
    }
}

/// Runs `body` on each row of `len` elements, several rows a task.
pub(super) fn rows<T: Send>(
    threads: &Threads,
    data: &mut [T],
    len: usize,
    body: impl Fn(usize, &mut [T]) + Sync,
) {
    let together = (4096 / len.max(1)).max(1);
    threads.run_chunks(data, (together * len).max(1), |start, chunk| {
        for (i, row) in chunk.chunks_mut(len.max(1)).enumerate() {
            body(start / len.max(1) + i, row);
        }
    });
}

impl Product for MatMul {
    fn set_finish(&mut self, finish: Finish) {
        self.finish = Some(finish);
    }
}

impl Kernel for MatMul {
    fn scratch(&self, simd: Simd, threads: usize) -> usize {
        if self.copy.is_some() {
            return match self.dtype {
                DType::F64 => 8 * Packed::<f64>::new(&self.gemm, simd).scratch(),
                _ => 4 * Packed::<f32>::new(&self.gemm, simd).scratch(),
            };
        }
        match (self.dtype, self.offsets.len()) {
            (DType::F32, 1) => 4 * self.gemm.scratch::<f32>(simd, threads),
            (DType::F32, _) => 4 * self.gemm.scratch_batch::<f32>(simd, threads),
            (DType::F64, 1) => 8 * self.gemm.scratch::<f64>(simd, threads),
            (DType::F64, _) => 8 * self.gemm.scratch_batch::<f64>(simd, threads),
            _ => 0,
        }
    }

    fn set_scratch(&mut self, id: Id, bytes: usize) {
        let width = self.dtype.size();
        self.scratch = Some(Dense::scratch(id, bytes / width, width));
    }

    fn prepare(&mut self, same: &dyn Fn(Id, Id) -> bool, simd: Simd) {
        if let Some(finish) = &mut self.finish {
            finish.prepare(same, simd);
        }
    }

    fn share(&self, context: &Context<'_>) {
        match (&self.copy, self.dtype) {
            (Some(copy), DType::F64) => self.share_copy::<f64>(context, copy),
            (Some(copy), _) => self.share_copy::<f32>(context, copy),
            (None, _) => {}
        }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        match self.dtype {
            DType::F32 => self.float::<f32>(context),
            DType::F64 => self.float::<f64>(context),
            DType::I32 => self.integer::<i32>(context),
            DType::I64 => self.integer::<i64>(context),
            DType::U32 => self.integer::<u32>(context),
            _ => self.integer::<u8>(context),
        }
        Ok(())
    }
}
