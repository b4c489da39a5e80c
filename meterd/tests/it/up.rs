//! `meterd up` and the commands around it: starting, stopping, being killed.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};

use crate::support::{Home, Meterd, eventually, finish, is_alive, meterd};

const SERVERS: [&str; 3] = ["nats", "postgres", "valkey"];

fn mode(path: &Path) -> u32 {
    let metadata = path.metadata().expect("the file is there");
    metadata.permissions().mode() & 0o777
}

fn kill9(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("the process is ours");
}

#[tokio::test]
async fn a_fresh_directory_becomes_ready_and_stops_without_a_trace() {
    let meterd = Meterd::start(&[]).await;
    let (ready, home) = (meterd.ready.clone(), meterd.home());
    assert_eq!(ready.url, meterd.url);
    for url in [&ready.nats_url, &ready.postgres_url, &ready.redis_url] {
        assert!(url.contains("@127.0.0.1:"), "{url} asks for a password");
    }
    assert!(ready.nats_monitor_url.is_some());
    assert!(!meterd.admin_key.is_empty());
    for name in SERVERS.iter().chain(&["meterd"]) {
        assert!(is_alive(ready.pid(name)), "{name} runs");
    }
    for name in [
        "ready.json",
        "admin.key",
        "secret",
        "passwords.json",
        "lock",
    ] {
        assert_eq!(mode(&home.file(name)), 0o600, "{name} is private");
    }
    let answer = reqwest::get(format!("{}/readyz", meterd.url)).await;
    assert!(answer.expect("an answer").status().is_success());

    let home = meterd.stop().await;
    assert!(home.ready().is_none(), "ready.json goes at stop");
    assert!(!ready.any_alive(), "no process is left");
}

