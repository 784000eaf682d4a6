//! What an answer of a host means, or that there was none.

use std::time::Duration;

use super::finding::Verdict;
use crate::trouble::Trouble;

/// The name of the check that a trouble belongs to.
pub(super) fn check_of(trouble: Option<Trouble>) -> &'static str {
    match trouble {
        Some(
            Trouble::CutTls
            | Trouble::NoTls
            | Trouble::Untrusted
            | Trouble::OtherTime
            | Trouble::OtherName
            | Trouble::Tls,
        ) => "tls",
        _ => "reachable",
    }
}

/// No connection to `host`; `text` is what the client said, `proxy` the variable that names one in between.
pub(super) fn no_way(
    trouble: Option<Trouble>,
    host: &str,
    text: &str,
    proxy: Option<&str>,
) -> Verdict {
    let (what, remedy) = match trouble {
        Some(Trouble::Name) => (
            format!("the name {host} leads nowhere"),
            "correct it, or let this network's DNS resolve it; in a cluster, look at the pod's dnsPolicy",
        ),
        Some(Trouble::Refused) => (
            format!("nothing listens at {host} (connection refused)"),
            "correct host and port, or start what should listen there",
        ),
        Some(Trouble::Silent) => (
            format!("{host} does not answer"),
            "let a firewall, a NetworkPolicy or a security group pass the connection, or name the proxy in HTTPS_PROXY",
        ),
        Some(Trouble::Cut) => (
            format!("{host}, or something in between, hung up"),
            "look at the host, and at proxies and firewalls on the way",
        ),
        Some(Trouble::Proxy) => (
            format!("the proxy does not let us through to {host}"),
            "let the proxy pass CONNECT to it, give it the login in its variable, or add the host to NO_PROXY",
        ),
        Some(trouble) => tls(trouble, host),
        None => (
            format!("{host} cannot be reached"),
            "check that it is up and reachable from here",
        ),
    };
    let through = proxy.map_or_else(String::new, |variable| {
        format!("; {variable} is set, so a proxy may be in between")
    });
    Verdict::not_ok(format!("{what}: {text}{through}"), remedy)
}

fn tls(trouble: Trouble, host: &str) -> (String, &'static str) {
    match trouble {
        Trouble::CutTls => (
            format!("the connection to {host} was cut as TLS began"),
            "a proxy or firewall in between lets no TLS through to this host: let it pass, or name another way in HTTPS_PROXY",
        ),
        Trouble::NoTls => (
            format!("what answers at {host} does not speak TLS"),
            "a proxy or captive portal in between answers in its place, or the port is one of plain HTTP: correct the URL or the way",
        ),
        Trouble::Untrusted if is_public(host) => (
            format!(
                "the certificate shown for {host} is not signed by an authority that is trusted here, so something in between \
                 intercepts TLS, or this system lacks the usual authorities"
            ),
            "exempt the host from interception; or trust the proxy's authority with a file of certificates named in SSL_CERT_FILE; \
             or install ca-certificates",
        ),
        Trouble::Untrusted => (
            format!("the certificate of {host} is not signed by an authority that is trusted here"),
            "name a file with the authority's certificate in SSL_CERT_FILE, or give the host a certificate of a known one",
        ),
        Trouble::OtherTime => (
            format!(
                "the certificate of {host} has run out or is not valid yet, by the clock of this machine"
            ),
            "check this machine's clock first; if it is right, the host needs a new certificate",
        ),
        Trouble::OtherName => (
            format!("the certificate shown for {host} is another host's"),
            "correct the host's name, or look for a proxy in between that answers in its place",
        ),
        _ => (
            format!("TLS with {host} failed"),
            "look at proxies on the way, and at which versions of TLS the host takes (1.2 or 1.3 is needed)",
        ),
    }
}

/// Hosts whose certificates are signed by an authority that every system knows.
fn is_public(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    [".wikimedia.org", ".amazonaws.com"]
        .iter()
        .any(|of| name.ends_with(of))
}

/// What a status that is no success means, 404 left aside.
pub(super) fn refusal(status: u16, asked_to_wait: Option<Duration>, body: &str) -> Verdict {
    let body: String = body.trim().chars().take(200).collect();
    match status {
        401 | 403 | 451 => Verdict::not_ok(
            format!("the host refuses us ({status}): {body}"),
            "name a URL or mail address in spec.contact at which you can be reached, and ask whether this address is blocked",
        ),
        407 => Verdict::not_ok(
            "a proxy in between wants a login (407)",
            "give it in the proxy's variable, or add the host to NO_PROXY",
        ),
        429 => Verdict::not_ok(
            format!(
                "the host has had too many requests from this address (429){}",
                wait(asked_to_wait)
            ),
            "wait, and look what else reads the host from this address",
        ),
        500.. => Verdict::not_ok(
            format!(
                "the host is in trouble itself ({status}){}",
                wait(asked_to_wait)
            ),
            "try again later",
        ),
        _ => Verdict::not_ok(
            format!("the host answered {status}: {body}"),
            "correct baseUrl, or look at it with curl",
        ),
    }
}

fn wait(asked: Option<Duration>) -> String {
    asked.map_or_else(String::new, |wait| {
        format!(", and asks to wait {} s", wait.as_secs())
    })
}

/// The variable that names a proxy for a URL, if one does.
pub(super) fn proxy(url: &str, is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
    let of_scheme: &[&'static str] = if url.starts_with("https:") {
        &["HTTPS_PROXY", "https_proxy"]
    } else {
        &["HTTP_PROXY", "http_proxy"]
    };
    let all = of_scheme.iter().chain(&["ALL_PROXY", "all_proxy"]);
    all.copied().find(|name| is_set(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    #[test]
    fn a_cut_an_interception_and_a_closed_port_are_told_apart() {
        let told = |trouble, host| no_way(Some(trouble), host, "x", None).detail;
        assert!(told(Trouble::CutTls, "h").contains("was cut as TLS began"));
        assert!(told(Trouble::Refused, "h").contains("connection refused"));
        assert!(told(Trouble::Untrusted, "dumps.wikimedia.org").contains("intercepts TLS"));
        assert!(!told(Trouble::Untrusted, "mirror.example.org").contains("intercepts"));
        assert_eq!(check_of(Some(Trouble::CutTls)), "tls");
        assert_eq!(check_of(Some(Trouble::Refused)), "reachable");
    }

    #[test]
    fn the_proxy_s_variable_is_named_and_never_its_value() {
        let proxied = proxy("https://h", |name| name == "https_proxy");
        assert_eq!(proxied, Some("https_proxy"));
        assert_eq!(proxy("http://h", |name| name == "https_proxy"), None);
        let told = no_way(Some(Trouble::CutTls), "h", "x", proxied);
        assert!(
            told.detail.contains("https_proxy is set"),
            "{}",
            told.detail
        );
    }

    #[test]
    fn refusals_say_who_has_to_mend_what() {
        let told = refusal(403, None, " Please set a user-agent ");
        assert_eq!(told.result, Outcome::NotOk);
        assert!(told.detail.contains("(403): Please set a user-agent"));
        assert!(told.remedy.unwrap().contains("spec.contact"));
        let told = refusal(429, Some(Duration::from_secs(90)), "");
        assert!(told.detail.contains("asks to wait 90 s"), "{}", told.detail);
    }
}
