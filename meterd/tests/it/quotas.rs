//! Quotas as a caller sees them, on a running system.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Meterd;
use crate::support::quota::Caller;

async fn start() -> (Meterd, Caller) {
    // A busy machine must not turn an answer into a 503 that these tests do not ask for.
    let args = ["--quota-deadline-ms", "5000", "--quota-max-lag-ms", "5000"];
    let meterd = Meterd::start(&args).await;
    let caller = Caller::new(&meterd.url, &meterd.admin_key);
    (meterd, caller)
}

#[tokio::test]
async fn the_documented_example_comes_back_field_for_field() {
    let (meterd, caller) = start().await;
    let quota = json!({
        "tenant_id": "org_001", "feature": "invoice_generate", "limit": 100, "period": "monthly",
    });
    caller.put(&quota).await;
    caller.report("org_001", "invoice_generate", 78).await;
    let ask = json!({ "tenant_id": "org_001", "feature": "invoice_generate" });
    let (status, answer) = caller.validate(&ask).await;
    assert_eq!(status, 200, "{answer}");
    let now = service_kit::clock::now();
    let first = chrono::NaiveDate::from_ymd_opt(
        chrono::Datelike::year(&now),
        chrono::Datelike::month(&now),
        1,
    );
    let next = first.unwrap() + chrono::Months::new(1);
    assert_eq!(answer["allowed"], true);
    assert_eq!(answer["remaining"], 22);
    assert_eq!(answer["limit"], 100);
    assert_eq!(answer["period"], "monthly");
    assert_eq!(answer["reset_at"], format!("{next}T00:00:00Z"));
    assert_eq!(answer["exact"], true);
    // Denied is an answer, too, and names its quota.
    let too_much = json!({
        "tenant_id": "org_001", "feature": "invoice_generate", "quantity": 23,
    });
    let (status, answer) = caller.validate(&too_much).await;
    assert_eq!((status, &answer["allowed"]), (200, &json!(false)));
    assert_eq!(answer["quota_id"], answer["limits"][0]["quota_id"]);
    meterd.stop().await;
}

#[tokio::test]
async fn a_new_quota_knows_what_was_used_before() {
    let (meterd, caller) = start().await;
    for _ in 0..9 {
        caller.report("org_001", "f", 100).await;
    }
    for tenant in ["org_001", "*"] {
        let quota = json!({
            "tenant_id": tenant, "feature": "f", "limit": 1000, "period": "monthly",
            "timezone": "Asia/Kolkata",
        });
        caller.put(&quota).await;
        let (_, answer) = caller
            .validate(&json!({ "tenant_id": "org_001", "feature": "f" }))
            .await;
        assert_eq!(answer["remaining"], 100, "{answer}");
    }
    meterd.stop().await;
}

#[tokio::test]
async fn consume_its_event_and_every_repeat_count_once() {
    let (meterd, caller) = start().await;
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 10, "period": "lifetime" });
    caller.put(&quota).await;
    let id = Uuid::now_v7();
    let consume = json!({ "tenant_id": "t", "feature": "f", "mode": "consume", "id": id });
    let (_, first) = caller.validate(&consume).await;
    assert_eq!(
        (&first["allowed"], &first["remaining"]),
        (&json!(true), &json!(9))
    );
    let hour_later = service_kit::clock::now() - chrono::TimeDelta::hours(1);
    let event = json!({
        "id": id, "tenant_id": "t", "resource": "r", "feature": "f", "quantity": 1,
        "timestamp": hour_later.to_rfc3339(),
    });
    for _ in 0..6 {
        caller.send(&event).await;
    }
    let (_, again) = caller.validate(&consume).await;
    assert_eq!(again["remaining"], 9);
    let (_, now) = caller
        .validate(&json!({ "tenant_id": "t", "feature": "f" }))
        .await;
    assert_eq!(now["remaining"], 9, "{now}");
    let decisions = caller
        .get(&format!("/v1/meter/decisions/{id}?tenant_id=t"))
        .await;
    assert_eq!(decisions["data"][0]["outcome"], "allowed", "{decisions}");
    assert_eq!(decisions["data"][0]["answer"]["limits"][0]["used"], 0);
    meterd.stop().await;
}

