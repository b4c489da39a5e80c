//! The classes that Python sees: a client, and a meter bound to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use metering_core::limits::MAX_QUANTITY;
use metering_core::metadata;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString};
use uuid::Uuid;

use crate::config::{Config, Transport};
use crate::core::{Core, Room};
use crate::encode::Wide;
use crate::queue::{MeterText, Queue, Refusal, Wake};
use crate::stats::Counters;
use crate::{ffi, lock};

/// How long a wait goes on before Python gets to see a Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(50);
/// Invalid events that are told about one by one; then they are only counted.
const INVALID_TOLD: u64 = 10;
/// Whoever waits longer has given up; and an instant has an end.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);
const NO_TENANT: &str = "default";

/// A queue, its delivery, and what Python has to say to them.
#[pyclass(frozen, module = "meterd._native")]
pub(crate) struct Client {
    core: Arc<Core>,
    /// The context variables: the tenant, and the request that knows it.
    tenant: Py<PyAny>,
    request: Py<PyAny>,
    /// Calls `configure` from the environment.
    configure_late: Py<PyAny>,
    /// `json.dumps`, strict.
    dumps: Py<PyAny>,
    /// Writes a line to the log.
    log: Py<PyAny>,
    settings: Mutex<Settings>,
    /// Of the dropped events, those that `on_drop` was told about.
    reported: AtomicU64,
}

#[derive(Default)]
struct Settings {
    default_tenant: Option<Py<PyString>>,
    on_drop: Option<Py<PyAny>>,
    told_no_tenant: bool,
}

/// What a call says beside the meter, the tenant and the quantity.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) metadata: Option<String>,
    pub(crate) timestamp_micros: Option<i64>,
    pub(crate) id: Option<Uuid>,
}

pub(crate) struct Call<'a, 'py> {
    pub(crate) meter: &'a MeterText,
    pub(crate) tenant: Bound<'py, PyString>,
    pub(crate) quantity: u64,
    pub(crate) extra: Option<Extra>,
    pub(crate) micros: u64,
}

impl Call<'_, '_> {
    fn wide<'a>(&'a self, tenant: &'a str) -> Wide<'a> {
        let extra = self.extra.as_ref();
        let now = self.micros.cast_signed();
        Wide {
            tenant,
            meter_fields: &self.meter.fields,
            quantity: self.quantity,
            timestamp_micros: extra
                .and_then(|extra| extra.timestamp_micros)
                .unwrap_or(now),
            metadata: extra.and_then(|extra| extra.metadata.as_deref()),
            id: extra.and_then(|extra| extra.id),
        }
    }

    #[inline]
    fn write(&self, queue: &mut Queue) -> Result<Wake, Refusal> {
        if self.extra.is_none() {
            return queue.push(self.meter, &self.tenant, self.micros, self.quantity);
        }
        let tenant = self.tenant.to_str().unwrap_or_default();
        queue.push_wide(&self.wide(tenant), self.micros)
    }
}

