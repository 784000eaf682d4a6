//! What is served: a folder, files in memory, and what has been republished over either.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::content::{Content, Piece};
use crate::gzip;
use crate::index::Entry;
use crate::listed::Listed;
use crate::neighbours;
use crate::options::ReplayError;
use crate::path::HostPath;

/// What to serve, laid out like the host's own paths.
#[derive(Debug, Clone)]
pub enum Root {
    /// A folder. Symbolic links are followed, as nginx does.
    Folder(PathBuf),
    /// Files in memory, by path, such as `/other/pageviews/2026/2026-11/pageviews-20261101-000000.gz`.
    Memory(BTreeMap<String, MemoryFile>),
}

/// A file held in memory.
#[derive(Debug, Clone)]
pub struct MemoryFile {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its date, which `Last-Modified`, `ETag` and the index pages show.
    pub modified: SystemTime,
}

/// What a path leads to.
pub(crate) enum Node {
    File {
        content: Content,
        modified: SystemTime,
    },
    Folder,
    Missing,
}

/// A file that lies over the folder: held in memory from the start, or published since.
#[derive(Debug, Clone)]
struct Layer {
    pieces: Vec<Source>,
    modified: SystemTime,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    Disk(PathBuf),
    /// So many bytes that index pages tell of and nobody gets.
    Listed(u64),
}

/// The whole of what is served. Its methods read the disk, so they belong on a blocking thread.
#[derive(Debug)]
pub(crate) struct Site {
    folder: Option<PathBuf>,
    layers: RwLock<BTreeMap<String, Layer>>,
    /// Whether the archives' folders have what else lies in them on the real host.
    neighbours: bool,
}

impl Site {
    pub(crate) fn open(root: Root) -> Result<Self, ReplayError> {
        match root {
            Root::Folder(path) => {
                std::fs::read_dir(&path).map_err(|source| ReplayError::Root {
                    path: path.clone(),
                    source,
                })?;
                Ok(Self {
                    folder: Some(path),
                    layers: RwLock::default(),
                    neighbours: false,
                })
            }
            Root::Memory(files) => {
                let site = Self {
                    folder: None,
                    layers: RwLock::default(),
                    neighbours: false,
                };
                for (path, file) in files {
                    let path = HostPath::literal(&path).ok_or(ReplayError::BadPath { path })?;
                    site.publish(&path, file);
                }
                Ok(site)
            }
        }
    }

    /// Lists hours that are not there.
    #[must_use]
    pub(crate) fn listing(self, all: &[Listed]) -> Self {
        for name in all.iter().flat_map(Listed::names) {
            let layer = Layer {
                pieces: vec![Source::Listed(name.len)],
                modified: name.modified,
            };
            self.set(name.key, layer);
        }
        self
    }

    #[must_use]
    pub(crate) fn with_neighbours(self, neighbours: bool) -> Self {
        Self { neighbours, ..self }
    }

    /// Puts a file at `path`, over the one that may be there.
    pub(crate) fn publish(&self, path: &HostPath, file: MemoryFile) {
        let pieces = vec![Source::Memory(file.bytes)];
        self.set(
            path.key().to_owned(),
            Layer {
                pieces,
                modified: file.modified,
            },
        );
    }

    /// Changes the file at `path` as upstream would: to what `from` holds, or by one more line.
    pub(crate) fn republish(&self, path: &str, from: Option<&Path>) -> io::Result<()> {
        let key = path.trim_matches('/');
        let Layer {
            mut pieces,
            modified: before,
        } = match self.layer(key) {
            Some(layer) => layer,
            None => self.layer_on_disk(key)?,
        };
        match from {
            Some(from) => {
                let file = replacement(from, key);
                // One that is not there must not take the file away.
                file.metadata()?;
                pieces = vec![Source::Disk(file)];
            }
            None => pieces.extend(one_more_line(key)),
        }
        // Dates are served in seconds: another version needs another second.
        let modified = SystemTime::now().max(before + Duration::from_secs(1));
        self.set(key.to_owned(), Layer { pieces, modified });
        Ok(())
    }

