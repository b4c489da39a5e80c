//! `GET /v1/meter/events` and `GET /v1/meter/events/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, TimeDelta, Utc};
use metering_core::aggregate::{DAY_MINUTES, QUARTER_MINUTES, day_start, quarter_start};
use metering_core::event::as_rfc3339;
use metering_core::limits::MAX_FUTURE_SKEW;
use metering_core::{Event, RecordPosition};
use metering_store::events::{self, Filter, Traced};
use metering_store::sqlx::{self, PgConnection};
use serde::Serialize;
use service_kit::clock;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{DEFAULT_LIMIT, MAX_LIMIT, Reader, take_metadata};
use crate::cursor::{self, Cursor, Fingerprint};
use crate::error::QueryError;
use crate::export::{self, Pages};
use crate::format::{Format, TableFormat};
use crate::state::QueryState;

/// Events of an export that are in memory at one time: 17 MB if all have as much metadata as there may
/// be, usually less than one.
const EXPORT_PAGE: u32 = 2000;
const EVENT_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "resource",
    "feature",
    "quantity",
    "timestamp",
    "metadata",
];

pub(super) fn router() -> OpenApiRouter<QueryState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

/// Newest first. A page may be short and have a `next_cursor` all the same: the end is where that
/// is null.
#[derive(Debug, Default, Serialize, ToSchema)]
struct EventList {
    data: Vec<Event>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EventWithTrace {
    #[serde(flatten)]
    event: Event,
    trace: Trace,
}

/// The event's way from the request to the sums.
#[derive(Debug, Serialize, ToSchema)]
struct Trace {
    #[serde(serialize_with = "as_rfc3339")]
    received_at: DateTime<Utc>,
    /// Its place in the log.
    position: RecordPosition,
    #[serde(serialize_with = "as_rfc3339")]
    persisted_at: DateTime<Utc>,
    /// The base windows it counts in; all others fold from these.
    windows: [Counted; 2],
}

#[derive(Debug, Serialize, ToSchema)]
struct Counted {
    #[serde(serialize_with = "as_rfc3339")]
    window_start: DateTime<Utc>,
    #[serde(serialize_with = "as_rfc3339")]
    window_end: DateTime<Utc>,
}

/// List events
///
/// Newest first, those between `from` and `to`; without them, of the last 24 hours. Only events that
/// count are here. A page may be short and have a `next_cursor` all the same; the end is where that
/// is null. All pages show what there was when the first one was read. A condition on metadata is
/// written `metadata.KEY=VALUE`, at most eight times. With `Accept: application/x-ndjson` or `text/csv`
/// all of them come in one answer, without `limit` and `cursor`; if it breaks off, it is not whole.
/// In CSV, a text that a spreadsheet would take for a formula has a `'` before it. Needs the scope
/// `read`.
#[utoipa::path(
    get, path = "/v1/meter/events", operation_id = "list_events", tag = "Events",
    params(
        ("tenant_id" = Option<String>, Query, max_length = 128, description = "A key that is bound to a tenant sees that one only"),
        ("resource" = Option<String>, Query, max_length = 128),
        ("feature" = Option<String>, Query, max_length = 128),
        ("from" = Option<DateTime<Utc>>, Query, description = "From this time on"),
        ("to" = Option<DateTime<Utc>>, Query, description = "Before this time"),
        ("columns" = Option<String>, Query, description = "Of an export: members of an event and `metadata.KEY`, separated by commas"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Events of a page; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same filters"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses((status = 200, description = "A page, or all.", content(
        (EventList = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
    ))),
)]
async fn list(
    State(state): State<QueryState>,
    format: Format,
    reader: Reader,
) -> Result<Response, QueryError> {
    match format {
        Format::Json => Ok(page(&state, reader).await?.into_response()),
        Format::Table(table) => export(&state, reader, table).await,
    }
}

async fn page(state: &QueryState, reader: Reader) -> Result<Json<EventList>, QueryError> {
    let caller = reader.caller.clone();
    let Some(listing) = Listing::parse(reader, state, clock::now())? else {
        return Ok(Json::default());
    };
    let mut conn = state.read_as(&caller).await?;
    let (pins, after) = match listing.cursor {
        Some(cursor) => (cursor.pins, Some(cursor.after)),
        None => (events::pins(&mut conn).await?, None),
    };
    let page = events::list(&mut conn, &listing.filter, &pins, after, listing.limit).await?;
    let (from, to) = (listing.filter.from, listing.filter.to);
    let next_cursor = page.next.map(|after| {
        let pins = pins.clone();
        let cursor = Cursor {
            after,
            from,
            to,
            pins,
        };
        cursor.seal(&state.cursors, listing.query)
    });
    let data = page.events;
    Ok(Json(EventList { data, next_cursor }))
}

