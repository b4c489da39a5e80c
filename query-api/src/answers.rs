//! Answers that cost something, kept in Redis under what they are made of: the question, and the
//! version of the days that it asks about. A late event makes another version and is seen at once;
//! nothing has to be taken back, and what nobody asks for any more goes by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::KeysInterface as _;
use fred::types::Expiration;
use metering_log::topology;
use service_kit::metrics::IntCounterVec;
use service_kit::redis;
use tokio::time::Instant;

/// Seconds.
const KEPT_FOR: i64 = 3600;
/// Larger ones take Redis longer than they are worth.
const MAX_BYTES: usize = 1 << 20;
/// For so long a Redis that failed is not asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of looking for an answer.
const HIT: &str = "hit";
const MISS: &str = "miss";
const FAILED: &str = "failed";

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Answers {
    /// `None`: nothing is kept.
    redis: Option<Client>,
    failed_at: Arc<Mutex<Option<Instant>>>,
    asked: IntCounterVec,
}

impl Answers {
    pub(crate) fn new(redis_url: Option<&str>, asked: IntCounterVec) -> Self {
        let redis = redis_url.map(redis::connect).transpose();
        let redis = redis.unwrap_or_else(|error| {
            tracing::error!(%error, "METERD_REDIS_URL is none; answers are not kept");
            None
        });
        for outcome in [HIT, MISS, FAILED] {
            // Shown from the beginning on, as 0.
            asked.with_label_values(&[outcome]);
        }
        Self {
            redis,
            failed_at: Arc::default(),
            asked,
        }
    }

    /// The answer under `tag`, if it is there in time.
    pub(crate) async fn get(&self, tag: &str) -> Option<Bytes> {
        let redis = self.redis()?;
        let found: Result<Option<Bytes>, Error> = redis.get(topology::answer(tag)).await;
        let outcome = match &found {
            Ok(Some(_)) => HIT,
            Ok(None) => MISS,
            Err(error) => {
                self.failed(error);
                FAILED
            }
        };
        self.asked.with_label_values(&[outcome]).inc();
        found.ok().flatten()
    }

    pub(crate) async fn put(&self, tag: &str, answer: &Bytes) {
        let Some(redis) = self.redis().filter(|_| answer.len() <= MAX_BYTES) else {
            return;
        };
        let expires = Some(Expiration::EX(KEPT_FOR));
        let key = topology::answer(tag);
        let kept: Result<(), Error> = redis.set(key, answer.clone(), expires, None, false).await;
        if let Err(error) = kept {
            self.failed(&error);
        }
    }

    fn redis(&self) -> Option<&Client> {
        let failed_at = *self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pauses = failed_at.is_some_and(|at| at.elapsed() < PAUSE);
        self.redis.as_ref().filter(|_| !pauses)
    }

    fn failed(&self, error: &Error) {
        let now = Some(Instant::now());
        let before = std::mem::replace(
            &mut *self
                .failed_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            now,
        );
        // Once, not every second for as long as it is away.
        if before.is_none_or(|at| at.elapsed() > 60 * PAUSE) {
            tracing::warn!(%error, "answers are not kept in Redis");
        }
    }
}
