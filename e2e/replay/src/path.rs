//! The path of a request, decoded and resolved as nginx does, so that it cannot leave the root.

/// A resolved path: `/` and its segments, with a slash at the end where a folder was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPath(String);

impl HostPath {
    /// Decodes and resolves the path of a request; `None` for one that nginx answers with 400.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        let decoded = String::from_utf8(percent_decode(raw)?).ok()?;
        if !decoded.starts_with('/') || decoded.contains('\0') {
            return None;
        }
        let mut segments: Vec<&str> = Vec::new();
        for segment in decoded.split('/') {
            match segment {
                "" | "." => {}
                // Above the root there is nothing: nginx refuses it, and so nothing can escape.
                ".." => {
                    segments.pop()?;
                }
                name => segments.push(name),
            }
        }
        let folder = ["/", "/.", "/.."].iter().any(|end| decoded.ends_with(end));
        let mut path = format!("/{}", segments.join("/"));
        if folder && !segments.is_empty() {
            path.push('/');
        }
        Some(Self(path))
    }

    /// A file's path as it is, not encoded; `None` for a folder's, and for one that is not resolved.
    pub(crate) fn literal(path: &str) -> Option<Self> {
        let key = path.strip_prefix('/').unwrap_or(path);
        let clean = key
            .split('/')
            .all(|segment| !["", ".", ".."].contains(&segment));
        (clean && !key.contains('\0')).then(|| Self(format!("/{key}")))
    }

    /// The path as the host names it, such as `/other/pageviews/`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a folder was asked for, by a slash at the end.
    pub(crate) fn is_folder(&self) -> bool {
        self.0.ends_with('/')
    }

    /// The path below the root, without slashes at its ends.
    pub(crate) fn key(&self) -> &str {
        self.0.trim_matches('/')
    }
}

/// The first value of this name in a query, decoded; bytes that are no text are replaced.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })?;
    let spaced = value.replace('+', " ");
    let bytes = percent_decode(&spaced).unwrap_or_else(|| spaced.clone().into_bytes());
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Undoes `%41`; `None` for a `%` that two hex digits do not follow.
fn percent_decode(raw: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
            out.push(high * 16 + low);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(raw: &str) -> Option<String> {
        HostPath::parse(raw).map(|path| path.0)
    }

    #[test]
    fn resolves_as_nginx_does() {
        assert_eq!(parsed("/"), Some("/".into()));
        assert_eq!(parsed("//other//./a/../b/"), Some("/other/b/".into()));
        assert_eq!(parsed("/a/b/.."), Some("/a/".into()));
        assert_eq!(parsed("/a%20b%2Fc"), Some("/a b/c".into()));
        for refused in [
            "/..",
            "/a/../../etc",
            "/%2e%2e/etc",
            "/..%2f..",
            "/%00",
            "/%",
            "/%4",
            "/%zz",
            "a",
            "",
        ] {
            assert_eq!(parsed(refused), None, "{refused}");
        }
    }

    #[test]
    fn reads_a_query() {
        let since = |query| query_value(query, "since");
        assert_eq!(since("a=1&since=2026%2D11&since=2"), Some("2026-11".into()));
        assert_eq!(since("since=1+2%"), Some("1 2%".into()));
        assert_eq!(since("since"), Some(String::new()));
        assert_eq!(since("sinc=1"), None);
    }

    #[test]
    fn takes_a_file_s_path_as_it_is() {
        assert_eq!(
            HostPath::literal("a/100%.txt").unwrap().as_str(),
            "/a/100%.txt"
        );
        assert_eq!(HostPath::literal("/a/b").unwrap().key(), "a/b");
        for refused in ["", "/", "a/", "a//b", "../a", "a/./b"] {
            assert_eq!(HostPath::literal(refused), None, "{refused}");
        }
    }

    proptest! {
        #[test]
        fn never_leaves_the_root(raw in "/([a./%]|%2e|%2f|\\.\\./){0,20}") {
            if let Some(path) = HostPath::parse(&raw) {
                prop_assert!(path.key().split('/').all(|segment| segment != ".." && segment != "."));
                prop_assert!(!path.key().starts_with('/'));
            }
        }
    }
}
