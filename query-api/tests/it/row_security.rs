//! The second line between tenants: what the role of queries sees when a question forgets its tenant.

use std::time::Duration;

use metering_core::window::Source;
use metering_store::aggregates::{self, Names, Question};
use metering_store::dead_letter::State;
use metering_store::events::{self, Filter};
use metering_store::sqlx::{self, AssertSqlSafe, PgConnection};
use metering_store::tenants::{self, TenantFilter};
use metering_store::{
    QUERY_ROLE, Readers, Sight, Store, api_key, audit_log, dead_letter, sqlstate,
};
use uuid::Uuid;

use crate::support::{Used, World, used, utc};

/// Tables of which no row is a tenant's, and those that name tenants otherwise than in a column
/// `tenant_id`: names, and sums over all tenants.
const WITHOUT_TENANT: [&str; 1] = ["progress"];
const FOR_ALL: [&str; 2] = ["dimension", "usage_aggregate_all"];
const PERMISSION_DENIED: &str = "42501";
const TENANTS: [&str; 2] = ["acme", "org_001"];

/// Usage of two tenants, and a row of each in every other table that has a tenant.
async fn world() -> World {
    let world = World::new().await;
    let batch = [
        used(1, "2025-11-20T10:00:00Z"),
        used(2, "2025-11-20T10:01:00Z"),
        Used {
            tenant: "acme",
            quantity: 5,
            ..used(3, "2025-11-20T10:02:00Z")
        },
    ];
    world.persist(0, 1, &batch).await;
    for (number, tenant) in (0..).zip(TENANTS) {
        for (insert, id) in [
            "insert into dead_letter (incarnation, partition, seq, code, detail, payload, created_at,
                 tenant_id)
             values ($2, 0, 1, 'total_overflow', '', '', now(), $1)",
            "insert into api_key (id, name, secret_sha256, scopes, created_at, tenant_id)
             values ($2::text, '', sha256($2::text::bytea), '{}', now(), $1)",
            "insert into audit_log (at, action, target, detail, tenant_id)
             values (now(), 'key.create', $2::text, '{}', $1)",
            "insert into quota (partition, id, version, generation, feature, name, quota_limit,
                 period, timezone, enforcement, updated_at, tenant_id)
             values (0, $2, 0, 0, 'f', '', 1, 'daily', 'UTC', 'hard', now(), $1)",
            "insert into quota_ledger (quota_id, generation, feature, window_start, partition,
                 reported, taken, settled, overshoot, corrected, tenant_id)
             values ($2, 0, 'f', now(), 0, 1, 0, 0, 0, 0, $1)",
            "insert into decision (partition, seq, record_index, id, kind, feature, quantity,
                 outcome, decided_at, tenant_id)
             values (0, 1, ('x' || left($2::text, 7))::bit(28)::integer, $2, 'consume', 'f', 1,
                 'allowed', now(), $1)",
            "insert into alert (id, kind, quota_id, feature, window_start, quota_limit, threshold,
                 used, raised_at, next_attempt_at, tenant_id)
             values ($2, 'threshold', $2, 'f', now(), 1, 80, 1, now(), now(), $1)",
        ]
        .into_iter()
        .zip((0_u128..).map(|n| Uuid::from_u128((n + 1 + 100 * number) << 100)))
        {
            let inserted = sqlx::query(insert).bind(tenant).bind(id);
            inserted.execute(world.store.pool()).await.unwrap();
        }
    }
    world
}

async fn readers(world: &World) -> Readers {
    let timeout = Duration::from_secs(10);
    Readers::connect(&world.url, 1, timeout).await.unwrap()
}

async fn count(conn: &mut PgConnection, table: &str) -> Result<i64, sqlx::Error> {
    let sql = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(conn).await
}

/// The tables, those of days and months included, by whether they have a column `tenant_id`.
async fn tables(store: &Store) -> Vec<(String, bool)> {
    let tables = "select c.relname::text, exists (select from pg_attribute a
             where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
         from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
         order by 1";
    let tables: Vec<(String, bool)> = sqlx::query_as(tables)
        .fetch_all(store.pool())
        .await
        .unwrap();
    assert!(tables.iter().filter(|(_, of_tenants)| *of_tenants).count() > 10);
    tables
}

/// A session of that role that names no tenant.
async fn nobody(world: &World) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
    let mut conn = world.store.pool().acquire().await.unwrap();
    let become_it = AssertSqlSafe(format!("set role {QUERY_ROLE}"));
    sqlx::query(become_it).execute(&mut *conn).await.unwrap();
    // A pool's connection may not be used as another role by whoever gets it next.
    conn.close_on_drop();
    conn
}

