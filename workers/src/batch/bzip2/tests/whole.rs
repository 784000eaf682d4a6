//! Files that are whole.

use std::io::Read;

use super::{Random, Source, compress, cut, decode, decoder, drain, lines, noise, reference, text};

fn returns(original: &[u8], level: u32) {
    let file = compress(original, level);
    assert!(
        text(&file) == original,
        "{} bytes, level {level}",
        original.len()
    );
}

#[test]
fn texts_of_all_sizes_and_levels_come_back() {
    let mut random = Random(1);
    for level in 1..=9 {
        for size in [0, 1, 2, 3, 4, 5, 49, 50, 51, 255, 512, 513, 4096, 30_000] {
            returns(&lines(&mut random, size), level);
            returns(&noise(&mut random, size), level);
        }
    }
}

#[test]
fn texts_of_about_a_block_and_of_several_come_back() {
    let mut random = Random(2);
    for size in [99_980, 99_981, 99_982, 100_000, 350_000] {
        returns(&lines(&mut random, size), 1);
        returns(&noise(&mut random, size), 1);
    }
    returns(&noise(&mut random, 900_000), 9);
    returns(&lines(&mut random, 1_900_000), 9);
}

#[test]
fn runs_of_all_lengths_come_back() {
    let mut random = Random(3);
    for length in (1..10).chain(250..265).chain(505..520) {
        let run = vec![b'x'; length];
        returns(&run, 1);
        // Behind and before something else, and beside each other.
        returns(&[b"ab", &run[..], b"cd"].concat(), 1);
        let runs: Vec<Vec<u8>> = (0..300)
            .map(|_| vec![random.byte() & 3; 1 + random.below(length)])
            .collect();
        returns(&runs.concat(), 1);
    }
}

#[test]
fn texts_that_repeat_themselves_come_back() {
    for period in [1, 2, 3, 5, 64, 100, 4096] {
        let part: Vec<u8> = (b'a'..=b'z').cycle().take(period).collect();
        for times in [1, 2, 7, 1000] {
            returns(&part.repeat(times), 1);
        }
    }
}

/// A block may stand for fifty times its size, which is more than is held at a time.
#[test]
fn a_run_of_many_megabytes_comes_back() {
    let mut original = vec![0; 12 << 20];
    returns(&original, 9);
    original[5 << 20..6 << 20].fill(1);
    original.extend(b"the end");
    returns(&original, 9);
}

#[test]
fn streams_follow_each_other_and_may_be_empty() {
    let mut random = Random(4);
    let empty = compress(b"", 9);
    for _ in 0..30 {
        let (mut file, mut original) = (Vec::new(), Vec::new());
        for _ in 0..=random.below(5) {
            let size = random.below(3) * random.below(20_000);
            let part = lines(&mut random, size);
            let level = u32::from(1 + random.byte() % 9);
            file.extend(compress(&part, level));
            original.extend(part);
            for _ in 0..random.below(3) {
                file.extend(&empty);
            }
        }
        assert_eq!(reference(&file).as_ref(), Some(&original));
        assert!(text(&file) == original);
    }
    assert_eq!(text(&empty.repeat(5000)), b"");
}

#[test]
fn it_matters_not_how_much_the_source_gives_or_the_reader_takes() {
    let original = lines(&mut Random(5), 250_000);
    let file = [
        compress(&original[..240_000], 1),
        compress(&original[240_000..], 9),
    ]
    .concat();
    for chunk in [1, 7, 100, 64 << 10, usize::MAX] {
        let (text, result) = decode(Source::new(&file, chunk));
        result.unwrap();
        assert!(text == original);
    }
    let mut decoder = decoder(Source::new(&file, 1000), cut::LONGEST);
    let (mut text, mut buffer) = (Vec::<u8>::new(), [0; 777]);
    loop {
        assert_eq!(decoder.read(&mut []).unwrap(), 0);
        match decoder.read(&mut buffer).unwrap() {
            0 => break,
            read => text.extend(&buffer[..read]),
        }
    }
    assert!(text == original);
    assert_eq!(decoder.read(&mut buffer).unwrap(), 0);
}

/// Blocks that are longer than a piece may be are put together again.
#[test]
fn it_matters_not_how_long_pieces_are() {
    let original = noise(&mut Random(6), 250_000);
    let file = compress(&original, 1);
    for longest in [1, 100, 30_000, 90_000] {
        let (text, result) = drain(&mut decoder(Source::new(&file, 4096), longest));
        result.unwrap();
        assert!(text == original, "pieces of {longest}");
    }
}

#[test]
fn no_more_is_read_ahead_than_some_blocks() {
    let file = compress(&noise(&mut Random(7), 100_000), 1).repeat(100);
    let mut decoder = decoder(Source::new(&file, usize::MAX), cut::LONGEST);
    decoder.read_exact(&mut [0]).unwrap();
    // Seven blocks, what comes in one reading, and a piece more.
    assert!(
        decoder.get_mut().given < 1 << 20,
        "{}",
        decoder.get_mut().given
    );
    drop(decoder);
}
