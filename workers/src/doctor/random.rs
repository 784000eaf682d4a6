//! Names that nobody else has.

use std::hash::{BuildHasher as _, RandomState};

/// What every temporary object's name begins with.
pub(super) const PREFIX: &str = "wikiingest-doctor-";

/// Ten hexadecimal digits.
pub(super) fn suffix() -> String {
    // The standard library's hash tables are seeded by chance, and nothing here has to be a secret.
    let chance = RandomState::new().hash_one(std::process::id());
    format!("{:010x}", chance >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_differ() {
        let (one, two) = (suffix(), suffix());
        assert_eq!(one.len(), 10);
        assert_ne!(one, two);
    }
}
