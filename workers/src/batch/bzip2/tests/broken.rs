//! Files that are cut short or damaged, and sources that fail.

use std::{error::Error, io};

use super::{
    super::Bzip2Error, Random, Source, compress, cut, decode, decoder, drain, lines, noise,
    reference,
};

fn error(file: &[u8]) -> Bzip2Error {
    let (_, result) = decode(Source::new(file, 4096));
    let error = result.unwrap_err();
    let source = error.get_ref().expect("it is ours");
    source
        .downcast_ref::<Bzip2Error>()
        .expect("it is ours")
        .clone()
}

/// Three streams, one of them empty, and their ends.
fn streams(random: &mut Random) -> (Vec<u8>, Vec<u8>, Vec<usize>) {
    let original = lines(random, 300);
    let (mut file, mut ends) = (Vec::new(), Vec::new());
    for part in [&original[..200], b"", &original[200..]] {
        file.extend(compress(part, 9));
        ends.push(file.len());
    }
    (file, original, ends)
}

#[test]
fn a_file_that_is_cut_anywhere_but_between_streams_is_an_error() {
    let (file, original, ends) = streams(&mut Random(11));
    for length in 0..=file.len() {
        let (text, result) = decode(Source::new(&file[..length], 64));
        assert_eq!(result.is_ok(), ends.contains(&length), "cut to {length}");
        assert_eq!(result.is_ok(), reference(&file[..length]).is_some());
        assert!(original.starts_with(&text));
        if let Err(error) = result {
            assert_eq!(
                error.kind(),
                io::ErrorKind::UnexpectedEof,
                "cut to {length}"
            );
        }
    }
}

#[test]
fn a_file_of_many_blocks_that_is_cut_is_an_error_after_the_blocks_that_are_whole() {
    let original = lines(&mut Random(12), 450_000);
    let file = compress(&original, 1);
    let (text, result) = decode(Source::new(&file[..file.len() * 3 / 5], 4096));
    assert!(original.starts_with(&text));
    assert!((150_000..350_000).contains(&text.len()), "{}", text.len());
    let error = result.unwrap_err().to_string();
    assert!(
        error.starts_with("cut short: the bzip2 stream that goes on at byte "),
        "{error}"
    );
}

/// Some bits mean nothing: what fills up the last byte of a stream, the level where a lower one would
/// do, lengths of codes that are not used.
#[test]
fn a_file_with_any_bit_flipped_is_an_error_or_the_same() {
    let (file, original, _) = streams(&mut Random(13));
    let mut harmless = 0;
    for bit in 0..8 * file.len() {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 0x80 >> (bit % 8);
        let (text, result) = decode(Source::new(&damaged, 100));
        assert!(original.starts_with(&text), "bit {bit}");
        assert!(agree(&damaged, &text, &result), "bit {bit}");
        if result.is_ok() {
            assert!(text == original, "bit {bit}");
            harmless += 1;
        }
    }
    assert!(harmless < 40, "{harmless}");
}

#[test]
fn any_damage_is_an_error_where_it_is_one_for_others() {
    let mut random = Random(14);
    let small = streams(&mut random).0;
    let large = compress(&lines(&mut random, 330_000), 1);
    let (mut errors, mut rounds) = (0, 0);
    for file in [vec![&small[..]; 1000], vec![&large[..]; 20]].concat() {
        let mut damaged = file.to_vec();
        for _ in 0..=random.below(2) {
            damage(&mut random, &mut damaged);
        }
        let (text, result) = decode(Source::new(&damaged, 5000));
        assert!(agree(&damaged, &text, &result), "{result:?}");
        errors += usize::from(result.is_err());
        rounds += 1;
    }
    assert!(errors > rounds / 2, "{errors} of {rounds}");
}

