//! A key that is bound to a tenant, at every operation there is: it sees nothing of another tenant's and
//! changes nothing of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Meterd;
use crate::support::letters::bury;
use crate::support::live::Live;

const MINE: &str = "mine";
/// In every text that an answer may not have.
const THEIRS: &str = "theirs";
const DAY: &str = "from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";

struct Api<'m> {
    meterd: &'m Meterd,
    key: String,
}

impl Api<'_> {
    async fn call(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<&Value>,
    ) -> (u16, String) {
        let url = format!("{}{path}", self.meterd.url);
        let mut request = reqwest::Client::new()
            .request(method, url)
            .bearer_auth(&self.key);
        request = request.header("accept", accept);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a text"),
        )
    }

    /// What must succeed.
    async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, text) = self.call(method, path, "*/*", body).await;
        assert!(status < 300, "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// What each tenant has.
struct Belongings {
    event: String,
    key: String,
    quota: String,
    reservation: String,
    decision: String,
    letter: String,
}

async fn give(api: &Api<'_>, tenant: &str, number: u128) -> Belongings {
    let feature = format!("feature-of-{tenant}");
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let event = json!({
        "tenant_id": tenant, "resource": format!("resource-of-{tenant}"), "feature": feature,
        "timestamp": "2025-11-20T10:00:00Z", "metadata": { "whose": tenant },
    });
    let event = api
        .json(Method::POST, "/v1/meter/events", Some(&event))
        .await;
    let receipt = text(&event["receipt"]);
    let key =
        json!({ "name": format!("key-of-{tenant}"), "scopes": ["read"], "tenant_id": tenant });
    let key = api.json(Method::POST, "/v1/meter/keys", Some(&key)).await;
    let quota = json!({ "tenant_id": tenant, "feature": feature, "limit": 100, "period": "lifetime", "alert_threshold": 1 });
    let quota = api
        .json(Method::PUT, "/v1/meter/quotas", Some(&quota))
        .await;
    let reserve =
        json!({ "tenant_id": tenant, "feature": feature, "quantity": 2, "mode": "reserve" });
    let reserved = api
        .json(Method::POST, "/v1/meter/validate", Some(&reserve))
        .await;
    let consume =
        json!({ "tenant_id": tenant, "feature": feature, "quantity": 2, "mode": "consume" });
    let consumed = api
        .json(Method::POST, "/v1/meter/validate", Some(&consume))
        .await;
    let decision = text(&consumed["decision_id"]);
    let decided = format!("/v1/meter/decisions/{decision}?tenant_id={tenant}");
    until(async || api.call(Method::GET, &decided, "*/*", None).await.0 == 200).await;
    bury(api.meterd, tenant, number).await;
    let letters = format!("/v1/meter/dead-letters?receipt={receipt}");
    let mut letter = None;
    until(async || {
        let list = api.json(Method::GET, &letters, None).await;
        let letters = list["data"].as_array().expect("a list");
        let its = letters.iter().find(|letter| letter["tenant_id"] == tenant);
        letter = its.map(|letter| letter["id"].to_string());
        letter.is_some()
    })
    .await;
    Belongings {
        event: text(&event["ids"][0]),
        key: text(&key["id"]),
        quota: text(&quota["id"]),
        reservation: text(&reserved["reservation"]["id"]),
        decision,
        letter: letter.expect("it was waited for"),
    }
}

/// What a projection has to write first comes a moment later.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done().await {
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Method, template, path, and the body that is sent.
type Try = (Method, &'static str, String, Option<Value>);

/// Everything that could show or change what is theirs.
fn tries(theirs: &Belongings) -> Vec<Try> {
    let get = |template: &'static str, rest: &str| {
        let path = template.split('{').next().expect("a path");
        (Method::GET, template, format!("{path}{rest}"), None)
    };
    let tenant = format!("tenant_id={THEIRS}");
    let mut tries = vec![
        get("/v1/meter/events", &format!("?{DAY}")),
        get("/v1/meter/events", &format!("?{DAY}&{tenant}")),
        get(
            "/v1/meter/events",
            &format!("?{DAY}&metadata.whose={THEIRS}"),
        ),
        get(
            "/v1/meter/events",
            &format!("?{DAY}&feature=feature-of-{THEIRS}"),
        ),
        get("/v1/meter/events/{id}", &theirs.event),
        get(
            "/v1/meter/events/{id}",
            &format!("{}?{tenant}", theirs.event),
        ),
        get("/v1/meter/events/stream", &format!("?{tenant}")),
        get(
            "/v1/meter/aggregates",
            &format!("?{DAY}&group_by=tenant_id,resource,feature"),
        ),
        get(
            "/v1/meter/aggregates",
            &format!("?{DAY}&{tenant}&group_by=tenant_id"),
        ),
        get(
            "/v1/meter/aggregates",
            &format!("?{DAY}&group_by=metadata.whose"),
        ),
        get(
            "/v1/meter/aggregates",
            &format!("?{DAY}&group_by=tenant_id&top=1&other=true"),
        ),
        get("/v1/meter/tenants", &format!("?{DAY}&search=t")),
        get("/v1/meter/tenants/{tenant_id}", THEIRS),
        get("/v1/meter/dead-letters", ""),
        get("/v1/meter/keys", ""),
        get("/v1/meter/keys/{id}", &theirs.key),
        get("/v1/meter/audit", ""),
        get("/v1/meter/quotas", ""),
        get("/v1/meter/quotas/{id}", &theirs.quota),
        get("/v1/meter/decisions/{id}", &theirs.decision),
        get(
            "/v1/meter/decisions/{id}",
            &format!("{}?{tenant}", theirs.decision),
        ),
        get("/v1/meter/alerts", ""),
    ];
    tries.extend(changes(theirs));
    tries
}

fn changes(theirs: &Belongings) -> Vec<Try> {
    let names = json!({ "tenant_id": THEIRS, "resource": "r", "feature": "f" });
    let take = json!({ "tenant_id": THEIRS, "feature": "f", "mode": "consume" });
    let check = json!({ "tenant_id": THEIRS, "feature": "f" });
    let quota = json!({ "tenant_id": THEIRS, "feature": "f", "limit": 1, "period": "daily" });
    let key = json!({ "name": "k", "scopes": ["read"], "tenant_id": THEIRS });
    let path = |template: &str, id: &str| template.replace("{id}", id);
    let post = |template: &'static str, id: &str, body: Value| {
        (Method::POST, template, path(template, id), Some(body))
    };
    let delete =
        |template: &'static str, id: &str| (Method::DELETE, template, path(template, id), None);
    vec![
        post("/v1/meter/events", "", names.clone()),
        post(
            "/v1/meter/events",
            "",
            json!([{ "tenant_id": MINE, "resource": "r", "feature": "f" }, names]),
        ),
        post("/v1/meter/validate", "", take),
        post("/v1/meter/validate", "", check),
        post(
            "/v1/meter/reservations/{id}/commit",
            &theirs.reservation,
            json!({}),
        ),
        post(
            "/v1/meter/reservations/{id}/release",
            &theirs.reservation,
            json!({}),
        ),
        post("/v1/meter/keys", "", key),
        post("/v1/meter/keys/{id}/rotate", &theirs.key, json!({})),
        post(
            "/v1/meter/dead-letters/{id}/replay",
            &theirs.letter,
            json!({ "quantity": 1 }),
        ),
        (
            Method::PUT,
            "/v1/meter/quotas",
            "/v1/meter/quotas".to_owned(),
            Some(quota),
        ),
        delete("/v1/meter/quotas/{id}", &theirs.quota),
        delete("/v1/meter/keys/{id}", &theirs.key),
        delete("/v1/meter/dead-letters/{id}", &theirs.letter),
    ]
}

