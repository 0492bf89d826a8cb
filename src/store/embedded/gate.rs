//! How many statements run at once, and how many may wait.
//!
//! The engine forces its own limit (`max_concurrent_queries`) to none. Without a gate a crowd of statements starves
//! itself: a measured soak fell from 550 to 24 operations per second with 733 threads.

use super::exception::{Code, Exception};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// A bounded number of places, with a bounded queue before them.
#[derive(Debug)]
pub(super) struct Gate {
    what: &'static str,
    places: Arc<Semaphore>,
    places_max: usize,
    queue: Semaphore,
    queue_max: usize,
}

/// What a gate holds at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateStats {
    pub running: usize,
    pub running_max: usize,
    pub waiting: usize,
    pub waiting_max: usize,
}

impl Gate {
    pub(super) fn new(what: &'static str, places_max: usize, queue_max: usize) -> Self {
        let places = Arc::new(Semaphore::new(places_max));
        Self { what, places, places_max, queue: Semaphore::new(queue_max), queue_max }
    }

    /// Waits for a place, which is free again when the permit is dropped.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Exception> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(closing()),
            Err(TryAcquireError::NoPermits) => {}
        }
        let Ok(_waiting) = self.queue.try_acquire() else {
            let (what, running, waiting) = (self.what, self.places_max, self.queue_max);
            let message = format!("{running} {what} are running and {waiting} wait already: try again later");
            return Err(Exception::new(Code::TooManySimultaneousQueries, message));
        };
        Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| closing())
    }

    /// Lets nobody in any more, those who wait included.
    pub(super) fn close(&self) {
        self.places.close();
    }

    pub(super) fn stats(&self) -> GateStats {
        GateStats {
            running: self.places_max.saturating_sub(self.places.available_permits()),
            running_max: self.places_max,
            waiting: self.queue_max.saturating_sub(self.queue.available_permits()),
            waiting_max: self.queue_max,
        }
    }
}

fn closing() -> Exception {
    Exception::new(Code::Aborted, "the engine is closing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future, poll_fn};
    use std::task::Poll;

    #[tokio::test]
    async fn places_fill_then_the_queue_then_it_is_refused() {
        let gate = Gate::new("queries", 1, 1);
        let first = gate.enter().await.unwrap();
        let mut second = Box::pin(gate.enter());
        let waits = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        assert_eq!(gate.stats(), GateStats { running: 1, running_max: 1, waiting: 1, waiting_max: 1 });
        let refused = gate.enter().await.unwrap_err();
        assert_eq!(refused.code, 202, "{}", refused.text);
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(gate.stats().waiting, 0);
        drop(second);
        assert_eq!(gate.stats().running, 0);
    }

    #[tokio::test]
    async fn a_closed_gate_refuses() {
        let gate = Gate::new("queries", 1, 1);
        let running = gate.enter().await.unwrap();
        gate.close();
        assert_eq!(gate.enter().await.unwrap_err().code, 236);
        assert_eq!(gate.stats().running, 1);
        drop(running);
        assert_eq!(gate.stats().running, 0);
    }
}
