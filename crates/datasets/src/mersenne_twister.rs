//! NumPy's `RandomState.shuffle`, for splits that agree with Keras's: [`MersenneTwister`].

/// The number of words of the state.
const WORDS: usize = 624;

/// MT19937 (Matsumoto and Nishimura, 1998), seeded as NumPy's `RandomState(seed)`.
pub(crate) struct MersenneTwister {
    state: [u32; WORDS],
    next: usize,
}

impl MersenneTwister {
    pub(crate) fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for at in 1..WORDS {
            let before = state[at - 1];
            // `at` is below 624.
            state[at] = 1_812_433_253_u32
                .wrapping_mul(before ^ (before >> 30))
                .wrapping_add(at as u32);
        }
        Self { state, next: WORDS }
    }

    fn renew(&mut self) {
        for at in 0..WORDS {
            let joined = (self.state[at] & 0x8000_0000)
                | (self.state[(at + 1) % WORDS] & 0x7FFF_FFFF);
            let twist = if joined % 2 == 1 { 0x9908_B0DF } else { 0 };
            self.state[at] = self.state[(at + 397) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.renew();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C_5680;
        y ^= (y << 15) & 0xEFC6_0000;
        y ^ (y >> 18)
    }

    /// A number from 0 to `max`, both included: words are masked and drawn until one fits.
    fn up_to(&mut self, max: u32) -> u32 {
        let mask = max.checked_ilog2().map_or(0, |bits| u32::MAX >> (31 - bits));
        loop {
            let draw = self.word() & mask;
            if draw <= max {
                return draw;
            }
        }
    }

    /// The numbers below `len`, shuffled as `RandomState.shuffle(arange(len))` does.
    pub(crate) fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            // Data sets that are shuffled so have fewer than 2³² examples.
            let other = self.up_to(last as u32) as usize;
            indices.swap(last, other);
        }
        indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published output of the reference implementation for `init_genrand(5489)`, whose
    /// ten-thousandth word the C++ standard also names.
    #[test]
    fn words_are_those_of_the_reference() {
        let mut generator = MersenneTwister::new(5489);
        assert_eq!(generator.word(), 3_499_211_612);
        let last = (1..10_000).map(|_| generator.word()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    /// Values that NumPy gave for `RandomState(113)`.
    #[test]
    fn shuffles_are_those_of_numpy() {
        let of = |len| MersenneTwister::new(113).permutation(len);
        let boston = of(506);
        assert_eq!(boston[..8], [22, 202, 368, 335, 461, 323, 382, 143]);
        assert_eq!(boston[502..], [74, 162, 220, 165]);
        assert_eq!(of(11_228)[..4], [1341, 4427, 5095, 2044]);
        assert_eq!(of(20_640)[..4], [4380, 8381, 15_859, 10_108]);

        let mut imdb = MersenneTwister::new(113);
        assert_eq!(imdb.permutation(25_000)[..4], [7798, 13_226, 18_078, 793]);
        assert_eq!(imdb.permutation(25_000)[..4], [22_748, 4083, 8015, 13_688]);
    }

    #[test]
    fn short_lists_draw_nothing() {
        let mut generator = MersenneTwister::new(1);
        assert!(generator.permutation(0).is_empty());
        assert_eq!(generator.permutation(1), [0]);
        assert_eq!(generator.next, WORDS);
    }
}
