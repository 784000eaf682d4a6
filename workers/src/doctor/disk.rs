//! A sink on this machine's disk: whether it can be written to, and how much room there is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::finding::{Finding, Findings, Verdict};

/// Less than this is little: an hour of all page views takes some hundred MB in a database.
const ROOM: u64 = 1 << 30;

/// Looks at the folder that a file or folder is in or is to be made in.
pub(super) fn examine(name: &str, path: &str, is_file: bool, write: bool) -> Vec<Finding> {
    let mut findings = Findings::of(format!("sink {name}"));
    let path = Path::new(path);
    let dir = there(if is_file { parent(path) } else { path });
    findings.add("writable", writable(path, &dir, is_file, write));
    let free = rustix::fs::statvfs(&dir).map(|disk| disk.f_bavail * disk.f_frsize);
    findings.add("room", room(&dir, free.ok()));
    findings.found
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The folder itself, or the nearest one above it that is there.
fn there(dir: &Path) -> PathBuf {
    let mut dir = dir;
    while !dir.exists() && dir != Path::new(".") {
        dir = parent(dir);
    }
    dir.to_owned()
}

fn writable(path: &Path, dir: &Path, is_file: bool, write: bool) -> Verdict {
    let shown = path.display();
    if is_file && path.is_dir() || !is_file && path.is_file() {
        let what = if is_file { "a folder" } else { "a file" };
        return Verdict::not_ok(format!("{shown} is {what}"), "name another path");
    }
    let tried = if write {
        tempfile::tempfile_in(dir).map(drop)
    } else {
        rustix::fs::access(
            dir,
            rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
        )
        .map_err(io::Error::from)
    };
    let tried = tried.and_then(|()| {
        if path.is_file() {
            fs::OpenOptions::new().append(true).open(path).map(drop)
        } else {
            Ok(())
        }
    });
    match tried {
        Ok(()) => Verdict::ok(format!("{shown} can be written")),
        Err(error) => Verdict::not_ok(
            format!("{shown} cannot be written: {error}"),
            "let this user write there, or name another path",
        ),
    }
}

fn room(dir: &Path, free: Option<u64>) -> Verdict {
    let dir = dir.display();
    match free {
        None => Verdict::could_not_tell(
            format!("the system does not tell how much room {dir} has"),
            "see to it that there is enough",
        ),
        Some(free) if free < ROOM => Verdict::not_ok(
            format!("there are {} MB left at {dir}", free / 1_000_000),
            "make room: an hour of all page views takes some hundred MB in a database",
        ),
        Some(free) => Verdict::ok(format!(
            "there are {} GB left at {dir}",
            free / 1_000_000_000
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    #[test]
    fn a_path_that_is_not_there_yet_is_judged_by_what_is_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/warehouse.db");
        let findings = examine("w", &path.display().to_string(), true, true);
        let results: Vec<_> = findings
            .iter()
            .map(|finding| (finding.name, finding.result))
            .collect();
        assert_eq!(results[0], ("writable", Outcome::Ok));
        assert!(
            fs::read_dir(dir.path()).unwrap().next().is_none(),
            "nothing is left"
        );
    }

    #[test]
    fn a_folder_where_a_file_should_be_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let findings = examine("w", &dir.path().display().to_string(), true, false);
        assert_eq!(findings[0].result, Outcome::NotOk);
    }

    #[test]
    fn a_relative_path_is_of_the_working_directory() {
        assert_eq!(there(Path::new("no-such-folder/x")), Path::new("."));
        assert_eq!(parent(Path::new("x.db")), Path::new("."));
    }

    #[test]
    fn little_room_is_told() {
        assert_eq!(room(Path::new("."), Some(5_000_000)).result, Outcome::NotOk);
        assert_eq!(room(Path::new("."), Some(5 << 30)).result, Outcome::Ok);
        assert_eq!(room(Path::new("."), None).result, Outcome::CouldNotTell);
    }
}
