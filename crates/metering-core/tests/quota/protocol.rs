//! Models of the protocol around the fold, searched state by state. The fold in them is the real
//! one. Each mutant leaves out one part of the protocol, and the search must find what that costs.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

use metering_core::Record;
use metering_core::quota::{Horizon, Outcome, Quota, Reply, Stamp, State, TakeReply};
use metering_core::{RecordPosition, record};

use crate::support::{Fold, START, limit, monthly, report, resolve, seed, set, take};

/// Visits every state that can be reached; the first fault with the way to it, or the number of
/// states.
fn search<S: Clone + Eq + Hash + Debug>(
    start: S,
    next: impl Fn(&S) -> Vec<(String, S)>,
    fault: impl Fn(&S) -> Option<&'static str>,
) -> Result<usize, String> {
    let mut from = HashMap::<S, Option<(S, String)>>::from([(start.clone(), None)]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        if let Some(fault) = fault(&state) {
            let mut way = vec![fault.to_owned()];
            let mut at = &state;
            while let Some(Some((before, step))) = from.get(at) {
                way.insert(0, step.clone());
                at = before;
            }
            return Err(way.join(" -> "));
        }
        for (step, after) in next(&state) {
            if !from.contains_key(&after) {
                from.insert(after.clone(), Some((state.clone(), step)));
                queue.push_back(after);
            }
        }
    }
    Ok(from.len())
}

fn base(quota: &Quota, horizon: Horizon) -> Fold {
    let mut fold = Fold::new(horizon);
    fold.apply(set(quota, 1));
    fold.apply(seed(quota, 1, 1, Vec::new()));
    fold
}

fn apply(state: &mut State, seq: usize, record: &Record<'_>) -> Outcome {
    let position = RecordPosition {
        partition: 0,
        seq: u64::try_from(seq).unwrap() + 10,
        index: 0,
    };
    let stamp = Stamp {
        position,
        stream_time_us: START,
        sent_at_us: START,
    };
    state.apply(stamp, record)
}

