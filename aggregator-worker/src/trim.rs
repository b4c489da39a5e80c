//! Gives the log's space back.

use std::collections::BTreeMap;

use metering_core::Position;
use metering_log::trimmer;
use metering_store::progress;
use tokio_util::sync::CancellationToken;

use crate::state::State;

/// Trims until shutdown. Every worker does it: trimming twice is trimming once.
pub(crate) async fn trim_for_ever(state: State, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(state.config.trim_interval());
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let trimmed = shutdown.run_until_cancelled(Box::pin(trim(&state))).await;
        if let Some(Err(error)) = trimmed {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "cannot trim the log"
            );
        }
    }
}

/// Purges each partition up to its slowest projection, less the margin.
async fn trim(state: &State) -> anyhow::Result<()> {
    let mut conn = state.store.pool().acquire().await?;
    let applied = progress::list_sequences(&mut conn).await?;
    drop(conn);
    let mut positions = BTreeMap::<u16, Vec<Position>>::new();
    for row in applied {
        positions
            .entry(row.partition)
            .or_default()
            .push(row.position);
    }
    for (partition, positions) in positions {
        trimmer::trim(&state.log, partition, &positions, state.config.trim_margin).await?;
    }
    Ok(())
}
