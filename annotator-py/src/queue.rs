//! The producer's side: from a call to a committed unit of a segment.
//!
//! Every caller holds the interpreter's lock, so the queue's mutex is never waited for. Nothing in
//! here may run Python code: a finalizer that records would find the mutex taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metering_core::event::is_identifier;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::encode::{Wide, tenant_field};
use crate::segment::{Full, Segment};

/// Tenants that are found by the address of their string; the others by their text.
const KNOWN_TENANTS: usize = 512;
/// Events that the transport `memory` keeps, so that a forgotten test cannot take all memory.
const MAX_MEMORY_EVENTS: usize = 1_000_000;

/// Why an event was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no segment with room")]
    Full,
    #[error(
        "tenant {0:?} is no identifier: 1 to 128 of A-Z a-z 0-9 . _ : @ / | + = ~ % -, the first a letter or digit"
    )]
    Tenant(String),
    #[error("the timestamp is outside the years 1 to 9999")]
    Timestamp,
}

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

/// What the events of one meter share, and under which number the current segment has it.
pub(crate) struct MeterText {
    pub(crate) fields: String,
    /// The segment's serial and the number in it.
    place: AtomicU64,
}

impl MeterText {
    pub(crate) fn new(fields: String) -> Self {
        Self {
            fields,
            place: AtomicU64::new(0),
        }
    }
}

/// A tenant whose string is known by its address. It is kept, so nobody else can have the address;
/// it is exactly a `str`, so letting it go runs nobody's code.
struct KnownTenant {
    serial: u32,
    number: u32,
    text: Py<PyString>,
}

#[derive(Default)]
pub(crate) struct Queue {
    writer: Option<Writer>,
    /// Which segment of this process and its parents, from 1.
    serial: u32,
    /// Segments of this process.
    pub(crate) segments: u32,
    known_tenants: Vec<Option<KnownTenant>>,
    /// Events written by this process.
    pub(crate) recorded: u64,
    /// Events until the delivery is woken, and how often it is.
    until_wake: usize,
    pub(crate) wake_every: usize,
    sync_to_disk: bool,
    /// What the transport `memory` recorded, as JSON objects without ids.
    pub(crate) memory: Vec<String>,
}

struct Writer {
    segment: Arc<Segment>,
    numbers: HashMap<Box<str>, u32>,
}

impl Writer {
    fn number(&mut self, text: &str) -> Result<u32, Full> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(|_| Full)?;
        self.segment.push_text(number, text.as_bytes())?;
        self.numbers.insert(text.into(), number);
        Ok(number)
    }
}

/// Whether the delivery should look: a batch is complete.
pub(crate) type Wake = bool;

impl Queue {
    /// Events go into `segment` from now on.
    pub(crate) fn open(&mut self, segment: Arc<Segment>, sync_to_disk: bool) {
        self.serial = self.serial.wrapping_add(1).max(1);
        self.segments = self.segments.saturating_add(1);
        self.sync_to_disk = sync_to_disk;
        self.writer = Some(Writer {
            segment,
            numbers: HashMap::new(),
        });
    }

    /// Nothing is written any more until the next `open`.
    pub(crate) fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.segment.seal();
        }
    }

    /// The segment stays somebody else's: this process was forked.
    pub(crate) fn abandon(&mut self) {
        self.writer = None;
        self.segments = 0;
        self.recorded = 0;
        self.memory.clear();
    }

    pub(crate) fn push(
        &mut self,
        meter: &MeterText,
        tenant: &Bound<'_, PyString>,
        micros: u64,
        quantity: u64,
    ) -> Result<Wake, Refusal> {
        let serial = self.serial;
        let writer = self.writer.as_mut().ok_or(Refusal::Full)?;
        let place = meter.place.load(Ordering::Relaxed);
        let meter = if place >> 32 == u64::from(serial) {
            number_of(place)
        } else {
            let number = writer.number(&meter.fields)?;
            let place = u64::from(serial) << 32 | u64::from(number);
            meter.place.store(place, Ordering::Relaxed);
            number
        };
        let known = known_slot(tenant);
        let tenant = match self.known_tenants.get(known) {
            Some(Some(known)) if known.serial == serial && known.text.is(tenant) => known.number,
            _ => self.learn_tenant(tenant)?,
        };
        let writer = self.writer.as_mut().ok_or(Refusal::Full)?;
        let unit = writer.segment.push(micros, meter, tenant, quantity)?;
        Ok(self.written(unit))
    }

    #[cold]
    fn learn_tenant(&mut self, tenant: &Bound<'_, PyString>) -> Result<u32, Refusal> {
        let text = tenant.to_str().unwrap_or_default();
        if !is_identifier(text) {
            return Err(Refusal::Tenant(text.chars().take(64).collect()));
        }
        let writer = self.writer.as_mut().ok_or(Refusal::Full)?;
        let number = writer.number(&tenant_field(text))?;
        if tenant.is_exact_instance_of::<PyString>() {
            self.known_tenants.resize_with(KNOWN_TENANTS, || None);
            self.known_tenants[known_slot(tenant)] = Some(KnownTenant {
                serial: self.serial,
                number,
                text: tenant.clone().unbind(),
            });
        }
        Ok(number)
    }

    /// Writes an event that has more than names, quantity and time.
    pub(crate) fn push_wide(&mut self, event: &Wide<'_>, now_micros: u64) -> Result<Wake, Refusal> {
        let fields = fields(event)?;
        let writer = self.writer.as_mut().ok_or(Refusal::Full)?;
        let own_id = event.id.is_some();
        let unit = writer
            .segment
            .push_wide(now_micros, own_id, fields.as_bytes())?;
        Ok(self.written(unit))
    }

    #[inline]
    fn written(&mut self, unit: u64) -> Wake {
        if self.sync_to_disk
            && let Some(writer) = &self.writer
        {
            // A disk that fails now has failed for the page cache too; the event is still sent.
            let _ = writer.segment.sync(unit);
        }
        self.recorded += 1;
        self.until_wake = self.until_wake.saturating_sub(1);
        let wake = self.until_wake == 0;
        if wake {
            self.until_wake = self.wake_every;
        }
        wake
    }

    /// Records into the list that tests read. False if it is full.
    pub(crate) fn remember(&mut self, event: &Wide<'_>) -> Result<bool, Refusal> {
        if !is_identifier(event.tenant) {
            return Err(Refusal::Tenant(event.tenant.chars().take(64).collect()));
        }
        let fields = fields(event)?;
        let has_room = self.memory.len() < MAX_MEMORY_EVENTS;
        if has_room {
            self.recorded += 1;
            self.memory.push(format!("{{{fields}}}"));
        }
        Ok(has_room)
    }
}

fn fields(event: &Wide<'_>) -> Result<String, Refusal> {
    if !is_identifier(event.tenant) {
        return Err(Refusal::Tenant(event.tenant.chars().take(64).collect()));
    }
    event.fields().ok_or(Refusal::Timestamp)
}

fn known_slot(tenant: &Bound<'_, PyString>) -> usize {
    // Objects are aligned to 16 bytes.
    (tenant.as_ptr().addr() >> 4) % KNOWN_TENANTS
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn number_of(place: u64) -> u32 {
    place as u32
}
