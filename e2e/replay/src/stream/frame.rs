//! Frames, as the host sends them and as the faults spoil them.

use std::io::Write as _;

use serde_json::value::RawValue;

use super::id::Positions;
use super::log::Record;
use super::members::Members;

/// What every stream begins with.
pub(crate) const GREETING: &[u8] = b":ok\n\n";

/// How an event's frame differs from the host's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) multiline: bool,
    pub(crate) comment: bool,
    pub(crate) crlf: bool,
}

/// An event's frame as it should be.
pub(crate) fn message(out: &mut Vec<u8>, id: &Positions, record: &Record) {
    head(out, id);
    record.write(out);
    out.extend_from_slice(b"\n\n");
}

fn head(out: &mut Vec<u8>, id: &Positions) {
    out.extend_from_slice(b"event: message\nid: ");
    id.write(out);
    out.extend_from_slice(b"\ndata: ");
}

/// A frame that says the same in another form.
pub(crate) fn shaped(out: &mut Vec<u8>, id: &Positions, data: &[u8], shape: Shape) {
    let mut id_line = b"id: ".to_vec();
    id.write(&mut id_line);
    let mut lines = vec![b"event: message".to_vec(), id_line];
    let pieces = if shape.multiline {
        pieces(data)
    } else {
        vec![data]
    };
    lines.extend(pieces.into_iter().map(|piece| [b"data: ", piece].concat()));
    let end: &[u8] = if shape.crlf { b"\r\n" } else { b"\n" };
    for line in lines {
        if shape.comment {
            out.extend_from_slice(b": a comment");
            out.extend_from_slice(end);
        }
        out.extend(line);
        out.extend_from_slice(end);
    }
    out.extend_from_slice(end);
}

/// A frame whose JSON stops in the middle. Its id is that of the last good one.
pub(crate) fn garbage(out: &mut Vec<u8>, id: &Positions, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let middle = text.floor_char_boundary(text.len() / 2);
    head(out, id);
    out.extend_from_slice(&text.as_bytes()[..middle]);
    out.extend_from_slice(b"\n\n");
}

/// A canary: an event without content that shows that the stream lives.
pub(crate) fn canary(out: &mut Vec<u8>, id: &Positions, uuid: &str, dt: &str) {
    head(out, id);
    // A vector takes everything.
    let _ = write!(
        out,
        "{{\"$schema\":\"/mediawiki/recentchange/1.0.1\",\"meta\":{{\"dt\":\"{dt}\",\
         \"stream\":\"mediawiki.recentchange\",\"domain\":\"canary\",\"id\":\"{uuid}\",\
         \"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0}}}}\n\n"
    );
}

/// What the host says when something failed on its side.
pub(crate) fn error(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"event: error\ndata: {\"message\":\"Local: Broker transport failure\",\"origin\":\"KafkaSSE\"}\n\n",
    );
}

/// The same event with a comment that makes it `bytes` long, if it is not longer already.
pub(crate) fn padded(data: &[u8], bytes: u64) -> Vec<u8> {
    let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
    let Ok(members) = serde_json::from_slice::<Members<'_>>(data) else {
        return data.to_vec();
    };
    let comment = members.get("comment").map(RawValue::get);
    let comment = comment.and_then(|comment| comment.strip_suffix('"'));
    // Where the comment ends: within its quotes, or in a new member at the event's end.
    let (at, before, after) = match comment {
        Some(comment) => (place(data, comment.as_bytes()), "", ""),
        None => (data.len() - 1, ",\"comment\":\"", "\""),
    };
    let padding = wanted.saturating_sub(data.len() + before.len() + after.len());
    let mut out = Vec::with_capacity(wanted);
    out.extend_from_slice(&data[..at]);
    out.extend_from_slice(before.as_bytes());
    out.resize(out.len() + padding, b'x');
    out.extend_from_slice(after.as_bytes());
    out.extend_from_slice(&data[at..]);
    out
}

/// Where a part of `data` ends in it.
fn place(data: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - data.as_ptr().addr() + part.len()
}

/// Cuts JSON after each member of the event, where white space is allowed.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    for (at, byte) in data.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            _ if text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => {
                pieces.push(&data[start..=at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&data[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = r#"{"a":"x,\",{","meta":{"b":1,"c":[1,2]},"comment":"h\u00e9 \"","d":2}"#;

    #[test]
    fn pads_the_comment() {
        for data in [DATA, r#"{"a":1}"#, r#"{"a":1,"comment":null}"#] {
            let giant = padded(data.as_bytes(), 5000);
            assert_eq!(giant.len(), 5000);
            let parsed: serde_json::Value = serde_json::from_slice(&giant).unwrap();
            assert!(parsed["comment"].as_str().unwrap().ends_with("xxxxx"));
        }
        assert_eq!(padded(DATA.as_bytes(), 5), DATA.as_bytes());
    }

    #[test]
    fn splits_between_members() {
        let pieces = pieces(DATA.as_bytes());
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces.concat(), DATA.as_bytes());
        let joined: serde_json::Value = serde_json::from_slice(&pieces.join(&b'\n')).unwrap();
        assert_eq!(
            joined,
            serde_json::from_str::<serde_json::Value>(DATA).unwrap()
        );
    }

    #[test]
    fn shapes_add_up() {
        let shape = Shape {
            multiline: true,
            comment: true,
            crlf: true,
        };
        let mut out = Vec::new();
        shaped(&mut out, &Positions::LATEST, b"{\"a\":1,\"b\":2}", shape);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with(": a comment\r\nevent: message\r\n: a comment\r\nid: ["),
            "{text}"
        );
        assert!(
            text.ends_with("\r\ndata: {\"a\":1,\r\n: a comment\r\ndata: \"b\":2}\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn garbage_is_no_json() {
        let mut out = Vec::new();
        garbage(&mut out, &Positions::LATEST, "{\"a\":\"ééééé\"}".as_bytes());
        let text = String::from_utf8(out).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        assert!(serde_json::from_str::<serde_json::Value>(data.unwrap()).is_err());
    }
}
