//! Databases brought to the current schema, before anything is loaded.

use wikiingest_crds::Sink as SinkSpec;

use super::{Sink, SinkError};

/// Brings each database to the current schema, and tells every step that was run.
///
/// # Errors
/// When a sink is down, refuses, or its settings are wrong; the ones before it are done.
pub async fn migrate<'a>(
    specs: impl IntoIterator<Item = &'a SinkSpec>,
    told: impl Fn(&str, &'static str),
) -> Result<(), SinkError> {
    for spec in specs {
        let sink = Sink::open(spec).await?;
        for step in sink.migrate().await? {
            told(&sink.name, step);
        }
    }
    Ok(())
}
