//! Answers that are made while they are sent.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pieces that wait for a client; more are not made until it takes one.
const WAITING_PIECES: usize = 1;
/// Exports at one time, each of which has a page in memory: some megabytes.
const MAX_EXPORTS: usize = 8;

/// The tasks that make such answers. One is never dropped in the middle of a question to Postgres:
/// it ends by itself when its client has gone or the process stops. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    tasks: TaskTracker,
    stop: CancellationToken,
    exports: Arc<Semaphore>,
}

/// The answer breaks off, so that no client takes it for whole.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer breaks off here")]
pub(crate) struct Broken;

/// Nobody wants the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Takes the pieces of one answer.
pub(crate) struct Pieces {
    sender: mpsc::Sender<Result<Bytes, Broken>>,
    stop: CancellationToken,
}

impl Bodies {
    /// They end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        let tasks = TaskTracker::new();
        tasks.close();
        let exports = Arc::new(Semaphore::new(MAX_EXPORTS));
        Self {
            tasks,
            stop,
            exports,
        }
    }

    /// A body of what `make` sends.
    pub(crate) fn spawn<F>(&self, make: impl FnOnce(Pieces) -> F) -> Body
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(WAITING_PIECES);
        let stop = self.stop.clone();
        self.tasks.spawn(make(Pieces { sender, stop }));
        Body::from_stream(stream::unfold(receiver, async |mut receiver| {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        }))
    }

    /// For as long as an export lives. `None`: there are too many.
    pub(crate) fn begin_export(&self) -> Option<OwnedSemaphorePermit> {
        self.exports.clone().try_acquire_owned().ok()
    }

    /// Returns when none is being made.
    pub(crate) async fn ended(&self) {
        self.tasks.wait().await;
    }
}

impl Pieces {
    /// Waits until the client has room for it.
    pub(crate) async fn send(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        let sent = self.sender.send(Ok(piece.into()));
        let sent = self.stop.run_until_cancelled(sent).await;
        sent.ok_or(Gone)?.map_err(|_| Gone)
    }

    /// Returns when nobody wants more.
    pub(crate) async fn gone(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.sender.closed() => {}
        }
    }

    /// Ends the answer so that its client sees that it is not whole.
    pub(crate) async fn break_off(self) {
        // A client that has gone has seen it.
        let _ = self.sender.send(Err(Broken)).await;
    }
}
