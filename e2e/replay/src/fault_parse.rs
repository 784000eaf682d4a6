//! Reads faults from text.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use crate::fault_spec::{Fault, FaultKind, Faults, Times};
use crate::stream::StreamFault;

/// Why a fault list could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// No such kind.
    #[error(
        "unknown fault `{kind}` in `{fault}`: use cut, stall, slow, truncate, corrupt, republish, 403, 404, 429, 500, 502, 503, 504, or for streams garbage, giant, duplicate, replay, multiline, comment, crlf, end or error"
    )]
    Kind {
        /// The fault as given.
        fault: String,
        /// The kind as given.
        kind: String,
    },
    /// A part that cannot be read.
    #[error("cannot read `{part}` in `{fault}`: {wanted}")]
    Part {
        /// The fault as given.
        fault: String,
        /// The part as given.
        part: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A part given twice.
    #[error("`{marker}` is given twice in `{fault}`: put a comma between two faults")]
    Twice {
        /// The fault as given.
        fault: String,
        /// The part's mark.
        marker: char,
    },
    /// A replacement that is not there.
    #[error("`{fault}` takes its file from {path}, which is not there: create it first")]
    Missing {
        /// The fault.
        fault: String,
        /// Where the replacement should be.
        path: PathBuf,
    },
    /// A part that this kind has no use for.
    #[error("`{kind}` takes no `{part}` in `{fault}`: leave it out")]
    Unused {
        /// The fault as given.
        fault: String,
        /// The kind as given.
        kind: String,
        /// The part as given.
        part: String,
    },
}

