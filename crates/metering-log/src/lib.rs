//! The durable log: coalescing publisher, ordered reader, trimmer, NATS and in-memory backends.
