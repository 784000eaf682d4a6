//! Finding where blocks and ends of streams may start, at any bit.

/// What a block starts with: π.
pub(super) const BLOCK: u64 = 0x3141_5926_5359;
/// What the end of a stream starts with: √π.
pub(super) const END: u64 = 0x1772_4538_5090;
/// How long they are, in bits.
pub(super) const MARK_BITS: u32 = 48;

/// A place that looks like the start of a block or the end of a stream. Compressed data may look
/// like it by chance, once in some 16 TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its first bit, counted from the start of what was searched.
    pub(super) bit: u64,
    /// Whether it is a block's.
    pub(super) block: bool,
}

/// At whatever bit a mark starts, at least five bytes in a row are entirely its own. So every fourth
/// pair of bytes is looked up here, and is almost always of none.
static PAIRS: [u64; 1024] = pairs();

const fn pairs() -> [u64; 1024] {
    let mut pairs = [0; 1024];
    let mut shift = 0;
    while shift < 8 {
        let mut behind = 0;
        while behind < 4 {
            // The pair that starts in the byte `behind + 1` behind the mark's first one.
            let down = 48 - 8 - 16 - 8 * behind + shift;
            let mut which = 0;
            while which < 2 {
                let mark = if which == 0 { BLOCK } else { END };
                let pair = ((mark >> down) & 0xffff) as usize;
                pairs[pair / 64] |= 1 << (pair % 64);
                which += 1;
            }
            behind += 1;
        }
        shift += 1;
    }
    pairs
}

/// The first mark that starts at the bit `from` or later and is there as a whole.
pub(super) fn find(bytes: &[u8], from: u64) -> Option<Mark> {
    let first = usize::try_from(from / 8).ok()?;
    let mut pair = first + 1;
    while let Some(&[high, low]) = bytes.get(pair..pair + 2) {
        let value = usize::from(u16::from_be_bytes([high, low]));
        if PAIRS[value / 64] >> (value % 64) & 1 == 1 {
            let nearby = pair.saturating_sub(4).max(first)..pair;
            let mark = nearby
                .flat_map(|byte| at_byte(bytes, byte))
                .find(|mark| mark.bit >= from);
            if mark.is_some() {
                return mark;
            }
        }
        pair += 4;
    }
    None
}

/// The marks that start in a byte.
fn at_byte(bytes: &[u8], byte: usize) -> impl Iterator<Item = Mark> {
    let mut eight = [0; 8];
    let there = bytes.len().saturating_sub(byte).min(8);
    eight[..there].copy_from_slice(&bytes[byte..byte + there]);
    let window = u64::from_be_bytes(eight);
    (0..8).filter_map(move |shift: u64| {
        let bits = window >> (16 - shift) & ((1 << MARK_BITS) - 1);
        let whole = shift + u64::from(MARK_BITS) <= 8 * there as u64;
        (whole && (bits == BLOCK || bits == END)).then_some(Mark {
            bit: 8 * byte as u64 + shift,
            block: bits == BLOCK,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Random, *};

    /// Sets 48 bits.
    fn plant(bytes: &mut [u8], bit: usize, mark: u64) {
        for offset in 0..48 {
            let (at, own) = ((bit + offset) / 8, 0x80 >> ((bit + offset) % 8));
            let one = mark >> (47 - offset) & 1 == 1;
            bytes[at] = if one {
                bytes[at] | own
            } else {
                bytes[at] & !own
            };
        }
    }

    #[test]
    fn a_mark_is_found_at_every_bit_and_from_every_bit_before_it() {
        for size in 6..24 {
            for bit in 0..=8 * (size - 6) {
                let mut bytes = vec![0xff; size];
                plant(&mut bytes, bit, BLOCK);
                let bit = bit as u64;
                let mark = Mark { bit, block: true };
                for from in 0..=bit {
                    assert_eq!(find(&bytes, from), Some(mark));
                }
                assert_eq!(find(&bytes, bit + 1), None);
                let shorter = &bytes[..size - 1];
                assert_eq!(
                    find(shorter, 0).is_some(),
                    bit + 48 <= 8 * shorter.len() as u64
                );
            }
        }
    }

    #[test]
    fn marks_are_found_in_their_order_among_what_looks_like_them() {
        let mut random = Random(33);
        for _ in 0..200 {
            let mut bytes: Vec<u8> = (0..300)
                .map(|_| b"\x31\x41\x59\x26\x53\x17\x72"[random.below(7)])
                .collect();
            let mut planted = Vec::new();
            let mut bit = random.below(60);
            while bit + 48 <= 8 * bytes.len() {
                let block = random.below(2) == 0;
                plant(&mut bytes, bit, if block { BLOCK } else { END });
                planted.push(Mark {
                    bit: bit as u64,
                    block,
                });
                bit += 48 + random.below(100);
            }
            let mut from = 0;
            for mark in planted {
                assert_eq!(find(&bytes, from), Some(mark));
                from = mark.bit + 1;
            }
            assert_eq!(find(&bytes, from), None);
        }
    }

    #[test]
    fn what_is_too_short_has_no_mark() {
        assert_eq!(find(b"", 0), None);
        assert_eq!(find(b"1", 0), None);
        assert_eq!(find(&BLOCK.to_be_bytes()[2..7], 0), None);
        assert_eq!(find(&[0; 100], 900), None);
    }
}
