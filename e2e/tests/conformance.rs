//! What every batch source has to hold with every kind of store: the same tests for each of them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use jiff::Timestamp;
use wikiingest_e2e::bench::generate::{Archive, Random};
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Hour, worker};
use wikiingest_e2e::servers::replay::Options;

/// Lines of a unit: more than a block of text, in a file of some tens of kilobytes.
const LINES: usize = 3_000;
const KILLS: u32 = 4;

/// A row of the matrix: a source and two stores.
#[derive(Debug, Clone, Copy)]
struct Case {
    archive: Archive,
    stores: Stores,
}

impl Case {
    /// Three units, on a host with faults.
    fn world(self, options: &Options) -> World {
        let mut world = World::of(self.archive, self.stores, options);
        for unit in 4..7 {
            world.publish(Hour(unit), LINES);
        }
        world
    }

    /// The same, whose downloads take long enough for something to happen meanwhile.
    fn slow(self) -> World {
        self.world(&Options {
            rate: Some(100_000),
            ..Options::default()
        })
    }

    fn faulty(self, faults: &str) -> World {
        self.world(&Options {
            faults: faults.to_owned(),
            ..Options::default()
        })
    }

    fn lands_once_as_an_independent_reader_sees_it(self) {
        // Among what else lies in the folders of the real host.
        let world = self.world(&Options {
            neighbours: true,
            ..Options::default()
        });
        let run = world.run().expect(0);
        assert_eq!((run.count("loaded"), run.count("inconsistent")), (3, 0));
        world.check();
        let ledger = "SELECT unit, loaded_at FROM ingest_ledger ORDER BY unit";
        let loaded = world.warehouse.query(ledger);
        let run = world.run().expect(0);
        assert_eq!((run.count("loaded"), run.count("skipped")), (0, 3));
        assert_eq!(world.warehouse.query(ledger), loaded);
        world.check();
    }

    fn a_killed_worker_loses_and_doubles_nothing(self) {
        let mut world = self.slow();
        let whole = world.run().expect(0).took;
        let mut random = Random::new(20_240_803);
        let mut killed = 0;
        for kill in 0..KILLS {
            world.clear();
            let share = (f64::from(kill) + random.unit()) / f64::from(KILLS);
            let worker = worker::start(&world.env, &world.whole());
            killed += u32::from(worker.kill_after(whole.mul_f64(share)).is_some());
            let _ = world.run().expect(0);
            world.check();
        }
        assert!(
            killed >= KILLS / 2,
            "only {killed} of {KILLS} runs were still there to be killed"
        );
    }

    fn two_workers_at_once_load_it_once(self) {
        let world = self.slow();
        let config = world.whole();
        let both = [(); 2].map(|()| worker::start(&world.env, &config));
        for worker in both {
            let run = worker.wait();
            let ended = matches!(run.code, Some(0 | 1));
            assert!(ended, "it ended with {:?}:\n{}", run.code, run.output);
        }
        let _ = world.run().expect(0);
        world.check();
    }

    /// With each of these in its way, the worker loads everything in one run.
    fn an_unsteady_host_is_borne_with(self) {
        for faults in [
            "cut@10k*3",
            "stall@10k",
            "slow=60k",
            "429=1*2,503=1*2",
            "500,502,503,504",
        ] {
            let world = self.faulty(faults);
            let _ = world.run().expect(0);
            let counters = world.replay.counters().expect("the stand-in answers");
            let struck = counters["faults_struck"].as_object();
            assert!(
                struck.is_some_and(|struck| !struck.is_empty()),
                "{faults} never struck"
            );
            world.check();
        }
    }

    /// With each of these in its way, the worker says so; once it is gone, the next run puts everything right.
    fn a_damaged_file_is_loaded_once_it_is_right(self) {
        let unit = self.archive.unit(Hour(5));
        for (fault, code) in [("truncate@5k", 1), ("corrupt@5k", 1), ("403", 77)] {
            let world = self.faulty(&format!("{fault}~{unit}"));
            let run = world.run().expect(code);
            assert!(run.output.contains(&unit), "{fault}: {}", run.output);
            world.replay.set_faults("").expect("the stand-in takes it");
            let _ = world.run().expect(0);
            world.check();
        }
    }

    /// Fewer lines than before: what the old file had and the new one has not must go.
    fn a_file_that_is_published_anew_replaces_the_old_one(self) {
        let mut world = self.world(&Options::default());
        let _ = world.run().expect(0);
        world.publish(Hour(5), LINES / 4);
        let run = world.run().expect(0);
        assert_eq!((run.count("loaded"), run.count("skipped")), (1, 2));
        world.check();
    }

    fn lines_that_cannot_be_read_are_kept_and_cost_no_other(self) {
        let mut world = self.world(&Options::default());
        let (line, field) = self.archive.bad_line();
        world.publish_with(Hour(5), LINES, &format!("{line}\n"));
        let run = world.run().expect(0);
        assert_eq!((run.count("loaded"), run.count("rejected")), (3, 1));
        world.check();
        let rejects = world.warehouse.query(
            "SELECT source, unit, line_no, line, reason FROM ingest_rejects ORDER BY line_no",
        );
        let [reject] = &rejects[..] else {
            panic!("{rejects:?}");
        };
        assert_eq!(reject[0], self.archive.source());
        assert_eq!(reject[1], self.archive.unit(Hour(5)));
        let number: usize = reject[2].parse().expect("a number");
        assert!(number > LINES, "{rejects:?}");
        assert!(rejects[0][4..].concat().contains(field), "{rejects:?}");
        let kept = world.lake.objects();
        let kept = kept
            .iter()
            .filter(|path| path.starts_with("ingest_rejects/"));
        assert_eq!(kept.count(), 1);
    }

