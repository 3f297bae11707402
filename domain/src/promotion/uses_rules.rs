//! The rules of uses, one test each.

use proptest::prelude::*;
use rustc_hash::FxHashMap;

use super::*;

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

fn order(n: u128) -> OrderId {
    OrderId::new(Timestamp(0), n)
}

fn coupon(uses: u64) -> UsesState {
    let mut state = UsesState::new(Subject::Coupon(CouponCode::new("WELCOME").unwrap()));
    let terms = Terms::of_coupon(Label::new("welcome").unwrap(), Some(uses));
    run(&mut state, UsesCommand::Define { terms }).unwrap();
    state
}

fn promotion(limits: Limits) -> UsesState {
    let mut state = UsesState::new(Subject::Promotion(PromotionId::new("sale").unwrap()));
    let terms = Terms::of_promotion(limits, Some(eur()));
    run(&mut state, UsesCommand::Define { terms }).unwrap();
    state
}

fn hold(n: u128, cents: i64, customer: Option<&str>) -> UsesCommand {
    let customer = customer.map(|name| CustomerId::new(name).unwrap());
    UsesCommand::Hold { order: order(n), amount: Amount(cents * 100), currency: eur(), customer, round: 0 }
}

fn give_back(n: u128, cents: i64, customer: Option<&str>, step: Option<u32>) -> UsesCommand {
    let customer = customer.map(|name| CustomerId::new(name).unwrap());
    let taken = Some(Use { amount: Amount(cents * 100), customer, round: 0 });
    UsesCommand::GiveBack { order: order(n), taken, step }
}

fn run(state: &mut UsesState, command: UsesCommand) -> Result<usize, Refusal> {
    let mut events = Vec::new();
    decide(state, &command, Timestamp(1_000), &mut events)?;
    events.iter().for_each(|event| state.apply(event));
    Ok(events.len())
}

fn sale() -> Promotion {
    let text = r#"{"id":"sale","name":"Sale","lane":"order","limits":{"uses":3},"then":{"order":{"percent":5}}}"#;
    serde_json::from_str(text).unwrap()
}

fn promote() -> UsesCommand {
    UsesCommand::Promote { promotion: Box::new(sale()) }
}

fn code(outcome: Result<usize, Refusal>) -> &'static str {
    outcome.unwrap_err().code()
}

#[test]
fn ten_thousand_orders_for_a_coupon_of_a_hundred_uses_are_a_hundred_uses() {
    let mut state = coupon(100);
    let held = (0..10_000).filter(|n| run(&mut state, hold(*n, 0, None)).is_ok()).count();
    assert_eq!((held, state.taken.uses), (100, 100));
    assert_eq!(code(run(&mut state, hold(10_000, 0, None))), "coupon_exhausted");
}

#[test]
fn a_retired_promotion_gives_nothing_more_and_ends_what_it_has_given() {
    let mut state = UsesState::new(Subject::Promotion(PromotionId::new("sale").unwrap()));
    assert_eq!(code(run(&mut state, UsesCommand::Retire)), "not_found");
    run(&mut state, promote()).unwrap();
    for n in 1..=3 {
        run(&mut state, hold(n, 0, None)).unwrap();
    }
    run(&mut state, UsesCommand::Settle { order: order(1) }).unwrap();
    assert_eq!((run(&mut state, UsesCommand::Retire), state.is_retired()), (Ok(1), true));
    assert_eq!(run(&mut state, UsesCommand::Retire), Ok(0), "it is retired already");
    assert_eq!(run(&mut state, UsesCommand::Settle { order: order(2) }), Ok(1));
    assert_eq!(run(&mut state, give_back(1, 0, None, None)), Ok(1));
    assert_eq!(run(&mut state, UsesCommand::Release { order: order(3), round: 0 }), Ok(1));
    assert_eq!((state.held.len(), state.used(), state.taken.uses), (0, 1, 1));
    assert_eq!(code(run(&mut state, hold(4, 0, None))), "limit_exceeded");
    // The same promotion again is its next version, with what was used counted on.
    assert_eq!((run(&mut state, promote()), state.is_retired()), (Ok(1), false));
    assert_eq!(state.promotion.as_ref().unwrap().version, 2);
    assert_eq!(run(&mut state, promote()), Ok(0));
    assert_eq!((run(&mut state, hold(4, 0, None)), run(&mut state, hold(5, 0, None))), (Ok(1), Ok(1)));
    assert_eq!(code(run(&mut state, hold(6, 0, None))), "limit_exceeded");
    assert!(state.adds_up());
}

