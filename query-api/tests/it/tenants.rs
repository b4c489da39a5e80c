//! Tenants: paging, search, days, quotas, and who sees whom.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use metering_store::sqlx;
use serde_json::{Value, json};
use service_kit::auth::Scope;

use crate::support::{Used, World, used, utc, v7};

const DAY: &str = "from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|tenant| tenant["tenant_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_tenant_is_listed_with_its_usage() {
    let world = World::new().await;
    let batch = [
        Used {
            quantity: 3,
            ..used(1, "2025-11-20T10:31:00Z")
        },
        Used {
            quantity: 4,
            ..used(2, "2025-11-20T23:59:59Z")
        },
        Used {
            tenant: "Acme",
            ..used(3, "2025-11-19T10:00:00Z")
        },
    ];
    world.persist(0, 1, &batch).await;
    let list = world.ok(&format!("/v1/meter/tenants?{DAY}")).await;
    let expected = json!({"data": [
        {"tenant_id": "Acme", "total_quantity": 0, "event_count": 0, "last_seen": "2025-11-19T10:00:00Z"},
        {"tenant_id": "org_001", "total_quantity": 7, "event_count": 2, "last_seen": "2025-11-20T23:45:00Z"},
    ], "next_cursor": null, "from": "2025-11-20T00:00:00Z", "to": "2025-11-21T00:00:00Z"});
    assert_eq!(list, expected);
    // Parts of days are added up from quarter-hours.
    let range = "from=2025-11-19T10:00:00Z&to=2025-11-20T10:31:00.000001Z";
    let list = world
        .ok(&format!("/v1/meter/tenants?{range}&search=ORG"))
        .await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["total_quantity"], 3);
    assert_eq!(list["to"], "2025-11-20T10:45:00Z");
    for (search, expected) in [
        ("acm", vec!["Acme"]),
        ("_", vec!["org_001"]),
        ("%25", vec![]),
    ] {
        let list = world
            .ok(&format!("/v1/meter/tenants?{DAY}&search={search}"))
            .await;
        assert_eq!(ids(&list), expected, "{search}");
    }

    let bound = world.key(&[Scope::Read], Some("Acme"));
    let own = world
        .get_as(&bound, &format!("/v1/meter/tenants?{DAY}"), None)
        .await;
    assert_eq!(ids(&own.json), ["Acme"]);
    let show = |tenant: &str| format!("/v1/meter/tenants/{tenant}?{DAY}");
    assert_eq!(
        world.get_as(&bound, &show("Acme"), None).await.status,
        StatusCode::OK
    );
    for (key, tenant) in [
        (bound.as_str(), "org_001"),
        (world.admin(), "billing"),
        (world.admin(), "%20"),
    ] {
        let answer = world.get_as(key, &show(tenant), None).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::NOT_FOUND, "not_found")
        );
    }
}

#[tokio::test]
async fn a_tenants_days_follow_its_zone() {
    let world = World::new().await;
    let at = |n: u128, at: &str| used(n, at);
    let batch = [
        at(1, "2025-11-20T18:29:59Z"),
        at(2, "2025-11-20T18:30:00Z"),
        at(3, "2025-11-21T10:00:07Z"),
    ];
    world.persist(0, 1, &batch).await;
    let range = "from=2025-11-19T18:30:00Z&to=2025-11-22T18:30:00Z";
    let path = format!("/v1/meter/tenants/org_001?timezone=Asia/Kolkata&{range}");
    let tenant = world.ok(&path).await;
    let counts: Vec<_> = tenant["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| &day["event_count"])
        .collect();
    assert_eq!(counts, [&json!(1), &json!(2), &json!(0)]);
    assert_eq!(tenant["days"][1]["window_start"], "2025-11-20T18:30:00Z");
    assert_eq!(
        tenant["totals"],
        json!({"total_quantity": 3, "event_count": 3})
    );
    assert_eq!(tenant["last_seen"], "2025-11-21T10:00:07Z");
    assert_eq!(tenant["quotas"], json!([]));
    let long = "from=2020-11-19T18:30:00Z&to=2025-11-22T18:30:00Z";
    let answer = world
        .get(&format!("/v1/meter/tenants/org_001?{long}"))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "invalid_parameter")
    );
}

