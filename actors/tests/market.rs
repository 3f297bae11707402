//! Offers, bids and lines that take from sellers, from outside a host: one to three partitions, faults, restarts.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::time::Duration;

use stockade_actors::command::{Answer, BookView, Command, OrderView, PartyAnswer};
use stockade_actors::faults::{Fault, FaultRule, MailboxFault};
use stockade_actors::host::partition_of;
use stockade_domain::account::AccountCommand;
use stockade_domain::book::{Side, TimeInForce};
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::{LineSupply, NewLine, NewOrder, OrderCommand, OrderStatus, Tender};
use stockade_domain::payment::Method;
use stockade_domain::payment::gateway::GatewayOutcome;
use stockade_domain::stock::StockCommand;
use stockade_domain::stock::market::{BidPayment, MarketCommand, NewBid, NewOffer, Seller};
use stockade_domain::{BookOrderId, CustomerId, Money, OrderId, Refusal, SkuId};
use support::World;

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

fn name(text: &str) -> CustomerId {
    CustomerId::new(text).unwrap()
}

fn pass(world: &mut World, seconds: u32) {
    for _ in 0..seconds {
        world.clock.advance_seconds(1);
        world.settle();
    }
}

fn market(world: &mut World, sku: &str, command: MarketCommand) -> Result<PartyAnswer, Refusal> {
    let sku = SkuId::new(sku).unwrap();
    let command = Box::new(StockCommand::Market(Box::new(command)));
    let answer = world.run(&EntityKey::Sku(sku.clone()), Command::Stock { sku, command, key: None })?;
    world.settle();
    match answer {
        Answer::Party(party) => Ok(*party),
        other => panic!("{other:?}"),
    }
}

fn new_offer(world: &mut World, seller: &str, quantity: u64, price: &str) -> NewOffer {
    NewOffer {
        id: BookOrderId::from(world.new_id()),
        seller: name(seller),
        quantity,
        unit_price: eur(price),
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        minimum: 0,
        displayed: None,
        serials: Vec::new(),
        body_digest: 1,
    }
}

fn offer(world: &mut World, sku: &str, seller: &str, quantity: u64, price: &str) -> BookOrderId {
    let offer = new_offer(world, seller, quantity, price);
    market(world, sku, MarketCommand::Offer(offer)).unwrap().view.id
}

fn new_bid(world: &mut World, customer: &str, quantity: u64, price: &str) -> NewBid {
    NewBid {
        id: BookOrderId::from(world.new_id()),
        customer: name(customer),
        quantity,
        limit_price: eur(price),
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        minimum: 0,
        seller: None,
        payment: BidPayment::Wallet,
        body_digest: 1,
    }
}

fn bid(world: &mut World, sku: &str, customer: &str, quantity: u64, price: &str) -> Result<PartyAnswer, Refusal> {
    let bid = new_bid(world, customer, quantity, price);
    market(world, sku, MarketCommand::Bid(bid))
}

fn credit(world: &mut World, customer: &str, money: &str) {
    let customer = name(customer);
    let command = AccountCommand::Credit { money: eur(money), reference: None };
    let key = EntityKey::Account(customer.clone());
    world.run(&key, Command::Account { customer, command, key: None }).unwrap();
}

/// Balance and what is set aside, in cents.
fn wallet(world: &mut World, customer: &str) -> (i64, i64) {
    let customer = name(customer);
    match world.run(&EntityKey::Account(customer.clone()), Command::ReadAccount { customer }).unwrap() {
        Answer::Account(view) => (view.balance.0 / 100, view.held.0 / 100),
        other => panic!("{other:?}"),
    }
}

/// Open, held (paid ones included), sold and withdrawn units of an offer or bid.
fn account(world: &mut World, sku: &str, id: BookOrderId, side: Side) -> [u64; 4] {
    let sku = SkuId::new(sku).unwrap();
    match world.run(&EntityKey::Sku(sku.clone()), Command::ReadParty { sku, id, side }).unwrap() {
        Answer::Party(answer) => {
            let party = answer.view.party;
            [party.open, party.held, party.sold, party.withdrawn()]
        }
        other => panic!("{other:?}"),
    }
}

