//! Prometheus' text format, read strictly.

use std::collections::{BTreeMap, BTreeSet};

/// What the names of meterd's metrics may end in: a unit, what is counted, or a state.
const ENDINGS: [&str; 18] = [
    "_seconds",
    "_bytes",
    "_total",
    "_records",
    "_events",
    "_messages",
    "_sequence",
    "_keys",
    "_connections",
    "_partitions",
    "_info",
    "_open",
    "_ready",
    "_alarm",
    "_counters",
    "_units",
    "_current",
    "_in_flight",
];

type Labels = BTreeMap<String, String>;

/// One scrape.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    families: BTreeMap<String, Family>,
    samples: BTreeMap<(String, Labels), f64>,
}

#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
}

impl Scrape {
    pub(crate) async fn of(url: &str) -> Self {
        let answer = reqwest::get(format!("{url}/metrics")).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str();
        let kind = kind.expect("a text").to_owned();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        Self::parse(&answer.text().await.expect("a text"))
    }

    /// Panics at whatever Prometheus or its lint would complain about.
    fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and a help");
                let help = help.to_owned();
                let before = scrape.families.insert(
                    name.to_owned(),
                    Family {
                        help,
                        kind: String::new(),
                    },
                );
                assert!(before.is_none(), "{name} has two helps");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                let family = scrape.families.get_mut(name).expect("its help comes first");
                assert!(family.kind.is_empty(), "{name} has two types");
                kind.clone_into(&mut family.kind);
            } else {
                let (name, labels, value) = sample(line);
                let before = scrape.samples.insert((name.clone(), labels), value);
                assert!(before.is_none(), "twice: {line}");
                assert!(scrape.family(&name).is_some(), "no help and type: {line}");
            }
        }
        scrape.lint();
        scrape
    }

    /// The family of a sample.
    fn family(&self, sample: &str) -> Option<(&str, &Family)> {
        let part = ["_bucket", "_sum", "_count"].iter();
        let histogram = part
            .filter_map(|part| sample.strip_suffix(part))
            .find_map(|name| {
                let family = self.families.get_key_value(name);
                family.filter(|(_, family)| family.kind == "histogram")
            });
        let found = histogram.or_else(|| self.families.get_key_value(sample));
        found.map(|(name, family)| (name.as_str(), family))
    }

    fn lint(&self) {
        for (name, Family { help, kind }) in &self.families {
            assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
            assert!(
                ["counter", "gauge", "histogram"].contains(&kind.as_str()),
                "{name}: {kind}"
            );
            assert_eq!(
                kind == "counter",
                name.ends_with("_total"),
                "{name} is a {kind}"
            );
            if let Some(own) = name.strip_prefix("meterd_") {
                let good = ENDINGS
                    .iter()
                    .any(|ending| format!("_{own}").ends_with(ending));
                assert!(good, "{name} has no unit");
            } else {
                assert!(name.starts_with("process_"), "{name}");
            }
        }
        for ((name, labels), value) in &self.samples {
            let is_histogram = self
                .family(name)
                .is_some_and(|(_, f)| f.kind == "histogram");
            assert!(
                value.is_finite() && (*value >= 0.0),
                "{name} {labels:?} {value}"
            );
            if let (true, Some(family)) = (is_histogram, name.strip_suffix("_count")) {
                self.lint_buckets(family, labels, *value);
            }
        }
    }

    /// Buckets are cumulative, and the last one has everything.
    fn lint_buckets(&self, family: &str, labels: &Labels, count: f64) {
        let bucket = format!("{family}_bucket");
        let mut buckets = Vec::new();
        for ((name, with_bound), value) in &self.samples {
            let mut without = with_bound.clone();
            if *name == bucket
                && let Some(bound) = without.remove("le")
                && without == *labels
            {
                buckets.push((bound.parse::<f64>().expect("a bound"), *value));
            }
        }
        buckets.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        assert!(
            buckets.is_sorted_by_key(|(_, value)| *value),
            "{family}: {buckets:?}"
        );
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{family}");
    }

    /// The sum of the samples of `name` that have all of `labels`; 0 where there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &Labels| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| sample.get(*name).is_some_and(|v| v == value))
        };
        let found = self
            .samples
            .iter()
            .filter(|((n, l), _)| n == name && has(l));
        found.map(|(_, value)| value).sum()
    }

    /// The names of samples.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// Every value of a label.
    pub(crate) fn label_values(&self) -> BTreeSet<&str> {
        let labels = self.samples.keys().flat_map(|(_, labels)| labels.values());
        labels.map(String::as_str).collect()
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a series and a value");
    let value = value.parse().expect("a number");
    let (name, inner) = match series.split_once('{') {
        None => (series, ""),
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("a closing brace")),
    };
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    for pair in inner.split_terminator("\",") {
        let (label, text) = pair.split_once("=\"").expect("a quoted value");
        let text = text.trim_end_matches('"');
        assert!(is_name(label) && !text.contains(['"', '\\']), "{line}");
        let before = labels.insert(label.to_owned(), text.to_owned());
        assert!(before.is_none(), "{line}");
    }
    (name.to_owned(), labels, value)
}

fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c == '_';
    text.starts_with(letters) && text.chars().all(|c| letters(c) || c.is_ascii_digit())
}
