//! Tells whoever listens at the broker of alerts: at least once each. Order is not kept where several
//! services share the work.

use std::error::Error;
use std::time::Duration;

use metering_log::BackendError;
use metering_log::alerts::AlertStream;
use metering_store::alert;
use metering_store::sqlx;
use service_kit::clock;
use tokio::time::sleep;

use crate::state::QuotaState;
use crate::webhook;

/// How often new alerts are looked for.
const TICK: Duration = Duration::from_millis(500);
const AT_ONCE: u8 = 50;

#[derive(Debug, thiserror::Error)]
enum AnnounceError {
    #[error("Postgres failed")]
    Database(#[from] sqlx::Error),
    #[error("the broker failed")]
    Broker(#[from] BackendError),
}

/// Announces for ever.
pub(crate) async fn run(state: QuotaState, stream: AlertStream) {
    let mut is_open = false;
    loop {
        match announce(&state, &stream, is_open).await {
            Ok(announced) => {
                is_open = true;
                if announced == usize::from(AT_ONCE) {
                    continue;
                }
            }
            Err(error) => {
                is_open = false;
                tracing::warn!(error = &error as &dyn Error, "alerts are not announced");
            }
        }
        sleep(TICK).await;
    }
}

/// Announces the oldest ones that nobody has, and returns how many. They are locked meanwhile: other
/// services wait for the next ones.
async fn announce(
    state: &QuotaState,
    stream: &AlertStream,
    is_open: bool,
) -> Result<usize, AnnounceError> {
    if !is_open {
        stream.open().await?;
    }
    let mut tx = state.store.pool().begin().await?;
    let due = alert::lock_unannounced(&mut tx, AT_ONCE).await?;
    for alert in &due {
        let id = alert.id.to_string();
        stream.publish(&id, webhook::body(alert)).await?;
        alert::set_announced(&mut tx, alert.id, clock::now()).await?;
    }
    tx.commit().await?;
    Ok(due.len())
}
