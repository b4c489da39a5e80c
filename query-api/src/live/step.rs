//! What travels from the one reader of the log to everybody who follows it.

use std::sync::Arc;

use metering_core::Event;
use metering_store::aggregates::Names;
use serde_json::{Map, Value};

use super::marks::Marks;

/// Bytes of the events of one step, its last event aside.
const MAX_STEP_BYTES: usize = 64 * 1024;

/// An event that has just been persisted, as it is sent.
#[derive(Debug)]
pub(crate) struct LiveEvent {
    pub(crate) seq: u64,
    pub(crate) index: u32,
    event: Event,
    /// Its lines in the stream, without the id.
    pub(crate) lines: String,
}

/// The next piece of the log.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Events of one partition, in the order of the log.
    Events {
        partition: u16,
        events: Arc<[LiveEvent]>,
    },
    /// Some of the log is left out, up to these marks.
    Skipped(Arc<Marks>),
}

/// Which events somebody wants; all conditions hold.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) names: Names,
    /// Members of the metadata and the text of their values, as a listing takes them.
    pub(crate) metadata: Vec<(String, String)>,
}

impl LiveEvent {
    pub(crate) fn new((seq, index, event): (u64, u32, Event)) -> Self {
        let json = serde_json::to_string(&event).expect("an event always serialises");
        Self {
            seq,
            index,
            event,
            lines: format!("data: {json}\n\n"),
        }
    }
}

/// Steps of so many bytes that a slow client's buffer stays small.
pub(crate) fn steps(partition: u16, events: Vec<LiveEvent>) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut step, mut bytes) = (Vec::new(), 0);
    for event in events {
        bytes += event.lines.len();
        step.push(event);
        if bytes >= MAX_STEP_BYTES {
            steps.push(std::mem::take(&mut step));
            bytes = 0;
        }
    }
    steps.extend((!step.is_empty()).then_some(step));
    let events = steps.into_iter().map(Arc::from);
    events
        .map(|events| Step::Events { partition, events })
        .collect()
}

impl Selection {
    pub(crate) fn matches(&self, live: &LiveEvent) -> bool {
        let event = &live.event;
        self.names_match(&event.tenant_id, &event.resource, &event.feature)
            && (self.metadata.is_empty() || self.metadata_matches(event.metadata.get()))
    }

    pub(crate) fn names_match(&self, tenant_id: &str, resource: &str, feature: &str) -> bool {
        let same = |wanted: &Option<String>, name| wanted.as_deref().is_none_or(|w| w == name);
        same(&self.names.tenant, tenant_id)
            && same(&self.names.resource, resource)
            && same(&self.names.feature, feature)
    }

    fn metadata_matches(&self, metadata: &str) -> bool {
        let Ok(members) = serde_json::from_str::<Map<String, Value>>(metadata) else {
            return false;
        };
        let mut conditions = self.metadata.iter();
        conditions.all(|(name, text)| members.get(name).is_some_and(|value| is(value, text)))
    }
}

/// Whether `text` is a value, or says it.
fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string == text,
        Value::Array(_) | Value::Object(_) => false,
        Value::Number(number) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Number(said)) => said == *number || said.as_f64() == number.as_f64(),
            Ok(_) | Err(_) => false,
        },
        Value::Bool(truth) => text == if *truth { "true" } else { "false" },
        Value::Null => text == "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_metadata_mean_what_they_mean_in_a_listing() {
        let metadata = r#"{"n":1.0,"ok":true,"none":null,"s":"1","a":{"b":"c"},"l":["x"]}"#;
        for (name, text, expected) in [
            ("n", "1", true),
            ("n", "1.00", true),
            ("n", "2", false),
            ("n", "one", false),
            ("ok", "true", true),
            ("ok", "false", false),
            ("none", "null", true),
            ("s", "1", true),
            ("s", "1.0", false),
            ("a", "c", false),
            ("l", "x", false),
            ("absent", "null", false),
        ] {
            let selection = Selection {
                names: Names::default(),
                metadata: vec![(name.to_owned(), text.to_owned())],
            };
            let matches = selection.metadata_matches(metadata);
            assert_eq!(matches, expected, "{name}={text}");
        }
    }

    #[test]
    fn a_step_is_small() {
        let event = |index| {
            let event = Event {
                id: uuid::Uuid::from_u128(index),
                tenant_id: "t".to_owned(),
                resource: "r".to_owned(),
                feature: "f".to_owned(),
                quantity: 1,
                timestamp: chrono::DateTime::UNIX_EPOCH,
                metadata: serde_json::value::to_raw_value(&"m".repeat(8000)).unwrap(),
            };
            LiveEvent::new((1, u32::try_from(index).unwrap(), event))
        };
        let steps = steps(0, (0..20).map(event).collect());
        let lengths = steps.iter().map(|step| match step {
            Step::Events { events, .. } => events.len(),
            Step::Skipped(_) => 0,
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [9, 9, 2]);
    }
}
