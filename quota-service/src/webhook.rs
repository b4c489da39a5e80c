//! Delivers alerts: signed webhooks (Standard Webhooks), at least once each, with the same id.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::Uri;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use metering_core::event::rfc3339;
use metering_store::alert::{self, Alert};
use metering_store::sqlx;
use serde_json::json;
use service_kit::clock;
use standardwebhooks::Webhook;
use tokio::time::sleep;

use crate::receiver::{Reach, Receiver, SendError};
use crate::state::QuotaState;

/// How often due alerts are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Alerts that one process delivers at a time.
const AT_ONCE: u8 = 10;
/// Longer than an attempt may take: the alerts of a sender that died are sent by another one then.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// An alert that nobody took for so long is given up: it is old news, and a receiver that is named
/// today does not want those of last year.
const LIFETIME: TimeDelta = TimeDelta::days(7);

/// Who is told that a threshold was crossed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Alerts")]
pub struct WebhookConfig {
    /// URL that alerts of crossed thresholds are posted to, signed as Standard Webhooks [default:
    /// nobody is told]
    #[arg(
        long = "alert-webhook-url",
        env = "METERD_ALERT_WEBHOOK_URL",
        value_name = "URL",
        requires = "alert_webhook_secret"
    )]
    url: Option<String>,

    /// Secret that they are signed with: `whsec_` and 24 to 64 bytes in base64
    #[arg(
        id = "alert_webhook_secret",
        long = "alert-webhook-secret",
        env = "METERD_ALERT_WEBHOOK_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    secret: Option<String>,

    /// Let the receiver have an address of this machine or of a private network
    #[arg(
        long = "alert-webhook-allow-private",
        env = "METERD_ALERT_WEBHOOK_ALLOW_PRIVATE"
    )]
    allow_private: bool,
}

impl WebhookConfig {
    /// What is posted to, if anything is.
    ///
    /// Errors: a URL or a secret that cannot work, an address that is refused.
    pub(crate) fn receiver(&self) -> Result<Option<(Receiver, Webhook)>> {
        // Compose passes on what nobody has set as an empty text.
        let Some(url) = self.url.as_deref().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let url: Uri = url.parse().context("METERD_ALERT_WEBHOOK_URL")?;
        let Some(host) = url.host().filter(|_| is_http(&url)) else {
            bail!("METERD_ALERT_WEBHOOK_URL must be http:// or https://, a host and a path");
        };
        if url.authority().is_some_and(|a| a.as_str().contains('@')) {
            bail!("METERD_ALERT_WEBHOOK_URL must have no user in it; the signature says who sends");
        }
        let reach = if self.allow_private {
            Reach::Private
        } else {
            Reach::Public
        };
        // A literal address is never looked up.
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            reach.check(address).context("METERD_ALERT_WEBHOOK_URL")?;
        }
        let secret = self.secret.as_deref().filter(|secret| !secret.is_empty());
        let webhook = secret.map(Webhook::new).transpose().ok().flatten();
        let webhook = webhook.context("METERD_ALERT_WEBHOOK_SECRET must be `whsec_` and base64")?;
        Ok(Some((Receiver::new(url, reach)?, webhook)))
    }
}

fn is_http(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("http" | "https"))
}

/// Sends for ever, if there is a receiver.
pub(crate) async fn run(state: QuotaState) {
    let receiver = match state.config.webhook.receiver() {
        Ok(Some(receiver)) => receiver,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, "alerts are not delivered"),
    };
    let (receiver, webhook) = receiver;
    let sender = Sender {
        state,
        receiver,
        webhook,
    };
    loop {
        match sender.deliver_due().await {
            Ok(tried) if tried == usize::from(AT_ONCE) => {}
            Ok(_) => sleep(TICK).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "cannot look for alerts");
                sleep(TICK).await;
            }
        }
    }
}

struct Sender {
    state: QuotaState,
    receiver: Receiver,
    webhook: Webhook,
}

