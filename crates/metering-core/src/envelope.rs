//! The message of the log: many records behind one fsync.
//!
//! ```text
//! offset  bytes  field (little-endian)
//! 0       4      magic "MTRD"
//! 4       1      format version, 1
//! 5       4      generation
//! 9       8      sent_at, µs since the epoch
//! 17      4      number of records
//! 21      …      records: kind (1), payload length (4), payload
//! end-4   4      CRC-32 (IEEE) of everything before
//! ```

use crate::record::{Record, RecordError};

const MAGIC: &[u8; 4] = b"MTRD";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 21;
const RECORD_HEADER_BYTES: usize = 5;
const CRC_BYTES: usize = 4;

/// Bytes that an envelope adds to its records.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + CRC_BYTES;

/// A record ready for an envelope: kind, length and payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRecord(Vec<u8>);

impl EncodedRecord {
    pub fn new(record: &Record<'_>) -> Self {
        let payload = record.encode();
        let length = u32::try_from(payload.len()).expect("a record is far smaller than 4 GiB");
        let mut bytes = Vec::with_capacity(RECORD_HEADER_BYTES + payload.len());
        bytes.push(record.kind());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&payload);
        Self(bytes)
    }

    #[expect(
        clippy::len_without_is_empty,
        reason = "it always has a kind and a length"
    )]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Packs records into one message.
pub fn encode<'r>(
    generation: u32,
    sent_at_us: i64,
    records: impl ExactSizeIterator<Item = &'r EncodedRecord>,
) -> Vec<u8> {
    let count =
        u32::try_from(records.len()).expect("an envelope is bounded in bytes, hence in records");
    let mut bytes = Vec::with_capacity(crate::limits::MAX_ENVELOPE_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&sent_at_us.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    for record in records {
        bytes.extend_from_slice(&record.0);
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// What an envelope says it holds, without reading it; 1 for anything that is none.
pub fn record_count(bytes: &[u8]) -> usize {
    let count = bytes
        .get(HEADER_BYTES - 4..HEADER_BYTES)
        .and_then(|count| count.try_into().ok());
    count.map_or(1, |count| {
        usize::try_from(u32::from_le_bytes(count)).unwrap_or(usize::MAX)
    })
}

/// An envelope whose CRC held and whose records are framed; their payloads are not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub generation: u32,
    pub sent_at_us: i64,
    frames: Vec<(u8, &'a [u8])>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are damaged: the message is dead-lettered as a whole.
    #[error("broken envelope: {0}")]
    Broken(&'static str),
    /// Written by a newer meterd: the reader stops, nothing is skipped.
    #[error(
        "envelope version {0} is unknown to this version; upgrade the readers before the writers"
    )]
    UnknownVersion(u8),
}

impl<'a> Envelope<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let broken = EnvelopeError::Broken;
        let (body, crc) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(broken("too short"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(broken("checksum mismatch"));
        }
        let mut rest = Reader(body);
        if rest.take::<4>() != Some(*MAGIC) {
            return Err(broken("not an envelope"));
        }
        match rest.take::<1>() {
            Some([VERSION]) => {}
            Some([version]) => return Err(EnvelopeError::UnknownVersion(version)),
            None => return Err(broken("too short")),
        }
        let mut header = || {
            let generation = u32::from_le_bytes(rest.take()?);
            let sent_at_us = i64::from_le_bytes(rest.take()?);
            Some((generation, sent_at_us, u32::from_le_bytes(rest.take()?)))
        };
        let (generation, sent_at_us, count) = header().ok_or(broken("too short"))?;
        let mut frames = Vec::new();
        for _ in 0..count {
            frames.push(
                rest.frame()
                    .ok_or(broken("a record reaches past the end"))?,
            );
        }
        if !rest.0.is_empty() {
            return Err(broken("bytes behind the last record"));
        }
        Ok(Self {
            generation,
            sent_at_us,
            frames,
        })
    }

    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether an envelope is empty"
    )]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// The records in order; the n-th item is the record with index n.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'a>, RecordError>> + '_ {
        self.frames
            .iter()
            .map(|(kind, payload)| Record::decode(*kind, payload))
    }

    /// The undecoded payload of record `index`, for the dead-letter table.
    pub fn payload(&self, index: usize) -> &'a [u8] {
        self.frames[index].1
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn frame(&mut self) -> Option<(u8, &'a [u8])> {
        let [kind] = self.take()?;
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).ok()?;
        let (payload, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some((kind, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::report;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let barrier = Record::Barrier {
            nonce: uuid::Uuid::from_u128(3),
        };
        let records = [
            EncodedRecord::new(&Record::Report(report())),
            EncodedRecord::new(&barrier),
        ];
        encode(1, 1_763_634_662_000_000, records.iter())
    }

    #[test]
    fn round_trips() {
        let bytes = sample();
        let envelope = Envelope::decode(&bytes).unwrap();
        assert_eq!(
            (envelope.generation, envelope.sent_at_us, envelope.len()),
            (1, 1_763_634_662_000_000, 2)
        );
        let records: Vec<_> = envelope.records().map(Result::unwrap).collect();
        assert_eq!(records[0], Record::Report(report()));
        assert!(matches!(records[1], Record::Barrier { .. }));
        assert_eq!(envelope.payload(1).len(), records[1].encode().len());
    }

    #[test]
    fn a_newer_version_is_not_mistaken_for_damage() {
        let mut bytes = sample();
        bytes[4] = 2;
        let body = bytes.len() - CRC_BYTES;
        let crc = crc32fast::hash(&bytes[..body]).to_le_bytes();
        bytes[body..].copy_from_slice(&crc);
        assert_eq!(
            Envelope::decode(&bytes),
            Err(EnvelopeError::UnknownVersion(2))
        );
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(Envelope::decode(&flipped), Err(EnvelopeError::Broken(_))),
                "bit {bit}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fix: bool) {
            if fix && bytes.len() > OVERHEAD_BYTES {
                bytes[..4].copy_from_slice(MAGIC);
                bytes[4] = VERSION;
                let body = bytes.len() - CRC_BYTES;
                let crc = crc32fast::hash(&bytes[..body]).to_le_bytes();
                bytes[body..].copy_from_slice(&crc);
            }
            if let Ok(envelope) = Envelope::decode(&bytes) {
                let _ = envelope.records().count();
            }
        }
    }
}