/// What the quota service leaves behind: a quota of the tenant's, one of everybody's in two
/// partitions, and use of both, of an older generation too.
#[tokio::test]
async fn quotas_are_held_against_consumption() {
    let world = World::new().await;
    world
        .persist(1, 1, &[used(1, "2025-11-20T10:00:00Z")])
        .await;
    sqlx::raw_sql(
        "insert into quota values
             (1, '00000000-0000-0000-0000-000000000001', 1, 11, 'org_001', 'f', null, 'own', 100,
                 'lifetime', 'UTC', null, 'hard', 80, now()),
             (0, '00000000-0000-0000-0000-000000000002', 1, 20, '*', '*', null, 'all', 1000,
                 'yearly', 'UTC', null, 'soft', null, now()),
             (1, '00000000-0000-0000-0000-000000000002', 1, 21, '*', '*', null, 'all', 1000,
                 'yearly', 'UTC', null, 'soft', null, now()),
             (1, '00000000-0000-0000-0000-000000000003', 1, 31, 'org_002', 'f', null, 'other', 5,
                 'lifetime', 'UTC', null, 'hard', null, now());
         insert into quota_ledger select id::uuid, generation, tenant, feature, start, null, 1,
                 used, 2, 1, 0, 0
             from (values
                 ('00000000-0000-0000-0000-000000000001', 11, 'org_001', 'f',
                     timestamptz '0001-01-01 00:00:00+00', 75),
                 ('00000000-0000-0000-0000-000000000001', 10, 'org_001', 'f',
                     timestamptz '0001-01-01 00:00:00+00', 9),
                 ('00000000-0000-0000-0000-000000000002', 21, 'org_001', 'g',
                     date_trunc('year', now()), 1997),
                 ('00000000-0000-0000-0000-000000000002', 21, 'org_002', 'g',
                     date_trunc('year', now()), 5)
             ) as l(id, generation, tenant, feature, start, used)",
    )
    .execute(world.store.pool())
    .await
    .unwrap();
    let tenant = world.ok("/v1/meter/tenants/org_001").await;
    let quotas = tenant["quotas"].as_array().unwrap();
    let said: Vec<_> = quotas
        .iter()
        .map(|q| {
            (
                q["name"].as_str().unwrap(),
                q["feature"].as_str().unwrap(),
                q["used"].as_i64().unwrap(),
                q["remaining"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(said, [("all", "g", 2000, 0), ("own", "f", 78, 22)]);
    assert!(
        quotas[0]["projected"].as_i64().unwrap() >= 2000,
        "{}",
        quotas[0]
    );
    assert!(
        utc(quotas[0]["reset_at"].as_str().unwrap())
            > utc(quotas[0]["window_start"].as_str().unwrap())
    );
    assert_eq!(
        (&quotas[1]["reset_at"], &quotas[1]["projected"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(quotas[1]["alert_threshold"], 80);
}

/// A page is a page, wherever it is.
#[tokio::test]
async fn a_hundred_thousand_tenants_are_paged() {
    const TENANTS: usize = 100_000;
    let world = World::new().await;
    let fill = "with t as (
             insert into dimension (name) select 'tenant-' || lpad(n::text, 6, '0')
             from generate_series(1, $1) n returning id
         ), f as (insert into dimension (name) values ('feature') returning id)
         insert into usage_aggregate (granularity, window_start, tenant_id, resource_id, feature_id,
             total_quantity, event_count)
         select g, timestamptz '2025-11-20 00:00:00+00', t.id, f.id, f.id, 2, 1
         from t, f, unnest(array[15, 1440]::smallint[]) as g";
    sqlx::query(fill)
        .bind(i32::try_from(TENANTS).unwrap())
        .execute(world.store.pool())
        .await
        .unwrap();
    sqlx::raw_sql("analyze")
        .execute(world.store.pool())
        .await
        .unwrap();
    let (mut seen, mut slowest, mut cursor) = (Vec::new(), Duration::ZERO, String::new());
    loop {
        let path = format!("/v1/meter/tenants?{DAY}&limit=1000{cursor}");
        let since = Instant::now();
        let page = world.ok(&path).await;
        slowest = slowest.max(since.elapsed());
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    println!("slowest of 100 pages of 1000 tenants: {slowest:?}");
    assert_eq!(seen.len(), TENANTS);
    assert!(seen.is_sorted_by(|a, b| a < b), "out of order, or twice");
    let found = world
        .ok(&format!("/v1/meter/tenants?{DAY}&search=-099999"))
        .await;
    assert_eq!(ids(&found), ["tenant-099999"]);
    // A cursor is of its search.
    let answer = world
        .get(&format!("/v1/meter/tenants?{DAY}&search=x{cursor}"))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "invalid_cursor")
    );
}

#[tokio::test]
async fn a_name_that_is_only_a_resource_is_no_tenant() {
    let world = World::new().await;
    world
        .persist(
            0,
            1,
            &[Used {
                id: v7(9),
                ..used(1, "2025-11-20T10:00:00Z")
            }],
        )
        .await;
    let list = world.ok(&format!("/v1/meter/tenants?{DAY}")).await;
    assert_eq!(ids(&list), ["org_001"]);
}
