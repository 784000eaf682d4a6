//! Who is connected to the stream, and what was sent there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What the stream saw so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCounters {
    /// Events published.
    pub published: u64,
    /// Frames of events sent over all connections, those sent twice included, canaries and broken
    /// ones not.
    pub sent: u64,
    /// Connections that are open now.
    pub clients: usize,
    /// The most that were open at the same time.
    pub peak_clients: usize,
    /// Connections in all; one that was refused is none.
    pub connections: u64,
    /// Canary events sent over all connections.
    pub canaries: u64,
}

/// Keeps the counters, and counts the connections of each address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    counters: StreamCounters,
    open: HashMap<IpAddr, usize>,
}

/// An open connection; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    clients: Clients,
    address: IpAddr,
}

impl Clients {
    /// Lets a client in, unless its address has `most` connections already.
    pub(crate) fn enter(&self, address: IpAddr, most: usize) -> Option<Seat> {
        let mut book = self.lock();
        let open = book.open.entry(address).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        let counters = &mut book.counters;
        counters.clients += 1;
        counters.peak_clients = counters.peak_clients.max(counters.clients);
        counters.connections += 1;
        Some(Seat {
            clients: self.clone(),
            address,
        })
    }

    pub(crate) fn sent(&self, events: u64) {
        self.lock().counters.sent += events;
    }

    pub(crate) fn canary(&self) {
        self.lock().counters.canaries += 1;
    }

    pub(crate) fn counters(&self, published: u64) -> StreamCounters {
        StreamCounters {
            published,
            ..self.lock().counters
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut book = self.clients.lock();
        book.counters.clients -= 1;
        if let Some(open) = book.open.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                book.open.remove(&self.address);
            }
        }
    }
}
