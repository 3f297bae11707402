//! One example of every event, every field filled; a second where an empty field is written otherwise.

use smallvec::smallvec;
use stockade_domain::book::{BookEvent, EndReason, FillId, Maker, Owner, SelfTrade, Side, Source, Terms};
use stockade_domain::entity::Event;
use stockade_domain::name::Region;
use stockade_domain::stock::market::{BidPayment, ClaimFill, NewClaim, Serial};
use stockade_domain::stock::{
    Admission, Definition, Disposition, HoldContext, KitPart, Lottery, MarketEvent, MarketRules, Pick, Picks,
    ReleaseReason, SkuStatus, SourcingPlan, SourcingStrategy, StockEvent, Unsellable,
};
use stockade_domain::{Amount, BookOrderId, CustomerId, Location, Lot, Money, OrderId, PaymentId, SkuId, Timestamp};

/// An event and what it is called in the recording.
pub struct Example {
    pub label: &'static str,
    pub event: Event,
}

pub const TIME: Timestamp = Timestamp(1_700_000_000_123_456);

/// Every example, in the order of the recording.
pub fn all() -> Vec<Example> {
    let changed = ("held_more", StockEvent::HeldMore { order: order_id(), picks: picks() });
    let with_commission = MarketRules { commission_bps: 1_250, ..MarketRules::default() };
    let commission = ("opened_commission", StockEvent::Market(Box::new(MarketEvent::Opened(with_commission))));
    let stock = stock().into_iter().chain(market()).chain([changed, commission]).chain(alarms());
    let stock = stock.map(|(label, event)| (label, Event::Stock(event)));
    let order = super::orders::order().into_iter().map(|(label, event)| (label, Event::Order(event)));
    let payment = super::payments::payment().into_iter().map(|(label, event)| (label, Event::Payment(event)));
    let account = super::payments::account().into_iter().map(|(label, event)| (label, Event::Account(event)));
    let ledger = super::payments::ledger().into_iter().map(|(label, event)| (label, Event::Ledger(event)));
    let uses = super::promotions::uses().into_iter().map(|(label, event)| (label, Event::Uses(event)));
    let all = stock.chain(order).chain(payment).chain(account).chain(ledger).chain(uses);
    all.map(|(label, event)| Example { label, event }).collect()
}

pub fn order_id() -> OrderId {
    OrderId::new(TIME, 0x0123_4567_89ab_cdef)
}

pub fn payment_id() -> PaymentId {
    PaymentId::new(TIME, 0xfedc_ba98_7654_3210)
}

pub fn ann() -> CustomerId {
    CustomerId::new("ann@example.org").unwrap()
}

pub fn sku() -> SkuId {
    SkuId::new("SKU-1").unwrap()
}

pub fn bid_id() -> BookOrderId {
    BookOrderId::new(TIME, 0x0bad_cafe)
}

pub fn main_hall() -> Location {
    Location::new("main hall").unwrap()
}

pub fn lot() -> Option<Lot> {
    Some(Lot::new("L7").unwrap())
}

pub fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

pub fn picks() -> Picks {
    smallvec![Pick { bin: 0, quantity: 3 }, Pick { bin: 300, quantity: 1_000_000_000 }]
}

pub fn pick() -> Pick {
    Pick { bin: 1, quantity: 2 }
}