impl Client {
    /// The tenant of the context, else of the request, else the default.
    #[inline]
    pub(crate) fn tenant_now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        if let Some(value) = ffi::context_value(py, &self.tenant)
            && let Ok(tenant) = value.cast_into::<PyString>()
        {
            return Ok(tenant);
        }
        self.tenant_of_request(py)
    }

    #[cold]
    fn tenant_of_request<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        if let Some(request) = ffi::context_value(py, &self.request)
            && !request.is_none()
            && let Ok(tenant) = request.getattr(pyo3::intern!(py, "tenant"))?.cast_into()
        {
            return Ok(tenant);
        }
        self.config(py)?;
        let told = {
            let mut settings = lock(&self.settings);
            if let Some(tenant) = &settings.default_tenant {
                return Ok(tenant.bind(py).clone());
            }
            std::mem::replace(&mut settings.told_no_tenant, true)
        };
        // From here on without the lock: to intern a text for the first time lets other threads run,
        // and they would wait for the lock with the interpreter in their hands.
        Counters::add(&self.core.counters.without_tenant, 1);
        if !told {
            self.core.notice(format!(
                "no tenant is set, events count for {NO_TENANT:?}: use meterd.set_tenant(...) or configure(default_tenant=...)"
            ));
        }
        Ok(pyo3::intern!(py, NO_TENANT).clone())
    }

    /// Writes an event. Raises nothing, unless `strict`.
    #[inline]
    pub(crate) fn record(&self, py: Python<'_>, call: &Call<'_, '_>) -> PyResult<()> {
        let written = call.write(&mut lock(&self.core.queue));
        match written {
            Ok(false) => Ok(()),
            Ok(true) => self.written(py),
            Err(refusal) => self.record_again(py, call, &refusal),
        }
    }

    /// The way of an event that found no room, or no queue at all.
    #[cold]
    fn record_again(&self, py: Python<'_>, call: &Call<'_, '_>, refusal: &Refusal) -> PyResult<()> {
        if !matches!(refusal, Refusal::Full) {
            return self.invalid(py, &refusal.to_string());
        }
        let config = self.config(py)?;
        if !config.is_queued() {
            return self.remember(py, call, &config);
        }
        loop {
            match self.core.make_room(&config) {
                Room::Made => {}
                Room::None => {
                    self.core.drop_newest();
                    return self.report(py);
                }
                Room::Wait => self.wait_for_room(py)?,
            }
            let written = call.write(&mut lock(&self.core.queue));
            match written {
                Ok(_) => return self.written(py),
                Err(Refusal::Full) => {}
                Err(refusal) => return self.invalid(py, &refusal.to_string()),
            }
        }
    }

    fn wait_for_room(&self, py: Python<'_>) -> PyResult<()> {
        let settled = self.core.settled.load(Ordering::Acquire);
        self.core.flush();
        py.detach(|| {
            let moved = || self.core.settled.load(Ordering::Acquire) != settled;
            self.core.dispatch().wait_for_progress(SIGNALS, moved)
        });
        py.check_signals()
    }

    fn remember(&self, py: Python<'_>, call: &Call<'_, '_>, config: &Config) -> PyResult<()> {
        if config.transport == Transport::Noop {
            return Ok(());
        }
        let tenant = call.tenant.to_str().unwrap_or_default();
        let remembered = lock(&self.core.queue).remember(&call.wide(tenant));
        match remembered {
            Ok(true) => {}
            Ok(false) => self.core.drop_newest(),
            Err(refusal) => return self.invalid(py, &refusal.to_string()),
        }
        self.report(py)
    }

    /// A batch is complete, or the transport does not wait for one.
    #[cold]
    fn written(&self, py: Python<'_>) -> PyResult<()> {
        // A server that is away is not missed more for being told of more events.
        if !self.core.is_failing() {
            self.core.wake();
        }
        let config = self.config(py)?;
        if config.transport == Transport::Sync {
            let target = lock(&self.core.queue).recorded;
            let core = &self.core;
            let done = || core.settled.load(Ordering::Acquire) >= target || core.is_failing();
            self.wait(py, config.timeout, done)?;
        }
        self.report(py)
    }

    /// Waits without the interpreter's lock until `done`; false if that took too long.
    fn wait(
        &self,
        py: Python<'_>,
        timeout: Duration,
        done: impl Fn() -> bool + Send + Sync,
    ) -> PyResult<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let dispatch = self.core.dispatch();
            if py.detach(|| dispatch.wait_for_progress(left.min(SIGNALS), &done)) {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }

    fn config(&self, py: Python<'_>) -> PyResult<Arc<Config>> {
        if let Some(config) = self.core.configured() {
            return Ok(config);
        }
        self.configure_late.call1(py, ())?;
        let config = self.core.configured();
        config.ok_or_else(|| PyValueError::new_err("meterd is not configured"))
    }

    /// Counts what is no event.
    #[cold]
    pub(crate) fn invalid(&self, py: Python<'_>, why: &str) -> PyResult<()> {
        let before = self.core.counters.invalid.fetch_add(1, Ordering::Relaxed);
        if self.config(py)?.strict {
            return Err(PyValueError::new_err(why.to_owned()));
        }
        if before < INVALID_TOLD {
            self.core.notice(format!("not recorded: {why}"));
        }
        self.report(py)
    }

    /// Tells Python what happened since it was told last.
    fn report(&self, py: Python<'_>) -> PyResult<()> {
        let unread = std::mem::take(&mut lock(&self.core.notices).unread);
        for notice in unread {
            self.log.call1(py, (notice,))?;
        }
        let dropped = self.core.counters.dropped.load(Ordering::Relaxed);
        let reported = self.reported.swap(dropped, Ordering::Relaxed);
        let on_drop = lock(&self.settings)
            .on_drop
            .as_ref()
            .map(|call| call.clone_ref(py));
        if let Some(on_drop) = on_drop
            && dropped > reported
            && let Err(error) = on_drop.call1(py, (dropped - reported,))
        {
            error.write_unraisable(py, None);
        }
        Ok(())
    }

    pub(crate) fn quantity(
        &self,
        py: Python<'_>,
        quantity: &Bound<'_, PyAny>,
    ) -> PyResult<Option<u64>> {
        let number = if quantity.is_instance_of::<PyBool>() {
            None
        } else {
            quantity.extract::<u64>().ok()
        };
        if let Some(number) = number.filter(|number| *number <= MAX_QUANTITY.cast_unsigned()) {
            return Ok(Some(number));
        }
        let shown: String = quantity.repr()?.to_str()?.chars().take(64).collect();
        self.invalid(
            py,
            &format!("quantity must be an int from 0 to {MAX_QUANTITY}, not {shown}"),
        )?;
        Ok(None)
    }

    /// The metadata as JSON. What is none is counted; the event is recorded without it.
    pub(crate) fn metadata(
        &self,
        py: Python<'_>,
        given: &Bound<'_, PyAny>,
    ) -> PyResult<Option<String>> {
        if given.is_none() {
            return Ok(None);
        }
        let dumped = self
            .dumps
            .call1(py, (given,))
            .and_then(|json| json.extract::<String>(py));
        let checked = dumped.map_err(|error| error.to_string()).and_then(|json| {
            metadata::check(&json).map_err(|refusal| refusal.detail)?;
            Ok(json)
        });
        let why = match checked {
            Ok(json) => return Ok(Some(json).filter(|json| json != "{}")),
            Err(why) => why,
        };
        let before = self
            .core
            .counters
            .metadata_dropped
            .fetch_add(1, Ordering::Relaxed);
        if self.config(py)?.strict {
            return Err(PyValueError::new_err(why));
        }
        if before < INVALID_TOLD {
            self.core
                .notice(format!("recorded without its metadata: {why}"));
        }
        Ok(None)
    }
}

