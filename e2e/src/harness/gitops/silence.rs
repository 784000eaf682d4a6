//! An operator that answers nothing for a while: what others say of a resource then, they say without knowing.

use crate::cluster::{NODE, docker};
use crate::error::Result;
use crate::process::capture;

/// All operators of the cluster are stopped; they go on when the value goes, which should be before their probes lose
/// patience.
#[derive(Debug)]
pub struct Silence(());

impl Silence {
    /// Stops them.
    ///
    /// # Errors
    /// If the node does not answer.
    pub fn begin() -> Result<Self> {
        signal("STOP")?;
        Ok(Self(()))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = signal("CONT");
    }
}

/// Processes by the names that the kernel has of them, which are short.
fn signal(name: &str) -> Result<()> {
    let script = format!(
        "for p in /proc/[0-9]*; do case \"$(cat $p/comm 2>/dev/null)\" in \
         wikiingest-oper*) kill -{name} ${{p#/proc/}};; esac; done"
    );
    capture(docker()?.args(["exec", NODE, "sh", "-c", &script])).map(drop)
}
