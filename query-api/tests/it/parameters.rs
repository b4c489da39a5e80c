//! Every way to ask wrongly, and what is said about it.

use axum::http::StatusCode;

use crate::support::World;

const YEAR: &str = "from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z";
const EVENTS: &str = "/v1/meter/events";
const AGGREGATES: &str = "/v1/meter/aggregates";

/// Each query of `table` is refused with a detail that names the culprit.
async fn refused(world: &World, path: &str, table: &[(&str, &str)]) {
    for (query, named) in table {
        let answer = world.get(&format!("{path}?{query}")).await;
        let got = (answer.status, answer.code());
        let expected = (StatusCode::BAD_REQUEST, "invalid_parameter");
        assert_eq!(got, expected, "{query}: {}", answer.text);
        let media_type = &answer.headers["content-type"];
        assert_eq!(media_type, "application/problem+json", "{query}");
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{query}: {detail}");
    }
}

fn numbered(count: usize, name: &str) -> String {
    let pairs: Vec<_> = (0..count).map(|n| format!("{name}{n}=1")).collect();
    pairs.join("&")
}

#[tokio::test]
async fn bad_listings_are_refused() {
    let world = World::new().await;
    let many = numbered(70, "p");
    let nine = numbered(9, "metadata.k");
    let long = format!("resource={}", "a".repeat(129));
    let table = [
        ("limit=0", "`limit`"),
        ("limit=-1", "`limit`"),
        ("limit=1000000000", "`limit`"),
        ("limit=1001", "`limit`"),
        ("limit=abc", "`limit`"),
        ("limit=%2B5", "`limit`"),
        ("limit=05", "`limit`"),
        ("limit=", "`limit`"),
        ("limit=1&limit=1", "`limit`"),
        ("tenant=a", "`tenant`"),
        ("window=hour", "`window`"),
        ("metadata.=1", "`metadata.`"),
        ("metadata.a=%00", "%00"),
        ("tenant_id=a%00", "%00"),
        ("metadata.%00=1", "%00"),
        ("tenant_id=a%20b", "`tenant_id`"),
        ("feature=a..b", "`feature`"),
        (long.as_str(), "`resource`"),
        (many.as_str(), "64"),
        (nine.as_str(), "`metadata.KEY`"),
        ("from=2025-11-20", "`from`"),
        ("from=2025-11-20T00:00:00", "`from`"),
        ("from=1763634660", "`from`"),
        ("to=2025-02-30T00:00:00Z", "`to`"),
        ("to=2025-02-20T00:00:60Z", "`to`"),
        ("to=0000-02-20T00:00:00Z", "`to`"),
        ("to=%2B10000-02-20T00:00:00Z", "`to`"),
        (
            "from=2025-11-20T00:00:01Z&to=2025-11-20T00:00:00Z",
            "`from`",
        ),
        (
            "from=2025-11-20T00:00:00Z&to=2025-11-20T00:00:00Z",
            "`from`",
        ),
    ];
    refused(&world, EVENTS, &table).await;
    refused(&world, &format!("{EVENTS}/x"), &[("tenant_id=a", "`id`")]).await;
    let one = format!("{EVENTS}/019a9b5e-0000-7000-8000-000000000001");
    refused(&world, &one, &[("tenant_id=a&limit=1", "`limit`")]).await;
}

#[tokio::test]
async fn bad_aggregates_are_refused() {
    let world = World::new().await;
    let ages = "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z";
    let minutes = format!("window=minute&{YEAR}");
    let (hours, months) = (
        format!("window=hour&{ages}"),
        format!("window=month&{ages}"),
    );
    let table = [
        ("limit=1", "`limit`"),
        ("window=year", "`window`"),
        ("window=Hour", "`window`"),
        ("timezone=Europe/Bonn", "`timezone`"),
        ("timezone=%2B05:30", "`timezone`"),
        ("group_by=customer", "`group_by`"),
        ("group_by=resource,resource", "`group_by`"),
        ("group_by=resource,", "`group_by`"),
        ("group_by=resource&group_by=feature", "`group_by`"),
        ("fill=null", "`fill`"),
        ("totals=yes", "`totals`"),
        ("top=0&group_by=resource", "`top`"),
        ("top=1001&group_by=resource", "`top`"),
        ("top=3", "`top`"),
        (
            "window=minute&from=2025-11-20T00:00:00Z&to=2025-11-22T00:00:01Z",
            "`window`",
        ),
        (&minutes, "`window`"),
        (&hours, "`window`"),
        (&months, "`window`"),
        (
            "window=day&timezone=Asia/Kolkata&from=1850-01-01T00:00:00Z&to=1852-01-01T00:00:00Z",
            "`timezone`",
        ),
    ];
    refused(&world, AGGREGATES, &table).await;
}

#[tokio::test]
async fn extremes_are_answered() {
    let world = World::new().await;
    for path in [
        "/v1/meter/events?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999Z&limit=1000",
        "/v1/meter/events?from=0001-01-01T00:00:00Z&to=0001-01-01T00:00:00.000001Z",
        "/v1/meter/events?to=0001-01-01T00:00:00Z",
        "/v1/meter/events?metadata.%22%5C=%F0%9F%98%80%22&metadata.x=1e400&metadata.y=null",
        "/v1/meter/aggregates?window=none&from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999Z",
        "/v1/meter/aggregates?window=month&timezone=Pacific/Kiritimati&from=9999-12-01T00:00:00Z&to=9999-12-31T23:59:59Z",
        "/v1/meter/aggregates?window=minute&from=2025-11-20T00:00:00Z&to=2025-11-22T00:00:00Z",
        "/v1/meter/aggregates?window=week&timezone=America/St_Johns&from=0001-01-01T00:00:00Z&to=0001-02-01T00:00:00Z",
    ] {
        world.ok(path).await;
    }
}
