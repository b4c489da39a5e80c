//! The API keys that a process knows, and how long its knowledge is good for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::auth::Caller;
use crate::key::{ApiKey, ApiKeySecret, KeyUse};
use crate::metrics::{IntGauge, Metrics, gauge};

/// For this long a key is taken for what it was; a deleted one works no longer than that, however
/// the link to the broker is broken.
pub const STALE_AFTER: Duration = Duration::from_secs(4);
/// How long an unknown key waits for news of it.
const NEWS_WITHIN: Duration = Duration::from_secs(2);

crate::metrics! {
    struct KeyMetrics {
        /// API keys that the process knows.
        known: IntGauge = "meterd_auth_keys";
        /// 1 while the known keys are all there are; while 0, callers are answered 503.
        current: IntGauge = "meterd_auth_keys_current";
    }
}

/// The keys a process knows; [`watch_keys`](crate::key_watch::watch_keys) keeps them current.
/// Clones share them.
#[derive(Clone, Default)]
pub struct Keys(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: watch::Sender<Known>,
    /// Somebody waits for news.
    wanted: Notify,
    /// When keys were used, until it is reported: by key, so that there is an end to it.
    used: Mutex<HashMap<String, DateTime<Utc>>>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, KnownKey>,
    /// Whatever was in the bucket at this time is known. `None`: it has not been read yet.
    as_of: Option<Instant>,
}

/// What the bucket says of one id.
#[derive(Debug)]
pub struct KnownKey {
    revision: u64,
    /// `None`: removed.
    key: Option<Arc<ApiKey>>,
    used_in_minute: AtomicI64,
}

impl KnownKey {
    pub fn new(revision: u64, key: Option<ApiKey>) -> Self {
        Self {
            revision,
            key: key.map(Arc::new),
            used_in_minute: AtomicI64::new(0),
        }
    }
}

/// What the bucket has by id: its revision there, and the key unless it was removed.
pub type View = HashMap<String, (u64, Option<Arc<ApiKey>>)>;

/// Why there is no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCaller {
    /// Unknown, revoked, expired, or with another secret.
    Invalid,
    /// Nobody can tell right now.
    Unknowable,
}

impl Keys {
    pub fn put(&self, id: String, key: KnownKey) {
        self.0.known.send_modify(|known| {
            known.by_id.insert(id, key);
        });
    }

    /// Everything that was in the bucket at `as_of` has been put.
    pub fn confirm(&self, as_of: Instant) {
        self.0
            .known
            .send_modify(|known| known.as_of = known.as_of.max(Some(as_of)));
    }

    /// Replaces all keys by those that were in the bucket at `as_of`.
    pub fn replace(&self, by_id: HashMap<String, KnownKey>, as_of: Instant) {
        let as_of = Some(as_of);
        self.0.known.send_replace(Known { by_id, as_of });
    }

    /// Whether a key could be checked at `now`.
    pub fn are_current(&self, now: Instant) -> bool {
        self.0.known.borrow().is_current(now)
    }

    /// Shows the state of the keys in the metrics.
    pub fn export(&self, metrics: &Metrics) {
        let keys = self.clone();
        let KeyMetrics { known, current } = KeyMetrics::register(&metrics.registry);
        metrics.before_scrape(move || {
            let now = keys.0.known.borrow();
            let live = now.by_id.values().filter(|known| known.key.is_some());
            known.set(gauge(live.count()));
            current.set(i64::from(now.is_current(Instant::now())));
        });
    }

    /// Returns when somebody waits for a confirmation.
    pub(crate) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// What is known, unless it is too old.
    pub fn view(&self) -> Option<View> {
        let known = self.0.known.borrow();
        let view =
            |(id, known): (&String, &KnownKey)| (id.clone(), (known.revision, known.key.clone()));
        let current = known.is_current(Instant::now());
        current.then(|| known.by_id.iter().map(view).collect())
    }

    /// The keys used since the last call.
    pub(crate) fn take_used(&self) -> Vec<KeyUse> {
        let used = std::mem::take(&mut *self.used());
        let used = used.into_iter().map(|(id, at)| KeyUse { id, at });
        used.collect()
    }

