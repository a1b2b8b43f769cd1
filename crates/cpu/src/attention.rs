//! Attention of all heads, forward and backward: [`Attention`].
#![expect(unsafe_code, reason = "tasks that write parts of the results")]

use crate::{
    Simd, Threads,
    gemm::{Base, Gemm, Packed},
    simd::{Float, one_by_one},
    softmax,
    threads::Disjoint,
};

/// The scores that are computed at once: they stay in the second cache, twice.
const BLOCK: usize = 1 << 15;

/// Elements in a cache line of the smallest number type.
const LINE: usize = 16;

/// The score of a key that is masked, as Keras has it.
const MASKED: f64 = -1e9;

/// `softmax(query · keyᵀ) · value` of each head of each example.
///
/// Query is (batch, queries, heads, features), key (batch, keys, heads, features), value
/// (batch, keys, heads, values): as projections leave them. The scores of some queries and all
/// keys are made, become shares and are used while they are in the cache. A task is one head of
/// one example, so results are the same bits on any number of threads.
///
/// # References
///
/// Vaswani et al., *Attention is all you need* (2017), section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    pub batch: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub features: usize,
    pub values: usize,
}

/// Which keys a query may look at: not 0.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    pub flags: &'a [u8],
    /// From one to the next along (batch, heads, queries, keys); 0 for one flag for all.
    pub strides: [usize; 4],
}

/// What [`Attention`] attends with.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a, T> {
    pub query: &'a [T],
    pub key: &'a [T],
    pub value: &'a [T],
    pub mask: Option<Mask<'a>>,
}

/// What [`Attention::backward`] makes: the gradients by query, key and value.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    pub query: &'a mut [T],
    pub key: &'a mut [T],
    pub value: &'a mut [T],
}

/// One head of one example.
#[derive(Clone, Copy)]
struct Head {
    example: usize,
    number: usize,
    heads: usize,
}

impl Head {
    /// Where a position's numbers start, of so many for each head.
    const fn at(self, position: usize, positions: usize, width: usize) -> usize {
        ((self.example * positions + position) * self.heads + self.number) * width
    }

    /// The numbers from a position on, of all heads.
    fn from<T>(
        self,
        numbers: &[T],
        positions: usize,
        first: usize,
        width: usize,
    ) -> &[T] {
        numbers.get(self.at(first, positions, width)..).unwrap_or_default()
    }

    /// Puts the numbers of some positions in their places.
    ///
    /// # Safety
    ///
    /// Nobody else uses these positions of this head.
    unsafe fn put<T: Copy>(
        self,
        from: &[T],
        positions: usize,
        first: usize,
        width: usize,
        to: &Disjoint<'_, T>,
    ) {
        for (i, from) in from.chunks_exact(width.max(1)).enumerate() {
            let at = self.at(first + i, positions, width);
            // SAFETY: the caller's promise.
            copy(from, unsafe { to.slice(at..at + width) });
        }
    }
}

impl Mask<'_> {
    /// Sets what is masked of the scores of some queries.
    fn apply<T: Copy>(
        &self,
        head: Head,
        first: usize,
        keys: usize,
        scores: &mut [T],
        to: T,
    ) {
        let [by_example, by_head, by_query, by_key] = self.strides;
        let start = head.example * by_example + head.number * by_head;
        for (i, scores) in scores.chunks_exact_mut(keys.max(1)).enumerate() {
            let start = start + (first + i) * by_query;
            if by_key == 0 {
                if self.flags[start] == 0 {
                    scores.fill(to);
                }
                continue;
            }
            for (score, &flag) in scores.iter_mut().zip(&self.flags[start..start + keys])
            {
                *score = if flag == 0 { to } else { *score };
            }
        }
    }
}

/// Products of all blocks with a copy of one B; of any length.
struct Copied<T: 'static> {
    /// Those of a whole block and of the last one; none where there is nothing to multiply.
    blocks: [(usize, Option<Packed<T>>); 2],
}

