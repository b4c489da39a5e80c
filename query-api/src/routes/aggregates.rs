//! `GET /v1/meter/aggregates`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use metering_core::event::{as_rfc3339, rfc3339};
use metering_core::window::{MAX_WINDOWS, Source, Window, bounds};
use metering_store::aggregates::{self, Answer, Dimension, Names, Question, Sum, Usage};
use metering_store::sqlx::{self, PgConnection};
use serde::Serialize;
use service_kit::clock;
use service_kit::openapi::integer;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Reader;
use crate::error::QueryError;
use crate::export::{self, Cell, Cells, Pages};
use crate::format::{Format, TableFormat};
use crate::state::QueryState;

/// Rows of one answer: some 10 MB of JSON.
const MAX_ROWS: u32 = 50_000;
/// Groups that can be ranked.
const MAX_TOP: u32 = 1000;
/// Minutes are added up from raw events.
const MAX_MINUTE_RANGE: TimeDelta = TimeDelta::hours(48);
/// So is everything where a zone's offset was no multiple of a quarter-hour, decades ago.
const MAX_RAW_RANGE: TimeDelta = TimeDelta::days(400);

/// Rows and windows of an export that are added up at one time.
const EXPORT_PAGE: u32 = 10_000;
const EXPORT_WINDOWS: usize = 64;
const AGGREGATE_COLUMNS: &[&str] = &[
    "tenant_id",
    "resource",
    "feature",
    "window_start",
    "window_end",
    "total_quantity",
    "event_count",
];

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct AggregateList {
    data: Vec<AggregateRow>,
    /// Always null: an answer is whole, or refused for its size.
    next_cursor: Option<String>,
    /// The bounds used: those asked for, widened to whole windows.
    #[serde(serialize_with = "as_rfc3339")]
    from: DateTime<Utc>,
    /// The end of the year 9999 is written as the year +10000, which RFC 3339 does not have.
    #[serde(serialize_with = "as_rfc3339")]
    #[schema(value_type = String)]
    to: DateTime<Utc>,
    window: &'static str,
    timezone: &'static str,
    /// Over all groups, those below the top included.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Totals>,
}

/// Without what was not asked for: the window of `window=none`, the names that are not grouped by.
#[derive(Debug, Serialize, ToSchema)]
struct AggregateRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    window_start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_end: Option<String>,
    #[serde(flatten)]
    totals: Totals,
}

impl Cells for AggregateRow {
    fn cell(&self, column: &str) -> Cell<'_> {
        let text = |text: &Option<String>| {
            text.clone()
                .map_or(Cell::Null, |text| Cell::Text(text.into()))
        };
        match column {
            "tenant_id" => text(&self.tenant_id),
            "resource" => text(&self.resource),
            "feature" => text(&self.feature),
            "window_start" => text(&self.window_start),
            "window_end" => text(&self.window_end),
            "total_quantity" => Cell::Integer(self.totals.total_quantity),
            "event_count" => Cell::Integer(self.totals.event_count),
            _ => Cell::Null,
        }
    }
}

/// Exact integers, beyond 2^63 too.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Totals {
    #[schema(schema_with = integer)]
    total_quantity: i128,
    #[schema(schema_with = integer)]
    event_count: i128,
}

impl From<Sum> for Totals {
    fn from(sum: Sum) -> Self {
        Self {
            total_quantity: sum.total_quantity,
            event_count: sum.event_count,
        }
    }
}

