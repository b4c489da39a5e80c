//! Rate limits, by API key and in each process for itself.
//!
//! The fields that tell a client about them are those of draft-ietf-httpapi-ratelimit-headers-10:
//! `RateLimit-Policy: "events";q=QUOTA;w=SECONDS` and `RateLimit: "events";r=REMAINING;t=SECONDS`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");
/// Keys that are remembered before those that have all their quota again are forgotten.
const REMEMBERED_KEYS: usize = 10_000;

/// What each key may take. Clones share what was taken.
#[derive(Clone)]
pub struct RateLimits(Option<Arc<Limiter>>);

struct Limiter {
    taken:
        RateLimiter<String, HashMapStateStore<String>, MonotonicClock, StateInformationMiddleware>,
    per_second: NonZeroU32,
    burst: NonZeroU32,
    /// Forget keys when there are this many.
    forget_at: AtomicUsize,
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The same may be taken after this time, if nothing else is until then.
    Until(Duration),
    /// It is more than can ever be taken at one time.
    Burst(NonZeroU32),
}

impl RateLimits {
    /// No limit without `per_second`; `burst` is what may be taken at one time by a key that has
    /// taken nothing for a while.
    pub fn new(per_second: Option<NonZeroU32>, burst: Option<NonZeroU32>) -> Self {
        Self(per_second.map(|per_second| {
            let burst = burst.unwrap_or(per_second);
            let quota = Quota::per_second(per_second).allow_burst(burst);
            Arc::new(Limiter {
                taken: RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock),
                per_second,
                burst,
                forget_at: AtomicUsize::new(REMEMBERED_KEYS),
            })
        }))
    }

    /// What one request of a key may still take.
    pub fn allowance(&self, key_id: &str) -> Option<Allowance> {
        let limiter = self.0.clone()?;
        let remaining = 0;
        let key_id = key_id.to_owned();
        Some(Allowance {
            limiter,
            key_id,
            remaining,
        })
    }
}

/// One request's share.
pub struct Allowance {
    limiter: Arc<Limiter>,
    key_id: String,
    remaining: u32,
}

impl Allowance {
    /// Takes one unit of a request whose size is not known yet.
    pub fn take_first(&mut self) -> Result<(), Exceeded> {
        self.take(NonZeroU32::MIN)
    }

    /// Takes the other units of a request of `total`, or none of them.
    pub fn take_rest(&mut self, total: usize) -> Result<(), Exceeded> {
        let Limiter {
            per_second, burst, ..
        } = &*self.limiter;
        // One more than the burst would wait for the first unit of the next try for ever.
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        if total > burst.get() {
            return Err(Exceeded::Burst(*burst));
        }
        let Some(rest) = NonZeroU32::new(total.saturating_sub(1)) else {
            return Ok(());
        };
        let first = Duration::from_secs(1) / per_second.get();
        self.take(rest).map_err(|exceeded| match exceeded {
            Exceeded::Until(wait) => Exceeded::Until(wait + first),
            burst @ Exceeded::Burst(_) => burst,
        })
    }

    fn take(&mut self, count: NonZeroU32) -> Result<(), Exceeded> {
        let Limiter { taken, burst, .. } = &*self.limiter;
        self.limiter.forget();
        let checked = taken.check_key_n(&self.key_id, count);
        match checked.map_err(|_| Exceeded::Burst(*burst))? {
            Ok(state) => {
                self.remaining = state.remaining_burst_capacity();
                Ok(())
            }
            Err(refused) => {
                let wait = refused.wait_time_from(MonotonicClock.now());
                Err(Exceeded::Until(wait))
            }
        }
    }

    /// Writes the policy and what is left of it into an answer's headers.
    pub fn describe(&self, headers: &mut HeaderMap) {
        let Limiter {
            per_second, burst, ..
        } = &*self.limiter;
        let window = burst.get().div_ceil(per_second.get());
        let reset = (burst.get() - self.remaining).div_ceil(per_second.get());
        let policy = format!("\"events\";q={burst};w={window}");
        let standing = format!("\"events\";r={};t={reset}", self.remaining);
        for (name, text) in [(POLICY, policy), (STANDING, standing)] {
            headers.insert(name, HeaderValue::try_from(text).expect("visible ASCII"));
        }
    }
}

impl Limiter {
    /// Keeps the memory of keys that come and go bounded, without a look at all of them each time.
    fn forget(&self) {
        if self.taken.len() < self.forget_at.load(Ordering::Relaxed) {
            return;
        }
        self.taken.retain_recent();
        self.taken.shrink_to_fit();
        let next = (self.taken.len() * 2).max(REMEMBERED_KEYS);
        self.forget_at.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_second: u32, burst: u32) -> RateLimits {
        RateLimits::new(NonZeroU32::new(per_second), NonZeroU32::new(burst))
    }

    fn take(limits: &RateLimits, key_id: &str, count: usize) -> Result<(), Exceeded> {
        let mut allowance = limits.allowance(key_id).unwrap();
        allowance.take_first()?;
        allowance.take_rest(count)
    }

    #[test]
    fn a_key_has_a_quota_of_its_own() {
        let limits = limits(1, 10);
        assert_eq!(take(&limits, "one", 7), Ok(()));
        let Err(Exceeded::Until(wait)) = take(&limits, "one", 7) else {
            panic!("ten are not enough for fourteen");
        };
        // Three were left and one was taken in vain, so that five are missing.
        let (most, least) = (Duration::from_secs(5), Duration::from_secs(3));
        assert!(wait > least && wait <= most, "{wait:?}");
        assert_eq!(take(&limits, "other", 10), Ok(()));
        let burst = NonZeroU32::new(10).unwrap();
        assert_eq!(take(&limits, "third", 11), Err(Exceeded::Burst(burst)));
        assert_eq!(
            take(&limits, "fourth", usize::MAX),
            Err(Exceeded::Burst(burst))
        );
    }

    #[test]
    fn the_fields_are_structured() {
        let mut allowance = limits(3, 10).allowance("one").unwrap();
        allowance.take_first().unwrap();
        allowance.take_rest(6).unwrap();
        let mut headers = HeaderMap::new();
        allowance.describe(&mut headers);
        assert_eq!(headers[POLICY], "\"events\";q=10;w=4");
        assert_eq!(headers[STANDING], "\"events\";r=4;t=2");
        assert!(RateLimits::new(None, None).allowance("one").is_none());
    }

    #[test]
    fn keys_that_have_their_quota_again_are_forgotten() {
        // A unit comes back within a microsecond.
        let limits = limits(1_000_000, 1);
        for n in 0..3 * REMEMBERED_KEYS {
            take(&limits, &n.to_string(), 1).unwrap();
        }
        let remembered = limits.0.unwrap().taken.len();
        assert!(remembered <= 2 * REMEMBERED_KEYS, "{remembered}");
    }
}
