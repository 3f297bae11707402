//! Random histories of one SKU, each step checked against a second, independent count.
//!
//! ```text
//!   commands::history ─▶ decide ─▶ events ─▶ apply ─▶ Stock ──┐
//!                                    └──▶ Recount (own fold) ─┴─▶ must agree, step by step
//! ```

mod commands;
mod recount;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use self::commands::{Step, history};
use self::recount::Recount;
use super::decide::decide_at_length;
use super::{Alarms, Distances, Setting, Stock, StockCommand, StockEvent, decide};
use crate::{OrderId, SkuId, Timestamp};

/// Runs a history and checks everything after each step; says which movements occurred.
fn run(steps: &[Step]) -> Result<BTreeSet<&'static str>, TestCaseError> {
    let mut stock = Stock::new(SkuId::new("sku").unwrap());
    let mut recount = Recount::default();
    let mut now = Timestamp(1_700_000_000_000_000);
    let mut journal: Vec<StockEvent> = Vec::new();
    let mut seen = BTreeSet::new();
    for step in steps {
        now = now.plus_seconds(step.seconds);
        let events = decide_checked(&stock, &step.command, now)?;
        let promised = recount.promises();
        for event in &events {
            recount.check_turn(event, now);
            let mut at_length = stock.clone();
            at_length.take_in(event, false);
            stock.apply(event);
            prop_assert_eq!(&at_length, &stock, "the short way and the long way");
            recount.take(event);
            let bytes = minicbor::to_vec(event).unwrap();
            prop_assert_eq!(&minicbor::decode::<StockEvent>(&bytes).unwrap(), event);
            stock.check();
            recount.compare(&stock);
            seen.insert(event.name());
        }
        if !events.is_empty() {
            recount.check_nobody_waits_in_vain(now);
            check_broken_promises(&promised, &recount.promises(), &events)?;
        }
        check_promises(&stock, &recount)?;
        seen.extend(check_warnings(&stock, &recount)?);
        prop_assert_eq!(stock.available(now), recount.available(now));
        check_repetition(&stock, &step.command, now)?;
        journal.extend(events);
    }
    check_rebuilt(&stock, &journal)?;
    Ok(seen)
}

/// No unit is promised twice, and no more than is coming.
fn check_promises(stock: &Stock, recount: &Recount) -> Result<(), TestCaseError> {
    let promises = stock.promises();
    let found: Vec<_> = promises.iter().map(|promise| (promise.order, i128::from(promise.quantity))).collect();
    prop_assert_eq!(found, recount.promises());
    prop_assert!(promises.iter().map(|promise| promise.quantity).sum::<u64>() <= stock.incoming);
    prop_assert!(promises.is_sorted_by_key(|promise| promise.available_from.unwrap_or(Timestamp(i64::MAX))));
    Ok(())
}

/// What there is to warn of is what the second count finds; says what it is.
fn check_warnings(stock: &Stock, recount: &Recount) -> Result<Vec<&'static str>, TestCaseError> {
    let told: Vec<StockEvent> = stock.alarms_since(Alarms::default()).collect();
    let (low, risk) = recount.warnings();
    let low = low.map(|available| StockEvent::LowStock {
        available,
        level: stock.definition.as_ref().unwrap().low_stock_level.unwrap(),
    });
    let risk = risk.map(|(waiting, incoming)| StockEvent::OversoldRisk {
        backordered: waiting.try_into().unwrap(),
        incoming: incoming.try_into().unwrap(),
    });
    prop_assert_eq!(&told, &low.into_iter().chain(risk).collect::<Vec<_>>());
    Ok(told.iter().map(StockEvent::name).collect())
}

