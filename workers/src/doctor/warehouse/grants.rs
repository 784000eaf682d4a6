//! What a user may do, as `SHOW GRANTS` tells it.

use crate::doctor::finding::Verdict;

/// What loads and migrations need.
const NEEDED: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER"];

/// What the grants on a database mean; none where they cannot be read.
pub(super) fn judge(grants: Option<&[String]>, database: &str) -> Verdict {
    let Some(grants) = grants else {
        return Verdict::could_not_tell(
            "the server does not tell the user's grants",
            format!(
                "grant {} on {database}.*, and run with --write",
                NEEDED.join(", ")
            ),
        );
    };
    let lacking: Vec<_> = NEEDED
        .into_iter()
        .filter(|right| !grants.iter().any(|grant| gives(grant, right, database)))
        .collect();
    if lacking.is_empty() {
        return Verdict::ok(format!("the user may {}", NEEDED.join(", ")));
    }
    let lacks = lacking.join(", ");
    let remedy = format!("GRANT {lacks} ON {database}.* TO the user");
    if grants.iter().any(|grant| is_indirect(grant)) {
        let detail =
            format!("no grant of the user's own has {lacks}; a role or a table's grant may");
        return Verdict::could_not_tell(detail, remedy);
    }
    let all_but_reading = NEEDED
        .iter()
        .all(|right| *right == "SELECT" || lacking.contains(right));
    let detail = if all_but_reading && !lacking.contains(&"SELECT") {
        format!("the user may only read: it lacks {lacks}")
    } else {
        format!("the user lacks {lacks}")
    };
    Verdict::not_ok(detail, remedy)
}

/// `GRANT SELECT, INSERT ON `wiki\_data`.* TO …`
fn gives(grant: &str, right: &str, database: &str) -> bool {
    let Some((rights, on)) = parts(grant) else {
        return false;
    };
    let has_right = rights.split(',').map(str::trim).any(|given| {
        given.eq_ignore_ascii_case(right)
            || given.eq_ignore_ascii_case("ALL PRIVILEGES")
            || given.eq_ignore_ascii_case("ALL")
    });
    has_right
        && on.strip_suffix(".*").is_some_and(|on| {
            let on = on.trim_matches(['`', '"', '\'']);
            on == "*" || is_like(database.as_bytes(), on.as_bytes())
        })
}

fn parts(grant: &str) -> Option<(&str, &str)> {
    let rest = grant.strip_prefix("GRANT ")?;
    let (rights, rest) = rest.split_once(" ON ")?;
    let (on, _) = rest.split_once(" TO ")?;
    Some((rights, on.trim()))
}

/// A role, or the rights on one table.
fn is_indirect(grant: &str) -> bool {
    grant.starts_with("GRANT ")
        && parts(grant).is_none_or(|(_, on)| !on.ends_with(".*"))
        && !grant.starts_with("GRANT PROXY ")
}

/// The pattern of a database: `%` is anything, `_` one character, `\_` itself.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'%', rest @ ..] => (0..=text.len()).any(|skip| is_like(&text[skip..], rest)),
        [b'_', rest @ ..] => !text.is_empty() && is_like(&text[1..], rest),
        [b'\\', one, rest @ ..] | [one, rest @ ..] => {
            text.first() == Some(one) && is_like(&text[1..], rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    fn told(grants: &[&str]) -> Verdict {
        let grants: Vec<_> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        judge(Some(&grants), "wiki_data")
    }

    const NONE: &str = "GRANT USAGE ON *.* TO `w`@`%` IDENTIFIED BY PASSWORD '*00'";

    #[test]
    fn a_user_that_may_only_read_is_named() {
        let verdict = told(&[
            NONE,
            "GRANT SELECT, SHOW VIEW ON `wiki\\_data`.* TO `w`@`%`",
        ]);
        assert_eq!(verdict.result, Outcome::NotOk);
        assert_eq!(
            verdict.detail,
            "the user may only read: it lacks INSERT, UPDATE, DELETE, CREATE, ALTER"
        );
        assert!(!verdict.remedy.unwrap().contains("*00"));
    }

    #[test]
    fn rights_may_come_from_several_grants_and_patterns() {
        assert_eq!(
            told(&["GRANT ALL PRIVILEGES ON *.* TO 'w'@'%'"]).result,
            Outcome::Ok
        );
        let both = told(&[
            "GRANT SELECT, INSERT, UPDATE ON `wiki%`.* TO 'w'@'%'",
            "GRANT DELETE, CREATE, ALTER ON `wiki_data`.* TO 'w'@'%' WITH GRANT OPTION",
        ]);
        assert_eq!(both.result, Outcome::Ok);
        let elsewhere = told(&["GRANT ALL PRIVILEGES ON `other`.* TO 'w'@'%'"]);
        assert_eq!(elsewhere.result, Outcome::NotOk);
    }

    #[test]
    fn a_role_may_have_what_the_user_lacks() {
        let verdict = told(&[NONE, "GRANT `loader` TO `w`@`%`"]);
        assert_eq!(verdict.result, Outcome::CouldNotTell);
        assert_eq!(judge(None, "x").result, Outcome::CouldNotTell);
    }

    #[test]
    fn patterns_are_those_of_grants() {
        for (pattern, is) in [
            ("wiki\\_data", true),
            ("wiki_data", true),
            ("w%a", true),
            ("wiki", false),
            ("wiki\\_dat", false),
        ] {
            assert_eq!(is_like(b"wiki_data", pattern.as_bytes()), is, "{pattern}");
        }
        assert!(!is_like(b"wikiXdata", b"wiki\\_data"));
    }
}