#[test]
fn a_coupon_is_called_back_and_not_retired() {
    let mut state = coupon(1);
    assert_eq!(code(run(&mut state, UsesCommand::Retire)), "not_found");
    assert!(!state.is_retired());
}

#[test]
fn a_budget_is_never_exceeded_and_what_still_fits_is_given() {
    let mut state = promotion(Limits { budget: Some(Amount(10_000_000)), ..Limits::default() });
    let held = (0..200).filter(|n| run(&mut state, hold(*n, 700, None)).is_ok()).count();
    assert_eq!((held, state.taken.amount), (142, Amount(9_940_000)), "142 x 7.00 = 994.00 of 1,000.00");
    assert_eq!(code(run(&mut state, hold(900, 601, None))), "limit_exceeded");
    assert_eq!(run(&mut state, hold(901, 600, None)), Ok(1));
}

#[test]
fn a_customer_may_use_it_so_often_and_a_guest_not_at_all_where_customers_are_counted() {
    let mut state = promotion(Limits { per_customer: Some(2), ..Limits::default() });
    assert_eq!(run(&mut state, hold(1, 0, Some("ann"))), Ok(1));
    assert_eq!(run(&mut state, hold(2, 0, Some("ann"))), Ok(1));
    assert_eq!(code(run(&mut state, hold(3, 0, Some("ann")))), "limit_exceeded");
    assert_eq!(run(&mut state, hold(3, 0, Some("bob"))), Ok(1));
    assert_eq!(code(run(&mut state, hold(4, 0, None))), "customer_required");
    run(&mut state, UsesCommand::Release { order: order(1), round: 0 }).unwrap();
    assert_eq!(run(&mut state, hold(5, 0, Some("ann"))), Ok(1), "what was released is free again");
}

#[test]
fn each_hold_ends_once_and_repeated_messages_change_nothing() {
    let mut state = coupon(1);
    assert_eq!(run(&mut state, hold(1, 0, None)), Ok(1));
    assert_eq!(run(&mut state, hold(1, 0, None)), Ok(0));
    assert_eq!(run(&mut state, UsesCommand::Settle { order: order(1) }), Ok(1));
    for again in [UsesCommand::Settle { order: order(1) }, UsesCommand::Release { order: order(1), round: 0 }] {
        assert_eq!(run(&mut state, again), Ok(0));
    }
    assert_eq!(code(run(&mut state, hold(2, 0, None))), "coupon_exhausted", "a settled use is used");
    assert_eq!(run(&mut state, give_back(1, 0, None, None)), Ok(1));
    assert_eq!(run(&mut state, hold(2, 0, None)), Ok(1), "a use given back can be used");
}

#[test]
fn a_coupon_that_is_unknown_called_back_or_out_of_its_time_is_invalid() {
    let mut unknown = UsesState::new(Subject::Coupon(CouponCode::new("X").unwrap()));
    assert_eq!(code(run(&mut unknown, hold(1, 0, None))), "coupon_invalid");
    let (past, future) = (Timestamp(10), Timestamp(2_000));
    for (window, revoked) in [
        (Window { from: None, until: Some(past) }, false),
        (Window { from: Some(future), until: None }, false),
        (Window::default(), true),
    ] {
        let mut state = coupon(5);
        let terms = Terms { window, revoked, ..state.terms.clone().unwrap() };
        run(&mut state, UsesCommand::Define { terms }).unwrap();
        assert_eq!(code(run(&mut state, hold(1, 0, None))), "coupon_invalid", "{window:?} {revoked}");
    }
}

