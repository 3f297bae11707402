//! The rules of the table of payments.

use std::collections::BTreeSet;

use super::stage::{MainState, Stage};
use super::table::{PUBLIC_TRANSITIONS, PaymentState, Step, markdown, transition};
use crate::Refusal;

fn legal() -> impl Iterator<Item = (Stage, Step, Stage, bool)> {
    let all = Stage::ALL.iter().flat_map(|from| Step::ALL.iter().map(|on| (*from, *on)));
    all.filter_map(|(from, on)| transition(from, on).ok().map(|next| (from, on, next.to, next.notify)))
}

#[test]
fn every_state_and_event_is_either_in_the_table_or_refused_by_name() {
    let mut refused = 0;
    for from in Stage::ALL {
        for on in Step::ALL {
            if let Err(refusal) = transition(*from, *on) {
                assert_eq!(refusal, Refusal::PaymentStateInvalid { state: from.sub_name(), event: on.name() });
                assert_eq!(refusal.code(), "order_state_invalid");
                refused += 1;
            }
        }
    }
    assert_eq!(refused + legal().count(), Stage::ALL.len() * Step::ALL.len());
}

#[test]
fn there_are_thirteen_main_states_and_their_sub_states_have_names_of_their_own() {
    let mains: BTreeSet<_> = Stage::ALL.iter().map(|stage| stage.main()).collect();
    assert_eq!(mains.len(), MainState::ALL.len());
    assert!(mains.len() >= 13);
    let names: BTreeSet<_> = Stage::ALL.iter().map(|stage| stage.name()).collect();
    assert_eq!(names.len(), Stage::ALL.len());
    assert!(Stage::ALL.iter().filter(|stage| stage.sub().is_some()).count() >= 25);
    let steps: BTreeSet<_> = Step::ALL.iter().map(|step| step.name()).collect();
    assert_eq!(steps.len(), Step::ALL.len());
}

#[test]
fn what_the_public_sees_is_the_five_names_their_transitions_and_their_notifications() {
    for (from, on, to, notify) in legal() {
        let (before, after) = (from.public(), to.public());
        let place = format!("{} {} {}", from.name(), on.name(), to.name());
        if before == after {
            assert!(!notify, "nothing public happened: {place}");
            continue;
        }
        let public: Vec<_> =
            PUBLIC_TRANSITIONS.iter().filter(|public| (public.from, public.to) == (before, after)).collect();
        assert!(!public.is_empty(), "not a public transition: {place}");
        assert!(public.iter().all(|public| public.notify == notify), "told or not: {place}");
    }
    // None of the public transitions is without a step.
    for public in PUBLIC_TRANSITIONS {
        let found =
            |(from, _, to, _): (Stage, Step, Stage, bool)| (from.public(), to.public()) == (public.from, public.to);
        assert!(legal().any(found), "{public:?}");
    }
    // A part that went back leaves the payment paid, as a refund that failed does.
    let parts: Vec<_> = [Step::RefundPart, Step::FailRefund]
        .map(|on| transition(Stage::RefundRequested, on).unwrap())
        .iter()
        .map(|next| (next.to.public(), next.notify))
        .collect();
    assert_eq!(parts, [(PaymentState::Paid, true); 2]);
}

#[test]
fn only_what_failed_is_tried_again() {
    let retried: BTreeSet<_> = legal().filter(|row| row.1 == Step::Retry).map(|row| row.0.main()).collect();
    assert_eq!(retried, BTreeSet::from([MainState::Failed]));
}

#[test]
fn every_stage_can_be_reached_from_a_new_payment() {
    let mut reached = BTreeSet::from([Stage::Created]);
    loop {
        let next: Vec<_> = legal().filter(|row| reached.contains(&row.0)).map(|row| row.2).collect();
        let before = reached.len();
        reached.extend(next);
        if reached.len() == before {
            break;
        }
    }
    assert_eq!(reached, Stage::ALL.iter().copied().collect());
}

#[test]
fn stages_that_lead_nowhere_are_ends() {
    let ends: Vec<_> = Stage::ALL.iter().filter(|stage| legal().all(|row| row.0 != **stage)).collect();
    assert_eq!(ends, [&Stage::Cancelled, &Stage::CancelledAfterCapture, &Stage::Expired]);
}

#[test]
fn the_page_in_the_documentation_is_the_table() {
    let page = include_str!("../../../docs/payment-states.md");
    let table: String = page.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect();
    assert_eq!(table, markdown(), "docs/payment-states.md holds the table of domain/src/payment/table.rs");
}
