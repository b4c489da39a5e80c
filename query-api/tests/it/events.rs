//! Listings, single events, and who sees them.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use metering_store::sqlx;
use serde_json::{Value, json};
use service_kit::auth::Scope;

use crate::support::{Used, World, used, utc, v7};

const DAY: &str = "from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_event_is_shown_as_it_was_sent() {
    let world = World::new().await;
    world
        .persist(3, 7, &[used(1, "2025-11-20T10:31:00.000001Z")])
        .await;
    let expected = json!({
        "id": v7(1), "tenant_id": "org_001", "resource": "billing", "feature": "invoice_generate",
        "quantity": 1, "timestamp": "2025-11-20T10:31:00.000001Z", "metadata": {"user": "u_1"},
    });
    let list = world.ok(&format!("/v1/meter/events?{DAY}")).await;
    assert_eq!(list, json!({"data": [expected], "next_cursor": null}));

    let mut one = world
        .ok(&format!("/v1/meter/events/{}?tenant_id=org_001", v7(1)))
        .await;
    let trace = one.as_object_mut().unwrap().remove("trace").unwrap();
    assert_eq!(one, expected);
    let windows = json!([
        {"window_start": "2025-11-20T10:30:00Z", "window_end": "2025-11-20T10:45:00Z"},
        {"window_start": "2025-11-20T00:00:00Z", "window_end": "2025-11-21T00:00:00Z"},
    ]);
    let expected = json!({
        "received_at": "2025-11-20T10:31:01.000001Z", "persisted_at": "2025-11-20T10:31:02.000001Z",
        "position": {"partition": 3, "seq": 7, "index": 0}, "windows": windows,
    });
    assert_eq!(trace, expected);
    let unknown = world
        .get(&format!("/v1/meter/events/{}?tenant_id=org_001", v7(2)))
        .await;
    assert_eq!(
        (unknown.status, unknown.code()),
        (StatusCode::NOT_FOUND, "not_found")
    );
}

#[tokio::test]
async fn filters_select() {
    let world = World::new().await;
    let base = || used(0, "2025-11-20T10:00:00Z");
    let batch = [
        Used {
            id: v7(1),
            resource: "storage",
            ..base()
        },
        Used {
            id: v7(2),
            feature: "upload",
            timestamp: utc("2025-11-20T11:00:00Z"),
            ..base()
        },
        Used {
            id: v7(3),
            tenant: "acme",
            timestamp: utc("2025-11-20T12:00:00Z"),
            ..base()
        },
        Used {
            id: v7(4),
            metadata: r#"{"n":1.0,"ok":true,"s":"1","a.b":"c"}"#,
            timestamp: utc("2025-11-20T13:00:00Z"),
            ..base()
        },
        Used {
            id: v7(5),
            metadata: r#"{"n":"1","ok":"true","a":{"b":"c"}}"#,
            timestamp: utc("2025-11-20T14:00:00Z"),
            ..base()
        },
    ];
    world.persist(0, 1, &batch).await;
    for (query, expected) in [
        ("", vec![5, 4, 3, 2, 1]),
        ("tenant_id=org_001", vec![5, 4, 2, 1]),
        ("resource=storage", vec![1]),
        ("feature=upload&tenant_id=org_001", vec![2]),
        ("feature=upload&tenant_id=acme", vec![]),
        ("tenant_id=nobody", vec![]),
        ("resource=acme", vec![]),
        (
            "from=2025-11-20T11:00:00Z&to=2025-11-20T13:00:00Z",
            vec![3, 2],
        ),
        (
            "from=2025-11-20T16:30:00%2B05:30&to=2025-11-20T11:00:00.000001Z",
            vec![2],
        ),
        ("metadata.user=u_1", vec![3, 2, 1]),
        ("metadata.n=1", vec![5, 4]),
        (
            "metadata.n=1&metadata.ok=true&tenant_id=org_001",
            vec![5, 4],
        ),
        ("metadata.s=1", vec![4]),
        ("metadata.a.b=c", vec![4]),
        ("metadata.q=%27%20or%20true%20--", vec![]),
    ] {
        let range = if query.contains("from") { "" } else { DAY };
        let list = world
            .ok(&format!("/v1/meter/events?{query}&{range}")
                .replace("?&", "?")
                .trim_end_matches('&')
                .replace("&&", "&"))
            .await;
        let expected: Vec<_> = expected.into_iter().map(|n| v7(n).to_string()).collect();
        assert_eq!(ids(&list), expected, "{query}");
    }
}

