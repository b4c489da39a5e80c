//! API keys on a whole system.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::Meterd;

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

async fn ask(
    meterd: &Meterd,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let url = format!("{}{path}", meterd.url);
    let mut request = reqwest::Client::new().request(method, url).bearer_auth(key);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

async fn create(meterd: &Meterd, body: Value) -> Value {
    let key = &meterd.admin_key;
    let (status, made) = ask(meterd, key, Method::POST, "/v1/meter/keys", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

fn secret(key: &Value) -> &str {
    key["secret"].as_str().expect("a secret")
}

#[tokio::test]
async fn a_key_works_at_once_its_use_is_noted_and_it_does_what_its_scopes_say() {
    let meterd = Meterd::start(&[]).await;
    let made = create(
        &meterd,
        json!({"name": "shop", "scopes": ["ingest"], "tenant_id": "org_001"}),
    )
    .await;
    let event = |tenant: &str| json!({"tenant_id": tenant, "resource": "r", "feature": "f"});
    let post = |key, tenant| {
        ask(
            &meterd,
            key,
            Method::POST,
            "/v1/meter/events",
            Some(event(tenant)),
        )
    };
    assert_eq!(post(secret(&made), "org_001").await.0, StatusCode::ACCEPTED);
    assert_eq!(
        post(secret(&made), "org_002").await.1["code"],
        "tenant_mismatch"
    );
    let read = ask(
        &meterd,
        secret(&made),
        Method::GET,
        "/v1/meter/events",
        None,
    )
    .await;
    assert_eq!(read.1["code"], "missing_scope");

    let path = format!("/v1/meter/keys/{}", made["id"].as_str().expect("an id"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, shown) = ask(&meterd, &meterd.admin_key, Method::GET, &path, None).await;
        if shown["last_used_at"].is_string() {
            break;
        }
        assert!(Instant::now() < deadline, "{shown}");
        tokio::time::sleep(POLL).await;
    }
    meterd.stop().await;
}

#[tokio::test]
async fn a_deleted_admin_key_stays_deleted_and_the_others_survive_a_lost_broker() {
    let meterd = Meterd::start(&[]).await;
    let (first, id) = (meterd.admin_key.clone(), meterd.admin_key[3..15].to_owned());
    let second = create(&meterd, json!({"name": "second", "scopes": ["admin"]})).await;
    let path = format!("/v1/meter/keys/{id}");
    let deleted = ask(&meterd, secret(&second), Method::DELETE, &path, None).await;
    assert_eq!(deleted.0, StatusCode::NO_CONTENT);
    let last = format!("/v1/meter/keys/{}", second["id"].as_str().expect("an id"));
    let refused = ask(&meterd, secret(&second), Method::DELETE, &last, None).await;
    assert_eq!(refused.1["code"], "last_admin_key");

    // A broker without a memory: what Postgres says is distributed anew.
    let home = meterd.stop().await;
    fs::remove_dir_all(home.data_dir().join("nats")).expect("the broker's data");
    let meterd = Meterd::start_in(home, &[]).await;
    assert_eq!(meterd.admin_key, first, "its file is still there");
    let list = |key| ask(&meterd, key, Method::GET, "/v1/meter/keys", None);
    assert_eq!(list(&first).await.0, StatusCode::UNAUTHORIZED);
    let (status, keys) = list(secret(&second)).await;
    assert_eq!(status, StatusCode::OK, "{keys}");
    assert_eq!(keys["data"].as_array().expect("rows").len(), 1);
    meterd.stop().await;
}
