//! How far somebody has got in the log: the ids of the live stream.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use uuid::Uuid;

use crate::visibility::Positions;

/// Partitions that a log can have.
const MAX_PARTITIONS: usize = 256;

/// A place in a partition, behind what has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The first bytes of the stream's incarnation: enough to know it by.
    incarnation: u32,
    pub(crate) seq: u64,
    /// The last record of `seq` that has been seen; `None`: all of them.
    index: Option<u32>,
}

/// A mark in each partition. As text `PARTITION.INCARNATION.SEQ` or `….SEQ.INDEX`, joined by `-`:
/// one text for one place, with nothing secret in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeMap<u16, Mark>);

impl Mark {
    pub(crate) fn behind(incarnation: Uuid, seq: u64) -> Self {
        Self {
            incarnation: incarnation.as_fields().0,
            seq,
            index: None,
        }
    }

    pub(crate) fn is_of(self, incarnation: Uuid) -> bool {
        self.incarnation == incarnation.as_fields().0
    }

    /// Whether both are of one stream.
    pub(crate) fn is_like(self, other: Self) -> bool {
        self.incarnation == other.incarnation
    }

    /// Before the first message of its stream.
    pub(crate) fn start(self) -> Self {
        self.with_seq(0)
    }

    /// Behind the last message of which nothing is left to see.
    pub(crate) fn whole(self) -> Self {
        match self.index {
            None => self,
            Some(_) => self.with_seq(self.seq.saturating_sub(1)),
        }
    }

    /// Behind another message of its stream.
    pub(crate) fn with_seq(self, seq: u64) -> Self {
        Self {
            seq,
            index: None,
            ..self
        }
    }

    fn place(self) -> (u64, u32) {
        (self.seq, self.index.unwrap_or(u32::MAX))
    }
}

impl Marks {
    pub(crate) fn of(positions: &Positions) -> Self {
        let mark = |(partition, (incarnation, seq)): (&u16, &(Uuid, u64))| {
            (*partition, Mark::behind(*incarnation, *seq))
        };
        Self(positions.iter().map(mark).collect())
    }

    pub(crate) fn get(&self, partition: u16) -> Option<Mark> {
        self.0.get(&partition).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, Mark)> {
        self.0.iter().map(|(partition, mark)| (*partition, *mark))
    }

    pub(crate) fn set(&mut self, partition: u16, mark: Mark) {
        self.0.insert(partition, mark);
    }

    /// Whether a record has been seen.
    pub(crate) fn cover(&self, partition: u16, seq: u64, index: u32) -> bool {
        self.get(partition)
            .is_some_and(|mark| (seq, index) <= mark.place())
    }

    /// Goes on to a record of a partition.
    pub(crate) fn advance(&mut self, partition: u16, seq: u64, index: u32) {
        if let Some(mark) = self.0.get_mut(&partition) {
            (mark.seq, mark.index) = (seq, Some(index));
        }
    }

    /// Goes on to where `other` is, in the partitions where that is further or another stream.
    pub(crate) fn advance_to(&mut self, other: &Self) {
        for (partition, mark) in &other.0 {
            let ahead = self.get(*partition).is_some_and(|own| {
                own.incarnation == mark.incarnation && own.place() >= mark.place()
            });
            if !ahead {
                self.set(*partition, *mark);
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut marks = BTreeMap::new();
        for part in text.split('-') {
            let mut fields = part.split('.');
            let partition = number(fields.next()?)?;
            let incarnation = fields.next().filter(|hex| hex.len() == 8)?;
            let mark = Mark {
                incarnation: u32::from_str_radix(incarnation, 16).ok()?,
                seq: number(fields.next()?)?,
                index: fields
                    .next()
                    .map(number)
                    .map_or(Some(None), |i| i.map(Some))?,
            };
            let again = marks.insert(partition, mark).is_some();
            if again || fields.next().is_some() || marks.len() > MAX_PARTITIONS {
                return None;
            }
        }
        Some(Self(marks))
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

impl Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (partition, mark)) in self.0.iter().enumerate() {
            let joint = if number == 0 { "" } else { "-" };
            let Mark {
                incarnation, seq, ..
            } = mark;
            write!(f, "{joint}{partition}.{incarnation:08x}.{seq}")?;
            if let Some(index) = mark.index {
                write!(f, ".{index}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(text: &str) -> Marks {
        Marks::parse(text).unwrap()
    }

    #[test]
    fn a_text_is_a_place() {
        for text in [
            "0.0000abcd.0",
            "0.00000001.17.3-1.ffffffff.9",
            "255.00000000.1",
        ] {
            assert_eq!(marks(text).to_string(), text);
        }
        for bad in [
            "",
            "0",
            "0.1.2",
            "0.0000abcd",
            "0.0000abcd.x",
            "0.0000abcd.+1",
            "0.0000abcd.1.",
            "0.0000abcd.1.2.3",
            "0.0000abcd.1-",
            "0.0000abcd.1-0.0000abcd.2",
            "70000.0000abcd.1",
            "0.0000abcd.-1",
            "0.0000abcd.18446744073709551616",
            "0.0000abcd.1\n",
        ] {
            assert_eq!(Marks::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_has_been_seen_is_covered() {
        let mut seen = marks("0.0000abcd.7.2-1.0000abcd.4");
        let at = |seen: &Marks, places: &[(u16, u64, u32)]| {
            places
                .iter()
                .map(|(p, s, i)| seen.cover(*p, *s, *i))
                .collect::<Vec<_>>()
        };
        let places = [
            (0, 7, 2),
            (0, 7, 3),
            (0, 6, 9),
            (0, 8, 0),
            (1, 4, 999),
            (1, 5, 0),
            (2, 1, 0),
        ];
        let expected = [true, false, true, false, true, false, false];
        assert_eq!(at(&seen, &places), expected);
        assert_eq!(seen.get(0).unwrap().whole().seq, 6);
        assert_eq!(seen.get(1).unwrap().whole().seq, 4);
        // Never back, unless it is another stream.
        seen.advance_to(&marks("0.0000abcd.6-1.00000001.1"));
        assert_eq!(seen.to_string(), "0.0000abcd.7.2-1.00000001.1");
        seen.advance_to(&marks("0.0000abcd.7-2.00000001.5"));
        assert_eq!(seen.to_string(), "0.0000abcd.7-1.00000001.1-2.00000001.5");
    }
}