#[test]
fn a_lowered_limit_takes_nothing_back_and_gives_nothing_more() {
    let mut state = promotion(Limits { uses: Some(3), ..Limits::default() });
    (1..=3).for_each(|n| assert_eq!(run(&mut state, hold(n, 100, None)), Ok(1)));
    let terms = Terms::of_promotion(Limits { uses: Some(1), ..Limits::default() }, Some(eur()));
    assert_eq!(run(&mut state, UsesCommand::Define { terms: terms.clone() }), Ok(1));
    assert_eq!(run(&mut state, UsesCommand::Define { terms }), Ok(0), "the same terms again change nothing");
    run(&mut state, UsesCommand::Release { order: order(3), round: 0 }).unwrap();
    assert_eq!(state.taken.uses, 2);
    assert_eq!(code(run(&mut state, hold(4, 100, None))), "limit_exceeded");
}

#[test]
fn terms_that_make_no_sense_are_refused_and_taken_money_keeps_its_currency() {
    let mut state = promotion(Limits::default());
    let budget = |text: &str, currency: Option<Currency>| UsesCommand::Define {
        terms: Terms::of_promotion(Limits { budget: text.parse().ok(), ..Limits::default() }, currency),
    };
    assert_eq!(code(run(&mut state, budget("10.00", None))), "body_invalid");
    assert_eq!(code(run(&mut state, budget("0.001", Some(eur())))), "body_invalid");
    assert_eq!(code(run(&mut state, hold(1, -1, None))), "money_invalid");
    run(&mut state, hold(1, 100, None)).unwrap();
    assert_eq!(code(run(&mut state, budget("10.00", "USD".parse().ok()))), "currency_mismatch");
    let dollars = UsesCommand::Hold {
        order: order(2),
        amount: Amount(100),
        currency: "USD".parse().unwrap(),
        customer: None,
        round: 0,
    };
    assert_eq!(code(run(&mut state, dollars)), "currency_mismatch");
}

#[test]
fn a_use_is_given_back_once_however_often_its_step_is_repeated() {
    let mut state = coupon(2);
    for n in [1, 2] {
        run(&mut state, hold(n, 0, Some("ann"))).unwrap();
        run(&mut state, UsesCommand::Settle { order: order(n) }).unwrap();
    }
    assert_eq!(run(&mut state, give_back(1, 0, Some("ann"), Some(4))), Ok(1));
    assert_eq!(run(&mut state, give_back(1, 0, Some("ann"), Some(4))), Ok(0), "it is remembered");
    assert_eq!((state.used(), state.returned_by(order(1))), (1, Some(4)));
    assert_eq!(run(&mut state, UsesCommand::Heard { order: order(1), step: 3 }), Ok(0), "of another step");
    assert_eq!(run(&mut state, UsesCommand::Heard { order: order(1), step: 4 }), Ok(1));
    assert_eq!(run(&mut state, UsesCommand::Heard { order: order(1), step: 4 }), Ok(0));
    assert_eq!(state.returned().count(), 0, "and forgotten when the order has heard");
    assert_eq!(state.of_customer(&CustomerId::new("ann").unwrap()), 1);
}

#[test]
fn what_cannot_have_been_used_is_not_given_back() {
    let mut state = promotion(Limits { budget: Some(Amount(100_000)), ..Limits::default() });
    assert_eq!(run(&mut state, give_back(1, 0, None, None)), Ok(0), "nothing is used");
    run(&mut state, hold(1, 500, Some("ann"))).unwrap();
    assert_eq!(run(&mut state, give_back(1, 500, Some("ann"), None)), Ok(0), "it is only held");
    run(&mut state, UsesCommand::Settle { order: order(1) }).unwrap();
    assert_eq!(run(&mut state, give_back(1, 501, Some("ann"), None)), Ok(0), "not so much");
    assert_eq!(run(&mut state, give_back(1, 500, Some("bob"), None)), Ok(0), "not his");
    assert_eq!(run(&mut state, give_back(1, 500, Some("ann"), None)), Ok(1));
    assert_eq!(state.taken, Taken::default());
}

