//! Dead letters: records that no gateway lets through.

use async_nats::jetstream;
use metering_core::Record;
use metering_core::envelope::{EncodedRecord, encode};
use metering_core::partition::partition_of;
use metering_core::record::Report;
use metering_log::topology;
use uuid::Uuid;

use super::Meterd;

/// Of an embedded log.
const PARTITIONS: u16 = 2;

/// Puts an event with a negative quantity into the log and returns its id.
pub(crate) async fn bury(meterd: &Meterd, tenant: &str, number: u128) -> Uuid {
    let id = Uuid::from_u128((0x0193_a5b0_7c1d_7000_8000 << 48) | number);
    let report = Record::Report(Report {
        id,
        tenant_id: tenant,
        resource: "billing",
        feature: "pdf_export",
        quantity: -1,
        timestamp_us: 1_763_634_660_000_000,
        metadata: r#"{"user":"u_1"}"#,
        received_us: 1_763_634_661_000_000,
        payload_hash: 1,
        request_id: id,
    });
    let message = encode(
        topology::GENERATION,
        1_763_634_661_000_000,
        [EncodedRecord::new(&report)].iter(),
    );
    let log = jetstream::new(meterd.ready.connect_nats().await);
    let nats_subject =
        topology::nats_subject(topology::GENERATION, partition_of(tenant, PARTITIONS));
    let sent = log.publish(nats_subject, message.into()).await;
    sent.expect("NATS answers").await.expect("it is stored");
    id
}