    fn used(&self) -> MutexGuard<'_, HashMap<String, DateTime<Utc>>> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller with this secret.
    ///
    /// A key that nobody has told of yet may have been made a moment ago: such a caller waits until
    /// the bucket has told everything from before it asked. However many wait, and whatever they
    /// send, the broker is asked once for all.
    pub(crate) async fn caller(
        &self,
        secret: &ApiKeySecret,
        now: DateTime<Utc>,
    ) -> Result<Caller, NoCaller> {
        let asked = Instant::now();
        if let Some(caller) = self.find(secret, now)? {
            return Ok(caller);
        }
        self.0.wanted.notify_one();
        let mut known = self.0.known.subscribe();
        let news = known.wait_for(|known| known.as_of >= Some(asked));
        match timeout(NEWS_WITHIN, news).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(NoCaller::Unknowable),
        }
        self.find(secret, now)?.ok_or(NoCaller::Invalid)
    }

    /// Whether a caller that was let in would be let in again: answers that go on for long are for
    /// those only whose key still is good.
    pub fn admit_still(&self, caller: &Caller, now: DateTime<Utc>) -> bool {
        let known = self.0.known.borrow();
        let key = known.by_id.get(&caller.key_id);
        let live = key.and_then(|known| known.key.as_ref());
        known.is_current(Instant::now())
            && live.is_some_and(|key| key.expires_at.is_none_or(|at| at > now))
    }

    /// `None`: nobody has told of such a key.
    fn find(&self, secret: &ApiKeySecret, now: DateTime<Utc>) -> Result<Option<Caller>, NoCaller> {
        let known = self.0.known.borrow();
        if !known.is_current(Instant::now()) {
            return Err(NoCaller::Unknowable);
        }
        let Some(found) = known.by_id.get(secret.id()) else {
            return Ok(None);
        };
        let key = found.key.as_deref().ok_or(NoCaller::Invalid)?;
        let same = bool::from(key.secret_sha256.ct_eq(&secret.sha256()));
        let expired = key.expires_at.is_some_and(|at| at <= now);
        if !same || expired {
            return Err(NoCaller::Invalid);
        }
        let minute = now.timestamp().div_euclid(60);
        // Read first: a busy key's requests must not fight for the line of memory.
        if found.used_in_minute.load(Ordering::Relaxed) != minute
            && found.used_in_minute.swap(minute, Ordering::Relaxed) != minute
        {
            self.used().insert(key.id.clone(), now);
        }
        Ok(Some(Caller {
            key_id: key.id.clone(),
            scopes: key.scopes.clone().into(),
            tenant_id: key.tenant_id.clone(),
        }))
    }
}

impl Known {
    fn is_current(&self, now: Instant) -> bool {
        self.as_of
            .is_some_and(|as_of| now.saturating_duration_since(as_of) < STALE_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::key::Scope;

    fn key(secret: &ApiKeySecret) -> KnownKey {
        let key = ApiKey {
            id: secret.id().to_owned(),
            name: "test".to_owned(),
            secret_sha256: secret.sha256(),
            scopes: vec![Scope::Read],
            tenant_id: None,
            created_at: clock::now(),
            expires_at: None,
        };
        KnownKey::new(1, Some(key))
    }

    async fn refusal(keys: &Keys, secret: &ApiKeySecret) -> Option<NoCaller> {
        keys.caller(secret, clock::now()).await.err()
    }

    #[tokio::test(start_paused = true)]
    async fn knowledge_gets_stale() {
        let (keys, secret) = (Keys::default(), ApiKeySecret::generate());
        keys.put(secret.id().to_owned(), key(&secret));
        assert_eq!(refusal(&keys, &secret).await, Some(NoCaller::Unknowable));
        keys.confirm(Instant::now());
        tokio::time::advance(Duration::from_millis(3999)).await;
        assert_eq!(refusal(&keys, &secret).await, None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(refusal(&keys, &secret).await, Some(NoCaller::Unknowable));
        assert!(keys.view().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_waits_for_news_from_after_it_asked() {
        let (keys, secret) = (Keys::default(), ApiKeySecret::generate());
        let before = Instant::now();
        keys.confirm(before);
        tokio::time::advance(Duration::from_millis(5)).await;
        let asked = refusal(&keys, &secret);
        let told = async {
            keys.wanted().await;
            // Older than the question, so no answer to it.
            keys.confirm(before);
            tokio::task::yield_now().await;
            keys.put(secret.id().to_owned(), key(&secret));
            keys.confirm(Instant::now());
        };
        assert_eq!(tokio::join!(asked, told).0, None);

        tokio::time::advance(Duration::from_millis(5)).await;
        let asked = refusal(&keys, &ApiKeySecret::generate()).await;
        assert_eq!(asked, Some(NoCaller::Unknowable), "nobody told anything");
        let other = ApiKeySecret::generate();
        let asked = refusal(&keys, &other);
        let told = async {
            keys.wanted().await;
            keys.confirm(Instant::now());
        };
        assert_eq!(tokio::join!(asked, told).0, Some(NoCaller::Invalid));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_removed_while_its_lookup_waits_stays_revoked() {
        let (keys, secret) = (Keys::default(), ApiKeySecret::generate());
        keys.confirm(Instant::now());
        tokio::time::advance(Duration::from_millis(5)).await;
        let asked = refusal(&keys, &secret);
        let told = async {
            keys.wanted().await;
            keys.put(secret.id().to_owned(), key(&secret));
            keys.put(secret.id().to_owned(), KnownKey::new(2, None));
            keys.confirm(Instant::now());
        };
        assert_eq!(tokio::join!(asked, told).0, Some(NoCaller::Invalid));
        assert_eq!(refusal(&keys, &secret).await, Some(NoCaller::Invalid));
    }

    #[tokio::test(start_paused = true)]
    async fn a_use_is_reported_once_a_minute() {
        let (keys, secret) = (Keys::default(), ApiKeySecret::generate());
        keys.put(secret.id().to_owned(), key(&secret));
        keys.confirm(Instant::now());
        let first: DateTime<Utc> = "2025-11-20T10:31:10Z".parse().unwrap();
        for (seconds, reported) in [(0, 1), (40, 0), (50, 1)] {
            let now = first + chrono::TimeDelta::seconds(seconds);
            assert!(keys.caller(&secret, now).await.is_ok());
            assert_eq!(keys.take_used().len(), reported, "{now}");
        }
    }
}