/// A campaign of millions must be as small as one of ten: its owner is written whole for each checkpoint.
#[test]
fn the_owner_of_many_uses_is_as_small_as_that_of_few() {
    let mut state = coupon(1_000_000);
    for n in 0..20_000 {
        run(&mut state, hold(n, 0, None)).unwrap();
        run(&mut state, UsesCommand::Settle { order: order(n) }).unwrap();
    }
    let bytes = minicbor::to_vec(&state).unwrap();
    assert!(bytes.len() < 150, "{} bytes for {} uses", bytes.len(), state.used());
}

#[test]
fn only_what_is_held_is_used_at_once() {
    let taken = Use { amount: Amount(5), customer: None, round: 0 };
    let held = UsesEvent::Held { order: order(1), taken: taken.clone() };
    assert_eq!(held.used_at_once(), UsesEvent::Taken { order: order(1), taken });
    let released = UsesEvent::Released { order: order(1) };
    assert_eq!(released.clone().used_at_once(), released);
}

/// What was used before uses were only counted is given back by its order, and only once.
#[test]
fn uses_of_an_old_journal_are_given_back_as_they_are_remembered() {
    let mut state = coupon(2);
    let taken = Use { amount: Amount(0), customer: CustomerId::new("ann").ok(), round: 0 };
    for n in [1, 2] {
        state.apply(&UsesEvent::Held { order: order(n), taken: taken.clone() });
        state.apply(&UsesEvent::Settled { order: order(n) });
    }
    state.apply(&UsesEvent::GivenBack { order: order(2) });
    assert_eq!(code_of_hold_after(&mut state, 3), "coupon_exhausted");
    assert_eq!(run(&mut state, UsesCommand::GiveBack { order: order(1), taken: None, step: Some(1) }), Ok(1));
    assert_eq!(run(&mut state, give_back(1, 0, Some("ann"), Some(1))), Ok(0), "once");
    assert!(state.adds_up() && state.used() == 0);
}

/// Uses up what is left, and says how the next one is refused.
fn code_of_hold_after(state: &mut UsesState, n: u128) -> &'static str {
    run(state, hold(n, 0, None)).unwrap();
    let refused = code(run(state, hold(n + 1, 0, None)));
    run(state, UsesCommand::Release { order: order(n), round: 0 }).unwrap();
    refused
}

/// A snapshot of before uses were only counted opens.
#[test]
fn an_old_snapshot_opens() {
    let mut state = coupon(2);
    run(&mut state, hold(1, 0, None)).unwrap();
    let bytes = minicbor::to_vec(&state).unwrap();
    // A state is an array; what is new in it is the null at its end.
    let (old, last) = bytes.split_at(bytes.len() - 1);
    if last == [0xf6] {
        let mut old = old.to_vec();
        old[0] -= 1;
        assert_eq!(minicbor::decode::<UsesState>(&old).unwrap(), state);
    } else {
        assert_eq!(minicbor::decode::<UsesState>(&bytes).unwrap(), state);
    }
}

/// A step of a history: which order, what, and by whom.
fn step() -> impl Strategy<Value = UsesCommand> {
    let customer = prop_oneof![Just(Some("ann")), Just(Some("bob")), Just(None)];
    (0..5u8, 0..12u128, 0..500i64, customer).prop_map(|(kind, n, cents, customer)| match kind {
        0 | 1 => hold(n, cents, customer),
        2 => UsesCommand::Settle { order: order(n) },
        3 => UsesCommand::Release { order: order(n), round: 0 },
        _ => give_back(n, 0, None, None),
    })
}

