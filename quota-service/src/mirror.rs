//! The counters in Redis, for dashboards and other readers. Nothing is ever decided from it.
//!
//! A partition's counters are the fields of one hash, the slot; a pointer names the slot that
//! readers look into. Usually what has changed since the last push is written, as absolute values,
//! by one call that checks that slot and pointer are what the last push left. Where they are not,
//! since Redis was emptied, failed over, or written by another process, all counters are written
//! into a new slot, and then the pointer is flipped. Redis is waited for by a task of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::error::Error;
use fred::interfaces::LuaInterface as _;
use metering_core::Position;
use metering_core::quota::State;
use metering_log::topology;
use serde_json::json;
use service_kit::metrics::gauge;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::state::QuotaState;

/// Time between two pushes…
const INTERVAL: Duration = Duration::from_millis(200);
/// …of which finding out what has changed takes at most one in so many parts.
const SHARE: u32 = 10;
/// So long after a push there is another one though nothing has changed: Redis may have.
const REFRESH: Duration = Duration::from_secs(2);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Counters in one call: Redis does nothing else meanwhile.
const PART: usize = 1_000;

/// Quota, tenant, feature, start of the window.
type Key = (Uuid, Box<str>, Box<str>, i64);
/// Used, reserved, limit.
type Value = (i128, i128, i64);

/// Writes what has changed, if the slot is what the last push left.
const PUSH: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1]
    or redis.call('HGET', KEYS[2], 'as_of_seq') ~= ARGV[2] then
  return 0
end
local first_gone = 5 + 2 * tonumber(ARGV[4])
for i = 5, first_gone - 1, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
for i = first_gone, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
redis.call('HSET', KEYS[2], 'as_of_seq', ARGV[3])
return 1";

/// Writes a part of a new slot, which goes by itself if it is never pointed to.
const FILL: &str = r"
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], 600)
return 1";

/// Points to a new slot, unless the old one is of a later position, or somebody else was faster.
const FLIP: &str = r"
local old = redis.call('GET', KEYS[1])
if (old or '') ~= ARGV[4] then return 0 end
if redis.call('HGET', KEYS[3], 'incarnation') == ARGV[3]
    and tonumber(redis.call('HGET', KEYS[3], 'as_of_seq') or '0') > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[2], 'as_of_seq', ARGV[2], 'incarnation', ARGV[3])
redis.call('PERSIST', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[3], KEYS[4])
return 1";

const POINTER: &str = "return redis.call('GET', KEYS[1]) or ''";

/// What is to be written.
struct Push {
    /// Position of the push before; `None`: these are all counters.
    base: Option<u64>,
    position: Position,
    changed: Vec<(Key, Value)>,
    gone: Vec<Key>,
}

/// Where the fold that keeps the books tells of changes.
#[derive(Clone)]
pub(crate) struct Feed {
    pushes: mpsc::Sender<Push>,
    /// Redis has not what the last push should have left.
    is_lost: Arc<AtomicBool>,
}

/// What was told so far, by one run of that fold.
pub(crate) struct Told {
    feed: Feed,
    counters: BTreeMap<Key, Value>,
    seq: Option<u64>,
    due: Instant,
}

impl Feed {
    pub(crate) fn begin(&self) -> Told {
        Told {
            feed: self.clone(),
            counters: BTreeMap::new(),
            seq: None,
            due: Instant::now(),
        }
    }
}

impl Told {
    /// Tells what has changed, if it is time and Redis has taken what was told before.
    pub(crate) fn tell(&mut self, fold: &State, position: Position) {
        let started = Instant::now();
        let is_lost = self.feed.is_lost.load(Ordering::Relaxed);
        let is_news = self.seq != Some(position.seq) || started >= self.due + REFRESH || is_lost;
        if started < self.due || !is_news {
            return;
        }
        let Ok(permit) = self.feed.pushes.try_reserve() else {
            return;
        };
        if is_lost {
            self.feed.is_lost.store(false, Ordering::Relaxed);
            self.counters.clear();
            self.seq = None;
        }
        let now: BTreeMap<Key, Value> = fold
            .counters()
            .map(|counter| {
                let (tenant, feature) = (counter.tenant_id.into(), counter.feature.into());
                let key = (counter.quota_id, tenant, feature, counter.window_us);
                (key, (counter.used, counter.reserved, counter.limit))
            })
            .collect();
        let is_changed = |(key, value): &(&Key, &Value)| self.counters.get(*key) != Some(*value);
        let changed = now.iter().filter(is_changed);
        let gone = self.counters.keys().filter(|key| !now.contains_key(*key));
        permit.send(Push {
            base: self.seq,
            position,
            changed: changed.map(|(key, value)| (key.clone(), *value)).collect(),
            gone: gone.cloned().collect(),
        });
        self.counters = now;
        self.seq = Some(position.seq);
        self.due = started + (started.elapsed() * SHARE).max(INTERVAL);
    }
}

