//! The last column of a block's sorted rotations, from its Huffman-coded symbols.

use super::{
    bits::{Bits, Source},
    fault::Fault,
    huffman::Code,
    order::Recent,
};

/// The most bytes of a block: 100,000 for each step of a stream's level, from 1 to 9.
pub(super) const MOST: usize = 900_000;
/// How many symbols are coded alike.
const GROUP: usize = 50;
/// The most groups that a block needs; compressors may announce a few more.
const MOST_GROUPS: usize = MOST / GROUP + 2;
/// Short runs are written with as much as this at once.
const STROKE: usize = 16;
/// How many codes there may be.
const MOST_CODES: usize = 6;

/// The column, with room for decoding it.
#[derive(Debug)]
pub(super) struct Column {
    /// The bytes, `length` of them. There is always room for a stroke behind them.
    bytes: Vec<u8>,
    length: usize,
    /// How often each byte occurs.
    counts: [u32; 256],
    codes: [Code; MOST_CODES],
    /// Which code each group has.
    selectors: Vec<u8>,
}

impl Default for Column {
    fn default() -> Self {
        Self {
            bytes: vec![0; MOST + STROKE],
            length: 0,
            counts: [0; 256],
            codes: Default::default(),
            selectors: Vec::with_capacity(MOST_GROUPS),
        }
    }
}

/// What comes before the symbols.
struct Head {
    /// The bytes of the block, in order.
    used: [u8; 256],
    /// The symbol that ends the block: one more than those of its bytes, the first of which has none.
    end: u16,
}

impl Column {
    /// Reads it.
    ///
    /// # Errors
    /// When bits are missing or mean nothing.
    pub(super) fn read<S: Source>(&mut self, bits: &mut Bits<S>) -> Result<(), Fault> {
        let head = self.read_head(bits)?;
        let mut writer = Writer {
            recent: Recent::new(head.used),
            bytes: &mut self.bytes,
            length: 0,
            counts: [0; 256],
            weight: 0,
        };
        for &selector in &self.selectors {
            let code = &self.codes[usize::from(selector)];
            if !writer.whole_group(bits, code, head.end)?
                && writer.last_group(bits, code, head.end)?
            {
                bits.check()?;
                (self.length, self.counts) = (writer.length, writer.counts);
                return match self.length {
                    1..=MOST => Ok(()),
                    _ => Err(TOO_LONG),
                };
            }
        }
        Err(bits.blame("a block does not end"))
    }

    #[cfg(test)]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut column = Self {
            length: bytes.len(),
            ..Self::default()
        };
        column.bytes[..bytes.len()].copy_from_slice(bytes);
        for byte in bytes {
            column.counts[usize::from(*byte)] += 1;
        }
        column
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// How often each byte occurs.
    pub(super) fn counts(&self) -> &[u32; 256] {
        &self.counts
    }

    fn read_head<S: Source>(&mut self, bits: &mut Bits<S>) -> Result<Head, Fault> {
        let (used, count) = read_used(bits)?;
        let codes = bits.take(3)? as usize;
        if !(2..=MOST_CODES).contains(&codes) {
            return Err(Fault::Damaged(
                "the number of Huffman codes is out of bounds",
            ));
        }
        self.read_selectors(bits, codes)?;
        let symbols = count + 2;
        for code in &mut self.codes[..codes] {
            code.read(bits, symbols.into())?;
        }
        Ok(Head {
            used,
            end: symbols - 1,
        })
    }

    /// Which code each group has: its place among the codes that were used last, as so many ones.
    fn read_selectors<S: Source>(&mut self, bits: &mut Bits<S>, codes: usize) -> Result<(), Fault> {
        let count = bits.take(15)?;
        let mut recent = [0, 1, 2, 3, 4, 5];
        self.selectors.clear();
        for _ in 0..count {
            let mut place = 0;
            while bits.take_bit() {
                place += 1;
                if place >= codes {
                    return Err(bits.blame("a group has a Huffman code that is not there"));
                }
            }
            recent[..=place].rotate_right(1);
            if self.selectors.len() < MOST_GROUPS {
                self.selectors.push(recent[0]);
            }
        }
        bits.check()
    }
}

