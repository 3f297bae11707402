//! Random commands over a few locations, lots, orders and buyers, so that they meet.

use proptest::option::weighted;
use proptest::prelude::*;

use crate::name::Region;
use crate::stock::{
    Admission, Definition, Disposition, HoldContext, HoldMode, Lottery, ReleaseReason, SkuStatus, SourcingPlan,
    SourcingStrategy, StockCommand, Unsellable,
};
use crate::{CustomerId, Location, Lot, Money, OrderId, Quantity, Timestamp};

/// A command, and how long after the one before it comes.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) seconds: u32,
    pub(super) command: StockCommand,
}

const START_SECONDS: i64 = 1_700_000_000;

fn location() -> impl Strategy<Value = Location> {
    prop_oneof![5 => Just("main"), 2 => Just("north"), 1 => Just("south")].prop_map(|name| Location::new(name).unwrap())
}

fn lot() -> impl Strategy<Value = Option<Lot>> {
    weighted(0.5, (0..3u8).prop_map(|n| Lot::new(format!("lot-{n}")).unwrap()))
}

/// Dates that pass while the history runs.
fn date() -> impl Strategy<Value = Option<Timestamp>> {
    weighted(0.5, (0..30i64).prop_map(|n| Timestamp((START_SECONDS + n * 10) * 1_000_000)))
}

fn order() -> impl Strategy<Value = OrderId> {
    (1..9u128).prop_map(|n| OrderId::new(Timestamp(START_SECONDS * 1_000_000), n))
}

fn buyer() -> impl Strategy<Value = Option<CustomerId>> {
    weighted(0.8, prop_oneof![Just("ann"), Just("bob")].prop_map(|name| CustomerId::new(name).unwrap()))
}

fn few() -> impl Strategy<Value = Quantity> {
    prop_oneof![9 => 1..8u64, 3 => 5..25u64, 1 => Just(0), 1 => Just(crate::QUANTITY_MAX)]
}

fn definition() -> impl Strategy<Value = Definition> {
    let status =
        prop_oneof![8 => Just(SkuStatus::Active), 1 => Just(SkuStatus::Paused), 1 => Just(SkuStatus::Discontinued)];
    let scarcity = (weighted(0.4, strategy()), weighted(0.25, Just(())), weighted(0.5, admission()));
    let levels = (0..4u64, weighted(0.5, 0..20u64));
    (status, weighted(0.3, 1..40u64), weighted(0.8, 0..30u64), levels, 0..2i64, scarcity).prop_map(
        |(status, limit_per_customer, backorder_max, levels, cents, (strategy, preorder, admission))| {
            let (safety_level, low_stock_level) = levels;
            let locations = vec![Location::new("north").unwrap(), Location::new("main").unwrap()];
            Definition {
                status,
                limit_per_customer,
                backorder_max,
                safety_level,
                low_stock_level,
                sourcing: strategy.map(|strategy| Box::new(SourcingPlan { strategy, locations })),
                preorder: preorder.is_some(),
                admission: admission.map(Box::new),
                ..Definition::new("thing", Money::parse(&format!("1.0{cents} EUR")).unwrap())
            }
        },
    )
}

fn strategy() -> impl Strategy<Value = SourcingStrategy> {
    (0..4usize).prop_map(|n| SourcingStrategy::ALL[n].0)
}

/// Two lotteries, so that one can follow another.
fn seed() -> impl Strategy<Value = [u8; 32]> {
    (1..3u8).prop_map(|n| [n; 32])
}

fn admission() -> impl Strategy<Value = Admission> {
    let lottery = (0..5i64, 1..12i64, seed(), any::<bool>()).prop_map(|(opens, length, seed, refuse_losers)| {
        let at = |n: i64| Timestamp((START_SECONDS + n * 5) * 1_000_000);
        Admission::Lottery(Lottery {
            opens_at: at(opens),
            closes_at: at(opens + length),
            seed_commitment: Lottery::commitment_to(&seed),
            refuse_losers,
        })
    });
    prop_oneof![2 => Just(Admission::WaitingList { offer_seconds: 60 }), 2 => Just(Admission::ProRata), 3 => lottery]
}

fn context() -> impl Strategy<Value = Option<Box<HoldContext>>> {
    let region = weighted(0.5, Just(Region::new("here").unwrap()));
    let context = (region, weighted(0.5, strategy())).prop_map(|(region, sourcing)| HoldContext { region, sourcing });
    weighted(0.4, context.prop_map(Box::new))
}

fn reason() -> impl Strategy<Value = ReleaseReason> {
    prop_oneof![Just(ReleaseReason::Cancelled), Just(ReleaseReason::Expired), Just(ReleaseReason::PaymentFailed)]
}

fn state() -> impl Strategy<Value = Unsellable> {
    (0..4usize).prop_map(|n| Unsellable::ALL[n].0)
}

