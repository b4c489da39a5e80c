//! The log in NATS JetStream: one file-backed stream a partition, so that its sequences have no
//! gaps of their own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    self, DiscardPolicy, RawMessageErrorKind, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectOptions, ServerAddr};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use uuid::Uuid;

use crate::backend::{Backend, BackendError, Durability, Message, StreamInfo, unavailable};
use crate::topology;

/// The oldest server whose behaviour the tests have seen.
const MINIMUM_VERSION: (u64, u64) = (2, 14);
/// Where a stream's metadata keeps its incarnation.
const INCARNATION: &str = "meterd_incarnation";
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
/// Bytes a reader has on the way: a few envelopes, so that a worker's memory stays small.
const READ_AHEAD_BYTES: usize = 4 * 1024 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// May hold a user and a password.
    pub url: String,
    /// The server's monitoring port, the only place that tells whether it fsyncs.
    pub monitor_url: Option<String>,
    pub generation: u32,
    pub replicas: usize,
    pub max_bytes_per_partition: i64,
    /// How long any answer of the broker may take.
    pub timeout: Duration,
    /// Go on with a server that acknowledges before it fsyncs.
    pub allow_async_durability: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the NATS URL is malformed")]
    Url(#[source] std::io::Error),
    #[error("cannot connect to NATS")]
    Connect(#[from] async_nats::ConnectError),
    #[error("NATS {0} is too old: meterd needs nats-server 2.14 or newer")]
    Version(String),
    #[error("cannot ask NATS' monitoring port whether it fsyncs")]
    Monitor(#[source] reqwest::Error),
    #[error(
        "this nats-server acknowledges messages before they are on disk; set `jetstream {{ sync_interval: always }}` in its configuration, or pass --allow-async-durability to accept that a power cut loses acknowledged events"
    )]
    NotSynced,
    #[error(
        "this nats-server acknowledges messages before they are on disk, and the one that meterd started with did not; restart meterd to go on with it"
    )]
    Weaker,
}

pub struct NatsBackend {
    client: Client,
    jetstream: Context,
    config: NatsConfig,
    durability: Durability,
    /// The link whose server was found to be good.
    verified: AtomicU64,
}

impl NatsBackend {
    /// Connects and refuses a server that is too old or does not fsync.
    pub async fn connect(config: NatsConfig) -> Result<Self, ConnectError> {
        let address: ServerAddr = config.url.parse().map_err(ConnectError::Url)?;
        let mut options = ConnectOptions::new()
            .name("meterd")
            .ping_interval(PING_INTERVAL)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(config.timeout))
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(100 * attempts.min(10) as u64)
            });
        if let (Some(user), Some(password)) = (address.username(), address.password()) {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        let client = options.connect(address).await?;
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(config.timeout)
            .ack_timeout(config.timeout)
            .build(client.clone());
        let durability = check_server(&client, &config).await?;
        let verified = AtomicU64::new(connects(&client));
        Ok(Self {
            client,
            jetstream,
            config,
            durability,
            verified,
        })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// After a reconnect the server may be another one.
    async fn verify(&self) -> Result<(), ConnectError> {
        let link = connects(&self.client);
        if self.verified.load(Ordering::Relaxed) != link {
            let found = check_server(&self.client, &self.config).await?;
            if found == Durability::Async && self.durability != found {
                return Err(ConnectError::Weaker);
            }
            self.verified.store(link, Ordering::Relaxed);
        }
        Ok(())
    }

    fn stream(&self, partition: u16) -> String {
        topology::stream(self.config.generation, partition)
    }

    async fn get_stream(&self, partition: u16) -> Result<stream::Stream, BackendError> {
        self.jetstream
            .get_stream(self.stream(partition))
            .await
            .map_err(|error| match error.kind() {
                jetstream::context::GetStreamErrorKind::JetStream(e)
                    if e.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    BackendError::NoSuchStream(partition)
                }
                _ => unavailable(error),
            })
    }

    async fn create(&self, partition: u16) -> Result<StreamInfo, BackendError> {
        let config = stream::Config {
            name: self.stream(partition),
            subjects: vec![topology::nats_subject(self.config.generation, partition)],
            storage: StorageType::File,
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::New,
            max_bytes: self.config.max_bytes_per_partition,
            num_replicas: self.config.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            deny_delete: true,
            metadata: HashMap::from([(INCARNATION.to_owned(), Uuid::new_v4().to_string())]),
            ..stream::Config::default()
        };
        match self.jetstream.create_stream(config).await {
            Ok(created) => stream_info(created.cached_info()),
            // Somebody else was faster, with an incarnation of their own: theirs counts.
            Err(error) => match self.get_stream(partition).await {
                Ok(found) => stream_info(found.cached_info()),
                Err(BackendError::NoSuchStream(_)) => Err(unavailable(error)),
                Err(other) => Err(other),
            },
        }
    }

    async fn publish_and_wait(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> Result<u64, BackendError> {
        // The client would keep it until there is a link again, long after its caller was told.
        if self.client.connection_state() != State::Connected {
            return Err(BackendError::NotSent("the link is down".into()));
        }
        self.verify()
            .await
            .map_err(|error| BackendError::NotSent(error.into()))?;
        let nats_subject = topology::nats_subject(self.config.generation, partition);
        let message = PublishMessage::build()
            .message_id(message_id)
            .expected_stream(self.stream(partition))
            .payload(payload);
        let acknowledged = match self.jetstream.send_publish(nats_subject, message).await {
            Ok(sent) => sent.await,
            Err(error) => Err(error),
        };
        let ack = acknowledged.map_err(|error| match error.kind() {
            PublishErrorKind::TimedOut => BackendError::Timeout,
            PublishErrorKind::StreamNotFound => BackendError::NoSuchStream(partition),
            _ if is_full(&error) => BackendError::Full,
            _ => unavailable(error),
        })?;
        // If the link broke meanwhile, a server that nobody has looked at may have confirmed it.
        self.verify().await.map_err(unavailable)?;
        Ok(ack.sequence)
    }

    async fn tail(
        &self,
        partition: u16,
        after: u64,
    ) -> Result<BoxStream<'static, Result<Message, BackendError>>, BackendError> {
        // Without acknowledgements the server redelivers nothing and retires nothing; the reader
        // itself sees to the order.
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: after + 1,
            },
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = self
            .get_stream(partition)
            .await?
            .create_consumer(config)
            .await
            .map_err(unavailable)?;
        let messages = consumer
            .stream()
            .max_bytes_per_batch(READ_AHEAD_BYTES)
            .max_messages_per_batch(10_000)
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(2))
            .messages()
            .await
            .map_err(unavailable)?;
        Ok(messages
            .map(|message| delivered(&message.map_err(unavailable)?))
            .boxed())
    }
}

