//! Reading a segment, one's own while it is written or one that was found.

use std::sync::atomic::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    EVENT, HEADER_WORDS, KIND_SHIFT, MAX_UNITS, Segment, TEXT, UNIT_BYTES, UNIT_WORDS, VALUE, WIDE,
    WIDE_WITH_ID, check, high, index, low,
};

/// What a unit holds, and the unit behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Event {
        micros: u64,
        meter: u32,
        tenant: u32,
        quantity: u64,
    },
    Text {
        number: u32,
        bytes: Vec<u8>,
    },
    /// An event whose fields are JSON already; `own_id` says that its id is among them.
    Wide {
        micros: u64,
        own_id: bool,
        fields: Vec<u8>,
    },
    /// Not written, not written completely, or part of something longer.
    Hole,
}

impl Segment {
    /// What is at `unit`, and which unit comes behind it.
    pub(crate) fn read(&self, unit: u64) -> (Found, u64) {
        let slots = self.unit(unit);
        let written = slots[3].load(Ordering::Acquire);
        let words = [0, 1, 2].map(|slot: usize| slots[slot].load(Ordering::Relaxed));
        let hole = (Found::Hole, unit + 1);
        if written == 0 || written != check(words, self.key, unit) {
            return hole;
        }
        let (kind, value) = (words[0] >> KIND_SHIFT, words[0] & VALUE);
        if kind == EVENT {
            let (meter, tenant) = (high(words[1]), low(words[1]));
            let event = Found::Event {
                micros: value,
                meter,
                tenant,
                quantity: words[2],
            };
            return (event, unit + 1);
        }
        let Some((content, next)) = self.read_bytes(unit, words[1], words[2]) else {
            return hole;
        };
        let found = match kind {
            TEXT => Found::Text {
                number: low(value),
                bytes: content,
            },
            WIDE | WIDE_WITH_ID => Found::Wide {
                micros: value,
                own_id: kind == WIDE_WITH_ID,
                fields: content,
            },
            _ => return hole,
        };
        (found, next)
    }

    /// None where a power cut left less than was written.
    fn read_bytes(&self, unit: u64, length: u64, hash: u64) -> Option<(Vec<u8>, u64)> {
        let next = (unit + 1).saturating_add(length.div_ceil(UNIT_BYTES as u64));
        if next > self.units {
            return None;
        }
        let first = HEADER_WORDS + (index(unit) + 1) * UNIT_WORDS;
        let length = index(length);
        let words = &self.memory.words()[first..first + length.div_ceil(8)];
        let mut content: Vec<u8> = words
            .iter()
            .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
            .collect();
        content.truncate(length);
        (xxh3_64(&content) == hash).then_some((content, next))
    }

    /// Calls `with` with the texts that stand before `unit`.
    pub(crate) fn with_texts<T>(&self, unit: u64, with: impl FnOnce(&mut Texts<'_>) -> T) -> T {
        let mut guard = crate::lock(&self.texts);
        let (texts, complete) = &mut *guard;
        let mut texts = Texts(texts);
        while *complete < unit {
            let (found, next) = self.read(*complete);
            if let Found::Text { number, bytes } = found {
                texts.learn(number, bytes);
            }
            *complete = next;
        }
        with(&mut texts)
    }
}

/// The names of a segment by their numbers.
pub(crate) struct Texts<'a>(&'a mut Vec<Vec<u8>>);

impl Texts<'_> {
    pub(crate) fn learn(&mut self, number: u32, bytes: Vec<u8>) {
        let number = index(u64::from(number));
        // Numbers are given one after the other; a gap is a text that a power cut took.
        if number < index(MAX_UNITS) {
            if self.0.len() <= number {
                self.0.resize(number + 1, Vec::new());
            }
            self.0[number] = bytes;
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&[u8]> {
        let text = self.0.get(index(u64::from(number)))?;
        (!text.is_empty()).then_some(text)
    }
}