/// Pages while the worker inserts: late events, into every page's range. Each event that was there
/// at the first page exactly once, none of the others.
#[tokio::test]
async fn a_listing_neither_repeats_nor_hides() {
    let world = World::new().await;
    // Many share a time, and two tenants an id.
    let event = |n: u128, tenant: &'static str| Used {
        tenant,
        timestamp: utc("2025-11-20T10:00:00Z")
            + chrono::TimeDelta::minutes(i64::try_from(n / 4).unwrap()),
        ..used(n, "2025-11-20T10:00:00Z")
    };
    let both = |numbers: std::ops::Range<u128>| -> Vec<Used> {
        numbers
            .flat_map(|n| [event(n, "org_001"), event(n, "acme")])
            .collect()
    };
    world.persist(0, 1, &both(0..40)).await;
    world.persist(2, 5, &both(100..120)).await;
    for (filter, per_event) in [("", 2), ("&tenant_id=acme", 1)] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        let mut late = 1_000_000 / per_event;
        loop {
            let list = world
                .ok(&format!("/v1/meter/events?{DAY}{filter}&limit=7{cursor}"))
                .await;
            let data = list["data"].as_array().unwrap();
            seen.extend(
                data.iter()
                    .map(|e| (e["id"].to_string(), e["tenant_id"].to_string())),
            );
            // Between all pages: into the past, the future and the same instants; a new partition too.
            let seq = i64::try_from(late).unwrap();
            let between = |n: u128| Used {
                id: v7(late + n),
                ..event(n, "acme")
            };
            world
                .persist(0, seq, &[between(0), between(20), between(119)])
                .await;
            world
                .persist(
                    1,
                    seq,
                    &[Used {
                        id: v7(late + 500),
                        ..event(50, "org_001")
                    }],
                )
                .await;
            late += 1000;
            match list["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected = 60 * usize::try_from(per_event).unwrap()
            + if filter.is_empty() {
                0
            } else {
                FIRST_PASS_LATE
            };
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "repeated");
        assert_eq!(seen.len(), expected, "hidden, or late ones shown: {filter}");
    }
}

/// acme's events that the first pass of the test above inserts: three after each of its 18 pages.
const FIRST_PASS_LATE: usize = 3 * 18;

