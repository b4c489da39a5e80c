//! Calendar windows in any time zone, and which rows of the store add up to them.
//!
//! A window is [start, end), two instants. The calendar lives here; the store only sorts rows into
//! a list of boundaries.

use chrono::{
    DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset as _,
    TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::aggregate::{DAY_MINUTES, QUARTER_MINUTES};
use crate::limits::BASE_WINDOW_SECONDS;

/// Windows of one answer: a minute each for two days fits three times, and so do days of 27 years.
pub const MAX_WINDOWS: usize = 10_000;

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// No zone is further from UTC than this, so a local date's midnight is within it of UTC's.
const MAX_OFFSET: TimeDelta = TimeDelta::hours(26);

/// How a range of time is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
    /// Not at all.
    None,
}

impl Window {
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Minute => "minute",
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Week => "week",
            Window::Month => "month",
            Window::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        use Window::{Day, Hour, Minute, Month, None, Week};
        [Minute, Hour, Day, Week, Month, None]
            .into_iter()
            .find(|window| window.as_str() == text)
    }
}

/// The range has more than [`MAX_WINDOWS`] windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range has more than {MAX_WINDOWS} windows")]
pub struct TooMany;

/// The boundaries of the windows that cover [from, to): sorted, at least two, window `i` lasting
/// from boundary `i` to boundary `i + 1`. The first is not after `from`, the last not before `to`.
///
/// - Minutes and hours follow the wall clock, and end where it is changed: a repeated hour is two
///   windows, Lord Howe's half-hour shift leaves one window of half an hour.
/// - Days, weeks and months begin at the first instant of their first local date; a date that a
///   zone skipped has no window.
/// - [`Window::None`] is one window, widened to whole base windows.
///
/// `from` must be before `to`, both within the years 1 to 9999.
pub fn bounds(
    window: Window,
    zone: Tz,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, TooMany> {
    let date = from.with_timezone(&zone).date_naive();
    match window {
        Window::Minute => by_clock(zone, 60, from, to),
        Window::Hour => by_clock(zone, 3600, from, to),
        Window::Day => by_date(zone, date, |d| d.checked_add_days(Days::new(1)), from, to),
        Window::Week => {
            let monday = date.week(chrono::Weekday::Mon).first_day();
            by_date(zone, monday, |d| d.checked_add_days(Days::new(7)), from, to)
        }
        Window::Month => {
            let first = date.with_day(1).unwrap_or(date);
            by_date(
                zone,
                first,
                |d| d.checked_add_months(Months::new(1)),
                from,
                to,
            )
        }
        Window::None => Ok(vec![
            floor(from, BASE_WINDOW_SECONDS),
            ceil(to, BASE_WINDOW_SECONDS),
        ]),
    }
}

fn by_clock(
    zone: Tz,
    unit_seconds: i64,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, TooMany> {
    let mut start = floor(from, 1);
    start -= TimeDelta::seconds(local_seconds(zone, start).rem_euclid(unit_seconds));
    // The clock was changed since then: the window began with that.
    if let Some(change) = offset_change(zone, start, from) {
        start = change;
    }
    let mut bounds = vec![start];
    while start < to {
        let passed = local_seconds(zone, start).rem_euclid(unit_seconds);
        let end = start + TimeDelta::seconds(unit_seconds - passed);
        start = offset_change(zone, start, end).unwrap_or(end);
        push(&mut bounds, start)?;
    }
    Ok(bounds)
}

fn by_date(
    zone: Tz,
    first: NaiveDate,
    next: impl Fn(NaiveDate) -> Option<NaiveDate>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, TooMany> {
    let mut date = first;
    // Where a clock was set back over midnight, `from` may precede the start of its own date.
    if first_instant(zone, date) > from {
        date = date.pred_opt().unwrap_or(date);
    }
    let mut bounds = vec![first_instant(zone, date)];
    while bounds.last().is_some_and(|last| *last < to) {
        let Some(after) = next(date) else { break };
        date = after;
        let start = first_instant(zone, date);
        // A skipped date begins when the one after it does.
        if bounds.last().is_none_or(|last| *last < start) {
            push(&mut bounds, start)?;
        }
    }
    Ok(bounds)
}

fn push(bounds: &mut Vec<DateTime<Utc>>, bound: DateTime<Utc>) -> Result<(), TooMany> {
    if bounds.len() > MAX_WINDOWS {
        return Err(TooMany);
    }
    bounds.push(bound);
    Ok(())
}

/// When `date` begins in `zone`. A midnight that does not exist is the first instant after the gap.
pub(crate) fn first_instant(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    use chrono::LocalResult::{Ambiguous, None, Single};
    let midnight = date.and_time(NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        Single(instant) => instant.to_utc(),
        // A clock set back to midnight (Havana) repeats the date's first hour: the date has begun.
        // One set back over midnight (St. John's, until 2011) returns to yesterday in between.
        Ambiguous(first, second) => {
            let before = (second.to_utc() - TimeDelta::seconds(1)).with_timezone(&zone);
            let begun = before.date_naive() == date;
            if begun { first } else { second }.to_utc()
        }
        None => {
            let low = midnight.and_utc() - MAX_OFFSET;
            let high = midnight.and_utc() + MAX_OFFSET;
            first_second(low, high, |t| local(zone, t) >= midnight)
        }
    }
}

/// The first instant after `from` and not after `to` that has another offset than `from`.
fn offset_change(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let before = offset(zone, from);
    (offset(zone, to) != before).then(|| first_second(from, to, |t| offset(zone, t) != before))
}

/// The first whole second in (low, high] for which `holds`, which it does from there on.
fn first_second(
    low: DateTime<Utc>,
    high: DateTime<Utc>,
    holds: impl Fn(DateTime<Utc>) -> bool,
) -> DateTime<Utc> {
    let (mut low, mut high) = (low.timestamp(), high.timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(at(middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    at(high)
}

fn offset(zone: Tz, instant: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&instant.naive_utc())
        .fix()
        .local_minus_utc()
}

fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    instant.with_timezone(&zone).naive_local()
}

fn local_seconds(zone: Tz, instant: DateTime<Utc>) -> i64 {
    instant.timestamp() + i64::from(offset(zone, instant))
}

fn floor(instant: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    let timestamp = instant.timestamp();
    at(timestamp - timestamp.rem_euclid(seconds))
}

fn ceil(instant: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    let down = floor(instant, seconds);
    if down == instant {
        down
    } else {
        down + TimeDelta::seconds(seconds)
    }
}

fn at(timestamp: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(timestamp, 0).expect("within days of the years 1 to 9999")
}

/// Which rows add up to a list of windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Aggregates; the slices partition the windows, and none crosses a boundary.
    Aggregates(Vec<Slice>),
    /// Raw events: a boundary lies within a quarter-hour.
    Raw,
}

/// Aggregates of one granularity that begin in [from, to).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// [`DAY_MINUTES`] or [`QUARTER_MINUTES`].
    pub granularity: i16,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Source {
    /// The cheapest rows for the windows between `bounds`: UTC days for the whole days within a
    /// window, quarter-hours for the rest of it, raw events where even these are too coarse.
    pub fn pick(bounds: &[DateTime<Utc>]) -> Self {
        if bounds
            .iter()
            .any(|bound| floor(*bound, BASE_WINDOW_SECONDS) != *bound)
        {
            return Source::Raw;
        }
        let mut slices: Vec<Slice> = Vec::new();
        let mut add = |granularity, from, to| {
            if from >= to {
                return;
            }
            match slices.last_mut() {
                Some(last) if last.granularity == granularity && last.to == from => last.to = to,
                _ => slices.push(Slice {
                    granularity,
                    from,
                    to,
                }),
            }
        };
        for window in bounds.windows(2) {
            let (start, end) = (window[0], window[1]);
            let (first_day, last_day) = (ceil(start, DAY_SECONDS), floor(end, DAY_SECONDS));
            if first_day < last_day {
                add(QUARTER_MINUTES, start, first_day);
                add(DAY_MINUTES, first_day, last_day);
                add(QUARTER_MINUTES, last_day, end);
            } else {
                add(QUARTER_MINUTES, start, end);
            }
        }
        Source::Aggregates(slices)
    }
}

#[cfg(test)]
mod tests;
