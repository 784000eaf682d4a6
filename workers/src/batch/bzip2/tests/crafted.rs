//! Files that defeat cutting.

use super::{
    super::scan,
    Random, Source, compress,
    craft::{Crafted, stream},
    cut, decode, decoder, drain, reference, text,
};

const MARK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

fn symbols(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| 2 + random.byte() % 253).collect()
}

fn marks(file: &[u8]) -> usize {
    let mut at = 0;
    std::iter::from_fn(|| {
        let mark = scan::find(file, at)?;
        at = mark.bit + 1;
        Some(mark)
    })
    .count()
}

/// A file with that many false marks in each of its blocks.
fn planted(random: &mut Random, blocks: usize, count: usize) -> (Vec<u8>, Vec<u8>) {
    let blocks: Vec<Crafted> = (0..blocks)
        .map(|_| {
            let mut symbols = symbols(random, 2000 + 8 * count);
            for _ in 0..count {
                let at = random.below(symbols.len() - 6);
                let mark = if random.below(3) == 0 { END } else { MARK };
                symbols[at..at + 6].copy_from_slice(&mark);
            }
            let padding = random.below(20);
            Crafted { symbols, padding }
        })
        .collect();
    stream(&blocks)
}

#[test]
fn marks_within_a_block_are_seen_for_what_they_are() {
    let mut random = Random(21);
    for count in [1, 2, 3, 10, 200] {
        let (file, expected) = planted(&mut random, 4, count);
        assert!(marks(&file) > 5 + 2 * count, "{}", marks(&file));
        assert!(reference(&file).as_ref() == Some(&expected));
        assert!(text(&file) == expected, "{count} marks");

        let between = [compress(b"before", 9), file, compress(b"behind", 1)].concat();
        assert!(text(&between) == [b"before", &expected[..], b"behind"].concat());
    }
}

#[test]
fn what_looks_like_a_whole_block_within_a_block_is_none() {
    let mut random = Random(22);
    let mut symbols = symbols(&mut random, 4000);
    let inner = compress(b"not of this file", 9);
    let inner = &inner[4..];
    assert!(!inner.contains(&255));
    for at in [500, 1500, 3900] {
        symbols[at..at + inner.len()].copy_from_slice(inner);
    }
    let (file, expected) = stream(&[Crafted {
        symbols,
        padding: 0,
    }]);
    assert!(marks(&file) > 6);
    assert!(reference(&file).as_ref() == Some(&expected));
    assert!(text(&file) == expected);
}

#[test]
fn damage_between_false_marks_is_an_error() {
    let mut random = Random(23);
    let (file, expected) = planted(&mut random, 3, 20);
    let mut errors = 0;
    for _ in 0..200 {
        let mut damaged = file.clone();
        let at = random.below(file.len() - 1);
        damaged[at] ^= 1 << random.below(8);
        let (text, result) = decode(Source::new(&damaged, 500));
        assert_eq!(result.is_ok(), reference(&damaged).is_some(), "byte {at}");
        assert!(expected.starts_with(&text));
        errors += usize::from(result.is_err());
        assert!(decode(Source::new(&file[..at], 500)).1.is_err());
    }
    assert!(errors > 180, "{errors}");
}

/// The lengths of codes may go up and down without end, so that no piece has a whole block.
#[test]
fn a_block_that_is_longer_than_any_piece_is_decoded_all_the_same() {
    let mut random = Random(24);
    let blocks: Vec<Crafted> = [100_000, 0, 30_000]
        .map(|padding| Crafted {
            symbols: symbols(&mut random, 3000),
            padding,
        })
        .into();
    let (file, expected) = stream(&blocks);
    assert!(reference(&file).as_ref() == Some(&expected));
    let (text, result) = drain(&mut decoder(Source::new(&file, 999), 10_000));
    result.unwrap();
    assert!(text == expected);
    assert_eq!(cut::LONGEST, 2_400_000);
}
