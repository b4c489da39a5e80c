//! The command line against a whole system.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Meterd, eventually, finish, meterd};

const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

fn lines(from: u64, to: u64) -> String {
    (from..to).fold(String::new(), |mut text, n| {
        let (second, day) = (n % 60, 1 + n % 28);
        writeln!(
            text,
            r#"{{"tenant_id":"org_{:03}","resource":"r","feature":"f","quantity":{n},"timestamp":"2025-11-{day:02}T10:31:{second:02}Z"}}"#,
            n % 7
        )
        .expect("writing to a String cannot fail");
        text
    })
}

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a writable directory");
    path
}

async fn send(meterd: &Meterd, file: &Path, args: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = meterd.home().command("send");
    let finished = finish(command.arg(file).arg("--json").args(args)).await;
    let summary = serde_json::from_str(&finished.stdout).unwrap_or_default();
    (finished.code, summary, finished.stderr)
}

async fn connect(meterd: &Meterd) -> PgPool {
    let pool = PgPool::connect(&meterd.ready.postgres_url).await;
    pool.expect("Postgres answers")
}

/// Count and sum of all events, once there are as many as expected.
async fn usage(pool: &PgPool, expected: i64) -> (i64, i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (events, rows): ((i64, i64), (i64, i64)) = (
            sqlx::query_as("select count(*), coalesce(sum(quantity), 0)::bigint from usage_event")
                .fetch_one(pool)
                .await
                .expect("a count"),
            sqlx::query_as(
                "select coalesce(sum(event_count), 0)::bigint,
                     coalesce(sum(total_quantity), 0)::bigint
                 from usage_aggregate where granularity = 15",
            )
            .fetch_one(pool)
            .await
            .expect("a sum"),
        );
        if events.0 >= expected && events == rows {
            return events;
        }
        assert!(
            Instant::now() < deadline,
            "{events:?} {rows:?}, not {expected}"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until everything that was logged is persisted.
async fn drained(pool: &PgPool, logged: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now: i64 = sqlx::query_scalar("select coalesce(sum(logged), 0)::bigint from progress")
            .fetch_one(pool)
            .await
            .expect("a count");
        if now >= logged {
            return;
        }
        assert!(Instant::now() < deadline, "{now} of {logged} records");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_file_is_counted_once_however_it_is_sent() {
    let meterd = Meterd::start(&[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "usage.ndjson", &lines(0, 20_000));
    let state = directory.path().join("usage.ndjson.meterd-send");

    // Killed in the middle, and run again.
    let mut first = meterd.home().command("send");
    let mut first = first
        .arg(&path)
        .args(["--batch", "20"])
        .stderr(Stdio::null())
        .spawn()
        .expect("meterd runs");
    eventually("a state", || state.exists().then_some(())).await;
    let pid = first.id().expect("it runs").cast_signed();
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
    first.wait().await.expect("a child");
    assert!(state.exists(), "it was killed before its end");
    let (code, summary, stderr) = send(&meterd, &path, &[]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("going on after"), "{stderr}");
    assert_eq!(summary["read"], 20_000);
    assert!(!state.exists());

    // Once more, and then grown.
    let (code, ..) = send(&meterd, &path, &[]).await;
    assert_eq!(code, Some(0));
    fs::write(&path, lines(0, 20_100)).expect("a writable directory");
    let (code, ..) = send(&meterd, &path, &[]).await;
    assert_eq!(code, Some(0));
    let pool = connect(&meterd).await;
    drained(&pool, 20_000 + 20_000 + 20_100).await;
    assert_eq!(usage(&pool, 20_100).await, (20_100, (0..20_100).sum()));

    // Another beginning under a state is noticed.
    let half = r#"{"url":"URL","sha256":"00","counts":{"read":3,"accepted":3,"duplicates":0,"rejected":0}}"#;
    fs::write(&state, half.replace("URL", &meterd.url)).expect("a writable directory");
    let (code, _, stderr) = send(&meterd, &path, &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("not the one that an earlier run began"),
        "{stderr}"
    );
    meterd.stop().await;
}

#[tokio::test]
async fn refused_lines_are_named_and_the_others_count() {
    let meterd = Meterd::start(&[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let text = [
        r#"{"tenant_id":"t","resource":"r","feature":"f","quantity":1}"#,
        "",
        r#"{"tenant_id":"t","resource":"r"}"#,
        "not JSON",
        r#"{"tenant_id":"t","resource":"r","feature":"f","timestamp":"9000-01-01T00:00:00Z"}"#,
        r#"{"tenant_id":"t","resource":"r","feature":"f","quantity":2}"#,
    ];
    let path = file(directory.path(), "mixed", &text.join("\n"));
    let (code, summary, stderr) = send(&meterd, &path, &["--dry-run"]).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        (&summary["accepted"], &summary["rejected"]),
        (&2.into(), &3.into()),
        "{stderr}"
    );
    let refused = directory.path().join("refused");
    let name = refused.to_str().expect("a name");
    let (code, summary, stderr) = send(&meterd, &path, &["--rejected", name]).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(
        (&summary["read"], &summary["accepted"]),
        (&5.into(), &2.into())
    );
    let refused = fs::read_to_string(refused).expect("a file");
    let mut refused: Vec<(u64, String)> = refused
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let code = line["code"].as_str().expect("a code").to_owned();
            (line["line"].as_u64().expect("a number"), code)
        })
        .collect();
    refused.sort();
    let expected = [
        (3, "missing_field"),
        (4, "invalid_shape"),
        (5, "timestamp_in_future"),
    ];
    assert_eq!(
        refused,
        expected.map(|(line, code)| (line, code.to_owned()))
    );
    assert_eq!(usage(&connect(&meterd).await, 2).await, (2, 3));
    meterd.stop().await;
}

#[tokio::test]
async fn wrong_sums_are_found_and_made_again_and_the_log_read_again_changes_nothing() {
    let meterd = Meterd::start(&[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "usage", &lines(0, 5_000));
    assert_eq!(send(&meterd, &path, &[]).await.0, Some(0));
    let pool = connect(&meterd).await;
    let right = usage(&pool, 5_000).await;
    let compare = || async { meterd.home().run("replay", &["--dry-run", "--json"]).await };
    let clean = compare().await;
    assert_eq!(
        (clean.code, clean.stdout.as_str()),
        (Some(0), ""),
        "{}",
        clean.stderr
    );

    // A sum that is wrong, one that is missing, and one of nothing; in both tables.
    for table in ["usage_aggregate", "usage_aggregate_all"] {
        for damage in [
            format!(
                "update {table} set total_quantity = total_quantity + 1 where ctid = (select ctid from {table} where granularity = 15 order by window_start limit 1)"
            ),
            format!(
                "delete from {table} where ctid = (select ctid from {table} where granularity = 1440 order by window_start limit 1)"
            ),
            format!(
                "update {table} set window_start = window_start + interval '15 minutes' where ctid = (select ctid from {table} where granularity = 15 order by window_start desc limit 1)"
            ),
        ] {
            let done = sqlx::query(sqlx::AssertSqlSafe(damage))
                .execute(&pool)
                .await;
            assert_eq!(done.expect("damage").rows_affected(), 1);
        }
    }
    let found = compare().await;
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    // The one that was moved is missing where it was, too.
    assert_eq!(found.stdout.lines().count(), 8, "{}", found.stdout);
    assert_eq!(compare().await.stdout, found.stdout, "it only looked");

    // While the workers write.
    let more = file(directory.path(), "more", &lines(5_000, 10_000));
    let (sent, replayed) = tokio::join!(
        send(&meterd, &more, &["--batch", "50"]),
        meterd.home().run("replay", &[]),
    );
    assert_eq!(sent.0, Some(0), "{}", sent.2);
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);
    assert_eq!(replayed.stdout.lines().count(), 8, "{}", replayed.stdout);
    let logged: i64 = sqlx::query_scalar("select sum(logged)::bigint from progress")
        .fetch_one(&pool)
        .await
        .expect("a count");
    let total = usage(&pool, 10_000).await;
    assert_eq!(total, (10_000, right.1 + (5_000..10_000).sum::<i64>()));

    // The whole log once more, at rest.
    let replayed = meterd.home().run("replay", &[]).await;
    assert_eq!(
        (replayed.code, replayed.stdout.as_str()),
        (Some(0), ""),
        "{}",
        replayed.stderr
    );
    let again: i64 = sqlx::query_scalar("select sum(logged)::bigint from progress")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert!(
        again >= logged + 10_000,
        "the log was not read again: {logged} {again}"
    );
    assert_eq!(usage(&pool, 10_000).await, total);
    assert_eq!(compare().await.code, Some(0));
    meterd.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = directory.path().to_str().expect("a name");
    for (args, sentence) in [
        (
            &["keys", "list", "--data-dir", nowhere][..],
            "no meterd is ready on",
        ),
        (
            &["tail", "--url", "http://127.0.0.1:9"],
            "--url needs a key too",
        ),
        (
            &["send", "--data-dir", nowhere, "/no/such/file"],
            "cannot open /no/such/file",
        ),
        (&["replay", "--data-dir", nowhere], "no meterd is ready on"),
    ] {
        let finished = finish(meterd().args(args)).await;
        assert_eq!(finished.code, Some(1), "{args:?}");
        assert!(
            finished.stderr.contains(sentence),
            "{args:?}: {}",
            finished.stderr
        );
        assert_eq!(finished.stdout, "", "{args:?}");
    }
    let finished = finish(meterd().args(["keys", "delete", "../keys"])).await;
    assert_eq!(finished.code, Some(2));
}
