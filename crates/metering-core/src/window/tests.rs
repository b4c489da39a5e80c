//! Golden vectors from published calendars, and the calendar worked out a second way.

use std::collections::BTreeSet;

use chrono::Timelike as _;
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn zone(name: &str) -> Tz {
    name.parse().unwrap()
}

fn golden(window: Window, name: &str, from: &str, to: &str, expected: &[&str]) {
    let found = bounds(window, zone(name), utc(from), utc(to)).unwrap();
    let expected: Vec<_> = expected.iter().map(|text| utc(text)).collect();
    assert_eq!(found, expected, "{window:?} {name} {from} {to}");
}

#[test]
fn days_of_23_24_and_25_hours() {
    let day = |name, from, to, expected: &[&str]| golden(Window::Day, name, from, to, expected);
    let kolkata = ["2025-11-19T18:30:00Z", "2025-11-20T18:30:00Z"];
    day(
        "Asia/Kolkata",
        "2025-11-20T10:31:00Z",
        "2025-11-20T10:32:00Z",
        &kolkata,
    );
    let kathmandu = ["2025-11-19T18:15:00Z", "2025-11-20T18:15:00Z"];
    day(
        "Asia/Kathmandu",
        "2025-11-20T10:31:00Z",
        "2025-11-20T18:15:00Z",
        &kathmandu,
    );
    let berlin = ["2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"];
    day(
        "Europe/Berlin",
        "2025-03-30T00:00:00Z",
        "2025-03-30T22:00:00Z",
        &berlin,
    );
    let berlin = ["2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"];
    day(
        "Europe/Berlin",
        "2025-10-25T22:00:00Z",
        "2025-10-26T01:00:00Z",
        &berlin,
    );
    let new_york = ["2025-03-09T05:00:00Z", "2025-03-10T04:00:00Z"];
    day(
        "America/New_York",
        "2025-03-09T12:00:00Z",
        "2025-03-09T13:00:00Z",
        &new_york,
    );
    let new_york = ["2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"];
    day(
        "America/New_York",
        "2025-11-02T12:00:00Z",
        "2025-11-02T13:00:00Z",
        &new_york,
    );
    // Half an hour: 23.5 and 24.5 hours.
    let spring = ["2025-10-04T13:30:00Z", "2025-10-05T13:00:00Z"];
    day(
        "Australia/Lord_Howe",
        "2025-10-05T00:00:00Z",
        "2025-10-05T01:00:00Z",
        &spring,
    );
    let autumn = ["2025-04-05T13:00:00Z", "2025-04-06T13:30:00Z"];
    day(
        "Australia/Lord_Howe",
        "2025-04-06T00:00:00Z",
        "2025-04-06T01:00:00Z",
        &autumn,
    );
}

#[test]
fn midnights_that_are_missing_repeated_or_passed_twice() {
    let day = |name, from, to, expected: &[&str]| golden(Window::Day, name, from, to, expected);
    // 2018-11-04 began at 01:00, 2018-02-18 had two 23:00 before it.
    let sao_paulo = [
        "2018-11-03T03:00:00Z",
        "2018-11-04T03:00:00Z",
        "2018-11-05T02:00:00Z",
    ];
    day(
        "America/Sao_Paulo",
        "2018-11-03T12:00:00Z",
        "2018-11-04T12:00:00Z",
        &sao_paulo,
    );
    let sao_paulo = ["2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"];
    day(
        "America/Sao_Paulo",
        "2018-02-18T02:30:00Z",
        "2018-02-18T03:00:00Z",
        &sao_paulo,
    );
    let havana = ["2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"];
    day(
        "America/Havana",
        "2024-11-03T05:30:00Z",
        "2024-11-03T06:00:00Z",
        &havana,
    );
    // At 00:01 back to 23:01: one minute of the 1st, then the 31st again.
    let st_johns = ["2010-11-06T02:30:00Z", "2010-11-07T03:30:00Z"];
    day(
        "America/St_Johns",
        "2010-11-07T02:30:30Z",
        "2010-11-07T03:00:00Z",
        &st_johns,
    );
    // Samoa skipped 2011-12-30.
    let apia = [
        "2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T10:00:00Z",
    ];
    day(
        "Pacific/Apia",
        "2011-12-29T10:00:00Z",
        "2011-12-31T00:00:00Z",
        &apia,
    );
}

