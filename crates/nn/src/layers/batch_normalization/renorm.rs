//! How far renormalization goes: [`RenormClipping`].

use deckle_autograd::Var;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How far renormalization may go: limits of `r` and of the size of `d`; none by default.
///
/// # Keras
///
/// The keys of `renorm_clipping`.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenormClipping {
    /// The largest `r`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmax: Option<f64>,
    /// The smallest `r`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmin: Option<f64>,
    /// The largest `|d|`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmax: Option<f64>,
}

impl RenormClipping {
    pub(super) fn check(self) -> Result<()> {
        let all = [self.rmax, self.rmin, self.dmax];
        let numbers = all.iter().flatten().all(|limit| *limit >= 0.0);
        let ordered = self
            .rmin
            .zip(self.rmax)
            .is_none_or(|(smallest, largest)| smallest <= largest);
        if numbers && ordered {
            return Ok(());
        }
        let expected = "numbers from 0, `rmin` not above `rmax`";
        Err(Error::invalid("`renorm_clipping` makes no sense", expected)
            .got(format_args!("{self:?}")))
    }

    /// The corrections within the limits.
    pub(super) fn clip(self, r: &Var, d: &Var) -> Result<(Var, Var)> {
        let (mut r, mut d) = (r.clone(), d.clone());
        if let Some(limit) = self.rmin {
            r = r.maximum(limit)?;
        }
        if let Some(limit) = self.rmax {
            r = r.minimum(limit)?;
        }
        if let Some(limit) = self.dmax {
            d = d.maximum(-limit)?.minimum(limit)?;
        }
        Ok((r, d))
    }
}