fn book(world: &mut World, sku: &str) -> BookView {
    let sku = SkuId::new(sku).unwrap();
    match world.run(&EntityKey::Sku(sku.clone()), Command::ReadBook { sku, levels: 100 }).unwrap() {
        Answer::Book(book) => *book,
        other => panic!("{other:?}"),
    }
}

fn any(sku: &str, quantity: u64, max: &str) -> NewLine {
    let supply = Some(Box::new(LineSupply { seller: Seller::Any, max_unit_price: Some(eur(max)) }));
    NewLine { supply, ..NewLine::of_house(SkuId::new(sku).unwrap(), quantity) }
}

fn from(sku: &str, quantity: u64, seller: &str) -> NewLine {
    let supply = Some(Box::new(LineSupply { seller: Seller::Named(name(seller)), max_unit_price: None }));
    NewLine { supply, ..NewLine::of_house(SkuId::new(sku).unwrap(), quantity) }
}

fn plain(sku: &str, quantity: u64) -> NewLine {
    NewLine::of_house(SkuId::new(sku).unwrap(), quantity)
}

fn order(world: &mut World, lines: Vec<NewLine>) -> NewOrder {
    NewOrder::new(world.new_id(), lines)
}

fn read(world: &mut World, order: OrderId) -> OrderView {
    world.settle();
    world.order(order, Command::ReadOrder { order }).unwrap()
}

fn tell(world: &mut World, order: OrderId, command: OrderCommand) -> Result<OrderView, Refusal> {
    let answer = world.order(order, Command::Order { order, command: Box::new(command), key: None });
    world.settle();
    answer
}

/// Lines as `units@cents seller`.
fn lines(view: &OrderView) -> Vec<String> {
    let line = |line: &stockade_domain::order::Line| {
        let seller = line.claim.as_ref().map_or("house", |claim| claim.seller.as_str());
        format!("{}@{} {seller}", line.filled, line.unit_price.0 / 100)
    };
    view.order.lines.iter().map(line).collect()
}

#[test]
fn an_order_buys_from_sellers_and_the_house_in_one_piece_over_any_number_of_partitions() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        ["a", "b", "c"].iter().for_each(|sku| world.define(sku, "10.00 EUR", 2));
        let bob = offer(&mut world, "a", "bob", 3, "9.00");
        let eve = offer(&mut world, "b", "eve", 3, "12.00");
        credit(&mut world, "ann", "500.00");
        let wanted = vec![any("a", 4, "10.00"), from("b", 2, "eve"), plain("b", 1), plain("c", 2)];
        let mut placed = order(&mut world, wanted);
        placed.customer = Some(name("ann"));
        placed.payments.push(Tender::by(Method::Wallet));
        let view = world.place(placed).unwrap();
        world.settle();
        let got = ["3@900 bob", "1@1000 house", "2@1200 eve", "1@1000 house", "2@1000 house"];
        assert_eq!(lines(&view), got, "{partitions} partitions");
        let id = view.order.id;
        assert_eq!(read(&mut world, id).order.status(), OrderStatus::Paid);
        assert_eq!(wallet(&mut world, "ann"), (50_000 - 2700 - 1000 - 2400 - 3000, 0));
        assert_eq!(account(&mut world, "a", bob, Side::Supply), [0, 3, 0, 0]);
        world.check();

        let some = OrderCommand::Ship { lines: Some(vec![(0, 2), (4, 1)]), tracking: None };
        tell(&mut world, id, some).unwrap();
        assert_eq!(account(&mut world, "a", bob, Side::Supply), [0, 1, 2, 0]);
        let cancel = OrderCommand::Cancel { lines: Some(vec![(0, None), (2, Some(1))]) };
        tell(&mut world, id, cancel).unwrap();
        assert_eq!(account(&mut world, "a", bob, Side::Supply), [1, 0, 2, 0], "what was cancelled is for sale again");
        assert_eq!(account(&mut world, "b", eve, Side::Supply), [2, 1, 0, 0]);
        tell(&mut world, id, OrderCommand::Ship { lines: None, tracking: None }).unwrap();
        let back = vec![(0, 1, Default::default()), (1, 1, Default::default())];
        let view = tell(&mut world, id, OrderCommand::Return { lines: back, refund: Default::default() }).unwrap();
        assert_eq!(view.order.refunded().0 / 100, 900 + 1200 + 900 + 1000);
        let stock = world.read_stock("a");
        assert_eq!((stock.levels.available, stock.offered), (2, 1), "bob's unit does not lie on the house's shelf");
        world.check();
        let mut world = world.restart(4 - partitions);
        assert_eq!(account(&mut world, "b", eve, Side::Supply), [2, 0, 1, 0]);
        world.check();
    }
}

