//! One connection: its bytes, and how it ends.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::counters::{OpenConnection, Recorder};

/// What the requests of a connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) address: IpAddr,
    reset: AtomicBool,
    open: OnceLock<OpenConnection>,
    /// When it is cut, whatever it is doing.
    cut_at: watch::Sender<Option<Instant>>,
}

impl Connection {
    pub(crate) fn new(address: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            reset: AtomicBool::new(false),
            open: OnceLock::new(),
            cut_at: watch::Sender::new(None),
        })
    }

    /// Counts the connection, from the first request that counts.
    pub(crate) fn count(&self, recorder: &Recorder) {
        self.open.get_or_init(|| recorder.connection(self.address));
    }

    /// Lets the connection end with a reset rather than a goodbye.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Lets the connection end at this moment, even in the middle of a response that the client does
    /// not read.
    pub(crate) fn cut_at(&self, at: Option<Instant>) {
        self.cut_at.send_replace(at);
    }

    /// Ends when the connection is to be cut.
    pub(crate) async fn overdue(&self) {
        let mut cut_at = self.cut_at.subscribe();
        loop {
            let at = *cut_at.borrow_and_update();
            tokio::select! {
                () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => return,
                // The sender lives as long as this.
                _ = cut_at.changed() => {}
            }
        }
    }
}

/// The stream that hyper drives; a reset can be asked of it until it is dropped.
pub(crate) struct Wire {
    stream: TokioIo<TcpStream>,
    connection: Arc<Connection>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            connection,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.connection.reset.load(Ordering::Relaxed) {
            // Where the system refuses, the client still sees a body that ends too early.
            let _ = self.stream.inner().set_zero_linger();
        }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
