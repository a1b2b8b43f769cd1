//! The columns of a row as vectors of lengths that the compiler knows: [`Blocks`].

/// Columns side by side that are computed together, as vectors of so many, of which the last two
/// may overlap: what both have is computed twice, and stored after all was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) vectors: Vectors,
}

/// How many vectors there are, by their elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vectors {
    /// Of sixteen, and none overlap.
    Whole(usize),
    /// Of sixteen, and one of four.
    AndFour(usize),
    One(usize),
    Four(usize),
    Eight(usize),
    Sixteen(usize),
}

/// The blocks of a row: all but the last of as many columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    columns: usize,
    start: usize,
    /// The columns of all blocks but the last.
    each: usize,
}

impl Blocks {
    /// The most vectors of a block: with their factors, what fits in registers.
    const MOST: usize = 4;

    pub(super) fn new(columns: usize) -> Self {
        let vectors = columns.div_ceil(16);
        let each = vectors.div_ceil(vectors.div_ceil(Self::MOST).max(1));
        Self { columns, start: 0, each: each * 16 }
    }
}

impl Iterator for Blocks {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let start = self.start;
        let len = self.each.min(self.columns - start);
        self.start += len;
        let vectors = match len {
            0 => return None,
            1..4 => Vectors::One(len),
            4..8 => Vectors::Four(len.div_ceil(4)),
            8..16 => Vectors::Eight(len.div_ceil(8)),
            _ if len.is_multiple_of(16) => Vectors::Whole(len / 16),
            _ if len % 16 <= 4 => Vectors::AndFour(len / 16),
            _ => Vectors::Sixteen(len.div_ceil(16)),
        };
        Some(Block { start, len, vectors })
    }
}

/// Calls a function for a block, with the elements of all vectors but the last and with its own.
macro_rules! by_shape {
    ($block:ident, $function:ident($($argument:expr),*)) => {
        match $block.vectors {
            Vectors::One(1) => $function::<T, 0, 1>($block, $($argument),*),
            Vectors::One(2) => $function::<T, 1, 1>($block, $($argument),*),
            Vectors::One(_) => $function::<T, 2, 1>($block, $($argument),*),
            Vectors::Four(1) => $function::<T, 0, 4>($block, $($argument),*),
            Vectors::Four(_) => $function::<T, 4, 4>($block, $($argument),*),
            Vectors::Eight(1) => $function::<T, 0, 8>($block, $($argument),*),
            Vectors::Eight(_) => $function::<T, 8, 8>($block, $($argument),*),
            Vectors::Whole(1) => $function::<T, 0, 16>($block, $($argument),*),
            Vectors::Whole(2) => $function::<T, 0, 32>($block, $($argument),*),
            Vectors::Whole(3) => $function::<T, 0, 48>($block, $($argument),*),
            Vectors::Whole(_) => $function::<T, 0, 64>($block, $($argument),*),
            Vectors::AndFour(1) => $function::<T, 16, 4>($block, $($argument),*),
            Vectors::AndFour(2) => $function::<T, 32, 4>($block, $($argument),*),
            Vectors::AndFour(_) => $function::<T, 48, 4>($block, $($argument),*),
            Vectors::Sixteen(2) => $function::<T, 16, 16>($block, $($argument),*),
            Vectors::Sixteen(3) => $function::<T, 32, 16>($block, $($argument),*),
            Vectors::Sixteen(_) => $function::<T, 48, 16>($block, $($argument),*),
        }
    };
}

pub(super) use by_shape;

/// All vectors of a block but the last, and that one.
#[inline(always)]
pub(super) fn vectors<T: Copy, const HEAD: usize, const N: usize>(
    block: &[T],
) -> ([T; HEAD], [T; N]) {
    let both = block.first_chunk().zip(block.last_chunk());
    let (head, last) = both.expect("a block is as long as its vectors");
    (*head, *last)
}

/// Stores the vectors of a block.
#[inline(always)]
pub(super) fn store<T, const HEAD: usize, const N: usize>(
    head: [T; HEAD],
    last: [T; N],
    block: &mut [T],
) {
    const LEN: &str = "a block is as long as its vectors";
    *block.first_chunk_mut().expect(LEN) = head;
    *block.last_chunk_mut().expect(LEN) = last;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_all_columns_once() {
        for columns in 1..300 {
            let mut end = 0;
            for block in Blocks::new(columns) {
                assert_eq!(block.start, end, "{columns}");
                end += block.len;
                let (lanes, count, rest) = match block.vectors {
                    Vectors::One(count) => (1, count, 0),
                    Vectors::Four(count) => (4, count, 0),
                    Vectors::Eight(count) => (8, count, 0),
                    Vectors::Whole(count) | Vectors::Sixteen(count) => (16, count, 0),
                    Vectors::AndFour(count) => (16, count, 4),
                };
                let most = lanes * count + rest;
                let last = if rest > 0 { rest } else { lanes };
                assert!(lanes <= block.len && count <= 4, "{columns}");
                assert!((most - last + 1..=most).contains(&block.len), "{columns}");
            }
            assert_eq!(end, columns);
        }
    }
}
