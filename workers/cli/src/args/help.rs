//! Examples and exit codes. Lines of these are not wrapped well, so they are short.

pub(super) const COMPLETIONS: &str = "\
Example:
  source <(wikiingest completions bash)
  wikiingest completions zsh > ~/.zfunc/_wikiingest
  wikiingest completions fish > ~/.config/fish/completions/wikiingest.fish

Exit codes:
  0   printed
  64  not a shell that completions are made for";

pub(super) const STATUS: &str = "\
Example:
  wikiingest status
  wikiingest status wikimedia
  wikiingest status wikimedia --output json | jq .conditions

With --output json it is the status of the resource as the API server has it;
without a name, a list of {namespace, name, status}.

Exit codes:
  0   shown, however the resource stands
  1   the API server does not answer, or not as it should; try again
  64  no kubeconfig, no CRD, or no such resource
  77  not allowed";

pub(super) const RUN_NOW: &str = "\
Example:
  wikiingest run-now wikimedia
  wikiingest run-now wikimedia --wait

Exit codes:
  0   asked for; with --wait, all runs did what they should, though files
      may not be published yet
  1   with --wait, a run failed or was not begun; or the API server does not
      answer, try again
  64  no kubeconfig, no CRD, no such resource, or one of which nothing can
      be run now
  77  not allowed";

pub(super) const BACKFILL: &str = "\
Example:
  wikiingest backfill wikimedia --source pageviews \\
    --from 2024-01-01 --to 2025-01-01
  wikiingest backfill wikimedia --source pageviews --name y2016 \\
    --from 2016-01-01 --to 2017-01-01 --parallelism 4 \\
    --base-url https://mirror.accum.se/mirror/wikimedia.org --wait

A resource that Argo CD or Flux keeps as git has it is not changed without
--force, since they would take the range out again: add it to the file in git.

Exit codes:
  0   added, or there already; with --wait, loaded
  1   with --wait, failed or not begun; or the API server does not answer,
      or the resource kept changing, try again
  64  no kubeconfig, no CRD, no such resource or source, a range that is not
      valid, or a resource that is kept in git
  77  not allowed";

pub(super) const PAUSE: &str = "\
Example:
  wikiingest pause wikimedia
  wikiingest pause wikimedia --operator

A resource that Argo CD or Flux keeps as git has it is not suspended without
--force, since they would take it back: set spec.suspend in the file in git.

Exit codes:
  0   paused, or paused already
  1   the API server does not answer, or not as it should; try again
  64  no kubeconfig, no CRD, no such resource, or one that is kept in git
  77  not allowed";

pub(super) const RESUME: &str = "\
Example:
  wikiingest resume wikimedia
  wikiingest resume wikimedia --operator

Exit codes:
  0   goes on, or was not paused
  1   the API server does not answer, or not as it should; try again
  64  no kubeconfig, no CRD, no such resource, or one that is kept in git
  77  not allowed";

pub(super) const LOGS: &str = "\
Example:
  wikiingest logs wikimedia
  wikiingest logs wikimedia --source edits --follow

Exit codes:
  0   printed
  1   no worker said anything, or the API server does not answer; try again
  64  no kubeconfig, no CRD, no such resource or source
  77  not allowed";

pub(super) const DOCTOR: &str = "\
Example:
  wikiingest doctor -f wikimedia.yaml           reads only
  wikiingest doctor -f wikimedia.yaml --write   tries everything
  wikiingest doctor --in-cluster wikimedia --output json

With --output json it prints {\"ok\": …, \"checks\": […]}. Each check has a
name, a subject, a result (ok, notOk, couldNotTell), a detail and a remedy.

Exit codes:
  0   nothing is wrong, as far as could be told
  1   something is not ok, or it was stopped
  64  the file does not say what to examine; no kubeconfig, no such resource
  77  not allowed to do that on the cluster

Environment variables, on this machine:
  WIKIINGEST_<SINK>_<KEY>
            a sink's secrets; see `wikiingest local --help`
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY
            the way to hosts that are not reached directly
  SSL_CERT_FILE
            certificates to trust instead of the system's
  RUST_LOG  what is logged, such as info or debug [default: warn]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_help_is_wrapped_on_a_common_terminal() {
        for text in [
            COMPLETIONS,
            STATUS,
            RUN_NOW,
            BACKFILL,
            PAUSE,
            RESUME,
            LOGS,
            DOCTOR,
        ] {
            let long: Vec<_> = text
                .lines()
                .filter(|line| line.chars().count() > 80)
                .collect();
            assert_eq!(long, [""; 0]);
        }
    }
}