proptest! {
    #[test]
    fn no_history_takes_more_than_is_allowed_and_replay_gives_the_same_state(
        uses in 1..6u64, per_customer in 1..4u64, budget in 1..1_500i64,
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let budget = Amount(budget * 100);
        let limits = Limits { uses: Some(uses), per_customer: Some(per_customer), budget: Some(budget) };
        let mut state = promotion(limits);
        let mut replayed = state.clone();
        // What orders remember of what they used.
        let mut used: FxHashMap<OrderId, Use> = FxHashMap::default();
        for mut command in steps {
            match &mut command {
                UsesCommand::Hold { order, .. } if used.contains_key(order) => continue,
                UsesCommand::GiveBack { order, taken, .. } => match used.remove(order) {
                    Some(remembered) => *taken = Some(remembered),
                    None => continue,
                },
                _ => {}
            }
            let mut events = Vec::new();
            let before = state.clone();
            match decide(&state, &command, Timestamp(1_000), &mut events) {
                Ok(()) => {
                    // Every third order is paid in the turn in which it is placed.
                    events = events.into_iter().map(|event| match event {
                        UsesEvent::Held { order, .. } if order.to_bytes()[15] % 3 == 0 => event.used_at_once(),
                        event => event,
                    }).collect();
                    events.iter().for_each(|event| state.apply(event));
                }
                Err(_) => prop_assert!(events.is_empty()),
            }
            for event in &events {
                match event {
                    UsesEvent::Used { order } => drop(used.insert(*order, before.held[order].clone())),
                    UsesEvent::Taken { order, taken } => drop(used.insert(*order, taken.clone())),
                    _ => {}
                }
                let bytes = minicbor::to_vec(event).unwrap();
                replayed.apply(&minicbor::decode(&bytes).unwrap());
            }
            prop_assert!(state.taken.uses <= uses && state.taken.amount <= budget && state.adds_up());
            prop_assert_eq!(state.used(), used.len() as u64);
            prop_assert!(state.by_customer.values().all(|count| *count <= per_customer));
            prop_assert!(events.len() <= 1);
            if events.is_empty() { prop_assert_eq!(&state, &before); }
        }
        prop_assert_eq!(&replayed, &state);
        let bytes = minicbor::to_vec(&state).unwrap();
        prop_assert_eq!(minicbor::decode::<UsesState>(&bytes).unwrap(), state);
    }
}

