//! What only a real nats-server does: die, hang, and be the wrong one.

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use metering_core::envelope::Envelope;
use metering_core::{Position, Record};
use metering_log::keys::{KeyBucket, KeyChange};
use metering_log::nats::ConnectError;
use metering_log::{
    AppendError, BackendError, BatchLimits, Durability, NatsBackend, NatsConfig, Priority, Reader,
    SharedBackend,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::publisher::{barrier, publisher};

/// Longer than anything here takes; a test that reaches it hangs.
const PATIENCE: Duration = Duration::from_secs(50);
/// What a caller may have to wait for its error while the broker is away: the guarantee is 2 s,
/// the rest is for a busy machine.
const ANSWERED: Duration = Duration::from_millis(2500);

/// A nats-server of one test.
struct Broker {
    directory: tempfile::TempDir,
    port: u16,
    monitor_port: u16,
    process: Child,
}

impl Broker {
    async fn start(sync_interval: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (port, monitor_port) = (free_port(), free_port());
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor_port}\"\njetstream {{ store_dir: \"{}\", sync_interval: {sync_interval} }}\n",
            directory.path().display()
        );
        std::fs::write(directory.path().join("nats.conf"), config).unwrap();
        let process = spawn(&directory).await;
        Self {
            directory,
            port,
            monitor_port,
            process,
        }
    }

    async fn kill_and_restart(&mut self) {
        self.process.kill().await.unwrap();
        self.process = spawn(&self.directory).await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.unwrap().success());
    }

    fn config(&self) -> NatsConfig {
        NatsConfig {
            url: format!("nats://127.0.0.1:{}", self.port),
            monitor_url: Some(format!("http://127.0.0.1:{}", self.monitor_port)),
            generation: 1,
            replicas: 1,
            max_bytes_per_partition: 256 << 20,
            timeout: Duration::from_millis(1800),
            allow_async_durability: false,
        }
    }

    async fn connect(&self) -> SharedBackend {
        Arc::new(NatsBackend::connect(self.config()).await.unwrap())
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Returns once it says that it is ready.
async fn spawn(directory: &tempfile::TempDir) -> Child {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests find their servers in the environment"
    )]
    let program = std::env::var_os("METERD_NATS_SERVER_BIN")
        .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let mut process = Command::new(program)
        .arg("-c")
        .arg(directory.path().join("nats.conf"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("nats-server is on the PATH: run the tests with `make test`");
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        if line.expect("nats-server ended").contains("Server is ready") {
            break;
        }
    }
    // It must never wait for somebody to read what it says.
    #[expect(clippy::disallowed_methods, reason = "ends with the server")]
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    process
}

