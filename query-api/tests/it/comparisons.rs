//! Aggregates beyond sums: the rest of a top, members of metadata, earlier ranges, and answers that are
//! still good.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Used, World, used, utc, v7};

const DAY: &str = "from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";

/// Quantities of features a, b, c, d at ten, and of a and c at eleven.
async fn four_features(world: &World) {
    let cells = [
        ("a", 10, 50),
        ("b", 10, 40),
        ("c", 10, 30),
        ("d", 10, 20),
        ("a", 11, 1),
        ("c", 11, 2),
    ];
    let event = |(number, (feature, hour, quantity)): (usize, (&'static str, i64, i64))| Used {
        id: v7(number.try_into().unwrap()),
        feature,
        quantity,
        timestamp: utc("2025-11-20T00:00:00Z") + chrono::TimeDelta::hours(hour),
        metadata: if quantity > 30 {
            r#"{"model":"large"}"#
        } else {
            r#"{"model":"small","n":1}"#
        },
        ..used(0, "2025-11-20T00:00:00Z")
    };
    let batch: Vec<Used> = cells.into_iter().enumerate().map(event).collect();
    world.persist(0, 1, &batch).await;
}

fn rows(answer: &Value) -> Vec<Value> {
    let rows = answer["data"].as_array().unwrap().iter();
    let told = |row: &Value| {
        let name = if row["other"] == true {
            &json!("other")
        } else {
            &row["feature"]
        };
        json!([
            row["window_start"],
            name,
            row["total_quantity"],
            row["event_count"]
        ])
    };
    rows.map(told).collect()
}

#[tokio::test]
async fn what_is_below_the_top_is_one_row() {
    let world = World::new().await;
    four_features(&world).await;
    let path = format!("/v1/meter/aggregates?{DAY}&group_by=feature&top=2&other=true");
    let whole = world.ok(&format!("{path}&window=none")).await;
    let none = Value::Null;
    assert_eq!(
        rows(&whole),
        [
            json!([none, "a", 51, 2]),
            json!([none, "b", 40, 1]),
            json!([none, "other", 52, 3])
        ]
    );
    assert_eq!(whole["totals"]["total_quantity"], 143);
    let hours = world.ok(&format!("{path}&window=hour")).await;
    let (ten, eleven) = ("2025-11-20T10:00:00Z", "2025-11-20T11:00:00Z");
    assert_eq!(
        rows(&hours),
        [
            json!([ten, "a", 50, 1]),
            json!([ten, "b", 40, 1]),
            json!([ten, "other", 50, 2]),
            json!([eleven, "a", 1, 1]),
            json!([eleven, "other", 2, 1]),
        ]
    );
    let filled = world.ok(&format!("{path}&window=hour&fill=zero")).await;
    assert_eq!(filled["data"].as_array().unwrap().len(), 24 * 3);
    assert_eq!(rows(&filled)[32], json!([ten, "other", 50, 2]));
    // Everything is within the top: nothing is left over.
    let all = path.replace("top=2", "top=4");
    let all = world.ok(&format!("{all}&window=none")).await;
    assert!(
        all["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["other"] == Value::Null)
    );
    let answer = world
        .get(&format!("/v1/meter/aggregates?{DAY}&other=true"))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "invalid_parameter")
    );
}

