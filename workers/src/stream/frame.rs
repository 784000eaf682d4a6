//! From bytes to the frames of a stream of server-sent events.
//!
//! The format is that of the HTML standard, "9.2 Server-sent events": lines of `field: value`, a
//! blank line after each message, comments that begin with a colon, and lines that end in LF,
//! CRLF or CR.

use bytes::{Bytes, BytesMut};

/// The longest frame that is read; the stream's events are a few kilobytes.
pub const MAX_FRAME: usize = 8 << 20;
/// How much of a longer one is kept.
pub const KEPT: usize = 60 << 10;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The `event` field; empty for the default, which is `message`.
    pub kind: Bytes,
    /// The `id` field: where the stream stands with this message.
    pub id: Bytes,
    /// The `data` lines, joined with line feeds.
    pub data: Bytes,
    /// The frame was longer than [`MAX_FRAME`], and `data` is its beginning as it came.
    pub overlong: bool,
}

/// Where a value lies in the buffer.
type Place = std::ops::Range<usize>;

/// The fields of the frame that is being read.
#[derive(Debug, Default)]
struct Open {
    kind: Place,
    id: Place,
    data: Option<Place>,
    /// The data, once there are several lines of it.
    joined: Option<Vec<u8>>,
}

/// Cuts a stream into frames.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// The start of the first line that was not looked at.
    line: usize,
    /// Up to where that line holds no line end.
    scanned: usize,
    open: Open,
    /// The rest of an overlong frame is being dropped.
    skipping: bool,
}

impl Framer {
    /// Takes what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. Frames without data are left out, as the standard says.
    #[expect(clippy::should_implement_trait, reason = "more may come after none")]
    pub fn next(&mut self) -> Option<Frame> {
        while let Some((line, next)) = self.next_line() {
            self.line = next;
            self.scanned = next;
            if line.is_empty() {
                let frame = self.end(next);
                if frame.is_some() {
                    return frame;
                }
            } else if !self.skipping {
                self.field(line);
            }
        }
        self.overlong()
    }

    /// The next line without its end, and where the one after begins.
    fn next_line(&mut self) -> Option<(Place, usize)> {
        let rest = &self.buffer[self.scanned..];
        let Some(at) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + at;
        if self.buffer[end] == b'\n' {
            return Some((self.line..end, end + 1));
        }
        // A CR may be half of a line end: what follows tells.
        let Some(after) = self.buffer.get(end + 1) else {
            self.scanned = end;
            return None;
        };
        Some((self.line..end, end + 1 + usize::from(*after == b'\n')))
    }

    fn field(&mut self, line: Place) {
        let text = &self.buffer[line.clone()];
        let (name, value) = match memchr::memchr(b':', text) {
            Some(colon) => {
                let space = usize::from(text.get(colon + 1) == Some(&b' '));
                (&text[..colon], line.start + colon + 1 + space..line.end)
            }
            None => (text, line.end..line.end),
        };
        match name {
            b"event" => self.open.kind = value,
            b"id" => self.open.id = value,
            b"data" => match (&self.open.data, &mut self.open.joined) {
                (None, _) => self.open.data = Some(value),
                (Some(_), Some(joined)) => {
                    joined.push(b'\n');
                    joined.extend_from_slice(&self.buffer[value]);
                }
                (Some(first), none) => {
                    let both = [&self.buffer[first.clone()], &self.buffer[value]];
                    *none = Some(both.join(&b'\n'));
                }
            },
            // A comment has no name; `retry` and names to come are not ours.
            _ => {}
        }
    }

    /// The frame that ends with the blank line before `next`.
    fn end(&mut self, next: usize) -> Option<Frame> {
        let bytes = self.buffer.split_to(next).freeze();
        let open = std::mem::take(&mut self.open);
        self.line = 0;
        self.scanned = 0;
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        let data = open.data?;
        Some(Frame {
            kind: bytes.slice(open.kind),
            id: bytes.slice(open.id),
            data: match open.joined {
                Some(joined) => joined.into(),
                None => bytes.slice(data),
            },
            overlong: false,
        })
    }

    /// Gives up on a frame that does not end.
    fn overlong(&mut self) -> Option<Frame> {
        if self.buffer.len() <= MAX_FRAME {
            return None;
        }
        let id = Bytes::copy_from_slice(&self.buffer[self.open.id.clone()]);
        let start = self.open.data.as_ref().map_or(0, |data| data.start);
        let end = (start + KEPT).min(self.buffer.len());
        let data = Bytes::copy_from_slice(&self.buffer[start..end]);
        // A line end may be cut in two here; a blank line too many does no harm.
        let frame = (!self.skipping).then_some(Frame {
            kind: Bytes::new(),
            id,
            data,
            overlong: true,
        });
        self.buffer.clear();
        self.open = Open::default();
        self.line = 0;
        self.scanned = 0;
        self.skipping = true;
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames' data, when the bytes come in pieces of a size.
    fn data(text: &[u8], piece: usize) -> Vec<String> {
        let mut framer = Framer::default();
        let mut data = Vec::new();
        for piece in text.chunks(piece) {
            framer.push(piece);
            while let Some(frame) = framer.next() {
                data.push(String::from_utf8(frame.data.to_vec()).unwrap());
            }
        }
        data
    }

    #[test]
    fn frames_are_the_same_however_the_bytes_come() {
        let text = b":ok\n\nevent: message\nid: [1]\ndata: {\"a\":1}\n\n: a comment\ndata:one\n: another\ndata: two\ndata\n\nid: 9\n\nevent: error\r\ndata: x\r\n\r\ndata: y\r\rdata: cut";
        for piece in 1..text.len() {
            assert_eq!(
                data(text, piece),
                ["{\"a\":1}", "one\ntwo\n", "x", "y"],
                "{piece}"
            );
        }
    }

    #[test]
    fn fields_are_told_apart() {
        let mut framer = Framer::default();
        framer.push(b"event: message\nid: [{\"topic\":\"t\"}]\nretry: 5\ndata: {}\n\ndata: z\n\n");
        let frame = framer.next().unwrap();
        assert_eq!(frame.kind, "message");
        assert_eq!(frame.id, "[{\"topic\":\"t\"}]");
        assert_eq!(frame.data, "{}");
        // What one frame said does not hold for the next.
        let frame = framer.next().unwrap();
        assert_eq!((frame.kind.len(), frame.id.len()), (0, 0));
    }

    #[test]
    fn a_frame_without_end_is_given_up_and_the_next_one_is_read() {
        let mut framer = Framer::default();
        framer.push(b"id: 7\ndata: ");
        let piece = vec![b'x'; 1 << 16];
        let mut overlong = Vec::new();
        for _ in 0..400 {
            framer.push(&piece);
            overlong.extend(framer.next());
        }
        framer.push(b"\n\ndata: good\n\n");
        assert_eq!(overlong.len(), 1);
        assert!(overlong[0].overlong);
        assert_eq!(overlong[0].data.len(), KEPT);
        assert_eq!(overlong[0].id, "7");
        assert_eq!(framer.next().unwrap().data, "good");
    }
}
