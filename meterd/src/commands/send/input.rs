//! From a file or a pipe to events: one of them a line, or a row.

use std::io::{self, BufRead, Read};

use metering_core::code::{Code, Refusal};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Bytes of a line; far more than an event may have.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// How events are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line
    Ndjson,
    /// A row an event under a header of names: id, tenant_id, resource, feature, quantity,
    /// timestamp, and metadata (JSON) or metadata.KEY (texts); an empty cell is left out
    Csv,
}

/// An event's text as it will be read by the server, or why there is none.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    pub(super) event: Result<String, Refusal>,
}

/// The lines of an input.
pub(super) enum Lines<R> {
    Ndjson {
        input: io::BufReader<R>,
        number: u64,
    },
    Csv {
        rows: csv::StringRecordsIntoIter<R>,
        columns: Vec<String>,
    },
}

impl<R: Read> Lines<R> {
    /// Reads the header where there is one.
    pub(super) fn open(input: R, format: Format) -> Result<Self, csv::Error> {
        match format {
            Format::Ndjson => Ok(Lines::Ndjson {
                input: io::BufReader::new(input),
                number: 0,
            }),
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
                let columns = reader.headers()?.iter().map(str::to_owned).collect();
                Ok(Lines::Csv {
                    rows: reader.into_records(),
                    columns,
                })
            }
        }
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Lines::Ndjson { input, number } => next_line(input, number).transpose(),
            Lines::Csv { rows, columns } => Some(match rows.next()? {
                Ok(row) => Ok(Line {
                    number: row.position().map_or(0, csv::Position::line),
                    event: event_of(columns, &row),
                }),
                Err(error) => unreadable_row(error),
            }),
        }
    }
}

/// The next line that is not blank.
fn next_line<R: Read>(input: &mut io::BufReader<R>, number: &mut u64) -> io::Result<Option<Line>> {
    loop {
        let mut bytes = Vec::new();
        input
            .by_ref()
            .take(MAX_LINE_BYTES as u64 + 1)
            .read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        *number += 1;
        let number = *number;
        if bytes.len() > MAX_LINE_BYTES && !bytes.ends_with(b"\n") {
            skip_line(input)?;
            let detail = format!("the line has more than {MAX_LINE_BYTES} bytes");
            let event = Err(Refusal::new(Code::InvalidJson, detail));
            return Ok(Some(Line { number, event }));
        }
        let event = match std::str::from_utf8(&bytes) {
            Ok(text) if text.trim_ascii().is_empty() => continue,
            Ok(text) => Ok(text.trim_ascii().to_owned()),
            Err(_) => Err(Refusal::new(Code::InvalidJson, "the line is not UTF-8")),
        };
        return Ok(Some(Line { number, event }));
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (consumed, found) = end.map_or((buffer.len(), buffer.is_empty()), |at| (at + 1, true));
        input.consume(consumed);
        if found {
            return Ok(());
        }
    }
}

fn event_of(columns: &[String], row: &csv::StringRecord) -> Result<String, Refusal> {
    if row.len() != columns.len() {
        let detail = format!(
            "the row has {} cells, the header {}",
            row.len(),
            columns.len()
        );
        return Err(Refusal::new(Code::InvalidShape, detail));
    }
    let mut event = Map::new();
    let mut metadata = Map::new();
    let cells = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    for (column, cell) in cells {
        match (column.as_str(), column.strip_prefix("metadata.")) {
            (_, Some(key)) => {
                metadata.insert(key.to_owned(), cell.into());
            }
            // As it is written, so that 1.0 is refused and not taken for 1.
            ("quantity", _) => {
                event.insert(column.clone(), number(cell));
            }
            ("metadata", _) => {
                let json = serde_json::from_str(cell).map_err(|error| {
                    Refusal::new(
                        Code::InvalidMetadata,
                        format!("metadata is not JSON: {error}"),
                    )
                })?;
                event.insert(column.clone(), json);
            }
            _ => {
                event.insert(column.clone(), cell.into());
            }
        }
    }
    if !metadata.is_empty() {
        event.insert("metadata".to_owned(), metadata.into());
    }
    Ok(Value::Object(event).to_string())
}

/// A cell that is no number stays a text, which the check of events refuses with its reason.
fn number(cell: &str) -> Value {
    let number = serde_json::from_str::<&RawValue>(cell);
    let integer = number.ok().and_then(|raw| raw.get().parse::<i64>().ok());
    integer.map_or_else(|| cell.into(), Into::into)
}

/// A row of broken text is refused, and the next one read; a broken file ends it.
fn unreadable_row(error: csv::Error) -> io::Result<Line> {
    let number = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Err(error),
        _ => Ok(Line {
            number,
            event: Err(Refusal::new(Code::InvalidShape, "the row is not UTF-8")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, format: Format) -> Vec<(u64, Result<String, &'static str>)> {
        let lines = Lines::open(text.as_bytes(), format).unwrap();
        lines
            .map(|line| {
                let Line { number, event } = line.unwrap();
                (number, event.map_err(|refusal| refusal.code.as_str()))
            })
            .collect()
    }

    #[test]
    fn lines_keep_their_numbers() {
        let long = format!("{{}}\n\n{}\n{{ }}", "x".repeat(MAX_LINE_BYTES + 1));
        assert_eq!(
            lines(&long, Format::Ndjson),
            [
                (1, Ok("{}".to_owned())),
                (3, Err("invalid_json")),
                (4, Ok("{ }".to_owned()))
            ]
        );
    }

    #[test]
    fn rows_become_events() {
        let text = "id,tenant_id,quantity,metadata.user,metadata.note\n\
             ,t,007,u,\"a \"\"b\"\"\"\nx,t,1.0,,\n1,2\n,t,12,,\n";
        let event = |json: &str| Ok(json.to_owned());
        assert_eq!(
            lines(text, Format::Csv),
            [
                (
                    2,
                    event(
                        r#"{"metadata":{"note":"a \"b\"","user":"u"},"quantity":"007","tenant_id":"t"}"#
                    )
                ),
                (3, event(r#"{"id":"x","quantity":"1.0","tenant_id":"t"}"#)),
                (4, Err("invalid_shape")),
                (5, event(r#"{"quantity":12,"tenant_id":"t"}"#)),
            ]
        );
        let metadata = "metadata\n\"{\"\"a\"\":1}\"\nx\n";
        assert_eq!(
            lines(metadata, Format::Csv),
            [
                (2, event(r#"{"metadata":{"a":1}}"#)),
                (3, Err("invalid_metadata"))
            ]
        );
    }
}
