//! API keys over HTTP: what is refused, who may do what, and that Postgres and the bucket agree.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt as _;
use metering_store::sqlx;
use serde_json::{Value, json};
use service_kit::auth::Scope;
use service_kit::health::Health;
use service_kit::key::ApiKeySecret;
use service_kit::key_watch::watch_keys;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, World};

const KEYS: &str = "/v1/meter/keys";
/// Longer than anything here takes; a test that reaches it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

async fn post(world: &World, key: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(KEYS)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap();
    world.send(request).await
}

async fn create(world: &World, key: &str, body: Value) -> Value {
    let answer = post(world, key, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json
}

async fn delete(world: &World, key: &str, id: &str) -> Answer {
    let request = Request::delete(format!("{KEYS}/{id}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty())
        .unwrap();
    world.send(request).await
}

fn id(key: &Value) -> &str {
    key["id"].as_str().unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap()).collect()
}

/// A body, and the status and code it is answered with.
const REFUSED: [(&str, u16, &str); 22] = [
    ("", 400, "empty_body"),
    ("{", 400, "invalid_json"),
    ("[]", 400, "invalid_shape"),
    (
        r#"{"name":"a","name":"b","scopes":["read"]}"#,
        400,
        "duplicate_field",
    ),
    (
        r#"{"name":"a","scopes":["read"],"scope":1}"#,
        422,
        "unknown_field",
    ),
    (r#"{"scopes":["read"]}"#, 422, "missing_field"),
    (r#"{"name":"a"}"#, 422, "missing_field"),
    (r#"{"name":null,"scopes":["read"]}"#, 422, "missing_field"),
    (r#"{"name":"","scopes":["read"]}"#, 422, "invalid_name"),
    (r#"{"name":" a","scopes":["read"]}"#, 422, "invalid_name"),
    (r#"{"name":7,"scopes":["read"]}"#, 422, "invalid_name"),
    (
        r#"{"name":"a\u0000","scopes":["read"]}"#,
        422,
        "invalid_name",
    ),
    (r#"{"name":"a","scopes":[]}"#, 422, "invalid_scopes"),
    (r#"{"name":"a","scopes":"read"}"#, 422, "invalid_scopes"),
    (r#"{"name":"a","scopes":["write"]}"#, 422, "invalid_scopes"),
    (
        r#"{"name":"a","scopes":["read",null]}"#,
        422,
        "invalid_scopes",
    ),
    (
        r#"{"name":"a","scopes":["read","read"]}"#,
        422,
        "invalid_scopes",
    ),
    (
        r#"{"name":"a","scopes":["read"],"tenant_id":"a b"}"#,
        422,
        "invalid_identifier",
    ),
    (
        r#"{"name":"a","scopes":["read"],"tenant_id":1}"#,
        422,
        "invalid_identifier",
    ),
    (
        r#"{"name":"a","scopes":["read"],"expires_at":1}"#,
        422,
        "invalid_expiry",
    ),
    (
        r#"{"name":"a","scopes":["read"],"expires_at":"2030-01-01"}"#,
        422,
        "invalid_expiry",
    ),
    (
        r#"{"name":"a","scopes":["read"],"expires_at":"2025-01-01T00:00:00Z"}"#,
        422,
        "invalid_expiry",
    ),
];

#[tokio::test]
async fn bad_keys_are_refused_and_nothing_is_made() {
    let world = World::new().await;
    let long = format!(r#"{{"name":"{}","scopes":["read"]}}"#, "n".repeat(129));
    let huge = format!(r#"{{"name":"{}"}}"#, "n".repeat(20_000));
    let rows = REFUSED.map(|(body, status, code)| (body.to_owned(), status, code));
    let large = [(huge, 413, "body_too_large"), (long, 422, "invalid_name")];
    for (body, status, code) in rows.into_iter().chain(large) {
        let answer = post(&world, world.admin(), body.clone()).await;
        let got = (answer.status.as_u16(), answer.code());
        assert_eq!(got, (status, code), "{body:.60}: {}", answer.text);
    }
    let form = Request::post(KEYS)
        .header("authorization", format!("Bearer {}", world.admin()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("name=a"))
        .unwrap();
    assert_eq!(world.send(form).await.code(), "unsupported_media_type");
    for query in ["?limit=0", "?tenant_id=a", "?cursor=x"] {
        let answer = world.get(&format!("{KEYS}{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(world.ok(KEYS).await["data"], json!([]));
    assert_eq!(world.ok("/v1/meter/audit").await["data"], json!([]));
}

#[tokio::test]
async fn only_admins_manage_keys() {
    let world = World::new().await;
    let other = world.key(&[Scope::Ingest, Scope::Read, Scope::Validate], None);
    let body = json!({"name": "n", "scopes": ["read"]}).to_string();
    let answers = [
        post(&world, &other, body).await,
        delete(&world, &other, "000000000000").await,
        world.get_as(&other, KEYS, None).await,
        world.get_as(&other, "/v1/meter/audit", None).await,
        world
            .get_as(&other, "/v1/meter/keys/000000000000", None)
            .await,
    ];
    for answer in answers {
        assert_eq!(answer.code(), "missing_scope");
    }
}

#[tokio::test]
async fn a_key_is_shown_once_with_its_secret_then_without_and_then_no_more() {
    let world = World::new().await;
    let made = create(
        &world,
        world.admin(),
        json!({"name": "Müller & <Söhne>", "scopes": ["read", "ingest"], "tenant_id": "org_001",
            "expires_at": "2126-01-01T01:00:00+01:00"}),
    )
    .await;
    let secret = ApiKeySecret::parse(made["secret"].as_str().unwrap()).unwrap();
    assert_eq!(secret.id(), id(&made));
    let expected = json!({"id": id(&made), "name": "Müller & <Söhne>", "scopes": ["ingest", "read"],
        "tenant_id": "org_001", "created_at": made["created_at"],
        "expires_at": "2126-01-01T00:00:00Z", "last_used_at": null});
    let path = format!("{KEYS}/{}", id(&made));
    assert_eq!(world.ok(&path).await, expected);
    assert_eq!(world.ok(KEYS).await["data"], json!([expected]));
    let audit = world.ok("/v1/meter/audit").await;
    let entry = &audit["data"][0];
    assert_eq!(entry["action"], "key.create");
    assert_eq!(entry["target"], made["id"]);
    assert_eq!(entry["key_id"], world.admin()[3..15]);
    assert!(!audit.to_string().contains(secret.as_str()));

    for _ in 0..2 {
        let deleted = delete(&world, world.admin(), id(&made)).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{}", deleted.text);
    }
    assert_eq!(world.get(&path).await.code(), "not_found");
    assert_eq!(world.ok(KEYS).await["data"], json!([]));
    let audit = world.ok("/v1/meter/audit").await;
    assert_eq!(audit["data"].as_array().unwrap().len(), 2);
    assert_eq!(audit["data"][0]["action"], "key.delete");
    for nobody in ["000000000000", "x", "*", "%3E", "..", "beacon", "a%00"] {
        let answer = delete(&world, world.admin(), nobody).await;
        assert_eq!(answer.code(), "not_found", "{nobody}");
    }
}

#[tokio::test]
async fn an_admin_of_a_tenant_sees_and_makes_keys_of_that_tenant_only() {
    let world = World::new().await;
    let theirs = world.key(&[Scope::Admin], Some("org_001"));
    let everybodys = create(
        &world,
        world.admin(),
        json!({"name": "all", "scopes": ["admin"]}),
    )
    .await;
    let others = json!({"name": "other", "scopes": ["read"], "tenant_id": "org_002"});
    let others = create(&world, world.admin(), others).await;
    let wide = json!({"name": "n", "scopes": ["read"], "tenant_id": "org_002"});
    let refused = post(&world, &theirs, wide.to_string()).await;
    assert_eq!(refused.code(), "tenant_mismatch");
    let own = create(&world, &theirs, json!({"name": "own", "scopes": ["admin"]})).await;
    assert_eq!(own["tenant_id"], "org_001");

    let seen = world.get_as(&theirs, KEYS, None).await.json;
    assert_eq!(names(&seen), ["own"]);
    for other in [&everybodys, &others] {
        let path = format!("{KEYS}/{}", id(other));
        assert_eq!(world.get_as(&theirs, &path, None).await.code(), "not_found");
        assert_eq!(delete(&world, &theirs, id(other)).await.code(), "not_found");
    }
    let audit = world.get_as(&theirs, "/v1/meter/audit", None).await.json;
    assert_eq!(audit["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        delete(&world, &theirs, id(&own)).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(names(&world.ok(KEYS).await), ["other", "all"]);
}

#[tokio::test]
async fn the_last_admin_key_stays_whoever_deletes_at_once() {
    let world = World::new().await;
    let admin = |name: &str| json!({"name": name, "scopes": ["admin", "read"]});
    let first = create(&world, world.admin(), admin("a")).await;
    let second = create(&world, world.admin(), admin("b")).await;
    // These do not count: another scope, a tenant's, one that has ended.
    create(
        &world,
        world.admin(),
        json!({"name": "c", "scopes": ["read"]}),
    )
    .await;
    let bound = json!({"name": "d", "scopes": ["admin"], "tenant_id": "org_001"});
    create(&world, world.admin(), bound).await;
    let ended = json!({"name": "e", "scopes": ["admin"], "expires_at": "2126-01-01T00:00:00Z"});
    let ended = create(&world, world.admin(), ended).await;
    sqlx::query("update api_key set expires_at = now() - interval '1 second' where id = $1")
        .bind(id(&ended))
        .execute(world.store.pool())
        .await
        .unwrap();
    let (one, other) = tokio::join!(
        delete(&world, world.admin(), id(&first)),
        delete(&world, world.admin(), id(&second)),
    );
    let mut answers = [one.status.as_u16(), other.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [204, 409]);
    let refused = if one.status == StatusCode::CONFLICT {
        one
    } else {
        other
    };
    assert_eq!(refused.code(), "last_admin_key");
}

#[tokio::test]
async fn listings_are_paged_and_cursors_are_good_for_their_listing_only() {
    let world = World::new().await;
    for n in 0..5 {
        create(
            &world,
            world.admin(),
            json!({"name": n.to_string(), "scopes": ["read"]}),
        )
        .await;
    }
    let mut seen = Vec::new();
    let mut path = format!("{KEYS}?limit=2");
    loop {
        let page = world.ok(&path).await;
        seen.extend(names(&page).iter().map(|name| (*name).to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{KEYS}?limit=2&cursor={cursor}");
        let elsewhere = world.get(&format!("/v1/meter/audit?cursor={cursor}")).await;
        assert_eq!(elsewhere.code(), "invalid_cursor");
        let theirs = world.key(&[Scope::Admin], Some("org_001"));
        assert_eq!(
            world.get_as(&theirs, &path, None).await.code(),
            "invalid_cursor"
        );
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"]);
    let first = world.ok("/v1/meter/audit?limit=3").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world
        .ok(&format!("/v1/meter/audit?limit=3&cursor={cursor}"))
        .await;
    assert_eq!(second["data"].as_array().unwrap().len(), 2);
    assert_eq!(second["next_cursor"], Value::Null);
}

/// The ids of the keys in the bucket, as a new watcher would learn of them.
async fn distributed(world: &World) -> Vec<String> {
    let bucket = world.state.bucket();
    let mut changes = bucket.watch().await.unwrap();
    let end = bucket.beacon().await.unwrap();
    let mut ids = Vec::new();
    loop {
        let change = timeout(PATIENCE, changes.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if change.revision >= end {
            ids.sort_unstable();
            return ids;
        }
        if change.document.is_some() && !change.is_beacon() {
            ids.push(change.id);
        }
    }
}

async fn until_distributed(world: &World, mut expected: Vec<&str>) {
    expected.sort_unstable();
    let reached = async {
        while distributed(world).await != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached)
        .await
        .expect("the bucket becomes what Postgres says");
}

#[tokio::test]
async fn whatever_a_crash_left_is_made_what_postgres_says() {
    let world = World::new().await;
    let make = |name: &str| json!({"name": name, "scopes": ["read"]});
    let [lost, gone, kept] = [
        create(&world, world.admin(), make("lost")).await,
        create(&world, world.admin(), make("gone")).await,
        create(&world, world.admin(), make("kept")).await,
    ];
    until_distributed(&world, vec![id(&lost), id(&gone), id(&kept)]).await;
    // A bucket that lost a key, and a process that died between the row and the bucket.
    world.state.bucket().remove(id(&lost)).await.unwrap();
    sqlx::query("update api_key set deleted_at = now() where id = $1")
        .bind(id(&gone))
        .execute(world.store.pool())
        .await
        .unwrap();
    let (health, shutdown) = (Health::default(), CancellationToken::new());
    let bucket = world.state.bucket().clone();
    let watching = watch_keys(
        bucket,
        world.keys.clone(),
        health.part("keys"),
        shutdown.clone(),
    );
    let running = query_api::run(world.state.clone(), &health, shutdown.clone());
    let checks = async {
        until_distributed(&world, vec![id(&lost), id(&kept)]).await;
        shutdown.cancel();
    };
    tokio::join!(watching, running, checks);
}

async fn rotate(world: &World, key: &str, id: &str, body: Value) -> Answer {
    let request = Request::post(format!("{KEYS}/{id}/rotate"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    world
        .send(request.body(body.to_string().into()).unwrap())
        .await
}

#[tokio::test]
async fn a_rotated_key_goes_on_for_a_while() {
    let world = World::new().await;
    let new = json!({"name": "n", "scopes": ["read"], "tenant_id": "org_001", "expires_at": "2999-01-01T00:00:00Z"});
    let old = create(&world, world.admin(), new).await;
    for (body, status, code) in [
        (json!({"overlap_seconds": -1}), 422, "invalid_overlap"),
        (
            json!({"overlap_seconds": 7_776_001}),
            422,
            "invalid_overlap",
        ),
        (json!({"overlap_seconds": "1"}), 422, "invalid_overlap"),
        (json!({"overlap": 1}), 422, "unknown_field"),
    ] {
        let answer = rotate(&world, world.admin(), id(&old), body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{}",
            answer.text
        );
    }
    let rotated = rotate(
        &world,
        world.admin(),
        id(&old),
        json!({"overlap_seconds": 3600}),
    )
    .await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.text);
    let new = rotated.json;
    for member in ["name", "scopes", "tenant_id", "expires_at"] {
        assert_eq!(new[member], old[member], "{member}");
    }
    assert_ne!((&new["id"], &new["secret"]), (&old["id"], &old["secret"]));
    let shown = world.get(&format!("{KEYS}/{}", id(&old))).await.json;
    let at = |key: &Value, member: &str| crate::support::utc(key[member].as_str().unwrap());
    let overlap = at(&shown, "expires_at") - at(&new, "created_at");
    assert_eq!(overlap.num_seconds(), 3600);
    // A second time it ends no later.
    rotate(
        &world,
        world.admin(),
        id(&old),
        json!({"overlap_seconds": 7200}),
    )
    .await;
    let again = world.get(&format!("{KEYS}/{}", id(&old))).await.json;
    assert_eq!(again["expires_at"], shown["expires_at"]);
    // Without an overlap it has ended, and what has ended has no successor.
    let last = rotate(
        &world,
        world.admin(),
        id(&old),
        json!({"overlap_seconds": 0}),
    )
    .await;
    assert_eq!(last.status, StatusCode::CREATED);
    let ended = rotate(&world, world.admin(), id(&old), json!({})).await;
    assert_eq!(
        (ended.status, ended.code()),
        (StatusCode::NOT_FOUND, "not_found")
    );
    let bound = world.key(&[Scope::Admin], Some("org_002"));
    let foreign = rotate(&world, &bound, id(&new), json!({})).await;
    assert_eq!(
        (foreign.status, foreign.code()),
        (StatusCode::NOT_FOUND, "not_found")
    );
    let audit = world.ok("/v1/meter/audit?limit=2").await;
    let actions = [&audit["data"][0]["action"], &audit["data"][1]["action"]];
    assert_eq!(actions, ["key.create", "key.rotate"]);
    assert!(!audit.to_string().contains(new["secret"].as_str().unwrap()));
}
