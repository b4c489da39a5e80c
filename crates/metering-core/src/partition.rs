//! Which partition a tenant's records go to.

/// Partition of `tenant_id` among `partitions` (≥ 1): XXH3-64 of its bytes, modulo the count.
///
/// Golden-tested: another function would send a tenant's later events to another partition than
/// its earlier ones, and the order between them would be lost.
pub fn partition_of(tenant_id: &str, partitions: u16) -> u16 {
    let hash = xxhash_rust::xxh3::xxh3_64(tenant_id.as_bytes());
    u16::try_from(hash % u64::from(partitions.max(1))).expect("a remainder of a u16 fits a u16")
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn golden() {
        let tenants = [
            "org_001",
            "acme",
            "auth0|507f1f77bcf86cd799439020",
            "tenant-42",
            "a",
        ];
        let of_two: Vec<u16> = tenants.iter().map(|t| partition_of(t, 2)).collect();
        let of_sixteen: Vec<u16> = tenants.iter().map(|t| partition_of(t, 16)).collect();
        assert_eq!(
            (of_two, of_sixteen),
            (vec![1, 1, 0, 1, 1], vec![11, 1, 12, 15, 15])
        );
    }
}
