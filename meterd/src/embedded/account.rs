//! The account Postgres runs under. It refuses to run as root, so a root `meterd` hands it to a
//! real user that owns nothing else.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::{User, geteuid};

/// Accounts without rights that every Unix has, in order of preference.
const ACCOUNTS: [&str; 2] = ["nobody", "daemon"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account for the Postgres child, `None` when meterd is not root and simply runs it
    /// itself. A data directory that already belongs to somebody keeps its owner, so that
    /// `sudo meterd up` on an ordinary user's data works.
    pub(crate) fn for_postgres(data: &Path) -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(owner) = data.metadata()
            && owner.uid() != 0
        {
            return Ok(Some(Self {
                uid: owner.uid(),
                gid: owner.gid(),
            }));
        }
        for name in ACCOUNTS {
            if let Some(user) = User::from_name(name).context("cannot read the list of users")? {
                return Ok(Some(Self {
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                }));
            }
        }
        bail!(
            "Postgres refuses to run as root and this machine has no user `nobody` to run it as: \
             create one, run meterd as an ordinary user, or set METERD_POSTGRES_URL"
        )
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    /// Makes a command run as this account.
    pub(crate) fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub(crate) fn give(self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot give {} to Postgres' account", path.display()))
    }

    /// Whether this account can reach a directory, found out by going there: permission bits
    /// alone tell nothing of access lists and mount options.
    pub(crate) fn can_enter(self, directory: &Path) -> bool {
        self.try_run(Path::new("/bin/true"), directory) != Err(ErrorKind::PermissionDenied)
    }

    /// Whether this account can run a program.
    pub(crate) fn can_run(self, program: &Path) -> bool {
        self.try_run(program, Path::new("/")).is_ok()
    }

    fn try_run(self, program: &Path, directory: &Path) -> Result<(), ErrorKind> {
        let mut command = Command::new(program);
        command
            .arg("--version")
            .current_dir(directory)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.apply(&mut command);
        let status = command.status().map_err(|error| error.kind())?;
        if status.success() {
            Ok(())
        } else {
            Err(ErrorKind::Other)
        }
    }
}
