//! Attention of all heads, forward and backward: [`Attention`].
#![expect(unsafe_code, reason = "tasks that write parts of the results")]

mod shares;

use crate::{Simd, Threads, gemm::Gemm, simd::Float, threads::Disjoint};

/// The scores that are computed at once: they stay in the second cache, twice.
const BLOCK: usize = 1 << 14;

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

    /// Copies the numbers of some positions.
    fn take<T: Copy>(
        self,
        from: &[T],
        positions: usize,
        first: usize,
        width: usize,
        to: &mut [T],
    ) {
        for (i, to) in to.chunks_exact_mut(width.max(1)).enumerate() {
            let at = self.at(first + i, positions, width);
            to.copy_from_slice(&from[at..at + width]);
        }
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
            unsafe { to.slice(at..at + width) }.copy_from_slice(from);
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
        Gemm::new(rows, self.keys, self.features).transpose_b(true)
    }

    /// `shares · value`.
    const fn found(&self, rows: usize) -> Gemm {
        Gemm::new(rows, self.values, self.keys)
    }

    /// `dy · valueᵀ`.
    const fn by_shares(&self, rows: usize) -> Gemm {
        Gemm::new(rows, self.keys, self.values).transpose_b(true)
    }

    /// `dscores · key`.
    const fn by_query(&self, rows: usize) -> Gemm {
        Gemm::new(rows, self.features, self.keys)
    }

    /// `dscoresᵀ · query`, added up.
    const fn by_key(&self, rows: usize) -> Gemm {
        Gemm::new(self.keys, self.features, rows).transpose_a(true).accumulate(true)
    }

    /// `sharesᵀ · dy`, added up.
    const fn by_value(&self, rows: usize) -> Gemm {
        Gemm::new(self.keys, self.values, rows).transpose_a(true).accumulate(true)
    }

    /// The most scratch memory that some products need, with as many rows as any block has.
    fn products<T: Float>(&self, simd: Simd, all: &[fn(&Self, usize) -> Gemm]) -> usize {
        let last = self.blocks().last().map_or(0, |(_, rows)| rows);
        let of = |rows: usize| {
            let scratch =
                all.iter().map(|product| product(self, rows).scratch::<T>(simd, 1));
            scratch.max().unwrap_or_default()
        };
        of(self.rows()).max(of(last))
    }

    fn forward_slot<T: Float>(&self, simd: Simd) -> usize {
        self.keys * (self.features + self.values)
            + self.rows() * (self.features + self.values)
            + self.products::<T>(simd, &[Self::scores, Self::found])
    }

    fn backward_slot<T: Float>(&self, simd: Simd) -> usize {
        let all = [Self::by_shares, Self::by_query, Self::by_key, Self::by_value];
        2 * self.keys * (self.features + self.values)
            + self.rows() * (2 * self.features + self.values + self.keys)
            + self.products::<T>(simd, &all)
    }

    /// The elements of scratch memory that [`forward`](Self::forward) needs.
    #[must_use]
    pub fn forward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        threads * self.forward_slot::<T>(simd)
    }

    /// The elements of scratch memory that [`backward`](Self::backward) needs.
    #[must_use]
    pub fn backward_scratch<T: Float>(&self, simd: Simd, threads: usize) -> usize {
        threads * self.backward_slot::<T>(simd)
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
        let softmax = shares::softmax::<T>(simd);
        let slot_len = self.forward_slot::<T>(simd);
        let [found, shares, scratch] = [found, shares, scratch].map(Disjoint::new);
        threads.run_with_slot(self.tasks(), &|task, slot| {
            let head = self.head(task);
            // SAFETY: each slot has scratch memory of its own.
            let scratch =
                unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
            let (key, scratch) = scratch.split_at_mut(keys * features);
            let (value, scratch) = scratch.split_at_mut(keys * values);
            head.take(given.key, keys, 0, features, key);
            head.take(given.value, keys, 0, values, value);
            for (first, rows) in self.blocks() {
                let (query, scratch) = scratch.split_at_mut(rows * features);
                let (own, scratch) = scratch.split_at_mut(rows * values);
                let start = (task * queries + first) * keys;
                // SAFETY: a task uses its own rows of the shares.
                let shares = unsafe { shares.slice(start..start + rows * keys) };
                head.take(given.query, queries, first, features, query);
                self.scores(rows).run_here(simd, query, key, shares, scratch);
                if let Some(mask) = given.mask {
                    mask.apply(head, first, keys, shares, T::from_f64(MASKED));
                }
                softmax(shares, keys);
                self.found(rows).run_here(simd, shares, value, own, scratch);
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
        let softmax_back = shares::softmax_back::<T>(simd);
        let slot_len = self.backward_slot::<T>(simd);
        let [by_query, by_key, by_value, scratch] =
            [to.query, to.key, to.value, scratch].map(Disjoint::new);
        threads.run_with_slot(self.tasks(), &|task, slot| {
            let head = self.head(task);
            // SAFETY: each slot has scratch memory of its own.
            let scratch =
                unsafe { scratch.slice(slot * slot_len..(slot + 1) * slot_len) };
            let (key, scratch) = scratch.split_at_mut(keys * features);
            let (value, scratch) = scratch.split_at_mut(keys * values);
            let (dkey, scratch) = scratch.split_at_mut(keys * features);
            let (dvalue, scratch) = scratch.split_at_mut(keys * values);
            head.take(given.key, keys, 0, features, key);
            head.take(given.value, keys, 0, values, value);
            dkey.fill(T::ZERO);
            dvalue.fill(T::ZERO);
            for (first, rows) in self.blocks() {
                let (query, scratch) = scratch.split_at_mut(rows * features);
                let (dquery, scratch) = scratch.split_at_mut(rows * features);
                let (dfound, scratch) = scratch.split_at_mut(rows * values);
                let (dscores, scratch) = scratch.split_at_mut(rows * keys);
                head.take(given.query, queries, first, features, query);
                head.take(dy, queries, first, values, dfound);
                let start = (task * queries + first) * keys;
                let shares = &shares[start..start + rows * keys];
                self.by_value(rows).run_here(simd, shares, dfound, dvalue, scratch);
                self.by_shares(rows).run_here(simd, dfound, value, dscores, scratch);
                softmax_back(shares, dscores, keys);
                if let Some(mask) = given.mask {
                    mask.apply(head, first, keys, dscores, T::ZERO);
                }
                self.by_key(rows).run_here(simd, dscores, query, dkey, scratch);
                self.by_query(rows).run_here(simd, dscores, key, dquery, scratch);
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
