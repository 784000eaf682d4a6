//! Benches against peers.

pub mod generate;
mod words;

/// A project and an access for a domain code: of the right length and variety for a bench, not the product's own rules.
#[must_use]
pub fn project(domain_code: &str) -> (&str, &'static str) {
    match domain_code.split_once(".m") {
        Some((language, _)) => (language, "mobile"),
        None => (domain_code, "desktop"),
    }
}

/// Writes a field as LOAD DATA reads it by default: tab, newline and backslash behind a backslash.
pub fn push_tsv(line: &mut String, field: &str) {
    if !field.contains(['\\', '\t', '\n']) {
        line.push_str(field);
        return;
    }
    for c in field.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            c => line.push(c),
        }
    }
}

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which bench
    name: Name,
    /// Rounds after the first, which only warms up
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Lines of the generated hour
    #[arg(long)]
    lines: Option<usize>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Name {
    PageviewsHour,
    PageviewsRss,
    MysqlBulk,
}

/// Runs a bench.
///
/// # Errors
/// If something is missing, or what is measured fails.
pub fn run(options: &Options) -> crate::Result<()> {
    Err(crate::Error::other(format!(
        "{options:?} is not written yet"
    )))
}