#[tokio::test]
async fn usage_is_grouped_by_a_member_of_the_metadata() {
    let world = World::new().await;
    four_features(&world).await;
    let path = format!("/v1/meter/aggregates?{DAY}&window=none");
    let models = world.ok(&format!("{path}&group_by=metadata.model")).await;
    let expected = json!([
        {"metadata": {"model": "large"}, "total_quantity": 90, "event_count": 2},
        {"metadata": {"model": "small"}, "total_quantity": 53, "event_count": 4},
    ]);
    assert_eq!(models["data"], expected);
    let both = world
        .ok(&format!("{path}&group_by=metadata.n,feature&feature=a"))
        .await;
    let expected = json!([
        {"feature": "a", "metadata": {"n": "1"}, "total_quantity": 1, "event_count": 1},
        {"feature": "a", "metadata": {"n": null}, "total_quantity": 50, "event_count": 1},
    ]);
    assert_eq!(both["data"], expected);
    let top = world
        .ok(&format!("{path}&group_by=metadata.model&top=1&other=true"))
        .await;
    assert_eq!(top["data"][0]["metadata"]["model"], "large");
    assert_eq!(
        top["data"][1],
        json!({"other": true, "total_quantity": 53, "event_count": 4})
    );
    let hostile = world
        .ok(&format!("{path}&group_by=metadata.x%27)%20or%20(%27"))
        .await;
    assert_eq!(hostile["data"][0]["event_count"], 6);
    for (query, what) in [
        ("window=none&group_by=metadata.", "no key"),
        ("window=none&group_by=metadata.a,metadata.b", "two"),
        (
            "window=month&group_by=metadata.a&from=2025-01-01T00:00:00Z&to=2025-11-21T00:00:00Z",
            "too long",
        ),
    ] {
        let answer = world.get(&format!("/v1/meter/aggregates?{query}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_parameter"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn too_many_values_are_refused() {
    let world = World::new().await;
    let text = |n: u128| -> &'static str { Box::leak(format!(r#"{{"n":{n}}}"#).into_boxed_str()) };
    let event = |n: u128| Used {
        metadata: text(n),
        ..used(n, "2025-11-20T10:00:00Z")
    };
    let batch: Vec<Used> = (0..1001).map(event).collect();
    world.persist(0, 1, &batch).await;
    let path = format!("/v1/meter/aggregates?{DAY}&window=none&group_by=metadata.n");
    let answer = world.get(&path).await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "invalid_parameter")
    );
    assert!(
        answer.text.contains("more than 1000 values"),
        "{}",
        answer.text
    );
    let top = world.ok(&format!("{path}&top=3&other=true")).await;
    assert_eq!(top["data"][3]["event_count"], 998);
}

#[tokio::test]
async fn usage_is_compared_with_what_was_before() {
    let world = World::new().await;
    let at = |n: u128, at: &str| used(n, at);
    let batch = [
        at(1, "2024-10-15T10:00:00Z"),
        at(2, "2025-09-30T21:59:00Z"),
        at(3, "2025-09-30T22:00:00Z"),
        at(4, "2025-10-31T22:59:00Z"),
        at(5, "2025-10-31T23:00:00Z"),
        at(6, "2025-11-19T12:00:00Z"),
        at(7, "2025-11-20T12:00:00Z"),
    ];
    world.persist(0, 1, &batch).await;
    for (query, compare, from, to, count) in [
        // The zone's months, one of which has a summer's and a winter's end.
        (
            "window=month&timezone=Europe/Berlin&from=2025-11-10T00:00:00Z&to=2025-11-11T00:00:00Z",
            "previous",
            "2025-09-30T22:00:00Z",
            "2025-10-31T23:00:00Z",
            2,
        ),
        (
            "window=month&timezone=Europe/Berlin&from=2025-10-10T00:00:00Z&to=2025-10-11T00:00:00Z",
            "previous_year",
            "2024-09-30T22:00:00Z",
            "2024-10-31T23:00:00Z",
            1,
        ),
        (
            "window=day&from=2025-11-20T00:00:00Z&to=2025-11-22T00:00:00Z",
            "previous",
            "2025-11-18T00:00:00Z",
            "2025-11-20T00:00:00Z",
            1,
        ),
        (
            "window=none&from=2025-11-20T12:00:00Z&to=2025-11-21T12:00:00Z",
            "previous",
            "2025-11-19T12:00:00Z",
            "2025-11-20T12:00:00Z",
            1,
        ),
    ] {
        let path = format!("/v1/meter/aggregates?{query}&compare={compare}");
        let compared = &world.ok(&path).await["compare"];
        let bounds = (&compared["from"], &compared["to"]);
        assert_eq!(bounds, (&json!(from), &json!(to)), "{path}");
        assert_eq!(compared["totals"]["event_count"], count, "{path}");
    }
    for bad in ["compare=next", "compare=previous&top=1&group_by=feature"] {
        let answer = world
            .get(&format!("/v1/meter/aggregates?{DAY}&{bad}"))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_parameter"),
            "{bad}"
        );
    }
    let early = "window=year&from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z&compare=previous";
    let early = early.replace("year", "day");
    assert_eq!(
        world
            .get(&format!("/v1/meter/aggregates?{early}"))
            .await
            .code(),
        "invalid_parameter"
    );
}

async fn ask(world: &World, path: &str, etag: &str) -> Answer {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {}", world.admin()))
        .header("if-none-match", etag);
    world.send(request.body(Body::empty()).unwrap()).await
}

/// As soon as a late event is applied, the answer of before is no longer good.
#[tokio::test]
async fn an_answer_is_good_until_something_is_applied() {
    let world = World::new().await;
    world
        .persist(0, 1, &[used(1, "2025-11-20T10:00:00Z")])
        .await;
    let path = format!("/v1/meter/aggregates?{DAY}&window=none");
    let first = world.get(&path).await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    for sent in [etag.clone(), format!("\"x\", W/{etag}")] {
        let again = ask(&world, &path, &sent).await;
        assert_eq!(
            (again.status, again.text.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );
        assert_eq!(again.headers["etag"], etag);
    }
    // Another question, the same moment.
    assert_eq!(
        ask(&world, &format!("{path}&resource=billing"), &etag)
            .await
            .status,
        StatusCode::OK
    );
    world
        .persist(0, 2, &[used(2, "2025-11-20T10:00:00Z")])
        .await;
    let late = ask(&world, &path, &etag).await;
    assert_eq!(
        (late.status, &late.json["totals"]["event_count"]),
        (StatusCode::OK, &json!(2))
    );
    assert_ne!(late.headers["etag"], etag);
}

#[tokio::test]
async fn times_end_with_the_year_9999() {
    let world = World::new().await;
    let range = "from=9999-12-01T00:00:00Z&to=9999-12-31T23:59:59Z";
    for path in [
        format!("/v1/meter/aggregates?window=month&{range}"),
        format!("/v1/meter/aggregates?window=day&fill=zero&{range}"),
        format!("/v1/meter/tenants?{range}"),
    ] {
        let answer = world.ok(&path).await;
        assert_eq!(answer["to"], "9999-12-31T23:59:59.999999Z", "{path}");
    }
}