    /// What is at `path`.
    pub(crate) fn find(&self, path: &HostPath) -> io::Result<Node> {
        let found = self.find_file(path)?;
        if self.neighbours && matches!(found, Node::Missing) && !path.is_folder() {
            return self.find_neighbour(path);
        }
        Ok(found)
    }

    fn find_file(&self, path: &HostPath) -> io::Result<Node> {
        let file = if path.is_folder() {
            None
        } else {
            self.layer(path.key())
        };
        if let Some(layer) = file {
            if layer.is_listed() {
                return Ok(Node::Missing);
            }
            return Ok(Node::File {
                content: layer.content()?,
                modified: layer.modified,
            });
        }
        let is_layered = path.key().is_empty() || self.has_layers_below(path.key());
        let Some(disk) = self.on_disk(path.key()) else {
            return Ok(if is_layered {
                Node::Folder
            } else {
                Node::Missing
            });
        };
        match std::fs::metadata(&disk) {
            Ok(found) if found.is_dir() => Ok(Node::Folder),
            Ok(_) if path.is_folder() => Ok(Node::Missing),
            Ok(_) => {
                let (piece, modified) = open(&disk)?;
                Ok(Node::File {
                    content: Content::new(vec![piece]),
                    modified,
                })
            }
            Err(_) if is_layered => Ok(Node::Folder),
            Err(error) if is_missing(&error) => Ok(Node::Missing),
            Err(error) => Err(error),
        }
    }

    fn find_neighbour(&self, path: &HostPath) -> io::Result<Node> {
        let (folder, name) = path.key().rsplit_once('/').unwrap_or(("", path.key()));
        let entries = self.list_files(folder)?;
        let neighbours = neighbours::of(folder, entries.iter().map(|entry| entry.name.as_str()));
        let found = neighbours.into_iter().find(|(other, ..)| other == name);
        let Some((_, beside, bytes)) = found else {
            return Ok(Node::Missing);
        };
        let bytes = match bytes {
            neighbours::Bytes::Known(bytes) => Bytes::from_static(bytes),
            neighbours::Bytes::Md5Sums(_) => match self.md5sums(folder, &entries)? {
                Some(text) => text.into(),
                None => return Ok(Node::Missing),
            },
        };
        Ok(Node::File {
            content: Content::new(vec![Piece::Memory(bytes)]),
            modified: entries[beside].modified,
        })
    }

    /// The checksums of a folder's files; none where one of them is only listed.
    fn md5sums(&self, folder: &str, entries: &[Entry]) -> io::Result<Option<String>> {
        let mut text = String::new();
        let summed = entries
            .iter()
            .filter(|entry| neighbours::is_summed(&entry.name));
        for entry in summed {
            let path = HostPath::literal(&format!("{folder}/{}", entry.name));
            let node = path.map(|path| self.find_file(&path)).transpose()?;
            let Some(Node::File { content, .. }) = node else {
                return Ok(None);
            };
            neighbours::push_md5(&mut text, &entry.name, &content.read_all()?);
        }
        Ok(Some(text))
    }

    /// The lines of a folder's index page.
    pub(crate) fn list(&self, path: &HostPath) -> io::Result<Vec<Entry>> {
        let mut entries = self.list_files(path.key())?;
        if self.neighbours {
            let names = entries.iter().map(|entry| entry.name.as_str());
            let neighbours = neighbours::of(path.key(), names);
            let there: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            for (name, beside, bytes) in neighbours {
                // What is really there is listed already.
                if !there.contains(&name) {
                    entries.push(Entry {
                        name,
                        folder: false,
                        modified: entries[beside].modified,
                        len: bytes.len(),
                    });
                }
            }
        }
        Ok(entries)
    }

