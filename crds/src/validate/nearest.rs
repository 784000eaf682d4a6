//! What someone may have meant.

/// The candidate that is closest to a word, when it is close enough to be meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = word.chars().count().div_ceil(3);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, _)| *d <= most)
        .min()
        .map(|(_, found)| found)
}

/// How many letters must be changed, added or removed, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, right) in b.chars().enumerate() {
            let change = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let fields = ["minViews", "projects"];
        assert_eq!(nearest("minviews", fields.into_iter()), Some("minViews"));
        assert_eq!(nearest("project", fields.into_iter()), Some("projects"));
        assert_eq!(nearest("wikis", fields.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