impl<T: Float> Copied<T> {
    fn new(
        attention: &Attention,
        product: fn(&Attention, usize) -> Gemm,
        simd: Simd,
    ) -> Self {
        let last = attention.blocks().last().map_or(0, |(_, rows)| rows);
        let blocks = [attention.rows(), last].map(|rows| {
            let gemm = product(attention, rows);
            let some = gemm.m * gemm.n * gemm.k > 0;
            (rows, some.then(|| Packed::new(&gemm, simd)))
        });
        Self { blocks }
    }

    fn most(&self, len: fn(&Packed<T>) -> usize) -> usize {
        let blocks = self.blocks.iter().filter_map(|(_, product)| product.as_ref());
        blocks.map(len).max().unwrap_or_default()
    }

    fn copy_len(&self) -> usize {
        self.most(Packed::copy_len)
    }

    fn scratch(&self) -> usize {
        self.most(Packed::scratch)
    }

    fn copy(&self, b: &[T], to: &mut [T]) {
        if let Some(product) = &self.blocks[0].1 {
            product.pack(None, b, to);
        }
    }

    fn run(&self, rows: usize, a: &[T], copy: &[T], c: &mut [T], scratch: &mut [T]) {
        let block = self.blocks.iter().find(|block| block.0 == rows);
        match block.and_then(|(_, product)| product.as_ref()) {
            Some(product) => product.run(a, copy, Base::Zero, c, scratch, None),
            None => c.fill(T::ZERO),
        }
    }
}

/// Copies a few elements, without a call.
#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    let (chunks, rest) = from.as_chunks::<LINE>();
    let (to_chunks, to_rest) = to.as_chunks_mut::<LINE>();
    for (to, from) in to_chunks.iter_mut().zip(chunks) {
        one_by_one();
        *to = *from;
    }
    for (to, from) in to_rest.iter_mut().zip(rest) {
        one_by_one();
        *to = *from;
    }
}

/// So many elements that the next start a cache line.
const fn line(elements: usize) -> usize {
    elements.next_multiple_of(LINE)
}

/// Scratch memory from the start of a cache line on.
fn aligned<T>(scratch: &mut [T], len: usize) -> &mut [T] {
    let start = scratch.as_ptr().align_offset(64).min(LINE);
    &mut scratch[start..start + len]
}

impl Attention {
    const fn tasks(&self) -> usize {
        self.batch * self.heads
    }

    const fn head(&self, task: usize) -> Head {
        let heads = self.heads;
        Head { example: task / heads, number: task % heads, heads }
    }

    /// The queries of a block, but for the last.
    fn rows(&self) -> usize {
        (BLOCK / self.keys.max(1)).max(16).min(self.queries.max(1))
    }

