//! The generated hour, kept between runs.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use super::generate::{Hour, VERSION};
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
    if !file.exists() {
        say!("generating {lines} lines, once: {}", file.display());
        let dir = file.parent().unwrap_or(&root);
        fs::create_dir_all(dir).doing_to("making", dir)?;
        let partial = file.with_extension("partial");
        let out = BufWriter::new(File::create(&partial).doing_to("creating", &partial)?);
        Hour { lines, seed: 1 }
            .write_gz(out)
            .doing_to("writing", &partial)?;
        fs::rename(&partial, &file).doing_to("renaming", &partial)?;
    }
    Ok(Input { root, file })
}