#[test]
fn an_order_that_cannot_have_all_from_sellers_has_nothing() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        ["a", "b"].iter().for_each(|sku| world.define(sku, "10.00 EUR", 2));
        let bob = offer(&mut world, "a", "bob", 3, "9.00");
        let eve = offer(&mut world, "b", "eve", 3, "12.00");
        let wanted = vec![any("a", 3, "9.00"), from("b", 4, "eve")];
        let placed = order(&mut world, wanted.clone());
        assert_eq!(world.place(placed).unwrap_err().code(), "stock_exhausted");
        world.settle();
        assert_eq!(account(&mut world, "a", bob, Side::Supply), [3, 0, 0, 0]);
        let mut placed = order(&mut world, wanted);
        placed.allow_partial = true;
        let view = world.place(placed).unwrap();
        assert_eq!(lines(&view), ["3@900 bob", "3@1200 eve"]);
        assert_eq!(view.order.lines[1].unfilled, 1);
        assert_eq!(account(&mut world, "b", eve, Side::Supply), [0, 3, 0, 0]);
        world.settle();
        world.check();
    }
}

#[test]
fn a_bid_sets_wallet_money_aside_and_pays_each_fill_with_it() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        world.define("a", "10.00 EUR", 0);
        credit(&mut world, "dora", "100.00");
        let placed = bid(&mut world, "a", "dora", 5, "9.99").unwrap();
        assert!(placed.created && placed.orders.is_empty());
        let id = placed.view.id;
        assert_eq!(wallet(&mut world, "dora"), (10_000, 4_995), "{partitions} partitions");
        assert_eq!(bid(&mut world, "a", "dora", 10, "9.99").unwrap_err().code(), "insufficient_balance");

        let seller = offer(&mut world, "a", "bob", 2, "8.00");
        pass(&mut world, 3);
        // Who comes later trades at the price of who waits.
        assert_eq!(wallet(&mut world, "dora"), (10_000 - 1_998, 2_997));
        assert_eq!(account(&mut world, "a", seller, Side::Supply), [0, 2, 0, 0]);
        assert_eq!(account(&mut world, "a", id, Side::Demand), [3, 2, 0, 0]);
        world.check();

        let mut world = world.restart(4 - partitions);
        let withdraw = MarketCommand::Withdraw { id, side: Side::Demand };
        market(&mut world, "a", withdraw).unwrap();
        pass(&mut world, 3);
        assert_eq!(wallet(&mut world, "dora"), (10_000 - 1_998, 0));
        assert_eq!(account(&mut world, "a", id, Side::Demand), [0, 2, 0, 3]);
        world.check();
    }
}

#[test]
fn a_fill_of_a_bid_is_an_order_that_is_paid_shipped_and_returned_like_any_other() {
    let mut world = World::new(1);
    world.define("a", "10.00 EUR", 1);
    offer(&mut world, "a", "bob", 1, "8.00");
    credit(&mut world, "dora", "100.00");
    let placed = bid(&mut world, "a", "dora", 2, "10.00").unwrap();
    let [id] = placed.orders[..] else { panic!("one order: {:?}", placed.orders) };
    let view = read(&mut world, id);
    assert_eq!(
        (view.order.status(), lines(&view)),
        (OrderStatus::Paid, vec!["1@800 bob".into(), "1@1000 house".into()])
    );
    assert_eq!(view.order.bid.as_deref(), Some(&placed.view.id));
    assert_eq!(wallet(&mut world, "dora"), (8_200, 0));
    tell(&mut world, id, OrderCommand::Ship { lines: None, tracking: None }).unwrap();
    let back = vec![(0, 1, Default::default()), (1, 1, Default::default())];
    tell(&mut world, id, OrderCommand::Return { lines: back, refund: Default::default() }).unwrap();
    assert_eq!(wallet(&mut world, "dora"), (10_000, 0));
    world.check();
}

