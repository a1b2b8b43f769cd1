//! From a file's word ranks to the ids that a model sees: [`Tokens`].

use deckle_data::{Error as DataError, Sequences};

use crate::Result;

/// The options that IMDB and Reuters share, as Keras names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) num_words: Option<u32>,
    pub(crate) skip_top: u32,
    pub(crate) maxlen: Option<usize>,
    pub(crate) start_char: Option<u32>,
    pub(crate) oov_char: Option<u32>,
    pub(crate) index_from: u32,
}

impl Tokens {
    pub(crate) const fn new() -> Self {
        Self {
            num_words: None,
            skip_top: 0,
            maxlen: None,
            start_char: Some(1),
            oov_char: Some(2),
            index_from: 3,
        }
    }

    /// Shifts every rank by `index_from` and puts `start_char` in front.
    pub(crate) fn shift(&self, ranks: &Sequences) -> Result<Sequences> {
        if let Some(max) = ranks.max()
            && max.checked_add(self.index_from).is_none()
        {
            return Err(DataError::invalid(
                "index_from",
                format_args!("at most {} for words up to rank {max}", u32::MAX - max),
            )
            .got(self.index_from)
            .into());
        }
        let mut ids = Sequences::new();
        for sequence in ranks.iter() {
            let shifted = sequence.iter().map(|rank| rank + self.index_from);
            ids.push(self.start_char.into_iter().chain(shifted));
        }
        Ok(ids)
    }

    /// Removes, not cuts, the sequences of `maxlen` ids or more.
    pub(crate) fn remove_long(
        &self,
        x: Sequences,
        y: Vec<i64>,
    ) -> Result<(Sequences, Vec<i64>)> {
        let Some(maxlen) = self.maxlen else {
            return Ok((x, y));
        };
        let kept = || x.iter().zip(&y).filter(|(sequence, _)| sequence.len() < maxlen);
        let result: (Sequences, Vec<i64>) = (
            kept().map(|(sequence, _)| sequence).collect(),
            kept().map(|(_, &y)| y).collect(),
        );
        if result.0.is_empty() {
            let shortest = x.iter().map(<[u32]>::len).min().unwrap_or(0);
            return Err(DataError::invalid(
                "maxlen",
                format_args!("more than {shortest}, the length of the shortest sequence"),
            )
            .got(maxlen)
            .help("sequences of maxlen ids or more are removed")
            .into());
        }
        Ok(result)
    }

    /// Replaces, or drops, the ids outside `skip_top..num_words`.
    ///
    /// `num_words` is that of [`Tokens::limit`].
    pub(crate) fn replace(&self, x: &Sequences, num_words: u32) -> Sequences {
        let mut ids = Sequences::new();
        for sequence in x.iter() {
            ids.push(sequence.iter().filter_map(|&id| {
                let known = self.skip_top <= id && id < num_words;
                if known { Some(id) } else { self.oov_char }
            }));
        }
        ids
    }

    /// `num_words` or, without it, the largest id, which is so left out, as Keras does.
    pub(crate) fn limit(&self, largest: Option<u32>) -> u32 {
        self.num_words.filter(|&words| words > 0).or(largest).unwrap_or(0)
    }
}

/// The setters of [`Tokens`] on a loader that has them in its field `tokens`.
macro_rules! token_setters {
    () => {
        /// Sets the number of ids that are kept; the largest id by default.
        ///
        /// Ids from it on become `oov_char`. As in Keras, the default leaves out the largest id
        /// itself, and ids count after the shift by `index_from`: 10,000 keeps the 9,997 most
        /// frequent words.
        #[must_use]
        pub fn num_words(mut self, num_words: impl Into<Option<u32>>) -> Self {
            self.tokens.num_words = num_words.into();
            self
        }

        /// Sets the smallest id that is kept; 0 by default. Those below become `oov_char`.
        #[must_use]
        pub const fn skip_top(mut self, skip_top: u32) -> Self {
            self.tokens.skip_top = skip_top;
            self
        }

        /// Sets from which length on sequences are removed, not cut; none is by default.
        #[must_use]
        pub fn maxlen(mut self, maxlen: impl Into<Option<usize>>) -> Self {
            self.tokens.maxlen = maxlen.into();
            self
        }

        /// Sets the id in front of every sequence; 1 by default, none for `None`.
        #[must_use]
        pub fn start_char(mut self, start_char: impl Into<Option<u32>>) -> Self {
            self.tokens.start_char = start_char.into();
            self
        }

        /// Sets the id of words that are not kept; 2 by default, they are left out for `None`.
        #[must_use]
        pub fn oov_char(mut self, oov_char: impl Into<Option<u32>>) -> Self {
            self.tokens.oov_char = oov_char.into();
            self
        }

        /// Sets what is added to every word's rank; 3 by default.
        #[must_use]
        pub const fn index_from(mut self, index_from: u32) -> Self {
            self.tokens.index_from = index_from;
            self
        }
    };
}
pub(crate) use token_setters;

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks() -> Sequences {
        Sequences::from_iter([vec![1, 2, 3], vec![], vec![9, 1]])
    }

    #[test]
    fn the_steps_are_keras_s() {
        let tokens = Tokens::new();
        let x = tokens.shift(&ranks()).unwrap();
        assert_eq!(x, Sequences::from_iter([vec![1, 4, 5, 6], vec![1], vec![1, 12, 4]]));
        let limit = tokens.limit(x.max());
        assert_eq!(limit, 12);
        assert_eq!(
            tokens.replace(&x, limit),
            Sequences::from_iter([vec![1, 4, 5, 6], vec![1], vec![1, 2, 4]])
        );

        let tokens = Tokens { num_words: Some(6), skip_top: 2, ..Tokens::new() };
        assert_eq!(
            tokens.replace(&x, tokens.limit(x.max())),
            Sequences::from_iter([vec![2, 4, 5, 2], vec![2], vec![2, 2, 4]])
        );
        let tokens = Tokens { oov_char: None, start_char: None, index_from: 0, ..tokens };
        let x = tokens.shift(&ranks()).unwrap();
        assert_eq!(x, ranks());
        assert_eq!(
            tokens.replace(&x, 6),
            Sequences::from_iter([vec![2, 3], vec![], vec![]])
        );
    }

    #[test]
    fn long_sequences_are_removed_with_their_labels() {
        let tokens = Tokens { maxlen: Some(3), ..Tokens::new() };
        let (x, y) = tokens.remove_long(ranks(), vec![7, 8, 9]).unwrap();
        assert_eq!(x, Sequences::from_iter([vec![], vec![9, 1]]));
        assert_eq!(y, [8, 9]);
        let tokens = Tokens { maxlen: Some(2), ..Tokens::new() };
        let x = Sequences::from_iter([vec![1, 2], vec![3, 4, 5]]);
        assert_eq!(
            tokens.remove_long(x, vec![0, 1]).unwrap_err().to_string(),
            "`maxlen`: cannot take this input\n  \
             expected: more than 2, the length of the shortest sequence\n       got: 2\n      \
             help: sequences of maxlen ids or more are removed"
        );
    }

    #[test]
    fn ranks_beyond_the_largest_id_are_errors() {
        let tokens = Tokens { index_from: u32::MAX, ..Tokens::new() };
        assert!(tokens.shift(&ranks()).is_err());
        let tokens = Tokens { index_from: u32::MAX - 9, ..Tokens::new() };
        assert!(tokens.shift(&ranks()).is_ok());
    }
}
