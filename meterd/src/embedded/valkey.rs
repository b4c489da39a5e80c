//! The embedded mirror of the quota counters.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::binaries::Binary;
use super::datadir::{DataDir, Keep, write_private};
use super::roster::Kind;
use super::supervisor::{Server, free_port};

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Valkey {
    program: PathBuf,
    config: PathBuf,
    directory: PathBuf,
    log: PathBuf,
    port: u16,
    password: String,
}

pub(crate) fn config_file(dir: &DataDir) -> PathBuf {
    dir.valkey().join("valkey.conf")
}

impl Valkey {
    /// Picks a port and writes the configuration for it.
    pub(crate) fn configure(binary: &Binary, dir: &DataDir, password: &str) -> Result<Self> {
        let valkey = Self {
            program: binary.program.clone(),
            config: config_file(dir),
            directory: dir.valkey(),
            log: dir.logs().join("valkey.log"),
            port: free_port()?,
            password: password.to_owned(),
        };
        write_private(&valkey.config, valkey.config().as_bytes(), Keep::Atomic)?;
        Ok(valkey)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    fn config(&self) -> String {
        let Self { port, password, .. } = self;
        format!(
            r#"# Written by meterd at every start: changes are lost.
bind 127.0.0.1
port {port}
requirepass {password}
protected-mode yes
daemonize no
# The command line keeps naming this file, by which a server left running is recognised.
set-proc-title no
# A mirror: it is rebuilt from the log, and the disk's syncs belong to the broker.
save ""
appendonly no
# The counters of some 500,000 quotas. Full means errors, which the mirror reports, and never a
# counter that silently went.
maxmemory 256mb
maxmemory-policy noeviction
"#
        )
    }

    async fn ping(&self) -> std::io::Result<bool> {
        const EXPECTED: &[u8] = b"+OK\r\n+PONG\r\n";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let commands = format!("AUTH {}\r\nPING\r\n", self.password);
        stream.write_all(commands.as_bytes()).await?;
        let mut answer = [0; EXPECTED.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer == EXPECTED)
    }
}

impl Server for Valkey {
    const KIND: Kind = Kind::Valkey;

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.config).current_dir(&self.directory);
        command
    }

    fn log(&self) -> &Path {
        &self.log
    }

    async fn is_ready(&self) -> Result<bool> {
        Ok(matches!(
            timeout(PROBE_TIMEOUT, self.ping()).await,
            Ok(Ok(true))
        ))
    }
}
