//! Delivers alerts: signed webhooks (Standard Webhooks), at least once each, with the same id.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metering_core::event::rfc3339;
use metering_store::{alert, sqlx};
use reqwest::{Client, Url};
use serde_json::json;
use service_kit::clock;
use standardwebhooks::{Webhook, WebhookError};
use tokio::net::lookup_host;
use tokio::time::sleep;

use crate::config::WebhookConfig;
use crate::state::QuotaState;

/// How often due alerts are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Alerts that one process delivers at a time.
const AT_ONCE: i64 = 20;
/// A receiver that has not answered by now is tried again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than delivering what was leased takes: a sender that died is replaced after that.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// Pause after the first failure; it doubles with each further one.
const FIRST_BACKOFF: TimeDelta = TimeDelta::seconds(1);
const LONGEST_BACKOFF: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the receiver's name cannot be resolved")]
    Resolve(#[from] std::io::Error),
    #[error("the receiver has no address")]
    NoAddress,
    #[error("{0} is no public address; an alert is not sent there")]
    Refused(IpAddr),
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
    #[error("the receiver answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the secret is no webhook secret")]
    Secret(#[from] WebhookError),
}

/// Sends for ever, if there is a receiver.
pub(crate) async fn run(state: QuotaState) {
    let config = &state.config.webhook;
    let (Some(url), Some(secret)) = (&config.url, &config.secret) else {
        return;
    };
    loop {
        if let Err(error) = deliver_due(&state, url, secret).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look for alerts"
            );
        }
        sleep(TICK).await;
    }
}

async fn deliver_due(state: &QuotaState, url: &Url, secret: &str) -> Result<(), sqlx::Error> {
    let now = clock::now();
    let mut conn = state.store.pool().acquire().await?;
    let due = alert::lease(&mut conn, AT_ONCE, now, now + LEASE).await?;
    drop(conn);
    for alert in due {
        let sent = send(&state.config.webhook, url, secret, &alert).await;
        let now = clock::now();
        let (delivered_at, next) = match &sent {
            Ok(()) => (Some(now), now),
            Err(error) => {
                tracing::warn!(
                    alert.id = %alert.id,
                    alert.attempts,
                    error = error as &dyn std::error::Error,
                    "an alert was not delivered; it is tried again"
                );
                (None, now + backoff(alert.attempts))
            }
        };
        let mut conn = state.store.pool().acquire().await?;
        alert::settle(&mut conn, alert.id, delivered_at, next).await?;
    }
    Ok(())
}

/// After `attempts` failures.
fn backoff(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(16);
    (FIRST_BACKOFF * 2_i32.pow(doublings)).min(LONGEST_BACKOFF)
}

async fn send(
    config: &WebhookConfig,
    url: &Url,
    secret: &str,
    alert: &alert::Alert,
) -> Result<(), SendError> {
    let body = body(alert);
    let at = clock::now().timestamp();
    let id = alert.id.to_string();
    let signature = Webhook::new(secret)?.sign(&id, at, body.as_bytes())?;
    let request = client(config, url)
        .await?
        .post(url.clone())
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", signature)
        .body(body);
    let status = request.send().await?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(SendError::Status(status))
    }
}

/// A client that connects to the addresses that were looked at, and to no others.
async fn client(config: &WebhookConfig, url: &Url) -> Result<Client, SendError> {
    let host = url.host_str().ok_or(SendError::NoAddress)?;
    // Brackets are for URLs.
    let name = host.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = lookup_host((name, port)).await?.collect();
    for address in &addresses {
        let ip = address.ip().to_canonical();
        let allowed = is_public(ip) || (config.allow_loopback && ip.is_loopback());
        if !allowed {
            return Err(SendError::Refused(ip));
        }
    }
    if addresses.is_empty() {
        return Err(SendError::NoAddress);
    }
    Ok(Client::builder()
        .resolve_to_addrs(host, &addresses)
        // A redirect could lead to where a look would not have let it.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?)
}

/// Not private, local, link-local (metadata services), shared, reserved, documentation, multicast.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    let assigned = (a, b, c) == (192, 0, 0);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || shared
        || benchmark
        || assigned)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    // Addresses that carry one of version 4: of translators (64:ff9b::/96), of 6to4 (2002::/16).
    let carried = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    };
    let global = segments[0] & 0xe000 == 0x2000;
    let documentation = segments[0] == 0x2001 && segments[1] == 0xdb8;
    carried.map_or(global && !documentation, is_public_v4)
}

fn body(alert: &alert::Alert) -> String {
    json!({
        "type": format!("quota.{}", alert.kind),
        "timestamp": rfc3339(alert.raised_at),
        "data": {
            "alert_id": alert.id,
            "quota_id": alert.quota_id,
            "tenant_id": alert.tenant_id,
            "feature": alert.feature,
            "limit": alert.limit,
            "alert_threshold": alert.threshold,
            "used": alert.used,
            "window_start": rfc3339(alert.window_start),
            "reset_at": alert.window_end.map(|end: DateTime<Utc>| rfc3339(end)),
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses() {
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
            "100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "192.0.2.1",
            "::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "ff02::1", "2001:db8::1",
            "64:ff9b::a00:1", "2002:a00:1::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn pauses_grow_to_an_hour() {
        assert_eq!(backoff(1), TimeDelta::seconds(1));
        assert_eq!(backoff(4), TimeDelta::seconds(8));
        assert_eq!(backoff(100), LONGEST_BACKOFF);
    }
}
