//! A folder as a lake. A file is written under a hidden name beside its place, and renamed
//! when it is whole. The writer holds a lock on it meanwhile, so that what a killed worker
//! has left can be told from what a living one is writing.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::LakeError;
use crate::failure::Class;

/// How the hidden name of a file that is not whole ends.
const PARTIAL: &str = ".tmp";

/// A folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// A file that is being written; removed when dropped before it is complete.
#[derive(Debug)]
pub struct Upload {
    folder: Folder,
    key: String,
    file: BufWriter<File>,
    partial: tempfile::TempPath,
}

impl Folder {
    pub(super) fn open(path: &str) -> Result<Self, LakeError> {
        let folder = Self {
            root: PathBuf::from(path),
        };
        fs::create_dir_all(&folder.root).map_err(|error| folder.explain("", error.to_string()))?;
        Ok(folder)
    }

    pub(super) fn place(&self) -> String {
        let root = fs::canonicalize(&self.root);
        root.as_ref().unwrap_or(&self.root).display().to_string()
    }

    pub(super) fn explain(&self, key: &str, what: String) -> LakeError {
        let (advice, class) = if what.contains("No space left") {
            ("make room on its disk, then run again", Class::TryAgain)
        } else if what.contains("denied") || what.contains("Read-only") {
            (
                "let this user write there, or name another folder",
                Class::BadConfig,
            )
        } else {
            (
                "look at the folder and its disk, then run again",
                Class::TryAgain,
            )
        };
        LakeError {
            place: format!("folder {}", self.root.join(key).display()),
            what,
            advice: advice.to_owned(),
            class,
        }
    }

    /// The objects whose names begin with `prefix`.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>, LakeError> {
        let (dir, _) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let files = self
            .files(dir)
            .map_err(|error| self.explain(dir, error.to_string()))?;
        Ok(files
            .into_iter()
            .map(|name| format!("{dir}/{name}"))
            .filter(|key| key.starts_with(prefix) && key.ends_with(".parquet"))
            .collect())
    }

    /// The names of a table's folders: of its days, as a rule.
    pub(super) fn folders(&self, table: &str) -> Result<Vec<String>, LakeError> {
        let mut names = self
            .files(table)
            .map_err(|error| self.explain(table, error.to_string()))?;
        names.retain(|name| self.root.join(table).join(name).is_dir());
        Ok(names)
    }

    /// Removes a folder if there is nothing in it.
    pub(super) fn remove_empty(&self, dir: &str) {
        // One that is not empty, or gone already, is as it should be.
        let _ = fs::remove_dir(self.root.join(dir));
    }

    fn files(&self, dir: &str) -> io::Result<Vec<String>> {
        match fs::read_dir(self.root.join(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(entries) => entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        match fs::read(self.root.join(key)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.explain(key, error.to_string())),
        }
    }

    /// Removes the hidden files of a table and of its days that nobody is writing.
    pub(super) fn sweep_all(&self, table: &str) -> Result<(), LakeError> {
        self.sweep(&format!("{table}/"))?;
        let days = self
            .files(table)
            .map_err(|error| self.explain(table, error.to_string()))?;
        for day in days.iter().filter(|day| day.starts_with("dt=")) {
            self.sweep(&format!("{table}/{day}/"))?;
        }
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), LakeError> {
        match fs::remove_file(self.root.join(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.explain(key, error.to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn upload(&self, key: &str) -> Result<Upload, LakeError> {
        self.try_upload(key)
            .map_err(|error| self.explain(key, error.to_string()))
    }

    fn try_upload(&self, key: &str) -> io::Result<Upload> {
        let path = self.root.join(key);
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(PARTIAL)
            .tempfile_in(dir)?;
        let (file, partial) = partial.into_parts();
        file.try_lock().map_err(io::Error::from)?;
        Ok(Upload {
            folder: self.clone(),
            key: key.to_owned(),
            file: BufWriter::with_capacity(256 << 10, file),
            partial,
        })
    }

    /// Removes a folder's hidden files that nobody is writing.
    pub(super) fn sweep(&self, dir: &str) -> Result<(), LakeError> {
        let files = self
            .files(dir)
            .map_err(|error| self.explain(dir, error.to_string()))?;
        for name in files
            .iter()
            .filter(|name| name.starts_with('.') && name.ends_with(PARTIAL))
        {
            let path = self.root.join(dir).join(name);
            let abandoned = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if abandoned {
                self.delete(&format!("{dir}{name}"))?;
            }
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload {
    pub(super) fn complete(self) -> Result<(), LakeError> {
        let Self {
            folder,
            key,
            file,
            partial,
        } = self;
        let path = folder.root.join(&key);
        let finish = || -> io::Result<()> {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.set_permissions(readable())?;
            file.sync_all()?;
            partial.persist(&path).map_err(io::Error::from)?;
            // The name, too, must outlive a power cut.
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        finish().map_err(|error| folder.explain(&key, error.to_string()))
    }
}

/// Temporary files are made for their owner's eyes only.
fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o644)
}
