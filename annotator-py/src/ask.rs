//! Questions that a call waits for: may this tenant use more? They never go through the queue.

use std::io::Read as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use ureq::Agent;
use ureq::http::{StatusCode, header};

use crate::config::Config;
use crate::delivery::random_below;
use crate::lock;
use crate::sender::{self, Reason};

/// Before the same question is asked again, doubled each time, with full jitter.
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of an answer that are read: a decision names a handful of limits.
const MAX_ANSWER_BYTES: u64 = 256 << 10;

/// Where a process asks. The child of a fork needs another one: this one's locks may be held.
#[derive(Default)]
pub(crate) struct Asker(std::sync::Mutex<Option<(Arc<Config>, Agent)>>);

/// What came of one request.
enum Reply {
    Answered(StatusCode, String),
    /// Nobody knows; not again before `retry_after`.
    Unknown {
        reason: String,
        retry_after: Duration,
    },
}

impl Asker {
    /// The status and the text of the answer to `POST path`; an error says why there is none. What
    /// may not have arrived is sent again, the same bytes, until `timeout` is over.
    pub(crate) fn ask(
        &self,
        py: Python<'_>,
        config: &Arc<Config>,
        path: &str,
        body: &str,
        timeout: Duration,
    ) -> PyResult<Result<(u16, String), String>> {
        let deadline = Instant::now() + timeout;
        let Some(api_key) = &config.api_key else {
            return Ok(Err("there is no API key".to_owned()));
        };
        // Taken while the interpreter is attached: no other thread can fork meanwhile.
        let agent = self.agent(config);
        let url = config.url(path);
        let mut why = "it was too late to ask".to_owned();
        let mut pause = PAUSE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Err(why));
            }
            match py.detach(|| post(&agent, &url, api_key, body, left)) {
                Reply::Answered(status, text) => return Ok(Ok((status.as_u16(), text))),
                Reply::Unknown {
                    reason,
                    retry_after,
                } => {
                    why = reason;
                    let wait = retry_after.max(random_below(pause));
                    if Instant::now() + wait >= deadline {
                        return Ok(Err(why));
                    }
                    py.detach(|| thread::sleep(wait));
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
            py.check_signals()?;
        }
    }

    fn agent(&self, config: &Arc<Config>) -> Agent {
        if let Some((made_for, agent)) = &*lock(&self.0)
            && Arc::ptr_eq(made_for, config)
        {
            return agent.clone();
        }
        // Making one reads certificates: not while others wait, and while C code may fork.
        let agent = sender::agent(config);
        *lock(&self.0) = Some((Arc::clone(config), agent.clone()));
        agent
    }

    /// For the child of a fork.
    pub(crate) fn abandon(&self) {
        if let Ok(mut kept) = self.0.try_lock() {
            std::mem::forget(kept.take());
        }
    }
}

fn post(agent: &Agent, url: &str, api_key: &str, body: &str, timeout: Duration) -> Reply {
    let unknown = |reason| Reply::Unknown {
        reason,
        retry_after: Duration::ZERO,
    };
    let sent = agent
        .post(url)
        .config()
        .timeout_global(Some(timeout))
        .build()
        .header(header::AUTHORIZATION, format!("Bearer {api_key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .send(body);
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return unknown(error.to_string()),
    };
    let mut text = String::new();
    let read = response
        .body_mut()
        .as_reader()
        .take(MAX_ANSWER_BYTES)
        .read_to_string(&mut text);
    if let Err(error) = read {
        return unknown(format!("the answer broke off: {error}"));
    }
    let status = response.status();
    if status.is_success() || status.is_client_error() && !sender::asks_to_come_back(status) {
        return Reply::Answered(status, text);
    }
    let reason: Reason = serde_json::from_str(&text).unwrap_or_default();
    Reply::Unknown {
        reason: format!("{} {}", status.as_u16(), reason.detail),
        retry_after: sender::retry_after(response.headers()).unwrap_or_default(),
    }
}
