//! `dimension`: names of tenants, resources and features as small integers. A row never changes.

use std::collections::HashMap;

use sqlx::PgConnection;

/// Names kept at one time: some 5 MB.
const MAX_KNOWN: usize = 50_000;

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

/// Names by their ids, as far as they were asked for; what is here stays true.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownNames(HashMap<i32, String>);

impl KnownNames {
    /// Asks for those of `ids` that are not known yet.
    pub(crate) async fn learn(
        &mut self,
        conn: &mut PgConnection,
        ids: impl Iterator<Item = i32>,
    ) -> Result<(), sqlx::Error> {
        let mut unknown: Vec<i32> = ids.filter(|id| !self.0.contains_key(id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        if self.0.len() + unknown.len() > MAX_KNOWN {
            self.0.clear();
        }
        let rows = sqlx::query!(
            r#"select id, name as "name!" from dimension where id = any($1)"#,
            &unknown
        )
        .fetch_all(conn)
        .await?;
        self.0
            .extend(rows.into_iter().map(|row| (row.id, row.name)));
        Ok(())
    }

    /// Error: nobody has learnt it, or no row has it.
    pub(crate) fn get(&self, id: i32) -> Result<String, sqlx::Error> {
        self.0.get(&id).cloned().ok_or(sqlx::Error::RowNotFound)
    }
}
