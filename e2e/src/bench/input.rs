//! Generated inputs, kept between runs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::events::{self, Events};
use super::format::Format;
use super::generate::{Size, VERSION};
use crate::error::{Doing, Error, Result};
use crate::say::say;
use crate::scratch;

/// A folder laid out like the dumps host, with one file in it.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) root: PathBuf,
    pub(super) file: PathBuf,
    /// How many rows the file's lines stand for.
    pub(super) rows: usize,
}

/// The file of so many lines, generated when it is not there yet.
pub(super) fn dump(format: &Format, lines: usize) -> Result<Input> {
    let name = format!("{}-v{VERSION}-{lines}", format.name);
    let root = scratch::cache()?.join("bench").join(&name);
    let file = root.join(format.file);
    // Beside what is served, so that it is not.
    let count = root.with_file_name(format!("{name}.rows"));
    if !count.exists() && file.exists() {
        fs::remove_file(&file).doing_to("removing", &file)?;
    }
    once(&file, &format!("{lines} lines"), |out| {
        let size = Size { lines, seed: 1 };
        let written = format.archive.write_packed(size, out)?;
        fs::write(&count, written.rows.to_string())
    })?;
    let rows = fs::read_to_string(&count).doing_to("reading", &count)?;
    let rows = rows
        .parse()
        .map_err(|_| Error::other(format!("{} has no number: remove it", count.display())))?;
    Ok(Input { root, file, rows })
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