impl Sender {
    /// Tries what is due once, and returns how much that was.
    async fn deliver_due(&self) -> Result<usize, sqlx::Error> {
        let now = clock::now();
        let mut conn = self.state.store.pool().acquire().await?;
        let lease = (now, now + LEASE);
        let due = alert::lease(&mut conn, AT_ONCE, now - LIFETIME, lease).await?;
        drop(conn);
        let delivered = join_all(due.iter().map(|alert| self.deliver(alert))).await;
        delivered.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(due.len())
    }

    async fn deliver(&self, alert: &Alert) -> Result<(), sqlx::Error> {
        let sent = self.send(alert, clock::now()).await;
        let now = clock::now();
        let mut conn = self.state.store.pool().acquire().await?;
        let result = if sent.is_ok() { "delivered" } else { "failed" };
        let deliveries = &self.state.metrics().deliveries;
        deliveries.with_label_values(&[result]).inc();
        let Err(error) = sent else {
            return alert::set_delivered(&mut conn, alert.id, now).await;
        };
        let next = now + pause(alert.attempts);
        alert::set_failed(&mut conn, alert.id, &error.to_string(), next).await?;
        tracing::warn!(
            alert.id = %alert.id,
            alert.attempts,
            alert.next_attempt_at = %next,
            error = &error as &dyn Error,
            "an alert was not delivered"
        );
        Ok(())
    }

    async fn send(&self, alert: &Alert, now: DateTime<Utc>) -> Result<(), SendError> {
        let (id, at, body) = (alert.id.to_string(), now.timestamp(), body(alert));
        let signature = self.webhook.sign(&id, at, body.as_bytes());
        let headers = [
            (standardwebhooks::HEADER_WEBHOOK_ID, id),
            (standardwebhooks::HEADER_WEBHOOK_TIMESTAMP, at.to_string()),
            (
                standardwebhooks::HEADER_WEBHOOK_SIGNATURE,
                signature.expect("JSON is UTF-8"),
            ),
        ];
        self.receiver.post(headers, body).await
    }
}

/// After so many failed attempts.
fn pause(attempts: i32) -> Duration {
    let mut pauses = ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .build();
    let before = usize::try_from(attempts - 1).unwrap_or(0);
    pauses.nth(before).unwrap_or(LONGEST_PAUSE)
}

/// What is told of an alert.
pub(crate) fn body(alert: &Alert) -> String {
    json!({
        "type": format!("quota.{}", alert.kind),
        "timestamp": rfc3339(alert.raised_at),
        "data": {
            "id": alert.id,
            "quota_id": alert.quota_id,
            "tenant_id": alert.tenant_id,
            "feature": alert.feature,
            "limit": alert.limit,
            "alert_threshold": alert.threshold,
            "used": alert.used,
            "window_start": rfc3339(alert.window_start),
            "reset_at": alert.window_end.map(rfc3339),
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        assert_eq!(pause(1), Duration::from_secs(1));
        assert_eq!(pause(4), Duration::from_secs(8));
        assert_eq!(pause(100), LONGEST_PAUSE);
    }

    #[test]
    fn a_receiver_that_cannot_work_is_refused_with_a_reason() {
        let receiver = |url: &'static str, secret: &str, allow_private| {
            let config = WebhookConfig {
                url: Some(url.to_owned()),
                secret: Some(secret.to_owned()),
                allow_private,
            };
            config.receiver().map(|receiver| receiver.is_some())
        };
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(receiver("https://example.com/hook", secret, false).is_ok());
        assert!(receiver("http://[::1]:8080/", secret, true).is_ok());
        assert_eq!(receiver("", "", false).ok(), Some(false));
        for (url, secret, allow_private) in [
            ("example.com", secret, false),
            ("https://example.com/a b", secret, false),
            ("https://example.com/", "", false),
            ("ftp://example.com/", secret, false),
            ("https://user:password@example.com/", secret, false),
            ("https://example.com/", "whsec_*", false),
            ("http://127.0.0.1/", secret, false),
            ("http://[::ffff:10.0.0.1]/", secret, false),
            ("http://169.254.169.254/latest", secret, true),
        ] {
            let refused = receiver(url, secret, allow_private);
            let error = format!("{:#}", refused.expect_err(url));
            assert!(error.contains("METERD_ALERT_WEBHOOK"), "{url}: {error}");
        }
    }
}
