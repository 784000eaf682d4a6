//! Words for whoever watches.

/// Prints a line to standard output at once. It fails only when nobody listens any more, which is nobody's loss.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, $($text)*);
        let _ = out.flush();
    }};
}

pub(crate) use say;
