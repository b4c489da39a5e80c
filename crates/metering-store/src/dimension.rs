//! `dimension`: names of tenants, resources and features as small integers. A row never changes.

use sqlx::PgConnection;

/// Ids of those `names` that have one.
pub async fn list(
    conn: &mut PgConnection,
    names: &[&str],
) -> Result<Vec<(String, i32)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select name as "name!", id from dimension where name = any($1)"#,
        names as &[&str]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.id)).collect())
}

/// Gives an id to each of `names` that has none. Call it outside of a longer transaction, so that
/// nobody waits for that one, and with sorted names, so that two callers cannot deadlock.
pub async fn insert(conn: &mut PgConnection, names: &[&str]) -> Result<(), sqlx::Error> {
    debug_assert!(names.is_sorted());
    sqlx::query!(
        "insert into dimension (name) select name from unnest($1::text[]) as t(name)
         on conflict do nothing",
        names as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}
