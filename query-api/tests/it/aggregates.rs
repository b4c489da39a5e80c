//! Windows, groups, ranks and sums.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Offset as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use metering_store::sqlx;
use serde_json::{Value, json};

use crate::support::{Used, World, used, utc, v7};

/// Events every 7 minutes and 11 seconds with differing quantities.
fn every_few_minutes(from: &str, to: &str) -> Vec<Used> {
    let (mut at, to) = (utc(from), utc(to));
    let mut events = Vec::new();
    while at < to {
        let number = events.len();
        let tenant = if number % 3 == 0 { "acme" } else { "org_001" };
        let quantity = i64::try_from(number % 13).unwrap();
        events.push(Used {
            id: v7(number.try_into().unwrap()),
            tenant,
            quantity,
            timestamp: at,
            ..used(0, from)
        });
        at += TimeDelta::seconds(7 * 60 + 11);
    }
    events
}

/// Local date, and for hours the hour and the offset it was counted with.
type Label = (NaiveDate, Option<(u32, i32)>);

/// Assigns each event by its wall clock alone and compares with what the API says.
async fn compare(world: &World, events: &[Used], zone: &str, window: &str, range: &str) {
    let tz: Tz = zone.parse().unwrap();
    let label = |at: DateTime<Utc>| -> Label {
        let local = at.with_timezone(&tz);
        let hour =
            (window == "hour").then(|| (local.hour(), local.offset().fix().local_minus_utc()));
        (local.date_naive(), hour)
    };
    for tenant in [None, Some("org_001")] {
        let mut expected: BTreeMap<Label, (i64, i64)> = BTreeMap::new();
        for used in events
            .iter()
            .filter(|used| tenant.is_none_or(|t| t == used.tenant))
        {
            let (total, count) = expected.entry(label(used.timestamp)).or_default();
            *total += used.quantity;
            *count += 1;
        }
        let filter = tenant.map_or(String::new(), |t| format!("&tenant_id={t}"));
        let path = format!("/v1/meter/aggregates?window={window}&timezone={zone}&{range}{filter}");
        let answer = world.ok(&path).await;
        let mut found = BTreeMap::new();
        for row in answer["data"].as_array().unwrap() {
            let start = utc(row["window_start"].as_str().unwrap());
            let end = utc(row["window_end"].as_str().unwrap());
            assert_eq!(
                label(start),
                label(end - TimeDelta::microseconds(1)),
                "{path} {row}"
            );
            let sums = (
                row["total_quantity"].as_i64().unwrap(),
                row["event_count"].as_i64().unwrap(),
            );
            assert!(found.insert(label(start), sums).is_none(), "{path} {row}");
        }
        assert_eq!(found, expected, "{path}");
    }
}

#[tokio::test]
async fn windows_are_what_a_calendar_says() {
    for (zones, from, to) in [
        // Lord Howe's clock moves half an hour, Berlin's an hour, a week apart in spring.
        (
            &["Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"][..],
            "2025-04-03T09:30:00Z",
            "2025-04-08T00:00:00Z",
        ),
        (
            &["Australia/Lord_Howe"],
            "2025-10-03T12:00:00Z",
            "2025-10-07T00:00:00Z",
        ),
        (
            &["Europe/Berlin", "America/New_York"],
            "2025-10-24T22:00:00Z",
            "2025-10-28T00:00:00Z",
        ),
        (
            &["Europe/Berlin"],
            "2025-03-28T23:00:00Z",
            "2025-04-01T00:00:00Z",
        ),
        (
            &["America/Sao_Paulo"],
            "2018-11-02T03:00:00Z",
            "2018-11-06T00:00:00Z",
        ),
    ] {
        let world = World::new().await;
        let events = every_few_minutes(from, to);
        world.persist(0, 1, &events).await;
        let range = format!("from={from}&to={to}");
        for zone in zones {
            compare(&world, &events, zone, "day", &range).await;
            compare(&world, &events, zone, "hour", &range).await;
        }
    }
}

#[tokio::test]
async fn minutes_and_odd_offsets_come_from_raw_events() {
    let world = World::new().await;
    let events = every_few_minutes("1900-01-01T00:00:00Z", "1900-01-03T00:00:00Z");
    world.persist(0, 1, &events).await;
    let range = "from=1900-01-01T00:00:00Z&to=1900-01-03T00:00:00Z";
    compare(&world, &events, "Asia/Kathmandu", "day", range).await;
    compare(&world, &events, "Asia/Kathmandu", "hour", range).await;

    let minutes = world
        .ok(&format!("/v1/meter/aggregates?window=minute&{range}"))
        .await;
    assert_eq!(minutes["data"].as_array().unwrap().len(), events.len());
    let second = json!({
        "window_start": "1900-01-01T00:07:00Z", "window_end": "1900-01-01T00:08:00Z",
        "total_quantity": 1, "event_count": 1,
    });
    assert_eq!(minutes["data"][1], second);
}

