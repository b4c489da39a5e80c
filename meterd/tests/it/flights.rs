//! A year of real input through the example program, twice.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::PgPool;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::Meterd;

const FLIGHTS: i64 = 336_776;
/// Seconds on an idle machine; this is for one that builds something else at the same time.
const REPLAY: Duration = Duration::from_mins(3);

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Replays all flights and compares; returns what it prints.
async fn replay(meterd: &Meterd) -> String {
    let mut command = Command::new(checkout().join(".venv/bin/python"));
    command
        .arg(checkout().join("examples/replay_flights/replay_flights.py"))
        .args(["--url", &meterd.url])
        .env("METERD_API_KEY", &meterd.admin_key)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(REPLAY, command.output())
        .await
        .expect("the replay ends in time")
        .expect("`make setup` and `scripts/venv tools` made .venv");
    let figures = String::from_utf8(output.stdout).expect("figures are text");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{figures}\n{stderr}");
    figures
}

/// Logged, persisted, duplicate, conflict and dead records of all partitions.
async fn books(database: &PgPool) -> (i64, i64, i64, i64, i64) {
    sqlx::query_as(
        "select sum(logged)::bigint, sum(persisted)::bigint, sum(duplicate)::bigint,
                sum(conflict)::bigint, sum(dead)::bigint
         from progress where projection = 'usage'",
    )
    .fetch_one(database)
    .await
    .expect("the books of the worker")
}

#[tokio::test]
async fn a_year_of_flights_adds_up_and_a_second_replay_changes_nothing() {
    let meterd = Meterd::start(&[]).await;
    let database = PgPool::connect(&meterd.ready.postgres_url)
        .await
        .expect("Postgres answers");

    let figures = replay(&meterd).await;
    println!("{figures}");
    assert_eq!(books(&database).await, (FLIGHTS, FLIGHTS, 0, 0, 0));

    // It compares again, so equal totals are seen, not concluded.
    let again = replay(&meterd).await;
    println!("{again}");
    assert_eq!(
        books(&database).await,
        (2 * FLIGHTS, FLIGHTS, FLIGHTS, 0, 0)
    );
    let comparisons = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.ends_with(" 0 differ"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(comparisons(&figures).len(), 7, "{figures}");
    assert_eq!(comparisons(&figures), comparisons(&again));
    meterd.stop().await;
}
