//! The inverse of the Burrows-Wheeler transform.
//!
//! Each place of the sorted column knows its byte and the place of the byte that follows it in the
//! text. Following them from the first one to the last is one cache miss a byte, each waiting for the
//! one before. So the text is walked from many places at a time: from the known start, and from
//! places all over the column, each until it meets the start of another walk. The walks are put
//! together in the end.

use super::column::{Column, MOST};

/// How many walks are under way at a time.
const LANES: usize = 8;
/// How far they go before anyone looks where they are.
const STRIDE: usize = 64;
/// About how many walks there are, beside the one from the known start: enough to keep all lanes
/// busy, though some are long and some are short.
const WALKS: usize = 96;
/// The fewest places for each walk.
const FEWEST: usize = 512;

/// An entry of the table has the byte in its upper eight bits, and the next place in its lower 20.
const PLACE: u32 = (1 << 20) - 1;
/// Set where the next place is the start of a walk.
const STOP: u32 = 1 << 20;
const TABLE: usize = 1 << 20;
const _: () = assert!(MOST <= TABLE);

/// No stretch, or no walk.
const NOTHING: u32 = u32::MAX;

/// Room for the inverse.
#[derive(Debug)]
pub(super) struct Inverse {
    table: Box<[u32; TABLE]>,
    stretches: Vec<Stretch>,
    walks: Vec<Walk>,
}

/// A piece of a walk.
#[derive(Debug, Clone)]
struct Stretch {
    bytes: [u8; STRIDE],
    /// The piece after it.
    next: u32,
}

/// Bytes that follow each other in the text.
#[derive(Debug, Clone, Copy)]
struct Walk {
    first: u32,
    last: u32,
    /// How many bytes there are in all.
    length: u32,
    /// The place in front of which it stopped.
    stopped: u32,
}

impl Default for Inverse {
    fn default() -> Self {
        let table = vec![0; TABLE].into_boxed_slice();
        Self {
            table: whole(table),
            stretches: Vec::new(),
            walks: Vec::new(),
        }
    }
}

/// The same with its length known to the compiler, which then leaves out all bounds checks.
#[expect(clippy::large_stack_arrays, reason = "it never gets that far")]
fn whole(table: Box<[u32]>) -> Box<[u32; TABLE]> {
    table.try_into().unwrap_or_else(|_| Box::new([0; TABLE]))
}

impl Inverse {
    /// Replaces `text` by the text whose sorted column is given, and in which the text itself is at
    /// the place `origin`.
    pub(super) fn run(&mut self, column: &Column, origin: u32, text: &mut Vec<u8>) {
        let length = column.bytes().len();
        let apart = length.div_ceil(WALKS).max(FEWEST);
        self.link(column, apart);
        self.walk(length, apart, origin);
        self.join(length, apart, text);
    }

    /// Fills the table. Walks start at places that are `apart`.
    fn link(&mut self, column: &Column, apart: usize) {
        let mut sum = 0;
        let mut slots = column.counts().map(|count| {
            let first = sum;
            sum += count;
            first
        });
        let mut place = 0_u32;
        for part in column.bytes().chunks(apart) {
            let mut stop = STOP;
            for &byte in part {
                let slot = &mut slots[usize::from(byte)];
                self.table[(*slot & PLACE) as usize] = u32::from(byte) << 24 | stop | place;
                *slot += 1;
                place += 1;
                stop = 0;
            }
        }
    }

    /// Walks from `origin`, and from all places that are `apart`.
    fn walk(&mut self, length: usize, apart: usize, origin: u32) {
        self.walks.clear();
        self.stretches.clear();
        let starts = (0..in_a_block(length)).step_by(apart);
        let mut starts = std::iter::once(origin).chain(starts);
        let mut lanes = [0; LANES];
        let mut walks = [None; LANES];
        for lane in 0..LANES {
            walks[lane] = self.start(&mut starts, &mut lanes[lane]);
        }
        let mut bytes = [[0; STRIDE]; LANES];
        while walks.iter().any(Option::is_some) {
            let before = lanes;
            let seen = self.stride(&mut lanes, &mut bytes);
            for lane in 0..LANES {
                let Some(walk) = walks[lane] else { continue };
                let stop = if seen & STOP == 0 {
                    None
                } else {
                    self.stop(before[lane])
                };
                let walked = stop.map_or(STRIDE, |(walked, _)| walked);
                self.append(walk, &bytes[lane], walked);
                // A short cycle without any start in it goes round and round.
                let around = self.walks[walk].length as usize >= length;
                if let Some((_, stopped)) = stop {
                    self.walks[walk].stopped = stopped;
                }
                if stop.is_some() || around {
                    walks[lane] = self.start(&mut starts, &mut lanes[lane]);
                }
            }
        }
    }

