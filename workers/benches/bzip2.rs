//! Decoding an ordinary bzip2 file: ours beside lbzip2 and the crate `bzip2`.
//!
//! `cargo bench --package wikiingest-workers --bench bzip2`. Each case is the fastest of five readings
//! of the same file, 2 million lines of media counts, in a process of its own and in turn with the
//! others; the floor is `lbzip2 -dc -n2`, which has to be installed.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and ends where it does not work"
)]

use std::{
    env,
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    num::NonZeroUsize,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bzip2::{Compression, bufread::MultiBzDecoder, write::BzEncoder};
use wikiingest_workers::batch::bzip2::Bzip2Decoder;

const LINES: u64 = 2_000_000;
const RUNS: usize = 5;
const THREADS: usize = 2;

fn main() {
    let args: Vec<String> = env::args().collect();
    if let [_, decoder, file] = &args[..]
        && !decoder.starts_with('-')
    {
        return decode(decoder, Path::new(file));
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut encoder = BzEncoder::new(file.as_file(), Compression::best());
    generate(&mut encoder).expect("text is written");
    encoder.finish().expect("text is compressed");
    run(file.path());
}

/// What each of the processes does.
fn decode(decoder: &str, file: &Path) {
    let reader = BufReader::new(File::open(file).expect("the file is there"));
    let threads = NonZeroUsize::new(THREADS).expect("there are some");
    let mut reader: Box<dyn Read> = match decoder {
        "ours" => Box::new(Bzip2Decoder::new(reader, threads)),
        "crate" => Box::new(MultiBzDecoder::new(reader)),
        other => panic!("there is no {other}"),
    };
    let mut buffer = vec![0; 256 << 10];
    while reader.read(&mut buffer).expect("the file is whole") > 0 {}
}

/// The fastest run, and the most memory of all.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    command: fn(&Path) -> Command,
    seconds: f64,
    rss_mib: f64,
}

fn case(name: &'static str, command: fn(&Path) -> Command) -> Case {
    Case {
        name,
        command,
        seconds: f64::MAX,
        rss_mib: 0.0,
    }
}

fn run(file: &Path) {
    let mut cases = [
        case("floor: lbzip2 -dc -n2", |file| {
            let mut command = Command::new("lbzip2");
            command.args(["-dc", &format!("-n{THREADS}")]).arg(file);
            command
        }),
        case("own decoder, 2 threads", |file| own("ours", file)),
        case("bzip2 crate, serial", |file| own("crate", file)),
    ];
    for _ in 0..RUNS {
        for case in &mut cases {
            measure(case, file);
        }
    }
    for case in cases {
        tell(&case, cases[0].seconds);
    }
}

fn own(decoder: &str, file: &Path) -> Command {
    let mut command = Command::new(env::current_exe().expect("we are a program"));
    command.arg(decoder).arg(file);
    command
}

fn measure(case: &mut Case, file: &Path) {
    let mut command = (case.command)(file);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().expect("it is installed");
    let status = loop {
        case.rss_mib = case.rss_mib.max(high_water_mib(&child).unwrap_or_default());
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{} ends with {status}", case.name);
    case.seconds = case.seconds.min(started.elapsed().as_secs_f64());
}

fn high_water_mib(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

fn tell(case: &Case, floor: f64) {
    let line = serde_json::json!({
        "bench": "bzip2",
        "case": case.name,
        "seconds": (case.seconds * 1e3).round() / 1e3,
        "floor_seconds": (floor * 1e3).round() / 1e3,
        "ratio": (case.seconds / floor * 100.0).round() / 100.0,
        "rss_mib": (case.rss_mib * 10.0).round() / 10.0,
    });
    println!("{line}");
}

/// Lines like those of media counts: a path, and 23 counts, most of them nothing.
fn generate(text: &mut impl Write) -> io::Result<()> {
    const WORDS: [&str; 16] = [
        "Flag", "of", "the", "Map", "Coat", "arms", "Church", "Saint", "River", "View", "from",
        "Portrait", "Station", "Castle", "Logo", "Panorama",
    ];
    const EXTENSIONS: [&str; 4] = ["jpg", "JPG", "png", "svg"];
    let mut text = io::BufWriter::with_capacity(1 << 20, text);
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % bound
    };
    for line in 0..LINES {
        let folder = line * 256 / LINES;
        let mut word = || WORDS[usize::try_from(random(16)).unwrap_or_default()];
        let words = [word(), word(), word(), word()].join("_");
        let extension = EXTENSIONS[usize::try_from(random(4)).unwrap_or_default()];
        let number = random(9973);
        let shift = random(12);
        let total = 1 + random(1 << shift);
        write!(
            text,
            "/wikipedia/commons/{:x}/{folder:02x}/{words}_{number}.{extension}\t{}\t{total}",
            folder >> 4,
            total * (300 + random(90_000)),
        )?;
        let mut left = total;
        for column in 4..=25 {
            if [6, 7, 15, 16, 21, 22].contains(&column) {
                write!(text, "\t-")?;
                continue;
            }
            let count = if left > 0 && random(4) == 0 {
                1 + random(left)
            } else {
                0
            };
            left -= count;
            write!(text, "\t{count}")?;
        }
        writeln!(text)?;
    }
    text.flush()
}
