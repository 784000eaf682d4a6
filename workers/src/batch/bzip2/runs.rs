//! The outermost layer: after four equal bytes, a byte says how many more of them follow.

use super::fault::Fault;

/// How many equal bytes are followed by a count.
const RUN: usize = 4;

/// Appends what `packed` from `from` on stands for, until `text` has `enough` bytes or little more.
/// Gives where to go on in `packed`.
///
/// # Errors
/// When the count of a run is missing.
pub(super) fn unpack(
    packed: &[u8],
    from: usize,
    text: &mut Vec<u8>,
    enough: usize,
) -> Result<usize, Fault> {
    let mut at = from;
    while at < packed.len() && text.len() < enough {
        let room = enough - text.len();
        let rest = &packed[at..];
        // A run that starts within the room is seen as a whole.
        let plain = before_run(&rest[..rest.len().min(room + RUN - 1)]).min(room);
        text.extend_from_slice(&rest[..plain]);
        at += plain;
        if let [run @ .., count] = &packed[at..packed.len().min(at + RUN + 1)]
            && is_run(run)
        {
            text.resize(text.len() + RUN + usize::from(*count), run[0]);
            at += RUN + 1;
        } else if is_run(&packed[at..]) {
            return Err(Fault::Damaged("a run has no length"));
        }
    }
    Ok(at)
}

fn is_run(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, c, d, ..] if a == b && b == c && c == d)
}

/// How many bytes come before the first run, or all.
fn before_run(bytes: &[u8]) -> usize {
    // Branch-free over a stretch, so that the compiler compares many bytes at a time.
    const STRETCH: usize = 32;
    let mut at = 0;
    while let Some(stretch) = bytes.get(at..at + STRETCH + RUN - 1) {
        let runs = stretch.windows(RUN).fold(0, |runs, four| {
            let equal = |at: usize| u8::from(four[at] == four[at + 1]);
            runs | (equal(0) & equal(1) & equal(2))
        });
        if runs != 0 {
            break;
        }
        at += STRETCH;
    }
    let run = bytes[at..].windows(RUN).position(is_run);
    run.map_or(bytes.len(), |run| at + run)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Random, craft},
        *,
    };

    fn all(packed: &[u8], step: usize) -> Result<Vec<u8>, Fault> {
        let (mut at, mut text) = (0, Vec::new());
        while at < packed.len() {
            let enough = text.len() + step;
            at = unpack(packed, at, &mut text, enough)?;
            assert!((1..=step + 255).contains(&(text.len() + step - enough)) || at == packed.len());
        }
        Ok(text)
    }

    #[test]
    fn runs_are_unpacked_wherever_they_are_and_however_much_is_wanted_at_a_time() {
        let mut random = Random(31);
        for size in (0..40).chain([63, 64, 65, 1000]) {
            for kinds in 1..4 {
                let packed: Vec<u8> = (0..size).map(|_| random.byte() % kinds).collect();
                for step in [1, 2, 3, 4, 5, 7, 32, 100, 10_000] {
                    assert_eq!(
                        all(&packed, step).ok(),
                        craft::unpack(&packed),
                        "{packed:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_run_without_a_length_is_damage() {
        assert_eq!(all(b"abbb", 9).unwrap(), b"abbb");
        assert!(all(b"abbbb", 9).is_err());
        assert_eq!(all(b"abbbb\0", 9).unwrap(), b"abbbb");
        assert_eq!(all(b"abbbb\x01c", 9).unwrap(), b"abbbbbc");
    }
}