    fn list_files(&self, key: &str) -> io::Result<Vec<Entry>> {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        if let Some(disk) = self.on_disk(key) {
            for entry in list_disk(&disk)? {
                entries.insert(entry.name.clone(), entry);
            }
        }
        let prefix = if key.is_empty() {
            String::new()
        } else {
            format!("{key}/")
        };
        for (key, layer) in self
            .layers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .range(prefix.clone()..)
        {
            let Some(below) = key.strip_prefix(&prefix) else {
                break;
            };
            let (name, folder) = below
                .split_once('/')
                .map_or((below, false), |(name, _)| (name, true));
            let len = if folder { 0 } else { layer.len()? };
            let found = entries.entry(name.to_owned()).or_insert_with(|| Entry {
                name: name.to_owned(),
                folder,
                modified: layer.modified,
                len,
            });
            // A folder is as new as the newest that was put into it.
            found.modified = if folder {
                found.modified.max(layer.modified)
            } else {
                layer.modified
            };
            found.len = len;
        }
        Ok(entries.into_values().collect())
    }

    fn set(&self, key: String, layer: Layer) {
        self.layers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, layer);
    }

    fn layer(&self, key: &str) -> Option<Layer> {
        self.layers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// The file in the folder, as the layer that it would be.
    fn layer_on_disk(&self, key: &str) -> io::Result<Layer> {
        let file = self.on_disk(key).ok_or(io::ErrorKind::NotFound)?;
        let modified = file.metadata()?.modified()?;
        Ok(Layer {
            pieces: vec![Source::Disk(file)],
            modified,
        })
    }

    fn has_layers_below(&self, key: &str) -> bool {
        let prefix = format!("{key}/");
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        layers
            .range(prefix.clone()..)
            .next()
            .is_some_and(|(key, _)| key.starts_with(&prefix))
    }

    fn on_disk(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(key))
    }
}

impl Layer {
    /// Whether index pages tell of it and nobody gets it.
    fn is_listed(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Source::Listed(_)))
    }

    fn content(&self) -> io::Result<Content> {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Source::Memory(bytes) => Ok(Piece::Memory(bytes.clone())),
            Source::Disk(path) => Ok(open(path)?.0),
            Source::Listed(_) => Err(io::ErrorKind::NotFound.into()),
        });
        Ok(Content::new(pieces.collect::<io::Result<_>>()?))
    }

    fn len(&self) -> io::Result<u64> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Source::Memory(bytes) => Ok(bytes.len() as u64),
                Source::Disk(path) => Ok(path.metadata()?.len()),
                Source::Listed(len) => Ok(*len),
            })
            .sum()
    }
}

/// Opens first and asks the handle, so that length and bytes are of the same file.
fn open(path: &Path) -> io::Result<(Piece, SystemTime)> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    Ok((
        Piece::Disk {
            file: Arc::new(file),
            bytes: 0..found.len(),
        },
        found.modified()?,
    ))
}

fn list_disk(folder: &Path) -> io::Result<Vec<Entry>> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for item in listing {
        let item = item?;
        // As nginx: hidden files are not listed, and neither is what vanished or cannot be named.
        let (Ok(name), Ok(found)) = (
            item.file_name().into_string(),
            std::fs::metadata(item.path()),
        ) else {
            continue;
        };
        if !name.starts_with('.') {
            entries.push(Entry {
                name,
                folder: found.is_dir(),
                modified: found.modified()?,
                len: found.len(),
            });
        }
    }
    Ok(entries)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

/// `from` itself, or what the folder `from` holds under the path, or else under its last name.
fn replacement(from: &Path, key: &str) -> PathBuf {
    if !from.is_dir() {
        return from.to_owned();
    }
    let whole = from.join(key);
    let name = Path::new(key).file_name().unwrap_or_default();
    if whole.is_file() {
        whole
    } else {
        from.join(name)
    }
}

/// One more page view, as the file's format has it; nothing for packings that are not written here.
fn one_more_line(key: &str) -> Option<Source> {
    let line = "zz Republished_page 1 0\n";
    match Path::new(key)
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some("gz") => Some(Source::Memory(gzip::member(line).into())),
        Some("bz2" | "zip" | "zst" | "xz") => None,
        _ => Some(Source::Memory(line.into())),
    }
}