#[tokio::test]
async fn a_second_start_finds_what_the_first_one_kept() {
    let meterd = Meterd::start(&[]).await;
    let admin_key = meterd.admin_key.clone();
    let postgres = &meterd.ready.postgres_url;
    let mut connection = PgConnection::connect(postgres).await.expect("Postgres");
    sqlx::query("CREATE TABLE kept AS SELECT 42 AS answer")
        .execute(&mut connection)
        .await
        .expect("the application's role may create tables");
    let jetstream = jetstream(&meterd).await;
    let stream = async_nats::jetstream::stream::Config {
        name: "kept".to_owned(),
        subjects: vec!["kept".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(stream).await.expect("a stream");
    let sent = jetstream.publish("kept", "42".into()).await.expect("sent");
    sent.await.expect("on the disk");

    let home = meterd.stop().await;
    let start = Instant::now();
    let meterd = Meterd::start_in(home, &[]).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(meterd.admin_key, admin_key);
    let postgres = &meterd.ready.postgres_url;
    let mut connection = PgConnection::connect(postgres).await.expect("Postgres");
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept")
        .fetch_one(&mut connection)
        .await
        .expect("the table is there");
    assert_eq!(answer, 42);
    let jetstream = self::jetstream(&meterd).await;
    let stream = jetstream.get_stream("kept").await.expect("the stream");
    let message = stream.get_raw_message(1).await.expect("the message");
    assert_eq!(message.payload, "42");
    meterd.stop().await;
}

async fn jetstream(meterd: &Meterd) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(meterd.ready.connect_nats().await)
}

#[tokio::test]
async fn servers_of_a_killed_parent_are_stopped_by_the_next_start() {
    let meterd = Meterd::start(&[]).await;
    let orphans = meterd.ready.clone();
    let home = meterd.kill9().await;
    for name in SERVERS {
        assert!(is_alive(orphans.pid(name)), "{name} outlives its parent");
    }
    let meterd = Meterd::start_in(home, &[]).await;
    assert!(!orphans.any_alive(), "the old servers are gone");
    let home = meterd.stop().await;

    // The same with a parent that had no time to write down what it started.
    let meterd = Meterd::start_in(home, &[]).await;
    let orphans = meterd.ready.clone();
    let home = meterd.kill9().await;
    fs::remove_file(home.file("children.json")).expect("the list of children");
    let meterd = Meterd::start_in(home, &[]).await;
    assert!(!orphans.any_alive(), "they are found without the list");
    meterd.stop().await;
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port() {
    let meterd = Meterd::start(&[]).await;
    let before = meterd.ready.clone();
    let client = before.connect_nats().await;
    let mut inbox = client.subscribe("inbox").await.expect("a subscription");
    for name in SERVERS {
        kill9(before.pid(name));
    }
    let after = eventually("new pids in ready.json", || {
        let ready = meterd.home().ready()?;
        let replaced = SERVERS.iter().all(|n| ready.pid(n) != before.pid(n));
        replaced.then_some(ready)
    })
    .await;
    assert_eq!(after.nats_url, before.nats_url);
    assert_eq!(after.postgres_url, before.postgres_url);
    assert_eq!(after.redis_url, before.redis_url);
    // A client that was connected finds it again, and its subscription with it.
    client.publish("inbox", "hello".into()).await.expect("sent");
    let message = inbox.next().await.expect("a message");
    assert_eq!(message.payload, "hello");
    eventually_postgres(&after.postgres_url).await;
    meterd.stop().await;
    assert!(!after.any_alive());
}

/// Postgres is in `ready.json` from the moment it is spawned, and recovers a little longer.
async fn eventually_postgres(url: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = PgConnection::connect(url).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_taken_port_gets_a_sentence_and_starts_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let home = Home::new();
    let refused = home.run("up", &["--listen", &address]).await;
    assert_eq!(refused.code, Some(1));
    assert_eq!(refused.stdout, "");
    let sentence = format!(
        "meterd: {address} is taken by another program: name another address with --listen"
    );
    assert_eq!(refused.stderr.trim(), sentence);
    assert!(!home.file("children.json").exists());
}

#[tokio::test]
async fn two_ups_on_one_directory_refuse_each_other() {
    let meterd = Meterd::start(&[]).await;
    let second = meterd.home().run("up", &["--listen", "127.0.0.1:0"]).await;
    assert_eq!(second.code, Some(1));
    let pid = meterd.ready.pid("meterd");
    assert!(second.stderr.contains(&format!("(pid {pid})")));
    assert!(second.stderr.contains("--data-dir"), "{}", second.stderr);
    let answer = reqwest::get(format!("{}/readyz", meterd.url)).await;
    assert!(
        answer
            .expect("the first one is untouched")
            .status()
            .is_success()
    );
    meterd.stop().await;
}

#[tokio::test]
async fn detach_status_and_down_belong_together() {
    let home = Home::new();
    let status = home.run("status", &[]).await;
    assert_eq!(status.code, Some(3), "nothing runs yet");

    let up = home
        .run("up", &["--listen", "127.0.0.1:0", "--detach"])
        .await;
    assert_eq!(up.code, Some(0), "{}", up.stderr);
    let ready = home.ready().expect("ready.json");
    assert_eq!(up.stdout, format!("meterd is ready: {}\n", ready.url));

    let status = home.run("status", &["--json"]).await;
    assert_eq!(status.code, Some(0));
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(status["state"], "ready");
    assert_eq!(status["url"], ready.url);
    assert_eq!(status["processes"].as_array().map(Vec::len), Some(4));

    let down = home.run("down", &[]).await;
    assert_eq!(down.code, Some(0), "{}", down.stderr);
    assert!(!ready.any_alive());
    assert_eq!(home.run("status", &[]).await.code, Some(3));
    assert_eq!(home.run("down", &[]).await.code, Some(0), "nothing to stop");
}

#[tokio::test]
async fn a_detached_start_that_fails_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let home = Home::new();
    let up = home.run("up", &["--listen", &address, "--detach"]).await;
    assert_eq!(up.code, Some(1));
    assert!(
        up.stderr.contains("is taken by another program"),
        "{}",
        up.stderr
    );
}

#[tokio::test]
async fn down_stops_the_servers_of_a_killed_parent() {
    let meterd = Meterd::start(&[]).await;
    let orphans = meterd.ready.clone();
    let home = meterd.kill9().await;
    let down = home.run("down", &[]).await;
    assert_eq!(down.code, Some(0), "{}", down.stderr);
    assert!(down.stderr.contains("nats"), "{}", down.stderr);
    assert!(!orphans.any_alive());
}

#[tokio::test]
async fn a_signal_during_the_start_leaves_nothing_running() {
    let home = Home::new();
    let mut child = home
        .command("up")
        .args(["--listen", "127.0.0.1:0"])
        .spawn()
        .expect("meterd runs");
    let servers = eventually("a child in children.json", || {
        let json = fs::read(home.file("children.json")).ok()?;
        let children: serde_json::Value = serde_json::from_slice(&json).ok()?;
        let nats = children.get("nats")?.get("pid")?.as_u64()?;
        u32::try_from(nats).ok()
    })
    .await;
    let pid = child.id().expect("it was not waited for");
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).expect("it takes signals");
    child.wait().await.expect("it ends");
    eventually("the server's end", || (!is_alive(servers)).then_some(())).await;
}

