//! What is printed: results to standard output, all else to standard error.

use std::io::{self, Write as _};

/// A result.
pub(crate) fn say(text: &str) {
    // Whoever closed the other end does not want to know.
    let _ = writeln!(io::stdout(), "{text}");
}

/// Something to know beside the result.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
