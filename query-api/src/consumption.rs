//! What a tenant has used of its quotas, for people; what decides is the quota service.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use metering_core::event::rfc3339;
use metering_core::quota::{ANY, Calendar, Period};
use metering_store::quota::{self, QuotaRow};
use metering_store::{quota_ledger, sqlx};
use serde::Serialize;
use service_kit::openapi::integer;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

/// A quota in its window of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Consumption {
    quota_id: Uuid,
    name: String,
    feature: String,
    resource: Option<String>,
    period: String,
    timezone: String,
    enforcement: String,
    /// Percent of the limit.
    alert_threshold: Option<i16>,
    limit: i64,
    #[schema(schema_with = integer)]
    used: i128,
    /// Never below 0.
    #[schema(schema_with = integer)]
    remaining: i128,
    #[schema(format = DateTime)]
    window_start: String,
    /// `null`: never.
    #[schema(format = DateTime)]
    reset_at: Option<String>,
    /// `used` at the reset, if it goes on as since the window began; `null` where there is none.
    #[schema(schema_with = integer_or_null)]
    projected: Option<i128>,
}

fn integer_or_null() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    serde_json::from_value(serde_json::json!({"type": ["integer", "null"]})).expect("a schema")
}

/// A quota's row with the window that `now` lies in.
struct InWindow {
    row: QuotaRow,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
}

/// The tenant's quotas, and those of every tenant that it has used, by feature.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant_id: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Consumption>, sqlx::Error> {
    let rows = quota::list_of_tenant(conn, tenant_id).await?;
    let quotas: Vec<InWindow> = rows
        .into_iter()
        .filter_map(|row| in_window(row, now))
        .collect();
    let starts: BTreeSet<DateTime<Utc>> = quotas.iter().map(|quota| quota.start).collect();
    let starts: Vec<DateTime<Utc>> = starts.into_iter().collect();
    let used = quota_ledger::list_of_tenant(conn, tenant_id, &starts).await?;
    let mut consumption = Vec::new();
    for quota in &quotas {
        let row = &quota.row;
        let mine = used.iter().filter(|used| {
            (used.quota_id, used.generation) == (row.id, row.generation)
                && used.window_start == quota.start
        });
        let before = consumption.len();
        for used in mine {
            let sum = used.used.parse().unwrap_or(i128::MAX);
            consumption.push(quota.consumption(&used.feature, sum, now));
        }
        // One for every tenant may be replaced by one of this tenant's; then it has no use.
        if consumption.len() == before && row.tenant_id != ANY {
            consumption.push(quota.consumption(&row.feature, 0, now));
        }
    }
    Ok(consumption)
}

/// `None`: the row is of a version that has other periods or zones.
fn in_window(row: QuotaRow, now: DateTime<Utc>) -> Option<InWindow> {
    let calendar = Calendar {
        period: Period::parse(&row.period)?,
        zone: row.timezone.parse().ok()?,
        anchor: row.anchor,
    };
    let window = calendar.window(now);
    Some(InWindow {
        row,
        start: DateTime::from_timestamp_micros(window.start_us)?,
        end: window.end_us.and_then(DateTime::from_timestamp_micros),
    })
}

impl InWindow {
    fn consumption(&self, feature: &str, used: i128, now: DateTime<Utc>) -> Consumption {
        let row = &self.row;
        Consumption {
            quota_id: row.id,
            name: row.name.clone(),
            feature: feature.to_owned(),
            resource: row.resource.clone(),
            period: row.period.clone(),
            timezone: row.timezone.clone(),
            enforcement: row.enforcement.clone(),
            alert_threshold: row.alert_threshold,
            limit: row.limit,
            used,
            remaining: (i128::from(row.limit) - used).max(0),
            window_start: rfc3339(self.start),
            reset_at: self.end.map(rfc3339),
            projected: self
                .end
                .and_then(|end| projected(used, self.start, end, now)),
        }
    }
}

/// `None`: too much to say.
fn projected(
    used: i128,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<i128> {
    let seconds = |to: DateTime<Utc>| i128::from((to - start).num_seconds().max(1));
    Some(used.checked_mul(seconds(end))? / seconds(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_as_it_did() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (start, end) = (at("2025-11-01T00:00:00Z"), at("2025-12-01T00:00:00Z"));
        for (now, used, expected) in [
            ("2025-11-16T00:00:00Z", 50, 100),
            ("2025-11-16T00:00:00Z", 0, 0),
            ("2025-12-01T00:00:00Z", 77, 77),
            // In the first second there is no telling.
            ("2025-11-01T00:00:00Z", 1, 2_592_000),
        ] {
            assert_eq!(
                projected(used, start, end, at(now)),
                Some(expected),
                "{now}"
            );
        }
        assert_eq!(projected(i128::MAX, start, end, start), None);
    }
}
