//! The pure domain: events, records, envelopes, judge, windows, receipts.
