//! How a worker ends.

/// How a worker ends. What the pods' failure policy does follows from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// All that was due is loaded.
    Done = 0,
    /// Something failed that may not fail the next time.
    TryAgain = 1,
    /// Some units are not published yet, and may be, or a mirror lacks them and the dumps host has them; the next
    /// scheduled run looks again.
    UnitsMissing = 2,
    /// The configuration is wrong; trying again will not help.
    BadConfig = 64,
    /// The source or a sink refused (credentials, policy); trying again will not help.
    Refused = 77,
}

impl ExitCode {
    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit code of a number; none for a number that no worker ends with by itself.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Done,
            Self::TryAgain,
            Self::UnitsMissing,
            Self::BadConfig,
            Self::Refused,
        ]
        .into_iter()
        .find(|exit| exit.code() == code)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit.code())
    }
}