/// Whether the other decoder makes the same of a file, but for blocks that only it knows.
fn agree(file: &[u8], text: &[u8], result: &io::Result<()>) -> bool {
    match (result, reference(file)) {
        (Ok(()), Some(expected)) => text == expected,
        (Ok(()), None) => false,
        (Err(_), None) => true,
        (Err(error), Some(_)) => error.to_string().contains("randomised"),
    }
}

fn damage(random: &mut Random, file: &mut Vec<u8>) {
    let from = random.below(file.len());
    let most = 1 + random.below(200);
    let to = (from + random.below(most)).min(file.len());
    match random.below(7) {
        0 => file[from] ^= 1 << random.below(8),
        1 => file[from..to]
            .iter_mut()
            .for_each(|byte| *byte = random.byte()),
        2 => file[from..to].fill(0),
        3 => file.truncate(from + 1),
        4 => drop(file.drain(from..to)),
        5 => file.extend_from_within(from..to),
        _ => {
            let more = noise(random, to - from);
            file.splice(from..from, more);
        }
    }
}

#[test]
fn noise_is_an_error() {
    let mut random = Random(15);
    for _ in 0..300 {
        let size = random.below(2000);
        let mut file = noise(&mut random, size);
        assert!(decode(Source::new(&file, 64)).1.is_err());
        // With what a block starts with, and with a stream around it.
        let start = *b"BZh9\x31\x41\x59\x26\x53\x59";
        file.splice(..0, start);
        assert!(decode(Source::new(&file, 64)).1.is_err());
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    assert_eq!(error(b""), Bzip2Error::CutShort { at: 0 });
    assert_eq!(error(b"<html>404"), Bzip2Error::NotBzip2);
    assert_eq!(error(b"BZh0"), Bzip2Error::NotBzip2);

    let file = compress(b"some text", 9);
    let followed = [&file[..], b"\0\0\0\0"].concat();
    let at = file.len();
    assert_eq!(error(&followed), Bzip2Error::Trailing { at: at as u64 });

    let mut damaged = file.clone();
    damaged[10] ^= 1;
    let wrong = error(&damaged);
    assert!(
        matches!(
            wrong,
            Bzip2Error::Checksum {
                part: "block",
                at: 4,
                ..
            }
        ),
        "{wrong}"
    );
    let mut damaged = file.clone();
    damaged[at - 3] ^= 1;
    let wrong = error(&damaged);
    assert!(
        matches!(wrong, Bzip2Error::Checksum { part: "stream", .. }),
        "{wrong}"
    );
    assert!(wrong.source().is_none());

    let mut damaged = compress(&noise(&mut Random(16), 150_000), 9);
    damaged[3] = b'1';
    let wrong = error(&damaged).to_string();
    assert!(
        wrong.contains("at byte 4 ") && wrong.contains("longer"),
        "{wrong}"
    );
}

/// Whatever is missing, it is the source that is to blame, even where a stream ends.
#[test]
fn a_source_that_fails_is_told_as_it_is_after_all_that_came_before() {
    let (file, original, ends) = streams(&mut Random(17));
    for length in 0..=file.len() {
        let mut source = Source::new(&file[..length], 10);
        source.fails = true;
        let mut decoder = decoder(source, cut::LONGEST);
        let (text, result) = drain(&mut decoder);
        assert_eq!(result.unwrap_err().to_string(), "the download failed");
        assert!(original.starts_with(&text));
        assert_eq!(text.len() >= 200, length >= ends[0] - 4, "{length}");
        assert!(decoder.get_mut().fails);
        let again = drain(&mut decoder).1.unwrap_err();
        assert_eq!(again.to_string(), Bzip2Error::Failed.to_string());
    }
}

#[test]
fn nothing_comes_after_an_error() {
    let mut file = compress(&lines(&mut Random(18), 250_000), 1);
    let middle = file.len() / 2;
    file[middle] ^= 4;
    let mut decoder = decoder(Source::new(&file, 4096), cut::LONGEST);
    assert!(drain(&mut decoder).1.is_err());
    let (text, result) = drain(&mut decoder);
    assert!(text.is_empty() && result.is_err());
}
