//! All SQL: one file per table.
