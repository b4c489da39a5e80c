//! Where a fold begins: the snapshot in Postgres, or the beginning of the log.

use metering_core::Position;
use metering_core::quota::{Horizon, SnapshotError, State};
use metering_log::BackendError;
use metering_store::quota_snapshot;
use metering_store::sqlx;

use crate::state::QuotaState;

#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("Postgres failed")]
    Database(#[from] sqlx::Error),
    #[error("the broker failed")]
    Log(#[from] BackendError),
    #[error("the snapshot cannot be read")]
    Snapshot(#[from] SnapshotError),
}

/// The last state that was written, and its position; at the first start the empty state, before
/// the first message that is still there.
pub(crate) async fn load(
    state: &QuotaState,
    partition: u16,
) -> Result<(State, Position), LoadError> {
    let mut conn = state.store.pool().acquire().await?;
    if let Some(snapshot) = quota_snapshot::find(&mut conn, partition).await? {
        return Ok((State::decode(&snapshot.state)?, snapshot.position));
    }
    let info = state.log.info(partition).await?;
    let start = Position {
        seq: info.first_seq.saturating_sub(1),
        ..Position::start(info.incarnation)
    };
    Ok((State::new(Horizon::default()), start))
}
