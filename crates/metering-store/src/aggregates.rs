//! Reads of aggregates: windows of usage, grouped and ranked, in one statement.
//!
//! The calendar stays in Rust: the statement gets boundaries and sorts rows between them. Its text
//! is put together from the closed sets below; everything a caller sends is a bound value.

use std::num::ParseIntError;

use chrono::{DateTime, Utc};
use metering_core::window::{Slice, Source};
use sqlx::{PgConnection, Postgres, QueryBuilder};

use crate::dimension;

/// What usage can be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Tenant,
    Resource,
    Feature,
}

impl Dimension {
    pub const ALL: [Self; 3] = [Self::Tenant, Self::Resource, Self::Feature];

    fn column(self) -> &'static str {
        match self {
            Self::Tenant => "tenant_id",
            Self::Resource => "resource_id",
            Self::Feature => "feature_id",
        }
    }
}

/// Names that usage must have; one that nobody has used selects nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub tenant: Option<String>,
    pub resource: Option<String>,
    pub feature: Option<String>,
}

/// What to add up.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Boundaries of the windows, sorted, at least two.
    pub bounds: &'a [DateTime<Utc>],
    /// [`Source::pick`] of the bounds.
    pub source: &'a Source,
    /// Whether rows tell windows apart.
    pub by_window: bool,
    pub group_by: &'a [Dimension],
    pub names: &'a Names,
    /// Only the groups with the largest totals over all windows.
    pub top: Option<u32>,
    /// The other groups, too, as one.
    pub rest: bool,
    /// Group by the text of this member of the metadata as well; needs raw events as the source.
    pub member: Option<&'a str>,
    /// Only what comes behind this row in the order of an answer; not together with a `top`.
    pub after: Option<After<'a>>,
    /// Rows to return at most.
    pub max_rows: u32,
}

/// A row's place in an answer: its window and its names.
#[derive(Debug, Clone, Copy)]
pub struct After<'a> {
    pub window: Option<usize>,
    pub names: [&'a str; 3],
}

/// What tells groups apart: whether it is the rest, and the names.
pub type Group = (bool, [Option<String>; 4]);

impl Usage {
    pub fn group(&self) -> Group {
        let names = [&self.tenant_id, &self.resource, &self.feature, &self.member];
        (self.is_rest, names.map(Clone::clone))
    }

    pub fn place(&self) -> After<'_> {
        let names = [&self.tenant_id, &self.resource, &self.feature];
        After {
            window: self.window,
            names: names.map(|name| name.as_deref().unwrap_or_default()),
        }
    }
}

/// Usage of one group in one window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Index of the window's start in the bounds; `None` unless asked for.
    pub window: Option<usize>,
    /// Names of what was grouped by.
    pub tenant_id: Option<String>,
    pub resource: Option<String>,
    pub feature: Option<String>,
    /// Of the member of the metadata; `None` also for events that do not have it.
    pub member: Option<String>,
    /// All groups below the top.
    pub is_rest: bool,
    pub sum: Sum,
}

/// Exact: sums of 64-bit totals need more than 64 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub total_quantity: i128,
    pub event_count: i128,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// By window, then by rank where there is a `top`, else by name. Without what is zero.
    pub rows: Vec<Usage>,
    /// Over all groups, the ones below the top included.
    pub total: Sum,
    /// There were more rows than `max_rows`.
    pub truncated: bool,
}

/// Store ids of [`Names`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ids {
    pub(crate) tenant: Option<i32>,
    pub(crate) resource: Option<i32>,
    pub(crate) feature: Option<i32>,
}

impl Ids {
    /// `None`: one of the names is nobody's.
    pub(crate) async fn find(
        conn: &mut PgConnection,
        names: &Names,
    ) -> Result<Option<Self>, sqlx::Error> {
        let wanted = [&names.tenant, &names.resource, &names.feature].map(Option::as_deref);
        let list: Vec<&str> = wanted.iter().flatten().copied().collect();
        if list.is_empty() {
            return Ok(Some(Self::default()));
        }
        let known = dimension::list(conn, &list).await?;
        let id = |name: &str| known.iter().find(|(n, _)| n == name).map(|(_, id)| *id);
        let [tenant, resource, feature] = wanted.map(|name| name.and_then(id));
        let found = Self {
            tenant,
            resource,
            feature,
        };
        let all = [tenant, resource, feature].iter().flatten().count() == list.len();
        Ok(all.then_some(found))
    }

    pub(crate) fn push(self, sql: &mut QueryBuilder<Postgres>) {
        let ids = [self.tenant, self.resource, self.feature];
        for (dimension, id) in Dimension::ALL.iter().zip(ids) {
            if let Some(id) = id {
                sql.push(format_args!(" and {} = ", dimension.column()))
                    .push_bind(id);
            }
        }
    }
}

