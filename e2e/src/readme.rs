//! The README's own commands.
//!
//! A fenced `sh` block after a line `<!-- e2e:run -->` is run word for word, all of them in one copy of the work tree,
//! as someone would who has just cloned the repository. Lines that would start `cargo e2e test` are left out: that is
//! what runs here.

use std::fs;
use std::process::Command;

use crate::error::{Doing, Error, Result};
use crate::say::say;
use crate::scratch;
use crate::steps::{Workspace, files, stream};

const MARK: &str = "<!-- e2e:run -->";
const OURS: &str = "cargo e2e test";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let path = workspace.root().join("README.md");
    let text = fs::read_to_string(&path).doing_to("reading", &path)?;
    let blocks = blocks(&text)?;
    let copy = scratch::dir("readme")?;
    for file in files(workspace)? {
        let to = copy.path().join(&file);
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir).doing_to("making", dir)?;
        }
        fs::copy(workspace.root().join(&file), &to).doing_to("copying", &file)?;
    }
    for block in blocks {
        say!("--- README:\n{block}");
        stream(
            Command::new("bash")
                .args(["-euo", "pipefail", "-c", &block])
                .current_dir(copy.path()),
        )?;
    }
    Ok(())
}

/// The marked blocks, without the line that started us.
fn blocks(text: &str) -> Result<Vec<String>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != MARK {
            continue;
        }
        if lines.next().map(str::trim_end) != Some("```sh") {
            return Err(Error::other(format!(
                "README.md: {MARK} must stand right before a line ```sh"
            )));
        }
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim_end() != "```")
            .collect();
        blocks.push(block.join("\n"));
    }
    if blocks.is_empty() {
        return Err(Error::other(format!(
            "README.md has no block marked {MARK}, so nothing was checked"
        )));
    }
    let without_ours = |block: String| {
        block
            .lines()
            .filter(|line| !line.contains(OURS))
            .collect::<Vec<_>>()
            .join("\n")
    };
    Ok(blocks
        .into_iter()
        .map(without_ours)
        .filter(|block| !block.trim().is_empty())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_blocks_are_taken_and_others_left() {
        let text = "<!-- e2e:run -->\n```sh\necho 1\necho 2\n```\n```sh\nrm -rf /\n```\n";
        assert_eq!(blocks(text).expect("it is well formed"), ["echo 1\necho 2"]);
    }

    #[test]
    fn the_command_that_runs_us_is_left_out() {
        let text =
            "<!-- e2e:run -->\n```sh\ncargo e2e test\n```\n<!-- e2e:run -->\n```sh\necho 1\n```\n";
        assert_eq!(blocks(text).expect("it is well formed"), ["echo 1"]);
    }

    #[test]
    fn a_readme_without_marked_blocks_or_with_a_stray_mark_is_an_error() {
        assert!(blocks("```sh\necho 1\n```\n").is_err());
        assert!(blocks("<!-- e2e:run -->\n\n```sh\necho 1\n```\n").is_err());
    }
}