    /// The first queries and the lengths of all blocks.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let (rows, queries) = (self.rows(), self.queries);
        (0..queries).step_by(rows).map(move |first| (first, rows.min(queries - first)))
    }

    /// `query · keyᵀ`.
    const fn scores(&self, rows: usize) -> Gemm {
        self.by_keys(rows, self.features)
    }

    /// `dy · valueᵀ`.
    const fn by_shares(&self, rows: usize) -> Gemm {
        self.by_keys(rows, self.values)
    }

    /// What has an element for each key, from numbers of that width.
    const fn by_keys(&self, rows: usize, width: usize) -> Gemm {
        let row = self.heads * width;
        Gemm::new(rows, self.keys, width).a_strides(row, 1).b_strides(1, row)
    }

    /// `shares · value`.
    const fn found(&self, rows: usize) -> Gemm {
        self.over_keys(rows, self.values)
    }

    /// `dscores · key`.
    const fn by_query(&self, rows: usize) -> Gemm {
        self.over_keys(rows, self.features)
    }

    /// Sums over all keys.
    const fn over_keys(&self, rows: usize, width: usize) -> Gemm {
        Gemm::new(rows, width, self.keys).b_strides(self.heads * width, 1)
    }

    /// `dscoresᵀ · query`, added up.
    const fn by_key(&self, rows: usize) -> Gemm {
        self.over_queries(rows, self.features)
    }

    /// `sharesᵀ · dy`, added up.
    const fn by_value(&self, rows: usize) -> Gemm {
        self.over_queries(rows, self.values)
    }

    /// Sums over some queries, added up.
    const fn over_queries(&self, rows: usize, width: usize) -> Gemm {
        Gemm::new(self.keys, width, rows)
            .transpose_a(true)
            .b_strides(self.heads * width, 1)
            .accumulate(true)
    }

    fn forward_slot<T: Float>(&self, simd: Simd) -> usize {
        let scores = Copied::<T>::new(self, Self::scores, simd);
        let found = Copied::<T>::new(self, Self::found, simd);
        scores.copy_len()
            + found.copy_len()
            + line(self.rows() * self.values)
            + line(scores.scratch().max(found.scratch()))
    }

    fn backward_slot<T: Float>(&self, simd: Simd) -> usize {
        let by_shares = Copied::<T>::new(self, Self::by_shares, simd);
        let by_query = Copied::<T>::new(self, Self::by_query, simd);
        let mut scratch = by_shares.scratch().max(by_query.scratch());
        for &(rows, _) in &by_shares.blocks {
            for product in [self.by_key(rows), self.by_value(rows)] {
                scratch = scratch.max(product.scratch::<T>(simd, 1));
            }
        }
        by_shares.copy_len()
            + by_query.copy_len()
            + line(self.keys * self.features)
            + line(self.keys * self.values)
            + line(self.rows() * self.features)
            + line(self.rows() * self.keys)
            + line(scratch)
    }

    /// The elements of scratch memory that [`forward`](Self::forward) needs.
    #[must_use]
    pub fn forward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        LINE + threads * self.forward_slot::<T>(simd)
    }

    /// The elements of scratch memory that [`backward`](Self::backward) needs.
    #[must_use]
    pub fn backward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        LINE + threads * self.backward_slot::<T>(simd)
    }

    fn check<T>(&self, given: &Given<'_, T>) {
        let Self { batch, heads, queries, keys, features, values } = *self;
        let each = batch * heads;
        assert_eq!(given.query.len(), each * queries * features, "elements of the query");
        assert_eq!(given.key.len(), each * keys * features, "elements of the key");
        assert_eq!(given.value.len(), each * keys * values, "elements of the value");
    }

    /// Makes the shares (batch, heads, queries, keys), and what is found (batch, queries, heads,
    /// values).
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    pub fn forward<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        given: &Given<'_, T>,
        [found, shares]: [&mut [T]; 2],
        scratch: &mut [T],
    ) {
        let Self { queries, keys, features, values, .. } = *self;
        self.check(given);
        assert_eq!(found.len(), self.tasks() * queries * values, "elements found");
        assert_eq!(shares.len(), self.tasks() * queries * keys, "shares");
        let shares_of = softmax::softmax::<T>(simd);
        let scores = Copied::<T>::new(self, Self::scores, simd);
        let over_values = Copied::<T>::new(self, Self::found, simd);
        let slot_len = self.forward_slot::<T>(simd);
        let scratch = aligned(scratch, threads.count() * slot_len);
        let [found, shares, scratch] = [found, shares, scratch].map(Disjoint::new);
        threads.run_with_slot(self.tasks(), &|task, slot| {
            let head = self.head(task);
            // SAFETY: each slot has scratch memory of its own.
            let scratch =
                unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
            let (key, scratch) = scratch.split_at_mut(scores.copy_len());
            let (value, scratch) = scratch.split_at_mut(over_values.copy_len());
            let keys_from = head.from(given.key, keys, 0, features);
            let values_from = head.from(given.value, keys, 0, values);
            scores.copy(keys_from, key);
            over_values.copy(values_from, value);
            let (own, scratch) = scratch.split_at_mut(line(self.rows() * values));
            for (first, rows) in self.blocks() {
                let own = &mut own[..rows * values];
                let start = (task * queries + first) * keys;
                // SAFETY: a task uses its own rows of the shares.
                let shares = unsafe { shares.slice(start..start + rows * keys) };
                let query = head.from(given.query, queries, first, features);
                scores.run(rows, query, key, shares, scratch);
                if let Some(mask) = given.mask {
                    mask.apply(head, first, keys, shares, T::from_f64(MASKED));
                }
                shares_of(shares, keys);
                over_values.run(rows, shares, value, own, scratch);
                // SAFETY: a task uses its own head of each example.
                unsafe { head.put(own, queries, first, values, &found) };
            }
        });
    }

    /// Computes the gradients of [`forward`](Self::forward) from the shares that it made and
    /// the gradient by what was found.
    ///
    /// # Panics
    ///
    /// If a slice has not the length of its shape, or `scratch` is too short.
    pub fn backward<T: Float>(
        &self,
        simd: Simd,
        threads: &Threads,
        given: &Given<'_, T>,
        [shares, dy]: [&[T]; 2],
        to: Gradients<'_, T>,
        scratch: &mut [T],
    ) {
        let Self { queries, keys, features, values, .. } = *self;
        self.check(given);
        assert_eq!(dy.len(), self.tasks() * queries * values, "the gradient's elements");
        assert_eq!(shares.len(), self.tasks() * queries * keys, "shares");
        let scores_of = softmax::softmax_back::<T>(simd);
        let by_shares = Copied::<T>::new(self, Self::by_shares, simd);
        let over_keys = Copied::<T>::new(self, Self::by_query, simd);
        let slot_len = self.backward_slot::<T>(simd);
        let scratch = aligned(scratch, threads.count() * slot_len);
        let [by_query, by_key, by_value, scratch] =
            [to.query, to.key, to.value, scratch].map(Disjoint::new);
        threads.run_with_slot(self.tasks(), &|task, slot| {
            let head = self.head(task);
            // SAFETY: each slot has scratch memory of its own.
            let scratch =
                unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
            let (value, scratch) = scratch.split_at_mut(by_shares.copy_len());
            let (key, scratch) = scratch.split_at_mut(over_keys.copy_len());
            let keys_from = head.from(given.key, keys, 0, features);
            let values_from = head.from(given.value, keys, 0, values);
            by_shares.copy(values_from, value);
            over_keys.copy(keys_from, key);
            let (dkey, scratch) = scratch.split_at_mut(line(keys * features));
            let (dvalue, scratch) = scratch.split_at_mut(line(keys * values));
            let (dkey, dvalue) =
                (&mut dkey[..keys * features], &mut dvalue[..keys * values]);
            dkey.fill(T::ZERO);
            dvalue.fill(T::ZERO);
            let (dquery, scratch) = scratch.split_at_mut(line(self.rows() * features));
            let (dscores, scratch) = scratch.split_at_mut(line(self.rows() * keys));
            for (first, rows) in self.blocks() {
                let dquery = &mut dquery[..rows * features];
                let dscores = &mut dscores[..rows * keys];
                let query = head.from(given.query, queries, first, features);
                let dfound = head.from(dy, queries, first, values);
                let start = (task * queries + first) * keys;
                let shares = &shares[start..start + rows * keys];
                self.by_value(rows).run_here(simd, shares, dfound, dvalue, scratch);
                by_shares.run(rows, dfound, value, dscores, scratch);
                scores_of(shares, dscores, keys);
                if let Some(mask) = given.mask {
                    mask.apply(head, first, keys, dscores, T::ZERO);
                }
                self.by_key(rows).run_here(simd, dscores, query, dkey, scratch);
                over_keys.run(rows, dscores, key, dquery, scratch);
                // SAFETY: a task uses its own head of each example.
                unsafe { head.put(dquery, queries, first, features, &by_query) };
            }
            // SAFETY: as above.
            unsafe {
                head.put(dkey, keys, 0, features, &by_key);
                head.put(dvalue, keys, 0, values, &by_value);
            }
        });
    }
}
