//! What a quota is, and how one is read from JSON.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::period::{Calendar, Period};
use crate::event::is_identifier;

/// The largest limit, 2^53: readers of the Redis mirror, and of JSON, compute in doubles.
pub const MAX_LIMIT: i64 = 1 << 53;
/// Matches every tenant, or every feature, each with a counter of its own.
pub const ANY: &str = "*";
/// Namespace of quota ids (UUIDv5). Never changes: the same quota keeps its id.
const QUOTA_NAMESPACE: Uuid = Uuid::from_u128(0x6d65_7465_7264_5f71_8175_6f74_6173_0001);

/// What happens to a request that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// It is denied.
    Hard,
    /// It is allowed and the overage is told.
    Soft,
    /// It is allowed as if there were no quota; only its own entry tells that it did not fit.
    Shadow,
}

/// A limit per period for a tenant's use of a feature, or several of them where it says [`ANY`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub tenant_id: String,
    pub feature: String,
    /// Counts this resource only.
    pub resource: Option<String>,
    /// Quotas of one name override each other, the more specific one wins. Its period by default.
    pub name: String,
    pub limit: i64,
    pub calendar: Calendar,
    pub enforcement: Enforcement,
    /// Percent of the limit at which an alert is raised.
    pub alert_threshold: Option<u8>,
}

/// Why a quota is refused; the texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    #[error("{0}")]
    Shape(String),
    #[error("{0} must be a name as in events: letters, digits and ._:@/|+=~%-, at most 128")]
    Identifier(&'static str),
    #[error("limit must be an integer from 0 to {MAX_LIMIT}")]
    Limit,
    #[error("period must be minutely, hourly, daily, weekly, monthly, yearly or lifetime")]
    Period,
    #[error("anchor must be a date such as 2025-01-31, for weekly, monthly or yearly")]
    Anchor,
    #[error("timezone must be an IANA zone such as Europe/Berlin")]
    Timezone,
    #[error("enforcement must be hard, soft or shadow")]
    Enforcement,
    #[error("alert_threshold must be an integer from 1 to 100 (percent)")]
    AlertThreshold,
}

impl QuotaError {
    /// Part of the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) => "invalid_shape",
            Self::Identifier(_) => "invalid_identifier",
            Self::Limit => "invalid_limit",
            Self::Period | Self::Anchor => "invalid_period",
            Self::Timezone => "invalid_timezone",
            Self::Enforcement => "invalid_mode",
            Self::AlertThreshold => "invalid_threshold",
        }
    }
}

/// As it is sent. Values are checked one by one, so that each mistake gets its own answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    tenant_id: String,
    feature: String,
    resource: Option<String>,
    name: Option<String>,
    limit: serde_json::Value,
    period: String,
    timezone: Option<String>,
    anchor: Option<String>,
    enforcement: Option<String>,
    alert_threshold: Option<serde_json::Value>,
}

impl Quota {
    /// Reads `{tenant_id, feature, resource?, name?, limit, period, timezone = "UTC", anchor?,
    /// enforcement = "hard", alert_threshold?}`.
    pub fn parse(json: &[u8]) -> Result<Self, QuotaError> {
        let sent: Sent =
            serde_json::from_slice(json).map_err(|error| QuotaError::Shape(error.to_string()))?;
        let period = Period::parse(&sent.period).ok_or(QuotaError::Period)?;
        let anchor = match sent.anchor {
            None => None,
            Some(text) => Some(
                text.parse::<NaiveDate>()
                    .ok()
                    .filter(|_| period.takes_anchor())
                    .ok_or(QuotaError::Anchor)?,
            ),
        };
        let zone = sent.timezone.as_deref().unwrap_or("UTC");
        let enforcement = match sent.enforcement.as_deref() {
            None | Some("hard") => Enforcement::Hard,
            Some("soft") => Enforcement::Soft,
            Some("shadow") => Enforcement::Shadow,
            Some(_) => return Err(QuotaError::Enforcement),
        };
        let alert_threshold = match sent.alert_threshold {
            None => None,
            Some(value) => {
                let percent = value.as_u64().and_then(|p| u8::try_from(p).ok());
                Some(percent.ok_or(QuotaError::AlertThreshold)?)
            }
        };
        let quota = Self {
            tenant_id: sent.tenant_id,
            feature: sent.feature,
            resource: sent.resource,
            name: sent.name.unwrap_or_else(|| period.as_str().to_owned()),
            limit: sent.limit.as_i64().ok_or(QuotaError::Limit)?,
            calendar: Calendar {
                period,
                zone: zone.parse::<Tz>().map_err(|_| QuotaError::Timezone)?,
                anchor,
            },
            enforcement,
            alert_threshold,
        };
        quota.check()?;
        Ok(quota)
    }

