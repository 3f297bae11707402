//! Models of the idempotency slot: one owner, one answer, and nobody waits for ever.

use loom::thread;
use stockade_loom_tests::broken::idempotency_slot::{BrokenSlot, Bug, Claimed, Owns, Slots, Waits};
use stockade_loom_tests::idempotency_slot::{IdempotencySlot, Outcome};
use stockade_loom_tests::model::{LOST_WAKE_UP, Witness, prove};
use stockade_loom_tests::refuted;

const REQUEST: u128 = 1;
const ANOTHER_REQUEST: u128 = 2;

/// Sends the request as often as it takes and tells its answer, and how often it was carried out on the way.
fn send<S: Slots>(slot: &S, mine: u64, waited: &Witness) -> (u64, u32) {
    loop {
        match slot.claim(REQUEST) {
            Claimed::Owner(owner) => {
                owner.bind(mine);
                return (mine, 1);
            }
            Claimed::InFlight(waiter) => {
                waited.saw();
                if let Outcome::Bound(value) = waiter.wait() {
                    return (value, 0);
                }
            }
            Claimed::Bound(value) => return (value, 0),
            Claimed::Conflict => panic!("it is the same request"),
        }
    }
}

/// The same request arrives three times at once.
fn it_is_carried_out_once<S: Slots>(slot: S, waited: &Witness) {
    let others = [10, 20].map(|mine| {
        let (slot, waited) = (slot.clone(), waited.clone());
        thread::spawn(move || send(&slot, mine, &waited))
    });
    let (answer, mut carried_out) = send(&slot, 30, waited);
    for other in others {
        let (others, times) = other.join().unwrap();
        carried_out += times;
        assert!(carried_out <= 1, "a request is carried out once");
        assert_eq!(others, answer, "everybody gets the same answer");
    }
}

#[test]
fn a_request_that_comes_three_times_at_once_is_carried_out_once() {
    let waited = Witness::of("one waits for another");
    let model = waited.clone();
    prove(move || it_is_carried_out_once(IdempotencySlot::new(), &model));
    waited.must_have_been_seen();
}

refuted!(a_twin_that_claims_in_two_steps_carries_out_twice, "a request is carried out once", || {
    it_is_carried_out_once(BrokenSlot::new(Bug::ClaimsInTwoSteps), &Witness::of("anything"))
});

refuted!(a_twin_that_wakes_before_it_binds_lets_one_wait_for_ever, LOST_WAKE_UP, || {
    it_is_carried_out_once(BrokenSlot::new(Bug::WakesBeforeItBinds), &Witness::of("anything"))
});

/// A request is refused; while one waits for it, another request takes the key and is accepted.
fn a_waiter_gets_no_other_answer<S: Slots>(slot: S, vacated: &Witness) {
    let Claimed::Owner(owner) = slot.claim(REQUEST) else { panic!("the slot is vacant") };
    let waiting = {
        let (slot, vacated) = (slot.clone(), vacated.clone());
        thread::spawn(move || match slot.claim(REQUEST) {
            Claimed::InFlight(waiter) => {
                assert_eq!(waiter.wait(), Outcome::Vacated, "the answer to another request is not an answer");
                vacated.saw();
            }
            Claimed::Owner(owner) => owner.vacate(),
            Claimed::Bound(_) => panic!("this request was never accepted"),
            Claimed::Conflict => {}
        })
    };
    owner.vacate();
    if let Claimed::Owner(owner) = slot.claim(ANOTHER_REQUEST) {
        owner.bind(7);
    }
    waiting.join().unwrap();
}

#[test]
fn a_waiter_learns_that_its_owner_was_refused_whatever_came_after() {
    let vacated = Witness::of("one waits for a request that is refused");
    let model = vacated.clone();
    prove(move || a_waiter_gets_no_other_answer(IdempotencySlot::new(), &model));
    vacated.must_have_been_seen();
}

refuted!(
    a_twin_that_knows_no_rounds_gives_the_answer_to_another_request,
    "the answer to another request is not an answer",
    || a_waiter_gets_no_other_answer(BrokenSlot::new(Bug::KnowsNoRounds), &Witness::of("anything"))
);

#[test]
fn a_task_waits_for_the_outcome_and_tries_again_after_a_refusal() {
    prove(|| {
        let slot = IdempotencySlot::new();
        let Claimed::Owner(owner) = Slots::claim(&slot, REQUEST) else { panic!("the slot is vacant") };
        let refused = thread::spawn(move || drop(owner));
        let carried_out = loop {
            match Slots::claim(&slot, REQUEST) {
                Claimed::Owner(owner) => {
                    owner.bind(7);
                    break true;
                }
                Claimed::InFlight(waiter) => assert_eq!(loom::future::block_on(waiter), Outcome::Vacated),
                Claimed::Bound(_) | Claimed::Conflict => break false,
            }
        };
        assert!(carried_out, "a refusal does not bind the key");
        refused.join().unwrap();
    });
}
