//! What a cluster would say of a resource.

use std::path::Path;

use wikiingest_crds::{
    SinkKind, SourceKind, WikiIngest,
    validate::{self, Problem, Target},
    worker::ExitCode,
};

use super::{
    console::Console,
    resource::{self, Document, ReadError},
};

/// Prints what is wrong with the resource in a file, or what it asks for.
pub(super) fn run(console: &Console, file: &Path, target: Target) -> Result<ExitCode, ReadError> {
    let document = resource::read(file)?;
    match validate::accept(&document.value, target) {
        Ok(resource) => {
            console.say(&valid(&document.file, &resource));
            Ok(ExitCode::Done)
        }
        Err(problems) => {
            console.say(&listed(&document.file, &problems));
            if let Some(hint) = hint(&document, target) {
                console.say(&hint);
            }
            Ok(ExitCode::BadConfig)
        }
    }
}

/// One problem a line.
pub(super) fn listed(file: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{file}: {problem}"))
        .collect();
    lines.join("\n")
}

/// Sinks of one's own machine are wrong on a cluster only.
fn hint(document: &Document, target: Target) -> Option<String> {
    let is_for_here =
        target == Target::Cluster && validate::accept(&document.value, Target::Local).is_ok();
    is_for_here.then(|| {
        format!(
            "It is valid for `wikiingest local`: check it with wikiingest validate -f {} --target local",
            document.file
        )
    })
}

fn valid(file: &str, resource: &WikiIngest) -> String {
    let spec = &resource.spec;
    let named = |name: &str, kind: Option<&str>| format!("{name} ({})", kind.unwrap_or_default());
    let sources = spec
        .sources
        .iter()
        .map(|source| named(&source.name, source.kind().map(SourceKind::name)));
    let sinks = spec
        .sinks
        .iter()
        .map(|sink| named(&sink.name, sink.kind().map(SinkKind::name)));
    format!(
        "{file}: valid: {} loads {} into {}",
        resource.metadata.name.as_deref().unwrap_or("it"),
        sources.collect::<Vec<_>>().join(", "),
        sinks.collect::<Vec<_>>().join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(sink: &str, cron: &str) -> Document {
        let text = format!(
            "apiVersion: wikiingest.dev/v1alpha1\nkind: WikiIngest\nmetadata: {{name: here}}\nspec:\n  \
             contact: https://example.org/bot\n  sinks: [{{name: store, {sink}}}]\n  sources:\n  \
             - {{name: views, pageviews: {{}}, schedule: {{cron: \"{cron}\"}}, sinks: [store]}}\n"
        );
        resource::parse("w.yaml".to_owned(), &text).unwrap()
    }

    #[test]
    fn every_problem_names_the_file_and_the_field() {
        let document = document("sqlite: {path: x.db}", "every hour");
        let problems = validate::accept(&document.value, Target::Cluster).unwrap_err();
        let text = listed(&document.file, &problems);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].starts_with("w.yaml: spec.sinks[0].sqlite: "),
            "{text}"
        );
        assert!(
            lines[1].starts_with("w.yaml: spec.sources[0].schedule.cron: "),
            "{text}"
        );
    }

    #[test]
    fn the_other_target_is_offered_only_where_it_helps() {
        let here = document("sqlite: {path: x.db}", "25 * * * *");
        assert!(
            hint(&here, Target::Cluster)
                .is_some_and(|hint| hint.ends_with("-f w.yaml --target local"))
        );
        assert_eq!(
            hint(&document("sqlite: {path: x.db}", "x"), Target::Cluster),
            None
        );
    }

    #[test]
    fn a_valid_resource_is_summed_up() {
        let document = document("folder: {path: lake}", "25 * * * *");
        let resource = validate::accept(&document.value, Target::Local).unwrap();
        assert_eq!(
            valid("w.yaml", &resource),
            "w.yaml: valid: here loads views (pageviews) into store (folder)"
        );
    }
}