/// Answers `question`. Without a tenant in its names or its groups it reads the aggregates over all
/// tenants, of which there are far fewer.
pub async fn list(conn: &mut PgConnection, question: &Question<'_>) -> Result<Answer, sqlx::Error> {
    let Some(ids) = Ids::find(conn, question.names).await? else {
        return Ok(Answer::default());
    };
    let mut sql = statement(question, ids);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(conn).await?;
    let total = rows.first().map_or(Ok(Sum::default()), |row| {
        sum(&row.all_quantity, &row.all_count)
    })?;
    let max_rows = usize::try_from(question.max_rows).unwrap_or(usize::MAX);
    let truncated = rows.len() > max_rows;
    let rows = rows
        .into_iter()
        .take(max_rows)
        .map(|row| {
            Ok(Usage {
                window: row.w.and_then(|w| usize::try_from(w).ok()),
                sum: sum(&row.quantity, &row.count)?,
                tenant_id: row.tenant,
                resource: row.resource,
                feature: row.feature,
                member: row.member,
                is_rest: row.is_rest,
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(Answer {
        rows,
        total,
        truncated,
    })
}

#[derive(sqlx::FromRow)]
struct Row {
    w: Option<i32>,
    tenant: Option<String>,
    resource: Option<String>,
    feature: Option<String>,
    member: Option<String>,
    is_rest: bool,
    quantity: String,
    count: String,
    all_quantity: String,
    all_count: String,
}

pub(crate) fn sum(quantity: &str, count: &str) -> Result<Sum, sqlx::Error> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: ParseIntError| sqlx::Error::Decode(error.into()))
    };
    Ok(Sum {
        total_quantity: parse(quantity)?,
        event_count: parse(count)?,
    })
}

fn statement(question: &Question<'_>, ids: Ids) -> QueryBuilder<Postgres> {
    let groups = question.group_by.iter().map(|d| d.column());
    let groups: Vec<&str> = groups.chain(question.member.map(|_| "member")).collect();
    let groups = groups.join(", ");
    let mut sql = QueryBuilder::new("with cell as materialized (select ");
    if question.by_window {
        sql.push("width_bucket(at, ")
            .push_bind(question.bounds)
            .push(") - 1 as w, ");
    }
    if !groups.is_empty() {
        sql.push(format_args!("{groups}, "));
    }
    sql.push("sum(quantity) as quantity, sum(events) as events from ");
    push_source(&mut sql, question, ids);
    match (question.by_window, groups.is_empty()) {
        (true, true) => sql.push(" group by w"),
        (true, false) => sql.push(format_args!(" group by w, {groups}")),
        (false, false) => sql.push(format_args!(" group by {groups}")),
        // A sum over nothing would be a row of nulls.
        (false, true) => sql.push(" having count(*) > 0"),
    };
    sql.push(if question.after.is_some() {
        ") select * from (select "
    } else {
        ") select "
    });
    sql.push(if question.by_window {
        "w"
    } else {
        "null::integer as w"
    });
    for (dimension, name) in Dimension::ALL.iter().zip(["tenant", "resource", "feature"]) {
        let column = dimension.column();
        if question.group_by.contains(dimension) {
            sql.push(format_args!(
                ", (select name from dimension where id = {column}) as {name}"
            ));
        } else {
            sql.push(format_args!(", null::text as {name}"));
        }
    }
    sql.push(if question.member.is_some() {
        ", member"
    } else {
        ", null::text as member"
    });
    sql.push(if question.top.is_some() && question.rest {
        ", is_rest"
    } else {
        ", false as is_rest"
    });
    sql.push(
        ", quantity::text as quantity, events::text as count,
         (select sum(quantity)::text from cell) as all_quantity,
         (select sum(events)::text from cell) as all_count from ",
    );
    push_cells(&mut sql, question, &groups);
    sql.push(" limit ")
        .push_bind(i64::from(question.max_rows) + 1);
    sql
}

/// The cells, and if there is a `top` only those of its groups. Ties are broken by what is in the
/// rows, so that the same question has the same answer.
fn push_cells(sql: &mut QueryBuilder<Postgres>, question: &Question<'_>, groups: &str) {
    match question.top {
        Some(top) if !groups.is_empty() => {
            // Ranked by window functions: a join would be planned for a few rows and get thousands.
            let ranked = format!(
                "(select *, dense_rank() over (order by whole desc, whole_events desc, {groups}) as place
                 from (select *, sum(quantity) over of_group as whole,
                         sum(events) over of_group as whole_events
                     from cell window of_group as (partition by {groups})) as summed) as ranked"
            );
            if question.rest {
                push_with_rest(sql, question, &ranked, groups);
            } else {
                sql.push(ranked).push(" where place <= ");
                sql.push_bind(i64::from(top));
            }
            sql.push(" order by w, place");
        }
        Some(_) | None => {
            sql.push("cell");
            push_after(sql, question.after);
            sql.push(" order by w, tenant, resource, feature, member");
        }
    }
}

