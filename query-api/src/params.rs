//! Query parameters, read strictly: a mistyped filter must not answer a wider question.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use chrono_tz::Tz;
use metering_core::event::is_identifier;
use metering_store::aggregates::Names;
use service_kit::auth::Caller;

use crate::error::QueryError;

/// Parameters of one request; more than any query has.
const MAX_PARAMETERS: usize = 64;
/// The range where `from` is missing.
const DEFAULT_RANGE: TimeDelta = TimeDelta::hours(24);

/// The parameters of a request that nobody has taken yet, each name once, none without a value.
#[derive(Debug, Clone)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = QueryError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, QueryError> {
        let Query(mut pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|error| QueryError::Parameter(error.body_text()))?;
        if pairs.len() > MAX_PARAMETERS {
            let detail = format!("at most {MAX_PARAMETERS} query parameters are allowed");
            return Err(QueryError::Parameter(detail));
        }
        for (name, value) in &pairs {
            if value.is_empty() {
                let detail = "is empty; leave it out or give it a value";
                return Err(QueryError::parameter(name, detail));
            }
            if name.contains('\0') || value.contains('\0') {
                return Err(QueryError::parameter("%00", "is in no stored text"));
            }
        }
        pairs.sort_unstable();
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(QueryError::parameter(&pair[0].0, "is there more than once")),
            None => Ok(Self(pairs)),
        }
    }
}

impl Params {
    /// What is left, sorted.
    pub(crate) fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(index).1)
    }

    /// A value of `name` that `parse` understands; `expected` completes "`name` must be …".
    pub(crate) fn take_parsed<T>(
        &mut self,
        name: &str,
        expected: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, QueryError> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let refusal = || QueryError::parameter(name, format_args!("must be {expected}"));
        parse(&text).map(Some).ok_or_else(refusal)
    }

    /// A number from 1 to `most`.
    pub(crate) fn take_count(&mut self, name: &str, most: u32) -> Result<Option<u32>, QueryError> {
        let expected = format!("a whole number from 1 to {most}");
        self.take_parsed(name, expected, |text| {
            let number = u32::from_str(text).ok()?;
            // Without this, `+1` and `01` would be numbers.
            (number.to_string() == text && (1..=most).contains(&number)).then_some(number)
        })
    }

    /// Those that begin with `prefix`, without it.
    pub(crate) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let taken = self.0.extract_if(.., |(name, _)| {
            name.len() > prefix.len() && name.starts_with(prefix)
        });
        taken
            .map(|(name, value)| (name[prefix.len()..].to_owned(), value))
            .collect()
    }

    /// Refuses what is left; `known` is what there could have been.
    pub(crate) fn finish(self, known: &str) -> Result<(), QueryError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                let detail = format_args!("is not a parameter here; there are {known}");
                Err(QueryError::parameter(&name, detail))
            }
        }
    }

    /// The filters by name, fenced: a bound caller gets its own tenant's. `None`: it asks for
    /// another one's, of which there is nothing to see.
    pub(crate) fn take_names(&mut self, caller: &Caller) -> Result<Option<Names>, QueryError> {
        let expected = "a name as in events: letters, digits and ._:@/|+=~%-, at most 128";
        let mut name = |parameter: &str| {
            self.take_parsed(parameter, expected, |text| {
                is_identifier(text).then(|| text.to_owned())
            })
        };
        let (asked, resource, feature) = (name("tenant_id")?, name("resource")?, name("feature")?);
        let bound = caller.tenant_id.as_ref();
        if bound.is_some() && asked.is_some() && bound != asked.as_ref() {
            return Ok(None);
        }
        Ok(Some(Names {
            tenant: asked.or_else(|| bound.cloned()),
            resource,
            feature,
        }))
    }

    pub(crate) fn take_timezone(&mut self) -> Result<Tz, QueryError> {
        let expected = "an IANA time zone, such as Europe/Berlin";
        let timezone = self.take_parsed("timezone", expected, |text| text.parse().ok())?;
        Ok(timezone.unwrap_or(Tz::UTC))
    }

    /// [from, to): the last 24 hours before `to`, which is `default_to` where it is missing.
    pub(crate) fn take_range(
        &mut self,
        default_to: DateTime<Utc>,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), QueryError> {
        self.take_range_of(DEFAULT_RANGE, default_to)
    }

    /// The same with another range where `from` is missing.
    pub(crate) fn take_range_of(
        &mut self,
        range: TimeDelta,
        default_to: DateTime<Utc>,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), QueryError> {
        let expected = "an RFC 3339 time with an offset, such as 2025-11-20T10:31:00Z, of the years 1 to 9999; write a + as %2B";
        let from = self.take_parsed("from", expected, instant)?;
        let to = self.take_parsed("to", expected, instant)?;
        let to = to.unwrap_or(default_to);
        let from = from.unwrap_or(to - range);
        if from >= to {
            return Err(QueryError::parameter("from", "must be before `to`"));
        }
        Ok((from, to))
    }
}

/// To the microsecond, which is what events have.
pub(crate) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    let leap_second = instant.timestamp_subsec_nanos() >= 1_000_000_000;
    let instant = DateTime::from_timestamp_micros(instant.timestamp_micros())?;
    (!leap_second && (1..=9999).contains(&instant.year())).then_some(instant)
}

/// A window's end as it can be said: RFC 3339 ends with the last instant of the year 9999.
pub(crate) fn utterable(end: DateTime<Utc>) -> DateTime<Utc> {
    const LAST_US: i64 = 253_402_300_799_999_999;
    DateTime::from_timestamp_micros(LAST_US).map_or(end, |last| end.min(last))
}
