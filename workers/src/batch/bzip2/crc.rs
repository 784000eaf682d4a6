//! bzip2's checksum: CRC-32 with the polynomial of Ethernet, the highest bit first.

const POLYNOMIAL: u32 = 0x04c1_1db7;

/// `TABLES[k][b]`: what the byte `b` does to the checksum when `k` bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut crc = byte << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ (POLYNOMIAL * (crc >> 31));
            bit += 1;
        }
        tables[0][byte as usize] = crc;
        byte += 1;
    }
    let mut behind = 1;
    while behind < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[behind - 1][byte];
            tables[behind][byte] = (before << 8) ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        behind += 1;
    }
    tables
}

/// The checksum of a block's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crc(u32);

impl Crc {
    pub(super) fn new() -> Self {
        Self(!0)
    }

    /// Takes more text, eight bytes a step.
    pub(super) fn update(&mut self, text: &[u8]) {
        let (eights, rest) = text.as_chunks::<8>();
        let mut crc = self.0;
        for eight in eights {
            let both = (u64::from_be_bytes(*eight) ^ u64::from(crc) << 32).to_be_bytes();
            let parts = both.iter().zip(TABLES.iter().rev());
            crc = parts.fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)]);
        }
        for &byte in rest {
            let [top, ..] = crc.to_be_bytes();
            crc = (crc << 8) ^ TABLES[0][usize::from(top ^ byte)];
        }
        self.0 = crc;
    }

    pub(super) fn finish(self) -> u32 {
        !self.0
    }
}

/// The checksum of a stream, with one more block.
pub(super) fn combine(stream: u32, block: u32) -> u32 {
    stream.rotate_left(1) ^ block
}

#[cfg(test)]
mod tests {
    use super::{super::tests::craft, *};

    #[test]
    fn it_is_the_checksum_of_the_catalogues() {
        let mut crc = Crc::new();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0xfc89_1918);
        assert_eq!(Crc::new().finish(), 0);
    }

    #[test]
    fn it_matters_not_how_the_text_is_cut() {
        let text: Vec<u8> = (0..200).collect();
        for cut in 0..text.len() {
            let mut crc = Crc::new();
            crc.update(&text[..cut]);
            crc.update(&text[cut..]);
            assert_eq!(crc.finish(), craft::crc(&text));
        }
    }
}
