//! Projects the log into raw events and aggregates, exactly once.
