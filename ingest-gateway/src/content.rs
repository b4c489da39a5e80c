//! How a request's events are written, from its headers alone.

use axum::http::{HeaderMap, HeaderName, header};
use metering_core::cloud_event::is_json;
use metering_core::parse::Format;

use crate::error::IngestError;

/// The prefix of the headers that carry a CloudEvent's attributes.
const ATTRIBUTE_PREFIX: &str = "ce-";
/// The attributes every CloudEvent has: with any of them in a header the binary mode is meant.
const REQUIRED_ATTRIBUTES: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The body holds whole events.
    Events(Format),
    /// The headers hold one CloudEvent's attributes and the body its data.
    BinaryCloudEvent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// Without a Content-Type the body is taken for JSON. Parameters such as `charset=utf-8` are passed
/// over: all that is read is UTF-8 anyway.
pub(crate) fn content(headers: &HeaderMap) -> Result<Content, IngestError> {
    let value = only(headers, &header::CONTENT_TYPE).ok_or(IngestError::MediaType)?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    let format = match media_type.to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => Format::CloudEvent,
        "application/cloudevents-batch+json" => Format::CloudEventBatch,
        json if is_binary_cloud_event(headers) => {
            let is_data = json.is_empty() || is_json(json);
            return is_data
                .then_some(Content::BinaryCloudEvent)
                .ok_or(IngestError::MediaType);
        }
        "" | "application/json" => Format::Json,
        "application/x-ndjson" => Format::Ndjson,
        _ => return Err(IngestError::MediaType),
    };
    Ok(Content::Events(format))
}

/// One encoding at most: each one on top of another multiplies what a small body can inflate to.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, IngestError> {
    let value = only(headers, &header::CONTENT_ENCODING).ok_or(IngestError::Encoding)?;
    match value.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(IngestError::Encoding),
    }
}

/// The attributes of a CloudEvent in binary mode, without their prefix.
pub(crate) fn attributes(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().filter_map(|(name, value)| {
        let attribute = name.as_str().strip_prefix(ATTRIBUTE_PREFIX)?;
        Some((attribute, value.as_bytes()))
    })
}

fn is_binary_cloud_event(headers: &HeaderMap) -> bool {
    REQUIRED_ATTRIBUTES
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// The value of a header, empty where it is missing; `None` if there are several or it is no text.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map_or(Some(""), |value| value.to_str().ok());
    first.filter(|_| values.next().is_none()).map(str::trim)
}
