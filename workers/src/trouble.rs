//! What stands between here and a host, found in an error's causes: who has to mend it differs.

use std::{error::Error, io};

use rustls::CertificateError;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The host's name leads nowhere.
    Name,
    /// Nobody listens there.
    Refused,
    /// Nothing came back.
    Silent,
    /// The other end hung up.
    Cut,
    /// The other end hung up on the greeting of TLS.
    CutTls,
    /// The other end does not speak TLS.
    NoTls,
    /// Its certificate is signed by nobody who is trusted here.
    Untrusted,
    /// Its certificate is of another time: run out, or not valid yet.
    OtherTime,
    /// Its certificate is another host's.
    OtherName,
    /// TLS failed in another way.
    Tls,
    /// The proxy did not let us through.
    Proxy,
}

impl Trouble {
    /// Looks for it in an error's causes.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut found = None;
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(tls) = tls(error) {
                return Some(of_tls(tls));
            }
            found = of_text(&error.to_string())
                .or(found)
                .or_else(|| error.downcast_ref().and_then(of_io));
            next = error.source();
        }
        found
    }

    /// The same, found while TLS was being agreed on.
    #[must_use]
    pub fn in_handshake(self) -> Self {
        match self {
            Self::Cut => Self::CutTls,
            other => other,
        }
    }
}

fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    // An I/O error's own source leaves out what is wrapped in it.
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    error
        .downcast_ref()
        .or_else(|| wrapped.and_then(|wrapped| wrapped.downcast_ref()))
}

fn of_tls(error: &rustls::Error) -> Trouble {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidMessage(_) => Trouble::NoTls,
        Tls::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Trouble::OtherTime,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Trouble::OtherName
            }
            _ => Trouble::Untrusted,
        },
        _ => Trouble::Tls,
    }
}

fn of_io(error: &io::Error) -> Option<Trouble> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Some(Trouble::Refused),
        Kind::TimedOut | Kind::HostUnreachable | Kind::NetworkUnreachable => Some(Trouble::Silent),
        Kind::UnexpectedEof
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe => Some(Trouble::Cut),
        _ => None,
    }
}

/// What libraries have no type for that could be seen from outside.
fn of_text(text: &str) -> Option<Trouble> {
    let has = |part| text.contains(part);
    if has("dns error") || has("failed to lookup address") {
        Some(Trouble::Name)
    } else if has("tunnel") {
        Some(Trouble::Proxy)
    } else if has("tls handshake eof") {
        Some(Trouble::CutTls)
    } else if has("connection closed before message completed") {
        Some(Trouble::Cut)
    } else if has("timed out") || has("timeout") {
        Some(Trouble::Silent)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: io::Error,
    }

    fn found(text: &'static str, source: io::Error) -> Option<Trouble> {
        Trouble::of(&Outer { text, source })
    }

    #[test]
    fn what_tls_says_is_found_inside_of_an_io_error() {
        let certificate = |of| io::Error::other(rustls::Error::InvalidCertificate(of));
        for (error, trouble) in [
            (CertificateError::UnknownIssuer, Trouble::Untrusted),
            (CertificateError::Expired, Trouble::OtherTime),
            (CertificateError::NotValidYet, Trouble::OtherTime),
            (CertificateError::NotValidForName, Trouble::OtherName),
        ] {
            assert_eq!(found("connecting", certificate(error)), Some(trouble));
        }
        let plain = rustls::InvalidMessage::InvalidContentType;
        let plain = io::Error::other(rustls::Error::InvalidMessage(plain));
        assert_eq!(found("connecting", plain), Some(Trouble::NoTls));
    }

    #[test]
    fn a_connection_that_is_not_there_is_told_from_one_that_was_cut() {
        use io::ErrorKind as Kind;
        for (kind, trouble) in [
            (Kind::ConnectionRefused, Trouble::Refused),
            (Kind::ConnectionReset, Trouble::Cut),
            (Kind::UnexpectedEof, Trouble::Cut),
            (Kind::TimedOut, Trouble::Silent),
        ] {
            assert_eq!(found("connecting", kind.into()), Some(trouble));
        }
        assert_eq!(Trouble::Cut.in_handshake(), Trouble::CutTls);
        assert_eq!(Trouble::Refused.in_handshake(), Trouble::Refused);
    }

    #[test]
    fn a_name_that_leads_nowhere_and_a_proxy_that_refuses_are_known_by_their_texts() {
        let other = || io::Error::other("of some kind");
        assert_eq!(found("dns error", other()), Some(Trouble::Name));
        let eof = io::ErrorKind::UnexpectedEof.into();
        assert_eq!(
            found("tunnel error: unsuccessful", eof),
            Some(Trouble::Proxy)
        );
        assert_eq!(found("something else", other()), None);
    }
}
