//! What a request for a new API key must look like.

use chrono::{DateTime, TimeDelta, Utc};
use metering_core::event::is_identifier;
use serde_json::Value;
use service_kit::auth::{Caller, Scope};
use service_kit::fields::{Fields, unprocessable};
use service_kit::problem::Problem;

use axum::http::StatusCode;

use crate::params::instant;

/// Characters of a key's name.
const MAX_NAME_CHARS: usize = 128;
const DEFAULT_OVERLAP: TimeDelta = TimeDelta::days(1);
const MAX_OVERLAP: TimeDelta = TimeDelta::days(90);
const SCOPES: [Scope; 4] = [Scope::Ingest, Scope::Read, Scope::Validate, Scope::Admin];

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    /// Sorted, each once, at least one.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl NewKey {
    /// A caller that is bound to a tenant makes keys of this tenant only.
    pub(crate) fn parse(
        mut fields: Fields,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let (tenant_id, expires_at) = (fields.take("tenant_id"), fields.take("expires_at"));
        let (name, scopes) = (fields.take_required("name"), fields.take_required("scopes"));
        fields.finish("name, scopes, tenant_id and expires_at")?;
        let tenant_id = tenant_id.map(tenant).transpose()?;
        Ok(Self {
            name: parse_name(name?)?,
            scopes: parse_scopes(&scopes?)?,
            tenant_id: within(caller, tenant_id)?,
            expires_at: expires_at.map(|value| expiry(value, now)).transpose()?,
        })
    }
}

/// For how long an old key goes on beside its successor.
pub(crate) fn parse_overlap(mut fields: Fields) -> Result<TimeDelta, Problem> {
    let value = fields.take("overlap_seconds");
    fields.finish("overlap_seconds")?;
    let Some(value) = value else {
        return Ok(DEFAULT_OVERLAP);
    };
    let most = MAX_OVERLAP.num_seconds();
    let seconds = value
        .as_i64()
        .filter(|seconds| (0..=most).contains(seconds));
    let detail = format!("`overlap_seconds` must be a whole number from 0 to {most}");
    seconds
        .map(TimeDelta::seconds)
        .ok_or_else(|| unprocessable("invalid_overlap", detail))
}

fn parse_name(value: Value) -> Result<String, Problem> {
    let name = text(value).filter(|name| {
        let characters = name.chars().count();
        (1..=MAX_NAME_CHARS).contains(&characters)
            && name.trim() == name
            && !name.chars().any(char::is_control)
    });
    name.ok_or_else(|| {
        let detail = format!(
            "`name` must be a text of 1 to {MAX_NAME_CHARS} characters without control characters, or spaces around it"
        );
        unprocessable("invalid_name", detail)
    })
}

fn parse_scopes(value: &Value) -> Result<Vec<Scope>, Problem> {
    let named = |value: &Value| SCOPES.into_iter().find(|scope| value == scope.as_str());
    let scopes: Option<Vec<Scope>> = value
        .as_array()
        .and_then(|values| values.iter().map(named).collect());
    let mut scopes = scopes.unwrap_or_default();
    let asked = scopes.len();
    scopes.sort_unstable_by_key(|scope| scope.as_str());
    scopes.dedup();
    if scopes.is_empty() || scopes.len() != asked {
        let detail = "`scopes` must be an array of at least one of \"ingest\", \"read\", \"validate\" and \"admin\", each at most once";
        return Err(unprocessable("invalid_scopes", detail));
    }
    Ok(scopes)
}

fn tenant(value: Value) -> Result<String, Problem> {
    text(value).filter(|name| is_identifier(name)).ok_or_else(|| {
        let detail = "`tenant_id` must be a name as in events: letters, digits and ._:@/|+=~%-, at most 128";
        unprocessable("invalid_identifier", detail)
    })
}

fn within(caller: &Caller, asked: Option<String>) -> Result<Option<String>, Problem> {
    match (&caller.tenant_id, asked) {
        (None, asked) => Ok(asked),
        (Some(bound_to), None) => Ok(Some(bound_to.clone())),
        (Some(bound_to), Some(asked)) if *bound_to == asked => Ok(Some(asked)),
        (Some(_), Some(_)) => {
            let detail = "this key is bound to a tenant and can make keys of that tenant only";
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "tenant_mismatch",
                detail,
            ))
        }
    }
}

fn expiry(value: Value, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    let at = text(value).and_then(|text| instant(&text));
    at.filter(|at| *at > now).ok_or_else(|| {
        let detail = "`expires_at` must be an RFC 3339 time with an offset, such as 2027-01-01T00:00:00Z, that is yet to come";
        unprocessable("invalid_expiry", detail)
    })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
