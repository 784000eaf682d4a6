//! What is in a set of rows, whatever their order: the same three numbers from every store and reader.

use std::ops::AddAssign;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::env;
use crate::process::capture;

/// Rows, views, and the sum of the CRC-32 of `domain_code`, `title` and `views` of each row, joined by tabs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many rows.
    pub rows: u64,
    /// The sum of their views.
    pub views: u64,
    /// The sum of their checksums.
    pub crc: u64,
}

impl Tally {
    /// Adds one row.
    pub fn add(&mut self, domain_code: &str, title: &str, views: u64) {
        let mut crc = flate2::Crc::new();
        crc.update(format!("{domain_code}\t{title}\t{views}").as_bytes());
        *self += Self {
            rows: 1,
            views,
            crc: crc.sum().into(),
        };
    }

    /// What an independent reader finds in dump files.
    #[must_use]
    pub fn of_dumps(files: &[std::path::PathBuf]) -> Self {
        let script = env::file("readers/read_dump.py");
        let json =
            capture(Command::new("python3").arg(script).args(files)).expect("the reader works");
        Self::of_json(&serde_json::from_str(&json).expect("the reader prints JSON"))
    }

    /// From what a reader prints.
    #[must_use]
    pub fn of_json(json: &Value) -> Self {
        let number = |name: &str| {
            json[name]
                .as_u64()
                .unwrap_or_else(|| panic!("no {name} in {json}"))
        };
        Self {
            rows: number("rows"),
            views: number("views"),
            crc: number("crc"),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.views += other.views;
        self.crc += other.crc;
    }
}

/// What a reader of Parquet finds in a table's folder, as JSON.
#[must_use]
pub fn open_lake(python: &Path, engine: &str, table: &Path) -> Value {
    let script = env::file("readers/open_lake.py");
    let json =
        capture(Command::new(python).arg(script).arg(engine).arg(table)).expect("the reader works");
    let json = json.lines().last().unwrap_or_default();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{engine} printed {json:?}: {error}"))
}
