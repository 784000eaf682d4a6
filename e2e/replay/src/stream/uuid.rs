//! Ids for events that have none of their own.

/// The id that the event `original` has when it is repeated for the `round`th time: always the same one.
pub(crate) fn derived(original: &str, round: u64) -> String {
    let high = hash(0xcbf2_9ce4_8422_2325 ^ round, original);
    let low = hash(high ^ round.rotate_left(32), original);
    written(high, low)
}

/// FNV-1a, with its bits stirred at the end: an id has to be different, not secret.
fn hash(seed: u64, text: &str) -> u64 {
    let hash = text.bytes().fold(seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// As a UUID of version 4, which is what the real ids are.
fn written(high: u64, low: u64) -> String {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_and_never_another_s() {
        let original = "b18f469c-1522-4e04-b167-0b34aa79ea3e";
        let ids: std::collections::BTreeSet<String> =
            (1..1000).map(|round| derived(original, round)).collect();
        assert_eq!(ids.len(), 999);
        let id = derived(original, 7);
        assert_eq!(id, derived(original, 7));
        assert_ne!(id, derived("1f2d7bb9-2522-4609-8994-e91ab57b4dae", 7));
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