// ---- Callers that lose patience, with records that overtake each other.

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
enum Message {
    Consume(u8, u8),
    Cancel(u8, u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Attempt {
    Unsent,
    Waiting,
    Told(bool),
    GaveUp,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Callers {
    log: Vec<Message>,
    /// Sent and not stored yet; any of them may be next.
    in_flight: BTreeSet<Message>,
    attempts: [[Attempt; 2]; 2],
}

#[derive(Clone, Copy, Default)]
struct CallerMutant {
    /// A cancel withdraws the id, whoever else asked for it.
    cancel_by_id: bool,
    /// A cancel that comes before its consume is forgotten.
    no_tombstone: bool,
}

/// What the fold says of a log: units used and the answer to each attempt.
fn folded(mutant: CallerMutant, log: &[Message]) -> (i128, HashMap<(u8, u8), bool>) {
    let mut fold = base(&monthly(1), Horizon::default());
    let mut answers = HashMap::new();
    let attempt_of = |attempt: u8| u128::from(if mutant.cancel_by_id { 0 } else { attempt });
    for (seq, message) in log.iter().enumerate() {
        match *message {
            Message::Consume(id, attempt) => {
                let take = Record::Consume(take(id.into(), attempt_of(attempt), 1));
                let reply = apply(&mut fold.state, seq, &take).reply;
                if let Reply::Take(TakeReply::Answered { answer, .. }) = reply {
                    answers.insert((id, attempt), answer.allowed);
                }
            }
            Message::Cancel(id, attempt) => {
                let cancel = record::Resolve {
                    not_after_us: if mutant.no_tombstone {
                        START - 1
                    } else {
                        START
                    },
                    ..resolve(id.into(), attempt_of(attempt), None)
                };
                apply(&mut fold.state, seq, &Record::Cancel(cancel));
            }
        }
    }
    (fold.used().0, answers)
}

fn callers(mutant: CallerMutant) -> Result<usize, String> {
    let memory = std::cell::RefCell::new(HashMap::new());
    let fold = |log: &Vec<Message>| {
        let mut memory = memory.borrow_mut();
        let known: &mut (i128, HashMap<_, _>) = memory
            .entry(log.clone())
            .or_insert_with(|| folded(mutant, log));
        known.clone()
    };
    let start = Callers {
        log: Vec::new(),
        in_flight: BTreeSet::new(),
        attempts: [[Attempt::Unsent; 2]; 2],
    };
    let next = |state: &Callers| {
        let mut steps = Vec::new();
        let mut step = |name: String, change: &dyn Fn(&mut Callers)| {
            let mut after = state.clone();
            change(&mut after);
            steps.push((name, after));
        };
        for message in &state.in_flight {
            step(format!("{message:?} is stored"), &|after| {
                after.in_flight.remove(message);
                after.log.push(*message);
            });
        }
        let answers = fold(&state.log).1;
        for id in 0..2_u8 {
            for attempt in 0..2_u8 {
                let of = |state: &Callers, n: u8| state.attempts[usize::from(id)][usize::from(n)];
                let now = of(state, attempt);
                let may_send = attempt == 0 || of(state, 0) != Attempt::Unsent;
                let mut go = |name: &str, to: Attempt, message: Option<Message>| {
                    step(format!("{id}.{attempt} {name}"), &|after| {
                        after.attempts[usize::from(id)][usize::from(attempt)] = to;
                        after.in_flight.extend(message);
                    });
                };
                if now == Attempt::Unsent && may_send {
                    let message = Message::Consume(id, attempt);
                    go("asks", Attempt::Waiting, Some(message));
                }
                if now == Attempt::Waiting {
                    if let Some(allowed) = answers.get(&(id, attempt)) {
                        go("is told", Attempt::Told(*allowed), None);
                    }
                    let message = Message::Cancel(id, attempt);
                    go("gives up", Attempt::GaveUp, Some(message));
                }
            }
        }
        steps
    };
    let fault = |state: &Callers| {
        let allowed = |of: &[Attempt; 2]| of.contains(&Attempt::Told(true));
        let told = state.attempts.iter().filter(|of| allowed(of)).count();
        if told > 1 {
            return Some("more were told that they may than fit");
        }
        let waiting = state
            .attempts
            .iter()
            .flatten()
            .any(|a| *a == Attempt::Waiting);
        let used = fold(&state.log).0;
        let quiet = state.in_flight.is_empty() && !waiting;
        (quiet && used != i128::try_from(told).unwrap()).then_some("units that nobody has")
    };
    search(start, next, fault)
}

#[test]
fn callers_that_give_up_neither_overrun_the_limit_nor_leak_units() {
    let states = callers(CallerMutant::default()).unwrap();
    assert!(states > 10_000, "{states} states");
}

#[test]
fn cancelling_by_id_alone_is_found_out() {
    let mutant = CallerMutant {
        cancel_by_id: true,
        ..CallerMutant::default()
    };
    callers(mutant).unwrap_err();
}

#[test]
fn a_missing_tombstone_is_found_out() {
    let mutant = CallerMutant {
        no_tombstone: true,
        ..CallerMutant::default()
    };
    callers(mutant).unwrap_err();
}

// ---- Two projectors that crash, and books that they share.

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Books {
    /// Stored events by id; a message's identity is its place in the order of sending.
    log: Vec<(u8, u8)>,
    sent: u8,
    /// Position, its message, and the sum that increments add up to.
    stored: (usize, Option<u8>, i128),
    /// From which position each goes on, and what it has read since: `None` when it does not run.
    projectors: [Option<(usize, Option<u8>, usize)>; 2],
    crashes: u8,
    restored: bool,
}

#[derive(Clone, Copy)]
struct BookMutant {
    compare_and_set: bool,
    horizon: usize,
    incarnation: bool,
}

const SOUND: BookMutant = BookMutant {
    compare_and_set: true,
    horizon: 10,
    incarnation: true,
};

/// Units used after the first `position` messages.
fn used(mutant: BookMutant, log: &[(u8, u8)], position: usize) -> i128 {
    let horizon = Horizon {
        reports: mutant.horizon,
        ..Horizon::default()
    };
    let soft = limit("t", "f", 1, r#","period":"monthly","enforcement":"soft""#);
    let mut fold = base(&soft, horizon);
    for (seq, (id, _)) in log[..position].iter().enumerate() {
        apply(
            &mut fold.state,
            seq,
            &Record::Report(report((*id).into(), 1, START)),
        );
    }
    fold.used().0
}

/// The message that a position is at.
fn message(state: &Books, position: usize) -> Option<u8> {
    let last = position.checked_sub(1)?;
    state.log.get(last).map(|(_, sent)| *sent)
}

/// Adds a step: its name, and what it changes.
type AddStep<'a> = dyn FnMut(String, &dyn Fn(&mut Books)) + 'a;

/// What projector `n` may do next.
fn projector_steps(mutant: BookMutant, state: &Books, n: usize, step: &mut AddStep<'_>) {
    let Some((from, hash, at)) = state.projectors[n] else {
        step(format!("{n} starts"), &|after| {
            let (position, hash, _) = after.stored;
            let same = message(after, position) == hash && position <= after.log.len();
            if mutant.incarnation && !same {
                // Another log than was read: all is read again.
                after.stored = (0, None, 0);
            }
            let (position, hash, _) = after.stored;
            after.projectors[n] = Some((position, hash, position));
        });
        return;
    };
    let same = message(state, from) == hash && at <= state.log.len();
    if mutant.incarnation && !same {
        step(format!("{n} sees another log"), &|after| {
            after.projectors[n] = None;
        });
        return;
    }
    if at < state.log.len() {
        step(format!("{n} reads"), &|after| {
            after.projectors[n] = Some((from, hash, at + 1));
        });
    }
    if at > from && at <= state.log.len() {
        step(format!("{n} commits"), &|after| {
            let is_first = after.stored.0 == from && after.stored.1 == hash;
            if mutant.compare_and_set && !is_first {
                after.projectors[n] = None;
                return;
            }
            let more = used(mutant, &after.log, at) - used(mutant, &after.log, from);
            let hash = message(after, at);
            after.stored = (at, hash, after.stored.2 + more);
            after.projectors[n] = Some((at, hash, at));
        });
    }
    if state.crashes > 0 {
        step(format!("{n} is killed"), &|after| {
            after.projectors[n] = None;
            after.crashes -= 1;
        });
    }
}

fn books(mutant: BookMutant) -> Result<usize, String> {
    let start = Books {
        log: Vec::new(),
        sent: 0,
        stored: (0, None, 0),
        projectors: [None, None],
        crashes: 1,
        restored: false,
    };
    let next = |state: &Books| {
        let mut steps = Vec::new();
        let mut step = |name: String, change: &dyn Fn(&mut Books)| {
            let mut after = state.clone();
            change(&mut after);
            steps.push((name, after));
        };
        for id in 0..2_u8 {
            if state.log.len() < 3 && state.sent < 4 {
                step(format!("event {id} is stored"), &|after| {
                    after.log.push((id, after.sent));
                    after.sent += 1;
                });
            }
        }
        if !state.restored && !state.log.is_empty() {
            step(
                "the stream is restored without its last message".to_owned(),
                &|after| {
                    after.log.pop();
                    after.restored = true;
                },
            );
        }
        for n in 0..2 {
            projector_steps(mutant, state, n, &mut step);
        }
        steps
    };
    let fault = |state: &Books| {
        let (position, hash, sum) = state.stored;
        // A log that was restored behind the position is found out at the next look at it.
        if position > state.log.len() || message(state, position) != hash {
            let runs_on = state.projectors.iter().flatten().any(|p| p.0 == position);
            let unseen = position <= state.log.len() && !mutant.incarnation && runs_on;
            return unseen.then_some("a message of the restored log was skipped");
        }
        let ids: HashSet<u8> = state.log[..position].iter().map(|(id, _)| *id).collect();
        (sum != i128::try_from(ids.len()).unwrap()).then_some("the books are wrong")
    };
    search(start, next, fault)
}

#[test]
fn projectors_that_crash_and_race_keep_the_books_right() {
    let states = books(SOUND).unwrap();
    assert!(states > 1_000, "{states} states");
}

#[test]
fn a_missing_compare_and_set_is_found_out() {
    let mutant = BookMutant {
        compare_and_set: false,
        ..SOUND
    };
    books(mutant).unwrap_err();
}

#[test]
fn a_missing_horizon_is_found_out() {
    books(BookMutant {
        horizon: 0,
        ..SOUND
    })
    .unwrap_err();
}

#[test]
fn a_missing_look_at_the_incarnation_is_found_out() {
    let mutant = BookMutant {
        incarnation: false,
        ..SOUND
    };
    books(mutant).unwrap_err();
}