fn stock() -> Vec<(&'static str, StockEvent)> {
    use StockEvent as E;
    let full = Definition {
        status: SkuStatus::Discontinued,
        category: Some("tea".into()),
        brand: Some("Ridge".into()),
        limit_per_customer: Some(4),
        hold_ttl_seconds: 60,
        backorder_max: Some(100),
        safety_level: 2,
        ..Definition::new("Green tea, 100 g", eur("9.9901"))
    };
    let (order, reason) = (order_id(), ReleaseReason::Expired);
    vec![
        ("defined", E::Defined(Box::new(full))),
        ("defined_plain", E::Defined(Box::new(Definition::new("x", eur("0.00"))))),
        ("announced", E::Announced { quantity: 500, available_from: None, reference: None }),
        (
            "received",
            E::Received {
                location: main_hall(),
                lot: lot(),
                expires_at: Some(TIME),
                quantity: 10,
                announced: 7,
                unit_cost: Some(eur("1.25")),
            },
        ),
        (
            "received_plain",
            E::Received {
                location: main_hall(),
                lot: None,
                expires_at: None,
                quantity: 10,
                announced: 0,
                unit_cost: None,
            },
        ),
        (
            "held",
            E::Held {
                order,
                picks: picks(),
                backordered: 5,
                settled: true,
                buyer: Some(ann()),
                tentative: true,
                context: None,
            },
        ),
        ("confirmed", E::Confirmed { order }),
        ("settled", E::Settled { order }),
        ("released", E::Released { order, held: picks(), allocated: picks(), reason }),
        ("backorder_filled", E::BackorderFilled { order, picks: picks() }),
        ("backorder_cancelled", E::BackorderCancelled { order, quantity: 2 }),
        ("shipped", E::Shipped { order, picks: picks() }),
        (
            "returned",
            E::Returned {
                order: Some(order),
                location: main_hall(),
                lot: lot(),
                quantity: 1,
                disposition: Disposition::QualityControl,
                buyer: Some(ann()),
            },
        ),
        ("adjusted_up", E::AdjustedUp { location: main_hall(), lot: lot(), quantity: 1, reason: "found".into() }),
        ("adjusted_down", E::AdjustedDown { picks: picks(), reason: "counted".into() }),
        ("displaced", E::Displaced { order, held: picks(), allocated: smallvec![] }),
        ("reclassified", E::Reclassified { pick: pick(), from: Unsellable::Free, to: Unsellable::Damaged }),
        ("lot_expired", E::LotExpired { pick: pick() }),
        ("written_off", E::WrittenOff { pick: pick(), from: Unsellable::Expired, reason: "old".into() }),
        ("transferred_out", E::TransferredOut { pick: pick(), to: main_hall() }),
        ("transferred_in", E::TransferredIn { location: main_hall(), lot: lot(), expires_at: Some(TIME), quantity: 2 }),
        ("transfer_lost", E::TransferLost { quantity: 1 }),
        ("handled", E::Handled { order, step: 3 }),
        (
            "announced_dated",
            E::Announced { quantity: 500, available_from: Some(TIME), reference: Some("ship-7".into()) },
        ),
        ("announcement_withdrawn", E::AnnouncementWithdrawn { quantity: 5, reference: Some("ship-7".into()) }),
        ("announcement_withdrawn_plain", E::AnnouncementWithdrawn { quantity: 5, reference: None }),
        ("unpromised", E::Unpromised { order, quantity: 2 }),
        ("shipped_short", E::ShippedShort { order, quantity: 1 }),
        ("drawn", E::Drawn { seed: [7; 32] }),
        ("not_drawn", E::NotDrawn { order, quantity: 2 }),
        (
            "held_from",
            E::Held {
                order,
                picks: picks(),
                backordered: 5,
                settled: false,
                buyer: None,
                tentative: false,
                context: Some(Box::new(HoldContext {
                    region: Some(Region::new("north").unwrap()),
                    sourcing: Some(SourcingStrategy::FewestParcels),
                })),
            },
        ),
        (
            "defined_sourced",
            defined(|definition| {
                let locations = vec![main_hall()];
                definition.sourcing = Some(Box::new(SourcingPlan { strategy: SourcingStrategy::Nearest, locations }));
                definition.preorder = true;
            }),
        ),
        (
            "defined_waiting_list",
            defined(|definition| {
                definition.admission = Some(Box::new(Admission::WaitingList { offer_seconds: 600 }));
            }),
        ),
        ("defined_pro_rata", defined(|definition| definition.admission = Some(Box::new(Admission::ProRata)))),
        (
            "defined_lottery",
            defined(|definition| {
                let (opens_at, closes_at) = (TIME, TIME.plus_seconds(60));
                let lottery = Lottery { opens_at, closes_at, seed_commitment: [9; 32], refuse_losers: true };
                definition.admission = Some(Box::new(Admission::Lottery(lottery)));
            }),
        ),
        (
            "defined_kit",
            defined(|definition| {
                definition.kit = Some(Box::new(vec![KitPart { sku: sku(), quantity: 2 }]));
            }),
        ),
        ("untold", E::Untold { order }),
        ("heard", E::Heard { order }),
    ]
}