fn delivered(message: &jetstream::Message) -> Result<Message, BackendError> {
    let info = message.info().map_err(BackendError::Unavailable)?;
    let (seq, stream_time) = (info.stream_sequence, to_chrono(info.published));
    Ok(Message {
        seq,
        stream_time,
        payload: message.payload.clone(),
    })
}

fn to_chrono(time: time::OffsetDateTime) -> DateTime<Utc> {
    DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())
        .unwrap_or(DateTime::UNIX_EPOCH)
}

fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<jetstream::Error>());
    cause.is_some_and(|cause| {
        matches!(
            cause.error_code(),
            ErrorCode::STREAM_STORE_FAILED
                | ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED
                | ErrorCode::INSUFFICIENT_RESOURCES
        )
    })
}

fn stream_info(info: &stream::Info) -> Result<StreamInfo, BackendError> {
    let incarnation = info
        .config
        .metadata
        .get(INCARNATION)
        .and_then(|text| text.parse().ok());
    Ok(StreamInfo {
        incarnation: incarnation.ok_or_else(|| BackendError::Foreign(info.config.name.clone()))?,
        first_seq: info.state.first_sequence.max(1),
        last_seq: info.state.last_sequence,
        bytes: info.state.bytes,
        max_bytes: u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
    })
}

async fn check_server(client: &Client, config: &NatsConfig) -> Result<Durability, ConnectError> {
    let version = client.server_info().version;
    let mut numbers = version
        .split(['.', '-'])
        .map(|part| part.parse::<u64>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < MINIMUM_VERSION {
        return Err(ConnectError::Version(version));
    }
    let Some(monitor) = &config.monitor_url else {
        tracing::warn!(
            "METERD_NATS_MONITOR_URL is not set, so nobody knows whether NATS fsyncs; answers say `durability: unverified`"
        );
        return Ok(Durability::Unverified);
    };
    let varz = async {
        let url = format!("{}/varz", monitor.trim_end_matches('/'));
        reqwest::Client::new()
            .get(url)
            .timeout(config.timeout)
            .send()
            .await?
            .error_for_status()?
            .json::<serde_json::Value>()
            .await
    };
    let varz = varz.await.map_err(ConnectError::Monitor)?;
    match varz["jetstream"]["config"]["sync_always"].as_bool() {
        Some(true) => Ok(Durability::Fsync),
        _ if config.allow_async_durability => Ok(Durability::Async),
        _ => Err(ConnectError::NotSynced),
    }
}

impl Backend for NatsBackend {
    fn ensure(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>> {
        async move {
            match self.info(partition).await {
                Err(BackendError::NoSuchStream(_)) => self.create(partition).await,
                found => found,
            }
        }
        .boxed()
    }

    fn info(&self, partition: u16) -> BoxFuture<'_, Result<StreamInfo, BackendError>> {
        async move { stream_info(self.get_stream(partition).await?.cached_info()) }.boxed()
    }

    fn publish(
        &self,
        partition: u16,
        message_id: String,
        payload: Bytes,
    ) -> BoxFuture<'_, Result<u64, BackendError>> {
        self.publish_and_wait(partition, message_id, payload)
            .boxed()
    }

    fn get(
        &self,
        partition: u16,
        seq: u64,
    ) -> BoxFuture<'_, Result<Option<Message>, BackendError>> {
        async move {
            // Asks the leader: a replica that lags would make a gap of what it does not have yet.
            let stream = self.get_stream(partition).await?;
            match stream.get_raw_message(seq).await {
                Ok(found) => Ok(Some(Message {
                    seq,
                    stream_time: to_chrono(found.time),
                    payload: found.payload,
                })),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(unavailable(error)),
            }
        }
        .boxed()
    }

    fn read(
        &self,
        partition: u16,
        after: u64,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Message, BackendError>>, BackendError>>
    {
        self.tail(partition, after).boxed()
    }

    fn purge(&self, partition: u16, seq: u64) -> BoxFuture<'_, Result<(), BackendError>> {
        async move {
            let stream = self.get_stream(partition).await?;
            // The broker purges what lies below the given sequence.
            stream
                .purge()
                .sequence(seq + 1)
                .await
                .map(|_| ())
                .map_err(unavailable)
        }
        .boxed()
    }

    fn link(&self) -> u64 {
        connects(&self.client)
    }
}
