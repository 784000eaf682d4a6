//! The body of a stream, and the one of every other response beside it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::clients::Seat;
use super::pipe::Chunks;
use crate::body::Body;
use crate::wire::Connection;

/// The body of any response.
pub(crate) enum Reply {
    Whole(Box<Body>),
    Stream(StreamBody),
}

/// What a client of the stream is sent, as long as it is connected.
pub(crate) struct StreamBody {
    pub(crate) chunks: Chunks,
    pub(crate) connection: Arc<Connection>,
    /// Held until the response is over.
    pub(crate) _seat: Seat,
}

impl From<Body> for Reply {
    fn from(body: Body) -> Self {
        Self::Whole(Box::new(body))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        // A connection may live on after a response that ended well.
        self.connection.cut_at(None);
    }
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Self::Stream(body) => {
                let next = body.chunks.poll_recv(cx);
                next.map(|next| next.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
