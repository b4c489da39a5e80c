//! How many events per second the persist transaction writes, with nothing else running.
//!
//! `persist_rate URL [BATCH] [BATCHES] [WRITERS]`: URL names a database for this alone.

use std::time::Instant;

use aggregator_worker::decode::decode;
use aggregator_worker::persist::{Persister, Step};
use anyhow::{Context as _, Result};
use metering_core::envelope::{EncodedRecord, encode};
use metering_core::position::message_hash;
use metering_core::record::Report;
use metering_core::{Position, Record};
use metering_store::Store;
use metering_store::progress::{self, USAGE};
use uuid::Uuid;

/// About what fills an envelope.
const EVENTS_PER_MESSAGE: u64 = 1000;
const TENANTS: u64 = 1000;
/// Ids and event times begin here and advance a millisecond every ten events.
const START_MS: u64 = 1_763_634_660_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .context("persist_rate URL [BATCH] [BATCHES] [WRITERS]")?;
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (batch, batches, writers) = (number(20_000)?, number(25)?, number(1)?);
    let store = Store::connect(&url, 8).await?;
    store.migrate().await?;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for partition in 0..u16::try_from(writers)? {
        tasks.spawn(write(store.clone(), partition, batch, batches));
    }
    while let Some(written) = tasks.join_next().await {
        written??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let events = u32::try_from(batch * batches * writers)?;
    let rate = f64::from(events) / seconds;
    println!("{rate:.0} events/s: {writers} writers, {batches} batches of {batch} each");
    Ok(())
}

async fn write(store: Store, partition: u16, batch: u64, batches: u64) -> Result<()> {
    let mut from = Position::start(Uuid::from_u128(u128::from(partition)));
    let now =
        chrono::DateTime::from_timestamp_millis(START_MS.cast_signed()).context("in range")?;
    let mut conn = store.pool().acquire().await?;
    progress::insert_start(&mut conn, USAGE, partition, from, now).await?;
    drop(conn);
    let mut persister = Persister::new(store);
    let mut event = 0;
    for _ in 0..batches {
        let messages: Vec<_> = (0..batch / EVENTS_PER_MESSAGE)
            .map(|_| {
                event += EVENTS_PER_MESSAGE;
                message(partition, event - EVENTS_PER_MESSAGE)
            })
            .collect();
        let last = messages
            .last()
            .context("a batch has at least one message")?;
        let to = Position {
            seq: from.seq + messages.len() as u64,
            hash: message_hash(last),
            ..from
        };
        let batch = decode(
            partition,
            (from.seq + 1..).zip(messages.iter().map(Vec::as_slice)),
        );
        let step = Step {
            partition,
            from,
            to,
            stream_time: now,
        };
        persister.persist(step, &batch, now).await?;
        from = to;
    }
    Ok(())
}

fn message(partition: u16, first: u64) -> Vec<u8> {
    let records: Vec<_> = (first..first + EVENTS_PER_MESSAGE)
        .map(|n| EncodedRecord::new(&Record::Report(report(partition, n, &tenant(partition, n)))))
        .collect();
    encode(1, START_MS.cast_signed() * 1000, records.iter())
}

fn tenant(partition: u16, n: u64) -> String {
    format!("org_{partition}_{}", spread(n) % TENANTS)
}

/// Any function that leaves no order.
fn spread(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

fn report(partition: u16, n: u64, tenant_id: &str) -> Report<'_> {
    let ms = START_MS + n / 10;
    let random = u128::from(spread(n)) << 24 | u128::from(n % 10) << 8 | u128::from(partition);
    let us = ms.cast_signed() * 1000;
    Report {
        id: Uuid::from_u128(u128::from(ms) << 80 | 7 << 76 | 2 << 62 | random),
        tenant_id,
        resource: ["billing", "storage", "search"][(n % 3) as usize],
        feature: ["invoice_generate", "read", "write", "list", "export"]
            [(spread(n + 7) % 5) as usize],
        quantity: (n % 100).cast_signed(),
        timestamp_us: us,
        metadata: r#"{"user":"u_123","region":"eu-west-1","status":200}"#,
        received_us: us + 1000,
        payload_hash: n.cast_signed(),
        request_id: Uuid::from_u128(u128::from(n / 100)),
    }
}