fn duration(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map(|timeout| timeout.min(LONGEST_TIMEOUT))
        .map_err(|_| PyValueError::new_err("timeout must be seconds, 0 or more"))
}

#[pymethods]
impl Client {
    /// The functions are called with the interpreter's lock: `configure_late()`, `dumps(object)`,
    /// `log(text)`.
    #[new]
    fn new(
        tenant: Py<PyAny>,
        request: Py<PyAny>,
        configure_late: Py<PyAny>,
        dumps: Py<PyAny>,
        log: Py<PyAny>,
    ) -> Self {
        Self {
            core: Arc::default(),
            tenant,
            request,
            configure_late,
            dumps,
            log,
            settings: Mutex::default(),
            reported: AtomicU64::new(0),
        }
    }

    /// Takes the arguments of `meterd.configure`, all of them resolved.
    #[pyo3(signature = (settings, on_drop=None))]
    fn configure(&self, settings: &Bound<'_, PyAny>, on_drop: Option<Py<PyAny>>) -> PyResult<()> {
        let py = settings.py();
        let config = Config::from_python(settings)?;
        let tenant = config.default_tenant.as_ref();
        let default_tenant = tenant.map(|tenant| PyString::new(py, tenant).unbind());
        let before = {
            let mut settings = lock(&self.settings);
            settings.default_tenant = default_tenant;
            std::mem::replace(&mut settings.on_drop, on_drop)
        };
        // Its end may run code of its own, so not under the lock.
        drop(before);
        self.core.configure(config);
        Ok(())
    }

