//! Exports: everything, once, in both forms, and without much memory.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt as _;
use metering_store::sqlx;
use serde_json::Value;
use service_kit::auth::Scope;
use tower::ServiceExt as _;

use crate::support::{Answer, Used, World, used, utc, v7};

const DAY: &str = "from=2025-11-20T00:00:00Z&to=2025-11-21T00:00:00Z";

async fn get(world: &World, key: &str, path: &str, accept: &str) -> Answer {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {key}"))
        .header("accept", accept);
    world.send(request.body(Body::empty()).unwrap()).await
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn both_forms_have_the_events_of_a_listing() {
    let world = World::new().await;
    let batch = [
        used(1, "2025-11-20T10:00:00Z"),
        Used {
            tenant: "acme",
            metadata: r#"{"user":"=cmd|' /C calc'!A0","n":-5,"list":[1,"a"]}"#,
            ..used(2, "2025-11-20T11:00:00.5Z")
        },
    ];
    world.persist(0, 1, &batch).await;
    let path = format!("/v1/meter/events?{DAY}");
    let listed = world.ok(&path).await;
    let ndjson = get(&world, world.admin(), &path, "application/x-ndjson").await;
    assert_eq!(Value::from(lines(&ndjson.text)), listed["data"]);
    assert_eq!(
        ndjson.headers["content-disposition"],
        "attachment; filename=\"events.ndjson\""
    );

    let columns =
        "columns=timestamp,tenant_id,metadata.user,metadata.n,metadata.list,metadata.none";
    let csv = get(
        &world,
        world.admin(),
        &format!("{path}&{columns}"),
        "text/csv",
    )
    .await;
    let expected = "timestamp,tenant_id,metadata.user,metadata.n,metadata.list,metadata.none\r\n\
        2025-11-20T11:00:00.500Z,acme,'=cmd|' /C calc'!A0,-5,\"[1,\"\"a\"\"]\",\r\n\
        2025-11-20T10:00:00Z,org_001,u_1,,,\r\n";
    assert_eq!(csv.text, expected);
    let all = get(&world, world.admin(), &path, "text/csv").await;
    assert!(
        all.text
            .starts_with("id,tenant_id,resource,feature,quantity,timestamp,metadata\r\n")
    );

    for bad in [
        "columns=id,id",
        "columns=password",
        "columns=id,",
        "columns=metadata.",
        "limit=5",
        "cursor=x",
    ] {
        let answer = get(&world, world.admin(), &format!("{path}&{bad}"), "text/csv").await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_parameter"),
            "{bad}"
        );
    }
    let bound = world.key(&[Scope::Read], Some("acme"));
    let own = get(&world, &bound, &path, "application/x-ndjson").await;
    assert_eq!(lines(&own.text).len(), 1);
    let foreign = get(
        &world,
        &bound,
        &format!("{path}&tenant_id=org_001"),
        "application/x-ndjson",
    )
    .await;
    assert_eq!(
        (foreign.status, foreign.text.as_str()),
        (StatusCode::OK, "")
    );
}

/// Events of many tenants, many of one instant: each page goes on exactly where the last one ended.
#[tokio::test]
async fn an_export_has_every_event_once() {
    let world = World::new().await;
    fill(&world, 9000, 7).await;
    for path in [
        "/v1/meter/events",
        "/v1/meter/events?tenant_id=tenant-3",
        "/v1/meter/events?metadata.n=4",
    ] {
        let path = format!("{path}{}{DAY}", if path.contains('?') { "&" } else { "?" });
        let mut listed = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world.ok(&format!("{path}&limit=1000{cursor}")).await;
            listed.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let exported = get(&world, world.admin(), &path, "application/x-ndjson").await;
        let exported = lines(&exported.text);
        let ids: BTreeSet<String> = exported
            .iter()
            .map(|event| event["id"].to_string())
            .collect();
        assert_eq!(ids.len(), exported.len(), "{path}");
        assert!(
            exported == listed,
            "{path}: {} and {}",
            exported.len(),
            listed.len()
        );
    }
}

#[tokio::test]
async fn aggregates_are_exported_whatever_their_number() {
    let world = World::new().await;
    let batch: Vec<Used> = (0..300)
        .map(|n| Used {
            timestamp: utc("2025-11-20T00:00:00Z")
                + chrono::TimeDelta::minutes(i64::try_from(n).unwrap() * 37),
            tenant: if n % 3 == 0 { "acme" } else { "org_001" },
            id: v7(n),
            ..used(0, "2025-11-20T00:00:00Z")
        })
        .collect();
    world.persist(0, 1, &batch).await;
    let range = "from=2025-11-20T00:00:00Z&to=2025-11-30T00:00:00Z";
    for question in [
        "window=hour&group_by=tenant_id,feature",
        "window=none&group_by=resource",
        "window=day&tenant_id=acme",
    ] {
        let path = format!("/v1/meter/aggregates?{question}&{range}");
        let listed = world.ok(&path).await;
        let exported = get(&world, world.admin(), &path, "application/x-ndjson").await;
        assert_eq!(
            Value::from(lines(&exported.text)),
            listed["data"],
            "{question}"
        );
    }
    let path = format!("/v1/meter/aggregates?window=day&{range}&columns=window_start,event_count");
    let csv = get(&world, world.admin(), &path, "text/csv").await;
    assert!(
        csv.text
            .starts_with("window_start,event_count\r\n2025-11-20T00:00:00Z,39\r\n"),
        "{}",
        csv.text
    );
    for bad in ["top=3&group_by=feature", "fill=zero"] {
        let answer = get(&world, world.admin(), &format!("{path}&{bad}"), "text/csv").await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_parameter")
        );
    }
}