#[test]
fn hours_end_where_the_clock_is_changed() {
    let hour = |name, from, to, expected: &[&str]| golden(Window::Hour, name, from, to, expected);
    let kolkata = [
        "2025-11-20T09:30:00Z",
        "2025-11-20T10:30:00Z",
        "2025-11-20T11:30:00Z",
    ];
    hour(
        "Asia/Kolkata",
        "2025-11-20T10:29:59.999999Z",
        "2025-11-20T10:30:00.000001Z",
        &kolkata,
    );
    // 02:00 twice.
    let berlin = [
        "2025-10-26T00:00:00Z",
        "2025-10-26T01:00:00Z",
        "2025-10-26T02:00:00Z",
    ];
    hour(
        "Europe/Berlin",
        "2025-10-26T00:00:00Z",
        "2025-10-26T02:00:00Z",
        &berlin,
    );
    // 01:00 to 02:00, then 01:30 to 02:00 again.
    let autumn = [
        "2025-04-05T14:00:00Z",
        "2025-04-05T15:00:00Z",
        "2025-04-05T15:30:00Z",
        "2025-04-05T16:30:00Z",
    ];
    hour(
        "Australia/Lord_Howe",
        "2025-04-05T14:10:00Z",
        "2025-04-05T15:40:00Z",
        &autumn,
    );
    hour(
        "Australia/Lord_Howe",
        "2025-04-05T15:10:00Z",
        "2025-04-05T15:40:00Z",
        &autumn[1..],
    );
    // 02:30 to 03:00.
    let spring = [
        "2025-10-04T14:30:00Z",
        "2025-10-04T15:30:00Z",
        "2025-10-04T16:00:00Z",
    ];
    hour(
        "Australia/Lord_Howe",
        "2025-10-04T14:30:00Z",
        "2025-10-04T15:31:00Z",
        &spring,
    );
}

#[test]
fn weeks_months_and_the_whole() {
    let week = ["2025-12-28T23:00:00Z", "2026-01-04T23:00:00Z"];
    golden(
        Window::Week,
        "Europe/Berlin",
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
        &week,
    );
    let months = [
        "2025-02-28T23:00:00Z",
        "2025-03-31T22:00:00Z",
        "2025-04-30T22:00:00Z",
    ];
    golden(
        Window::Month,
        "Europe/Berlin",
        "2025-03-31T00:00:00Z",
        "2025-04-01T00:00:00Z",
        &months,
    );
    let whole = ["2025-11-20T10:30:00Z", "2025-11-20T10:45:00Z"];
    golden(
        Window::None,
        "Asia/Kolkata",
        "2025-11-20T10:31:00Z",
        "2025-11-20T10:45:00Z",
        &whole,
    );
    // Local mean time, seconds included.
    let lmt = ["1890-12-31T23:06:32Z", "1891-01-01T23:06:32Z"];
    golden(
        Window::Day,
        "Europe/Berlin",
        "1891-01-01T00:00:00Z",
        "1891-01-01T01:00:00Z",
        &lmt,
    );
    let edge = bounds(
        Window::Month,
        zone("Asia/Kolkata"),
        utc("9999-12-31T23:00:00Z"),
        utc("9999-12-31T23:59:59Z"),
    );
    assert_eq!(edge.unwrap().len(), 2);
    let edge = bounds(
        Window::Week,
        zone("America/New_York"),
        utc("0001-01-01T00:00:00Z"),
        utc("0001-01-01T01:00:00Z"),
    );
    assert_eq!(edge.unwrap().len(), 2);
}

#[test]
fn the_number_of_windows_is_limited() {
    let from = utc("2025-01-01T00:00:00Z");
    let most = i64::try_from(MAX_WINDOWS).unwrap();
    let fits = bounds(
        Window::Minute,
        Tz::UTC,
        from,
        from + TimeDelta::minutes(most),
    );
    assert_eq!(fits.map(|bounds| bounds.len()), Ok(MAX_WINDOWS + 1));
    let beyond = bounds(
        Window::Minute,
        Tz::UTC,
        from,
        from + TimeDelta::minutes(most + 1),
    );
    assert_eq!(beyond, Err(TooMany));
    let ages = bounds(
        Window::Hour,
        Tz::UTC,
        utc("0001-01-01T00:00:00Z"),
        utc("9999-12-31T00:00:00Z"),
    );
    assert_eq!(ages, Err(TooMany));
}

fn source(window: Window, name: &str, from: &str, to: &str) -> Source {
    Source::pick(&bounds(window, zone(name), utc(from), utc(to)).unwrap())
}

fn aggregates(slices: &[(i16, &str, &str)]) -> Source {
    let slices = slices.iter().map(|(granularity, from, to)| Slice {
        granularity: *granularity,
        from: utc(from),
        to: utc(to),
    });
    Source::Aggregates(slices.collect())
}

