//! `meterd verify`: every decision once more, from the log.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use quota_service::Verified;

use service_kit::metrics::Metrics;

use crate::connect::{Broker, BrokerArgs, DatabaseArgs, store};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Seconds of decisions to compare where the log's beginning was trimmed away
    #[arg(
        long = "for",
        env = "METERD_VERIFY_SECONDS",
        value_name = "SECONDS",
        default_value_t = 15
    )]
    seconds: u32,

    #[command(flatten)]
    broker: BrokerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(crate) async fn run(args: VerifyArgs) -> Result<ExitCode> {
    let broker = Broker::connect(&args.broker, &Metrics::default()).await?;
    let store = store(&args.database.postgres_url, broker.partitions.into()).await?;
    store.check_schema().await?;
    let mut sum = Verified::default();
    let patience = Duration::from_secs(args.seconds.into());
    let partitions = (0..broker.partitions)
        .map(|partition| quota_service::verify(broker.log.clone(), &store, partition, patience));
    for found in Box::pin(futures::future::try_join_all(partitions)).await? {
        sum.compared += found.compared;
        sum.mismatched += found.mismatched;
        sum.missing += found.missing;
        sum.snapshots_mismatched += found.snapshots_mismatched;
    }
    println!("{}", serde_json::to_string(&sum)?);
    ensure!(
        sum.compared > 0,
        "nothing was compared: there are no decisions"
    );
    let differ = sum.mismatched + sum.missing + sum.snapshots_mismatched;
    ensure!(differ == 0, "the log and the books differ");
    Ok(ExitCode::SUCCESS)
}