    fn check(&self) -> Result<(), QuotaError> {
        let identifiers = [
            ("tenant_id", Some(&self.tenant_id), true),
            ("feature", Some(&self.feature), true),
            ("resource", self.resource.as_ref(), false),
            ("name", Some(&self.name), false),
        ];
        for (field, text, wildcard) in identifiers {
            let fine = text.is_none_or(|t| is_identifier(t) || (wildcard && t == ANY));
            if !fine {
                return Err(QuotaError::Identifier(field));
            }
        }
        if !(0..=MAX_LIMIT).contains(&self.limit) {
            return Err(QuotaError::Limit);
        }
        if self
            .alert_threshold
            .is_some_and(|p| !(1..=100).contains(&p))
        {
            return Err(QuotaError::AlertThreshold);
        }
        Ok(())
    }

    /// The document of a `quota` record; [`Quota::from_record`] reads it back.
    pub fn to_record(&self) -> String {
        serde_json::to_string(self).expect("plain data always serialises")
    }

    /// `None`: not a quota that [`Quota::parse`] would have let through.
    pub fn from_record(json: &str) -> Option<Self> {
        let quota: Self = serde_json::from_str(json).ok()?;
        quota.check().ok().map(|()| quota)
    }

    /// A function of (tenant, feature, resource, period): setting a quota again changes that one.
    pub fn id(&self) -> Uuid {
        // Names have no NUL, and a missing resource differs from every name.
        let parts = [
            &self.tenant_id,
            &self.feature,
            self.resource.as_deref().unwrap_or_default(),
            self.calendar.period.as_str(),
        ];
        Uuid::new_v5(&QUOTA_NAMESPACE, parts.join("\0").as_bytes())
    }

    /// Whether it counts use of `feature` by `tenant`. A quota of one resource does not count use
    /// whose resource nobody named.
    pub(crate) fn counts_resource(&self, resource: Option<&str>) -> bool {
        self.resource.is_none() || self.resource.as_deref() == resource
    }

    /// The less, the more specific; compared within one name.
    pub(crate) fn specificity(&self) -> u8 {
        2 * u8::from(self.tenant_id == ANY) + u8::from(self.feature == ANY)
    }

    /// Whether so much use is at or above the alert's threshold. Nothing used alerts nobody.
    pub(crate) fn alerts(&self, used: i128) -> bool {
        self.alert_threshold.is_some_and(|percent| {
            used > 0 && used * 100 >= i128::from(self.limit) * i128::from(percent)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Quota, QuotaError> {
        Quota::parse(json.as_bytes())
    }

    #[test]
    fn defaults_and_round_trip() {
        let quota =
            parse(r#"{"tenant_id": "org_001", "feature": "*", "limit": 100, "period": "monthly"}"#)
                .unwrap();
        assert_eq!(quota.name, "monthly");
        assert_eq!(quota.calendar.zone, Tz::UTC);
        assert_eq!(quota.enforcement, Enforcement::Hard);
        assert_eq!(Quota::from_record(&quota.to_record()), Some(quota));
    }

    #[test]
    fn the_id_is_that_of_its_key() {
        let base = r#"{"tenant_id": "t", "feature": "f", "limit": 1, "period": "daily""#;
        let id = |more: &str| parse(&format!("{base}{more}}}")).unwrap().id();
        assert_eq!(
            id(""),
            id(r#", "timezone": "Asia/Kolkata", "enforcement": "soft""#)
        );
        assert_ne!(id(""), id(r#", "resource": "r""#));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let with = |field: &str, value: &str| {
            let fields = [
                ("tenant_id", r#""t""#),
                ("feature", r#""f""#),
                ("limit", "10"),
                ("period", r#""monthly""#),
            ];
            let mut json: serde_json::Map<String, serde_json::Value> = fields
                .iter()
                .map(|(k, v)| ((*k).to_owned(), serde_json::from_str(v).unwrap()))
                .collect();
            json.insert(field.to_owned(), serde_json::from_str(value).unwrap());
            let json = serde_json::to_string(&json).unwrap();
            parse(&json).map_err(|error| error.code())
        };
        assert!(with("limit", "0").is_ok());
        for (field, value, code) in [
            ("limit", "-1", "invalid_limit"),
            ("limit", "1.5", "invalid_limit"),
            ("limit", "9007199254740993", "invalid_limit"),
            ("limit", r#""10""#, "invalid_limit"),
            ("period", r#""fortnightly""#, "invalid_period"),
            ("anchor", r#""2025-02-30""#, "invalid_period"),
            ("timezone", r#""Mars/Olympus""#, "invalid_timezone"),
            ("enforcement", r#""strict""#, "invalid_mode"),
            ("alert_threshold", "0", "invalid_threshold"),
            ("alert_threshold", "101", "invalid_threshold"),
            ("tenant_id", r#""a*""#, "invalid_identifier"),
            ("resource", r#""*""#, "invalid_identifier"),
            ("limits", "1", "invalid_shape"),
        ] {
            assert_eq!(with(field, value), Err(code), "{field} {value}");
        }
        let anchored =
            r#"{"tenant_id":"t","feature":"f","limit":1,"period":"daily","anchor":"2025-01-31"}"#;
        assert_eq!(parse(anchored), Err(QuotaError::Anchor));
    }
}
