//! The one resource in a file.

use std::{
    io::{self, Read as _},
    path::Path,
};

use serde_json::Value;
use serde_saphyr::{MessageFormatter as _, UserMessageFormatter};
use wikiingest_crds::{
    WikiIngest,
    validate::{self, Target},
};

use super::validate::listed;

/// What stands for standard input on the command line.
const STDIN: &str = "-";

const KIND: &str = "WikiIngest";

/// A file that holds no resource, or too many.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(
        "{file} cannot be read: {source}; name a file with a WikiIngest, or - for standard input"
    )]
    Io { file: String, source: io::Error },
    #[error("{file}:{line}:{column}: not valid YAML: {what}")]
    Yaml {
        file: String,
        line: u64,
        column: u64,
        what: String,
    },
    #[error(
        "{file}: there is nothing in it; write a WikiIngest, of which `wikiingest local --help` has an example"
    )]
    Empty { file: String },
    #[error(
        "{file}: there is no WikiIngest in it, only {kinds}; write kind: WikiIngest, or name another file"
    )]
    None { file: String, kinds: String },
    #[error("the resource is not valid:\n{problems}")]
    Invalid { problems: String },
    #[error(
        "{file}: there are {count} WikiIngests in it ({names}); put each into a file of its own"
    )]
    Several {
        file: String,
        count: usize,
        names: String,
    },
}

/// A resource as it was written, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Document {
    /// What to call the file.
    pub(super) file: String,
    /// The resource, not judged yet.
    pub(super) value: Value,
}

/// Reads the one `WikiIngest` of a file, if it is one that can run on this machine.
pub(super) fn accepted(path: &Path) -> Result<WikiIngest, ReadError> {
    let document = read(path)?;
    let resource = validate::accept(&document.value, Target::Local);
    resource.map_err(|problems| ReadError::Invalid {
        problems: listed(&document.file, &problems),
    })
}

/// Reads the one `WikiIngest` of a file; other resources may be beside it.
pub(super) fn read(path: &Path) -> Result<Document, ReadError> {
    let is_stdin = path == Path::new(STDIN);
    let file = if is_stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let text = if is_stdin {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    match text {
        Ok(text) => parse(file, &text),
        Err(source) => Err(ReadError::Io { file, source }),
    }
}

/// Finds the one `WikiIngest` in a text.
pub(super) fn parse(file: String, text: &str) -> Result<Document, ReadError> {
    let mut documents: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        Err(error) => return Err(syntax(file, &error)),
    };
    // A single document is meant, whatever its kind says: validation tells what to correct.
    if documents.len() > 1 {
        let kinds = names(&documents, "/kind");
        documents.retain(|document| document["kind"] == KIND);
        if documents.is_empty() {
            return Err(ReadError::None { file, kinds });
        }
    }
    let count = documents.len();
    let names = names(&documents, "/metadata/name");
    match (documents.pop(), count) {
        (None, _) => Err(ReadError::Empty { file }),
        (Some(value), 1) => Ok(Document { file, value }),
        _ => Err(ReadError::Several { file, count, names }),
    }
}

fn names(documents: &[Value], pointer: &str) -> String {
    let name = |document: &Value| {
        let found = document.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or("one without a name").to_owned()
    };
    documents.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn syntax(file: String, error: &serde_saphyr::Error) -> ReadError {
    let place = error.location();
    ReadError::Yaml {
        file,
        line: place.map_or(0, |place| place.line()),
        column: place.map_or(0, |place| place.column()),
        what: UserMessageFormatter.format_message(error).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        parse("w.yaml".to_owned(), text).unwrap_err().to_string()
    }

    #[test]
    fn the_one_wikiingest_is_found_among_others() {
        let text = "---\nkind: Secret\n---\nkind: WikiIngest\nmetadata: {name: a}\n---\n";
        let document = parse("w.yaml".to_owned(), text).unwrap();
        assert_eq!(document.value["metadata"]["name"], "a");
    }

    #[test]
    fn json_is_taken_as_well() {
        let document = parse("w.json".to_owned(), r#"{"kind": "WikiIngest"}"#).unwrap();
        assert_eq!(document.value["kind"], "WikiIngest");
    }

    #[test]
    fn a_single_document_is_left_to_validation_whatever_its_kind() {
        let document = parse("w.yaml".to_owned(), "kind: Wikiingest\n").unwrap();
        assert_eq!(document.value["kind"], "Wikiingest");
    }

    #[test]
    fn several_wikiingests_are_named() {
        let text = "kind: WikiIngest\nmetadata: {name: a}\n---\nkind: WikiIngest\n";
        assert!(
            told(text).contains("2 WikiIngests in it (a, one without a name)"),
            "{}",
            told(text)
        );
    }

    #[test]
    fn a_file_of_other_things_is_told_apart_from_an_empty_one() {
        assert!(told("kind: Secret\n---\nkind: Pod\n").contains("only Secret, Pod"));
        for empty in ["", "---\n", "# nothing\n"] {
            assert!(told(empty).contains("there is nothing in it"), "{empty:?}");
        }
    }

    #[test]
    fn a_mistake_in_the_yaml_is_told_with_its_place() {
        let text = "kind: WikiIngest\nspec:\n  sinks: [a\n  sources: b\n";
        let told = told(text);
        let place = told
            .strip_prefix("w.yaml:")
            .and_then(|rest| rest.split(':').next());
        assert!(matches!(place, Some("3" | "4")), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }

    #[test]
    fn a_field_that_is_there_twice_is_told() {
        let told = told("kind: WikiIngest\nspec: {}\nspec: {}\n");
        assert!(
            told.starts_with("w.yaml:3:1: ") && told.contains("spec"),
            "{told}"
        );
    }
}
