//! `meterd migrate`: the schema, and the first key where there is no `meterd up`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use service_kit::metrics::Metrics;

use crate::admin_key;
use crate::connect::{Broker, BrokerArgs, DatabaseArgs, store};

#[derive(Clone, Debug, clap::Args)]
// The schema alone needs no broker.
#[command(mut_arg("nats_url", |url| url.required(false)))]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Make the key in this file an admin key; a new one is written where there is no file. Needs
    /// METERD_NATS_URL
    #[arg(long, env = "METERD_BOOTSTRAP_KEY_FILE", value_name = "FILE")]
    bootstrap_key_file: Option<PathBuf>,

    #[command(flatten)]
    broker: Option<BrokerArgs>,
}

pub(crate) async fn run(args: MigrateArgs) -> Result<ExitCode> {
    let store = store(&args.database.postgres_url, 2).await?;
    store
        .migrate()
        .await
        .context("cannot migrate the database")?;
    tracing::info!("the database has this version's schema");
    if let Some(file) = &args.bootstrap_key_file {
        let broker = args.broker.as_ref().context(
            "--bootstrap-key-file needs METERD_NATS_URL, through which services learn of keys",
        )?;
        let key =
            key_in(file).with_context(|| format!("cannot keep the key in {}", file.display()))?;
        ensure!(
            admin_key::install(
                &store,
                &Broker::connect(broker, &Metrics::default()).await?.keys,
                &key
            )
            .await?,
            "the key in {file} was deleted and stays so; delete {file} to get a new one",
            file = file.display()
        );
        tracing::info!(file = %file.display(), "the admin key is in place");
    }
    Ok(ExitCode::SUCCESS)
}

/// The key in `file`, which is made, readable by its owner only, if it is not there.
fn key_in(file: &Path) -> std::io::Result<String> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
    {
        Ok(mut made) => {
            let key = admin_key::generate();
            made.write_all(key.as_bytes())?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => std::fs::read_to_string(file),
        Err(error) => Err(error),
    }
}
