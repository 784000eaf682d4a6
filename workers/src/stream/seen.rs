//! Which events were taken already, by the hash of their id.
//!
//! Two generations of ids are remembered: when the younger is full the older is forgotten, so
//! that memory is bounded. The newest time among what was forgotten is the horizon: an event that
//! is not remembered and is newer was never seen; one that is older *may* have been, and whoever
//! keeps the rows has to look.
//!
//! Both have their room from the start, so that the process is as large in its first minute as in
//! its last, and no event waits while a table grows.

use std::collections::HashSet;

use jiff::Timestamp;

/// Ids of a generation: both together cover an hour and more of the stream, in 9 MiB.
const GENERATION: usize = 229_000;

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was taken already.
    Seen,
    /// It was not.
    New,
    /// It is older than what is remembered.
    Perhaps,
}

/// The ids that are remembered.
#[derive(Debug)]
pub struct Seen {
    young: HashSet<u128>,
    old: HashSet<u128>,
    young_newest: Timestamp,
    old_newest: Timestamp,
    horizon: Timestamp,
    generation: usize,
}

impl Seen {
    /// Nothing is remembered, and everything up to `horizon` may have been taken by an earlier
    /// process.
    #[must_use]
    pub fn new(horizon: Timestamp) -> Self {
        Self {
            young: HashSet::with_capacity(GENERATION),
            old: HashSet::with_capacity(GENERATION),
            young_newest: Timestamp::MIN,
            old_newest: Timestamp::MIN,
            horizon,
            generation: GENERATION,
        }
    }

    /// Remembers an event, and tells what was known of it before.
    pub fn take(&mut self, key: u128, ts: Timestamp) -> Known {
        if self.old.contains(&key) || !self.young.insert(key) {
            return Known::Seen;
        }
        self.young_newest = self.young_newest.max(ts);
        let known = if ts > self.horizon {
            Known::New
        } else {
            Known::Perhaps
        };
        if self.young.len() >= self.generation {
            self.horizon = self.horizon.max(self.old_newest);
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.old_newest = std::mem::replace(&mut self.young_newest, Timestamp::MIN);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_taken_is_known_and_what_an_earlier_process_had_is_not() {
        let mut seen = Seen::new(at(100));
        assert_eq!(seen.take(1, at(101)), Known::New);
        assert_eq!(seen.take(1, at(101)), Known::Seen);
        assert_eq!(seen.take(2, at(100)), Known::Perhaps);
        assert_eq!(seen.take(2, at(100)), Known::Seen);
    }

    #[test]
    fn what_is_forgotten_may_have_been_seen() {
        let mut seen = Seen::new(at(0));
        seen.generation = 10;
        for (key, second) in (1..=25).zip(1..) {
            assert_eq!(seen.take(key, at(second)), Known::New);
        }
        // 1 to 10 are forgotten, 11 to 20 are old, 21 to 25 are young.
        assert_eq!(seen.take(11, at(11)), Known::Seen);
        assert_eq!(seen.take(10, at(10)), Known::Perhaps);
        assert_eq!(seen.take(1000, at(11)), Known::New);
        assert!(seen.young.len() + seen.old.len() <= 20);
    }
}
