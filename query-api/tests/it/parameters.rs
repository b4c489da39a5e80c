//! Every way to ask wrongly, and what is said about it.

use axum::http::StatusCode;

use crate::support::World;

const YEAR: &str = "from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z";
const EVENTS: &str = "/v1/meter/events";
const AGGREGATES: &str = "/v1/meter/aggregates";

#[tokio::test]
async fn bad_parameters_are_refused_by_name() {
    let world = World::new().await;
    let many = (0..70)
        .map(|n| format!("p{n}=1"))
        .collect::<Vec<_>>()
        .join("&");
    let nine = (0..9)
        .map(|n| format!("metadata.k{n}=1"))
        .collect::<Vec<_>>()
        .join("&");
    let long = format!("resource={}", "a".repeat(129));
    let ages = "from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z";
    for (path, query, named) in [
        (EVENTS, "limit=0", "`limit`"),
        (EVENTS, "limit=-1", "`limit`"),
        (EVENTS, "limit=1000000000", "`limit`"),
        (EVENTS, "limit=1001", "`limit`"),
        (EVENTS, "limit=abc", "`limit`"),
        (EVENTS, "limit=%2B5", "`limit`"),
        (EVENTS, "limit=05", "`limit`"),
        (EVENTS, "limit=", "`limit`"),
        (EVENTS, "limit=1&limit=1", "`limit`"),
        (EVENTS, "tenant=a", "`tenant`"),
        (EVENTS, "window=hour", "`window`"),
        (EVENTS, "metadata.=1", "`metadata.`"),
        (EVENTS, "metadata.a=%00", "%00"),
        (EVENTS, "tenant_id=a%00", "%00"),
        (EVENTS, "metadata.%00=1", "%00"),
        (EVENTS, "tenant_id=a%20b", "`tenant_id`"),
        (EVENTS, "feature=a..b", "`feature`"),
        (EVENTS, long.as_str(), "`resource`"),
        (EVENTS, many.as_str(), "64"),
        (EVENTS, nine.as_str(), "`metadata.KEY`"),
        (EVENTS, "from=2025-11-20", "`from`"),
        (EVENTS, "from=2025-11-20T00:00:00", "`from`"),
        (EVENTS, "from=1763634660", "`from`"),
        (EVENTS, "to=2025-02-30T00:00:00Z", "`to`"),
        (EVENTS, "to=2025-02-20T00:00:60Z", "`to`"),
        (EVENTS, "to=0000-02-20T00:00:00Z", "`to`"),
        (EVENTS, "to=%2B10000-02-20T00:00:00Z", "`to`"),
        (
            EVENTS,
            "from=2025-11-20T00:00:01Z&to=2025-11-20T00:00:00Z",
            "`from`",
        ),
        (
            EVENTS,
            "from=2025-11-20T00:00:00Z&to=2025-11-20T00:00:00Z",
            "`from`",
        ),
        ("/v1/meter/events/x", "tenant_id=a", "`id`"),
        (
            "/v1/meter/events/019a9b5e-0000-7000-8000-000000000001",
            "tenant_id=a&limit=1",
            "`limit`",
        ),
        (AGGREGATES, "limit=1", "`limit`"),
        (AGGREGATES, "window=year", "`window`"),
        (AGGREGATES, "window=Hour", "`window`"),
        (AGGREGATES, "timezone=Europe/Bonn", "`timezone`"),
        (AGGREGATES, "timezone=%2B05:30", "`timezone`"),
        (AGGREGATES, "group_by=customer", "`group_by`"),
        (AGGREGATES, "group_by=resource,resource", "`group_by`"),
        (AGGREGATES, "group_by=resource,", "`group_by`"),
        (
            AGGREGATES,
            "group_by=resource&group_by=feature",
            "`group_by`",
        ),
        (AGGREGATES, "fill=null", "`fill`"),
        (AGGREGATES, "totals=yes", "`totals`"),
        (AGGREGATES, "top=0&group_by=resource", "`top`"),
        (AGGREGATES, "top=1001&group_by=resource", "`top`"),
        (AGGREGATES, "top=3", "`top`"),
        (
            AGGREGATES,
            "window=minute&from=2025-11-20T00:00:00Z&to=2025-11-22T00:00:01Z",
            "`window`",
        ),
        (AGGREGATES, &format!("window=minute&{YEAR}"), "`window`"),
        (AGGREGATES, &format!("window=hour&{}", ages), "`window`"),
        (AGGREGATES, &format!("window=month&{}", ages), "`window`"),
        (
            AGGREGATES,
            "window=day&timezone=Asia/Kolkata&from=1850-01-01T00:00:00Z&to=1852-01-01T00:00:00Z",
            "`timezone`",
        ),
    ] {
        let answer = world.get(&format!("{path}?{query}")).await;
        let got = (answer.status, answer.code());
        assert_eq!(
            got,
            (StatusCode::BAD_REQUEST, "invalid_parameter"),
            "{query}: {}",
            answer.text
        );
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{query}"
        );
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{query}: {detail}");
    }
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
