//! Dead letters of a running system: listed, changed and replayed, discarded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::Meterd;
use crate::support::letters::bury;

struct Api<'m> {
    meterd: &'m Meterd,
    key: String,
}

impl Api<'_> {
    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.meterd.url));
        let mut request = request.bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn replay(&self, id: &Value, changes: Value) -> (u16, Value) {
        let path = format!("/v1/meter/dead-letters/{id}/replay");
        self.call(reqwest::Method::POST, &path, Some(changes)).await
    }

    async fn discard(&self, id: &Value) -> (u16, Value) {
        let path = format!("/v1/meter/dead-letters/{id}");
        self.call(reqwest::Method::DELETE, &path, None).await
    }

    /// The open letters, once there are so many.
    async fn letters(&self, number: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let list = self.get("/v1/meter/dead-letters").await;
            let letters = list["data"].as_array().expect("a list").clone();
            if letters.len() == number {
                return letters;
            }
            assert!(Instant::now() < deadline, "{letters:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A tenant's admin key.
async fn bound<'m>(api: &Api<'m>, tenant: &str) -> Api<'m> {
    let new = json!({ "name": "bound", "scopes": ["admin"], "tenant_id": tenant });
    let (status, key) = api
        .call(reqwest::Method::POST, "/v1/meter/keys", Some(new))
        .await;
    assert_eq!(status, 201, "{key}");
    let key = key["secret"].as_str().expect("a secret").to_owned();
    Api {
        meterd: api.meterd,
        key,
    }
}

#[tokio::test]
async fn a_dead_letter_is_changed_and_replayed_once() {
    let meterd = Meterd::start(&[]).await;
    let api = Api {
        meterd: &meterd,
        key: meterd.admin_key.clone(),
    };
    let dead = bury(&meterd, "org_001", 1).await;
    bury(&meterd, "org_002", 2).await;
    let letters = api.letters(2).await;
    let letter = letters
        .iter()
        .find(|letter| letter["tenant_id"] == "org_001")
        .expect("it");
    assert_eq!(letter["code"], "invalid_event");
    assert_eq!(letter["event"]["quantity"], -1);
    assert!(letter["hint"].as_str().expect("a text").contains("Replay"));
    let id = &letter["id"];
    // As it is, it would die again; and nothing of it may become another kind of thing.
    for (changes, code) in [
        (json!({}), "invalid_quantity"),
        (json!({ "quantity": 3, "metadata": {} }), "unknown_field"),
        (
            json!({ "quantity": 3, "tenant_id": "a b" }),
            "invalid_identifier",
        ),
    ] {
        let (status, answer) = api.replay(id, changes).await;
        assert_eq!((status, &answer["code"]), (422, &json!(code)), "{answer}");
    }
    // Two at once: one of them is too late, and there is one event.
    let change = json!({ "quantity": 3 });
    let (one, other) = tokio::join!(api.replay(id, change.clone()), api.replay(id, change));
    let (done, late) = if one.0 == 202 {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!((done.0, late.0), (202, 409), "{done:?} {late:?}");
    assert_eq!(late.1["code"], "already_resolved");
    let receipt = done.1["receipt"].as_str().expect("a receipt");
    let range = "from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";
    let list = api
        .get(&format!("/v1/meter/events?{range}&receipt={receipt}"))
        .await;
    assert_eq!(list["data"].as_array().expect("a list").len(), 1, "{list}");
    let event = &list["data"][0];
    assert_eq!(event["id"], done.1["id"]);
    assert_ne!(event["id"], json!(dead));
    assert_eq!(
        (&event["quantity"], &event["metadata"]),
        (&json!(3), &json!({ "user": "u_1" }))
    );
    let replayed = api.get("/v1/meter/dead-letters?state=replayed").await;
    assert_eq!(replayed["data"][0]["replayed_as"], event["id"]);
    let audit = api.get("/v1/meter/audit").await;
    assert_eq!(audit["data"][0]["action"], "dead_letter.replay");
    assert_eq!(
        (&audit["data"][0]["target"], &audit["data"][0]["tenant_id"]),
        (&json!(id.to_string()), &json!("org_001"))
    );
    meterd.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_discarded_by_its_tenant_only() {
    let meterd = Meterd::start(&[]).await;
    let api = Api {
        meterd: &meterd,
        key: meterd.admin_key.clone(),
    };
    bury(&meterd, "org_001", 1).await;
    bury(&meterd, "org_002", 2).await;
    let letters = api.letters(2).await;
    let bound = bound(&api, "org_001").await;
    let own = bound.letters(1).await;
    assert_eq!(own[0]["tenant_id"], "org_001");
    let foreign = letters
        .iter()
        .find(|letter| letter["tenant_id"] == "org_002")
        .expect("it");
    for (status, answer) in [
        bound.discard(&foreign["id"]).await,
        bound.replay(&foreign["id"], json!({ "quantity": 1 })).await,
        bound.discard(&json!(4711)).await,
    ] {
        assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
    }
    let moved = json!({ "quantity": 1, "tenant_id": "org_002" });
    let (status, answer) = bound.replay(&own[0]["id"], moved).await;
    assert_eq!((status, &answer["code"]), (403, &json!("tenant_mismatch")));
    for _ in 0..2 {
        assert_eq!(bound.discard(&own[0]["id"]).await.0, 204);
    }
    let (status, answer) = bound.replay(&own[0]["id"], json!({ "quantity": 1 })).await;
    assert_eq!((status, &answer["code"]), (409, &json!("already_resolved")));
    assert_eq!(api.letters(1).await[0]["id"], foreign["id"]);
    let discarded = api.get("/v1/meter/dead-letters?state=discarded").await;
    assert_eq!(discarded["data"][0]["id"], own[0]["id"]);
    meterd.stop().await;
}
