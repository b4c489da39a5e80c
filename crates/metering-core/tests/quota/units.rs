//! The rules one by one.

use metering_core::Record;
use metering_core::quota::{
    AlertKind, Horizon, MAX_FEATURES, POOL, Quota, Reply, ResolveReply, State, TakeReply, Total,
};

use crate::support::{
    Fold, HOUR, MINUTE, SECOND, START, delete, id, leak, limit, monthly, report, reserve, resolve,
    seed, set, take,
};

fn resolved(fold: &mut Fold, record: Record<'static>) -> ResolveReply {
    match fold.apply(record).reply {
        Reply::Resolved(reply) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_brds_example() {
    let mut fold = Fold::with(&[&monthly(100)]);
    fold.apply(Record::Report(report(1, 78, START)));
    let answer = fold.state.check("t", "f", None, 1);
    let binding = answer.binding().unwrap();
    assert!(answer.allowed);
    assert_eq!(answer.remaining(binding), 22);
    assert_eq!(binding.limit, 100);
    assert_eq!(answer.reset_at_us(), Some(1_764_547_200 * SECOND));
}

#[test]
fn consume_event_and_every_repeat_of_both_count_once() {
    let mut fold = Fold::with(&[&monthly(10)]);
    let first = fold.answer(Record::Consume(take(1, 1, 1)));
    assert!(first.allowed);
    for attempt in 2..5 {
        let again = fold.answer(Record::Consume(take(1, attempt, 1)));
        assert_eq!(again, first);
    }
    for _ in 0..6 {
        fold.apply(Record::Report(report(1, 1, START)));
    }
    assert_eq!(fold.used(), (1, 0));
    fold.now_us += HOUR;
    fold.apply(Record::Report(report(1, 1, START + HOUR)));
    assert_eq!(fold.used(), (1, 0));
    // The event first, its consume afterwards.
    fold.apply(Record::Report(report(2, 3, START)));
    let late = metering_core::record::Take {
        not_after_us: fold.now_us + MINUTE,
        ..take(2, 1, 3)
    };
    assert!(fold.answer(Record::Consume(late)).allowed);
    assert_eq!(fold.used(), (4, 0));
}

#[test]
fn an_event_settles_its_take_in_the_window_of_the_take() {
    let daily = limit("t", "f", 10, r#","period":"daily""#);
    let mut fold = Fold::with(&[&daily]);
    fold.answer(Record::Consume(take(1, 1, 5)));
    // Yesterday's timestamp; the quantity is what was really used.
    fold.apply(Record::Report(report(1, 7, START - 24 * HOUR)));
    assert_eq!(fold.used(), (7, 0));
    fold.answer(Record::Reserve(reserve(2, 1, 3, 60)));
    assert_eq!(fold.used(), (7, 3));
    fold.apply(Record::Report(report(2, 2, START)));
    assert_eq!(fold.used(), (9, 0));
}

#[test]
fn twenty_reservations_of_75_on_500_are_six() {
    let mut fold = Fold::with(&[&monthly(500)]);
    let allowed = (0..20).filter(|n| {
        fold.answer(Record::Reserve(reserve(*n, 1, 75, 300)))
            .allowed
    });
    assert_eq!(allowed.count(), 6);
    assert_eq!(fold.used(), (0, 450));
}

#[test]
fn a_hold_is_resolved_once() {
    let mut fold = Fold::with(&[&monthly(100)]);
    fold.answer(Record::Reserve(reserve(1, 1, 50, 30)));
    let exceeds = resolved(&mut fold, Record::Commit(resolve(1, 2, Some(51))));
    assert_eq!(exceeds, ResolveReply::ExceedsHold { held: 50 });
    assert_eq!(fold.used(), (0, 50));
    let committed = ResolveReply::Committed { quantity: 20 };
    for _ in 0..2 {
        let reply = resolved(&mut fold, Record::Commit(resolve(1, 3, Some(20))));
        assert_eq!(reply, committed);
        assert_eq!(fold.used(), (20, 0));
    }
    let other = resolved(&mut fold, Record::Commit(resolve(1, 3, Some(21))));
    assert_eq!(other, ResolveReply::Conflict);
    let release = resolved(&mut fold, Record::Release(resolve(1, 4, None)));
    assert_eq!(release, ResolveReply::Conflict);
    // Its event is what counts in the end.
    fold.apply(Record::Report(report(1, 25, START)));
    assert_eq!(fold.used(), (25, 0));

    fold.answer(Record::Reserve(reserve(2, 1, 50, 30)));
    let release = resolved(&mut fold, Record::Release(resolve(2, 2, None)));
    assert_eq!(release, ResolveReply::Released);
    assert_eq!(fold.used(), (25, 0));
    assert_eq!(
        fold.reply(Record::Reserve(reserve(2, 5, 50, 30))),
        TakeReply::Ended
    );

    fold.answer(Record::Reserve(reserve(3, 1, 50, 30)));
    fold.now_us += 30 * SECOND;
    let late = resolved(&mut fold, Record::Commit(resolve(3, 2, None)));
    assert_eq!(late, ResolveReply::Expired);
    assert_eq!(fold.used(), (25, 0));
    let nobody = resolved(&mut fold, Record::Commit(resolve(4, 2, None)));
    assert_eq!(nobody, ResolveReply::NotFound);

    // The work is done, whatever was held.
    fold.answer(Record::Reserve(reserve(5, 1, 10, 30)));
    let over = metering_core::record::Resolve {
        overshoot: true,
        ..resolve(5, 2, Some(90))
    };
    let reply = resolved(&mut fold, Record::Commit(over));
    assert_eq!(reply, ResolveReply::Committed { quantity: 90 });
    assert_eq!(fold.used(), (115, 0));
}

#[test]
fn a_cancel_frees_what_nobody_was_told_of_and_nothing_else() {
    let mut fold = Fold::with(&[&monthly(10)]);
    // Withdrawn before it came.
    fold.apply(Record::Cancel(resolve(1, 1, None)));
    assert_eq!(
        fold.reply(Record::Consume(take(1, 1, 4))),
        TakeReply::Ignored
    );
    // Another attempt of the same id is another matter.
    fold.answer(Record::Consume(take(1, 2, 4)));
    fold.answer(Record::Consume(take(1, 3, 4)));
    fold.apply(Record::Cancel(resolve(1, 2, None)));
    assert_eq!(fold.used(), (4, 0));
    fold.apply(Record::Cancel(resolve(1, 3, None)));
    assert_eq!(fold.used(), (0, 0));
    // More attempts than are remembered: somebody may have been told.
    for attempt in 10..40 {
        fold.answer(Record::Consume(take(2, attempt, 4)));
    }
    for attempt in 10..40 {
        fold.apply(Record::Cancel(resolve(2, attempt, None)));
    }
    assert_eq!(fold.used(), (4, 0));
}

#[test]
fn an_id_means_one_thing() {
    let mut fold = Fold::with(&[&monthly(10)]);
    fold.answer(Record::Consume(take(1, 1, 4)));
    for other in [
        Record::Consume(take(1, 2, 5)),
        Record::Reserve(reserve(1, 2, 4, 60)),
        Record::Consume(metering_core::record::Take {
            feature: "g",
            ..take(1, 2, 4)
        }),
    ] {
        assert_eq!(fold.reply(other), TakeReply::Conflict);
    }
    fold.apply(Record::Report(report(2, 1, START)));
    assert_eq!(
        fold.reply(Record::Consume(take(2, 1, 2))),
        TakeReply::Conflict
    );
    assert_eq!(fold.used(), (5, 0));
}

#[test]
fn what_comes_too_late_changes_nothing() {
    let mut fold = Fold::with(&[&monthly(10)]);
    fold.now_us = START + MINUTE + 1;
    assert_eq!(
        fold.reply(Record::Consume(take(1, 1, 4))),
        TakeReply::Ignored
    );
    assert_eq!(fold.used(), (0, 0));
}

#[test]
fn the_clock_follows_the_slower_of_broker_and_publisher() {
    let mut fold = Fold::with(&[&monthly(10)]);
    fold.answer(Record::Reserve(reserve(1, 1, 4, 60)));
    // The broker's clock jumps an hour ahead: no hold expires.
    let mut stamp = fold.log.last().unwrap().0;
    stamp.position.seq += 1;
    stamp.stream_time_us += HOUR;
    fold.state.apply(stamp, &Record::Barrier { nonce: id(1) });
    assert_eq!(fold.used(), (0, 4));
    assert_eq!(fold.state.clock_us(), START + 5 * SECOND);
    // And it never goes back.
    stamp.stream_time_us = START - HOUR;
    stamp.position.seq += 1;
    fold.state.apply(stamp, &Record::Barrier { nonce: id(2) });
    assert_eq!(fold.state.clock_us(), START + 5 * SECOND);
}

#[test]
fn the_most_specific_quota_of_a_name_counts() {
    let everyone = limit("*", "*", 1, r#","period":"monthly""#);
    let feature = limit("*", "f", 2, r#","period":"monthly""#);
    let tenant = limit("t", "*", 3, r#","period":"monthly""#);
    let both = limit("t", "f", 4, r#","period":"monthly""#);
    let day = limit("*", "*", 9, r#","period":"daily""#);
    let mut quotas: Vec<&Quota> = vec![&everyone, &feature, &tenant, &both, &day];
    let mut fold = Fold::with(&quotas);
    while let Some(most) = quotas.get(quotas.len().wrapping_sub(2)).copied() {
        let limits: Vec<i64> = fold
            .state
            .limits("t", "f", None)
            .iter()
            .map(|limit| limit.limit)
            .collect();
        assert_eq!(limits, [9, most.limit]);
        fold.apply(delete(most));
        let place = quotas.len() - 2;
        quotas.remove(place);
    }
    assert_eq!(fold.state.limits("t", "f", None).len(), 1);
    // Each match has a counter of its own.
    fold.apply(Record::Report(report(1, 5, START)));
    assert_eq!(fold.state.limits("t", "f", None)[0].used, 5);
    assert_eq!(fold.state.limits("t", "g", None)[0].used, 0);
    assert_eq!(fold.state.limits("u", "f", None)[0].used, 0);
}

#[test]
fn several_limits_all_or_nothing() {
    let minute = limit("t", "f", 3, r#","period":"minutely""#);
    let month = monthly(5);
    let mut fold = Fold::with(&[&minute, &month]);
    assert!(fold.answer(Record::Consume(take(1, 1, 3))).allowed);
    let denied = fold.answer(Record::Consume(take(2, 1, 1)));
    assert!(!denied.allowed);
    assert_eq!(denied.binding().unwrap().quota_id, minute.id());
    fold.now_us += MINUTE;
    let later = metering_core::record::Take {
        not_after_us: fold.now_us + MINUTE,
        ..take(3, 1, 3)
    };
    let denied = fold.answer(Record::Consume(later));
    assert_eq!(denied.binding().unwrap().quota_id, month.id());
    let used: Vec<i128> = denied.limits.iter().map(|limit| limit.used).collect();
    assert_eq!(used, [0, 3]);
}

#[test]
fn a_new_quota_knows_the_past_at_whatever_position_it_is_read() {
    for read_at in 3..=5_u64 {
        let mut fold = Fold::new(Horizon::default());
        fold.apply(Record::Report(report(1, 900, START)));
        fold.answer(Record::Reserve(reserve(9, 1, 7, 300)));
        fold.apply(set(&monthly(1000), 5));
        assert!(fold.state.limits("t", "f", None).is_empty());
        fold.apply(Record::Report(report(2, 10, START)));
        fold.apply(Record::Report(report(3, 20, START)));
        let quantity = [900, 910, 930][usize::try_from(read_at - 3).unwrap()];
        let total = Total {
            tenant: "t".into(),
            feature: "f".into(),
            window_us: 1_761_955_200 * SECOND,
            quantity,
        };
        // One of the position before the change is refused, one of another change too.
        fold.apply(seed(&monthly(1000), 5, 2, vec![total.clone()]));
        fold.apply(seed(&monthly(1000), 4, 5, vec![total.clone()]));
        assert!(fold.state.limits("t", "f", None).is_empty());
        fold.apply(seed(&monthly(1000), 5, read_at, vec![total.clone()]));
        assert_eq!(fold.used(), (930, 7));
        // A second seed is one too many.
        fold.apply(seed(&monthly(1000), 5, read_at, vec![total]));
        assert_eq!(fold.used(), (930, 7));
        // The hold is in the new counters: its release frees them.
        resolved(&mut fold, Record::Release(resolve(9, 2, None)));
        assert_eq!(fold.used(), (930, 0));
    }
}

#[test]
fn a_repeat_from_behind_the_horizon_is_taken_back() {
    let horizon = Horizon {
        reports: 2,
        ..Horizon::default()
    };
    let mut fold = Fold::new(horizon);
    fold.apply(set(&monthly(100), 1));
    fold.apply(seed(&monthly(100), 1, 1, Vec::new()));
    for n in 1..=3 {
        fold.apply(Record::Report(report(n, 10, START)));
    }
    fold.apply(Record::Report(report(1, 10, START)));
    assert_eq!(fold.used(), (40, 0));
    let seq = fold.seq();
    for _ in 0..2 {
        fold.apply(Record::Correct(Fold::amend(seq)));
        assert_eq!(fold.used(), (30, 0));
    }
    // The id is known again.
    fold.apply(Record::Report(report(1, 10, START)));
    assert_eq!(fold.used(), (30, 0));
    fold.apply(Record::Void(Fold::amend(seq - 1)));
    assert_eq!(fold.used(), (20, 0));
}

#[test]
fn a_threshold_alerts_once_per_window_and_recovers() {
    let quota = limit(
        "t",
        "f",
        10,
        r#","period":"daily","alert_threshold":80,"enforcement":"soft""#,
    );
    let mut fold = Fold::with(&[&quota]);
    let mut alerts = Vec::new();
    let mut seen = |outcome: metering_core::quota::Outcome| {
        alerts.extend(outcome.effects.alerts.into_iter().map(|a| (a.kind, a.id)));
    };
    seen(fold.apply(Record::Report(report(1, 7, START))));
    seen(fold.apply(Record::Report(report(2, 1, START))));
    seen(fold.apply(Record::Report(report(3, 9, START))));
    let raised = limit(
        "t",
        "f",
        100,
        r#","period":"daily","alert_threshold":80,"enforcement":"soft""#,
    );
    seen(fold.apply(set(&raised, 2)));
    seen(fold.apply(set(&quota, 3)));
    fold.now_us += 24 * HOUR;
    seen(fold.apply(Record::Report(report(4, 7, fold.now_us))));
    seen(fold.apply(Record::Report(report(5, 2, fold.now_us))));
    let kinds: Vec<AlertKind> = alerts.iter().map(|(kind, _)| *kind).collect();
    let expected = [1, 0, 1, 1].map(|n| [AlertKind::Recovered, AlertKind::Reached][n]);
    assert_eq!(kinds, expected);
    let ids: std::collections::BTreeSet<_> = alerts.iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 4);
    // Reading it in again gives the same ids.
    let mut again = State::new(Horizon::default());
    let repeated = fold.log.iter().flat_map(|(stamp, record)| {
        let alerts = again.apply(*stamp, record).effects.alerts;
        alerts.into_iter().map(|alert| (alert.kind, alert.id))
    });
    assert_eq!(repeated.collect::<Vec<_>>(), alerts);
}

#[test]
fn a_tenants_features_share_a_counter_when_there_are_too_many() {
    let quota = limit("t", "*", 10, r#","period":"daily""#);
    let mut fold = Fold::with(&[&quota]);
    for n in 0..MAX_FEATURES + 3 {
        let feature = leak(format!("f{n}"));
        fold.apply(Record::Report(metering_core::record::Report {
            feature,
            ..report(u128::try_from(n).unwrap() + 1, 2, START)
        }));
    }
    let used = |fold: &Fold, feature: &str| fold.state.limits("t", feature, None)[0].used;
    assert_eq!(used(&fold, "f0"), 2);
    assert_eq!(used(&fold, &format!("f{}", MAX_FEATURES - 1)), 2);
    assert_eq!(used(&fold, &format!("f{MAX_FEATURES}")), 6);
    assert_eq!(used(&fold, "never"), 6);
    let entries = fold.apply(Record::Report(metering_core::record::Report {
        feature: "more",
        ..report(9_999, 1, START)
    }));
    assert_eq!(&*entries.effects.ledger[0].feature, POOL);
}

#[test]
fn use_far_ahead_is_left_out_and_near_ahead_waits_for_its_window() {
    let minute = limit("t", "f", 10, r#","period":"minutely""#);
    let mut fold = Fold::with(&[&minute]);
    fold.apply(Record::Report(report(1, 3, START + 5 * MINUTE)));
    fold.apply(Record::Report(report(2, 4, START + 20 * MINUTE)));
    assert_eq!(fold.used(), (0, 0));
    fold.now_us = START + 5 * MINUTE;
    fold.apply(Record::Barrier { nonce: id(1) });
    assert_eq!(fold.used(), (3, 0));
    fold.now_us = START + 20 * MINUTE;
    fold.apply(Record::Barrier { nonce: id(2) });
    assert_eq!(fold.used(), (0, 0));
}

#[test]
fn soft_and_shadow_never_deny_and_are_counted() {
    for enforcement in ["soft", "shadow"] {
        let more = format!(r#","period":"daily","enforcement":"{enforcement}""#);
        let mut fold = Fold::with(&[&limit("t", "f", 5, &more)]);
        for n in 0..4 {
            assert!(fold.answer(Record::Consume(take(n, 1, 2))).allowed);
        }
        assert_eq!(fold.used(), (8, 0));
    }
}
