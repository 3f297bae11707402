//! Histories that are known to be good or bad, and a slow judge beside the fast one.

use proptest::prelude::*;

use super::check::Spec;
use super::{NotLinearizable, Recorder, Request, SkuAnswer, SkuRequest, SkuSpec, SkuState, check};

type Seen = Request<SkuRequest, SkuAnswer>;

fn seen(asked: SkuRequest, asked_at: u64, answer: SkuAnswer, answered_at: u64) -> Seen {
    Request { asked, asked_at, answered: Some((answer, answered_at)) }
}

fn unknown(asked: SkuRequest, asked_at: u64) -> Seen {
    Request { asked, asked_at, answered: None }
}

fn levels(available: u64, held: u64, allocated: u64) -> SkuAnswer {
    SkuAnswer::Levels { available, held, allocated }
}

fn hold(order: u64) -> SkuRequest {
    SkuRequest::Hold { order, units: 1 }
}

use SkuAnswer::{Done, Refused, Short};
use SkuRequest::{Read, Receive, Release, Settle, Ship};

#[test]
fn good_histories_are_explained() {
    let good: [(&str, Vec<Seen>); 6] = [
        ("nothing", vec![]),
        (
            "a reader beside a hold may see it or not",
            vec![
                seen(Receive(1), 0, Done, 1),
                seen(hold(1), 2, Done, 7),
                seen(Read, 3, levels(0, 1, 0), 4),
                seen(Read, 5, levels(0, 1, 0), 6),
            ],
        ),
        (
            "of two who ask at once either may win",
            vec![seen(Receive(1), 0, Done, 1), seen(hold(1), 2, Short { available: 0 }, 5), seen(hold(2), 3, Done, 4)],
        ),
        (
            "what nobody answered may have happened",
            vec![seen(Receive(1), 0, Done, 1), unknown(hold(1), 2), seen(Read, 3, levels(0, 1, 0), 4)],
        ),
        (
            "what nobody answered may not have happened",
            vec![seen(Receive(1), 0, Done, 1), unknown(hold(1), 2), seen(Read, 3, levels(1, 0, 0), 4)],
        ),
        (
            "what nobody answered may happen late",
            vec![
                seen(Receive(1), 0, Done, 1),
                unknown(hold(1), 2),
                seen(Read, 3, levels(1, 0, 0), 4),
                seen(Read, 5, levels(0, 1, 0), 6),
            ],
        ),
    ];
    for (what, history) in good {
        assert_eq!(check(&SkuSpec, history), Ok(()), "{what}");
    }
}

#[test]
fn bad_histories_are_not_explained() {
    let bad: [(&str, Vec<Seen>); 8] = [
        (
            "the last unit twice",
            vec![seen(Receive(1), 0, Done, 1), seen(hold(1), 2, Done, 4), seen(hold(2), 3, Done, 5)],
        ),
        (
            "a refusal that could have been filled",
            vec![seen(Receive(1), 0, Done, 1), seen(hold(1), 2, Short { available: 0 }, 3)],
        ),
        ("a reader of the past", vec![seen(Receive(1), 0, Done, 1), seen(Read, 2, levels(0, 0, 0), 3)]),
        (
            "a hold that is seen and then not",
            vec![
                seen(Receive(1), 0, Done, 1),
                seen(hold(1), 2, Done, 7),
                seen(Read, 3, levels(0, 1, 0), 4),
                seen(Read, 5, levels(1, 0, 0), 6),
            ],
        ),
        (
            "released twice",
            vec![
                seen(Receive(1), 0, Done, 1),
                seen(hold(1), 2, Done, 3),
                seen(Release { order: 1 }, 4, Done, 6),
                seen(Release { order: 1 }, 5, Done, 7),
            ],
        ),
        (
            "settled after it was released",
            vec![
                seen(Receive(1), 0, Done, 1),
                seen(hold(1), 2, Done, 3),
                seen(Release { order: 1 }, 4, Done, 5),
                seen(Settle { order: 1 }, 6, Done, 7),
            ],
        ),
        (
            "shipped before it was paid",
            vec![seen(Receive(1), 0, Done, 1), seen(hold(1), 2, Done, 3), seen(Ship { order: 1 }, 4, Done, 5)],
        ),
        (
            "what nobody answered happens once at most",
            vec![
                seen(Receive(2), 0, Done, 1),
                unknown(hold(1), 2),
                seen(Read, 3, levels(1, 1, 0), 4),
                seen(Read, 5, levels(0, 2, 0), 6),
            ],
        ),
    ];
    for (what, history) in bad {
        assert!(matches!(check(&SkuSpec, history), Err(NotLinearizable::NoOrder { .. })), "{what}");
    }
}

#[test]
fn the_recorder_counts_and_leaves_open_what_was_not_answered() {
    let recorder = Recorder::default();
    let first = recorder.asked(Receive(1));
    recorder.asked(hold(1)).unknown();
    first.answered(Done);
    let history: Vec<Seen> = recorder.history();
    assert_eq!(history, [seen(Receive(1), 0, Done, 2), unknown(hold(1), 1)]);
}

