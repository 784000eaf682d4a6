//! A list of bytes, the one seen last in front.

/// How many of them are held in a register.
const FRONT: usize = 16;

/// `BEFORE[k]`: ones for the first `k + 1` bytes.
static UP_TO: [u128; FRONT] = up_to();

const fn up_to() -> [u128; FRONT] {
    let mut masks = [u128::MAX; FRONT];
    let mut place = 0;
    while place + 1 < FRONT {
        masks[place] = (1 << (8 * (place + 1))) - 1;
        place += 1;
    }
    masks
}

/// Bytes in the order in which they were seen last.
#[derive(Debug)]
pub(super) struct Recent {
    /// The first ones, from the lowest byte on.
    front: u128,
    /// All of them; the first ones are out of date.
    all: [u8; 256],
}

impl Recent {
    pub(super) fn new(all: [u8; 256]) -> Self {
        Self {
            front: all
                .first_chunk()
                .map_or(0, |front| u128::from_le_bytes(*front)),
            all,
        }
    }

    /// Moves the byte at a place to the front, and gives it.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the inner loop of decoding is made of it"
    )]
    pub(super) fn take(&mut self, place: u16) -> u8 {
        let Some(moved) = UP_TO.get(usize::from(place)) else {
            return self.take_from_the_back(usize::from(place));
        };
        let byte = (self.front >> (8 * u32::from(place))).to_le_bytes()[0];
        self.front = (self.front & !moved) | (self.front << 8 & moved) | u128::from(byte);
        byte
    }

    #[inline(never)]
    fn take_from_the_back(&mut self, place: usize) -> u8 {
        let byte = self.all[place];
        self.all[..FRONT].copy_from_slice(&self.front.to_le_bytes());
        self.all.copy_within(..place, 1);
        self.all[0] = byte;
        self.front = self
            .all
            .first_chunk()
            .map_or(0, |front| u128::from_le_bytes(*front));
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Random, *};

    #[test]
    fn bytes_move_to_the_front_from_every_place() {
        let mut random = Random(32);
        let mut expected: Vec<u8> = (0..=255).rev().collect();
        let mut recent = Recent::new(expected.clone().try_into().unwrap());
        for round in 0..20_000 {
            let place = random.below(if round % 2 == 0 { 256 } else { 18 });
            let byte = expected.remove(place);
            expected.insert(0, byte);
            assert_eq!(recent.take(place.try_into().unwrap()), byte);
        }
    }
}
