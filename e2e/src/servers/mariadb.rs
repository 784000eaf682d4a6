//! A real MariaDB, from Debian's package, with a data folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::{START, launch, retry};
use crate::error::{Doing, Error, Result};
use crate::process::{Guard, capture, find, free_port, guarded};

/// The user that the tests work as. It may do anything, so that each test can have databases of its own.
pub const USER: &str = "wikiingest";

/// Its password, with characters that show whether anything along the way quotes badly.
pub const PASSWORD: &str = "e2e-pa55 'w\"rd%&";

/// How the server treats a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As a production server: what the tests of kills need.
    Full,
    /// The same with the memory that a production server has: what is measured of many small commits.
    FullWithMemory,
    /// As the benches measure: the log flushed once a second, no double write, big log and buffers.
    Bench,
}

impl Durability {
    fn settings(self) -> impl Iterator<Item = &'static str> {
        let parts: &[&[&str]] = match self {
            Self::Full => &[],
            Self::FullWithMemory => &[MEMORY],
            Self::Bench => &[BENCH, MEMORY],
        };
        parts.iter().copied().flatten().copied()
    }
}

/// A running server; dropped, it is gone with its data.
#[derive(Debug)]
pub struct MariaDb {
    // Declared before the folder: the server goes first.
    server: Guard,
    dir: TempDir,
    port: u16,
    durability: Durability,
    more: &'static [&'static str],
}

impl MariaDb {
    /// Makes a data folder and starts a server on it.
    ///
    /// # Errors
    /// If MariaDB is not installed, or does not come up.
    pub fn start(durability: Durability) -> Result<Self> {
        Self::start_with(durability, &[])
    }

    /// The same, with more settings, which come after the usual ones and so before them.
    ///
    /// # Errors
    /// If MariaDB is not installed, or does not come up.
    pub fn start_with(durability: Durability, more: &'static [&'static str]) -> Result<Self> {
        retry(|| Self::try_start(durability, more))
    }

    fn try_start(durability: Durability, more: &'static [&'static str]) -> Result<Self> {
        let dir = crate::scratch::dir("mariadb")?;
        let data = dir.path().join("data");
        install(&data)?;
        let init = dir.path().join("init.sql");
        fs::write(&init, account()).doing_to("writing", &init)?;
        let port = free_port()?;
        let server = serve(dir.path(), port, durability, more)?;
        Ok(Self {
            server,
            dir,
            port,
            durability,
            more,
        })
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again, on its data and its port.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.server = serve(self.dir.path(), self.port, self.durability, self.more)?;
        Ok(())
    }

    /// Sends it a signal, by name.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        capture(Command::new("kill").args(["-s", name, &self.pid().to_string()])).map(drop)
    }

    /// The port, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Runs statements through the `mariadb` client and gives back what it prints, tab-separated, without headings.
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, statements: &str) -> Result<String> {
        sql(self.port, statements)
    }
}

fn serve(dir: &Path, port: u16, durability: Durability, more: &[&str]) -> Result<Guard> {
    let mut command = guarded(program("mariadbd")?);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", dir.join("data").display()))
        .arg(format!("--socket={}", dir.join("socket").display()))
        .arg(format!("--pid-file={}", dir.join("pid").display()))
        .arg(format!("--init-file={}", dir.join("init.sql").display()))
        .arg(format!("--port={port}"))
        .args(SETTINGS)
        .args(as_root())
        .args(durability.settings())
        .args(more);
    launch(&mut command, dir, ("mariadbd", port), START, || ping(port))
}

/// The same, for a server known by its port.
///
/// # Errors
/// What the server says.
pub fn sql(port: u16, statements: &str) -> Result<String> {
    capture(client("mariadb", port)?.args(["--batch", "--skip-column-names", "-e", statements]))
}

/// One of MariaDB's client programs, told where the server is and who asks.
///
/// # Errors
/// If it is not installed.
pub fn client(name: &str, port: u16) -> Result<Command> {
    let mut command = guarded(program(name)?);
    command
        .args([
            "--no-defaults",
            "--protocol=tcp",
            "--host=127.0.0.1",
            "--default-character-set=utf8mb4",
        ])
        .arg(format!("--port={port}"))
        .arg(format!("--user={USER}"))
        .env("MYSQL_PWD", PASSWORD);
    Ok(command)
}

/// A client that stays connected, for questions that are asked again and again.
#[derive(Debug)]
pub struct Session {
    _client: Guard,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What the client prints after an answer.
const END: &str = "-- end of the answer --";

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// If the client is not installed.
    pub fn open(port: u16) -> Result<Self> {
        let mut command = client("mariadb", port)?;
        command
            .args(["--batch", "--skip-column-names", "--unbuffered"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut client = Guard::spawn(&mut command)?;
        let child = client.child();
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::other("the mariadb client has no pipes"));
        };
        Ok(Self {
            _client: client,
            input,
            output: BufReader::new(output),
        })
    }

    /// Asks one question and gives back the lines of the answer, columns apart by tabs.
    ///
    /// # Errors
    /// If the server refuses it, which the client shows, or is gone.
    pub fn ask(&mut self, query: &str) -> Result<Vec<String>> {
        let what = format!("asking MariaDB: {query}");
        writeln!(self.input, "{query}; SELECT '{END}';").doing(&what)?;
        self.input.flush().doing(&what)?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).doing(&what)? == 0 {
                return Err(Error::other(format!("{what}: no answer")));
            }
            let line = line.trim_end_matches('\n');
            if line == END {
                return Ok(lines);
            }
            lines.push(line.to_owned());
        }
    }
}

/// What every server gets. Names are resolved by nobody, times are UTC, text is compared byte by byte.
pub(crate) const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--local-infile=1",
    "--default-time-zone=+00:00",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_bin",
    "--skip-log-bin",
    "--innodb-buffer-pool-size=256M",
    "--performance-schema=OFF",
    // Servers give up on rows that do not come; the usual 30 s would go unnoticed in a test.
    "--net-read-timeout=1",
];

/// What the benches add: the engine's own cost, without the disk's.
const BENCH: &[&str] = &[
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
];

/// Room for what the benches load.
const MEMORY: &[&str] = &[
    "--innodb-buffer-pool-size=3G",
    "--innodb-log-file-size=2G",
    "--innodb-log-buffer-size=64M",
];

/// The server refuses to run as root unless told to; on loopback, with data that lasts minutes, it may.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

fn install(data: &Path) -> Result<()> {
    let mut command = guarded(program("mariadb-install-db")?);
    command
        .args([
            "--no-defaults",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ])
        .arg(format!("--datadir={}", data.display()))
        .args(as_root());
    capture(&mut command).map(drop)
}

/// An init file takes one statement a line.
pub(crate) fn account() -> String {
    let password = PASSWORD.replace('\'', "''");
    format!(
        "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n\
         DROP USER IF EXISTS 'root'@'localhost';\n"
    )
}

fn ping(port: u16) -> Result<()> {
    sql(port, "select 1").map(drop)
}

fn program(name: &str) -> Result<std::path::PathBuf> {
    find(name).ok_or_else(|| {
        Error::other(format!(
            "{name} is not installed: apt-get install mariadb-server"
        ))
    })
}
