//! Wherever a worker is killed, each row lands once: in the warehouse, in the lake, and in agreement. What each kind of
//! source has to hold is in `conformance.rs`; this looks for the narrow moments, with one kind.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::io::Write as _;
use std::time::{Duration, Instant};

use wikiingest_e2e::bench::generate::Random;
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Hour, worker};
use wikiingest_e2e::servers::replay::Options;

const BOTH: [Stores; 2] = [Stores::Servers, Stores::Embedded];
const KILLS: u32 = 25;
/// A moment of a few milliseconds may be missed; not so often.
const TRIES: u32 = 20;
/// Every so many kills hit a run with an hour that takes several parts to upload.
const BIG_EVERY: u32 = 10;

/// Small hours, whose download takes long enough for a kill to hit it.
fn small(stores: Stores) -> World {
    let mut world = World::new(
        stores,
        &Options {
            rate: Some(200_000),
            ..Options::default()
        },
    );
    for hour in 4..7 {
        world.publish(Hour(hour), 8_000);
    }
    world
}

/// A small hour and one that takes several parts to upload.
fn big(stores: Stores) -> World {
    let mut world = World::new(stores, &Options::default());
    world.publish(Hour(4), 8_000);
    world.publish_big(Hour(5));
    world
}

/// Kills runs at moments spread over the time that a whole run takes, each by chance within its share of it; after
/// each kill a run to the end must put everything right.
fn kill_at_random_moments(stores: Stores) {
    let mut worlds = [small(stores), big(stores)];
    let mut whole = worlds.each_ref().map(|world| world.run().expect(0).took);
    let mut random = Random::new(20_240_803);
    let mut killed = 0;
    for kill in 0..KILLS {
        let is_big = kill % BIG_EVERY == BIG_EVERY / 2;
        let (world, whole) = (
            &mut worlds[usize::from(is_big)],
            &mut whole[usize::from(is_big)],
        );
        let share = if is_big {
            random.unit()
        } else {
            (f64::from(kill) + random.unit()) / f64::from(KILLS)
        };
        let mut moment = whole.mul_f64(share);
        for _ in 0..TRIES {
            world.clear();
            let began = Instant::now();
            let run = worker::start(&world.env, &world.whole());
            if run.kill_after(moment).is_some() {
                killed += 1;
                break;
            }
            // Whatever else this machine was busy with is over: a whole run is shorter now.
            *whole = (*whole).min(began.elapsed());
            moment = whole.mul_f64(share);
        }
        let _ = world.run().expect(0);
        let _ = writeln!(
            std::io::stderr(),
            "{stores:?}: kill {} at {:.3} s",
            kill + 1,
            moment.as_secs_f64()
        );
        world.check();
    }
    assert_eq!(killed, KILLS, "runs were still there to be killed");
}

#[test]
fn a_worker_killed_at_any_of_many_moments_loses_and_doubles_nothing_in_mariadb_and_s3() {
    kill_at_random_moments(Stores::Servers);
}

#[test]
fn a_worker_killed_at_any_of_many_moments_loses_and_doubles_nothing_in_sqlite_and_a_folder() {
    kill_at_random_moments(Stores::Embedded);
}

/// Kills a run at the moment when `at` holds, again if the kill came too late to leave behind what `left` tells; a run
/// to the end must then put everything right.
fn kill_when(stores: Stores, at: impl Fn(&World) -> bool, left: impl Fn(&World) -> bool) {
    for _ in 0..TRIES {
        let world = big(stores);
        let killed = worker::start(&world.env, &world.whole()).kill_when(|| at(&world));
        if killed.is_none() || !left(&world) {
            continue;
        }
        let _ = world.run().expect(0);
        world.check();
        return;
    }
    panic!("{stores:?}: {TRIES} kills all came too late to leave anything behind");
}

#[test]
fn what_a_killed_worker_had_half_written_to_the_lake_is_removed() {
    let half_written = |world: &World| !world.lake.unfinished().is_empty();
    for stores in BOTH {
        kill_when(stores, half_written, half_written);
    }
}

#[test]
fn an_object_that_a_killed_worker_finished_without_its_ledger_row_is_neither_lost_nor_doubled() {
    let objects = |world: &World| {
        let all = world.lake.objects();
        all.len() - world.lake.unfinished().len().min(all.len())
    };
    for stores in BOTH {
        kill_when(
            stores,
            |world| objects(world) == 2,
            |world| world.warehouse.number("SELECT COUNT(*) FROM ingest_ledger") < 2,
        );
    }
}

#[test]
fn a_worker_killed_again_and_again_still_ends_up_with_everything() {
    for stores in BOTH {
        let world = small(stores);
        let mut random = Random::new(77);
        for _ in 0..8 {
            let moment = Duration::from_millis(100 + random.below(600) as u64);
            let _ = worker::start(&world.env, &world.whole()).kill_after(moment);
        }
        let _ = world.run().expect(0);
        world.check();
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_loaded_half_and_half() {
    for stores in BOTH {
        let other = World::new(Stores::Embedded, &Options::default());
        let newer = other.dump.generated(Hour(5), 9_000);
        // The first answer breaks off, and by the second request the file is another one.
        let faults = format!(
            "cut@30k,republish={}@2~{}",
            other.dump.file(Hour(5)).display(),
            Hour(5).unit()
        );
        let mut world = World::new(
            stores,
            &Options {
                faults,
                ..Options::default()
            },
        );
        world.publish(Hour(5), 8_000);
        world.expected.insert(Hour(5), newer);
        let first = world.run();
        assert!(matches!(first.code, Some(0 | 1)), "{}", first.output);
        world.replay.set_faults("").expect("the stand-in takes it");
        // The stand-in keeps what it was told to publish.
        let _ = world.run().expect(0);
        world.check();
    }
}
