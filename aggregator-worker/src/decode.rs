//! From messages of the log to reports: what can be read, what is dead, and what stops a reader.

use metering_core::envelope::{Envelope, EnvelopeError};
use metering_core::record::{RecordError, Report};
use metering_core::{Record, RecordPosition};
use metering_store::dead_letter::DeadLetter;

/// A report and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged<'a> {
    pub position: RecordPosition,
    pub report: Report<'a>,
    /// Its undecoded bytes.
    pub payload: &'a [u8],
}

/// Something that an older version must not skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("message {seq}: {error}")]
    Version { seq: u64, error: EnvelopeError },
    #[error("message {seq}, record {index}: {error}")]
    Kind {
        seq: u64,
        index: u32,
        error: RecordError,
    },
}

/// What a run of messages says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded<'a> {
    pub reports: Vec<Logged<'a>>,
    /// Whole messages and single records that are damaged; each counts as one logged record.
    pub letters: Vec<DeadLetter<'a>>,
    /// Messages that were decoded; fewer than given when there is something unknown.
    pub messages: usize,
    /// Found in the message after those.
    pub unknown: Option<Unknown>,
}

/// Decodes messages (sequence, bytes) of one partition up to the first one with an unknown part.
///
/// Records other than reports have no rows here and are passed over.
pub fn decode<'a>(
    partition: u16,
    messages: impl IntoIterator<Item = (u64, &'a [u8])>,
) -> Decoded<'a> {
    let mut decoded = Decoded::default();
    for (seq, bytes) in messages {
        let (reports, letters) = (decoded.reports.len(), decoded.letters.len());
        if let Err(unknown) = decode_message(&mut decoded, partition, seq, bytes) {
            decoded.reports.truncate(reports);
            decoded.letters.truncate(letters);
            decoded.unknown = Some(unknown);
            break;
        }
        decoded.messages += 1;
    }
    decoded
}

fn decode_message<'a>(
    decoded: &mut Decoded<'a>,
    partition: u16,
    seq: u64,
    bytes: &'a [u8],
) -> Result<(), Unknown> {
    let envelope = match Envelope::decode(bytes) {
        Ok(envelope) => envelope,
        Err(error @ EnvelopeError::UnknownVersion(_)) => {
            return Err(Unknown::Version { seq, error });
        }
        Err(error @ EnvelopeError::Broken(_)) => {
            decoded.letters.push(DeadLetter {
                seq,
                index: None,
                tenant_id: None,
                code: "broken_envelope",
                detail: error.to_string(),
                event: None,
                payload: bytes,
            });
            return Ok(());
        }
    };
    for (index, record) in (0..).zip(envelope.records()) {
        let payload = envelope.payload(index as usize);
        match record {
            Ok(Record::Report(report)) => {
                let position = RecordPosition {
                    partition,
                    seq,
                    index,
                };
                decoded.reports.push(Logged {
                    position,
                    report,
                    payload,
                });
            }
            Ok(_) => {}
            Err(error @ RecordError::UnknownKind(_)) => {
                return Err(Unknown::Kind { seq, index, error });
            }
            Err(error @ RecordError::Malformed(_)) => decoded.letters.push(DeadLetter {
                seq,
                index: Some(index),
                tenant_id: None,
                code: "malformed_record",
                detail: error.to_string(),
                event: None,
                payload,
            }),
        }
    }
    Ok(())
}
