//! The embedded broker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::binaries::Binary;
use super::datadir::{DataDir, Keep, write_private};
use super::roster::Kind;
use super::supervisor::{Server, free_port};

const USER: &str = "meterd";
/// Longer than any probe of a loopback server takes; a hung one is asked again.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(crate) struct Nats {
    program: PathBuf,
    config: PathBuf,
    directory: PathBuf,
    log: PathBuf,
    port: u16,
    monitor_port: u16,
    http: reqwest::Client,
}

pub(crate) fn config_file(dir: &DataDir) -> PathBuf {
    dir.nats().join("nats.conf")
}

impl Nats {
    /// Picks ports and writes the configuration for them.
    pub(crate) fn configure(binary: &Binary, dir: &DataDir, password: &str) -> Result<Self> {
        let nats = Self {
            program: binary.program.clone(),
            config: config_file(dir),
            directory: dir.nats(),
            log: dir.logs().join("nats.log"),
            port: free_port()?,
            monitor_port: free_port()?,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(PROBE_TIMEOUT)
                .build()
                .context("cannot set up an HTTP client")?,
        };
        let config = nats.config(password);
        write_private(&nats.config, config.as_bytes(), Keep::Atomic)?;
        Ok(nats)
    }

    pub(crate) fn url(&self, password: &str) -> String {
        format!("nats://{USER}:{password}@127.0.0.1:{}", self.port)
    }

    pub(crate) fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    fn config(&self, password: &str) -> String {
        let Self {
            port, monitor_port, ..
        } = self;
        // JSON strings are valid in this format, whatever the path contains.
        let store = serde_json::Value::from(self.directory.to_string_lossy());
        format!(
            r#"# Written by meterd at every start: changes are lost.
server_name: meterd
listen: "127.0.0.1:{port}"
# Its healthz tells when the streams are recovered, its jsz whether every write is synced.
http: "127.0.0.1:{monitor_port}"
max_payload: 1MB
# A client that vanished is noticed within seconds.
ping_interval: "2s"
authorization {{
  user: {USER}
  password: "{password}"
}}
jetstream {{
  store_dir: {store}
  # An acknowledgement means that the message is on the disk. With the default of two minutes a
  # power cut loses what was acknowledged since.
  sync_interval: always
  # The streams' own limits count, which are back-pressure and not a reservation. The default,
  # three quarters of the free disk, refuses to create them on a small disk.
  max_file_store: 1TB
}}
"#
        )
    }
}

impl Server for Nats {
    const KIND: Kind = Kind::Nats;

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("-c")
            .arg(&self.config)
            .current_dir(&self.directory);
        command
    }

    fn log(&self) -> &Path {
        &self.log
    }

    async fn is_ready(&self) -> Result<bool> {
        let health = self
            .http
            .get(format!("{}/healthz", self.monitor_url()))
            .send()
            .await;
        Ok(health.is_ok_and(|answer| answer.status().is_success()))
    }
}
