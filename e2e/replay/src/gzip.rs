//! The smallest gzip writer that will do: one member, stored and not compressed.

/// A gzip member that holds `text`, which must be shorter than 64 KiB.
pub(crate) fn member(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let text = &text.as_bytes()[..usize::from(len)];
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.push(1); // the last block, stored
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend(text);
    out.extend(crc32(text).to_le_bytes());
    out.extend(u32::from(len).to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn reads_back_as_a_further_member() {
        let both = [member("one\n"), member("zwei\n")].concat();
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&both[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "one\nzwei\n");
    }
}
