//! One block, from its bits to its text.

use super::{
    bits::{Bits, Source},
    bwt::Inverse,
    column::Column,
    crc::Crc,
    fault::Fault,
    runs,
};

/// The most text of a block that is handed over as such: hardly any has more than its 900,000 bytes,
/// but runs may make it fifty times as much.
const MOST_TEXT: usize = 2 << 20;
/// How much text is made at a time, to be in the cache when its checksum is computed.
const PIECE: usize = 128 << 10;

/// A decoded block, with the right checksum.
#[derive(Debug)]
pub(super) struct Block {
    /// Its checksum.
    pub(super) crc: u32,
    /// How many bytes it has before its runs are unpacked.
    pub(super) packed: usize,
    /// Where it ends, in bits of the file.
    pub(super) end: u64,
    /// What it says.
    pub(super) text: Text,
}

/// A block's text.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// What can be read from `from` on.
    bytes: Vec<u8>,
    from: usize,
    /// What is to be unpacked from `unpacked` on.
    packed: Vec<u8>,
    unpacked: usize,
}

impl Text {
    /// Unpacks more if there is some and it is time. Gives what can be read.
    pub(super) fn refill(&mut self) -> Result<&[u8], Fault> {
        if self.from == self.bytes.len() && self.unpacked < self.packed.len() {
            self.from = 0;
            self.bytes.clear();
            self.unpacked = runs::unpack(&self.packed, self.unpacked, &mut self.bytes, PIECE)?;
        }
        Ok(&self.bytes[self.from..])
    }

    /// Reads as much as there is and fits.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let bytes = &self.bytes[self.from..];
        let amount = bytes.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&bytes[..amount]);
        self.from += amount;
        amount
    }

    /// Gives back the room.
    pub(super) fn into_room(self) -> Vec<u8> {
        self.bytes
    }
}

/// Decodes blocks, one at a time. Holds about 7 MiB once it has.
#[derive(Debug, Default)]
pub(super) struct BlockDecoder {
    column: Column,
    inverse: Inverse,
    packed: Vec<u8>,
}

impl BlockDecoder {
    /// Decodes the block whose mark was just taken. `room` is used for the text.
    ///
    /// # Errors
    /// When bits are missing or mean nothing, or the checksum is wrong.
    pub(super) fn decode<S: Source>(
        &mut self,
        bits: &mut Bits<S>,
        room: Vec<u8>,
    ) -> Result<Block, Fault> {
        let stored = bits.take(32)?;
        if bits.take(1)? == 1 {
            return Err(Fault::Damaged(
                "a randomised block, as no bzip2 since 0.9.5 (1999) writes it",
            ));
        }
        let origin = bits.take(24)?;
        self.column.read(bits)?;
        if origin as usize >= self.column.bytes().len() {
            return Err(Fault::Damaged("a block starts behind its end"));
        }
        self.inverse.run(&self.column, origin, &mut self.packed);
        let packed = self.packed.len();
        let (text, crc) = self.unpack(room)?;
        if crc != stored {
            return Err(Fault::Checksum {
                part: "block",
                stored,
                found: crc,
            });
        }
        Ok(Block {
            crc,
            packed,
            end: bits.at(),
            text,
        })
    }

    /// The text and its checksum.
    fn unpack(&mut self, room: Vec<u8>) -> Result<(Text, u32), Fault> {
        let mut text = Text {
            bytes: room,
            ..Text::default()
        };
        text.bytes.clear();
        let mut crc = Crc::new();
        let (mut at, mut summed) = (0, 0);
        let mut fits = true;
        while at < self.packed.len() {
            let enough = summed + PIECE;
            at = runs::unpack(&self.packed, at, &mut text.bytes, enough)?;
            crc.update(&text.bytes[summed..]);
            summed = text.bytes.len();
            if summed > MOST_TEXT || !fits {
                // It is unpacked again, piece by piece, when it is read.
                fits = false;
                summed = 0;
                text.bytes.clear();
            }
        }
        if !fits {
            text.packed = std::mem::take(&mut self.packed);
        }
        Ok((text, crc.finish()))
    }
}