#[tokio::test]
async fn twenty_reservations_of_75_on_500_are_exactly_six() {
    let (meterd, caller) = start().await;
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 500, "period": "daily" });
    caller.put(&quota).await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let caller = caller.clone();
        let reserve = json!({
            "tenant_id": "t", "feature": "f", "mode": "reserve", "quantity": 75,
            "id": Uuid::now_v7(),
        });
        asked.spawn(async move { caller.decide(&reserve).await });
    }
    let answers = asked.join_all().await;
    let allowed: Vec<&Value> = answers.iter().filter(|a| a["allowed"] == true).collect();
    assert_eq!(allowed.len(), 6);
    // One is committed with less, one released; both give units back.
    let id = |n: usize| allowed[n]["reservation"]["id"].as_str().unwrap().to_owned();
    let body = json!({ "tenant_id": "t", "quantity": 70 });
    let path = format!("/v1/meter/reservations/{}/commit", id(0));
    let (status, committed) = caller.post(&path, &body).await;
    assert_eq!(
        (status, &committed["quantity"]),
        (200, &json!(70)),
        "{committed}"
    );
    let more = json!({ "tenant_id": "t", "quantity": 76 });
    let path = format!("/v1/meter/reservations/{}/commit", id(1));
    let (status, problem) = caller.post(&path, &more).await;
    assert_eq!((status, &problem["code"]), (422, &json!("exceeds_hold")));
    let path = format!("/v1/meter/reservations/{}/release", id(1));
    let (status, _) = caller.post(&path, &json!({ "tenant_id": "t" })).await;
    assert_eq!(status, 200);
    let (_, now) = caller
        .validate(&json!({ "tenant_id": "t", "feature": "f" }))
        .await;
    assert_eq!(now["remaining"], 500 - 70 - 4 * 75, "{now}");
    meterd.stop().await;
}

