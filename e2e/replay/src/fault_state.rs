//! The faults in force: which strike a request, and how often they still may.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fault_spec::{Fault, FaultKind, Faults, Times};
use crate::stream::{StreamFault, USUAL_BYTES, USUAL_EVENT};

/// What a request is for, as far as faults care.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) path: &'a str,
    pub(crate) place: Place,
}

/// What is found at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    File,
    Index,
    Stream,
}

/// An error answer that a fault asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) retry_after: Option<u64>,
}

/// How a body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Cut,
    Stall,
}

/// What goes wrong within one body.
#[derive(Debug, Default)]
pub(crate) struct BodyFaults {
    /// Ends it so, after this many bytes.
    pub(crate) ending: Option<(u64, Ending)>,
    /// Bytes of the body to flip.
    pub(crate) flips: Vec<u64>,
    /// Bytes per second.
    pub(crate) rate: Option<u64>,
}

/// What goes wrong with one connection to a stream.
#[derive(Debug, Default)]
pub(crate) struct StreamFaults {
    /// Ends it so, after this many bytes.
    pub(crate) ending: Option<(u64, Ending)>,
    /// Bytes per second.
    pub(crate) rate: Option<u64>,
    /// What strikes single events, each with the number of its event.
    pub(crate) events: Vec<(u64, StreamFault)>,
}

#[derive(Debug, Default)]
pub(crate) struct FaultState {
    armed: Mutex<Vec<Armed>>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    struck: u64,
    /// How often each path was asked for, for `republish@N`.
    asked: HashMap<String, u64>,
}

impl FaultState {
    pub(crate) fn set(&self, faults: Faults) {
        *self.lock() = faults
            .0
            .into_iter()
            .map(|fault| Armed {
                fault,
                struck: 0,
                asked: HashMap::new(),
            })
            .collect();
    }

    /// The status to answer with instead, if any.
    pub(crate) fn refusal(&self, target: Target<'_>) -> Option<Refusal> {
        self.lock()
            .iter_mut()
            .filter(|armed| armed.aims_at(target))
            .find_map(|armed| match armed.fault.kind {
                FaultKind::Status { code, retry_after } => {
                    armed.struck += 1;
                    Some(Refusal { code, retry_after })
                }
                _ => None,
            })
    }

    /// The length to which the file is truncated, if it is. Only a `strike` uses up a fault.
    pub(crate) fn truncated(&self, target: Target<'_>, len: u64, strike: bool) -> Option<u64> {
        let mut armed = self.lock();
        let (armed, at) = armed
            .iter_mut()
            .filter(|armed| armed.fault.kind == FaultKind::Truncate && armed.aims_at(target))
            .map(|armed| {
                let at = armed.fault.offset.unwrap_or(len / 2);
                (armed, at)
            })
            .find(|(_, at)| *at < len)?;
        armed.struck += u64::from(strike);
        Some(at)
    }

    /// What goes wrong with a body that holds the bytes `sent` of a file of `len` bytes.
    pub(crate) fn body(&self, target: Target<'_>, len: u64, sent: &Range<u64>) -> BodyFaults {
        let body_len = sent.end - sent.start;
        let mut found = BodyFaults::default();
        for armed in self.lock().iter_mut().filter(|armed| armed.aims_at(target)) {
            let offset = armed.fault.offset;
            let struck = match armed.fault.kind {
                FaultKind::Cut => found.end(offset.unwrap_or(body_len / 2), body_len, Ending::Cut),
                FaultKind::Stall => {
                    found.end(offset.unwrap_or(body_len / 2), body_len, Ending::Stall)
                }
                FaultKind::Corrupt => found.flip(offset.unwrap_or(len / 2), sent),
                FaultKind::Slow { rate } => {
                    found.rate.replace(rate.get()).is_none() && body_len > 0
                }
                _ => false,
            };
            armed.struck += u64::from(struck);
        }
        found
    }

    /// What goes wrong with a new connection to a stream. All of it counts as having struck: a
    /// connection keeps what it started with.
    pub(crate) fn stream(&self, target: Target<'_>) -> StreamFaults {
        let mut found = StreamFaults::default();
        for armed in self.lock().iter_mut().filter(|armed| armed.aims_at(target)) {
            let offset = armed.fault.offset;
            let struck = match armed.fault.kind {
                FaultKind::Cut => found.end(offset, Ending::Cut),
                FaultKind::Stall => found.end(offset, Ending::Stall),
                FaultKind::Slow { rate } => found.rate.replace(rate.get()).is_none(),
                FaultKind::Stream(fault) => {
                    found.events.push((offset.unwrap_or(USUAL_EVENT), fault));
                    true
                }
                _ => false,
            };
            armed.struck += u64::from(struck);
        }
        found
    }

    /// Notes that a file is asked for; gives what it is to be republished from after this request.
    pub(crate) fn asked(&self, target: Target<'_>) -> Vec<Option<PathBuf>> {
        self.republish(target, |armed| {
            let Some(every) = armed.fault.offset else {
                return false;
            };
            let asked = armed.asked.entry(target.path.to_owned()).or_default();
            *asked += 1;
            asked.is_multiple_of(every.max(1))
        })
    }

    /// Notes that a file was sent to its end; gives what it is to be republished from now.
    pub(crate) fn completed(&self, target: Target<'_>) -> Vec<Option<PathBuf>> {
        self.republish(target, |armed| armed.fault.offset.is_none())
    }

    fn republish(
        &self,
        target: Target<'_>,
        mut due: impl FnMut(&mut Armed) -> bool,
    ) -> Vec<Option<PathBuf>> {
        let mut found = Vec::new();
        for armed in self.lock().iter_mut().filter(|armed| armed.aims_at(target)) {
            let FaultKind::Republish { from } = &armed.fault.kind else {
                continue;
            };
            let from = from.clone();
            if due(armed) {
                armed.struck += 1;
                found.push(from);
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    /// Whether it has strikes left and means this path.
    fn aims_at(&self, target: Target<'_>) -> bool {
        let left = match self.fault.times {
            Times::Limited(times) => self.struck < times,
            Times::Always => true,
        };
        let of_stream = matches!(self.fault.kind, FaultKind::Stream(_));
        let fits = match target.place {
            Place::Stream => of_stream || self.fault.path.is_some(),
            Place::Index => !of_stream && self.fault.path.is_some(),
            Place::File => !of_stream,
        };
        left && fits
            && match &self.fault.path {
                None => true,
                Some(part) => match part.strip_suffix('$') {
                    Some(end) => target.path.ends_with(end),
                    None => target.path.contains(part.as_str()),
                },
            }
    }
}

impl StreamFaults {
    fn end(&mut self, at: Option<u64>, ending: Ending) -> bool {
        let first = self.ending.is_none();
        self.ending
            .get_or_insert((at.unwrap_or(USUAL_BYTES), ending));
        first
    }
}

impl BodyFaults {
    fn end(&mut self, at: u64, body_len: u64, ending: Ending) -> bool {
        let strikes = at < body_len && self.ending.is_none();
        if strikes {
            self.ending = Some((at, ending));
        }
        strikes
    }

    fn flip(&mut self, at: u64, sent: &Range<u64>) -> bool {
        let strikes = sent.contains(&at);
        if strikes {
            self.flips.push(at - sent.start);
        }
        strikes
    }
}
