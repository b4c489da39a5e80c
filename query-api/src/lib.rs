//! Answers questions about events and aggregates.
