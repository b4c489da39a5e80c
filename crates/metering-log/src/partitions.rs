//! How many partitions the log has.

use crate::backend::{Backend, BackendError};

/// The number of the log's partitions, which is `wanted` where there was no log yet: with another
/// number tenants would move to other partitions, so what is there counts.
///
/// Processes that start at the same time agree, as long as they want the same: partition 0 is made
/// last, so once it is there all of them are.
pub async fn open(log: &dyn Backend, wanted: u16) -> Result<u16, BackendError> {
    if let Err(BackendError::NoSuchStream(_)) = log.info(0).await {
        for partition in (0..wanted).rev() {
            log.ensure(partition).await?;
        }
    }
    let mut found = 0;
    loop {
        match log.info(found).await {
            Ok(_) => found += 1,
            Err(BackendError::NoSuchStream(_)) => return Ok(found),
            Err(error) => return Err(error),
        }
    }
}