/// More groups than fit into a page, and than an answer may have.
#[tokio::test]
async fn a_month_of_many_tenants_is_exported() {
    const TENANTS: usize = 60_000;
    let world = World::new().await;
    let fill = "with t as (
             insert into dimension (name) select 'tenant-' || n from generate_series(1, $1) n
             returning id
         ), f as (insert into dimension (name) values ('feature') returning id)
         insert into usage_aggregate (granularity, window_start, tenant_id, resource_id, feature_id,
             total_quantity, event_count)
         select 1440, timestamptz '2025-11-20 00:00:00+00', t.id, f.id, f.id, 2, 1 from t, f";
    let fill = sqlx::query(fill).bind(i32::try_from(TENANTS).unwrap());
    fill.execute(world.store.pool()).await.unwrap();
    let path = "/v1/meter/aggregates?window=month&group_by=tenant_id&from=2025-11-01T00:00:00Z&to=2025-12-01T00:00:00Z";
    assert_eq!(world.get(path).await.code(), "invalid_parameter");
    let exported = get(&world, world.admin(), path, "application/x-ndjson").await;
    let rows = lines(&exported.text);
    assert_eq!(rows.len(), TENANTS);
    assert!(rows.is_sorted_by(|a, b| a["tenant_id"].as_str() < b["tenant_id"].as_str()));
    assert!(rows.iter().all(|row| row["total_quantity"] == 2));
}

/// How fast, on whatever runs this: printed, and no more than that. In how much memory: a million rows
/// take what a tenth of them takes.
#[tokio::test]
async fn the_rate_is_measured() {
    const EVENTS: usize = 1_000_000;
    const TENTH: &str = "from=2025-11-20T00:00:00Z&to=2025-11-20T00:55:33Z";
    /// Pages of other events are somewhat larger, and allocators keep some.
    const TOLERANCE_KIB: u64 = 16 * 1024;
    let world = World::new().await;
    fill(&world, EVENTS, 50).await;
    for accept in ["application/x-ndjson", "text/csv"] {
        let (tenth, _, little) = measured(&world, TENTH, accept).await;
        assert!((EVENTS / 11..EVENTS / 9).contains(&tenth), "{tenth}");
        let (rows, took, peak) = measured(&world, DAY, accept).await;
        assert_eq!(rows, EVENTS);
        #[expect(clippy::cast_precision_loss, reason = "a rate to read")]
        let rate = rows as f64 / took.as_secs_f64();
        println!(
            "{accept}: {rows} rows in {took:?}, {rate:.0} rows/s; {peak} KiB resident at most, {little} KiB with {tenth} rows"
        );
        assert!(peak <= little + TOLERANCE_KIB, "{peak} {little}");
    }
}

/// Exports events and keeps none: their number, how long it took, and the most memory that this process
/// was resident in meanwhile, in KiB.
async fn measured(world: &World, range: &str, accept: &str) -> (usize, Duration, u64) {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let since = Instant::now();
    let request = Request::get(format!("/v1/meter/events?{range}"))
        .header("authorization", format!("Bearer {}", world.admin()))
        .header("accept", accept);
    let request = request.body(Body::empty()).unwrap();
    let response = world.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut pieces = response.into_body().into_data_stream();
    let mut lines = 0;
    while let Some(piece) = pieces.next().await {
        lines += piece.unwrap().iter().filter(|b| **b == b'\n').count();
    }
    let took = since.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    let rows = lines - usize::from(accept == "text/csv");
    (rows, took, peak.parse().unwrap())
}

/// `events` events within the day, of `tenants` tenants, several of each instant.
async fn fill(world: &World, events: usize, tenants: usize) {
    world
        .persist(
            0,
            1,
            &[Used {
                tenant: "first",
                ..used(0, "2025-11-19T10:00:00Z")
            }],
        )
        .await;
    let pool = world.store.pool();
    metering_store::usage_event::ensure_day(pool, utc("2025-11-20T00:00:00Z").timestamp_micros())
        .await
        .unwrap();
    let fill = "with t as (
             insert into dimension (name) select 'tenant-' || n from generate_series(0, $2 - 1) n
             returning id, name
         ), f as (select id from dimension where name = 'billing')
         insert into usage_event
         select timestamptz '2025-11-20 00:00:00+00' + (n / 3) * interval '100 milliseconds',
             now(), now(), gen_random_uuid(), 1, n % 10, n, t.id, f.id, f.id, 0, gen_random_uuid(),
             jsonb_build_object('n', n % 10, 'user', 'u_' || n)
         from generate_series(1, $1) n join t on t.name = 'tenant-' || (n % $2), f";
    let bind = |n: usize| i32::try_from(n).unwrap();
    let fill = sqlx::query(fill).bind(bind(events)).bind(bind(tenants));
    fill.execute(pool).await.unwrap();
    sqlx::raw_sql("analyze").execute(pool).await.unwrap();
}
