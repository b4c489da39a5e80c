//! Lists of any length as NDJSON or CSV, page by page: each page is one short question, so that an
//! export of hours keeps no old rows alive and needs no more memory than one of seconds.

use std::borrow::Cow;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use metering_core::Event;
use metering_core::event::rfc3339;
use metering_store::Readers;
use metering_store::sqlx::{self, PgConnection};
use serde_json::Value;
use service_kit::auth::{Caller, Keys};
use service_kit::clock;

use crate::bodies::{Gone, Pieces};
use crate::error::QueryError;
use crate::format::TableFormat;
use crate::params::Params;
use crate::state::{QueryState, sight};

/// Columns that can be chosen.
const MAX_COLUMNS: usize = 64;

/// What one field says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(i128),
    /// JSON of any kind but a text.
    Json(Cow<'a, str>),
}

/// A row of an export.
pub(crate) trait Cells {
    fn cell(&self, column: &str) -> Cell<'_>;
}

/// Where the rows come from.
pub(crate) trait Pages: Send + 'static {
    type Row: Cells + Send;

    /// Some more rows; `None`: there are no more.
    fn next(
        &mut self,
        conn: &mut PgConnection,
    ) -> impl Future<Output = Result<Option<Vec<Self::Row>>, sqlx::Error>> + Send;
}

impl Cells for Event {
    fn cell(&self, column: &str) -> Cell<'_> {
        match column {
            "id" => Cell::Text(self.id.to_string().into()),
            "tenant_id" => Cell::Text(self.tenant_id.as_str().into()),
            "resource" => Cell::Text(self.resource.as_str().into()),
            "feature" => Cell::Text(self.feature.as_str().into()),
            "quantity" => Cell::Integer(self.quantity.into()),
            "timestamp" => Cell::Text(rfc3339(self.timestamp).into()),
            "metadata" => Cell::Json(self.metadata.get().into()),
            other => other
                .strip_prefix(METADATA)
                .map_or(Cell::Null, |key| member(self.metadata.get(), key)),
        }
    }
}

const METADATA: &str = "metadata.";

fn member(metadata: &str, key: &str) -> Cell<'static> {
    let mut metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    match metadata.get_mut(key).map(Value::take) {
        None | Some(Value::Null) => Cell::Null,
        Some(Value::String(text)) => Cell::Text(text.into()),
        Some(value) => Cell::Json(value.to_string().into()),
    }
}

/// The chosen columns; `None`: all of them. Of events those of metadata can be chosen, too.
pub(crate) fn columns(
    params: &mut Params,
    known: &[&str],
    of_events: bool,
) -> Result<Option<Vec<String>>, QueryError> {
    let members = if of_events { " and metadata.KEY" } else { "" };
    let expected = format!(
        "a list of {}{members}, each at most once, at most {MAX_COLUMNS}, separated by commas",
        known.join(", ")
    );
    params.take_parsed("columns", expected, |text| {
        let mut columns = Vec::<String>::new();
        for name in text.split(',') {
            let member = name.strip_prefix(METADATA).filter(|key| !key.is_empty());
            let is_column = known.contains(&name) || (of_events && member.is_some());
            if !is_column || columns.iter().any(|column| column == name) {
                return None;
            }
            columns.push(name.to_owned());
        }
        (columns.len() <= MAX_COLUMNS).then_some(columns)
    })
}

/// An answer that `pages` fill as it is read. It breaks off where it cannot be finished.
pub(crate) fn answer<P: Pages>(
    state: &QueryState,
    caller: Caller,
    (name, format, columns): (&str, TableFormat, Vec<String>),
    pages: P,
) -> Result<Response, QueryError> {
    let turn = state
        .bodies
        .begin_export()
        .ok_or(QueryError::TooManyExports)?;
    let disposition = format!("attachment; filename=\"{name}.{}\"", format.extension());
    let export = Export {
        readers: state.readers().clone(),
        keys: state.keys().clone(),
        caller,
        table: Table { format, columns },
        pages,
    };
    let body = state.bodies.spawn(|pieces| async move {
        let _turn = turn;
        if export.run(&pieces).await.is_err() {
            pieces.break_off().await;
        }
    });
    let disposition = HeaderValue::try_from(disposition).expect("plain ASCII");
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.media_type()),
        ),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, body).into_response())
}

struct Export<P> {
    readers: Readers,
    keys: Keys,
    caller: Caller,
    table: Table,
    pages: P,
}

/// Why an export is not whole.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("nobody wants the rest, or the process stops")]
    Gone,
    #[error("the key is no longer good")]
    Key,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("a row could not be written")]
    Row(#[from] csv::Error),
}

