//! Applies messages of the log to a state.

use metering_core::envelope::{Envelope, EnvelopeError};
use metering_core::quota::{Outcome, Rules, Stamp, State};
use metering_core::record::RecordError;
use metering_core::{Record, RecordPosition};
use metering_log::Delivery;

/// Going on would skip something that this version does not know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("message {seq}: {error}")]
    Envelope { seq: u64, error: EnvelopeError },
    #[error("message {seq}: {error}")]
    Record { seq: u64, error: RecordError },
    #[error(
        "the log is decided by {0:?}, which is newer than this program; run one that has these rules"
    )]
    Rules(Rules),
}

/// Applies a message, and shows each record with its outcome. Damaged ones are nobody's: the
/// worker keeps them as dead letters.
pub(crate) fn apply(
    state: &mut State,
    partition: u16,
    message: &Delivery,
    mut see: impl FnMut(&State, RecordPosition, &Record<'_>, Outcome),
) -> Result<(), Unknown> {
    let seq = message.seq;
    let envelope = match Envelope::decode(&message.payload) {
        Ok(envelope) => envelope,
        Err(EnvelopeError::Broken(_)) => return Ok(()),
        Err(error @ EnvelopeError::UnknownVersion(_)) => {
            return Err(Unknown::Envelope { seq, error });
        }
    };
    for (index, record) in (0..).zip(envelope.records()) {
        let record = match record {
            Ok(record) => record,
            Err(RecordError::Malformed(_)) => continue,
            Err(error @ RecordError::UnknownKind(_)) => {
                return Err(Unknown::Record { seq, error });
            }
        };
        let position = RecordPosition {
            partition,
            seq,
            index,
        };
        let stamp = Stamp {
            position,
            stream_time_us: message.stream_time.timestamp_micros(),
            sent_at_us: envelope.sent_at_us,
        };
        let outcome = state.apply(stamp, &record);
        if matches!(record, Record::Rules(_)) {
            agree(state)?;
        }
        see(state, position, &record, outcome);
    }
    Ok(())
}

/// Refuses to go on by older rules than the log's. By newer ones it may: they begin to count
/// where this program announces them.
fn agree(state: &State) -> Result<(), Unknown> {
    match state.rules() {
        Some(log) if log.are_too_new() => Err(Unknown::Rules(log.clone())),
        _ => Ok(()),
    }
}
