//! Generated inputs, kept between runs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::events::{self, Events};
use super::generate::{Archive, Size, VERSION};
use crate::error::{Doing, Result};
use crate::say::say;
use crate::scratch;

/// The start of the hour whose file it is.
pub(super) const FROM: &str = "2024-08-03T05:00:00Z";
/// Its end, which the file's name tells.
pub(super) const TO: &str = "2024-08-03T06:00:00Z";

const FILE: &str = "other/pageviews/2024/2024-08/pageviews-20240803-060000.gz";

/// A folder laid out like the dumps host, with one hour in it.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) root: PathBuf,
    pub(super) file: PathBuf,
}

/// The hour of so many lines, generated when it is not there yet.
pub(super) fn hour(lines: usize) -> Result<Input> {
    let root = scratch::cache()?
        .join("bench")
        .join(format!("pageviews-v{VERSION}-{lines}"));
    let file = root.join(FILE);
    once(&file, &format!("{lines} lines"), |out| {
        let size = Size { lines, seed: 1 };
        Archive::Pageviews.write_packed(size, out).map(drop)
    })?;
    Ok(Input { root, file })
}

/// A file of so many recent changes, one a line, generated when it is not there yet.
pub(super) fn events(count: usize) -> Result<PathBuf> {
    let name = format!("recentchange-v{}-{count}.ndjson", events::VERSION);
    let file = scratch::cache()?.join("bench").join(name);
    once(&file, &format!("{count} events"), |out| {
        Events { count, seed: 1 }.write(out)
    })?;
    Ok(file)
}

fn once(
    file: &Path,
    what: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    if file.exists() {
        return Ok(());
    }
    say!("generating {what}, once: {}", file.display());
    let dir = file.parent().unwrap_or(file);
    fs::create_dir_all(dir).doing_to("making", dir)?;
    let partial = file.with_extension("partial");
    let mut out = BufWriter::new(File::create(&partial).doing_to("creating", &partial)?);
    write(&mut out).doing_to("writing", &partial)?;
    out.flush().doing_to("writing", &partial)?;
    fs::rename(&partial, file).doing_to("renaming", &partial)
}