#[tokio::test]
async fn soft_tells_the_overage_shadow_is_silent_and_thresholds_alert_once() {
    let (meterd, caller) = start().await;
    for (feature, enforcement) in [("soft", "soft"), ("shadow", "shadow")] {
        let quota = json!({
            "tenant_id": "t", "feature": feature, "limit": 5, "period": "daily",
            "enforcement": enforcement, "alert_threshold": 80,
        });
        caller.put(&quota).await;
        for _ in 0..4 {
            let consume = json!({
                "tenant_id": "t", "feature": feature, "quantity": 2, "mode": "consume",
                "id": Uuid::now_v7(),
            });
            let answer = caller.decide(&consume).await;
            assert_eq!(answer["allowed"], true);
        }
    }
    let check = |feature: &str| json!({ "tenant_id": "t", "feature": feature });
    let (_, soft) = caller.validate(&check("soft")).await;
    assert_eq!(
        (&soft["overage"], &soft["remaining"]),
        (&json!(3), &json!(0))
    );
    let (_, shadow) = caller.validate(&check("shadow")).await;
    assert_eq!(
        (&shadow["limit"], &shadow["quota_id"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(shadow["limits"][0]["fits"], false);
    // One alert each, once the books have them.
    let alerts = caller
        .until("/v1/meter/alerts?tenant_id=t", |answer| {
            answer["data"]
                .as_array()
                .is_some_and(|data| data.len() >= 2)
        })
        .await;
    let data = alerts["data"].as_array().unwrap();
    let mut features: Vec<&str> = data
        .iter()
        .map(|alert| alert["feature"].as_str().unwrap())
        .collect();
    features.sort_unstable();
    assert_eq!(features, ["shadow", "soft"]);
    meterd.stop().await;
}

#[tokio::test]
async fn each_mistake_has_its_code_and_changes_nothing() {
    let (meterd, caller) = start().await;
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 10, "period": "daily" });
    caller.put(&quota).await;
    let id = Uuid::now_v7();
    let ask = |more: Value| {
        let mut body = json!({ "tenant_id": "t", "feature": "f" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let consume = ask(json!({ "mode": "consume", "id": id, "quantity": 3 }));
    caller.decide(&consume).await;
    for (body, status, code) in [
        (ask(json!({ "mode": "take" })), 422, "invalid_mode"),
        (
            ask(json!({ "mode": "check", "ttl_seconds": 5 })),
            422,
            "invalid_mode",
        ),
        (
            ask(json!({ "mode": "reserve", "ttl_seconds": 0 })),
            422,
            "invalid_ttl",
        ),
        (ask(json!({ "quantity": 0 })), 422, "invalid_quantity"),
        (ask(json!({ "quantity": 1.5 })), 422, "invalid_quantity"),
        (
            ask(json!({ "quantity": 1_000_000_000_001_i64 })),
            422,
            "invalid_quantity",
        ),
        (ask(json!({ "id": "7" })), 422, "invalid_id"),
        (ask(json!({ "id": Uuid::nil() })), 422, "invalid_id"),
        (ask(json!({ "feature": "a b" })), 422, "invalid_identifier"),
        (ask(json!({ "tenant_id": "*" })), 422, "invalid_identifier"),
        (ask(json!({ "units": 1 })), 422, "unknown_field"),
        (json!({ "tenant_id": "t" }), 422, "missing_field"),
        (json!({ "feature": "f" }), 400, "tenant_required"),
        (json!([1]), 400, "invalid_shape"),
        (
            ask(json!({ "mode": "consume", "id": id, "quantity": 4 })),
            409,
            "id_conflict",
        ),
    ] {
        let (found, problem) = caller.validate(&body).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{body}");
    }
    for (text, code) in [
        ("", "empty_body"),
        ("{", "invalid_json"),
        (r#"{"feature":"f","feature":"f"}"#, "duplicate_field"),
    ] {
        let (status, problem) = caller.post_text("/v1/meter/validate", text).await;
        assert_eq!((status, &problem["code"]), (400, &json!(code)), "{text}");
    }
    refused_quotas(&caller, &quota).await;
    let nobody = format!("/v1/meter/reservations/{}/release", Uuid::now_v7());
    let (status, problem) = caller.post(&nobody, &json!({ "tenant_id": "t" })).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    let (_, now) = caller.validate(&ask(json!({}))).await;
    assert_eq!(now["remaining"], 7, "{now}");
    meterd.stop().await;
}

#[tokio::test]
async fn what_no_quota_counts_is_denied_where_that_is_the_default() {
    let args = ["--quota-deadline-ms", "5000", "--quota-max-lag-ms", "5000"];
    let deny = [&args[..], &["--quota-default", "deny"]].concat();
    let meterd = Meterd::start(&deny).await;
    let caller = Caller::new(&meterd.url, &meterd.admin_key);
    let id = Uuid::now_v7();
    let consume = json!({ "tenant_id": "t", "feature": "f", "mode": "consume", "id": id });
    let denied = caller.decide(&consume).await;
    let expected = json!([false, 0, null, null, null, []]);
    let members = [
        "allowed",
        "remaining",
        "limit",
        "period",
        "quota_id",
        "limits",
    ];
    assert_eq!(json!(members.map(|member| &denied[member])), expected);
    let shadow = json!({
        "tenant_id": "t", "feature": "f", "limit": 9, "period": "daily", "enforcement": "shadow",
    });
    caller.put(&shadow).await;
    assert_eq!(caller.decide(&consume).await["allowed"], false);
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 9, "period": "yearly" });
    caller.put(&quota).await;
    assert_eq!(caller.decide(&consume).await["remaining"], 8);
    let other = json!({ "tenant_id": "t", "feature": "g" });
    assert_eq!(caller.decide(&other).await["allowed"], false);

    // The log says from where on it is decided in another way; what was taken stays.
    let home = meterd.stop().await;
    let meterd = Meterd::start_in(home, &args).await;
    let caller = Caller::new(&meterd.url, &meterd.admin_key);
    assert_eq!(caller.decide(&other).await["allowed"], true);
    assert_eq!(caller.decide(&consume).await["remaining"], 8);
    meterd.stop().await;
}

#[tokio::test]
async fn who_is_denied_again_and_again_costs_no_records() {
    let (meterd, caller) = start().await;
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 1, "period": "yearly" });
    caller.put(&quota).await;
    let consume =
        |id: Uuid| json!({ "tenant_id": "t", "feature": "f", "mode": "consume", "id": id });
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(caller.decide(&consume(first)).await["allowed"], true);
    for _ in 0..20 {
        assert_eq!(caller.decide(&consume(second)).await["allowed"], false);
    }
    // An answer that was given is given again, whoever is denied meanwhile.
    assert_eq!(caller.decide(&consume(first)).await["allowed"], true);
    caller
        .put(&json!({ "tenant_id": "t", "feature": "f", "limit": 2, "period": "yearly" }))
        .await;
    assert_eq!(caller.decide(&consume(second)).await["allowed"], true);
    let decisions = caller
        .get(&format!("/v1/meter/decisions/{second}?tenant_id=t"))
        .await;
    let decided = decisions["data"].as_array().unwrap().len();
    assert!(decided < 20, "{decided} records");
    meterd.stop().await;
}

#[tokio::test]
async fn a_reservation_that_has_expired_cannot_be_committed() {
    let (meterd, caller) = start().await;
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 10, "period": "yearly" });
    caller.put(&quota).await;
    let id = Uuid::now_v7();
    let reserve = json!({
        "tenant_id": "t", "feature": "f", "mode": "reserve", "quantity": 4, "id": id,
        "ttl_seconds": 1,
    });
    assert_eq!(caller.decide(&reserve).await["remaining"], 6);
    // Each check moves the log's clock.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let check = json!({ "tenant_id": "t", "feature": "f" });
        let answer = caller.decide(&check).await;
        if answer["remaining"] == 10 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{answer}");
    }
    for how in ["commit", "release"] {
        let path = format!("/v1/meter/reservations/{id}/{how}");
        let (status, problem) = caller.post(&path, &json!({ "tenant_id": "t" })).await;
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("reservation_expired")),
            "{how}"
        );
    }
    let (status, problem) = caller.validate(&reserve).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("reservation_expired"))
    );
    let (_, now) = caller
        .validate(&json!({ "tenant_id": "t", "feature": "f" }))
        .await;
    assert_eq!(now["remaining"], 10, "{now}");
    meterd.stop().await;
}