    /// Whether everything recorded before the call is settled: with the server, or counted as dead
    /// or dropped. False after `timeout` seconds.
    fn flush(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let timeout = duration(timeout)?;
        let target = lock(&self.core.queue).recorded;
        let settled = || self.core.settled.load(Ordering::Acquire) >= target;
        if self
            .core
            .configured()
            .is_none_or(|config| !config.is_queued())
            || settled()
        {
            self.report(py)?;
            return Ok(true);
        }
        self.core.flush();
        let flushed = self.wait(py, timeout, settled)?;
        self.report(py)?;
        Ok(flushed)
    }

    /// Flushes for at most `timeout` seconds, stops the thread, and leaves the rest to the next
    /// process. A later event starts everything again.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let flushed = self.flush(py, timeout);
        py.detach(|| self.core.release());
        self.report(py)?;
        flushed
    }

    /// Waits until segments whose processes are gone were found and sent, at most `timeout` seconds.
    fn drain(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let config = self.config(py)?;
        self.core.start();
        self.core.flush();
        let timeout = duration(timeout)?;
        let core = &self.core;
        let drained = self.wait(py, timeout, move || core.is_drained(&config))?;
        self.report(py)?;
        Ok(drained)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.report(py)?;
        let stats = PyDict::new(py);
        stats.set_item("recorded", lock(&self.core.queue).recorded)?;
        stats.set_item("pending", self.core.pending())?;
        for (name, count) in self.core.counters.named() {
            stats.set_item(name, count)?;
        }
        let (queue, bytes) = self.core.queue_place();
        stats.set_item("queue", queue)?;
        stats.set_item("queue_bytes", bytes)?;
        stats.set_item("failing", self.core.is_failing())?;
        stats.set_item("last_error", lock(&self.core.notices).last_error.clone())?;
        Ok(stats)
    }

    /// The events that the transport `memory` recorded, as JSON texts; with `clear` they go.
    fn recorded<'py>(&self, py: Python<'py>, clear: bool) -> PyResult<Bound<'py, PyList>> {
        let mut queue = lock(&self.core.queue);
        let events = if clear {
            std::mem::take(&mut queue.memory)
        } else {
            queue.memory.clone()
        };
        drop(queue);
        PyList::new(py, events)
    }

    /// Counts an event that Python could not even describe. Raises if `strict`.
    fn count_invalid(&self, py: Python<'_>, why: &str) -> PyResult<()> {
        self.invalid(py, why)
    }

    /// `POST path`, answered within `timeout` seconds: the status and the text, or 0 and why nobody
    /// knows. None if the transport asks nobody.
    fn ask(
        &self,
        py: Python<'_>,
        path: &str,
        body: &str,
        timeout: f64,
    ) -> PyResult<Option<(u16, String)>> {
        let config = self.config(py)?;
        if !config.is_queued() {
            return Ok(None);
        }
        let timeout = duration(timeout)?;
        let asked = self.core.ask(py, &config, path, body, timeout)?;
        Ok(Some(asked.unwrap_or_else(|why| (0, why))))
    }

    fn count_denied(&self) {
        Counters::add(&self.core.counters.denied, 1);
    }

    /// Counts a question without an answer.
    fn count_undecided(&self, py: Python<'_>, why: &str) -> PyResult<()> {
        let undecided = &self.core.counters.undecided;
        if undecided.fetch_add(1, Ordering::Relaxed) < INVALID_TOLD {
            self.core.notice(why.to_owned());
        }
        self.report(py)
    }

    /// The tenant that an event would have now.
    fn current_tenant<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.tenant_now(py)
    }
}
