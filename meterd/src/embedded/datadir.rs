//! The data directory: where it is, who may read what in it, and who holds it.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;

use super::account::Account;
use super::process::Process;

const DEFAULT_DATA_DIR: &str = ".meterd";

/// Where a root `meterd` keeps its data when the working directory is closed to others.
const SYSTEM_DATA_DIR: &str = "/var/lib/meterd";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DataDirArgs {
    /// Directory of everything `meterd up` keeps: secrets, servers' data, logs
    ///
    /// As root the default is /var/lib/meterd when the working directory cannot be entered by
    /// other users, because Postgres then runs as `nobody`.
    #[arg(
        long,
        env = "METERD_DATA_DIR",
        value_name = "DIR",
        default_value = DEFAULT_DATA_DIR
    )]
    data_dir: PathBuf,
}

/// A data directory. Knowing one does not mean that it exists or that this process holds it.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
}

impl DataDirArgs {
    /// Where the data is, and a sentence for the user when that is not where they would look.
    pub(crate) fn locate(&self) -> Result<(DataDir, Option<String>)> {
        let wanted = std::path::absolute(&self.data_dir)
            .context("cannot tell which directory this is: the working directory is gone")?;
        let dir = DataDir { root: wanted };
        let Some(account) = Account::for_postgres(&dir.postgres())? else {
            return Ok((dir, None));
        };
        let nearest = dir.root.ancestors().find(|path| path.is_dir());
        if nearest.is_none_or(|path| account.can_enter(path)) {
            return Ok((dir, None));
        }
        if self.data_dir != Path::new(DEFAULT_DATA_DIR) {
            bail!(
                "{} cannot be entered by other users, and as root meterd runs Postgres as another \
                 user: name a directory such as {SYSTEM_DATA_DIR} with --data-dir",
                dir.root.display()
            );
        }
        let note = format!(
            "the working directory cannot be entered by the user Postgres runs as; \
             the data is in {SYSTEM_DATA_DIR}"
        );
        let root = PathBuf::from(SYSTEM_DATA_DIR);
        Ok((DataDir { root }, Some(note)))
    }
}

impl DataDir {
    /// A directory the caller made for this purpose alone.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn nats(&self) -> PathBuf {
        self.root.join("nats")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(crate) fn valkey(&self) -> PathBuf {
        self.root.join("valkey")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn admin_key(&self) -> PathBuf {
        self.root.join("admin.key")
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.root.join("secret")
    }

    pub(crate) fn passwords(&self) -> PathBuf {
        self.root.join("passwords.json")
    }

    pub(crate) fn children(&self) -> PathBuf {
        self.root.join("children.json")
    }

    pub(crate) fn ready(&self) -> PathBuf {
        self.root.join("ready.json")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Makes the directory. As root others may pass through it (Postgres' account must) but not
    /// list it; otherwise it is the user's alone. The files in it are 0600 either way.
    pub(crate) fn create(&self) -> Result<()> {
        let cannot = || format!("cannot make the data directory {}", self.root.display());
        fs::create_dir_all(&self.root).with_context(cannot)?;
        let mode = match Account::for_postgres(&self.postgres())? {
            Some(_) => 0o711,
            None => 0o700,
        };
        set_mode(&self.root, mode).with_context(cannot)?;
        for directory in [self.nats(), self.valkey(), self.logs()] {
            fs::create_dir_all(&directory).with_context(cannot)?;
            set_mode(&directory, 0o700)?;
        }
        Ok(())
    }

    /// Takes the directory for this process, until the lock is dropped or the process dies.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.lock_file();
        // Not truncated before the lock is ours: the text is the holder's.
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = self
                    .holder()
                    .map_or(String::new(), |holder| format!(" (pid {})", holder.pid));
                bail!(
                    "another meterd{holder} uses {}: stop it with `meterd down`, or name another \
                     directory with --data-dir",
                    self.root.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let process = Process::current().context("cannot read this process' start time")?;
        let text = serde_json::to_vec(&process)?;
        file.set_len(0)
            .and_then(|()| file.write_all(&text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Lock { _file: file })
    }

    /// The process that holds the directory, if one does.
    pub(crate) fn holder(&self) -> Option<Process> {
        let holder: Process = read_json(&self.lock_file()).ok().flatten()?;
        holder.is_alive().then_some(holder)
    }

    /// The secret in a file, made at the first call and the same ever after.
    pub(crate) fn secret_in(path: &Path, make: impl FnOnce() -> String) -> Result<String> {
        match fs::read_to_string(path) {
            Ok(secret) if !secret.trim().is_empty() => Ok(secret.trim().to_owned()),
            Ok(_) => bail!(
                "{} is empty: delete it to get a new one, or restore it from a backup",
                path.display()
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = make();
                write_private(path, format!("{secret}\n").as_bytes(), Keep::Durable)?;
                Ok(secret)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// Held while a `meterd` uses a data directory. The kernel frees it with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// How much a private file has to survive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Readers see the old or the new content, never half of it.
    Atomic,
    /// The same, and it is on the disk before the call returns.
    Durable,
}

/// Writes a file that only this user may read.
pub(crate) fn write_private(path: &Path, content: &[u8], keep: Keep) -> Result<()> {
    let mut half = path.as_os_str().to_owned();
    half.push(".new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(content)?;
        if keep == Keep::Durable {
            file.sync_all()?;
        }
        fs::rename(&half, path)?;
        if keep == Keep::Durable {
            sync_directory_of(path)?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a rename in this file's directory on the disk.
pub(crate) fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Reads a JSON file; `None` when there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| anyhow!(error).context(format!("{} is damaged", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

pub(crate) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
