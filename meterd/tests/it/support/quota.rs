//! A caller of the quota service, who asks again after every 503 with the same id.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use api_conformance::{Answer, Description};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

/// Longer than anything these tests wait for takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// What every answer is held to.
static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    let committed = include_str!("../../../../docs/openapi.json");
    Description::new(serde_json::from_str(committed).expect("JSON"))
});

fn path_of(url: &str) -> String {
    let url: reqwest::Url = url.parse().expect("a URL");
    url.path().to_owned()
}

#[derive(Clone)]
pub(crate) struct Caller {
    /// Of services that may all be asked.
    urls: Vec<String>,
    /// Where events go.
    gateway: String,
    key: String,
    client: Client,
}

impl Caller {
    pub(crate) fn new(url: &str, key: &str) -> Self {
        Self::of(vec![url.to_owned()], url, key)
    }

    pub(crate) fn of(urls: Vec<String>, gateway: &str, key: &str) -> Self {
        Self {
            urls,
            gateway: gateway.to_owned(),
            key: key.to_owned(),
            client: Client::new(),
        }
    }

    async fn call(
        &self,
        method: Method,
        url: String,
        body: String,
    ) -> reqwest::Result<(u16, Value)> {
        let (called, path) = (method.clone(), path_of(&url));
        let request = self.client.request(method, url).bearer_auth(&self.key);
        let request = request.header("content-type", "application/json");
        let answer = request.body(body).send().await?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("content-type").cloned();
        let text = answer.text().await?;
        DESCRIPTION.check(Answer {
            method: called.as_str(),
            path: &path,
            status,
            content_type: content_type
                .as_ref()
                .map_or("", |value| value.to_str().expect("a text")),
            body: text.as_bytes(),
        });
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    async fn at(&self, method: Method, path: &str, body: String) -> (u16, Value) {
        let url = format!("{}{path}", self.urls[0]);
        let answer = self.call(method, url, body).await;
        answer.expect("the service answers")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.at(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: &str) -> (u16, Value) {
        self.at(Method::POST, path, body.to_owned()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.at(Method::GET, path, String::new()).await.1
    }

    pub(crate) async fn validate(&self, body: &Value) -> (u16, Value) {
        self.post("/v1/meter/validate", body).await
    }

    pub(crate) async fn try_put(&self, quota: &Value) -> (u16, Value) {
        let path = "/v1/meter/quotas";
        self.at(Method::PUT, path, quota.to_string()).await
    }

    /// Sets a quota and returns when it is enforced.
    pub(crate) async fn put(&self, quota: &Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, answer) = self.try_put(quota).await;
            if status == 200 {
                assert_eq!(answer["status"], "active");
                return;
            }
            assert!(status == 503 && Instant::now() < deadline, "{answer}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks, at one service after the other, until there is a decision.
    pub(crate) async fn decide(&self, body: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        for url in self.urls.iter().cycle() {
            let url = format!("{url}/v1/meter/validate");
            // A service that was killed has no answer either.
            match self.call(Method::POST, url, body.to_string()).await {
                Ok((200, answer)) => return answer,
                Ok((status, answer)) => assert_eq!(status, 503, "{answer}"),
                Err(_) => {}
            }
            assert!(Instant::now() < deadline, "no decision in time");
            tokio::time::sleep(POLL).await;
        }
        unreachable!("a cycle has no end")
    }

    /// Asks until it is refused for a reason that begins with `reason`.
    pub(crate) async fn until_refused(&self, body: &Value, reason: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, answer) = self.validate(body).await;
            let detail = answer["detail"].as_str().unwrap_or_default();
            if status == 503 && detail.starts_with(reason) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{answer}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Looks until `done`.
    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if done(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: {answer}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends an event of now and returns when it is acknowledged.
    pub(crate) async fn report(&self, tenant_id: &str, feature: &str, quantity: i64) {
        let event = json!({
            "id": Uuid::now_v7(), "tenant_id": tenant_id, "resource": "r", "feature": feature,
            "quantity": quantity,
        });
        self.send(&event).await;
    }

    pub(crate) async fn send(&self, event: &Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let url = format!("{}/v1/meter/events", self.gateway);
            match self.call(Method::POST, url, event.to_string()).await {
                Ok((202, _)) => return,
                Ok((status, answer)) => assert_eq!(status, 503, "{answer}"),
                Err(_) => {}
            }
            assert!(Instant::now() < deadline, "not acknowledged in time");
            tokio::time::sleep(POLL).await;
        }
    }
}