/// Three resources of two tenants over two hours.
async fn ranked() -> World {
    let world = World::new().await;
    let cell = |n, tenant, resource, quantity, at: &str| Used {
        tenant,
        resource,
        quantity,
        ..used(n, at)
    };
    let (ten, twelve) = ("2025-11-20T10:31:00Z", "2025-11-20T12:05:00Z");
    let first = [
        cell(1, "org_001", "api", 5, ten),
        cell(2, "org_001", "storage", 7, ten),
        cell(3, "acme", "api", 10, ten),
    ];
    let second = [
        cell(4, "org_001", "storage", 9, twelve),
        cell(5, "acme", "mail", 1, twelve),
    ];
    world.persist(0, 1, &first).await;
    world.persist(1, 1, &second).await;
    world
}

const TWO_HOURS: &str = "from=2025-11-20T10:30:00Z&to=2025-11-20T12:30:00Z";

#[tokio::test]
async fn the_answer_is_complete() {
    let world = ranked().await;
    let answer = world
        .ok(&format!("/v1/meter/aggregates?window=hour&{TWO_HOURS}"))
        .await;
    let row = |start: &str, end: &str, total: i64, count: i64| json!({"window_start": start, "window_end": end, "total_quantity": total, "event_count": count});
    let expected = json!({
        "data": [
            row("2025-11-20T10:00:00Z", "2025-11-20T11:00:00Z", 22, 3),
            row("2025-11-20T12:00:00Z", "2025-11-20T13:00:00Z", 10, 2),
        ],
        "next_cursor": null, "window": "hour", "timezone": "UTC",
        "from": "2025-11-20T10:00:00Z", "to": "2025-11-20T13:00:00Z",
        "totals": {"total_quantity": 32, "event_count": 5},
    });
    assert_eq!(answer, expected);
    let answer = world.ok("/v1/meter/aggregates?window=none&totals=false&from=2025-11-20T10:31:00Z&to=2025-11-20T10:32:00Z&timezone=Asia/Kolkata").await;
    let expected = json!({
        "data": [{"total_quantity": 22, "event_count": 3}], "next_cursor": null,
        "window": "none", "timezone": "Asia/Kolkata",
        "from": "2025-11-20T10:30:00Z", "to": "2025-11-20T10:45:00Z",
    });
    assert_eq!(answer, expected);
}

/// (names and numbers of the rows) for a query over the two hours.
async fn rows(world: &World, query: &str) -> Vec<Value> {
    let answer = world
        .ok(&format!("/v1/meter/aggregates?{TWO_HOURS}&{query}"))
        .await;
    answer["data"].as_array().unwrap().clone()
}

fn sums(rows: &[Value], names: &[&str]) -> Vec<(String, i64)> {
    let name = |row: &Value| {
        names
            .iter()
            .map(|n| row[n].as_str().unwrap())
            .collect::<Vec<_>>()
            .join("/")
    };
    rows.iter()
        .map(|row| (name(row), row["total_quantity"].as_i64().unwrap()))
        .collect()
}

fn owned(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected
        .iter()
        .map(|(name, total)| ((*name).to_owned(), *total))
        .collect()
}

#[tokio::test]
async fn groups_and_filters_combine() {
    let world = ranked().await;
    for (query, names, expected) in [
        (
            "group_by=tenant_id",
            &["tenant_id"][..],
            &[("acme", 11), ("org_001", 21)][..],
        ),
        (
            "group_by=resource",
            &["resource"],
            &[("api", 15), ("mail", 1), ("storage", 16)],
        ),
        (
            "group_by=resource&tenant_id=acme",
            &["resource"],
            &[("api", 10), ("mail", 1)],
        ),
        (
            "group_by=tenant_id&resource=api",
            &["tenant_id"],
            &[("acme", 10), ("org_001", 5)],
        ),
        (
            "group_by=feature&resource=api",
            &["feature"],
            &[("invoice_generate", 15)],
        ),
        (
            "group_by=resource,tenant_id",
            &["resource", "tenant_id"],
            &[
                ("api/acme", 10),
                ("mail/acme", 1),
                ("api/org_001", 5),
                ("storage/org_001", 16),
            ],
        ),
        ("group_by=resource&tenant_id=nobody", &["resource"], &[]),
        (
            "tenant_id=org_001&resource=api&feature=invoice_generate",
            &[],
            &[("", 5)],
        ),
        ("resource=acme", &[], &[]),
    ] {
        let found = rows(&world, &format!("window=none&{query}")).await;
        assert_eq!(sums(&found, names), owned(expected), "{query}");
        let raw = rows(&world, &format!("window=minute&{query}")).await;
        let total: i64 = expected.iter().map(|(_, total)| total).sum();
        assert_eq!(
            sums(&raw, names)
                .iter()
                .map(|(_, total)| total)
                .sum::<i64>(),
            total,
            "{query}"
        );
    }
}

