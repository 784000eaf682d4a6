//! A shell that completes the command line.

use std::io::{self, Write as _};

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{Shell as Known, generate};
use wikiingest_crds::worker::ExitCode;

use crate::args::Cli;

/// The shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

/// Prints the completions of a shell.
pub(crate) fn print(shell: Shell) -> ExitCode {
    // Whoever closed the other end does not want to know.
    let _ = io::stdout().write_all(&script(shell));
    ExitCode::Done
}

fn script(shell: Shell) -> Vec<u8> {
    let known = match shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
    };
    let mut script = Vec::new();
    generate(known, &mut Cli::command(), "wikiingest", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_of_commands_here_and_on_a_cluster() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["demo", "run-now", "parallelism"] {
                assert!(script.contains(word), "{shell:?}: {word}");
            }
        }
    }
}
