//! How counted events add up to aggregates, and the arithmetic of their keys.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _};
use uuid::Uuid;

use crate::limits::BASE_WINDOW_SECONDS;

/// Granularity of the base windows, in minutes.
pub const QUARTER_MINUTES: i16 = 15;
/// Granularity of the UTC days, in minutes.
pub const DAY_MINUTES: i16 = 1440;

/// Buckets for ids that carry no usable time: −1 to −8.
const HASHED_BUCKETS: u64 = 8;
/// Months from 2020-01 on that get a bucket of their own: a hundred years.
const MONTH_BUCKETS: i32 = 1200;

const QUARTER_US: i64 = BASE_WINDOW_SECONDS * 1_000_000;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Start of the quarter-hour that `timestamp_us` (µs since the epoch) lies in, before 1970 too.
///
/// An instant within a window of the smallest `i64` saturates; no event time gets near it.
pub fn quarter_start(timestamp_us: i64) -> i64 {
    timestamp_us.saturating_sub(timestamp_us.rem_euclid(QUARTER_US))
}

/// Start of the UTC day that `timestamp_us` (µs since the epoch) lies in, before 1970 too.
pub fn day_start(timestamp_us: i64) -> i64 {
    timestamp_us.saturating_sub(timestamp_us.rem_euclid(DAY_US))
}

/// The partition of the key table that `id` belongs to, a function of the id alone.
///
/// UUIDs of version 7 and 8 begin with 48 bits of Unix milliseconds: their bucket is the month
/// since 2020-01, 0 to 1199. Every other id, and a month outside of these, is hashed to −1 to −8.
pub fn key_bucket(id: Uuid) -> i16 {
    embedded_month(id).unwrap_or_else(|| {
        let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes()) % HASHED_BUCKETS;
        -1 - i16::try_from(hash).expect("a remainder below eight")
    })
}

fn embedded_month(id: Uuid) -> Option<i16> {
    if !matches!(id.get_version_num(), 7 | 8) {
        return None;
    }
    let ms = i64::try_from(id.as_u128() >> 80).ok()?;
    let date = DateTime::from_timestamp_millis(ms)?;
    let month = (date.year() - 2020) * 12 + i32::try_from(date.month0()).ok()?;
    (0..MONTH_BUCKETS)
        .contains(&month)
        .then(|| i16::try_from(month).ok())?
}

/// What one counted event adds, its names as the store's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub tenant: i32,
    pub resource: i32,
    pub feature: i32,
    /// Event time in µs since the epoch.
    pub timestamp_us: i64,
    pub quantity: i64,
}

/// Key of an aggregate of one tenant. The order is that of the table's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenantKey {
    /// Minutes: [`QUARTER_MINUTES`] or [`DAY_MINUTES`].
    pub granularity: i16,
    /// µs since the epoch.
    pub window_start_us: i64,
    pub tenant: i32,
    pub resource: i32,
    pub feature: i32,
}

/// Key of an aggregate over all tenants. The order is that of the table's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverallKey {
    /// Minutes: [`QUARTER_MINUTES`] or [`DAY_MINUTES`].
    pub granularity: i16,
    /// µs since the epoch.
    pub window_start_us: i64,
    pub resource: i32,
    pub feature: i32,
}

/// What an aggregate grows by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delta {
    pub total_quantity: i64,
    pub event_count: i64,
}

impl Delta {
    fn add(&mut self, other: Delta) -> Result<(), TotalOverflow> {
        self.total_quantity = self
            .total_quantity
            .checked_add(other.total_quantity)
            .ok_or(TotalOverflow)?;
        self.event_count = self
            .event_count
            .checked_add(other.event_count)
            .ok_or(TotalOverflow)?;
        Ok(())
    }
}

/// A sum does not fit into 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a total exceeds 2^63 - 1")]
pub struct TotalOverflow;

/// Deltas of a batch, in key order: writers that upsert in one order cannot deadlock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deltas {
    pub per_tenant: BTreeMap<TenantKey, Delta>,
    pub overall: BTreeMap<OverallKey, Delta>,
}