/// A promotion of ten per cent with these parts.
fn ten_off(parts: &str) -> Promotion {
    let text = format!(
        r#"{{"id":"sale","name":"Sale","lane":"order","currency":"EUR","version":77,{parts}"then":{{"order":{{"percent":10}}}}}}"#
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_promotion_counts_its_versions_by_its_changes_whatever_it_says_itself() {
    let mut state = UsesState::new(Subject::Promotion(PromotionId::new("sale").unwrap()));
    let mut promote = |parts: &str| {
        let outcome = run(&mut state, UsesCommand::Promote { promotion: Box::new(ten_off(parts)) });
        (outcome.map_err(|refusal| refusal.code()), state.promotion.as_ref().map(|promotion| promotion.version))
    };
    assert_eq!(promote(""), (Ok(1), Some(1)));
    assert_eq!(promote(""), (Ok(0), Some(1)), "as it was is no change");
    assert_eq!(promote(r#""limits":{"uses":1},"#), (Ok(1), Some(2)));
    assert_eq!(promote(r#""cap":0,"#), (Err("body_invalid"), Some(2)), "what makes no sense is refused");
    assert_eq!(run(&mut state, hold(1, 100, None)), Ok(1));
    assert_eq!(code(run(&mut state, hold(2, 100, None))), "limit_exceeded", "its limits are what is allowed");
    let dollars = Promotion { currency: "USD".parse().ok(), ..ten_off("") };
    assert_eq!(code(run(&mut state, UsesCommand::Promote { promotion: Box::new(dollars) })), "currency_mismatch");
}

/// What an earlier pricing has left counts as free for the next of the same order, and goes back first.
#[test]
fn a_later_round_takes_the_place_of_an_earlier_one_and_no_earlier_one_that_of_a_later() {
    let limits = Limits { uses: Some(1), per_customer: Some(1), budget: Some(Amount(100_000)) };
    let mut state = promotion(limits);
    let mut in_round = |round, cents: i64, customer: &str| {
        let customer = Some(CustomerId::new(customer).unwrap());
        let command =
            UsesCommand::Hold { order: order(1), amount: Amount(cents * 100), currency: eur(), customer, round };
        let outcome = run(&mut state, command).map_err(|refusal| refusal.code());
        (outcome, state.taken.uses, state.taken.amount.0 / 100, state.of_customer(&CustomerId::new("ann").unwrap()))
    };
    assert_eq!(in_round(3, 600, "ann"), (Ok(1), 1, 600, 1));
    assert_eq!(in_round(3, 700, "ann"), (Ok(0), 1, 600, 1), "the same round again");
    assert_eq!(in_round(2, 700, "ann"), (Ok(0), 1, 600, 1), "an earlier one that comes late");
    assert_eq!(in_round(4, 1_000, "ann"), (Ok(2), 1, 1_000, 1), "all of the budget");
    assert_eq!(in_round(5, 1_001, "ann"), (Err("limit_exceeded"), 1, 1_000, 1));
    assert_eq!(in_round(6, 100, "bob"), (Ok(2), 1, 100, 0));
    assert_eq!(
        run(&mut state, UsesCommand::Release { order: order(1), round: 4 }),
        Ok(0),
        "not what an earlier round held"
    );
    assert_eq!(run(&mut state, UsesCommand::Release { order: order(1), round: 6 }), Ok(1));
    assert_eq!(state.taken, Taken::default());
}

#[test]
fn who_cannot_use_a_coupon_hears_why() {
    let why = |window: Window, revoked: bool| {
        let mut state = coupon(5);
        let terms = Terms { window, revoked, ..state.terms.clone().unwrap() };
        run(&mut state, UsesCommand::Define { terms }).unwrap();
        match run(&mut state, hold(1, 0, None)) {
            Ok(events) => format!("{events} event"),
            Err(Refusal::CouponInvalid { why, .. }) => why.into_owned(),
            Err(refusal) => panic!("{refusal}"),
        }
    };
    let window =
        |from: Option<i64>, until: Option<i64>| Window { from: from.map(Timestamp), until: until.map(Timestamp) };
    for (window, revoked, said) in [
        (window(Some(1_000), Some(1_001)), false, "1 event"),
        (window(None, Some(1_000)), false, "it has expired"),
        (window(Some(1_001), None), false, "its time has not come"),
        (window(None, Some(1_000)), true, "it was called back"),
    ] {
        assert_eq!(why(window, revoked), said);
    }
}

#[test]
fn terms_are_checked_at_their_edges() {
    let terms = |uses, per_customer, budget: Option<&str>, window: (i64, i64)| Terms {
        window: Window { from: Some(Timestamp(window.0)), until: Some(Timestamp(window.1)) },
        ..Terms::of_promotion(
            Limits { uses, per_customer, budget: budget.map(|text| text.parse().unwrap()) },
            Some(eur()),
        )
    };
    for (terms, is_fine) in [
        (terms(Some(1), Some(1), Some("0.01"), (1, 2)), true),
        (terms(Some(0), None, None, (1, 2)), false),
        (terms(None, Some(0), None, (1, 2)), false),
        (terms(None, None, Some("0.00"), (1, 2)), false),
        (terms(None, None, Some("-1.00"), (1, 2)), false),
        (terms(None, None, None, (2, 2)), false),
        (terms(None, None, None, (3, 2)), false),
    ] {
        let outcome = run(&mut promotion(Limits::default()), UsesCommand::Define { terms: terms.clone() });
        assert_eq!(outcome.is_ok(), is_fine, "{terms:?}");
    }
}

#[test]
fn sums_that_do_not_add_up_are_found() {
    let mut state = promotion(Limits::default());
    run(&mut state, hold(1, 100, Some("ann"))).unwrap();
    run(&mut state, hold(2, 200, None)).unwrap();
    assert!(state.adds_up());
    type Change = fn(&mut UsesState);
    let changes: [Change; 3] =
        [|state| state.taken.uses += 1, |state| state.taken.amount.0 += 1, |state| state.by_customer.clear()];
    for (at, change) in changes.into_iter().enumerate() {
        let mut wrong = state.clone();
        change(&mut wrong);
        assert!(!wrong.adds_up(), "change {at}");
    }
}
