//! Random histories against what must always hold.

use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Offer(usize, Quantity, i64),
    Bid(usize, Quantity, i64),
    Take(SmallVec<[(Option<usize>, Quantity, i64); 2]>, Quantity, bool),
    Amend(usize, Option<i64>, Option<Quantity>),
    Withdraw(usize),
    WithdrawAll(usize),
    Settle(usize),
    Release(usize, Quantity),
    ReleaseAll(usize),
    Ship(usize, Quantity),
    Receive(Quantity),
    Price(i64),
    Return(Quantity),
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..4usize;
    let few = 1..6u64;
    let price = 5..12i64;
    let line = (proptest::option::of(0..4usize), 1..6u64, 5..12i64);
    prop_oneof![
        4 => (who.clone(), few.clone(), price.clone()).prop_map(|(w, q, p)| Act::Offer(w, q, p)),
        4 => (who.clone(), few.clone(), price.clone()).prop_map(|(w, q, p)| Act::Bid(w, q, p)),
        4 => (proptest::collection::vec(line, 1..3), 0..3u64, proptest::bool::ANY)
            .prop_map(|(lines, plain, partial)| Act::Take(lines.into(), plain, partial)),
        2 => (0..40usize, proptest::option::of(price.clone()), proptest::option::of(few.clone()))
            .prop_map(|(n, p, q)| Act::Amend(n, p, q)),
        1 => (0..40usize).prop_map(Act::Withdraw),
        1 => who.prop_map(Act::WithdrawAll),
        2 => (0..40usize).prop_map(Act::Settle),
        2 => ((0..40usize), few.clone()).prop_map(|(n, q)| Act::Release(n, q)),
        2 => (0..40usize).prop_map(Act::ReleaseAll),
        2 => ((0..40usize), few.clone()).prop_map(|(n, q)| Act::Ship(n, q)),
        2 => few.clone().prop_map(Act::Receive),
        1 => price.prop_map(Act::Price),
        1 => few.prop_map(Act::Return),
    ]
}

const NAMES: [&str; 4] = ["bob", "carl", "dora", "eve"];

/// The order that the n-th act was about: one of a shop's, or one that came of a bid.
fn pick_order(shop: &Shop, n: usize) -> OrderId {
    match shop.bought.get(n) {
        Some(bought) => bought.order,
        None => order(n as u128),
    }
}

fn run_act(shop: &mut Shop, n: u128, act: &Act) {
    let major = |price: i64| Money::new(Amount(price * 10_000), eur("1").currency);
    let market = |command| StockCommand::Market(Box::new(command));
    let command = match act.clone() {
        Act::Offer(who, quantity, price) => {
            // Every other offer has serial numbers.
            let numbers = if n.is_multiple_of(2) { quantity } else { 0 };
            let serials = (0..numbers).map(|unit| Serial::new(&format!("{n}-{unit}")).unwrap()).collect();
            let unit_price = major(price);
            market(MarketCommand::Offer(NewOffer { unit_price, serials, ..offer(n, NAMES[who], quantity, "1") }))
        }
        Act::Bid(who, quantity, price) => {
            market(MarketCommand::Bid(NewBid { limit_price: major(price), ..bid(n, NAMES[who], quantity, "1") }))
        }
        Act::Take(lines, plain, partial) => {
            let lines: Vec<_> = lines
                .iter()
                .enumerate()
                .map(|(index, (seller, quantity, max))| MarketDemand {
                    line: index as u32,
                    quantity: *quantity,
                    seller: seller.map_or(Seller::Any, |who| Seller::Named(name(NAMES[who]))),
                    max_unit_price: Some(major(*max)),
                })
                .collect();
            let _ = shop.take(n, &lines, plain, if partial { PART } else { ALL });
            return;
        }
        Act::Amend(target, price, quantity) => {
            let Some(side) = side_of(shop, target) else { return };
            let (id, price) = (id(target as u128), price.map(major));
            market(MarketCommand::Amend { id, side, price, quantity })
        }
        Act::Withdraw(target) => {
            let Some(side) = side_of(shop, target) else { return };
            market(MarketCommand::Withdraw { id: id(target as u128), side })
        }
        Act::WithdrawAll(who) => market(MarketCommand::WithdrawAll { side: None, owner: Some(name(NAMES[who])) }),
        Act::Settle(n) => StockCommand::Settle { order: pick_order(shop, n) },
        Act::Release(n, quantity) => {
            let reason = ReleaseReason::Cancelled;
            StockCommand::ReleaseClaim { order: pick_order(shop, n), claim: 0, quantity, reason }
        }
        Act::ReleaseAll(n) => StockCommand::ReleaseAll { order: pick_order(shop, n), reason: ReleaseReason::Expired },
        Act::Ship(n, quantity) => StockCommand::ShipClaim { order: pick_order(shop, n), claim: 0, quantity },
        Act::Receive(quantity) => receive(quantity),
        Act::Price(price) => StockCommand::Define(Box::new(Definition::new("mug", major(price)))),
        Act::Return(quantity) => StockCommand::Return {
            order: None,
            location: None,
            lot: None,
            quantity,
            disposition: Disposition::Restock,
            buyer: None,
        },
    };
    let _ = shop.run(&command);
}

fn side_of(shop: &Shop, target: usize) -> Option<Side> {
    shop.stock.market()?.party(id(target as u128)).map(|party| party.side)
}

/// Nobody who could be served waits: whatever is to be had costs more than anybody pays for it, or belongs to himself.
fn check_nothing_is_left_undone(shop: &Shop) {
    let Some(market) = shop.stock.market() else { return };
    let house = shop.stock.house(&shop.setting());
    for bid in market.standing(Side::Demand) {
        assert!(house.is_none_or(|house| house.price > bid.price.0), "the house could serve {bid:?}");
        let could = |offer: &&Party| offer.price <= bid.price && offer.owner != bid.owner;
        assert_eq!(market.standing(Side::Supply).find(could), None, "an offer could serve {bid:?}");
    }
}

proptest! {
    #[test]
    fn a_market_adds_up_replays_and_leaves_nobody_waiting_who_could_be_served(
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut shop = Shop::new("9", 3);
        for (n, act) in acts.iter().enumerate() {
            run_act(&mut shop, n as u128, act);
            check_nothing_is_left_undone(&shop);
        }
        let bytes = minicbor::to_vec(&shop.stock).unwrap();
        let read: Stock = minicbor::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &shop.stock);
        prop_assert_eq!(minicbor::to_vec(&read).unwrap(), bytes);
    }
}