/// A filter that matches one event in thousands: short pages that lead to it.
#[tokio::test]
async fn a_rare_match_is_found_in_bounded_steps() {
    let world = World::new().await;
    let rare = Used {
        metadata: r#"{"rare":true}"#,
        ..used(1, "2025-11-20T00:00:01Z")
    };
    world
        .persist(0, 1, &[rare, used(2, "2025-11-20T23:00:00Z")])
        .await;
    let copies = 2 * metering_store::events::MAX_SCAN + 10;
    sqlx::query(
        "insert into usage_event select timestamp - n * interval '1 second', received_at,
             persisted_at, gen_random_uuid(), seq, quantity, record_index, tenant_id, resource_id,
             feature_id, partition, request_id, metadata
         from usage_event, generate_series(1, $1) as n where id = $2",
    )
    .bind(copies)
    .bind(v7(2))
    .execute(world.store.pool())
    .await
    .unwrap();
    let mut pages = vec![];
    let mut cursor = String::new();
    loop {
        let query = format!("{DAY}&tenant_id=org_001&metadata.rare=true{cursor}");
        let list = world.ok(&format!("/v1/meter/events?{query}")).await;
        pages.push(ids(&list));
        match list["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, [vec![], vec![], vec![v7(1).to_string()]]);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_query_and_tenant_only() {
    let world = World::new().await;
    let batch: Vec<_> = (0..4).map(|n| used(n, "2025-11-20T10:00:00Z")).collect();
    world.persist(0, 1, &batch).await;
    let acme = world.key(&[Scope::Read], Some("acme"));
    let org = world.key(&[Scope::Read], Some("org_001"));
    let list = world
        .get_as(&org, &format!("/v1/meter/events?{DAY}&limit=3"), None)
        .await;
    let cursor = list.json["next_cursor"].as_str().unwrap().to_owned();
    let mut forged = cursor.clone().into_bytes();
    forged[30] = if forged[30] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();

    // Another limit is the same query.
    let next = world
        .get_as(
            &org,
            &format!("/v1/meter/events?{DAY}&limit=9&cursor={cursor}"),
            None,
        )
        .await;
    assert_eq!(ids(&next.json), [v7(0).to_string()]);
    let day = DAY.to_owned();
    for (key, query) in [
        (&acme, format!("{day}&cursor={cursor}")),
        (
            &world.key(&[Scope::Admin], None),
            format!("{day}&cursor={cursor}"),
        ),
        (&org, format!("{day}&resource=billing&cursor={cursor}")),
        (&org, format!("from=2025-11-20T00:00:00Z&cursor={cursor}")),
        (&org, format!("{day}&cursor={forged}")),
        (&org, format!("{day}&cursor=%20")),
    ] {
        let answer = world
            .get_as(key, &format!("/v1/meter/events?{query}"), None)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_cursor"),
            "{query}"
        );
    }
}

/// Without a range the listing is of the last day, and the clock may not move it between pages.
#[tokio::test]
async fn the_default_range_is_the_last_day() {
    let world = World::new().await;
    let now = service_kit::clock::now();
    let at = |n, hours| Used {
        timestamp: now - chrono::TimeDelta::hours(hours),
        ..used(n, "2025-11-20T10:00:00Z")
    };
    world.persist(0, 1, &[at(1, 1), at(2, 23), at(3, 25)]).await;
    let first = world.ok("/v1/meter/events?limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.ok(&format!("/v1/meter/events?cursor={cursor}")).await;
    assert_eq!(
        (ids(&first), ids(&second)),
        (vec![v7(1).to_string()], vec![v7(2).to_string()])
    );
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_bound_key_sees_its_tenant_only() {
    let world = World::new().await;
    let mine = used(1, "2025-11-20T10:00:00Z");
    let theirs = Used {
        tenant: "acme",
        ..used(2, "2025-11-20T10:00:00Z")
    };
    world.persist(0, 1, &[mine, theirs]).await;
    let key = world.key(&[Scope::Read], Some("org_001"));
    let get = async |path: String| world.get_as(&key, &path, None).await;

    let list = get(format!("/v1/meter/events?{DAY}")).await;
    assert_eq!(ids(&list.json), [v7(1).to_string()]);
    let list = get(format!("/v1/meter/events?{DAY}&tenant_id=acme")).await;
    assert_eq!(list.json, json!({"data": [], "next_cursor": null}));
    assert_eq!(
        get(format!("/v1/meter/events/{}", v7(1))).await.status,
        StatusCode::OK
    );
    for path in [format!("{}", v7(2)), format!("{}?tenant_id=acme", v7(2))] {
        let answer = get(format!("/v1/meter/events/{path}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::NOT_FOUND, "not_found")
        );
    }
    for query in [
        "",
        "&group_by=tenant_id",
        "&group_by=resource&window=minute",
    ] {
        let sums = get(format!("/v1/meter/aggregates?{DAY}{query}")).await;
        assert_eq!(
            sums.json["totals"],
            json!({"total_quantity": 1, "event_count": 1}),
            "{query}"
        );
        let sums = get(format!("/v1/meter/aggregates?{DAY}{query}&tenant_id=acme")).await;
        assert_eq!(
            sums.json["totals"],
            json!({"total_quantity": 0, "event_count": 0})
        );
        assert_eq!(sums.json["data"], json!([]));
    }

    let unbound = world.get(&format!("/v1/meter/events/{}", v7(1))).await;
    assert_eq!(
        (unbound.status, unbound.code()),
        (StatusCode::BAD_REQUEST, "tenant_required")
    );
    let ingest = world.key(&[Scope::Ingest], None);
    let refused = world.get_as(&ingest, "/v1/meter/events", None).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::FORBIDDEN, "missing_scope")
    );
    let nobody = world.get_as("mk_no", "/v1/meter/aggregates", None).await;
    assert_eq!(
        (nobody.status, nobody.code()),
        (StatusCode::UNAUTHORIZED, "invalid_key")
    );
}
