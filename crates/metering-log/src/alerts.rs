//! Raised alerts for whoever listens at the broker: a stream that keeps them for a week.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{Context, stream};

use crate::backend::{BackendError, unavailable};
use crate::topology::{ALERT_STREAM, ALERTS};

/// How long the broker may take to store one.
const TIMEOUT: Duration = Duration::from_millis(1500);
const MAX_AGE: Duration = Duration::from_hours(7 * 24);
/// Some 30,000 alerts; the oldest make room.
const MAX_BYTES: i64 = 16 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct AlertStream {
    jetstream: Context,
    replicas: usize,
}

impl AlertStream {
    pub fn new(client: &Client, replicas: usize) -> Self {
        let jetstream = ContextBuilder::new()
            .timeout(TIMEOUT)
            .ack_timeout(TIMEOUT)
            .build(client.clone());
        Self {
            jetstream,
            replicas,
        }
    }

    /// Creates the stream if there is none.
    pub async fn open(&self) -> Result<(), BackendError> {
        let config = stream::Config {
            name: ALERT_STREAM.to_owned(),
            subjects: vec![ALERTS.to_owned()],
            max_age: MAX_AGE,
            max_bytes: MAX_BYTES,
            num_replicas: self.replicas,
            ..stream::Config::default()
        };
        let opened = Box::pin(self.jetstream.get_or_create_stream(config));
        opened.await.map(drop).map_err(unavailable)
    }

    /// Returns once the broker has stored it. What it had with this id two minutes ago or less it
    /// does not store again.
    pub async fn publish(&self, id: &str, body: String) -> Result<(), BackendError> {
        let message = PublishMessage::build().message_id(id).payload(body.into());
        let sent = self.jetstream.send_publish(ALERTS, message).await;
        sent.map_err(unavailable)?.await.map_err(unavailable)?;
        Ok(())
    }
}
