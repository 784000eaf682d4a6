//! A process that has nothing to do.

use std::thread;
use std::time::{Duration, Instant};

use crate::bench::service::Service;
use crate::cluster::client::Kubectl;
use crate::error::Result;
use crate::process::cpu_seconds;
use crate::say::say;

/// How long it has to do as good as nothing.
const WINDOW: Duration = Duration::from_secs(3);
/// What a Lease may cost in that time, and no more, in percent of a core.
const NOTHING: f64 = 1.0;
/// After that, what it does is what it does at rest.
const PATIENCE: Duration = Duration::from_mins(5);

/// Waits until what was begun is over: events are written after all else, and slowly.
pub(super) fn wait(service: &mut Service, kubectl: &Kubectl) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut written = f64::NAN;
    loop {
        let is_busy = cpu_percent(service, WINDOW)? > NOTHING;
        let before = std::mem::replace(&mut written, kubectl.writes()?.all());
        if !is_busy && written <= before {
            break;
        }
        if Instant::now() > deadline {
            say!("it does not come to rest within {} s", PATIENCE.as_secs());
            break;
        }
    }
    Ok(())
}

/// What it uses of a core for so long.
pub(super) fn cpu_percent(service: &mut Service, window: Duration) -> Result<f64> {
    let used = |service: &Service| cpu_seconds(service.pid()).unwrap_or(f64::NAN);
    let (started, before) = (Instant::now(), used(service));
    thread::sleep(window);
    service.alive()?;
    Ok((used(service) - before) / started.elapsed().as_secs_f64() * 100.0)
}