impl<P: Pages> Export<P> {
    async fn run(mut self, pieces: &Pieces) -> Result<(), ExportError> {
        let ended = self.send(pieces).await;
        if let Err(error @ (ExportError::Database(_) | ExportError::Row(_))) = &ended {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "an export broke off"
            );
        }
        ended
    }

    async fn send(&mut self, pieces: &Pieces) -> Result<(), ExportError> {
        let mut piece = self.table.head()?;
        loop {
            if !piece.is_empty() {
                let sent = pieces.send(piece).await;
                sent.map_err(|Gone| ExportError::Gone)?;
            }
            if !self.keys.admit_still(&self.caller, clock::now()) {
                return Err(ExportError::Key);
            }
            let mut conn = self.readers.acquire(sight(&self.caller)).await?;
            let Some(rows) = self.pages.next(&mut conn).await? else {
                return Ok(());
            };
            drop(conn);
            piece = self.table.rows(&rows)?;
        }
    }
}

/// Writes rows.
struct Table {
    format: TableFormat,
    columns: Vec<String>,
}

impl Table {
    fn head(&self) -> Result<Vec<u8>, csv::Error> {
        match self.format {
            TableFormat::Ndjson => Ok(Vec::new()),
            TableFormat::Csv => {
                let mut csv = csv_writer();
                csv.write_record(
                    self.columns
                        .iter()
                        .map(|name| inert(name))
                        .map(Cow::into_owned),
                )?;
                Ok(bytes(csv))
            }
        }
    }

    fn rows(&self, rows: &[impl Cells]) -> Result<Vec<u8>, csv::Error> {
        match self.format {
            TableFormat::Ndjson => {
                let mut json = Vec::new();
                for row in rows {
                    self.push_object(&mut json, row);
                }
                Ok(json)
            }
            TableFormat::Csv => {
                let mut csv = csv_writer();
                for row in rows {
                    for column in &self.columns {
                        match row.cell(column) {
                            Cell::Null => csv.write_field("")?,
                            Cell::Text(text) => csv.write_field(inert(&text).as_ref())?,
                            Cell::Integer(number) => csv.write_field(number.to_string())?,
                            Cell::Json(json) => csv.write_field(json.as_ref())?,
                        }
                    }
                    csv.write_record(None::<&[u8]>)?;
                }
                Ok(bytes(csv))
            }
        }
    }

    fn push_object(&self, json: &mut Vec<u8>, row: &impl Cells) {
        for (number, column) in self.columns.iter().enumerate() {
            json.push(if number == 0 { b'{' } else { b',' });
            push_text(json, column);
            json.push(b':');
            match row.cell(column) {
                Cell::Null => json.extend_from_slice(b"null"),
                Cell::Text(text) => push_text(json, &text),
                Cell::Integer(number) => json.extend_from_slice(number.to_string().as_bytes()),
                Cell::Json(value) => json.extend_from_slice(value.as_bytes()),
            }
        }
        json.extend_from_slice(b"}\n");
    }
}

fn push_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a text always serialises");
}

fn csv_writer() -> csv::Writer<Vec<u8>> {
    let mut builder = csv::WriterBuilder::new();
    builder.terminator(csv::Terminator::CRLF);
    builder.from_writer(Vec::new())
}

fn bytes(csv: csv::Writer<Vec<u8>>) -> Vec<u8> {
    csv.into_inner().expect("memory takes everything")
}

/// A text that no spreadsheet takes for a formula.
fn inert(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(&'static str);

    impl Cells for Row {
        fn cell(&self, column: &str) -> Cell<'_> {
            match column {
                "text" => Cell::Text(self.0.into()),
                "number" => Cell::Integer(-(1 << 100)),
                "json" => Cell::Json(r#"{"a":"b"}"#.into()),
                _ => Cell::Null,
            }
        }
    }

    fn table(format: TableFormat, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Table { format, columns }
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        let table = table(TableFormat::Csv, &["text", "metadata.=x"]);
        assert_eq!(table.head().unwrap(), b"text,metadata.=x\r\n");
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "'\t=1"),
            ("1=1", "1=1"),
            ("a,b", "\"a,b\""),
            ("=\"a\"\n", "\"'=\"\"a\"\"\n\""),
        ] {
            let rows = table.rows(&[Row(text)]).unwrap();
            assert_eq!(String::from_utf8(rows).unwrap(), format!("{expected},\r\n"));
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let columns = ["text", "number", "json", "none"];
        let row = [Row("a \"b\"")];
        let ndjson = table(TableFormat::Ndjson, &columns).rows(&row).unwrap();
        let expected = r#"{"text":"a \"b\"","number":-1267650600228229401496703205376,"json":{"a":"b"},"none":null}"#;
        assert_eq!(String::from_utf8(ndjson).unwrap(), format!("{expected}\n"));
        let csv = table(TableFormat::Csv, &columns).rows(&row).unwrap();
        let expected = r#""a ""b""",-1267650600228229401496703205376,"{""a"":""b""}","#;
        assert_eq!(String::from_utf8(csv).unwrap(), format!("{expected}\r\n"));
    }
}
