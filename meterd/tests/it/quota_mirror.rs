//! The quotas' counters in a real Redis.

use std::time::{Duration, Instant};

use fred::interfaces::{ClientLike as _, LuaInterface as _};
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Meterd;
use crate::support::quota::Caller;

const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);
/// All fields of the slot that the pointer names.
const SLOT: &str = r"
local epoch = redis.call('GET', '{meter.1.0}.quotas')
if not epoch then return {} end
return redis.call('HGETALL', '{meter.1.0}.quotas.' .. epoch)";

struct Mirror(fred::clients::Client);

impl Mirror {
    fn connect(url: &str) -> Self {
        let config = Config::from_url(url).expect("a URL");
        let mut builder = Builder::from_config(config);
        builder
            .with_performance_config(|config| {
                config.default_command_timeout = Duration::from_secs(1);
            })
            .set_policy(ReconnectPolicy::new_constant(0, 50));
        let client = builder.build().expect("a client");
        drop(client.connect());
        Self(client)
    }

    async fn run(&self, script: &str) -> Vec<String> {
        let none: Vec<String> = Vec::new();
        let found = self.0.eval(script, none.clone(), none).await;
        // It may be away at the moment.
        found.unwrap_or_default()
    }

    /// Waits until the tenant's counter has so much used, and returns its position.
    async fn shows(&self, tenant_id: &str, used: &str) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let fields = self.run(SLOT).await;
            let pairs: Vec<_> = fields.chunks(2).map(|pair| (&pair[0], &pair[1])).collect();
            let has = |(field, value): &&(&String, &String)| {
                let name: Value = serde_json::from_str(field).unwrap_or_default();
                let counter: Value = serde_json::from_str(value).unwrap_or_default();
                name[1] == tenant_id && counter["used"] == used && counter["limit"] == "100"
            };
            if pairs.iter().any(|pair| has(&pair)) {
                let seq = pairs.iter().find(|(field, _)| *field == "as_of_seq");
                let (_, seq) = seq.expect("a position");
                return seq.parse().expect("a number");
            }
            assert!(Instant::now() < deadline, "{tenant_id} {used}: {fields:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn consume(caller: &Caller, tenant_id: &str) -> u64 {
    let consume = json!({
        "tenant_id": tenant_id, "feature": "f", "mode": "consume", "id": Uuid::now_v7(),
    });
    let answer = caller.decide(&consume).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    answer["as_of_seq"].as_u64().expect("a position")
}

#[tokio::test]
async fn the_mirror_follows_and_repairs_itself() {
    let meterd = Meterd::start(&["--partitions", "1"]).await;
    let caller = Caller::new(&meterd.url, &meterd.admin_key);
    let mirror = Mirror::connect(&meterd.ready.redis_url);
    let quota = json!({ "tenant_id": "*", "feature": "f", "limit": 100, "period": "yearly" });
    caller.put(&quota).await;
    consume(&caller, "t").await;
    let decided = consume(&caller, "t").await;
    assert!(mirror.shows("t", "2").await >= decided);

    // Emptied: it comes back, and by itself.
    mirror.run("redis.call('FLUSHALL') return {}").await;
    mirror.shows("t", "2").await;
    consume(&caller, "u").await;
    mirror.shows("u", "1").await;

    // Written by somebody else.
    mirror
        .run("redis.call('SET', '{meter.1.0}.quotas', 'mine') return {}")
        .await;
    consume(&caller, "u").await;
    mirror.shows("u", "2").await;
    mirror.shows("t", "2").await;

    // Killed: decisions go on, and it catches up.
    let pid = Pid::from_raw(meterd.ready.pid("valkey").cast_signed());
    kill(pid, Signal::SIGKILL).expect("Valkey runs");
    let decided = consume(&caller, "t").await;
    assert!(mirror.shows("t", "3").await >= decided);
    mirror.shows("u", "2").await;
    meterd.stop().await;
}