const SIZE: &str = "a number of bytes belongs there, such as 1000000, 64k or 1m";
const RATE: &str = "a number of bytes a second belongs there, as in slow=64k";
const SECONDS: &str = "a number of seconds belongs there, as in 429=5";
const TIMES: &str = "a number of strikes or `always` belongs there, as in cut@1m*2";
const PATH: &str = "a part of a path belongs there, as in 503~2026-11/$";
const EVENT: &str = "the number of an event, from 1 on, belongs there, as in garbage@10";
const FROM: &str = "a file or folder belongs there, as in republish=tests/newer";

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(list: &str) -> Result<Self, FaultsError> {
        list.split(',')
            .map(str::trim)
            .filter(|fault| !fault.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Faults {
    /// Whether what they need is there.
    pub(crate) fn check(&self) -> Result<(), FaultsError> {
        for fault in &self.0 {
            if let FaultKind::Republish { from: Some(path) } = &fault.kind
                && !path.exists()
            {
                return Err(FaultsError::Missing {
                    fault: fault.to_string(),
                    path: path.clone(),
                });
            }
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = FaultsError;

    fn from_str(fault: &str) -> Result<Self, FaultsError> {
        let mut parts = Parts::split(fault)?;
        let kind = parts.kind()?;
        let offset = parts.offset(&kind)?;
        let path = match parts.path {
            Some("" | "$") => return Err(parts.wrong('~', parts.path, PATH)),
            path => path.map(str::to_owned),
        };
        let times = match parts.times {
            None => kind.usual_times(),
            Some("always") => Times::Always,
            Some(text) => Times::Limited(
                text.parse()
                    .map_err(|_| parts.wrong('*', Some(text), TIMES))?,
            ),
        };
        Ok(Self {
            kind,
            offset,
            path,
            times,
        })
    }
}

/// A fault's text, taken apart at its marks.
#[derive(Default)]
struct Parts<'a> {
    fault: &'a str,
    kind: &'a str,
    arg: Option<&'a str>,
    offset: Option<&'a str>,
    path: Option<&'a str>,
    times: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(fault: &'a str) -> Result<Self, FaultsError> {
        let end = fault.find(['=', '@', '~', '*']).unwrap_or(fault.len());
        let mut parts = Self {
            fault,
            kind: fault[..end].trim(),
            ..Self::default()
        };
        let mut rest = &fault[end..];
        while let Some(marker) = rest.chars().next() {
            // Paths may hold `=`, so only the first one is a mark.
            let end = rest[1..]
                .find(['@', '~', '*'])
                .map_or(rest.len(), |at| at + 1);
            let slot = match marker {
                '=' => &mut parts.arg,
                '@' => &mut parts.offset,
                '~' => &mut parts.path,
                _ => &mut parts.times,
            };
            if slot.replace(rest[1..end].trim()).is_some() {
                return Err(FaultsError::Twice {
                    fault: fault.to_owned(),
                    marker,
                });
            }
            rest = &rest[end..];
        }
        Ok(parts)
    }

    fn kind(&mut self) -> Result<FaultKind, FaultsError> {
        let arg = self.arg.take();
        let unused = |kind| match arg {
            None => Ok(kind),
            Some(arg) => Err(self.unused('=', arg)),
        };
        match self.kind {
            "cut" => unused(FaultKind::Cut),
            "stall" => unused(FaultKind::Stall),
            "truncate" => unused(FaultKind::Truncate),
            "corrupt" => unused(FaultKind::Corrupt),
            "403" => unused(FaultKind::Status {
                code: 403,
                retry_after: None,
            }),
            "404" => unused(FaultKind::Status {
                code: 404,
                retry_after: None,
            }),
            "slow" => arg
                .and_then(size)
                .and_then(NonZeroU64::new)
                .map(|rate| FaultKind::Slow { rate })
                .ok_or_else(|| self.wrong('=', arg, RATE)),
            "republish" if arg == Some("") => Err(self.wrong('=', arg, FROM)),
            "republish" => Ok(FaultKind::Republish {
                from: arg.map(PathBuf::from),
            }),
            "429" | "500" | "502" | "503" | "504" => self.status(arg),
            name => match StreamFault::named(name) {
                Some(fault) => self.stream(fault, arg).map(FaultKind::Stream),
                None => Err(FaultsError::Kind {
                    fault: self.fault.to_owned(),
                    kind: name.to_owned(),
                }),
            },
        }
    }

    fn stream(&self, fault: StreamFault, arg: Option<&str>) -> Result<StreamFault, FaultsError> {
        let Some(text) = arg else {
            return Ok(fault);
        };
        match fault {
            StreamFault::Giant { .. } => match size(text) {
                Some(bytes) => Ok(StreamFault::Giant { bytes }),
                None => Err(self.wrong('=', arg, SIZE)),
            },
            StreamFault::Replay { .. } => match text.parse() {
                Ok(seconds) => Ok(StreamFault::Replay { seconds }),
                Err(_) => Err(self.wrong('=', arg, SECONDS)),
            },
            _ => Err(self.unused('=', text)),
        }
    }

    fn status(&self, arg: Option<&str>) -> Result<FaultKind, FaultsError> {
        let code = self.kind.parse().unwrap_or(503);
        let given = arg
            .map(|arg| arg.parse().map_err(|_| self.wrong('=', Some(arg), SECONDS)))
            .transpose()?;
        let retry_after = if code == 429 {
            given.or(Some(1))
        } else {
            given
        };
        Ok(FaultKind::Status { code, retry_after })
    }

    fn offset(&self, kind: &FaultKind) -> Result<Option<u64>, FaultsError> {
        let Some(text) = self.offset else {
            return Ok(None);
        };
        if matches!(kind, FaultKind::Status { .. } | FaultKind::Slow { .. }) {
            return Err(self.unused('@', text));
        }
        let (least, wanted) = match kind {
            FaultKind::Stream(_) => (1, EVENT),
            _ => (0, SIZE),
        };
        size(text)
            .filter(|offset| *offset >= least)
            .map(Some)
            .ok_or_else(|| self.wrong('@', Some(text), wanted))
    }

    fn wrong(&self, marker: char, text: Option<&str>, wanted: &'static str) -> FaultsError {
        FaultsError::Part {
            fault: self.fault.to_owned(),
            part: format!("{marker}{}", text.unwrap_or("")),
            wanted,
        }
    }

    fn unused(&self, marker: char, text: &str) -> FaultsError {
        let (fault, kind) = (self.fault.to_owned(), self.kind.to_owned());
        FaultsError::Unused {
            fault,
            kind,
            part: format!("{marker}{text}"),
        }
    }
}

/// `1000`, `64k`, `1m`, `2g`.
fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 1 << 10),
        b'm' => (&text[..text.len() - 1], 1 << 20),
        b'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1u64),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(list: &str) -> String {
        list.parse::<Faults>().unwrap().to_string()
    }

    fn wrong(list: &str) -> String {
        list.parse::<Faults>().unwrap_err().to_string()
    }

    #[test]
    fn fills_in_what_is_not_said() {
        assert_eq!(read(""), "");
        assert_eq!(read("cut, stall ,"), "cut*1,stall*1");
        assert_eq!(
            read("truncate@1m,corrupt@64k,403,404"),
            "truncate@1048576*always,corrupt@65536*always,403*always,404*always"
        );
        assert_eq!(
            read("429,429=7*3,503,503=2,500"),
            "429=1*1,429=7*3,503*1,503=2*1,500*1"
        );
        assert_eq!(read("slow=2k~.gz$"), "slow=2048~.gz$*always");
        assert_eq!(
            read("republish,republish=a=b/c@2"),
            "republish*1,republish=a=b/c@2*1"
        );
        assert_eq!(
            read("garbage,giant=2k@3,giant,replay=60,replay@5*always,end~recentchange"),
            "garbage*1,giant=2048@3*1,giant=1048576*1,replay=60*1,replay=3600@5*always,end~recentchange*1"
        );
        assert_eq!(read("cut*always~2026-11@5"), "cut@5~2026-11*always");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(
            wrong("cut,cutt@5"),
            "unknown fault `cutt` in `cutt@5`: use cut, stall, slow, truncate, corrupt, republish, 403, 404, 429, 500, 502, 503, 504, or for streams garbage, giant, duplicate, replay, multiline, comment, crlf, end or error"
        );
        assert_eq!(
            wrong("cut@soon"),
            "cannot read `@soon` in `cut@soon`: a number of bytes belongs there, such as 1000000, 64k or 1m"
        );
        assert_eq!(
            wrong("slow"),
            "cannot read `=` in `slow`: a number of bytes a second belongs there, as in slow=64k"
        );
        assert_eq!(
            wrong("end@0"),
            "cannot read `@0` in `end@0`: the number of an event, from 1 on, belongs there, as in garbage@10"
        );
        assert_eq!(
            wrong("crlf=1"),
            "`crlf` takes no `=1` in `crlf=1`: leave it out"
        );
        assert_eq!(
            wrong("429=x"),
            "cannot read `=x` in `429=x`: a number of seconds belongs there, as in 429=5"
        );
        assert_eq!(
            wrong("cut*-1"),
            "cannot read `*-1` in `cut*-1`: a number of strikes or `always` belongs there, as in cut@1m*2"
        );
        assert_eq!(
            wrong("503~"),
            "cannot read `~` in `503~`: a part of a path belongs there, as in 503~2026-11/$"
        );
        assert_eq!(
            wrong("cut@1@2"),
            "`@` is given twice in `cut@1@2`: put a comma between two faults"
        );
        assert_eq!(
            wrong("403@5"),
            "`403` takes no `@5` in `403@5`: leave it out"
        );
        assert_eq!(
            wrong("cut=5"),
            "`cut` takes no `=5` in `cut=5`: leave it out"
        );
        assert_eq!(
            wrong("republish="),
            "cannot read `=` in `republish=`: a file or folder belongs there, as in republish=tests/newer"
        );
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_back_what_it_writes(
            list in "(cut|stall|slow|429|403|republish|.{0,3})(=[a-z0-9/]{0,4})?(@[0-9kx]{1,3})?(~[a-z$]{0,4})?(\\*(always|[0-9]{1,3}))?"
        ) {
            if let Ok(faults) = list.parse::<Faults>() {
                prop_assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
            }
        }
    }
}