/// The bytes that a block has, in order, and how many: a bit for each sixteen of them, and sixteen
/// bits for each of those.
fn read_used<S: Source>(bits: &mut Bits<S>) -> Result<([u8; 256], u16), Fault> {
    let mut used = [0; 256];
    let mut count = 0_u16;
    let sixteens = bits.take(16)?;
    for sixteen in (0..16_u8).filter(|sixteen| sixteens >> (15 - sixteen) & 1 == 1) {
        let ones = bits.take(16)?;
        for one in (0..16_u8).filter(|one| ones >> (15 - one) & 1 == 1) {
            used[usize::from(count)] = 16 * sixteen + one;
            count += 1;
        }
    }
    if count == 0 {
        return Err(Fault::Damaged("a block has no bytes"));
    }
    Ok((used, count))
}

const TOO_LONG: Fault = Fault::Damaged("a block has too many bytes, or none");

/// Writes the column, symbol by symbol.
struct Writer<'a> {
    recent: Recent,
    bytes: &'a mut [u8],
    length: usize,
    counts: [u32; 256],
    /// What the next digit of a run's length is worth, as a power of two.
    weight: u32,
}

impl Writer<'_> {
    /// Writes a group, unless the block ends in it: then nothing is written or taken.
    #[inline]
    fn whole_group<S: Source>(
        &mut self,
        bits: &mut Bits<S>,
        code: &Code,
        end: u16,
    ) -> Result<bool, Fault> {
        let start = bits.at();
        let mut symbols = [0; GROUP];
        let mut most = 0;
        // First all symbols, then what they mean: the branches of the one do not hold up the other.
        for two in symbols.as_chunks_mut::<2>().0 {
            bits.refill();
            *two = [code.symbol(bits), code.symbol(bits)];
            most = most.max(two[0]).max(two[1]);
        }
        if most >= end {
            bits.back_to(start);
            return Ok(false);
        }
        bits.check()?;
        for symbol in symbols {
            self.symbol(symbol)?;
        }
        Ok(true)
    }

    /// Writes what of a group comes before the end. False when the end is not in it after all.
    fn last_group<S: Source>(
        &mut self,
        bits: &mut Bits<S>,
        code: &Code,
        end: u16,
    ) -> Result<bool, Fault> {
        for _ in 0..GROUP {
            bits.refill();
            let symbol = code.symbol(bits);
            if symbol == end {
                return Ok(true);
            }
            if symbol > end {
                return Err(bits.blame("bits of a block are no Huffman code"));
            }
            bits.check()?;
            self.symbol(symbol)?;
        }
        Ok(false)
    }

    /// Writes what a symbol stands for. Nothing branches on whether that is a digit of a run's
    /// length or a byte's place, since nothing could guess it.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the inner loop of decoding is made of it"
    )]
    fn symbol(&mut self, symbol: u16) -> Result<(), Fault> {
        let is_run = symbol < 2;
        let amount = if is_run {
            u32::from(symbol + 1) << self.weight
        } else {
            1
        };
        self.weight = if is_run { self.weight + 1 } else { 0 };
        let place = if is_run { 0 } else { symbol - 1 };
        let byte = self.recent.take(place);
        let Some(stroke) = self.bytes.get_mut(self.length..self.length + STROKE) else {
            return Err(TOO_LONG);
        };
        stroke.fill(byte);
        if amount as usize > STROKE {
            self.fill(byte, amount as usize)?;
        }
        self.length += amount as usize;
        self.counts[usize::from(byte)] += amount;
        Ok(())
    }

    #[inline(never)]
    fn fill(&mut self, byte: u8, amount: usize) -> Result<(), Fault> {
        let run = self.bytes.get_mut(self.length..self.length + amount);
        run.ok_or(TOO_LONG)?.fill(byte);
        Ok(())
    }
}
