//! A receiver of webhooks.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How a receiver answers.
#[derive(Clone)]
pub(crate) enum Answers {
    /// 500 so many times, and 204 from then on.
    FailFirst(usize),
    /// 307 to another URL.
    Elsewhere(String),
}

/// A request that came, its signature verified.
#[derive(Clone, Debug)]
pub(crate) struct Webhooked {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) answered: u16,
}

pub(crate) struct Receiver {
    /// With a port, without a path.
    pub(crate) port: u16,
    state: Arc<Received>,
    _serving: JoinSet<()>,
}

struct Received {
    answers: Answers,
    all: Mutex<Vec<Webhooked>>,
}

impl Receiver {
    pub(crate) async fn start(answers: Answers) -> Self {
        let state = Arc::new(Received {
            answers,
            all: Mutex::default(),
        });
        let router = Router::new()
            .route("/alerts", post(receive))
            .with_state(state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            port,
            state,
            _serving: serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/alerts", self.port)
    }

    /// What has come so far.
    pub(crate) fn all(&self) -> Vec<Webhooked> {
        let all = self.state.all.lock();
        all.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn receive(
    State(state): State<Arc<Received>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    let webhook = Webhook::new(SECRET).expect("a secret");
    webhook.verify(&body, &headers).expect("a good signature");
    let id = headers["webhook-id"].to_str().expect("text").to_owned();
    let mut all = state.all.lock().unwrap_or_else(PoisonError::into_inner);
    let mut answer = HeaderMap::new();
    let status = match &state.answers {
        Answers::FailFirst(failures) if all.len() < *failures => StatusCode::INTERNAL_SERVER_ERROR,
        Answers::FailFirst(_) => StatusCode::NO_CONTENT,
        Answers::Elsewhere(url) => {
            answer.insert(header::LOCATION, url.parse().expect("a URL"));
            StatusCode::TEMPORARY_REDIRECT
        }
    };
    all.push(Webhooked {
        id,
        body: serde_json::from_slice(&body).expect("JSON"),
        answered: status.as_u16(),
    });
    (status, answer)
}
