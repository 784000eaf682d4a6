//! The host's rules for its guests: say who you are, and do not ask for too much at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Names that say which library is used, but not who uses it.
const GENERIC: [&str; 14] = [
    "aiohttp",
    "apache-httpclient",
    "axios",
    "curl",
    "go-http-client",
    "httpx",
    "java",
    "libwww-perl",
    "mozilla",
    "okhttp",
    "python-requests",
    "python-urllib",
    "reqwest",
    "wget",
];

/// Why a user agent is refused; `None` for one that is welcome.
pub(crate) fn objection(user_agent: Option<&str>) -> Option<&'static str> {
    let agent = user_agent.unwrap_or_default().trim();
    if agent.is_empty() {
        return Some("the User-Agent header is missing or empty");
    }
    if has_contact(agent) {
        return None;
    }
    let name = agent
        .split(['/', ' '])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if GENERIC.contains(&name.as_str()) {
        Some("the User-Agent names a library or browser, not the tool and who runs it")
    } else {
        Some("the User-Agent has no contact: neither a web nor a mail address")
    }
}

fn has_contact(agent: &str) -> bool {
    let agent = agent.to_ascii_lowercase();
    let url = ["http://", "https://"]
        .iter()
        .filter_map(|scheme| agent.split_once(scheme))
        .any(|(_, host)| host.starts_with(|first: char| first.is_ascii_alphanumeric()));
    url || agent
        .split([' ', '(', ')', '<', '>', ';', ',', ':'])
        .any(is_mail_address)
}

fn is_mail_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| {
        let host = host.trim_end_matches('.');
        !user.is_empty()
            && !host.contains('@')
            && host.split('.').count() > 1
            && !host.split('.').any(str::is_empty)
    })
}

/// One address and user agent: what nginx's `limit_conn` counts by.
type Client = (IpAddr, String);

/// Counts the requests that each client has served at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd {
    inside: Arc<Mutex<HashMap<Client, usize>>>,
}

/// A request being served; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    crowd: Crowd,
    client: Client,
}

/// How many requests were being served when one came in, itself included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside {
    pub(crate) of_client: usize,
    pub(crate) of_all: usize,
}

impl Crowd {
    pub(crate) fn enter(&self, address: IpAddr, agent: &str) -> (Slot, Inside) {
        let client = (address, agent.to_owned());
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.entry(client.clone()).or_default();
        *count += 1;
        let of_client = *count;
        let of_all = inside.values().sum();
        (
            Slot {
                crowd: self.clone(),
                client,
            },
            Inside { of_client, of_all },
        )
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut inside = self
            .crowd
            .inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_a_contact() {
        for welcome in [
            "wikiingest/0.1 (https://example.org/ops; ops@example.org)",
            "wikiingest/0.1 (ops@example.org)",
            "wikiingest/0.1 (mailto:ops@example.org)",
            "bot HTTPS://example.org",
            "curl/8.5 (someone@example.org)",
        ] {
            assert_eq!(objection(Some(welcome)), None, "{welcome}");
        }
        assert_eq!(
            objection(None),
            Some("the User-Agent header is missing or empty")
        );
        assert_eq!(objection(Some("  ")), objection(None));
        for generic in [
            "curl/8.5.0",
            "python-requests/2.32",
            "reqwest/0.13",
            "Mozilla/5.0 (X11)",
            "Wget",
        ] {
            assert!(
                objection(Some(generic)).unwrap().contains("library"),
                "{generic}"
            );
        }
        for anonymous in [
            "wikiingest/0.1",
            "bot (me@)",
            "bot (@example.org)",
            "bot me@localhost",
            "bot http://",
        ] {
            assert!(
                objection(Some(anonymous)).unwrap().contains("no contact"),
                "{anonymous}"
            );
        }
    }
}