fn of_orders() -> impl Strategy<Value = StockCommand> {
    use StockCommand as C;
    let once = || weighted(0.25, Just(()));
    let hold = (order(), few(), any::<[bool; 2]>(), once(), buyer(), once(), context()).prop_map(
        |(order, quantity, [partial, backorder], settled, buyer, tentative, context)| C::Hold {
            order,
            quantity,
            mode: HoldMode { partial, backorder },
            settled: settled.is_some(),
            buyer,
            tentative: tentative.is_some(),
            context,
            taking: None,
        },
    );
    let release = (order(), 0..6u64, 0..6u64, reason()).prop_map(|(order, filled, backordered, reason)| C::Release {
        order,
        filled,
        backordered,
        reason,
    });
    let more = (order(), few(), buyer(), context());
    let more = more.prop_map(|(order, quantity, buyer, context)| C::HoldMore { order, quantity, buyer, context });
    prop_oneof![
        8 => hold,
        1 => more,
        2 => order().prop_map(|order| C::Confirm { order }),
        4 => order().prop_map(|order| C::Settle { order }),
        2 => (order(), reason()).prop_map(|(order, reason)| C::ReleaseAll { order, reason }),
        3 => release,
        3 => (order(), 1..6u64).prop_map(|(order, quantity)| C::Ship { order, quantity }),
        1 => (order(), 1..6u64).prop_map(|(order, quantity)| C::ShipRecorded { order, quantity }),
    ]
}

fn reference() -> impl Strategy<Value = Option<compact_str::CompactString>> {
    weighted(0.4, prop_oneof![Just("ship-1".into()), Just("ship-2".into())])
}

fn of_receipts() -> impl Strategy<Value = StockCommand> {
    use StockCommand as C;
    let receive = (location(), lot(), date(), few()).prop_map(|(location, lot, expires_at, quantity)| C::Receive {
        location,
        lot,
        expires_at,
        quantity,
        unit_cost: None,
    });
    let announce = (few(), date(), reference()).prop_map(|(quantity, available_from, reference)| C::Announce {
        quantity,
        available_from,
        reference,
    });
    let disposition = (0..3usize).prop_map(|n| Disposition::ALL[n].0);
    let take_back = (weighted(0.7, order()), weighted(0.5, location()), lot(), 1..5u64, disposition, buyer()).prop_map(
        |(order, location, lot, quantity, disposition, buyer)| C::Return {
            order,
            location,
            lot,
            quantity,
            disposition,
            buyer,
        },
    );
    prop_oneof![
        2 => definition().prop_map(|definition| C::Define(Box::new(definition))),
        3 => announce,
        2 => (1..9u64, reference()).prop_map(|(quantity, reference)| C::WithdrawAnnouncement { quantity, reference }),
        2 => seed().prop_map(|seed| C::Draw { seed }),
        6 => receive,
        2 => take_back,
        1 => Just(C::ExpireLots),
    ]
}

fn of_corrections() -> impl Strategy<Value = StockCommand> {
    use StockCommand as C;
    let delta = prop_oneof![4 => -15..15i64, 1 => Just(i64::MIN)];
    let adjust = (location(), lot(), delta, any::<bool>()).prop_map(|(location, lot, delta, force)| C::Adjust {
        location,
        lot,
        delta,
        reason: "counted".into(),
        force,
    });
    let reclassify = (location(), lot(), state(), state(), 1..4u64)
        .prop_map(|(location, lot, from, to, quantity)| C::Reclassify { location, lot, from, to, quantity });
    let write_off = (location(), lot(), state(), 1..4u64).prop_map(|(location, lot, from, quantity)| C::WriteOff {
        location,
        lot,
        from,
        quantity,
        reason: "broken".into(),
    });
    let places = || (location(), lot(), location(), 1..5u64);
    let arrive = (location(), lot(), date(), 1..4u64).prop_map(|(location, lot, expires_at, quantity)| C::TransferIn {
        location,
        lot,
        expires_at,
        quantity,
    });
    prop_oneof![
        4 => adjust,
        3 => reclassify,
        2 => write_off,
        2 => places().prop_map(|(from, lot, to, quantity)| C::TransferOut { from, lot, to, quantity }),
        2 => places().prop_map(|(from, lot, to, quantity)| C::Transfer { from, lot, to, quantity }),
        2 => arrive,
        1 => (1..4u64).prop_map(|quantity| C::TransferLost { quantity }),
    ]
}

/// Up to `length` steps, of which the first defines the SKU.
pub(super) fn history(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let command = prop_oneof![6 => of_orders(), 3 => of_receipts(), 3 => of_corrections()];
    let step = (prop_oneof![3 => Just(0), 2 => 1..12u32], command);
    (definition(), proptest::collection::vec(step, 1..length)).prop_map(|(definition, steps)| {
        let first = Step { seconds: 0, command: StockCommand::Define(Box::new(definition)) };
        let rest = steps.into_iter().map(|(seconds, command)| Step { seconds, command });
        std::iter::once(first).chain(rest).collect()
    })
}