#[test]
fn a_bid_whose_card_is_declined_gives_its_units_back_at_its_deadline_to_their_old_place() {
    let mut world = World::new(2);
    world.define("a", "10.00 EUR", 0);
    let bob = offer(&mut world, "a", "bob", 2, "8.00");
    let eve = offer(&mut world, "a", "eve", 2, "8.00");
    world.gateway.answers.lock().push(GatewayOutcome::Declined { reason: "no funds".into() });
    let by_card = NewBid {
        payment: BidPayment::Card { token: "tok".into() },
        time_in_force: TimeInForce::Ioc,
        ..new_bid(&mut world, "dora", 1, "9.00")
    };
    let placed = market(&mut world, "a", MarketCommand::Bid(by_card)).unwrap();
    let [id] = placed.orders[..] else { panic!("one order: {:?}", placed.orders) };
    assert_eq!(read(&mut world, id).order.status(), OrderStatus::AwaitingPayment, "it may be paid otherwise");
    world.clock.advance_seconds(901);
    world.settle();
    assert_eq!(read(&mut world, id).order.status(), OrderStatus::Expired);
    assert_eq!(account(&mut world, "a", bob, Side::Supply), [2, 0, 0, 0]);
    assert_eq!(account(&mut world, "a", placed.view.id, Side::Demand), [0, 0, 0, 1]);
    let next = order(&mut world, vec![any("a", 3, "9.00")]);
    assert_eq!(lines(&world.place(next).unwrap()), ["2@800 bob", "1@800 eve"]);
    assert_eq!(account(&mut world, "a", eve, Side::Supply), [1, 1, 0, 0]);
    world.check();
}

#[test]
fn units_that_nobody_paid_in_time_go_to_the_bid_that_waits() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        world.define("a", "10.00 EUR", 1);
        let bob = offer(&mut world, "a", "bob", 1, "8.00");
        let unpaid = order(&mut world, vec![any("a", 2, "10.00")]);
        let id = world.place(unpaid).unwrap().order.id;
        credit(&mut world, "dora", "100.00");
        let waiting = bid(&mut world, "a", "dora", 2, "10.00").unwrap();
        assert!(waiting.orders.is_empty());
        world.clock.advance_seconds(901);
        for _ in 0..3 {
            world.settle();
            world.clock.advance_seconds(1);
        }
        assert_eq!(read(&mut world, id).order.status(), OrderStatus::Expired);
        assert_eq!(account(&mut world, "a", waiting.view.id, Side::Demand), [0, 1, 1, 0], "{partitions} partitions");
        assert_eq!(account(&mut world, "a", bob, Side::Supply), [0, 1, 0, 0]);
        assert_eq!(world.read_stock("a").levels.totals.allocated, 1);
        assert_eq!(wallet(&mut world, "dora"), (10_000 - 1_800, 0));
        world.check();
    }
}

#[test]
fn offers_and_bids_end_at_their_time() {
    let mut world = World::new(1);
    world.define("a", "10.00 EUR", 0);
    let until = support::START.plus_seconds(60);
    let offered = NewOffer { time_in_force: TimeInForce::Gtd(until), ..new_offer(&mut world, "bob", 2, "9.00") };
    let id = market(&mut world, "a", MarketCommand::Offer(offered)).unwrap().view.id;
    assert_eq!(book(&mut world, "a").levels.offers.len(), 1);
    world.clock.advance_seconds(61);
    world.settle();
    assert_eq!(account(&mut world, "a", id, Side::Supply), [0, 0, 0, 2]);
    assert!(book(&mut world, "a").levels.offers.is_empty());
}

