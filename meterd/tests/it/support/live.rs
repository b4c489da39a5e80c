//! A client of the live stream.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

/// Long for an event that is on its way, short for a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) id: Option<String>,
    /// Empty for an event of usage.
    pub(crate) event: String,
    pub(crate) data: Option<Value>,
}

/// An open stream.
pub(crate) struct Live {
    answer: reqwest::Response,
    /// Bytes that are no whole message yet.
    rest: String,
    /// The last id that it said.
    pub(crate) last_id: Option<String>,
}

impl Live {
    /// Opens the stream of `query` and waits until it follows.
    pub(crate) async fn open(url: &str, key: &str, query: &str, last_id: Option<&str>) -> Self {
        let request = reqwest::Client::new().get(format!("{url}/v1/meter/events/stream?{query}"));
        let mut request = request.bearer_auth(key);
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut live = Self {
            answer,
            rest: String::new(),
            last_id: None,
        };
        let retry = live.next().await.expect("a first message");
        assert_eq!(retry, Said::default());
        live
    }

    /// The next message; `None`: the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let message: String = self.rest.drain(..end + 2).collect();
                let said = parse(&message);
                self.last_id = said.id.clone().or(self.last_id.take());
                return Some(said);
            }
            let chunk = timeout(PATIENCE, self.answer.chunk()).await;
            // A process that stops may reset the connection.
            let chunk = chunk.expect("something is said in time").ok().flatten()?;
            self.rest += std::str::from_utf8(&chunk).expect("text");
        }
    }

    /// The next event of usage.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let said = self.next().await.expect("the stream goes on");
            assert_eq!(said.event, "", "{said:?}");
            if let Some(data) = said.data {
                return data;
            }
        }
    }
}

fn parse(message: &str) -> Said {
    let mut said = Said::default();
    for line in message.lines().filter(|line| !line.is_empty()) {
        match line.split_once(": ").expect("a field") {
            ("id", id) => said.id = Some(id.to_owned()),
            ("event", event) => event.clone_into(&mut said.event),
            ("data", json) => said.data = Some(serde_json::from_str(json).expect("JSON")),
            ("retry", ms) => assert_eq!(ms, "1000"),
            ("", comment) => assert_eq!(comment, "heartbeat"),
            other => panic!("{other:?}"),
        }
    }
    said
}