#[tokio::test]
async fn without_a_tenant_there_is_nothing() {
    let world = world().await;
    let mut conn = nobody(&world).await;
    let mut owner = world.store.pool().acquire().await.unwrap();
    for (table, of_tenants) in tables(&world.store).await {
        if of_tenants && !table.starts_with("event_key_") {
            let there = count(&mut owner, &table).await.unwrap();
            let empty_day = table == "usage_event_before_2020";
            assert!(
                there > 0 || empty_day,
                "{table}: give it a row in this test"
            );
        }
        match count(&mut conn, &table).await {
            Ok(rows) if WITHOUT_TENANT.contains(&table.as_str()) => assert_eq!(rows, 1, "{table}"),
            Ok(rows) => assert_eq!(rows, 0, "{table}"),
            Err(error) => assert_eq!(
                sqlstate(&error).as_deref(),
                Some(PERMISSION_DENIED),
                "{table}"
            ),
        }
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_no_role_more_than_it_names() {
    let world = world().await;
    let readers = readers(&world).await;
    let mut owner = world.store.pool().acquire().await.unwrap();
    // One connection for all of them: what it saw before is forgotten.
    for (table, of_tenants) in tables(&world.store).await {
        let mut conn = readers.acquire(Sight::AllTenants).await.unwrap();
        let Ok(all) = count(&mut conn, &table).await else {
            assert!(
                table.starts_with("usage_event_") || table.starts_with("event_key_") || !of_tenants,
                "{table}"
            );
            continue;
        };
        assert_eq!(all, count(&mut owner, &table).await.unwrap(), "{table}");
        drop(conn);
        for (sight, rows) in [
            ("acme", 1),
            ("nobody", 0),
            ("*", 0),
            ("", 0),
            ("a' or ''='", 0),
        ] {
            let mut conn = readers.acquire(Sight::Tenant(sight)).await.unwrap();
            let seen = count(&mut conn, &table).await.unwrap();
            if of_tenants {
                // Its event is in two sums.
                let rows = if table == "usage_aggregate" {
                    2 * rows
                } else {
                    rows
                };
                assert_eq!(seen, rows, "{table} as {sight:?}");
            } else if table == "usage_aggregate_all" {
                assert_eq!(seen, 0, "{table} as {sight:?}");
            } else {
                assert!(
                    FOR_ALL.contains(&table.as_str()) || WITHOUT_TENANT.contains(&table.as_str())
                );
            }
        }
    }
}

/// As if every one of these questions had forgotten its tenant.
#[tokio::test]
async fn a_question_that_forgets_its_tenant_is_answered_from_one() {
    let world = world().await;
    let readers = readers(&world).await;
    let mut conn = readers.acquire(Sight::Tenant("acme")).await.unwrap();
    let (from, to) = (utc("2025-11-20T00:00:00Z"), utc("2025-11-21T00:00:00Z"));
    let filter = Filter {
        names: Names::default(),
        from,
        to,
        metadata: vec![("user".to_owned(), "u_1".to_owned())],
    };
    let pins = events::pins(&mut conn).await.unwrap();
    let page = events::list(&mut conn, &filter, &pins, None, 100)
        .await
        .unwrap();
    let tenants_of = |page: &events::Page| {
        page.events
            .iter()
            .map(|e| e.tenant_id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(tenants_of(&page), ["acme"]);
    assert!(
        events::find(&mut conn, "org_001", crate::support::v7(1))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        events::find(&mut conn, "acme", crate::support::v7(3))
            .await
            .unwrap()
            .is_some()
    );

    let bounds = [from, to];
    let names = Names::default();
    let mut question = Question {
        bounds: &bounds,
        source: &Source::pick(&bounds),
        by_window: false,
        group_by: &[aggregates::Dimension::Tenant],
        names: &names,
        top: None,
        rest: false,
        member: None,
        after: None,
        max_rows: 100,
    };
    let answer = aggregates::list(&mut conn, &question).await.unwrap();
    assert_eq!((answer.rows.len(), answer.total.total_quantity), (1, 5));
    question.source = &Source::Raw;
    let answer = aggregates::list(&mut conn, &question).await.unwrap();
    assert_eq!((answer.rows.len(), answer.total.total_quantity), (1, 5));
    // Sums over all tenants have no tenant that could be forgotten.
    question.group_by = &[];
    let source = Source::pick(&bounds);
    question.source = &source;
    assert!(
        aggregates::list(&mut conn, &question)
            .await
            .unwrap()
            .rows
            .is_empty()
    );

    let found = tenants::list(&mut conn, &TenantFilter::default(), &bounds, None, 10)
        .await
        .unwrap();
    assert_eq!(
        found
            .iter()
            .map(|t| t.tenant_id.as_str())
            .collect::<Vec<_>>(),
        ["acme"]
    );
    let letters = dead_letter::list(&mut conn, None, State::Open, None, 10)
        .await
        .unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        api_key::list(&mut conn, None, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        audit_log::list(&mut conn, None, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}