#[test]
fn a_bid_that_asks_for_more_has_more_set_aside_wherever_its_wallet_lives() {
    for partitions in 1..=3 {
        for fault in [Fault::Mailbox(MailboxFault::Drop), Fault::Mailbox(MailboxFault::Duplicate)] {
            let mut world = World::new(partitions);
            world.define("a", "20.00 EUR", 0);
            credit(&mut world, "dora", "100.00");
            let id = bid(&mut world, "a", "dora", 5, "9.99").unwrap().view.id;
            world.faults.arm(vec![FaultRule::first(fault.clone(), 2)]);
            let amend = |price: Option<&str>, quantity| MarketCommand::Amend {
                id,
                side: Side::Demand,
                price: price.map(eur),
                quantity,
            };
            market(&mut world, "a", amend(None, Some(10))).unwrap();
            assert_eq!(wallet(&mut world, "dora"), (10_000, 9_990), "{partitions} partitions, {fault:?}");
            let refused = market(&mut world, "a", amend(Some("12.00"), None)).unwrap_err();
            assert_eq!(refused.code(), "insufficient_balance");
            pass(&mut world, 3);
            assert_eq!(wallet(&mut world, "dora"), (10_000, 9_990), "a refusal changes nothing");
            assert_eq!(account(&mut world, "a", id, Side::Demand), [10, 0, 0, 0]);
            // What comes meanwhile is paid out of what is set aside.
            offer(&mut world, "a", "bob", 4, "9.00");
            pass(&mut world, 3);
            assert_eq!(wallet(&mut world, "dora"), (10_000 - 3_996, 5_994));
            world.check();
        }
    }
}

#[test]
fn lost_and_repeated_messages_about_bids_and_claims_change_nothing() {
    for fault in [Fault::Mailbox(MailboxFault::Drop), Fault::Mailbox(MailboxFault::Duplicate)] {
        for skip in 0..6 {
            let mut world = World::new(3);
            ["a", "b"].iter().for_each(|sku| world.define(sku, "10.00 EUR", 0));
            let bob = offer(&mut world, "a", "bob", 3, "9.00");
            offer(&mut world, "b", "bob", 3, "9.00");
            credit(&mut world, "dora", "100.00");
            for _ in 0..skip {
                let other = order(&mut world, vec![plain("a", 1)]);
                assert!(world.place(other).is_err());
            }
            world.faults.arm(vec![FaultRule::first(fault.clone(), 2 + skip)]);
            let waiting = bid(&mut world, "a", "dora", 2, "8.00").unwrap();
            let mut placed = order(&mut world, vec![any("a", 1, "9.00"), any("b", 1, "9.00")]);
            placed.payments.push(Tender::by(Method::External));
            let id = world.place(placed).unwrap().order.id;
            market(&mut world, "a", MarketCommand::Withdraw { id: waiting.view.id, side: Side::Demand }).unwrap();
            for _ in 0..5 {
                world.clock.advance_seconds(1);
                world.settle();
            }
            assert!(world.faults.fired() > 0, "the fault struck");
            assert_eq!(wallet(&mut world, "dora"), (10_000, 0), "{fault:?} {skip}");
            assert_eq!(read(&mut world, id).order.status(), OrderStatus::Paid);
            tell(&mut world, id, OrderCommand::Ship { lines: None, tracking: None }).unwrap();
            for _ in 0..3 {
                world.clock.advance_seconds(1);
                world.settle();
            }
            assert_eq!(account(&mut world, "a", bob, Side::Supply), [2, 0, 1, 0], "{fault:?} {skip}");
            world.check();
        }
    }
}