/// What somebody is warned of, and the level that he names.
fn alarms() -> [(&'static str, StockEvent); 3] {
    [
        ("low_stock", StockEvent::LowStock { available: 3, level: 5 }),
        ("oversold_risk", StockEvent::OversoldRisk { backordered: 300, incoming: 100 }),
        ("defined_low_stock_level", defined(|definition| definition.low_stock_level = Some(5))),
    ]
}

fn defined(change: impl FnOnce(&mut Definition)) -> StockEvent {
    let mut definition = Definition::new("x", eur("1.00"));
    change(&mut definition);
    StockEvent::Defined(Box::new(definition))
}

fn market() -> Vec<(&'static str, StockEvent)> {
    use MarketEvent as E;
    let (order, id) = (order_id(), bid_id());
    let rules = MarketRules {
        tick: Amount(100),
        lot: 5,
        band: Some((Amount(1), Amount(900_000))),
        self_trade: SelfTrade::Decrement,
        commission_bps: 0,
    };
    let offered = E::Offered {
        id,
        seller: ann(),
        quantity: 7,
        unit_price: Amount(90_000),
        body_digest: 11,
        at: TIME,
        expires_at: Some(TIME),
        serials: None,
    };
    let serials = || Some(Box::new(vec![Serial::new("s1").unwrap(), Serial::new("s 2").unwrap()]));
    let numbered = E::Offered {
        id,
        seller: ann(),
        quantity: 2,
        unit_price: Amount(90_000),
        body_digest: 11,
        at: TIME,
        expires_at: None,
        serials: serials(),
    };
    let bid = E::Bid {
        id,
        customer: ann(),
        quantity: 7,
        limit_price: Amount(90_000),
        payment: BidPayment::Wallet,
        body_digest: 11,
        at: TIME,
        expires_at: None,
        seller: Some(ann()),
    };
    let by_card = E::Bid {
        id,
        customer: ann(),
        quantity: 7,
        limit_price: Amount(90_000),
        payment: BidPayment::Card { token: "tok_1".into() },
        body_digest: 11,
        at: TIME,
        expires_at: Some(TIME),
        seller: None,
    };
    let terms = Terms { expires_at: Some(TIME), minimum: 2, source: Source::Seller(Owner(3)), ..Terms::default() };
    let events = vec![
        BookEvent::Placed { id, owner: Owner(4), side: Side::Demand, price: 90_000, quantity: 7, ordinal: 8, terms },
        BookEvent::Filled {
            fill: FillId(6),
            maker: Maker::Order(id),
            taker: id,
            side: Side::Supply,
            price: 90_000,
            quantity: 2,
        },
        BookEvent::Ended { id, quantity: 5, reason: EndReason::Expired },
    ];
    let fills = || smallvec![ClaimFill { fill: FillId(6), quantity: 2 }];
    let claims = smallvec![NewClaim { number: 1, seller: ann(), unit_price: Amount(90_000), fills: fills(), line: 3 }];
    let (buyer, reason) = (Some(ann()), ReleaseReason::Expired);
    let claimed = E::Claimed { order, claims, settled: true, buyer: buyer.clone(), tentative: true, bid: Some(id) };
    let all = [
        ("market_opened", E::Opened(rules)),
        ("market_offered", offered),
        ("market_bid", bid),
        ("market_bid_by_card", by_card),
        ("market_traded", E::Traded { first: 9, events }),
        ("market_claimed", claimed),
        ("market_claims_confirmed", E::ClaimsConfirmed { order }),
        ("market_claims_settled", E::ClaimsSettled { order }),
        ("market_claim_released", E::ClaimReleased { order, claim: 1, fills: fills(), reason }),
        ("market_claim_shipped", E::ClaimShipped { order, claim: 1, fills: fills(), serials: None }),
        ("market_claim_returned", E::ClaimReturned { order, claim: 1, quantity: 2, buyer }),
        ("market_forgotten", E::Forgotten { ids: vec![id] }),
        ("market_offered_numbered", numbered),
        ("market_claim_shipped_numbered", E::ClaimShipped { order, claim: 1, fills: fills(), serials: serials() }),
    ];
    all.into_iter().map(|(label, event)| (label, StockEvent::Market(Box::new(event)))).collect()
}