/// All events of the filters, a page at a time.
async fn export(
    state: &QueryState,
    Reader { caller, mut params }: Reader,
    table: TableFormat,
) -> Result<Response, QueryError> {
    let columns = export::columns(&mut params, EVENT_COLUMNS, true)?;
    let all = || {
        EVENT_COLUMNS
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    };
    let columns = columns.unwrap_or_else(all);
    let (names, metadata) = (params.take_names(&caller)?, take_metadata(&mut params)?);
    let (from, to) = params.take_range(clock::now() + MAX_FUTURE_SKEW)?;
    params.finish("tenant_id, resource, feature, from, to, metadata.KEY, columns and receipt")?;
    let listing = match names {
        Some(names) => {
            let filter = Filter {
                names,
                from,
                to,
                metadata,
            };
            let mut conn = state.read_as(&caller).await?;
            Some(events::Listing::new(filter, events::pins(&mut conn).await?))
        }
        None => None,
    };
    let pages = EventPages { listing };
    export::answer(state, caller, ("events", table, columns), pages)
}

struct EventPages {
    /// `None`: the caller asks for a tenant that it may not see.
    listing: Option<events::Listing>,
}

impl Pages for EventPages {
    type Row = Event;

    async fn next(&mut self, conn: &mut PgConnection) -> Result<Option<Vec<Event>>, sqlx::Error> {
        let Some(listing) = &mut self.listing else {
            return Ok(None);
        };
        let page = listing.next(conn, EXPORT_PAGE).await?;
        Ok(page.map(|page| page.events))
    }
}

/// A parsed request for a page.
struct Listing {
    filter: Filter,
    limit: u32,
    query: Fingerprint,
    cursor: Option<Cursor>,
}

impl Listing {
    /// `None`: the caller asks for a tenant that it may not see.
    fn parse(
        Reader { caller, mut params }: Reader,
        state: &QueryState,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, QueryError> {
        let limit = params
            .take_count("limit", MAX_LIMIT)?
            .unwrap_or(DEFAULT_LIMIT);
        let token = params.take("cursor");
        let query = cursor::fingerprint(params.as_slice(), caller.tenant_id.as_deref());
        let open =
            |token: String| Cursor::open(&state.cursors, query, &token).ok_or(QueryError::Cursor);
        let cursor = token.map(open).transpose()?;
        let names = params.take_names(&caller)?;
        let metadata = take_metadata(&mut params)?;
        // An accepted event may be a little ahead of the clock.
        let (mut from, mut to) = params.take_range(now + MAX_FUTURE_SKEW)?;
        params.finish(
            "tenant_id, resource, feature, from, to, metadata.KEY, limit, cursor and receipt",
        )?;
        if let Some(cursor) = &cursor {
            (from, to) = (cursor.from, cursor.to);
        }
        let filter = |names| Filter {
            names,
            from,
            to,
            metadata,
        };
        Ok(names.map(filter).map(|filter| Self {
            filter,
            limit,
            query,
            cursor,
        }))
    }
}

/// Show an event and its way
///
/// When it was received, where it is in the log, when it was persisted, and the windows it counts in.
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/meter/events/{id}", operation_id = "get_event", tag = "Events",
    params(
        ("id" = Uuid, Path),
        ("tenant_id" = Option<String>, Query, max_length = 128, description = "Needed where the key is bound to no tenant"),
        ("receipt" = Option<String>, Query, description = "As `Meter-Receipt`"),
        ("Meter-Receipt" = Option<String>, Header, description = "Of a 202: the answer includes its events"),
    ),
    responses((status = 200, description = "The event.", body = EventWithTrace)),
)]
async fn show(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    Reader { caller, mut params }: Reader,
) -> Result<Json<EventWithTrace>, QueryError> {
    let id = Uuid::try_parse(&id).map_err(|_| QueryError::parameter("id", "must be a UUID"))?;
    let names = params.take_names(&caller)?;
    params.finish("tenant_id and receipt")?;
    let names = names.ok_or(QueryError::NotFound)?;
    let tenant_id = names.tenant.ok_or(QueryError::TenantRequired)?;
    let mut conn = state.read_as(&caller).await?;
    let found = events::find(&mut conn, &tenant_id, id).await?;
    let traced = found.ok_or(QueryError::NotFound)?;
    Ok(Json(with_trace(traced)))
}

fn with_trace(traced: Traced) -> EventWithTrace {
    let timestamp_us = traced.event.timestamp.timestamp_micros();
    let counted = |start_us: i64, minutes: i16| {
        let window_start = DateTime::from_timestamp_micros(start_us).unwrap_or_default();
        let window_end = window_start + TimeDelta::minutes(minutes.into());
        Counted {
            window_start,
            window_end,
        }
    };
    let trace = Trace {
        received_at: traced.received_at,
        position: traced.position,
        persisted_at: traced.persisted_at,
        windows: [
            counted(quarter_start(timestamp_us), QUARTER_MINUTES),
            counted(day_start(timestamp_us), DAY_MINUTES),
        ],
    };
    EventWithTrace {
        event: traced.event,
        trace,
    }
}
