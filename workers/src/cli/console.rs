//! What is printed: results to standard output, all else to standard error, and never through a progress bar.

use std::io::{self, Write};

use indicatif::MultiProgress;

/// The terminal, or what stands in for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Console {
    bars: MultiProgress,
}

impl Console {
    /// A result.
    pub(super) fn say(&self, text: &str) {
        // Whoever closed the other end does not want to know.
        let _ = self.bars.suspend(|| writeln!(io::stdout(), "{text}"));
    }

    /// Something to know while results are on their way.
    pub(super) fn note(&self, text: &str) {
        let _ = self.bars.suspend(|| writeln!(io::stderr(), "{text}"));
    }

    /// Where progress bars are drawn; nothing of them shows when standard error is not a terminal.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Where log lines go.
    pub(super) fn log(&self) -> Log {
        Log(self.bars.clone())
    }
}

/// Writes log lines above the bars.
#[derive(Debug)]
pub(super) struct Log(MultiProgress);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