#[test]
fn too_many_at_once_is_said_and_not_guessed() {
    let history = (0..200).map(|order| unknown(hold(order), order)).collect();
    assert_eq!(check(&SkuSpec, history), Err(NotLinearizable::TooManyAtOnce { limit: 128 }));
}

/// What somebody asks, as it is drawn.
fn requests() -> impl Strategy<Value = SkuRequest> {
    let order = || 0..3u64;
    prop_oneof![
        (1..3u64).prop_map(Receive),
        (-2..2i64).prop_map(SkuRequest::Adjust),
        (order(), 1..3u64).prop_map(|(order, units)| SkuRequest::Hold { order, units }),
        order().prop_map(|order| Settle { order }),
        order().prop_map(|order| Release { order }),
        order().prop_map(|order| Ship { order }),
        Just(Read),
    ]
}

/// Requests carried out one after the other, with answers as they come; each may be asked earlier and answered later by so
/// much, so they overlap.
fn carried_out(drawn: Vec<(SkuRequest, u64, u64)>) -> Vec<Seen> {
    let mut state = SkuState::default();
    let mut history = Vec::new();
    for (at, (asked, before, after)) in drawn.into_iter().enumerate() {
        let answer = answer_of(&state, &asked);
        state = SkuSpec.after(&state, &asked, Some(&answer)).expect("it is the SKU's own answer");
        let now = 100 * at as u64 + 1_000;
        history.push(seen(asked, now - before, answer, now + after + 1));
    }
    history
}

fn answer_of(state: &SkuState, asked: &SkuRequest) -> SkuAnswer {
    let all =
        (0..20).flat_map(|available| (0..20).flat_map(move |held| (0..20).map(move |sold| (available, held, sold))));
    let mut answers = vec![Done];
    if *asked == Read {
        answers = all.map(|(available, held, sold)| levels(available, held, sold)).collect();
    }
    answers.extend((0..20).map(|available| Short { available }));
    answers.push(Refused);
    answers
        .into_iter()
        .find(|answer| SkuSpec.after(state, asked, Some(answer)).is_some())
        .expect("a refusal always fits")
}

/// The slow judge: every order of everything.
fn any_order_explains(history: &[Seen], state: &SkuState) -> bool {
    if history.iter().all(|request| request.answered.is_none()) {
        return true;
    }
    let answered_at = |request: &Seen| request.answered.as_ref().map_or(u64::MAX, |(_, at)| *at);
    (0..history.len()).any(|next| {
        let request = &history[next];
        let comes_too_soon = history.iter().any(|other| answered_at(other) < request.asked_at);
        let answer = request.answered.as_ref().map(|(answer, _)| answer);
        if comes_too_soon {
            return false;
        }
        let Some(state) = SkuSpec.after(state, &request.asked, answer) else { return false };
        let mut rest = history.to_vec();
        rest.remove(next);
        any_order_explains(&rest, &state)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_carried_out_is_explained_however_it_overlaps(
        drawn in proptest::collection::vec((requests(), 0..400u64, 0..400u64), 0..60),
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut history = carried_out(drawn);
        if !history.is_empty() {
            for index in lost {
                // Whoever lost an answer that refused knows nothing, as does whoever lost one that did not.
                index.get_mut(&mut history).answered = None;
            }
        }
        prop_assert_eq!(check(&SkuSpec, history), Ok(()));
    }

    /// One after the other there is only one order, and an answer that is wrong in it is wrong.
    #[test]
    fn one_wrong_answer_among_requests_that_do_not_overlap_is_found(
        drawn in proptest::collection::vec(requests(), 1..40),
        at in any::<prop::sample::Index>(),
    ) {
        let mut history = carried_out(drawn.into_iter().map(|asked| (asked, 0, 0)).collect());
        let at = at.index(history.len());
        let Some((answer, _)) = &mut history[at].answered else { unreachable!("all are answered") };
        let wrong = match answer {
            SkuAnswer::Levels { available, .. } => { *available += 1; true }
            Short { available } => { *available += 1; true }
            // Whether what is done could have been refused, or the other way round, depends on the request.
            _ => false,
        };
        prop_assert_eq!(check(&SkuSpec, history).is_err(), wrong);
    }

    #[test]
    fn the_fast_judge_and_the_slow_one_agree(
        drawn in proptest::collection::vec((requests(), 0..300u64, 0..300u64), 1..6),
        swapped in any::<(prop::sample::Index, prop::sample::Index)>(),
        lost in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut history = carried_out(drawn);
        // Answers of two requests are exchanged: now and then that is explained all the same.
        let (one, other) = (swapped.0.index(history.len()), swapped.1.index(history.len()));
        let answer = history[one].answered.as_ref().map(|(answer, _)| answer.clone());
        let exchanged = history[other].answered.as_ref().map(|(answer, _)| answer.clone());
        for (at, answer) in [(one, exchanged), (other, answer)] {
            if let (Some((there, _)), Some(answer)) = (&mut history[at].answered, answer) {
                *there = answer;
            }
        }
        if let Some(lost) = lost {
            lost.get_mut(&mut history).answered = None;
        }
        let slow = any_order_explains(&history, &SkuState::default());
        prop_assert_eq!(check(&SkuSpec, history).is_ok(), slow);
    }
}
