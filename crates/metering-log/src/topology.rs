//! The name of every stream, subject and bucket. Tenants never appear in one: subjects have
//! wildcards, and names are shown to whoever may look at the broker.

/// The generation of streams that this version writes. Another number of partitions needs another
/// generation.
pub const GENERATION: u32 = 1;

/// Bucket through which API keys reach the services that check them.
pub const KEY_BUCKET: &str = "METER_KEYS";

/// Subject of the reports that API keys were used. It is in no stream.
pub const KEYS_USED: &str = "meter.keys.used";

/// Stream of the alerts of crossed thresholds.
pub const ALERT_STREAM: &str = "METER_ALERTS";

/// Its only subject.
pub const ALERTS: &str = "meter.alerts";

/// The stream of one partition.
pub fn stream(generation: u32, partition: u16) -> String {
    format!("METER_{generation}_{partition}")
}

/// The only NATS subject of that stream.
pub fn nats_subject(generation: u32, partition: u16) -> String {
    format!("meter.{generation}.{partition}")
}

/// Key in Redis that names the epoch of the slot that readers look into. What is in braces keeps a
/// partition's keys on one node of a cluster.
pub fn mirror_pointer(generation: u32, partition: u16) -> String {
    format!("{{meter.{generation}.{partition}}}.quotas")
}

/// Key in Redis of a hash that has the counters of a partition.
pub fn mirror_slot(generation: u32, partition: u16, epoch: &str) -> String {
    format!("{{meter.{generation}.{partition}}}.quotas.{epoch}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn golden() {
        let names = [
            super::stream(1, 15),
            super::nats_subject(1, 15),
            super::KEY_BUCKET.to_owned(),
            super::KEYS_USED.to_owned(),
            super::ALERT_STREAM.to_owned(),
            super::ALERTS.to_owned(),
            super::mirror_pointer(1, 15),
            super::mirror_slot(1, 15, "e"),
        ];
        let golden = [
            "METER_1_15",
            "meter.1.15",
            "METER_KEYS",
            "meter.keys.used",
            "METER_ALERTS",
            "meter.alerts",
            "{meter.1.15}.quotas",
            "{meter.1.15}.quotas.e",
        ];
        assert_eq!(names, golden);
    }
}
