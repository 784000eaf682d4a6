//! Blocks that no compressor makes, and a decoder that is as plain as can be.

/// Writes bits, the highest of each byte first.
#[derive(Default)]
pub(in super::super) struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    pub(in super::super) fn put(&mut self, value: u64, bits: u32) {
        for bit in (0..bits).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let one = (value >> bit & 1) as u8;
            *self.bytes.last_mut().unwrap() |= one << (7 - self.used % 8);
            self.used += 1;
        }
    }

    pub(in super::super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A block whose symbols take a byte each, so that any bytes below 255 can stand in the file.
pub(super) struct Crafted {
    pub(super) symbols: Vec<u8>,
    /// Steps up and down again in the length of the first code: four bits each, which mean nothing.
    pub(super) padding: usize,
}

const MARK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;

/// A stream of such blocks, and its text.
pub(super) fn stream(blocks: &[Crafted]) -> (Vec<u8>, Vec<u8>) {
    let (mut bits, mut text, mut sum) = (BitWriter::default(), Vec::new(), 0_u32);
    bits.put(0x425a_6839, 32);
    for block in blocks {
        let column = column(&block.symbols);
        let starts = 0..column.len();
        let (origin, part) = starts
            .into_iter()
            .find_map(|origin| Some((origin, unpack(&inverse(&column, origin))?)))
            .unwrap();
        let crc = crc(&part);
        sum = sum.rotate_left(1) ^ crc;
        text.extend(part);
        block.write(&mut bits, crc, origin);
    }
    bits.put(END, 48);
    bits.put(sum.into(), 32);
    (bits.bytes, text)
}

impl Crafted {
    fn write(&self, bits: &mut BitWriter, crc: u32, origin: usize) {
        bits.put(MARK, 48);
        bits.put(crc.into(), 32);
        bits.put(0, 1);
        bits.put(origin as u64, 24);
        // 254 bytes are in use: 256 symbols with the second one of runs and the end.
        bits.put(0xffff, 16);
        (0..15).for_each(|_| bits.put(0xffff, 16));
        bits.put(0xfffc, 16);
        let groups = (self.symbols.len() + 1).div_ceil(50);
        bits.put(2, 3);
        bits.put(groups as u64, 15);
        (0..groups).for_each(|_| bits.put(0, 1));
        for padding in [self.padding, 0] {
            bits.put(8, 5);
            (0..padding).for_each(|_| bits.put(0b1011, 4));
            (0..256).for_each(|_| bits.put(0, 1));
        }
        for &symbol in &self.symbols {
            assert!(symbol < 255, "255 is the end");
            bits.put(symbol.into(), 8);
        }
        bits.put(255, 8);
    }
}

fn column(symbols: &[u8]) -> Vec<u8> {
    let mut recent: Vec<u8> = (0..254).collect();
    let (mut column, mut weight) = (Vec::new(), 1);
    for &symbol in symbols {
        if symbol < 2 {
            let run = vec![recent[0]; weight * usize::from(symbol + 1)];
            column.extend(run);
            weight *= 2;
        } else {
            let byte = recent.remove(usize::from(symbol) - 1);
            recent.insert(0, byte);
            column.push(byte);
            weight = 1;
        }
    }
    column
}

/// The inverse of the Burrows-Wheeler transform.
pub(in super::super) fn inverse(column: &[u8], origin: usize) -> Vec<u8> {
    let mut places: Vec<usize> = (0..column.len()).collect();
    places.sort_by_key(|&place| column[place]);
    let mut at = origin;
    (0..column.len())
        .map(|_| {
            at = places[at];
            column[at]
        })
        .collect()
}

/// Nothing when a run has no length.
pub(in super::super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (mut text, mut at) = (Vec::new(), 0);
    while at < packed.len() {
        let byte = packed[at];
        let equal = packed[at..]
            .iter()
            .take_while(|next| **next == byte)
            .count();
        text.extend(vec![byte; equal.min(4)]);
        at += equal.min(4);
        if equal >= 4 {
            text.extend(vec![byte; usize::from(*packed.get(at)?)]);
            at += 1;
        }
    }
    Some(text)
}

pub(in super::super) fn crc(text: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in text {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = (crc << 1) ^ (0x04c1_1db7 * (crc >> 31));
        }
    }
    !crc
}
