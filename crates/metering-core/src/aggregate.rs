//! How counted events add up to aggregates.
