//! What is asked for, and the answer to it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Months, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use metering_core::event::rfc3339;
use metering_core::window::{MAX_WINDOWS, Source, Window, bounds};
use metering_store::aggregates::{Answer, Dimension, Names, Question, Sum, Usage};

use super::{AggregateList, AggregateRow, too_many_rows};
use crate::error::QueryError;
use crate::params::{Params, utterable};
use crate::routes::Reader;

/// Rows of one answer: some 10 MB of JSON.
pub(super) const MAX_ROWS: u32 = 50_000;
/// Groups that can be ranked.
const MAX_TOP: u32 = 1000;
/// Minutes are added up from raw events.
const MAX_MINUTE_RANGE: TimeDelta = TimeDelta::hours(48);
/// So is everything where a zone's offset was no multiple of a quarter-hour, decades ago.
const MAX_RAW_RANGE: TimeDelta = TimeDelta::days(400);
/// And what is grouped by metadata, of which each event has its own.
const MAX_MEMBER_RANGE: TimeDelta = TimeDelta::days(31);
/// Values of metadata that are told apart.
const MAX_MEMBERS: usize = 1000;
const MEMBER: &str = "metadata.";

/// What usage is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// As many windows before.
    Previous,
    /// The same local dates of the year before.
    PreviousYear,
}

impl Earlier {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "previous" => Some(Self::Previous),
            "previous_year" => Some(Self::PreviousYear),
            _ => None,
        }
    }
}

/// A parsed request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) window: Window,
    timezone: Tz,
    pub(super) bounds: Vec<DateTime<Utc>>,
    source: Source,
    pub(super) group_by: Vec<Dimension>,
    /// Of the metadata.
    member: Option<String>,
    /// `None`: the caller asks for a tenant that it may not see.
    pub(super) names: Option<Names>,
    fill: bool,
    totals: bool,
    top: Option<u32>,
    /// All groups below the top are a row, too.
    other: bool,
    pub(super) compare: Option<Earlier>,
}

impl Request {
    pub(super) fn parse(
        Reader { caller, mut params }: Reader,
        now: DateTime<Utc>,
    ) -> Result<Self, QueryError> {
        let expected = "minute, hour, day, week, month or none";
        let window = params.take_parsed("window", expected, Window::parse)?;
        let window = window.unwrap_or(Window::Hour);
        let timezone = params.take_timezone()?;
        let expected = "a list of tenant_id, resource, feature and one metadata.KEY, each at most once, separated by commas";
        let grouped = params.take_parsed("group_by", expected, groups)?;
        let (group_by, member) = grouped.unwrap_or_default();
        let fill = params.take_parsed("fill", "zero", |text| (text == "zero").then_some(true))?;
        let totals = take_bool(&mut params, "totals")?;
        let top = params.take_count("top", MAX_TOP)?;
        let other = take_bool(&mut params, "other")?;
        let expected = "previous or previous_year";
        let compare = params.take_parsed("compare", expected, Earlier::parse)?;
        let names = params.take_names(&caller)?;
        let (from, to) = params.take_range(now)?;
        params.finish("window, timezone, group_by, fill, totals, top, other, compare, tenant_id, resource, feature, from, to and receipt")?;
        let request = Self {
            window,
            timezone,
            bounds: Vec::new(),
            source: Source::Raw,
            group_by,
            member,
            names,
            fill: fill.unwrap_or(false),
            totals: totals.unwrap_or(true),
            top,
            other: other.unwrap_or(false),
            compare,
        };
        request.check()?;
        request.between(from, to)
    }

    /// Refuses what does not go together.
    fn check(&self) -> Result<(), QueryError> {
        let refusal = |name, detail| Err(QueryError::parameter(name, detail));
        if self.top.is_some() && self.group_by.is_empty() && self.member.is_none() {
            return refusal("top", "ranks groups; add `group_by`");
        }
        if self.other && self.top.is_none() {
            return refusal("other", "is what is below a `top`; add one");
        }
        if self.compare.is_some() && self.top.is_some() {
            return refusal(
                "compare",
                "has other groups than a `top`; ask for both by themselves",
            );
        }
        Ok(())
    }

    /// Refuses what only a whole answer can have.
    pub(super) fn may_be_exported(&self) -> Result<(), QueryError> {
        let not_exported = [
            ("fill", self.fill),
            ("top", self.top.is_some()),
            ("compare", self.compare.is_some()),
            ("group_by", self.member.is_some()),
        ];
        match not_exported.into_iter().find(|(_, there)| *there) {
            Some(("group_by", _)) => Err(QueryError::parameter(
                "group_by",
                "by metadata is not for exports; export the events",
            )),
            Some((name, _)) => Err(QueryError::parameter(name, "is not for exports")),
            None => Ok(()),
        }
    }

