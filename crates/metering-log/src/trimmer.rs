//! Gives back the space of what every projection has applied.

use metering_core::Position;

use crate::backend::{BackendError, SharedBackend};

/// The last sequence that may go: the slowest position less `margin`; `None` when nothing may.
/// Positions of another incarnation mean that somebody has to look first.
pub fn trim_point(positions: &[Position], margin: u64) -> Option<u64> {
    let first = positions.first()?;
    let same = positions
        .iter()
        .all(|position| position.incarnation == first.incarnation);
    let slowest = positions.iter().map(|position| position.seq).min()?;
    slowest
        .checked_sub(margin)
        .filter(|point| same && *point > 0)
}

/// Purges `partition` up to its trim point. Doing it again changes nothing.
pub async fn trim(
    backend: &SharedBackend,
    partition: u16,
    positions: &[Position],
    margin: u64,
) -> Result<(), BackendError> {
    let Some(point) = trim_point(positions, margin) else {
        return Ok(());
    };
    let info = backend.info(partition).await?;
    if info.incarnation == positions[0].incarnation && info.first_seq <= point {
        backend.purge(partition, point).await?;
        tracing::debug!(partition, point, "trimmed the log");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_slowest_decides() {
        let at = |incarnation: u128, seq| Position {
            incarnation: Uuid::from_u128(incarnation),
            seq,
            hash: 0,
        };
        assert_eq!(trim_point(&[at(1, 500), at(1, 120)], 100), Some(20));
        assert_eq!(trim_point(&[at(1, 500), at(1, 100)], 100), None);
        assert_eq!(trim_point(&[at(1, 500), at(1, 0)], 100), None);
        assert_eq!(trim_point(&[at(1, 500), at(2, 500)], 100), None);
        assert_eq!(trim_point(&[], 0), None);
    }
}
