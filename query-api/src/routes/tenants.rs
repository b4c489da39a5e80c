//! `GET /v1/meter/tenants` and `GET /v1/meter/tenants/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use metering_core::event::{as_rfc3339, is_identifier, rfc3339};
use metering_core::window::{Source, Window, bounds};
use metering_store::aggregates::{self, Names, Question};
use metering_store::tenants::{self, Tenant, TenantFilter};
use serde::Serialize;
use service_kit::clock;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::aggregates::Totals;
use super::{Page, Reader};
use crate::consumption::{self, Consumption};
use crate::error::QueryError;
use crate::params::utterable;
use crate::state::QueryState;

/// Days of a tenant's breakdown.
const MAX_DAYS: TimeDelta = TimeDelta::days(400);
/// Bytes of a search: no id is longer.
const MAX_SEARCH_BYTES: usize = 128;

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// By id.
#[derive(Debug, Serialize, ToSchema)]
struct TenantList {
    data: Vec<TenantUsage>,
    next_cursor: Option<String>,
    /// The bounds used: those asked for, widened to quarter-hours.
    #[serde(serialize_with = "as_rfc3339")]
    from: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    to: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TenantUsage {
    tenant_id: String,
    /// Between `from` and `to`.
    #[serde(flatten)]
    totals: Totals,
    /// Start of the last quarter-hour with an event, whenever that was.
    #[serde(serialize_with = "as_rfc3339")]
    last_seen: DateTime<Utc>,
}

impl From<Tenant> for TenantUsage {
    fn from(tenant: Tenant) -> Self {
        Self {
            tenant_id: tenant.tenant_id,
            totals: tenant.sum.into(),
            last_seen: tenant.last_window,
        }
    }
}

/// List tenants
///
/// Those that have used anything, by id, each with its usage between `from` and `to`; without them,
/// of the last 24 hours. Whoever wants the largest ones first asks for aggregates grouped by
/// `tenant_id` with a `top`. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/tenants", operation_id = "list_tenants", tag = "Tenants",
    params(
        ("search" = Option<String>, Query, max_length = 128, description = "Only ids that have this in them, in whatever case"),
        ("from" = Option<DateTime<Utc>>, Query, description = "Widened to a quarter-hour; 24 hours before `to` unless said"),
        ("to" = Option<DateTime<Utc>>, Query, description = "Widened to a quarter-hour; now unless said"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Tenants of a page; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same search"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses((status = 200, description = "A page.", body = TenantList)),
)]
async fn list(
    State(state): State<QueryState>,
    Reader { caller, mut params }: Reader,
) -> Result<Json<TenantList>, QueryError> {
    let expected = format!("at most {MAX_SEARCH_BYTES} bytes");
    let search = params.take_parsed("search", expected, |text| {
        (text.len() <= MAX_SEARCH_BYTES).then(|| text.to_owned())
    })?;
    let (from, to) = params.take_range(clock::now())?;
    let listing = format!("tenants {}", search.as_deref().unwrap_or_default());
    let page: Page<String> = Page::take(&listing, &mut params, &caller, &state)?;
    params.finish("search, from, to, limit, cursor and receipt")?;
    let bounds = one_window(from, to);
    let (from, to) = (bounds[0], utterable(bounds[1]));
    let filter = TenantFilter {
        tenant_id: caller.tenant_id.clone(),
        search,
    };
    let mut conn = state.read_as(&caller).await?;
    let after = page.after.as_deref();
    let rows = tenants::list(&mut conn, &filter, &bounds, after, page.fetch()).await?;
    let (rows, next_cursor) = page.cut(rows, &state, |tenant| tenant.tenant_id.clone());
    Ok(Json(TenantList {
        data: rows.into_iter().map(TenantUsage::from).collect(),
        next_cursor,
        from,
        to,
    }))
}

/// Widened to whole quarter-hours.
fn one_window(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    bounds(Window::None, Tz::UTC, from, to).expect("one window is not too many")
}

#[derive(Debug, Serialize, ToSchema)]
struct TenantDetail {
    tenant_id: String,
    /// Time of its last event, whenever that was.
    #[serde(serialize_with = "as_rfc3339")]
    last_seen: DateTime<Utc>,
    /// Between `from` and `to`, which are widened to whole days.
    totals: Totals,
    /// A row for each day.
    days: Vec<Day>,
    /// Its quotas and those of every tenant that it has used, in their windows of now.
    quotas: Vec<Consumption>,
    timezone: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Day {
    #[schema(format = DateTime)]
    window_start: String,
    #[schema(format = DateTime)]
    window_end: String,
    #[serde(flatten)]
    totals: Totals,
}

/// Show a tenant
///
/// Its usage by day, when it was last seen, and what it has used of its quotas, with where that leads
/// if it goes on as it did since the window began. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/tenants/{tenant_id}", operation_id = "get_tenant", tag = "Tenants",
    params(
        ("tenant_id" = String, Path),
        ("timezone" = Option<String>, Query, description = "IANA name, UTC unless said: where days begin"),
        ("from" = Option<DateTime<Utc>>, Query, description = "Widened to a day; 30 days before `to` unless said; at most 400 days"),
        ("to" = Option<DateTime<Utc>>, Query, description = "Widened to a day; now unless said"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses((status = 200, description = "The tenant.", body = TenantDetail)),
)]
async fn show(
    State(state): State<QueryState>,
    Path(tenant_id): Path<String>,
    Reader { caller, mut params }: Reader,
) -> Result<Json<TenantDetail>, QueryError> {
    let now = clock::now();
    let timezone = params.take_timezone()?;
    let (from, to) = params.take_range_of(TimeDelta::days(30), now)?;
    params.finish("timezone, from, to and receipt")?;
    if to - from > MAX_DAYS {
        let detail = format!("may be {} days before `to` at most", MAX_DAYS.num_days());
        return Err(QueryError::parameter("from", detail));
    }
    if !is_identifier(&tenant_id)
        || caller
            .tenant_id
            .as_ref()
            .is_some_and(|bound| *bound != tenant_id)
    {
        return Err(QueryError::NoTenant);
    }
    let bounds = bounds(Window::Day, timezone, from, to)
        .map_err(|_| QueryError::parameter("from", "is too long ago"))?;
    let mut conn = state.read_as(&caller).await?;
    let filter = TenantFilter {
        tenant_id: Some(tenant_id.clone()),
        search: None,
    };
    let found = tenants::list(&mut conn, &filter, &bounds, None, 1)
        .await?
        .pop();
    let tenant = found.ok_or(QueryError::NoTenant)?;
    let last_seen = tenants::last_seen(&mut conn, &tenant_id, tenant.last_window).await?;
    let names = Names {
        tenant: Some(tenant_id),
        ..Names::default()
    };
    let question = Question {
        bounds: &bounds,
        source: &Source::pick(&bounds),
        by_window: true,
        group_by: &[],
        names: &names,
        top: None,
        rest: false,
        member: None,
        after: None,
        max_rows: u32::MAX,
    };
    let usage = aggregates::list(&mut conn, &question).await?;
    let quotas = consumption::list(&mut conn, &tenant.tenant_id, now).await?;
    let mut sums = usage.rows.into_iter().peekable();
    let day = |(number, day): (usize, &[DateTime<Utc>])| {
        let used = sums.next_if(|usage| usage.window == Some(number));
        Day {
            window_start: rfc3339(day[0]),
            window_end: rfc3339(utterable(day[1])),
            totals: used.map(|usage| usage.sum).unwrap_or_default().into(),
        }
    };
    Ok(Json(TenantDetail {
        tenant_id: tenant.tenant_id,
        last_seen: last_seen.unwrap_or(tenant.last_window),
        totals: usage.total.into(),
        days: bounds.windows(2).enumerate().map(day).collect(),
        quotas,
        timezone: timezone.name(),
    }))
}