/// Whoever was promised units and got neither them nor another promise is told so, the newest first.
fn check_broken_promises(
    before: &[(OrderId, i128)],
    after: &[(OrderId, i128)],
    events: &[StockEvent],
) -> Result<(), TestCaseError> {
    use StockEvent as E;
    if events.iter().any(|event| matches!(event, E::Drawn { .. } | E::Defined(_))) {
        return Ok(());
    }
    let ended = |order: OrderId| -> i128 {
        let of = |event: &E| match event {
            E::BackorderFilled { order: of, picks } if *of == order => i128::from(super::units(picks)),
            E::BackorderCancelled { order: of, quantity } if *of == order => i128::from(*quantity),
            _ => 0,
        };
        events.iter().map(of).sum()
    };
    let now = |order: OrderId| after.iter().find(|(of, _)| *of == order).map_or(0, |(_, units)| *units);
    let lost = |(order, units): &(OrderId, i128)| (*order, (units - ended(*order)).max(0) - now(*order));
    let broken: Vec<_> = before.iter().rev().map(lost).filter(|(_, units)| *units > 0).collect();
    let told = events.iter().filter_map(|event| match event {
        E::Unpromised { order, quantity } => Some((*order, i128::from(*quantity))),
        _ => None,
    });
    prop_assert_eq!(told.collect::<Vec<_>>(), broken);
    Ok(())
}

/// A refusal adds nothing to what was decided before it.
fn decide_checked(stock: &Stock, command: &StockCommand, now: Timestamp) -> Result<Vec<StockEvent>, TestCaseError> {
    let earlier = StockEvent::Announced { quantity: 7, available_from: None, reference: None };
    let mut out = vec![earlier.clone()];
    match decide(stock, command, now, &mut out) {
        Ok(()) => {
            prop_assert_eq!(&out[0], &earlier);
            out.remove(0);
            let (mut at_length, setting) = (Vec::new(), Setting { now, distances: Distances::NONE });
            prop_assert!(decide_at_length(stock, command, &setting, &mut at_length).is_ok());
            prop_assert_eq!(&at_length, &out, "the short way and the long way");
            Ok(out)
        }
        Err(refusal) => {
            prop_assert_eq!(out.len(), 1, "{} left events behind", refusal);
            Ok(Vec::new())
        }
    }
}

/// A message that ends or confirms a commitment may arrive twice; the second time nothing happens.
fn check_repetition(stock: &Stock, command: &StockCommand, now: Timestamp) -> Result<(), TestCaseError> {
    use StockCommand as C;
    if let C::Settle { .. } | C::Confirm { .. } | C::ReleaseAll { .. } | C::Define(_) = command {
        prop_assert!(decide_checked(stock, command, now)?.is_empty(), "{:?} happened twice", command);
    }
    Ok(())
}

/// Live state, replayed state and a snapshot read back are one and the same, byte for byte.
fn check_rebuilt(stock: &Stock, journal: &[StockEvent]) -> Result<(), TestCaseError> {
    let mut replayed = Stock::new(stock.sku.clone());
    journal.iter().for_each(|event| replayed.apply(event));
    prop_assert_eq!(&replayed, stock);
    let bytes = minicbor::to_vec(stock).unwrap();
    let restored: Stock = minicbor::decode(&bytes).unwrap();
    prop_assert_eq!(&restored, stock);
    prop_assert_eq!(minicbor::to_vec(&restored).unwrap(), bytes.clone());
    prop_assert_eq!(minicbor::to_vec(&replayed).unwrap(), bytes);
    Ok(())
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(400) })]

    #[test]
    fn every_history_of_a_sku_agrees_with_a_second_count(steps in history(60)) {
        run(&steps)?;
    }
}

/// The property above proves nothing about movements that never occur.
#[test]
fn random_histories_contain_every_movement() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        let steps = history(60).new_tree(&mut runner).unwrap().current();
        seen.extend(run(&steps).unwrap());
    }
    let wanted = [
        "defined",
        "announced",
        "received",
        "held",
        "held_more",
        "allocated",
        "confirmed",
        "settled",
        "released",
        "backorder_filled",
        "backorder_cancelled",
        "shipped",
        "returned",
        "adjusted_up",
        "adjusted_down",
        "oversold",
        "reclassified",
        "lot_expired",
        "written_off",
        "transferred_out",
        "transferred_in",
        "transfer_lost",
        "announcement_withdrawn",
        "unpromised",
        "shipped_short",
        "drawn",
        "not_drawn",
        "low_stock",
        "oversold_risk",
    ];
    for name in wanted {
        assert!(seen.contains(name), "{name} never occurred");
    }
}
