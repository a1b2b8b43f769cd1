//! What the property tests of the operations share.