#[test]
fn what_a_bid_has_bought_is_paid_whatever_message_is_lost_or_repeated() {
    let mut struck = 0;
    for fault in [Fault::Mailbox(MailboxFault::Drop), Fault::Mailbox(MailboxFault::Duplicate)] {
        for nth in 1..8 {
            let mut world = World::new(3);
            ["a", "b", "c", "d"].iter().for_each(|sku| world.define(sku, "10.00 EUR", 0));
            credit(&mut world, "dora", "100.00");
            // The whole wallet is set aside: what a fill takes can only come from there.
            let bids = ["a", "b", "c", "d"].map(|sku| bid(&mut world, sku, "dora", 5, "5.00").unwrap().view.id);
            world.faults.arm(vec![FaultRule::first(fault.clone(), nth)]);
            let sold: Vec<_> = ["a", "b", "c", "d"].map(|sku| offer(&mut world, sku, "bob", 5, "5.00")).into();
            for _ in 0..5 {
                world.clock.advance_seconds(1);
                world.settle();
            }
            struck += world.faults.fired();
            assert_eq!(wallet(&mut world, "dora"), (0, 0), "{fault:?} {nth}");
            for (sku, (bid, offer)) in ["a", "b", "c", "d"].iter().zip(bids.into_iter().zip(sold)) {
                assert_eq!(account(&mut world, sku, bid, Side::Demand), [0, 5, 0, 0], "{fault:?} {nth} {sku}");
                assert_eq!(account(&mut world, sku, offer, Side::Supply), [0, 5, 0, 0], "{fault:?} {nth} {sku}");
            }
            world.check();
        }
    }
    assert!(struck > 0, "the faults struck");
}

#[test]
fn what_a_bid_has_bought_is_paid_after_a_crash_before_its_wallet_was_asked() {
    let mut world = World::new(3);
    let skus = ["a", "b", "c", "d"];
    skus.iter().for_each(|sku| world.define(sku, "10.00 EUR", 0));
    credit(&mut world, "dora", "100.00");
    skus.iter().for_each(|sku| assert!(bid(&mut world, sku, "dora", 5, "5.00").is_ok()));
    // Whatever partitions tell each other is lost, and then the process.
    world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::Drop), 1000)]);
    skus.iter().for_each(|sku| assert!(!offer(&mut world, sku, "bob", 5, "5.00").to_string().is_empty()));
    assert!(world.faults.fired() > 0, "the fault struck");
    let mut world = world.restart(3);
    for _ in 0..5 {
        world.clock.advance_seconds(1);
        world.settle();
    }
    assert_eq!(wallet(&mut world, "dora"), (0, 0));
    world.check();
}

#[test]
fn a_bid_of_the_same_id_for_another_sku_is_another_bid_with_money_of_its_own() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        ["a", "b"].iter().for_each(|sku| world.define(sku, "10.00 EUR", 0));
        credit(&mut world, "dora", "15.00");
        let same = new_bid(&mut world, "dora", 1, "8.00");
        market(&mut world, "a", MarketCommand::Bid(same.clone())).unwrap();
        let refused = market(&mut world, "b", MarketCommand::Bid(same.clone())).unwrap_err();
        assert_eq!(refused.code(), "insufficient_balance", "{partitions} partitions");
        credit(&mut world, "dora", "1.00");
        market(&mut world, "b", MarketCommand::Bid(same)).unwrap();
        assert_eq!(wallet(&mut world, "dora"), (1600, 1600));
        let sold = ["a", "b"].map(|sku| offer(&mut world, sku, "bob", 1, "8.00"));
        for _ in 0..2 {
            world.clock.advance_seconds(1);
            world.settle();
        }
        assert_eq!(wallet(&mut world, "dora"), (0, 0));
        for (sku, id) in ["a", "b"].iter().zip(sold) {
            assert_eq!(account(&mut world, sku, id, Side::Supply), [0, 1, 0, 0]);
        }
        world.check();
    }
}

#[test]
fn an_order_waits_for_units_of_offers_that_somebody_holds_tentatively() {
    let mut world = World::new(2);
    // Partitions are asked in ascending order.
    let of = |partition| {
        let lives_there = |sku: &&&str| partition_of(&EntityKey::Sku(SkuId::new(sku).unwrap()), 2) == partition;
        *["a", "b", "c", "d", "e", "f", "g", "h"].iter().find(lives_there).expect("some SKU lives there")
    };
    let (asked_first, asked_next) = (of(0), of(1));
    [asked_first, asked_next].iter().for_each(|sku| world.define(sku, "10.00 EUR", 0));
    let bob = offer(&mut world, asked_first, "bob", 1, "9.00");
    let first = order(&mut world, vec![any(asked_first, 1, "9.00"), plain(asked_next, 1)]);
    let key = EntityKey::Order(first.id);
    let mut first = world.send(&key, Command::Place { order: Box::new(first), key: None, wait: Duration::ZERO });
    // Its claim is made and not yet answered.
    world.step_without_writing();
    let second = order(&mut world, vec![any(asked_first, 1, "9.00")]);
    let second = world.place(second);
    world.settle();
    let first = first.try_receive().expect("it is decided").unwrap();
    assert_eq!(first.unwrap_err().code(), "stock_exhausted");
    assert_eq!(lines(&second.unwrap()), ["1@900 bob"]);
    assert_eq!(account(&mut world, asked_first, bob, Side::Supply), [0, 1, 0, 0]);
    world.check();
}

