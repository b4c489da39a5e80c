//! Clients that hang up in the middle of a question: the next ones get answers to theirs.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use metering_store::sqlx;
use serde_json::Value;
use service_kit::http::{self, HttpConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::World;

/// Shorter than Postgres waits for a transaction that somebody forgot.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(clap::Parser)]
struct Bounds {
    #[command(flatten)]
    http: HttpConfig,
}

async fn ask(at: SocketAddr, admin: &str, line: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {admin}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The status line and the body of the answer.
async fn answer(mut stream: TcpStream) -> (String, Value) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

fn named(name: &str) -> String {
    format!(r#"{{"name":"{name}","scopes":["read"]}}"#)
}

/// What was begun is finished, and with it its transaction.
async fn nobody_forgot_a_transaction(world: &World) {
    let end = Instant::now() + PATIENCE;
    loop {
        let forgotten: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
            where datname = current_database() and state like 'idle in transaction%'",
        )
        .fetch_one(world.store.pool())
        .await
        .unwrap();
        if forgotten == 0 {
            return;
        }
        assert!(Instant::now() < end, "{forgotten} transactions have nobody");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_harms_nobody_else() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let bounds = Bounds::parse_from(["test"]).http;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let router = world.router();
    let mut server = JoinSet::new();
    server.spawn(async move { http::serve(listener, router, &bounds, stop).await });

    // Each hangs up at another moment of the way through the handler.
    for number in 0..400_u64 {
        let body = named(&format!("gone {number}"));
        let stream = ask(at, world.admin(), "POST /v1/meter/keys", &body).await;
        let asked = Instant::now();
        // Timers are too coarse for this.
        while asked.elapsed() < Duration::from_micros(number * 10) {
            yield_now().await;
        }
        drop(stream);
        nobody_forgot_a_transaction(&world).await;
    }

    for number in 0..40 {
        let name = format!("stays {number}");
        let asked = ask(at, world.admin(), "POST /v1/meter/keys", &named(&name)).await;
        let (status, made) = answer(asked).await;
        assert_eq!(status, "HTTP/1.1 201 Created", "{made}");
        let line = format!("GET /v1/meter/keys/{}", made["id"].as_str().unwrap());
        let (status, found) = answer(ask(at, world.admin(), &line, "").await).await;
        assert_eq!(status, "HTTP/1.1 200 OK", "{found}");
        assert_eq!(found["name"], name.as_str());
    }

    shutdown.cancel();
    server.join_next().await.unwrap().unwrap();
}