#[tokio::test]
async fn what_cannot_be_known_in_time_is_said_to_be_unknown_and_taken_once() {
    let meterd = Meterd::start(&["--quota-deadline-ms", "500"]).await;
    let caller = Caller::new(&meterd.url, &meterd.admin_key);
    let quota = json!({ "tenant_id": "t", "feature": "f", "limit": 10, "period": "yearly" });
    caller.put(&quota).await;
    let consume = json!({
        "tenant_id": "t", "feature": "f", "mode": "consume", "id": Uuid::now_v7(),
    });
    let broker = Pid::from_raw(meterd.ready.pid("nats").cast_signed());
    kill(broker, Signal::SIGSTOP).expect("the broker runs");
    let (status, problem) = caller.validate(&consume).await;
    kill(broker, Signal::SIGCONT).expect("the broker runs");
    assert_eq!(
        (status, &problem["code"]),
        (503, &json!("decision_unknown"))
    );
    assert_eq!(caller.decide(&consume).await["allowed"], true);
    let check = json!({ "tenant_id": "t", "feature": "f" });
    assert_eq!(caller.decide(&check).await["remaining"], 9);
    meterd.stop().await;
}

/// Changes of one field that are refused.
async fn refused_quotas(caller: &Caller, quota: &Value) {
    for (field, value, code) in [
        ("limit", json!(-1), "invalid_limit"),
        ("limit", json!(1.5), "invalid_limit"),
        ("period", json!("fortnightly"), "invalid_period"),
        ("timezone", json!("Mars/Olympus"), "invalid_timezone"),
        ("enforcement", json!("strict"), "invalid_mode"),
        ("alert_threshold", json!(101), "invalid_threshold"),
    ] {
        let mut body = quota.clone();
        body[field] = value;
        let (status, problem) = caller.try_put(&body).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{field}");
    }
}