/// The ranked cells, those below the top as one group that has no names and comes last.
fn push_with_rest(
    sql: &mut QueryBuilder<Postgres>,
    question: &Question<'_>,
    ranked: &str,
    groups: &str,
) {
    // A number that was parsed: as a bound value it would not be the same expression twice.
    let top = question.top.unwrap_or_default();
    let window = if question.by_window { "w, " } else { "" };
    let kept: Vec<String> = groups
        .split(", ")
        .map(|group| format!("case when place <= {top} then {group} end as {group}"))
        .collect();
    let kept = kept.join(", ");
    let columns = usize::from(question.by_window) + groups.split(", ").count() + 2;
    let keys: Vec<String> = (1..=columns).map(|number| number.to_string()).collect();
    let keys = keys.join(", ");
    sql.push(format_args!(
        "(select {window}{kept}, least(place, {top} + 1) as place, place > {top} as is_rest,
             sum(quantity) as quantity, sum(events) as events
         from {ranked} group by {keys}) as merged"
    ));
}

fn push_after(sql: &mut QueryBuilder<Postgres>, after: Option<After<'_>>) {
    let Some(After { window, names }) = after else {
        return;
    };
    let window = window.and_then(|window| i32::try_from(window).ok());
    sql.push(
        ") as named where (coalesce(w, -1), coalesce(tenant, ''), coalesce(resource, ''),
             coalesce(feature, '')) > (",
    )
    .push_bind(window.unwrap_or(-1));
    for name in names {
        sql.push(", ").push_bind(name.to_owned());
    }
    sql.push(")");
}

/// Rows of (at, tenant_id, resource_id, feature_id, quantity, events) within the bounds.
fn push_source(sql: &mut QueryBuilder<Postgres>, question: &Question<'_>, ids: Ids) {
    match question.source {
        Source::Raw => {
            sql.push("(select timestamp as at, tenant_id, resource_id, feature_id, ");
            if let Some(member) = question.member {
                sql.push("metadata ->> ")
                    .push_bind(member.to_owned())
                    .push(" as member, ");
            }
            sql.push("quantity, 1::bigint as events from usage_event where timestamp >= ")
                .push_bind(question.bounds.first().copied())
                .push(" and timestamp < ")
                .push_bind(question.bounds.last().copied());
            ids.push(sql);
            sql.push(") as used");
        }
        Source::Aggregates(slices) => {
            let one_tenant = ids.tenant.is_some() || question.group_by.contains(&Dimension::Tenant);
            push_slices(sql, slices, one_tenant, ids);
        }
    }
}

fn push_slices(sql: &mut QueryBuilder<Postgres>, slices: &[Slice], per_tenant: bool, ids: Ids) {
    let (table, tenant) = if per_tenant {
        ("usage_aggregate", "tenant_id")
    } else {
        ("usage_aggregate_all", "null::integer as tenant_id")
    };
    let rows = format_args!(
        "(select window_start as at, {tenant}, resource_id, feature_id, total_quantity as quantity,
             event_count as events from {table} where granularity = "
    );
    if let [slice] = slices {
        // The usual case; the planner sees how much it is and may scan in parallel.
        sql.push(rows)
            .push_bind(slice.granularity)
            .push(" and window_start >= ")
            .push_bind(slice.from)
            .push(" and window_start < ")
            .push_bind(slice.to);
        ids.push(sql);
        sql.push(") as used");
    } else {
        let granularities: Vec<i16> = slices.iter().map(|slice| slice.granularity).collect();
        let starts: Vec<DateTime<Utc>> = slices.iter().map(|slice| slice.from).collect();
        let ends: Vec<DateTime<Utc>> = slices.iter().map(|slice| slice.to).collect();
        sql.push("unnest(")
            .push_bind(granularities)
            .push("::smallint[], ")
            .push_bind(starts)
            .push("::timestamptz[], ")
            .push_bind(ends)
            .push("::timestamptz[]) as slice(g, starts, ends) cross join lateral ")
            .push(rows)
            .push("g and window_start >= starts and window_start < ends");
        ids.push(sql);
        // `offset 0` keeps it a loop over ranges of the index: left alone, the planner joins all
        // windows with all slices by granularity.
        sql.push(" offset 0) as used");
    }
}