#[test]
fn a_timer_that_fails_again_and_again_holds_nobody_up_and_is_done_when_it_can_be() {
    let mut world = World::new(1);
    world.define("a", "10.00 EUR", 1);
    let unpaid = order(&mut world, vec![plain("a", 1)]);
    let id = world.place(unpaid).unwrap().order.id;
    world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::CrashBefore), 1_000_000).on("order")]);
    world.clock.advance_seconds(901);
    world.settle();
    assert!((1..100).contains(&world.faults.fired()), "{} attempts", world.faults.fired());
    assert_eq!(world.read_stock("a").levels.totals.held, 1);
    world.faults.arm(Vec::new());
    world.clock.advance_seconds(1);
    world.settle();
    assert_eq!(read(&mut world, id).order.status(), OrderStatus::Expired);
    assert_eq!(world.read_stock("a").levels.available, 1);
    world.check();
}

#[test]
fn a_panic_in_a_market_costs_its_command_an_error_and_nothing_else() {
    for (fault, kind) in [
        (Fault::Mailbox(MailboxFault::CrashBefore), EntityKind::Sku),
        (Fault::Mailbox(MailboxFault::CrashAfter), EntityKind::Sku),
    ] {
        let mut world = World::new(1);
        world.define("a", "10.00 EUR", 1);
        let bob = offer(&mut world, "a", "bob", 3, "9.00");
        world.faults.arm(vec![FaultRule::first(fault.clone(), 1).on(kind.name())]);
        let placed = order(&mut world, vec![any("a", 2, "10.00")]);
        let outcome = world.place(placed);
        if fault == Fault::Mailbox(MailboxFault::CrashBefore) {
            assert_eq!(outcome.unwrap_err().code(), "internal_error");
            assert_eq!(account(&mut world, "a", bob, Side::Supply), [3, 0, 0, 0]);
        }
        world.faults.arm(Vec::new());
        let before = book(&mut world, "a");
        let offered = new_offer(&mut world, "eve", 3, "9.00");
        world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::CrashAfter), 1).on(kind.name())]);
        let refused = market(&mut world, "a", MarketCommand::Offer(offered.clone())).unwrap_err();
        assert_eq!(refused.code(), "internal_error");
        assert_eq!(book(&mut world, "a").levels, before.levels, "the SKU is built anew");
        world.faults.arm(Vec::new());
        market(&mut world, "a", MarketCommand::Offer(offered)).unwrap();
        world.check();
    }
}

#[test]
fn a_market_is_the_same_after_a_restart() {
    let mut world = World::new(2);
    world.define("a", "10.00 EUR", 2);
    for (seller, quantity, price) in [("bob", 3, "9.00"), ("eve", 2, "11.00"), ("bob", 4, "12.00")] {
        offer(&mut world, "a", seller, quantity, price);
    }
    credit(&mut world, "dora", "1000.00");
    bid(&mut world, "a", "dora", 2, "7.00").unwrap();
    let held = order(&mut world, vec![any("a", 6, "11.00")]);
    world.place(held).unwrap();
    world.settle();
    let before = book(&mut world, "a");
    let mut world = world.restart(3);
    let after = book(&mut world, "a");
    assert_eq!(after.levels, before.levels);
    assert_eq!(after.levels.offers.len(), 2);
    assert_eq!(wallet(&mut world, "dora"), (100_000, 1_400));
    world.check();
}
