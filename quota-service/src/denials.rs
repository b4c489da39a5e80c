//! Who was denied a moment ago. A caller that asks again and again would fill the log with records
//! that take nothing: it is asked by a shared barrier first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a denial is remembered.
const RECENT: Duration = Duration::from_secs(1);
/// Pairs of tenant and feature that are remembered; of more, further ones cost their records.
const MAX_PAIRS: usize = 10_000;

#[derive(Default)]
pub(crate) struct Denials(Mutex<HashMap<String, Instant>>);

impl Denials {
    pub(crate) fn are_recent(&self, tenant_id: &str, feature: &str) -> bool {
        let pairs = self.pairs();
        let denied = pairs.get(&pair(tenant_id, feature));
        denied.is_some_and(|at| at.elapsed() < RECENT)
    }

    pub(crate) fn note(&self, tenant_id: &str, feature: &str) {
        let mut pairs = self.pairs();
        if pairs.len() >= MAX_PAIRS {
            pairs.retain(|_, at| at.elapsed() < RECENT);
        }
        let pair = pair(tenant_id, feature);
        if pairs.len() < MAX_PAIRS || pairs.contains_key(&pair) {
            pairs.insert(pair, Instant::now());
        }
    }

    fn pairs(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identifiers have no spaces.
fn pair(tenant_id: &str, feature: &str) -> String {
    format!("{tenant_id} {feature}")
}