    /// Puts the next walk on a lane.
    fn start(&mut self, starts: &mut impl Iterator<Item = u32>, lane: &mut u32) -> Option<usize> {
        *lane = starts.next()?;
        self.walks.push(Walk {
            first: NOTHING,
            last: NOTHING,
            length: 0,
            stopped: 0,
        });
        Some(self.walks.len() - 1)
    }

    /// Goes on for a stride on all lanes. Gives all bits that were met.
    #[expect(
        clippy::needless_range_loop,
        reason = "the lanes side by side, step by step"
    )]
    fn stride(&self, lanes: &mut [u32; LANES], bytes: &mut [[u8; STRIDE]; LANES]) -> u32 {
        let mut seen = 0;
        let mut at = *lanes;
        for step in 0..STRIDE {
            for lane in 0..LANES {
                let entry = self.table[(at[lane] & PLACE) as usize];
                bytes[lane][step] = (entry >> 24) as u8;
                seen |= entry;
                at[lane] = entry;
            }
        }
        *lanes = at;
        seen
    }

    /// After how many bytes of a stride from here a walk stops, and in front of which place.
    fn stop(&self, mut at: u32) -> Option<(usize, u32)> {
        (1..=STRIDE).find_map(|walked| {
            at = self.table[(at & PLACE) as usize];
            (at & STOP != 0).then_some((walked, at & PLACE))
        })
    }

    fn append(&mut self, walk: usize, bytes: &[u8; STRIDE], walked: usize) {
        let own = in_a_block(self.stretches.len());
        self.stretches.push(Stretch {
            bytes: *bytes,
            next: NOTHING,
        });
        let walk = &mut self.walks[walk];
        match self.stretches.get_mut(walk.last as usize) {
            Some(last) => last.next = own,
            None => walk.first = own,
        }
        walk.last = own;
        walk.length += in_a_block(walked);
    }

    /// Puts the walks together, from the first on, to a text of that length.
    fn join(&self, length: usize, apart: usize, text: &mut Vec<u8>) {
        text.clear();
        text.reserve(length + STRIDE);
        let mut walk = self.walks[0];
        while text.len() < length {
            let end = text.len() + walk.length as usize;
            let mut next = walk.first;
            while let Some(stretch) = self.stretches.get(next as usize) {
                text.extend_from_slice(&stretch.bytes);
                next = stretch.next;
            }
            text.truncate(end);
            walk = self.walks[1 + walk.stopped as usize / apart];
        }
        text.truncate(length);
    }
}

/// A number of bytes of a block, or of anything there is less of.
#[expect(clippy::cast_possible_truncation, reason = "a block is small")]
fn in_a_block(number: usize) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Random, craft},
        *,
    };

    fn check(bytes: &[u8], origins: impl IntoIterator<Item = usize>) {
        let column = Column::of(bytes);
        let (mut inverse, mut text) = (Inverse::default(), vec![0; 7]);
        for origin in origins {
            inverse.run(&column, in_a_block(origin), &mut text);
            assert!(
                text == craft::inverse(bytes, origin),
                "{} bytes",
                bytes.len()
            );
        }
    }

    #[test]
    fn small_columns_are_inverted_from_every_origin() {
        let mut random = Random(34);
        for size in (1..30).chain([63, 64, 65, 200]) {
            for kinds in [1, 2, 255] {
                let bytes: Vec<u8> = (0..size).map(|_| random.byte() % kinds).collect();
                check(&bytes, 0..size);
            }
        }
    }

    /// Some of these have short cycles, which no other walk meets.
    #[test]
    fn large_columns_are_inverted_whatever_their_cycles() {
        let mut random = Random(35);
        for size in [511, 512, 513, 1024, 5000, 100_000] {
            let noise: Vec<u8> = (0..size).map(|_| random.byte()).collect();
            let mut sorted = noise.clone();
            sorted.sort_unstable();
            let mut almost = sorted.clone();
            almost.swap(3, size / 2);
            let alike = vec![b'a'; size];
            let halves = [vec![b'b'; size / 2], vec![b'a'; size / 2]].concat();
            for bytes in [noise, sorted, almost, alike, halves] {
                let last = bytes.len() - 1;
                check(&bytes, [0, 1, 3, last / 2, last, random.below(last)]);
            }
        }
    }
}
