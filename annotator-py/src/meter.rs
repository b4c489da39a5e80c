//! A meter bound to a client: what is called in the middle of other people's functions.

use metering_core::event::is_identifier;
use pyo3::prelude::*;
use pyo3::types::PyString;
use uuid::Uuid;

use crate::client::{Call, Client, Extra};
use crate::clock;
use crate::encode::meter_fields;
use crate::queue::MeterText;

/// A resource and a feature, bound to a client.
#[pyclass(frozen, module = "meterd._native")]
pub(crate) struct BoundMeter {
    client: Py<Client>,
    /// None if the names are no identifiers: a decorator never raises at import.
    text: Option<MeterText>,
    names: String,
    tenant: Option<Py<PyString>>,
}

#[pymethods]
impl BoundMeter {
    #[new]
    #[pyo3(signature = (client, resource, feature, tenant=None))]
    fn new(
        client: Py<Client>,
        resource: &str,
        feature: &str,
        tenant: Option<Py<PyString>>,
    ) -> Self {
        let are_names = is_identifier(resource) && is_identifier(feature);
        Self {
            client,
            text: are_names.then(|| MeterText::new(meter_fields(resource, feature))),
            names: format!("resource {resource:?}, feature {feature:?}"),
            tenant,
        }
    }

    /// One unit for the tenant of the context. Gives back what it is given: a result on its way
    /// through costs compiled code less than a result that is put aside.
    #[pyo3(signature = (result, /))]
    fn record<'py>(
        &self,
        py: Python<'py>,
        result: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, None, 1, None)?;
        Ok(result)
    }

    /// `quantity` units; `tenant`, `metadata`, `timestamp` (microseconds since 1970) and `id` where
    /// they are not None.
    #[pyo3(signature = (quantity, tenant=None, metadata=None, timestamp=None, id=None))]
    fn add(
        &self,
        py: Python<'_>,
        quantity: &Bound<'_, PyAny>,
        tenant: Option<&Bound<'_, PyString>>,
        metadata: Option<&Bound<'_, PyAny>>,
        timestamp: Option<i64>,
        id: Option<&str>,
    ) -> PyResult<()> {
        let client = self.client.get();
        let Some(quantity) = client.quantity(py, quantity)? else {
            return Ok(());
        };
        let id = match id.map(Uuid::try_parse) {
            None => None,
            Some(Ok(id)) if !id.is_nil() => Some(id),
            Some(_) => return client.invalid(py, "id must be a UUID other than the nil UUID"),
        };
        let metadata = match metadata {
            Some(given) => client.metadata(py, given)?,
            None => None,
        };
        let has_extra = metadata.is_some() || timestamp.is_some() || id.is_some();
        let extra = has_extra.then_some(Extra {
            metadata,
            timestamp_micros: timestamp,
            id,
        });
        self.call(py, tenant, quantity, extra)
    }
}

impl BoundMeter {
    #[inline]
    fn call(
        &self,
        py: Python<'_>,
        tenant: Option<&Bound<'_, PyString>>,
        quantity: u64,
        extra: Option<Extra>,
    ) -> PyResult<()> {
        let client = self.client.get();
        let Some(meter) = &self.text else {
            let rule = "a resource and a feature are 1 to 128 of A-Z a-z 0-9 . _ : @ / | + = ~ % -, the first a letter or digit";
            return client.invalid(py, &format!("{}: {rule}", self.names));
        };
        let tenant = match (tenant, &self.tenant) {
            (Some(tenant), _) => tenant.clone(),
            (None, Some(tenant)) => tenant.bind(py).clone(),
            (None, None) => client.tenant_now(py)?,
        };
        let micros = clock::now_micros();
        let call = Call {
            meter,
            tenant,
            quantity,
            extra,
            micros,
        };
        client.record(py, &call)
    }
}
