//! Raw rows and aggregates of the events that count; what Postgres refuses is narrowed down.

use chrono::DateTime;
use metering_core::aggregate::{self, Usage};
use metering_store::usage_event::{self, NewEvent};
use metering_store::{sqlstate, sqlx, usage_aggregate};
use sqlx::{Connection as _, PgConnection};

use crate::persist::NO_TABLE;

/// An aggregate would exceed 2^63 − 1.
pub(crate) const TOTAL_OVERFLOW: &str = "total_overflow";
/// Postgres does not take the event's data.
pub(crate) const REFUSED: &str = "refused";
const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";

/// An event that cannot be stored although it was judged to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its number among the events given.
    pub(crate) number: usize,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

enum Failure {
    /// Something among these events is at fault.
    Data { code: &'static str, detail: String },
    /// Something else is.
    Other(sqlx::Error),
}

/// Stores the events and adds them to the aggregates, all except those it returns.
///
/// When Postgres refuses a set of events, its halves are tried, down to single events: one poison
/// event in a batch of 20,000 costs some fifteen more tries and its neighbours nothing.
pub(crate) async fn apply(
    conn: &mut PgConnection,
    partition: u16,
    events: &[NewEvent<'_>],
) -> Result<Vec<Refused>, sqlx::Error> {
    let mut refused = Vec::new();
    let mut todo = vec![(0, events.len())];
    while let Some((start, end)) = todo.pop() {
        if start == end {
            continue;
        }
        let mut savepoint = conn.begin().await?;
        match store(&mut savepoint, partition, &events[start..end]).await {
            Ok(()) => savepoint.commit().await?,
            Err(Failure::Data { code, detail }) => {
                savepoint.rollback().await?;
                if end - start == 1 {
                    refused.push(Refused {
                        number: start,
                        code,
                        detail,
                    });
                } else {
                    let middle = usize::midpoint(start, end);
                    // The earlier half first: who comes first counts first.
                    todo.extend([(middle, end), (start, middle)]);
                }
            }
            Err(Failure::Other(error)) => return Err(error),
        }
    }
    Ok(refused)
}

async fn store(
    conn: &mut PgConnection,
    partition: u16,
    events: &[NewEvent<'_>],
) -> Result<(), Failure> {
    let usages = events.iter().map(|event| Usage {
        tenant: event.tenant,
        resource: event.resource,
        feature: event.feature,
        timestamp_us: event.timestamp_us,
        quantity: event.quantity,
    });
    let deltas = aggregate::fold(usages).map_err(|error| Failure::Data {
        code: TOTAL_OVERFLOW,
        detail: error.to_string(),
    })?;
    usage_event::copy(conn, events)
        .await
        .map_err(|error| classify(error, REFUSED))?;
    let persisted = events.iter().map(|event| event.persisted_us).max();
    let now = persisted.and_then(DateTime::from_timestamp_micros);
    usage_aggregate::upsert(conn, partition, &deltas, now.unwrap_or_default())
        .await
        .map_err(|error| classify(error, TOTAL_OVERFLOW))
}

/// Blames the data for data exceptions (22), violated constraints (23) and exceeded limits of the
/// program (54, such as too deep a JSON); everything else passes with time.
fn classify(error: sqlx::Error, out_of_range: &'static str) -> Failure {
    let state = sqlstate(&error).unwrap_or_default();
    if state == NO_TABLE
        || !["22", "23", "54"]
            .iter()
            .any(|class| state.starts_with(class))
    {
        return Failure::Other(error);
    }
    let code = if state == NUMERIC_VALUE_OUT_OF_RANGE {
        out_of_range
    } else {
        REFUSED
    };
    // Postgres' message names the fault; its detail and context would quote the metadata.
    let message = error.as_database_error().map(|e| e.message().to_owned());
    Failure::Data {
        code,
        detail: message.unwrap_or_default(),
    }
}
