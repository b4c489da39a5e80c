//! Which form an answer has: what `Accept` asks for.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use crate::error::QueryError;

/// The forms that a list comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page.
    Json,
    /// All rows, streamed.
    Table(TableFormat),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFormat {
    Ndjson,
    Csv,
}

impl TableFormat {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = QueryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, QueryError> {
        let sent = parts.headers.get_all(header::ACCEPT).iter();
        let sent = sent.filter_map(|value| value.to_str().ok());
        Ok(parse(sent.flat_map(|value| value.split(','))))
    }
}

/// The one that is wanted most, of equals the first; JSON where none of them is asked for.
fn parse<'v>(ranges: impl Iterator<Item = &'v str>) -> Format {
    let mut best = (0, Format::Json);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let format = match media_type.as_str() {
            "application/json" | "application/*" | "*/*" => Format::Json,
            "application/x-ndjson" | "application/ndjson" => Format::Table(TableFormat::Ndjson),
            "text/csv" => Format::Table(TableFormat::Csv),
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(1000, thousandths);
        if weight > best.0 {
            best = (weight, format);
        }
    }
    best.1
}

/// 0 for what is no weight.
fn thousandths(weight: &str) -> u32 {
    let weight: f32 = weight.parse().unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 1000"
    )]
    let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_wanted_most() {
        let (csv, ndjson) = (
            Format::Table(TableFormat::Csv),
            Format::Table(TableFormat::Ndjson),
        );
        for (accept, expected) in [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("text/html", Format::Json),
            ("text/csv", csv),
            ("TEXT/CSV ; q=0.5", csv),
            ("text/csv;q=0", Format::Json),
            ("text/csv;q=NaN", Format::Json),
            ("application/x-ndjson, */*;q=0.1", ndjson),
            ("text/csv;q=0.2, application/json;q=0.9", Format::Json),
            ("text/html, text/csv;q=0.9, application/ndjson;q=0.9", csv),
        ] {
            assert_eq!(parse(accept.split(',')), expected, "{accept}");
        }
    }
}