    /// The same of another range, within its bounds.
    fn between(self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, QueryError> {
        if self.window == Window::Minute && to - from > MAX_MINUTE_RANGE {
            let hours = MAX_MINUTE_RANGE.num_hours();
            return Err(QueryError::parameter(
                "window",
                format!(
                    "may be minute for {hours} hours at most; ask for a shorter range or for hours"
                ),
            ));
        }
        if self.member.is_some() && to - from > MAX_MEMBER_RANGE {
            let days = MAX_MEMBER_RANGE.num_days();
            let detail = format!("by metadata is for {days} days at most; ask for a shorter range");
            return Err(QueryError::parameter("group_by", detail));
        }
        let bounds = bounds(self.window, self.timezone, from, to).map_err(|_| {
            QueryError::parameter("window", format!("is too short: the range has more than {MAX_WINDOWS} of them; ask for a shorter range or longer windows"))
        })?;
        let source = match &self.member {
            Some(_) => Source::Raw,
            None => Source::pick(&bounds),
        };
        if source == Source::Raw && to - from > MAX_RAW_RANGE {
            let days = MAX_RAW_RANGE.num_days();
            return Err(QueryError::parameter(
                "timezone",
                format!(
                    "had an offset then that is no multiple of a quarter-hour; ask for {days} days at most, or for UTC"
                ),
            ));
        }
        Ok(Self {
            bounds,
            source,
            ..self
        })
    }

    /// What this one is compared with.
    pub(super) fn earlier(&self, earlier: Earlier) -> Result<Self, QueryError> {
        let (from, to) = (self.bounds[0], self.bounds[self.bounds.len() - 1]);
        let windows = i64::try_from(self.bounds.len() - 1).unwrap_or(i64::MAX);
        let before = match (earlier, self.window) {
            (Earlier::PreviousYear, _) => self
                .on_date(from, |date| date.checked_sub_months(Months::new(12)))
                .zip(self.on_date(to, |date| date.checked_sub_months(Months::new(12)))),
            (Earlier::Previous, Window::Day | Window::Week) => {
                let days = TimeDelta::days(if self.window == Window::Week { 7 } else { 1 });
                let back = days.checked_mul(i32::try_from(windows).unwrap_or(i32::MAX));
                back.and_then(|back| self.on_date(from, |date| date.checked_sub_signed(back)))
                    .map(|start| (start, from))
            }
            (Earlier::Previous, Window::Month) => {
                let months = Months::new(u32::try_from(windows).unwrap_or(u32::MAX));
                self.on_date(from, |date| date.checked_sub_months(months))
                    .map(|start| (start, from))
            }
            (Earlier::Previous, Window::Minute | Window::Hour | Window::None) => from
                .checked_sub_signed(to - from)
                .map(|start| (start, from)),
        };
        let refusal = || QueryError::parameter("compare", "goes back to before the year 1");
        let (from, to) = before.filter(|(from, to)| from < to).ok_or_else(refusal)?;
        self.clone().between(from, to)
    }

    /// The instant's local time on another local date. Where a clock was put forward over that, an
    /// hour later.
    fn on_date(
        &self,
        instant: DateTime<Utc>,
        date: impl Fn(chrono::NaiveDate) -> Option<chrono::NaiveDate>,
    ) -> Option<DateTime<Utc>> {
        let local = instant.with_timezone(&self.timezone).naive_local();
        let time: NaiveTime = local.time();
        let there = date(local.date())?.and_time(time);
        let found = [there, there.checked_add_signed(TimeDelta::hours(1))?]
            .into_iter()
            .find_map(|local| local.and_local_timezone(self.timezone).earliest());
        let found = found?.to_utc();
        (chrono::Datelike::year(&found) >= 1).then_some(found)
    }

    /// From the first to the last boundary.
    pub(super) fn range(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        // There are two at least.
        (self.bounds[0], self.bounds[self.bounds.len() - 1])
    }

    /// Whether the answer takes more than a look into Redis, and will hardly be another one soon: it is
    /// of all tenants or made of raw events, and its last window is over.
    pub(super) fn is_worth_keeping(&self, now: DateTime<Utc>) -> bool {
        let is_raw = matches!(self.source, Source::Raw);
        let names = self.names.as_ref();
        let costs = names.is_some_and(|names| names.tenant.is_none() || is_raw);
        costs && self.range().1 <= now
    }

    pub(super) fn question<'a>(&'a self, names: &'a Names) -> Question<'a> {
        Question {
            bounds: &self.bounds,
            source: &self.source,
            by_window: self.window != Window::None,
            group_by: &self.group_by,
            member: self.member.as_deref(),
            names,
            top: self.top,
            rest: self.other,
            after: None,
            max_rows: MAX_ROWS,
        }
    }

    pub(super) fn answer(&self, answer: Answer) -> Result<AggregateList, QueryError> {
        if answer.truncated {
            return Err(too_many_rows());
        }
        let members: BTreeSet<&Option<String>> =
            answer.rows.iter().map(|usage| &usage.member).collect();
        if self.top.is_none() && members.len() > MAX_MEMBERS {
            let detail = format!(
                "by metadata has more than {MAX_MEMBERS} values in this range; ask for a `top`, a shorter range or a filter"
            );
            return Err(QueryError::parameter("group_by", detail));
        }
        let usage = if self.fill {
            self.filled(answer.rows)?
        } else {
            answer.rows
        };
        let edge = |bound: Option<&DateTime<Utc>>| utterable(bound.copied().unwrap_or_default());
        Ok(AggregateList {
            data: usage.into_iter().map(|usage| self.row(usage)).collect(),
            next_cursor: None,
            from: edge(self.bounds.first()),
            to: edge(self.bounds.last()),
            window: self.window.as_str(),
            timezone: self.timezone.name(),
            totals: self.totals.then(|| answer.total.into()),
            compare: None,
        })
    }

    pub(super) fn row(&self, usage: Usage) -> AggregateRow {
        let bound = |index: Option<usize>| {
            let bound = index.and_then(|i| self.bounds.get(i)).copied();
            bound.map(utterable).map(rfc3339)
        };
        let member = self.member.as_ref().filter(|_| !usage.is_rest);
        AggregateRow {
            tenant_id: usage.tenant_id,
            resource: usage.resource,
            feature: usage.feature,
            metadata: member.map(|key| BTreeMap::from([(key.clone(), usage.member)])),
            other: usage.is_rest.then_some(true),
            window_start: bound(usage.window),
            window_end: bound(usage.window.map(|i| i + 1)),
            totals: usage.sum.into(),
        }
    }

    /// A row for every group in every window, the groups in the order of `rows`. Nothing at all is
    /// still one group where nothing is grouped by.
    fn filled(&self, rows: Vec<Usage>) -> Result<Vec<Usage>, QueryError> {
        type Windows = (Sum, BTreeMap<Option<usize>, Sum>);
        let nothing = Usage::default();
        let mut groups: BTreeMap<_, (Usage, Windows)> = BTreeMap::new();
        if self.group_by.is_empty() && self.member.is_none() {
            groups.insert(nothing.group(), (nothing, Windows::default()));
        }
        for row in rows {
            let new = || (row.clone(), Windows::default());
            let (_, (total, windows)) = groups.entry(row.group()).or_insert_with(new);
            total.total_quantity += row.sum.total_quantity;
            total.event_count += row.sum.event_count;
            windows.insert(row.window, row.sum);
        }
        let mut groups: Vec<(Usage, Windows)> = groups.into_values().collect();
        if self.top.is_some() {
            groups.sort_by_key(|(group, (total, _))| {
                let rank = Reverse((total.total_quantity, total.event_count));
                (group.is_rest, rank)
            });
        }
        let windows: Vec<Option<usize>> = match self.window {
            Window::None => vec![None],
            _ => (0..self.bounds.len() - 1).map(Some).collect(),
        };
        if windows.len() * groups.len() > usize::try_from(MAX_ROWS).unwrap_or(usize::MAX) {
            return Err(too_many_rows());
        }
        let cells = windows
            .iter()
            .flat_map(|window| groups.iter().map(move |group| (*window, group)));
        let filled = cells.map(|(window, (group, (_, sums)))| Usage {
            window,
            sum: sums.get(&window).copied().unwrap_or_default(),
            ..group.clone()
        });
        Ok(filled.collect())
    }
}

fn take_bool(params: &mut Params, name: &str) -> Result<Option<bool>, QueryError> {
    params.take_parsed(name, "true or false", |text| text.parse().ok())
}

/// Dimensions and a key of the metadata.
fn groups(text: &str) -> Option<(Vec<Dimension>, Option<String>)> {
    let (mut dimensions, mut member) = (Vec::new(), None);
    for name in text.split(',') {
        let dimension = match name {
            "tenant_id" => Dimension::Tenant,
            "resource" => Dimension::Resource,
            "feature" => Dimension::Feature,
            other => {
                let key = other.strip_prefix(MEMBER).filter(|key| !key.is_empty())?;
                if member.replace(key.to_owned()).is_some() {
                    return None;
                }
                continue;
            }
        };
        if dimensions.contains(&dimension) {
            return None;
        }
        dimensions.push(dimension);
    }
    Some((dimensions, member))
}