/// Add up usage
///
/// Per window and group, exact; without `group_by`, over everything the key may see. Windows begin
/// where the time zone says. An answer has at most 50,000 rows; with `Accept: application/x-ndjson` or
/// `text/csv` it has all there are, without `totals`, and is not whole if it breaks off. Needs the scope
/// `read`.
#[utoipa::path(
    get, path = "/v1/meter/aggregates", operation_id = "list_aggregates", tag = "Aggregates",
    params(
        ("window" = Option<String>, Query, pattern = "^(minute|hour|day|week|month|none)$",
            description = "Length of the windows, an hour unless said; `none` adds up the whole range; minutes for at most 48 hours"),
        ("timezone" = Option<String>, Query, description = "IANA name, UTC unless said"),
        ("group_by" = Option<String>, Query, description = "A list of `tenant_id`, `resource` and `feature`, separated by commas"),
        ("tenant_id" = Option<String>, Query, max_length = 128, description = "A key that is bound to a tenant sees that one only"),
        ("resource" = Option<String>, Query, max_length = 128),
        ("feature" = Option<String>, Query, max_length = 128),
        ("from" = Option<DateTime<Utc>>, Query, description = "Widened to whole windows; 24 hours before `to` unless said"),
        ("to" = Option<DateTime<Utc>>, Query, description = "Widened to whole windows; now unless said"),
        ("fill" = Option<String>, Query, pattern = "^zero$", description = "`zero`: rows for windows without usage too"),
        ("totals" = Option<bool>, Query, description = "`false`: leave out `totals`"),
        ("top" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Only the groups that used most; needs `group_by`"),
        ("columns" = Option<String>, Query, description = "Of an export: members of a row, separated by commas"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses((status = 200, description = "The sums.", content(
        (AggregateList = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
    ))),
)]
async fn list(
    State(state): State<QueryState>,
    format: Format,
    reader: Reader,
) -> Result<Response, QueryError> {
    match format {
        Format::Json => Ok(whole(&state, reader).await?.into_response()),
        Format::Table(table) => export(&state, reader, table),
    }
}

/// All rows, some windows at a time.
fn export(
    state: &QueryState,
    mut reader: Reader,
    table: TableFormat,
) -> Result<Response, QueryError> {
    let columns = export::columns(&mut reader.params, AGGREGATE_COLUMNS, false)?;
    let caller = reader.caller.clone();
    let request = Request::parse(reader, clock::now())?;
    if request.fill || request.top.is_some() {
        let name = if request.fill { "fill" } else { "top" };
        return Err(QueryError::parameter(name, "is not for exports"));
    }
    let columns = columns.unwrap_or_else(|| request.columns());
    let pages = AggregatePages {
        request,
        window: 0,
        last: None,
    };
    export::answer(state, caller, ("aggregates", table, columns), pages)
}

/// Goes through the windows of a request.
struct AggregatePages {
    request: Request,
    /// The first one that is not finished.
    window: usize,
    /// The last row of it, if there may be more.
    last: Option<Usage>,
}

impl Pages for AggregatePages {
    type Row = AggregateRow;

    async fn next(
        &mut self,
        conn: &mut PgConnection,
    ) -> Result<Option<Vec<AggregateRow>>, sqlx::Error> {
        let request = &self.request;
        let (Some(names), true) = (&request.names, self.window + 1 < request.bounds.len()) else {
            return Ok(None);
        };
        let end = (self.window + EXPORT_WINDOWS).min(request.bounds.len() - 1);
        let bounds = &request.bounds[self.window..=end];
        let question = Question {
            bounds,
            source: &Source::pick(bounds),
            after: self.last.as_ref().map(Usage::place),
            max_rows: EXPORT_PAGE,
            ..request.question(names)
        };
        let answer = aggregates::list(conn, &question).await?;
        let row = |usage: &Usage| {
            let window = usage.window.map(|window| window + self.window);
            request.row(Usage {
                window,
                ..usage.clone()
            })
        };
        let rows = answer.rows.iter().map(row).collect();
        self.last = answer.rows.into_iter().last().filter(|_| answer.truncated);
        if self.last.is_none() {
            self.window = end;
        }
        Ok(Some(rows))
    }
}

async fn whole(state: &QueryState, reader: Reader) -> Result<Json<AggregateList>, QueryError> {
    let request = Request::parse(reader, clock::now())?;
    let answer = match &request.names {
        Some(names) => {
            let mut conn = state.store.pool().acquire().await?;
            aggregates::list(&mut conn, &request.question(names)).await?
        }
        None => Answer::default(),
    };
    if answer.truncated {
        return Err(too_many_rows());
    }
    Ok(Json(request.answer(answer)?))
}

/// A parsed request.
struct Request {
    window: Window,
    timezone: Tz,
    bounds: Vec<DateTime<Utc>>,
    source: Source,
    group_by: Vec<Dimension>,
    /// `None`: the caller asks for a tenant that it may not see.
    names: Option<Names>,
    fill: bool,
    totals: bool,
    top: Option<u32>,
}

impl Request {
    fn parse(
        Reader { caller, mut params }: Reader,
        now: DateTime<Utc>,
    ) -> Result<Self, QueryError> {
        let expected = "minute, hour, day, week, month or none";
        let window = params
            .take_parsed("window", expected, Window::parse)?
            .unwrap_or(Window::Hour);
        let timezone = params.take_timezone()?;
        let expected =
            "a list of tenant_id, resource and feature, each at most once, separated by commas";
        let group_by = params
            .take_parsed("group_by", expected, dimensions)?
            .unwrap_or_default();
        let fill = params
            .take_parsed("fill", "zero", |text| (text == "zero").then_some(true))?
            .unwrap_or(false);
        let totals = params
            .take_parsed("totals", "true or false", |text| text.parse().ok())?
            .unwrap_or(true);
        let top = params.take_count("top", MAX_TOP)?;
        let names = params.take_names(&caller)?;
        let (from, to) = params.take_range(now)?;
        params.finish("window, timezone, group_by, fill, totals, top, tenant_id, resource, feature, from, to and receipt")?;
        if top.is_some() && group_by.is_empty() {
            return Err(QueryError::parameter("top", "ranks groups; add `group_by`"));
        }
        if window == Window::Minute && to - from > MAX_MINUTE_RANGE {
            let hours = MAX_MINUTE_RANGE.num_hours();
            return Err(QueryError::parameter(
                "window",
                format!(
                    "may be minute for {hours} hours at most; ask for a shorter range or for hours"
                ),
            ));
        }
        let bounds = bounds(window, timezone, from, to).map_err(|_| {
            QueryError::parameter("window", format!("is too short: the range has more than {MAX_WINDOWS} of them; ask for a shorter range or longer windows"))
        })?;
        let source = Source::pick(&bounds);
        if source == Source::Raw && to - from > MAX_RAW_RANGE {
            let days = MAX_RAW_RANGE.num_days();
            return Err(QueryError::parameter(
                "timezone",
                format!(
                    "had an offset then that is no multiple of a quarter-hour; ask for {days} days at most, or for UTC"
                ),
            ));
        }
        Ok(Self {
            window,
            timezone,
            bounds,
            source,
            group_by,
            names,
            fill,
            totals,
            top,
        })
    }

    fn question<'a>(&'a self, names: &'a Names) -> Question<'a> {
        Question {
            bounds: &self.bounds,
            source: &self.source,
            by_window: self.window != Window::None,
            group_by: &self.group_by,
            names,
            top: self.top,
            after: None,
            max_rows: MAX_ROWS,
        }
    }

    /// Of what rows have.
    fn columns(&self) -> Vec<String> {
        let grouped = |dimension| self.group_by.contains(&dimension);
        let windows = self.window != Window::None;
        let there = [
            grouped(Dimension::Tenant),
            grouped(Dimension::Resource),
            grouped(Dimension::Feature),
            windows,
            windows,
            true,
            true,
        ];
        let columns = AGGREGATE_COLUMNS.iter().zip(there);
        let columns = columns.filter(|(_, there)| *there);
        columns.map(|(name, _)| (*name).to_owned()).collect()
    }

    fn answer(&self, answer: Answer) -> Result<AggregateList, QueryError> {
        let usage = if self.fill {
            self.filled(answer.rows)?
        } else {
            answer.rows
        };
        let edge = |bound: Option<&DateTime<Utc>>| bound.copied().unwrap_or_default();
        Ok(AggregateList {
            data: usage.into_iter().map(|usage| self.row(usage)).collect(),
            next_cursor: None,
            from: edge(self.bounds.first()),
            to: edge(self.bounds.last()),
            window: self.window.as_str(),
            timezone: self.timezone.name(),
            totals: self.totals.then(|| answer.total.into()),
        })
    }

    fn row(&self, usage: Usage) -> AggregateRow {
        let bound =
            |index: Option<usize>| index.and_then(|i| self.bounds.get(i)).copied().map(rfc3339);
        AggregateRow {
            tenant_id: usage.tenant_id,
            resource: usage.resource,
            feature: usage.feature,
            window_start: bound(usage.window),
            window_end: bound(usage.window.map(|i| i + 1)),
            totals: usage.sum.into(),
        }
    }

    /// A row for every group in every window, the groups in the order of `rows`. Nothing at all is
    /// still one group where nothing is grouped by.
    fn filled(&self, rows: Vec<Usage>) -> Result<Vec<Usage>, QueryError> {
        type Group = (Option<String>, Option<String>, Option<String>);
        let mut groups: BTreeMap<Group, (Sum, BTreeMap<Option<usize>, Sum>)> = BTreeMap::new();
        if self.group_by.is_empty() {
            groups.entry(Group::default()).or_default();
        }
        for row in rows {
            let (total, windows) = groups
                .entry((row.tenant_id, row.resource, row.feature))
                .or_default();
            total.total_quantity += row.sum.total_quantity;
            total.event_count += row.sum.event_count;
            windows.insert(row.window, row.sum);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        if self.top.is_some() {
            groups
                .sort_by_key(|(_, (total, _))| Reverse((total.total_quantity, total.event_count)));
        }
        let windows: Vec<Option<usize>> = match self.window {
            Window::None => vec![None],
            _ => (0..self.bounds.len() - 1).map(Some).collect(),
        };
        if windows.len() * groups.len() > usize::try_from(MAX_ROWS).unwrap_or(usize::MAX) {
            return Err(too_many_rows());
        }
        let cells = windows
            .iter()
            .flat_map(|window| groups.iter().map(move |group| (*window, group)));
        let filled = cells.map(
            |(window, ((tenant_id, resource, feature), (_, sums)))| Usage {
                window,
                tenant_id: tenant_id.clone(),
                resource: resource.clone(),
                feature: feature.clone(),
                sum: sums.get(&window).copied().unwrap_or_default(),
            },
        );
        Ok(filled.collect())
    }
}

fn dimensions(text: &str) -> Option<Vec<Dimension>> {
    let mut found = Vec::new();
    for name in text.split(',') {
        let dimension = match name {
            "tenant_id" => Dimension::Tenant,
            "resource" => Dimension::Resource,
            "feature" => Dimension::Feature,
            _ => return None,
        };
        if found.contains(&dimension) {
            return None;
        }
        found.push(dimension);
    }
    Some(found)
}

fn too_many_rows() -> QueryError {
    QueryError::parameter(
        "group_by",
        format!(
            "makes more than {MAX_ROWS} rows; ask for a `top`, a shorter range, longer windows or fewer groups"
        ),
    )
}