/// Adds up a batch for both granularities, per tenant and over all tenants.
pub fn fold(batch: impl IntoIterator<Item = Usage>) -> Result<Deltas, TotalOverflow> {
    let mut deltas = Deltas::default();
    for usage in batch {
        let key = TenantKey {
            granularity: QUARTER_MINUTES,
            window_start_us: quarter_start(usage.timestamp_us),
            tenant: usage.tenant,
            resource: usage.resource,
            feature: usage.feature,
        };
        let delta = Delta {
            total_quantity: usage.quantity,
            event_count: 1,
        };
        deltas.per_tenant.entry(key).or_default().add(delta)?;
    }
    // The coarser sums fold from the finer ones, of which there are far fewer than events.
    let mut days = BTreeMap::<TenantKey, Delta>::new();
    for (key, delta) in &deltas.per_tenant {
        let day = TenantKey {
            granularity: DAY_MINUTES,
            window_start_us: day_start(key.window_start_us),
            ..*key
        };
        days.entry(day).or_default().add(*delta)?;
    }
    deltas.per_tenant.append(&mut days);
    for (key, delta) in &deltas.per_tenant {
        let overall = OverallKey {
            granularity: key.granularity,
            window_start_us: key.window_start_us,
            resource: key.resource,
            feature: key.feature,
        };
        deltas.overall.entry(overall).or_default().add(*delta)?;
    }
    Ok(deltas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone as _, Timelike as _, Utc};
    use proptest::prelude::*;

    fn us(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
    }

    #[test]
    fn windows_start_where_the_calendar_says() {
        assert_eq!(
            quarter_start(us("2025-11-20T10:31:00.5Z")),
            us("2025-11-20T10:30:00Z")
        );
        assert_eq!(
            quarter_start(us("1969-12-31T23:59:59.999999Z")),
            us("1969-12-31T23:45:00Z")
        );
        assert_eq!(
            day_start(us("0001-01-01T00:00:00.000001Z")),
            us("0001-01-01T00:00:00Z")
        );
        assert_eq!(
            day_start(us("2024-02-29T23:59:59Z")),
            us("2024-02-29T00:00:00Z")
        );
        assert_eq!(quarter_start(i64::MIN), i64::MIN);
    }

    #[test]
    fn buckets_are_months_for_ids_that_lead_with_time() {
        let at = |version: u128, ms: u128| {
            Uuid::from_u128(ms << 80 | version << 76 | 0x8000_0000_0000_0001)
        };
        let ms = |text: &str| u128::try_from(us(text) / 1000).unwrap();
        for version in [7, 8] {
            assert_eq!(key_bucket(at(version, ms("2020-01-01T00:00:00Z"))), 0);
            assert_eq!(key_bucket(at(version, ms("2025-11-30T23:59:59.999Z"))), 70);
            assert_eq!(key_bucket(at(version, ms("2119-12-31T23:59:59Z"))), 1199);
            for outside in [
                ms("2019-12-31T23:59:59.999Z"),
                ms("2120-01-01T00:00:00Z"),
                0,
                (1 << 48) - 1,
            ] {
                assert!((-8..0).contains(&key_bucket(at(version, outside))));
            }
        }
        assert!((-8..0).contains(&key_bucket(at(4, ms("2025-11-20T00:00:00Z")))));
        assert_eq!(
            key_bucket(Uuid::from_u128(1)),
            key_bucket(Uuid::from_u128(1))
        );
    }

    #[test]
    fn hashed_buckets_are_golden() {
        let ids = [1, 2, 3, 4, 5, 6, 7, 8].map(Uuid::from_u128);
        assert_eq!(ids.map(key_bucket), [-4, -8, -4, -5, -2, -4, -1, -6]);
    }

    #[test]
    fn an_overflowing_total_is_an_error() {
        let one = Usage {
            tenant: 1,
            resource: 1,
            feature: 1,
            timestamp_us: 0,
            quantity: i64::MAX,
        };
        assert!(fold([one]).is_ok());
        assert_eq!(
            fold([one, Usage { quantity: 1, ..one }]),
            Err(TotalOverflow)
        );
        // Only the sum over both tenants overflows.
        assert_eq!(fold([one, Usage { tenant: 2, ..one }]), Err(TotalOverflow));
    }

    fn usages() -> impl Strategy<Value = Vec<Usage>> {
        let usage = (
            1..4,
            1..3,
            1..3,
            -3 * DAY_US..3 * DAY_US,
            0..=crate::limits::MAX_QUANTITY,
        );
        let usage = usage.prop_map(
            |(tenant, resource, feature, timestamp_us, quantity)| Usage {
                tenant,
                resource,
                feature,
                timestamp_us,
                quantity,
            },
        );
        proptest::collection::vec(usage, 0..200)
    }

    proptest! {
        #[test]
        fn starts_agree_with_the_calendar(us in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let instant = Utc.timestamp_micros(us).unwrap();
            let midnight = instant.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
            prop_assert_eq!(day_start(us), midnight.timestamp_micros());
            let quarter = instant.with_nanosecond(0).unwrap().with_second(0).unwrap()
                .with_minute(instant.minute() / 15 * 15).unwrap();
            prop_assert_eq!(quarter_start(us), quarter.timestamp_micros());
        }

        #[test]
        fn every_delta_is_the_naive_sum(usages in usages()) {
            let deltas = fold(usages.iter().copied()).unwrap();
            let sum = |matches: &dyn Fn(&Usage) -> bool| {
                usages.iter().filter(|u| matches(u)).fold(Delta::default(), |d, u| Delta {
                    total_quantity: d.total_quantity + u.quantity,
                    event_count: d.event_count + 1,
                })
            };
            let within = |granularity: i16, start: i64, us: i64| {
                (start..start + i64::from(granularity) * 60_000_000).contains(&us)
            };
            for (k, delta) in &deltas.per_tenant {
                prop_assert_eq!(*delta, sum(&|u| (u.tenant, u.resource, u.feature)
                    == (k.tenant, k.resource, k.feature)
                    && within(k.granularity, k.window_start_us, u.timestamp_us)));
            }
            for (k, delta) in &deltas.overall {
                prop_assert_eq!(*delta, sum(&|u| (u.resource, u.feature) == (k.resource, k.feature)
                    && within(k.granularity, k.window_start_us, u.timestamp_us)));
            }
            for granularity in [QUARTER_MINUTES, DAY_MINUTES] {
                let events: i64 = deltas.per_tenant.iter()
                    .filter(|(k, _)| k.granularity == granularity)
                    .map(|(_, d)| d.event_count).sum();
                prop_assert_eq!(usize::try_from(events).unwrap(), usages.len());
            }
        }
    }
}