    /// From every table, with its rejected lines; a young unit stays, and an old one that is published anew does, too.
    fn what_is_kept_no_longer_goes_and_does_not_come_back(self) {
        let mut world = World::of(self.archive, self.stores, &Options::default());
        let (old, limit, young) = ([Hour(4), Hour(5)], Hour(58), Hour(60));
        let (bad, _) = self.archive.bad_line();
        for unit in [old[0], old[1], young] {
            world.publish_with(unit, LINES, &format!("{bad}\n"));
        }
        assert_eq!(world.run().expect(0).count("loaded"), 3);
        let in_ledger = "SELECT unit, loaded_at FROM ingest_ledger ORDER BY unit";
        let ledger = world.warehouse.query(in_ledger);
        assert_eq!(ledger.len(), 3);

        let limit: Timestamp = self.archive.timestamp(limit).parse().expect("a time");
        let span = format!("{}h", Timestamp::now().duration_since(limit).as_hours());
        let config = world.whole().keeping(self.archive.kind(), &span);
        let expire = || {
            let run = worker::expire(&world.env, &config.to_expire());
            run.wait().expect(0)
        };
        let run = expire();
        assert!(run.count("rows") > 0, "{}", run.output);
        // Of each the facts, and what was rejected.
        assert_eq!(run.count("objects"), 4);
        let run = expire();
        assert_eq!((run.count("rows"), run.count("objects")), (0, 0));

        world.publish(old[0], LINES / 2);
        let run = worker::run(&world.env, &config).expect(0);
        assert_eq!((run.count("loaded"), run.count("skipped")), (0, 3));
        let (facts, left) = (self.archive.facts(), world.expected[&young]);
        assert_eq!(world.warehouse.tally(facts), left, "rows of the warehouse");
        assert_eq!(
            world.lake.tally(&world.env, facts).0,
            left,
            "rows of the lake"
        );
        world.check_derived();
        assert_eq!(world.warehouse.query(in_ledger), ledger);
        let rejects = world.warehouse.query("SELECT unit FROM ingest_rejects");
        assert_eq!(rejects, [[self.archive.unit(young)]]);
        assert_eq!(world.lake.objects().len(), 2, "{:?}", world.lake.objects());
    }

    fn the_host_is_asked_politely(self) {
        let world = self.slow();
        let _ = world.run().expect(0);
        let counters = world.replay.counters().expect("the stand-in answers");
        for peak in ["peak_requests", "peak_connections"] {
            let seen = counters[peak].as_u64().expect("peaks are counted");
            assert!((1..=2).contains(&seen), "{peak} is {seen}");
        }
        assert_eq!(counters["rejected_for_concurrency"], 0);
    }
}

/// A module a case, and in it each test.
macro_rules! matrix {
    ($($case:ident: $archive:ident, $stores:ident;)*) => {
        $(mod $case {
            use super::*;

            const CASE: Case = Case { archive: Archive::$archive, stores: Stores::$stores };

            #[test]
            fn lands_once_as_an_independent_reader_sees_it() {
                CASE.lands_once_as_an_independent_reader_sees_it();
            }

            #[test]
            fn a_killed_worker_loses_and_doubles_nothing() {
                CASE.a_killed_worker_loses_and_doubles_nothing();
            }

            #[test]
            fn two_workers_at_once_load_it_once() {
                CASE.two_workers_at_once_load_it_once();
            }

            #[test]
            fn an_unsteady_host_is_borne_with() {
                CASE.an_unsteady_host_is_borne_with();
            }

            #[test]
            fn a_damaged_file_is_loaded_once_it_is_right() {
                CASE.a_damaged_file_is_loaded_once_it_is_right();
            }

            #[test]
            fn a_file_that_is_published_anew_replaces_the_old_one() {
                CASE.a_file_that_is_published_anew_replaces_the_old_one();
            }

            #[test]
            fn lines_that_cannot_be_read_are_kept_and_cost_no_other() {
                CASE.lines_that_cannot_be_read_are_kept_and_cost_no_other();
            }

            #[test]
            fn what_is_kept_no_longer_goes_and_does_not_come_back() {
                CASE.what_is_kept_no_longer_goes_and_does_not_come_back();
            }

            #[test]
            fn the_host_is_asked_politely() {
                CASE.the_host_is_asked_politely();
            }
        })*
    };
}

matrix! {
    page_views_into_mariadb_and_s3: Pageviews, Servers;
    page_views_into_sqlite_and_a_folder: Pageviews, Embedded;
    page_counts_into_mariadb_and_s3: Pagecounts, Servers;
    page_counts_into_sqlite_and_a_folder: Pagecounts, Embedded;
    complete_page_views_into_mariadb_and_s3: PageviewComplete, Servers;
    complete_page_views_into_sqlite_and_a_folder: PageviewComplete, Embedded;
    media_counts_into_mariadb_and_s3: Mediacounts, Servers;
    media_counts_into_sqlite_and_a_folder: Mediacounts, Embedded;
}
