//! The servers that could not be reached a moment ago: [`Unreachable`].

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a server is not asked again: who loads ten data sets without a network waits once for
/// each server.
const PAUSE: Duration = Duration::from_secs(60);

/// When servers could not be reached, by their names.
#[derive(Debug, Default)]
pub(super) struct Unreachable(Mutex<BTreeMap<String, Instant>>);

impl Unreachable {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(super) fn add(&self, host: &str, now: Instant) {
        self.lock().insert(host.to_owned(), now);
    }

    /// Why a server is not asked, if it is not.
    pub(super) fn why(&self, host: &str, now: Instant) -> Option<String> {
        let since = *self.lock().get(host)?;
        (now.saturating_duration_since(since) < PAUSE).then(|| {
            format!("could not be reached less than {} seconds ago", PAUSE.as_secs())
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        // Nothing is left half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_again_after_a_minute() {
        let (unreachable, start) = (Unreachable::new(), Instant::now());
        assert_eq!(unreachable.why("a", start), None);
        unreachable.add("a", start);
        let is_pausing = |host, seconds| {
            unreachable.why(host, start + Duration::from_secs(seconds)).is_some()
        };
        assert!(is_pausing("a", 0) && is_pausing("a", 59) && !is_pausing("a", 60));
        assert!(!is_pausing("b", 0));
    }
}
