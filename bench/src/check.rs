//! Is everything that was acknowledged counted, and once?

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::event::{Group, Source, group, quantity};
use crate::load::Client;

/// How long the worker may take to catch up before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(20);

/// Acknowledged and seen, compared group by group; over all phases so far.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Groups with the right number of events and another quantity.
    pub(crate) wrong_quantities: u64,
    /// From the last 202 to the first answer with everything in it; `None`: never.
    pub(crate) catch_up: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Sum {
    event_count: u64,
    total_quantity: u64,
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Vec<Row>,
    totals: Sum,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default)]
    tenant_id: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    feature: String,
    #[serde(flatten)]
    sum: Sum,
}

/// Waits until the events 0 to `sent` are visible, and compares.
pub(crate) async fn run(
    client: &Client,
    source: &Source,
    sent: u64,
    last_ack: Instant,
) -> Result<Check> {
    let catch_up = loop {
        let seen = ask(client, source, "").await?.totals.event_count;
        let since = last_ack.elapsed();
        if seen >= sent {
            break Some(since);
        }
        if since > PATIENCE {
            break None;
        }
        tokio::time::sleep(POLL).await;
    };
    let rows = ask(client, source, "tenant_id,resource,feature").await?;
    let seen = rows.data.into_iter().map(|row| {
        let group = (row.tenant_id, row.resource, row.feature);
        (group, row.sum)
    });
    Ok(Check {
        catch_up,
        ..compare(&expected(sent), &seen.collect())
    })
}

fn expected(sent: u64) -> HashMap<Group, Sum> {
    let mut sums = HashMap::<Group, Sum>::new();
    for n in 0..sent {
        let sum = sums.entry(group(n)).or_default();
        sum.event_count += 1;
        sum.total_quantity += quantity(n);
    }
    sums
}

fn compare(expected: &HashMap<Group, Sum>, seen: &HashMap<Group, Sum>) -> Check {
    let mut check = Check::default();
    for (group, wanted) in expected {
        let found = seen.get(group).copied().unwrap_or_default();
        check.lost += wanted.event_count.saturating_sub(found.event_count);
        check.doubled += found.event_count.saturating_sub(wanted.event_count);
        let same_count = found.event_count == wanted.event_count;
        check.wrong_quantities += u64::from(same_count && found != *wanted);
    }
    let unknown = seen
        .iter()
        .filter(|(group, _)| !expected.contains_key(group));
    check.doubled += unknown.map(|(_, sum)| sum.event_count).sum::<u64>();
    check
}

async fn ask(client: &Client, source: &Source, group_by: &str) -> Result<Answer> {
    let [from, to] = source.range();
    let mut query = vec![("window", "none"), ("from", &from), ("to", &to)];
    if !group_by.is_empty() {
        query.push(("group_by", group_by));
    }
    let request = client.get("/v1/meter/aggregates").query(&query);
    let answer = request.send().await?.error_for_status()?;
    answer.json().await.context("an unreadable answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_doubles_do_not_cancel() {
        let wanted = expected(2_000);
        let mut seen = wanted.clone();
        assert_eq!(compare(&wanted, &seen).lost, 0);
        seen.remove(&group(0));
        seen.get_mut(&group(1)).unwrap().event_count += 1;
        seen.get_mut(&group(2)).unwrap().total_quantity += 1;
        let check = compare(&wanted, &seen);
        assert_eq!((check.lost, check.doubled), (1, 1));
        assert_eq!(check.wrong_quantities, 1);
    }
}