#[tokio::test]
async fn a_bound_key_has_its_own_tenant_only() {
    let meterd =
        Meterd::start(&["--quota-deadline-ms", "5000", "--quota-max-lag-ms", "5000"]).await;
    let admin = Api {
        meterd: &meterd,
        key: meterd.admin_key.clone(),
    };
    let mine = give(&admin, MINE, 1).await;
    let theirs = give(&admin, THEIRS, 2).await;
    let key = json!({ "name": "bound", "scopes": ["admin"], "tenant_id": MINE });
    let key = admin.json(Method::POST, "/v1/meter/keys", Some(&key)).await;
    let key = key["secret"].as_str().expect("a secret").to_owned();
    let bound = Api {
        meterd: &meterd,
        key: key.clone(),
    };
    let tried = try_all(&bound, &theirs).await;
    // What is its own it has: the silence above is not that of an empty installation.
    let own = bound
        .json(
            Method::GET,
            &format!("/v1/meter/events/{}", mine.event),
            None,
        )
        .await;
    assert_eq!(own["tenant_id"], MINE);
    for list in ["dead-letters", "quotas", "keys"] {
        let list = bound
            .json(Method::GET, &format!("/v1/meter/{list}"), None)
            .await;
        assert!(
            !list["data"].as_array().expect("a list").is_empty(),
            "{list}"
        );
    }
    for path in [
        format!("quotas/{}", mine.quota),
        format!("keys/{}", mine.key),
        format!("decisions/{}", mine.decision),
    ] {
        bound
            .json(Method::GET, &format!("/v1/meter/{path}"), None)
            .await;
    }
    // Nothing of theirs has changed.
    let letters = admin
        .json(Method::GET, "/v1/meter/dead-letters", None)
        .await;
    assert_eq!(
        letters["data"].as_array().expect("a list").len(),
        2,
        "{} {}",
        mine.letter,
        theirs.letter
    );
    for path in [
        format!("quotas/{}", theirs.quota),
        format!("keys/{}", theirs.key),
    ] {
        admin
            .json(Method::GET, &format!("/v1/meter/{path}"), None)
            .await;
    }
    let commit = format!("/v1/meter/reservations/{}/commit", theirs.reservation);
    admin
        .json(Method::POST, &commit, Some(&json!({ "tenant_id": THEIRS })))
        .await;
    cursors_and_streams(&admin, &bound).await;
    let described = admin.json(Method::GET, "/openapi.json", None).await;
    assert_eq!(operations(&described), tried, "an operation is not tried");
    meterd.stop().await;
}

