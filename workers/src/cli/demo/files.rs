//! What lies in the demo's folder.

use std::{fs, io, path::Path};

use indicatif::HumanBytes;

use super::{Console, DemoError, HOME};

/// Writes the resource for its reader. One that was edited is left alone, and not used.
pub(super) fn keep_resource(console: &Console, resource: &str) -> Result<(), DemoError> {
    let path = Path::new(HOME).join("wikiingest.yaml");
    match fs::read_to_string(&path) {
        Ok(kept) if kept == resource => return Ok(()),
        Ok(_) => {
            console.note(&format!(
                "{} was changed: it is left as it is, and the demo goes by the one that came with the program",
                path.display()
            ));
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(unwritable(&path, source)),
    }
    fs::create_dir_all(HOME).map_err(|source| unwritable(Path::new(HOME), source))?;
    fs::write(&path, resource).map_err(|source| unwritable(&path, source))
}

fn unwritable(path: &Path, source: io::Error) -> DemoError {
    DemoError::Write {
        path: path.display().to_string(),
        source,
    }
}

/// Where things are, and how large.
pub(super) fn listed() -> String {
    let home = Path::new(HOME);
    let (database, lake) = (home.join("warehouse.db"), home.join("lake"));
    let (_, of_database) = measured(&database);
    let (files, of_lake) = measured(&lake);
    format!(
        "Where it is:\n  \
         {}     {}, SQLite: facts, totals, top lists, edits\n  \
         {}             {files} Parquet files, {}\n  \
         {}      all of it as charts, for a browser\n  \
         {}  the resource that asked for it\n",
        database.display(),
        HumanBytes(of_database),
        lake.display(),
        HumanBytes(of_lake),
        home.join("report.html").display(),
        home.join("wikiingest.yaml").display(),
    )
}

/// Files and bytes of a file, or of all below a folder but checkpoints. What cannot be read counts nothing: this is only
/// shown.
fn measured(path: &Path) -> (u64, u64) {
    let Ok(entries) = fs::read_dir(path) else {
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            return (0, 0);
        }
        return fs::metadata(path).map_or((0, 0), |found| (1, found.len()));
    };
    entries
        .flatten()
        .map(|entry| measured(&entry.path()))
        .fold((0, 0), |(files, bytes), (more, larger)| {
            (files + more, bytes + larger)
        })
}