#[tokio::test]
async fn a_second_signal_ends_a_stop_that_hangs() {
    let mut meterd = Meterd::start(&[]).await;
    let ready = meterd.ready.clone();
    let valkey = Pid::from_raw(ready.pid("valkey").cast_signed());
    kill(valkey, Signal::SIGSTOP).expect("the process is ours");
    meterd.signal(Signal::SIGTERM);
    eventually("the end of the services", || {
        meterd.home().ready().is_none().then_some(())
    })
    .await;
    meterd.signal(Signal::SIGTERM);
    let ended = meterd.ended().await;
    assert_eq!(ended.code(), Some(130));
    eventually("the servers' end", || (!ready.any_alive()).then_some(())).await;
}

#[tokio::test]
async fn data_of_another_postgres_is_refused_with_the_way_out() {
    let home = Meterd::start(&[]).await.stop().await;
    fs::write(home.file("postgres/PG_VERSION"), "12\n").expect("the data is ours");
    let refused = home.run("up", &["--listen", "127.0.0.1:0"]).await;
    assert_eq!(refused.code, Some(1));
    for word in ["Postgres 12", "pg_dump", "pg_restore", "ready.json"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn a_first_start_that_was_killed_is_made_up_for() {
    let home = Home::new();
    let mut child = home
        .command("up")
        .args(["--listen", "127.0.0.1:0"])
        .spawn()
        .expect("meterd runs");
    eventually("a half-made cluster", || {
        let names = fs::read_dir(home.data_dir()).ok()?;
        let mut names = names.map(|entry| entry.expect("an entry").file_name());
        names.find(|name| name.to_string_lossy().starts_with("postgres.new-"))
    })
    .await;
    child.kill().await.expect("the process is ours");
    let meterd = Meterd::start_in(home, &[]).await;
    let home = meterd.stop().await;
    let half_made = fs::read_dir(home.data_dir())
        .expect("the data directory")
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().contains("new")
        })
        .count();
    assert_eq!(half_made, 0);
}

#[tokio::test]
async fn a_server_that_runs_elsewhere_is_not_started() {
    let elsewhere = Meterd::start(&[]).await;
    let url = &elsewhere.ready.redis_url;
    let meterd = Meterd::start(&["--redis-url", url]).await;
    assert_eq!(&meterd.ready.redis_url, url);
    let names: Vec<&str> = meterd.ready.pids.keys().map(String::as_str).collect();
    assert_eq!(names, ["meterd", "nats", "postgres"]);
    meterd.stop().await;
    elsewhere.stop().await;
}

#[tokio::test]
async fn servers_gives_a_command_its_servers_and_passes_on_its_code() {
    let script = r#"
        test -n "$METERD_NATS_URL" && test -n "$METERD_NATS_MONITOR_URL" &&
        test -n "$METERD_REDIS_URL" && echo "$METERD_POSTGRES_URL" && exit 7"#;
    let ran = finish(meterd().args(["servers", "--", "sh", "-c", script])).await;
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("postgres://postgres:"),
        "{}",
        ran.stdout
    );
    let gone = PgConnection::connect(ran.stdout.trim()).await;
    assert!(gone.is_err(), "the servers are stopped with the command");

    let killed = finish(meterd().args(["servers", "--", "sh", "-c", "kill -KILL $$"])).await;
    assert_eq!(killed.code, Some(128 + 9));
    let missing = finish(meterd().args(["servers", "--", "no-such-program"])).await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("no-such-program"));
}

#[tokio::test]
async fn doctor_finds_the_servers_and_explains_what_is_missing() {
    let home = Home::new();
    let well = home
        .run("doctor", &["--json", "--listen", "127.0.0.1:0"])
        .await;
    assert_eq!(well.code, Some(0), "{}", well.stdout);
    let checks: serde_json::Value = serde_json::from_str(&well.stdout).expect("JSON");
    assert_eq!(checks[0]["name"], "nats-server");
    assert_eq!(checks[0]["verdict"], "ok");

    let nowhere = ["--listen", "127.0.0.1:0", "--nats-server-bin", "nowhere"];
    let ill = home.run("doctor", &nowhere).await;
    assert_eq!(ill.code, Some(1));
    assert!(
        ill.stdout.contains("METERD_NATS_SERVER_BIN"),
        "{}",
        ill.stdout
    );
}
