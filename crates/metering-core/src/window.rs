//! Windows of the calendar in any time zone.
