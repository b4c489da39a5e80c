//! W3C Trace Context: where a request stands in its client's trace.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const SAMPLED: u8 = 1;

/// A request's place in a trace; in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The client's, or the request's own id where it has none. It travels with each event through
    /// the log.
    pub trace_id: Uuid,
    /// The client's span.
    pub parent_id: Option<u64>,
    /// This request's own span.
    pub span_id: u64,
    /// Whether the client records its trace.
    pub sampled: bool,
}

impl TraceContext {
    /// From `traceparent`, if there is one that is well-formed. `span_id` is random.
    pub(crate) fn new(headers: &HeaderMap, request_id: Uuid, span_id: u64) -> Self {
        let mut sent = headers.get_all(TRACEPARENT).iter();
        let parent = match (sent.next(), sent.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse),
            _ => None,
        };
        let (trace_id, parent_id, sampled) = match parent {
            Some((trace_id, parent_id, flags)) => (trace_id, Some(parent_id), flags & SAMPLED != 0),
            None => (request_id, None, true),
        };
        Self {
            trace_id,
            parent_id,
            span_id,
            sampled,
        }
    }

    /// What answers a client that sent one.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.parent_id?;
        let mut text = String::with_capacity(55);
        let (trace, span, flags) = (self.trace_id.simple(), self.span_id, u8::from(self.sampled));
        write!(text, "00-{trace}-{span:016x}-{flags:02x}").ok()?;
        Some((TRACEPARENT, HeaderValue::from_str(&text).ok()?))
    }
}

/// Trace, span and flags. Later versions may have more fields behind these.
fn parse(text: &str) -> Option<(Uuid, u64, u8)> {
    let mut fields = text.split('-');
    let mut hex = |length| {
        let field = fields.next()?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (field.len() == length && field.bytes().all(is_hex)).then_some(field)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let more = fields.next().is_some();
    let trace = u128::from_str_radix(trace, 16).ok()?;
    let span = u64::from_str_radix(span, 16).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let valid = version != "ff" && !(version == "00" && more) && trace != 0 && span != 0;
    valid.then_some((Uuid::from_u128(trace), span, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn context(sent: &[&str]) -> TraceContext {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(TRACEPARENT, value.parse().expect("a header"));
        }
        TraceContext::new(&headers, Uuid::from_u128(7), 9)
    }

    #[test]
    fn a_clients_trace_goes_on() {
        let context = context(&[GOOD]);
        assert_eq!(
            context.trace_id,
            Uuid::from_u128(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c)
        );
        assert_eq!(
            (context.parent_id, context.sampled),
            (Some(0xb7ad_6b71_6920_3331), true)
        );
        let (_, answer) = context.header().expect("an answer");
        assert_eq!(
            answer,
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000009-01"
        );
    }

    #[test]
    fn what_is_malformed_begins_a_trace() {
        let own = context(&[]);
        assert_eq!((own.trace_id, own.parent_id), (Uuid::from_u128(7), None));
        assert!(own.sampled && own.header().is_none());
        for malformed in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333+-01",
        ] {
            assert_eq!(context(&[malformed]), own, "{malformed}");
        }
        assert_eq!(context(&[GOOD, GOOD]), own);
        let later = context(&["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-what"]);
        assert!(later.parent_id.is_some() && !later.sampled);
    }
}