/// Appends one barrier after the other until told to stop; returns those that were confirmed.
async fn append_all(
    log: SharedBackend,
    caller: usize,
    stop: watch::Receiver<bool>,
) -> (Vec<usize>, usize) {
    let (publisher, _) = publisher(&log, Duration::from_millis(1800)).await;
    let (mut confirmed, mut refused) = (Vec::new(), 0);
    for n in 0.. {
        if *stop.borrow() {
            break;
        }
        let id = caller * 1_000_000 + n;
        let asked = Instant::now();
        let appended = publisher.append(0, vec![barrier(id)], Priority::Report);
        match appended.await {
            Ok(_) => confirmed.push(id),
            Err(error) => {
                assert!(asked.elapsed() < ANSWERED, "{error} {:?}", asked.elapsed());
                refused += 1;
                // A client's back-off.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    (confirmed, refused)
}

/// Reads until `enough` messages were seen; fails at a gap.
async fn read(reader: &mut Reader, seen: &mut Vec<usize>, last: &mut u64, enough: u64) {
    let limits = BatchLimits {
        max_records: 1000,
        max_bytes: 1 << 20,
        max_wait: Duration::from_millis(5),
    };
    while *last < enough {
        for delivery in reader.next_batch(limits).await.unwrap() {
            assert_eq!(delivery.seq, *last + 1);
            *last = delivery.seq;
            for record in Envelope::decode(&delivery.payload).unwrap().records() {
                if let Record::Barrier { nonce } = record.unwrap() {
                    seen.push(usize::try_from(nonce.as_u128()).unwrap());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_confirmed_is_lost_when_the_broker_is_killed() {
    let mut broker = Broker::start("always").await;
    let log = broker.connect().await;
    let start = Position::start(log.ensure(0).await.unwrap().incarnation);
    let mut reader = Reader::open(log.clone(), 0, start).await.unwrap();
    let stop = watch::Sender::new(false);
    let mut callers = JoinSet::new();
    for caller in 1..=4 {
        callers.spawn(append_all(log.clone(), caller, stop.subscribe()));
    }
    let (mut seen, mut last) = (Vec::new(), 0);
    for _ in 0..3 {
        let enough = last + 100;
        timeout(PATIENCE, read(&mut reader, &mut seen, &mut last, enough))
            .await
            .unwrap();
        broker.kill_and_restart().await;
    }
    let enough = last + 100;
    timeout(PATIENCE, read(&mut reader, &mut seen, &mut last, enough))
        .await
        .unwrap();
    stop.send_replace(true);
    let ended = callers.join_all().await;
    let end = log.info(0).await.unwrap().last_seq;
    timeout(PATIENCE, read(&mut reader, &mut seen, &mut last, end))
        .await
        .unwrap();
    assert!(ended.iter().any(|(_, refused)| *refused > 0));
    for (confirmed, _) in ended {
        for id in confirmed {
            let times = seen.iter().filter(|seen| **seen == id).count();
            assert_eq!(times, 1, "{id} was confirmed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_costs_a_caller_two_seconds_at_most() {
    let broker = Broker::start("always").await;
    let log = broker.connect().await;
    let (publisher, _) = publisher(&log, Duration::from_millis(1800)).await;
    let append = |n| publisher.append(0, vec![barrier(n)], Priority::Report);
    append(1).await.unwrap();
    broker.signal("-STOP").await;
    let asked = Instant::now();
    assert_eq!(append(2).await, Err(AppendError::Unknown));
    assert!(asked.elapsed() < ANSWERED, "{:?}", asked.elapsed());
    let asked = Instant::now();
    assert_eq!(append(3).await, Err(AppendError::Unavailable));
    assert!(asked.elapsed() < Duration::from_millis(200));
    broker.signal("-CONT").await;
    let again = async {
        while append(4).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_does_not_fsync_is_refused_unless_allowed() {
    let broker = Broker::start("2m").await;
    let refused = NatsBackend::connect(broker.config()).await;
    assert!(matches!(refused, Err(ConnectError::NotSynced)));
    let mut config = broker.config();
    config.allow_async_durability = true;
    let allowed = NatsBackend::connect(config).await.unwrap();
    assert_eq!(allowed.durability(), Durability::Async);
    let mut config = broker.config();
    config.monitor_url = None;
    let unknown = NatsBackend::connect(config).await.unwrap();
    assert_eq!(unknown.durability(), Durability::Unverified);
    let synced = Broker::start("always").await;
    let good = NatsBackend::connect(synced.config()).await.unwrap();
    assert_eq!(good.durability(), Durability::Fsync);
}

#[tokio::test]
async fn an_old_broker_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let greet = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let info = format!(
            "INFO {{\"server_id\":\"old\",\"server_name\":\"old\",\"version\":\"2.13.9\",\"go\":\"\",\"host\":\"127.0.0.1\",\"port\":{port},\"max_payload\":1048576,\"proto\":1,\"client_id\":1,\"headers\":true}}\r\n"
        );
        socket.write_all(info.as_bytes()).await.unwrap();
        socket.write_all(b"PONG\r\n").await.unwrap();
        let mut said = Vec::new();
        let _ = socket.read_to_end(&mut said).await;
    };
    let config = NatsConfig {
        url: format!("nats://127.0.0.1:{port}"),
        monitor_url: None,
        generation: 1,
        replicas: 1,
        max_bytes_per_partition: 1 << 20,
        timeout: Duration::from_secs(2),
        allow_async_durability: true,
    };
    tokio::select! {
        () = greet => panic!("it went away"),
        refused = NatsBackend::connect(config) => {
            assert!(matches!(refused, Err(ConnectError::Version(version)) if version == "2.13.9"));
        }
    }
}

async fn told(
    changes: &mut (impl Stream<Item = Result<KeyChange, BackendError>> + Unpin),
) -> KeyChange {
    let told = timeout(PATIENCE, changes.next()).await;
    told.unwrap().expect("the watch goes on").unwrap()
}

#[tokio::test]
async fn a_watcher_of_keys_is_told_all_changes_in_their_order() {
    let broker = Broker::start("always").await;
    let backend = NatsBackend::connect(broker.config()).await.unwrap();
    let bucket = KeyBucket::open(backend.client(), "KEYS", 1).await.unwrap();
    let mut early = bucket.watch().await.unwrap();
    let (id, document) = (Uuid::new_v4().to_string(), Bytes::from("{}"));
    let stored = bucket.put_if(&id, document.clone(), 0).await;
    assert!(stored.unwrap());
    let put = told(&mut early).await;
    assert_eq!((&put.id, &put.document), (&id, &Some(document)));
    let revision = bucket.beacon().await.unwrap();
    let beacon = told(&mut early).await;
    assert!(beacon.is_beacon() && beacon.revision == revision);
    let mut late = bucket.watch().await.unwrap();
    assert_eq!(
        [told(&mut late).await, told(&mut late).await],
        [put, beacon]
    );
    bucket.remove(&id).await.unwrap();
    let removed = told(&mut late).await;
    assert_eq!((&removed.id, &removed.document), (&id, &None));
    assert_eq!(told(&mut early).await, removed);
}

#[tokio::test]
async fn a_key_that_changed_meanwhile_is_not_put() {
    let broker = Broker::start("always").await;
    let backend = NatsBackend::connect(broker.config()).await.unwrap();
    let bucket = KeyBucket::open(backend.client(), "KEYS", 1).await.unwrap();
    let mut changes = bucket.watch().await.unwrap();
    let put_if = |revision| bucket.put_if("k", Bytes::from("{}"), revision);
    assert!(put_if(0).await.unwrap());
    assert!(!put_if(0).await.unwrap());
    let put = told(&mut changes).await.revision;
    bucket.remove("k").await.unwrap();
    assert!(!put_if(put).await.unwrap());
    assert!(!put_if(0).await.unwrap());
    let removed = told(&mut changes).await.revision;
    assert!(put_if(removed).await.unwrap());
}

#[tokio::test]
async fn a_used_key_is_reported_to_one_subscriber() {
    let broker = Broker::start("always").await;
    let backend = NatsBackend::connect(broker.config()).await.unwrap();
    let bucket = KeyBucket::open(backend.client(), "KEYS", 1).await.unwrap();
    let reports = [bucket.used().await.unwrap(), bucket.used().await.unwrap()];
    // The subscriptions are there when this has been answered.
    backend.client().flush().await.unwrap();
    bucket.beacon().await.unwrap();
    for n in 0..20 {
        bucket
            .report_used(Bytes::from(n.to_string()))
            .await
            .unwrap();
    }
    let got = futures::stream::select_all(reports)
        .take(20)
        .collect::<HashSet<_>>();
    assert_eq!(timeout(PATIENCE, got).await.unwrap().len(), 20);
}
