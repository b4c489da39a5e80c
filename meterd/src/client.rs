//! The command line as a client of the HTTP API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use backon::{ExponentialBuilder, Retryable as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::embedded::datadir::DataDirArgs;
use crate::embedded::roster::Ready;

/// Longer than the server's own bounds for any request.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which meterd, and as whom.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ApiArgs {
    /// Base URL of the API [default: that of the `meterd up` of the data directory]
    #[arg(long, env = "METERD_URL", value_name = "URL")]
    url: Option<String>,

    /// API key; needed with --url [default: the admin key of the data directory]
    #[arg(
        long,
        env = "METERD_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    api_key: Option<String>,

    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// Why a call has no good answer. The texts are for the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("cannot reach meterd; `meterd status` tells whether it runs")]
    Unreachable(#[source] reqwest::Error),
    #[error("meterd answered {status} {code}: {detail}")]
    Refused {
        status: StatusCode,
        code: String,
        detail: String,
        retry_after: Option<Duration>,
        /// The whole answer.
        problem: Value,
    },
    #[error("what answers there is not meterd: status {0} and no JSON")]
    Foreign(StatusCode),
}

impl ApiError {
    /// Whether the same request may succeed in a moment.
    fn passes(&self) -> bool {
        match self {
            ApiError::Unreachable(_) => true,
            ApiError::Refused { status, .. } | ApiError::Foreign(status) => {
                status.is_server_error()
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || *status == StatusCode::REQUEST_TIMEOUT
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            ApiError::Refused { retry_after, .. } => *retry_after,
            ApiError::Unreachable(_) | ApiError::Foreign(_) => None,
        }
    }
}

pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Client {
    pub(crate) fn open(args: &ApiArgs) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // A key must not follow to wherever an answer points.
            .redirect(reqwest::redirect::Policy::none());
        let (http, url, key) = match (&args.url, &args.api_key) {
            (Some(url), Some(key)) => (http, url.clone(), key.clone()),
            // The key of a local installation is not for whoever a URL names.
            (Some(_), None) => {
                bail!("--url needs a key too: pass --api-key, or set METERD_API_KEY")
            }
            (None, key) => {
                let (dir, _) = args.data_dir.locate()?;
                let ready = Ready::read(&dir)?.with_context(|| {
                    format!(
                        "no meterd is ready on {}: start one with `meterd up`, or name one with --url",
                        dir.root().display()
                    )
                })?;
                let key = key.clone().map_or_else(
                    || {
                        std::fs::read_to_string(dir.admin_key()).with_context(|| {
                            let file = dir.admin_key();
                            format!("cannot read {}: pass --api-key", file.display())
                        })
                    },
                    Ok,
                )?;
                (http.no_proxy(), ready.url, key)
            }
        };
        Ok(Self {
            http: http.build().context("cannot set up an HTTP client")?,
            url: url.trim_end_matches('/').to_owned(),
            key: key.trim().to_owned(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// The JSON of a good answer; null where it has no body.
    pub(crate) async fn call(request: RequestBuilder) -> Result<Value, ApiError> {
        let answer = Self::open_answer(request).await?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(ApiError::Unreachable)?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|_| ApiError::Foreign(status))
    }

    /// A good answer whose body is still to be read.
    async fn open_answer(request: RequestBuilder) -> Result<Response, ApiError> {
        let answer = request.send().await.map_err(ApiError::Unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let retry_after = answer.headers().get("retry-after");
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.bytes().await.map_err(ApiError::Unreachable)?;
        let json: Value = serde_json::from_slice(&body).map_err(|_| ApiError::Foreign(status))?;
        let text = |member: &str| json[member].as_str().unwrap_or_default().to_owned();
        Err(ApiError::Refused {
            status,
            code: text("code"),
            detail: text("detail"),
            retry_after: seconds.map(Duration::from_secs),
            problem: json,
        })
    }

    /// Calls again, for as long as `patience`, while the answer may change by itself. For requests
    /// that do no harm when they are done twice.
    pub(crate) async fn call_patiently(
        make: impl Fn() -> RequestBuilder,
        patience: Duration,
    ) -> Result<Value, ApiError> {
        Self::patiently(|| Self::call(make()), patience).await
    }

    /// The same, of an answer whose body is still to be read.
    pub(crate) async fn open_patiently(
        make: impl Fn() -> RequestBuilder,
        patience: Duration,
    ) -> Result<Response, ApiError> {
        Self::patiently(|| Self::open_answer(make()), patience).await
    }

    async fn patiently<T, F: Future<Output = Result<T, ApiError>>>(
        call: impl FnMut() -> F,
        patience: Duration,
    ) -> Result<T, ApiError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_total_delay(Some(patience))
            .with_jitter();
        call.retry(pauses)
            .when(ApiError::passes)
            .adjust(|error, pause| {
                pause.map(|pause| error.retry_after().unwrap_or(pause).min(LONGEST_PAUSE))
            })
            .notify(|error, pause| {
                tracing::warn!("{error}; trying again in {} ms", pause.as_millis());
            })
            .await
    }
}
