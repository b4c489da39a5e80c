//! What applying a record says to whoever waits for it.

use uuid::Uuid;

use super::answer::Answer;
use super::effect::Effects;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub reply: Reply,
    pub effects: Effects,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nobody waits for such a record.
    Nothing,
    Take(TakeReply),
    Resolved(ResolveReply),
    /// Checks that wait for `nonce` can be answered now.
    Barrier {
        nonce: Uuid,
    },
    Quota(QuotaReply),
}

/// What became of a consume or reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeReply {
    Answered {
        answer: Box<Answer>,
        /// The id was known: this is the answer that it got then.
        repeated: bool,
    },
    /// The id was used for something else; nothing was changed.
    Conflict,
    /// The reservation with this id has ended.
    Ended,
    /// It came when nobody waited for it any more, or was withdrawn, or is malformed; nothing was
    /// changed.
    Ignored,
    /// There are as many holds as a partition may have.
    TooManyHolds,
}

/// What became of a commit or release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveReply {
    /// So much is used.
    Committed {
        quantity: i64,
    },
    Released,
    /// The hold had expired.
    Expired,
    /// It was resolved in another way before.
    Conflict,
    /// There is no such reservation.
    NotFound,
    /// More than was held; nothing was changed.
    ExceedsHold {
        held: i64,
    },
    /// It came when nobody waited for it any more, or is malformed; nothing was changed.
    Ignored,
}

/// What became of a change of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaReply {
    /// It is enforced.
    InEffect,
    /// It is enforced once its past is known; until then what was before.
    Warming,
    Deleted,
    /// There is no such quota.
    NotFound,
    /// Not a quota; nothing was changed.
    Ignored,
}
