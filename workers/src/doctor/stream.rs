//! A host with a stream: whether it answers with one, and events come.

use std::time::{Duration, Instant};

use super::{
    finding::{Finding, Findings, Verdict},
    reach,
    source::{clock_of, host, reached, unreached},
    subjects::Place,
};
use crate::{
    failure::chain,
    stream::connect::{ConnectError, Connection, Connector, Lost, Unanswered},
    trouble::Trouble,
};

/// How long an event may take to come: on all wikis together there are tens a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects as the worker does, and waits for one event.
pub(super) async fn examine(place: &Place) -> Vec<Finding> {
    let mut findings = Findings::of(format!("source {}", place.source));
    match Connector::new(place.base_url.as_deref(), &place.contact, PATIENCE) {
        Ok(connector) => connect(&connector, &mut findings).await,
        Err(error) => findings.not_ok(
            "reachable",
            chain(&error),
            "correct baseUrl or spec.contact",
        ),
    }
    findings.found
}

async fn connect(connector: &Connector, findings: &mut Findings) {
    let host = host(connector.url());
    let response = match connector.ask(None).await {
        Ok(response) => response,
        Err(Unanswered::Failed(error)) => {
            let (name, verdict) = unreached(connector.url(), error);
            return findings.add(name, verdict);
        }
        Err(Unanswered::Silent) => {
            let verdict = reach::no_way(Some(Trouble::Silent), &host, "no answer", None);
            return findings.add("reachable", verdict);
        }
    };
    clock_of(&host, response.headers(), findings);
    reached(connector.url(), findings);
    match connector.connected(response).await {
        Ok(connection) => findings.add("stream", events(&host, connection).await),
        Err(error) => findings.add("stream", no_stream(&error)),
    }
}

async fn events(host: &str, mut connection: Connection) -> Verdict {
    let began = Instant::now();
    match connection.next().await {
        Ok(_) => Verdict::ok(format!(
            "{host} sent an event after {:.1} s",
            began.elapsed().as_secs_f64()
        )),
        Err(Lost::Idle(_)) => Verdict::could_not_tell(
            format!(
                "{host} opened the stream, and sent no event within {} s",
                PATIENCE.as_secs()
            ),
            "try again; a proxy in between that collects answers would keep them back",
        ),
        Err(lost) => Verdict::not_ok(
            format!("{host} opened the stream, and then {lost}"),
            "look at proxies in between, which may end answers that have no end",
        ),
    }
}

fn no_stream(error: &ConnectError) -> Verdict {
    match error {
        ConnectError::Refused { status, body, .. } => reach::refusal(*status, None, body),
        ConnectError::NotNow { .. } => Verdict::not_ok(
            error.to_string(),
            "correct baseUrl, or look at proxies in between",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_stream_is_told_as_it_came() {
        let error = ConnectError::NotNow {
            url: "http://h/v2/stream/recentchange".to_owned(),
            why: "the host answered 404: nothing".to_owned(),
            wait: None,
        };
        let told = no_stream(&error).detail;
        assert!(
            told.contains("h/v2/stream/recentchange: the host answered 404"),
            "{told}"
        );
    }
}