#[test]
fn the_cheapest_rows_are_picked() {
    let (from, to) = ("2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z");
    let days = aggregates(&[(DAY_MINUTES, from, to)]);
    assert_eq!(source(Window::Day, "UTC", from, to), days);
    let (from, to) = ("2025-11-19T18:30:00Z", "2025-11-20T18:30:00Z");
    let quarters = aggregates(&[(QUARTER_MINUTES, from, to)]);
    assert_eq!(source(Window::Day, "Asia/Kolkata", from, to), quarters);
    let month = aggregates(&[
        (
            QUARTER_MINUTES,
            "2025-10-31T18:30:00Z",
            "2025-11-01T00:00:00Z",
        ),
        (DAY_MINUTES, "2025-11-01T00:00:00Z", "2025-11-30T00:00:00Z"),
        (
            QUARTER_MINUTES,
            "2025-11-30T00:00:00Z",
            "2025-11-30T18:30:00Z",
        ),
    ]);
    assert_eq!(source(Window::Month, "Asia/Kolkata", from, to), month);
    let minutes = source(Window::Minute, "UTC", "2025-11-20T00:01:00Z", to);
    assert_eq!(minutes, Source::Raw);
    // Local mean time: +05:41:16.
    let (from, to) = ("1900-01-01T00:00:00Z", "1900-01-02T00:00:00Z");
    assert_eq!(source(Window::Day, "Asia/Kathmandu", from, to), Source::Raw);
}

/// The window of `instant` by its wall clock alone: (date, or date and clock and offset).
fn label(window: Window, zone: Tz, instant: DateTime<Utc>) -> (NaiveDate, u32, i32) {
    let local = instant.with_timezone(&zone);
    let date = local.date_naive();
    match window {
        Window::Minute => (
            date,
            local.hour() * 60 + local.minute(),
            offset(zone, instant),
        ),
        Window::Hour => (date, local.hour(), offset(zone, instant)),
        Window::Day => (date, 0, 0),
        Window::Week => (
            date - Days::new(date.weekday().num_days_from_monday().into()),
            0,
            0,
        ),
        Window::Month => (date - Days::new(date.day0().into()), 0, 0),
        Window::None => (NaiveDate::MIN, 0, 0),
    }
}

fn windows() -> impl Strategy<Value = (Window, TimeDelta)> {
    prop_oneof![
        Just((Window::Minute, TimeDelta::hours(3))),
        Just((Window::Hour, TimeDelta::days(3))),
        Just((Window::Day, TimeDelta::days(40))),
        Just((Window::Week, TimeDelta::days(200))),
        Just((Window::Month, TimeDelta::days(800))),
        Just((Window::None, TimeDelta::days(40))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// For any zone and time: boundaries increase, cover the range tightly, and two instants share
    /// a window exactly when the wall clock says so.
    #[test]
    fn windows_partition_time(
        zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        (window, length) in windows(),
        from in -3_000_000_000_i64..4_000_000_000,
        part in 0.0001_f64..1.0,
        samples in prop::collection::vec(0.0_f64..1.0, 20),
    ) {
        let from = at(from) + TimeDelta::microseconds(17);
        let seconds = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any number will do")]
            let seconds = (length.num_seconds() as f64 * part) as i64;
            TimeDelta::seconds(seconds)
        };
        let to = from + seconds(part) + TimeDelta::microseconds(1);
        let bounds = bounds(window, zone, from, to).unwrap();
        prop_assert!(bounds.len() >= 2);
        prop_assert!(bounds.is_sorted_by(|a, b| a < b));
        prop_assert!(bounds[0] <= from && from < bounds[1]);
        prop_assert!(bounds[bounds.len() - 2] < to && to <= bounds[bounds.len() - 1]);
        for sample in samples {
            let instant = from + (to - from - TimeDelta::microseconds(1)).min(seconds(sample * part));
            let index = bounds.partition_point(|bound| *bound <= instant) - 1;
            let same = |a, b| label(window, zone, a) == label(window, zone, b);
            let last = bounds[index + 1] - TimeDelta::microseconds(1);
            if window != Window::None {
                prop_assert!(same(bounds[index], instant) && same(instant, last));
                prop_assert!(!same(last, bounds[index + 1]));
            }
        }
        if let Source::Aggregates(slices) = Source::pick(&bounds) {
            let starts: BTreeSet<_> = slices.iter().map(|slice| slice.from).collect();
            prop_assert!(slices.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert_eq!(starts.first(), bounds.first());
            prop_assert_eq!(slices.last().map(|slice| slice.to), bounds.last().copied());
        }
    }
}