#[tokio::test]
async fn top_ranks_over_the_whole_range() {
    let world = ranked().await;
    let found = rows(&world, "window=none&group_by=resource&top=2").await;
    assert_eq!(
        sums(&found, &["resource"]),
        owned(&[("storage", 16), ("api", 15)])
    );
    // At ten o'clock api leads; over both hours storage does.
    let found = rows(&world, "window=hour&group_by=resource&top=1").await;
    assert_eq!(
        sums(&found, &["resource"]),
        owned(&[("storage", 7), ("storage", 9)])
    );
    let answer = world
        .ok(&format!(
            "/v1/meter/aggregates?{TWO_HOURS}&group_by=resource&top=1"
        ))
        .await;
    assert_eq!(answer["totals"]["total_quantity"], 32);
}

#[tokio::test]
async fn fill_shows_every_window() {
    let world = ranked().await;
    let found = rows(&world, "window=hour&fill=zero").await;
    assert_eq!(
        sums(&found, &["window_start"]),
        owned(&[
            ("2025-11-20T10:00:00Z", 22),
            ("2025-11-20T11:00:00Z", 0),
            ("2025-11-20T12:00:00Z", 10)
        ])
    );
    let found = rows(&world, "window=hour&fill=zero&group_by=tenant_id&top=2").await;
    let expected = [
        ("org_001", 12),
        ("acme", 10),
        ("org_001", 0),
        ("acme", 0),
        ("org_001", 9),
        ("acme", 1),
    ];
    assert_eq!(sums(&found, &["tenant_id"]), owned(&expected));
    let found = rows(&world, "window=none&fill=zero&tenant_id=nobody").await;
    assert_eq!(found, [json!({"total_quantity": 0, "event_count": 0})]);
    assert!(
        rows(
            &world,
            "window=hour&fill=zero&tenant_id=nobody&group_by=resource"
        )
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn sums_beyond_64_bits_are_exact() {
    let world = World::new().await;
    world
        .persist(
            0,
            1,
            &[
                used(1, "2025-11-20T10:31:00Z"),
                used(2, "2025-11-20T11:31:00Z"),
            ],
        )
        .await;
    for table in ["usage_aggregate", "usage_aggregate_all"] {
        let most = format!("update {table} set total_quantity = 9223372036854775807");
        sqlx::query(sqlx::AssertSqlSafe(most))
            .execute(world.store.pool())
            .await
            .unwrap();
    }
    for filter in ["", "&tenant_id=org_001"] {
        let path = format!("/v1/meter/aggregates?window=none&{TWO_HOURS}{filter}");
        let text = world.get(&path).await.text;
        assert!(
            text.contains(r#""total_quantity":18446744073709551614,"event_count":2"#),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let world = World::new().await;
    sqlx::query("insert into dimension (name) select 't' || n from generate_series(1, 50001) as n")
        .execute(world.store.pool())
        .await
        .unwrap();
    sqlx::query("insert into usage_aggregate (granularity, window_start, tenant_id, resource_id, feature_id, total_quantity, event_count) select 15, '2025-11-20 10:30:00+00', id, 1, 1, 1, 1 from dimension")
        .execute(world.store.pool())
        .await
        .unwrap();
    let path = format!("/v1/meter/aggregates?window=none&{TWO_HOURS}&group_by=tenant_id");
    for suffix in ["", "&fill=zero"] {
        let refused = world.get(&format!("{path}{suffix}")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "invalid_parameter")
        );
    }
    let refused = world
        .get(&format!(
            "/v1/meter/aggregates?window=hour&fill=zero&{TWO_HOURS}&group_by=tenant_id&top=1000"
        ))
        .await;
    assert_eq!(refused.json["data"].as_array().unwrap().len(), 3000);
}
