//! The calendar of quotas: which window an instant falls into.
//!
//! Windows are half-open. Golden vectors are published in `golden/periods.txt`.

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::window::{self, first_instant};

/// How often a quota starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
    /// Never.
    Lifetime,
}

impl Period {
    pub const ALL: [Self; 7] = [
        Self::Minutely,
        Self::Hourly,
        Self::Daily,
        Self::Weekly,
        Self::Monthly,
        Self::Yearly,
        Self::Lifetime,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minutely => "minutely",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Lifetime => "lifetime",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }

    /// Whether an anchor means anything: the shorter periods follow the clock.
    pub fn takes_anchor(self) -> bool {
        matches!(self, Self::Weekly | Self::Monthly | Self::Yearly)
    }
}

/// A period in a zone. The anchor is the local date that windows begin on: its weekday for weeks,
/// its day for months, its month and day for years. Without one: Monday, the 1st, 1 January.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    pub period: Period,
    pub zone: Tz,
    pub anchor: Option<NaiveDate>,
}

/// [start, end), in µs since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodWindow {
    pub start_us: i64,
    /// `None`: it never ends.
    pub end_us: Option<i64>,
}

impl PeriodWindow {
    pub fn contains(&self, instant_us: i64) -> bool {
        self.start_us <= instant_us && self.end_us.is_none_or(|end| instant_us < end)
    }
}

/// The window of a lifetime begins with the year 1, before which there are no events.
const LIFETIME: PeriodWindow = PeriodWindow {
    start_us: -62_135_596_800_000_000,
    end_us: None,
};

impl Calendar {
    /// The window that `instant` lies in; the instant is within the years 1 to 9999.
    pub fn window(self, instant: DateTime<Utc>) -> PeriodWindow {
        let Some(starts) = self.starts(instant) else {
            return LIFETIME;
        };
        let [start, end] = starts;
        PeriodWindow {
            start_us: start.timestamp_micros(),
            end_us: Some(end.timestamp_micros()),
        }
    }

    /// Start of the instant's window and of the next one; `None` for a lifetime.
    fn starts(self, instant: DateTime<Utc>) -> Option<[DateTime<Utc>; 2]> {
        let by_clock = |window| {
            let next = instant + TimeDelta::microseconds(1);
            let bounds = window::bounds(window, self.zone, instant, next)
                .expect("a microsecond touches few windows");
            // The last window that begins by then: where a clock went back the first may be older.
            let start = bounds.iter().rposition(|bound| *bound <= instant);
            let start = start.expect("the first bound is not after the instant");
            Some([bounds[start], bounds[start + 1]])
        };
        match self.period {
            Period::Minutely => by_clock(window::Window::Minute),
            Period::Hourly => by_clock(window::Window::Hour),
            Period::Daily => by_clock(window::Window::Day),
            Period::Weekly | Period::Monthly | Period::Yearly => Some(self.by_date(instant)),
            Period::Lifetime => None,
        }
    }

    /// Walks from a start that is surely early enough to the last one not after the instant.
    fn by_date(self, instant: DateTime<Utc>) -> [DateTime<Utc>; 2] {
        let date = instant.with_timezone(&self.zone).date_naive();
        let mut step = -2;
        let mut start = self.start(date, step);
        loop {
            step += 1;
            let end = self.start(date, step);
            if end > instant {
                return [start, end];
            }
            start = end;
        }
    }

    /// When the window begins that is `step` windows after the one of `date`'s week, month or year.
    fn start(self, date: NaiveDate, step: i32) -> DateTime<Utc> {
        let date = match self.period {
            Period::Weekly => {
                let weekday = self.anchor.map_or(chrono::Weekday::Mon, |a| a.weekday());
                date.week(weekday).first_day() + TimeDelta::weeks(step.into())
            }
            Period::Yearly => {
                let (month, day) = self.anchor.map_or((1, 1), |a| (a.month(), a.day()));
                clamped(date.year() + step, month, day)
            }
            _ => {
                let day = self.anchor.map_or(1, |a| a.day());
                let months = date.year() * 12 + date.month0().cast_signed() + step;
                let month = months.rem_euclid(12).cast_unsigned() + 1;
                clamped(months.div_euclid(12), month, day)
            }
        };
        first_instant(self.zone, date)
    }
}

/// That day of the month, or its last one. The day that was asked for is not forgotten: the 31st
/// is the 28th in February and the 31st again in March.
fn clamped(year: i32, month: u32, day: u32) -> NaiveDate {
    (28..=day.max(28))
        .rev()
        .map(|last| day.min(last))
        .find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
        .expect("every month of the years 0 to 10000 has 28 days")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::rfc3339;
    use proptest::prelude::*;

    fn golden_line(line: &str) -> String {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let calendar = Calendar {
            period: Period::parse(fields[0]).unwrap(),
            zone: fields[1].parse().unwrap(),
            anchor: (fields[2] != "-").then(|| fields[2].parse().unwrap()),
        };
        let window = calendar.window(fields[3].parse().unwrap());
        let text = |us: i64| rfc3339(DateTime::from_timestamp_micros(us).unwrap());
        let end = window.end_us.map_or("never".to_owned(), text);
        let start = text(window.start_us);
        format!("{} {start} {end}", fields[..4].join(" "))
    }

    #[test]
    fn golden_vectors() {
        let golden = include_str!("../../golden/periods.txt");
        let vectors = golden.lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in vectors {
            let expected = line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(golden_line(line), expected);
            count += 1;
        }
        assert!(count >= 30, "the file is there");
    }

    fn calendar() -> impl Strategy<Value = Calendar> {
        let zones = [
            Tz::UTC,
            Tz::Asia__Kolkata,
            Tz::Europe__Berlin,
            Tz::America__New_York,
            Tz::America__Sao_Paulo,
            Tz::America__St_Johns,
            Tz::America__Havana,
            Tz::Australia__Lord_Howe,
            Tz::Pacific__Apia,
            Tz::Africa__Cairo,
        ];
        let anchor = proptest::option::of((1..=12_u32, 1..=31_u32));
        (0..7_usize, 0..zones.len(), anchor).prop_map(move |(period, zone, anchor)| Calendar {
            period: Period::ALL[period],
            zone: zones[zone],
            anchor: anchor.map(|(month, day)| clamped(2024, month, day)),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn windows_cover_time_without_gap_or_overlap(
            calendar in calendar(), us in -62_135_596_800_000_000..253_370_764_800_000_000_i64,
        ) {
            let at = |us| DateTime::from_timestamp_micros(us).unwrap();
            let window = calendar.window(at(us));
            prop_assert!(window.contains(us));
            prop_assert_eq!(calendar.window(at(window.start_us)), window);
            if let Some(end) = window.end_us {
                prop_assert_eq!(calendar.window(at(end - 1)), window);
                prop_assert_eq!(calendar.window(at(end)).start_us, end);
            }
        }
    }
}
