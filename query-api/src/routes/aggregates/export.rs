//! Aggregates of any number, some windows at a time.

use axum::response::Response;
use metering_core::window::{Source, Window};
use metering_store::aggregates::{self, Dimension, Question, Usage};
use metering_store::sqlx::{self, PgConnection};
use service_kit::clock;

use super::AggregateRow;
use super::request::Request;
use crate::error::QueryError;
use crate::export::{self, Cell, Cells, Pages};
use crate::format::TableFormat;
use crate::routes::Reader;
use crate::state::QueryState;

/// Rows and windows of an export that are added up at one time.
const EXPORT_PAGE: u32 = 10_000;
const EXPORT_WINDOWS: usize = 64;
const COLUMNS: &[&str] = &[
    "tenant_id",
    "resource",
    "feature",
    "window_start",
    "window_end",
    "total_quantity",
    "event_count",
];

/// All rows.
pub(super) fn export(
    state: &QueryState,
    mut reader: Reader,
    table: TableFormat,
) -> Result<Response, QueryError> {
    let columns = export::columns(&mut reader.params, COLUMNS, false)?;
    let caller = reader.caller.clone();
    let request = Request::parse(reader, clock::now())?;
    request.may_be_exported()?;
    let columns = columns.unwrap_or_else(|| columns_of(&request));
    let pages = WindowPages {
        request,
        window: 0,
        last: None,
    };
    export::answer(state, caller, ("aggregates", table, columns), pages)
}

/// Those that the rows have.
fn columns_of(request: &Request) -> Vec<String> {
    let grouped = |dimension| request.group_by.contains(&dimension);
    let windows = request.window != Window::None;
    let there = [
        grouped(Dimension::Tenant),
        grouped(Dimension::Resource),
        grouped(Dimension::Feature),
        windows,
        windows,
        true,
        true,
    ];
    let columns = COLUMNS.iter().zip(there).filter(|(_, there)| *there);
    columns.map(|(name, _)| (*name).to_owned()).collect()
}

/// Goes through the windows of a request.
struct WindowPages {
    request: Request,
    /// The first one that is not finished.
    window: usize,
    /// The last row of it, if there may be more.
    last: Option<Usage>,
}

impl Pages for WindowPages {
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