/// The other end of a [`Feed`].
pub(crate) struct Mirror {
    pushes: mpsc::Receiver<Push>,
    is_lost: Arc<AtomicBool>,
}

pub(crate) fn mirror() -> (Feed, Mirror) {
    let (sender, pushes) = mpsc::channel(1);
    let is_lost = Arc::new(AtomicBool::new(false));
    let feed = Feed {
        pushes: sender,
        is_lost: is_lost.clone(),
    };
    (feed, Mirror { pushes, is_lost })
}

/// Writes for ever.
pub(crate) async fn run(
    state: QuotaState,
    client: fred::clients::Client,
    partition: u16,
    mut mirror: Mirror,
) {
    let label = partition.to_string();
    let metrics = state.metrics();
    let mut redis = Redis {
        client,
        pointer: topology::mirror_pointer(topology::GENERATION, partition),
        partition,
        epoch: String::new(),
    };
    let mut was_written = true;
    while let Some(push) = mirror.pushes.recv().await {
        let seq = push.position.seq;
        let written = redis.write(push).await;
        let is_written = matches!(written, Ok(true));
        if is_written {
            let shown = metrics.mirrored.with_label_values(&[&label]);
            shown.set(gauge(seq));
        } else {
            mirror.is_lost.store(true, Ordering::Relaxed);
        }
        if let Err(error) = written {
            metrics.mirror_failures.inc();
            if was_written {
                tracing::warn!(partition, %error, "the mirror in Redis is not written");
            }
            sleep(PAUSE).await;
        }
        was_written = is_written;
    }
}

struct Redis {
    client: fred::clients::Client,
    partition: u16,
    pointer: String,
    /// Of the slot that was last pointed to from here.
    epoch: String,
}

impl Redis {
    fn slot(&self, epoch: &str) -> String {
        topology::mirror_slot(topology::GENERATION, self.partition, epoch)
    }

    async fn eval(
        &self,
        script: &str,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<bool, Error> {
        let done: i64 = self.client.eval(script, keys, args).await?;
        Ok(done == 1)
    }

    /// `false`: Redis has something else than was thought; all counters have to be written.
    async fn write(&mut self, push: Push) -> Result<bool, Error> {
        match push.base {
            Some(base) if push.changed.len() + push.gone.len() <= PART => {
                self.change(base, &push).await
            }
            Some(_) => Ok(false),
            None => self.replace(&push).await,
        }
    }

    async fn change(&self, base: u64, push: &Push) -> Result<bool, Error> {
        let keys = vec![self.pointer.clone(), self.slot(&self.epoch)];
        let mut args = vec![
            self.epoch.clone(),
            base.to_string(),
            push.position.seq.to_string(),
            push.changed.len().to_string(),
        ];
        args.extend(push.changed.iter().flat_map(field));
        args.extend(push.gone.iter().map(name));
        self.eval(PUSH, keys, args).await
    }

    async fn replace(&mut self, push: &Push) -> Result<bool, Error> {
        let before: String = self
            .client
            .eval(POINTER, vec![self.pointer.clone()], Vec::<String>::new())
            .await?;
        let epoch = Uuid::new_v4().to_string();
        let slot = self.slot(&epoch);
        for part in push.changed.chunks(PART) {
            let args = part.iter().flat_map(field).collect();
            self.eval(FILL, vec![slot.clone()], args).await?;
        }
        // The last one from here, too: whoever wrote the pointer may have forgotten it.
        let [before_slot, last_slot] = [&before, &self.epoch].map(|epoch| self.slot(epoch));
        let keys = vec![self.pointer.clone(), slot, before_slot, last_slot];
        let args = vec![
            epoch.clone(),
            push.position.seq.to_string(),
            push.position.incarnation.to_string(),
            before,
        ];
        let is_flipped = self.eval(FLIP, keys, args).await?;
        self.epoch = epoch;
        Ok(is_flipped)
    }
}

/// The field of a counter: injective, and none of the slot's own.
fn name((quota, tenant, feature, window_us): &Key) -> String {
    json!([quota, tenant, feature, window_us]).to_string()
}

/// Name and value; numbers are texts, for readers may compute in doubles.
fn field((key, (used, reserved, limit)): &(Key, Value)) -> [String; 2] {
    let value = json!({
        "used": used.to_string(), "reserved": reserved.to_string(), "limit": limit.to_string(),
    });
    [name(key), value.to_string()]
}
