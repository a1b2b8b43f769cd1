//! How often something is saved or written: [`SaveFreq`].

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How often something is saved or written.
///
/// # Examples
///
/// ```
/// use deckle_train::callbacks::SaveFreq;
///
/// assert_eq!(SaveFreq::from(100), SaveFreq::Batches(100));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveFreq {
    /// At the end of every epoch.
    #[default]
    Epoch,
    /// Every so many batches, whatever epoch they are of.
    Batches(usize),
}

impl From<usize> for SaveFreq {
    fn from(batches: usize) -> Self {
        Self::Batches(batches)
    }
}

impl SaveFreq {
    pub(crate) fn check(self, argument: &str) -> Result<()> {
        match self {
            Self::Batches(0) => Err(Error::invalid(argument, "one batch or more").got(0)),
            _ => Ok(()),
        }
    }
}

/// How many batches there were since something was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Since(usize);

impl Since {
    /// Whether it is time, after one more batch.
    pub(crate) fn batch(&mut self, freq: SaveFreq) -> bool {
        let SaveFreq::Batches(batches) = freq else { return false };
        self.0 += 1;
        let due = self.0 >= batches;
        if due {
            self.0 = 0;
        }
        due
    }
}
