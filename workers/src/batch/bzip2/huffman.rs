//! Huffman codes: how they are written, and looking them up.

use super::{
    bits::{Bits, Source},
    fault::Fault,
};

/// The longest code, in bits.
const LONGEST: u8 = 20;
/// How many lengths there are, none included.
const LENGTHS: usize = LONGEST as usize + 1;
/// Codes up to this many bits are looked up at once.
const QUICK: u8 = 10;
/// How many symbols there may be: two for runs, 255 for places, one for the end.
pub(super) const MOST_SYMBOLS: usize = 258;
/// What bits that are no code stand for: beyond all symbols.
const NONE: u16 = 511;

/// The codes of one length.
#[derive(Debug, Clone, Copy, Default)]
struct Rank {
    /// The first of them.
    first: u32,
    /// What follows the last.
    end: u32,
    /// The place of the first one's symbol.
    place: u32,
}

/// One Huffman code.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// For each beginning: the symbol in the upper 11 bits, its length in the lower 5. Zero where
    /// the code is longer.
    quick: [u16; 1 << QUICK],
    ranks: [Rank; LENGTHS],
    /// Symbols in the order of their codes.
    symbols: [u16; MOST_SYMBOLS],
}

impl Default for Code {
    fn default() -> Self {
        Self {
            quick: [0; 1 << QUICK],
            ranks: [Rank::default(); LENGTHS],
            symbols: [NONE; MOST_SYMBOLS],
        }
    }
}

impl Code {
    /// Reads the lengths of `count` symbols' codes: the first length, then a step up or down at a
    /// time. Codes that are too many or too few for their lengths are taken as the reference
    /// implementation takes them.
    ///
    /// # Errors
    /// When a length is none.
    pub(super) fn read<S: Source>(
        &mut self,
        bits: &mut Bits<S>,
        count: usize,
    ) -> Result<(), Fault> {
        let mut lengths = [0; MOST_SYMBOLS];
        let [.., mut length] = bits.take_few(5).to_be_bytes();
        for own in &mut lengths[..count] {
            loop {
                if !(1..=LONGEST).contains(&length) {
                    return Err(bits.blame("the length of a Huffman code is out of bounds"));
                }
                if !bits.take_bit() {
                    break;
                }
                length = if bits.take_bit() {
                    length - 1
                } else {
                    length + 1
                };
            }
            *own = length;
        }
        bits.check()?;
        self.assign(&lengths[..count]);
        self.fill_quick();
        Ok(())
    }

    /// Gives codes to the symbols: shorter ones first, and in order.
    fn assign(&mut self, lengths: &[u8]) {
        let mut counts = [0; LENGTHS];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        let (mut code, mut place) = (0, 0);
        for (rank, count) in self.ranks.iter_mut().zip(counts) {
            *rank = Rank {
                first: code,
                end: code + count,
                place,
            };
            code = rank.end << 1;
            place += count;
        }
        let mut places = self.ranks.map(|rank| rank.place as usize);
        for (symbol, &length) in (0..).zip(lengths) {
            let place = &mut places[usize::from(length)];
            self.symbols[*place] = symbol;
            *place += 1;
        }
    }

    fn fill_quick(&mut self) {
        let mut at = 0;
        for (length, rank) in (0..=QUICK).zip(self.ranks) {
            let place = rank.place as usize;
            let count = (rank.end - rank.first) as usize;
            for &symbol in &self.symbols[place..place + count] {
                let end = (at + (1 << (QUICK - length))).min(1 << QUICK);
                self.quick[at..end].fill(entry(symbol, length));
                at = end;
            }
        }
        self.quick[at..].fill(0);
    }

    /// Takes a symbol; one beyond all others for bits that are no code. 20 bits or more have been
    /// refilled.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the inner loop of decoding is made of it"
    )]
    pub(super) fn symbol<S: Source>(&self, bits: &mut Bits<S>) -> u16 {
        let mut found = self.quick[bits.peek(u32::from(QUICK)) as usize];
        if found == 0 {
            found = self.look(bits);
        }
        bits.skip(u32::from(found & 31));
        found >> 5
    }

    #[cold]
    fn look<S: Source>(&self, bits: &Bits<S>) -> u16 {
        for (length, rank) in (0..).zip(self.ranks).skip(usize::from(QUICK) + 1) {
            let code = bits.peek(u32::from(length));
            if code < rank.end {
                let place = code.wrapping_sub(rank.first).wrapping_add(rank.place);
                let symbol = self.symbols.get(place as usize);
                return entry(symbol.copied().unwrap_or(NONE), length);
            }
        }
        entry(NONE, 0)
    }
}

/// A symbol and the length of its code in one number.
fn entry(symbol: u16, length: u8) -> u16 {
    symbol << 5 | u16::from(length)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::craft::BitWriter, *};

    /// Lengths as a file has them, then all the codes.
    fn read(lengths: &[u8], codes: &[(u64, u8)]) -> Result<(Code, Vec<u16>), Fault> {
        let mut writer = BitWriter::default();
        let mut length = lengths[0];
        writer.put(length.into(), 5);
        for &wanted in lengths {
            while length != wanted {
                writer.put(if wanted > length { 0b10 } else { 0b11 }, 2);
                length = if wanted > length {
                    length + 1
                } else {
                    length - 1
                };
            }
            writer.put(0, 1);
        }
        for (code, length) in codes {
            writer.put(*code, (*length).into());
        }
        let bytes = writer.into_bytes();
        let mut bits = Bits::new(&bytes[..], 0);
        let mut code = Code::default();
        code.read(&mut bits, lengths.len())?;
        let mut symbol = || {
            bits.refill();
            code.symbol(&mut bits)
        };
        let symbols = codes.iter().map(|_| symbol()).collect();
        Ok((code, symbols))
    }

    #[test]
    fn codes_of_every_length_are_read() {
        // 0, 10, 110, and so on; the last two have the same length.
        let lengths: Vec<u8> = (1..=LONGEST).chain([LONGEST]).collect();
        let ones = |count: u8| (1 << count) - 1;
        let codes: Vec<(u64, u8)> = (1..=LONGEST)
            .map(|length| (ones(length) - 1, length))
            .chain([(ones(LONGEST), LONGEST)])
            .collect();
        let (_, symbols) = read(&lengths, &codes).unwrap();
        assert_eq!(symbols, (0..=20).collect::<Vec<u16>>());
    }

    #[test]
    fn symbols_of_one_length_are_in_their_order() {
        let (_, symbols) = read(
            &[2, 1, 3, 3],
            &[(0b0, 1), (0b10, 2), (0b110, 3), (0b111, 3)],
        )
        .unwrap();
        assert_eq!(symbols, [1, 0, 2, 3]);
    }

    #[test]
    fn bits_that_are_no_code_are_no_symbol() {
        let (_, symbols) = read(&[2, 2, 2], &[(0b01, 2), (0b11, 2)]).unwrap();
        assert_eq!(symbols, [1, NONE]);
    }

    #[test]
    fn lengths_out_of_bounds_are_damage() {
        for lengths in [[0, 1], [21, 20], [20, 21]] {
            assert!(matches!(read(&lengths, &[(0, 20)]), Err(Fault::Damaged(_))));
        }
    }
}