/// Tries everything, in every form, and returns which operations that were.
async fn try_all(bound: &Api<'_>, theirs: &Belongings) -> BTreeSet<(String, String)> {
    let mut tried = BTreeSet::new();
    for (method, template, path, body) in tries(theirs) {
        tried.insert((method.as_str().to_ascii_lowercase(), template.to_owned()));
        for accept in ["application/json", "text/csv", "application/x-ndjson"] {
            let (status, text) = bound
                .call(method.clone(), &path, accept, body.as_ref())
                .await;
            assert!(status < 500, "{method} {path}: {status} {text}");
            let shown = text.to_ascii_lowercase();
            assert!(
                !shown.contains(THEIRS) || status >= 400,
                "{method} {path}: {text}"
            );
            if method != Method::GET {
                assert!(
                    [403, 404].contains(&status),
                    "{method} {path}: {status} {text}"
                );
            }
        }
    }
    tried
}

/// Of every tenant's, from the beginning: what the bound key gets with them is its own, or nothing.
async fn cursors_and_streams(admin: &Api<'_>, bound: &Api<'_>) {
    let list = format!("/v1/meter/events?{DAY}&limit=1");
    let page = admin.json(Method::GET, &list, None).await;
    let cursor = page["next_cursor"].as_str().expect("two pages");
    let (status, text) = bound
        .call(Method::GET, &format!("{list}&cursor={cursor}"), "*/*", None)
        .await;
    assert_eq!(status, 400, "{text}");
    let url = &admin.meterd.url;
    let mut all = Live::open(url, &admin.key, "", None).await;
    all.next().await.expect("where it is");
    for tenant in [THEIRS, MINE] {
        let event = json!({ "tenant_id": tenant, "resource": "r", "feature": "f" });
        admin
            .json(Method::POST, "/v1/meter/events", Some(&event))
            .await;
    }
    let begin = all.last_id.clone();
    for _ in 0..2 {
        all.event().await;
    }
    let mut own = Live::open(url, &bound.key, "", begin.as_deref()).await;
    assert_eq!(own.event().await["tenant_id"], MINE);
}

/// Method and path of everything that needs a key.
fn operations(description: &Value) -> BTreeSet<(String, String)> {
    let paths = description["paths"].as_object().expect("paths");
    let below_v1 = paths.iter().filter(|(path, _)| path.starts_with("/v1/"));
    let operations = below_v1.flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").keys();
        methods.map(|method| (method.clone(), path.clone()))
    });
    operations.collect()
}
