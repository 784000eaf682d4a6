//! The two topics of the stream, one for each of the data centres that write it.

/// A topic; each has one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Eqiad,
    Codfw,
}

/// Both, in the order in which ids name them.
pub(crate) const TOPICS: [Topic; 2] = [Topic::Eqiad, Topic::Codfw];

impl Topic {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eqiad => "eqiad.mediawiki.recentchange",
            Self::Codfw => "codfw.mediawiki.recentchange",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        TOPICS.into_iter().find(|topic| topic.name() == name)
    }

    /// Its place in what is kept for each topic.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Eqiad => 0,
            Self::Codfw => 1,
        }
    }
}
