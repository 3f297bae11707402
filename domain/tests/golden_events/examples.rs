//! One example of every event, every field filled; a second where an empty field is written otherwise.

use smallvec::smallvec;
use stockade_domain::account::{AccountEvent, Backing};
use stockade_domain::book::{BookEvent, EndReason, FillId, Maker, Owner, SelfTrade, Side, Source, Terms};
use stockade_domain::entity::{EntityKind, Event, RemoteStep};
use stockade_domain::ledger::{LedgerAccount, LedgerEvent};
use stockade_domain::name::Region;
use stockade_domain::order::{
    AppliedDiscount, AppliedUse, Charge, ChargeKind, LineClaim, LineUnits, OrderEvent, PlacedLine, PlannedPayment,
    Promoted, ReturnedLine,
};
use stockade_domain::payment::gateway::ActionKind;
use stockade_domain::payment::{Method, PaymentEvent};
use stockade_domain::promotion::action::Off;
use stockade_domain::promotion::condition::Window;
use stockade_domain::promotion::pricing::Target;
use stockade_domain::promotion::rule::{Basis, Limits};
use stockade_domain::promotion::uses::{Subject, Terms as UsesTerms, Use, UsesEvent};
use stockade_domain::promotion::{Action, Condition, CouponCode, Label, Promotion, PromotionId};
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

const TIME: Timestamp = Timestamp(1_700_000_000_123_456);

/// Every example, in the order of the recording.
pub fn all() -> Vec<Example> {
    let stock = stock().into_iter().chain(market()).map(|(label, event)| (label, Event::Stock(event)));
    let order = order().into_iter().map(|(label, event)| (label, Event::Order(event)));
    let payment = payment().into_iter().map(|(label, event)| (label, Event::Payment(event)));
    let account = account().into_iter().map(|(label, event)| (label, Event::Account(event)));
    let ledger = ledger().into_iter().map(|(label, event)| (label, Event::Ledger(event)));
    let uses = uses().into_iter().map(|(label, event)| (label, Event::Uses(event)));
    let all = stock.chain(order).chain(payment).chain(account).chain(ledger).chain(uses);
    all.map(|(label, event)| Example { label, event }).collect()
}

fn order_id() -> OrderId {
    OrderId::new(TIME, 0x0123_4567_89ab_cdef)
}

fn payment_id() -> PaymentId {
    PaymentId::new(TIME, 0xfedc_ba98_7654_3210)
}

fn ann() -> CustomerId {
    CustomerId::new("ann@example.org").unwrap()
}

fn sku() -> SkuId {
    SkuId::new("SKU-1").unwrap()
}

fn bid_id() -> BookOrderId {
    BookOrderId::new(TIME, 0x0bad_cafe)
}

fn main_hall() -> Location {
    Location::new("main hall").unwrap()
}

fn lot() -> Option<Lot> {
    Some(Lot::new("L7").unwrap())
}

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

fn picks() -> Picks {
    smallvec![Pick { bin: 0, quantity: 3 }, Pick { bin: 300, quantity: 1_000_000_000 }]
}

fn pick() -> Pick {
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

fn order() -> Vec<(&'static str, OrderEvent)> {
    use OrderEvent as E;
    let line = PlacedLine {
        sku: sku(),
        quantity: 5,
        unit_price: Amount(99_901),
        filled: 3,
        backordered: 1,
        kit: None,
        claim: None,
        discount: Amount::ZERO,
    };
    let units = || smallvec![LineUnits { line: 0, quantity: 2 }, LineUnits { line: 1999, quantity: 1 }];
    let planned = |method| PlannedPayment { method, amount: Amount(100_000), reference: None };
    let placed = E::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: smallvec![line.clone(), line],
        charges: smallvec![Charge { kind: ChargeKind::Fee, money: eur("2.50") }],
        payments: smallvec![planned(Method::Wallet), planned(Method::Card)],
        hold_expires_at: TIME,
        body_digest: u64::MAX,
        attempt: 2,
        waiting: false,
        bid: None,
        promoted: None,
    };
    let bare = E::Placed {
        customer: None,
        purchaser_key: Some(ann()),
        currency: "JPY".parse().unwrap(),
        lines: smallvec![],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: None,
        promoted: None,
    };
    let returned = ReturnedLine { line: 0, quantity: 1, disposition: Disposition::WriteOff };
    let kit = Some(Box::new(vec![KitPart { sku: sku(), quantity: 2 }]));
    let kits = PlacedLine {
        sku: sku(),
        quantity: 1,
        unit_price: Amount(5),
        filled: 0,
        backordered: 1,
        kit,
        claim: None,
        discount: Amount::ZERO,
    };
    let waiting = E::Placed {
        customer: None,
        purchaser_key: Some(ann()),
        currency: "EUR".parse().unwrap(),
        lines: smallvec![kits],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: true,
        bid: None,
        promoted: None,
    };
    let claim = Some(Box::new(LineClaim { number: 2, seller: ann() }));
    let of_seller = PlacedLine {
        sku: sku(),
        quantity: 4,
        unit_price: Amount(90_000),
        filled: 4,
        backordered: 0,
        kit: None,
        claim,
        discount: Amount::ZERO,
    };
    let bought = E::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: smallvec![of_seller],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: Some(Box::new(bid_id())),
        promoted: None,
    };
    let amount = Amount(-12_300);
    let mut all = vec![
        ("placed", placed),
        ("placed_bare", bare),
        ("payments_started", E::PaymentsStarted { payments: smallvec![planned(Method::External)] }),
        ("payment_secured", E::PaymentSecured { number: 1 }),
        ("paid_outside", E::PaidOutside { number: 0 }),
        ("payment_failed", E::PaymentFailed { number: 1, reason: "no funds".into() }),
        ("extended", E::Extended { hold_expires_at: TIME }),
        ("cancel_requested", E::CancelRequested),
        ("cancelled", E::Cancelled { lines: units(), whole: false }),
        ("expired", E::Expired),
        ("refused", E::Refused { reason: "no funds".into() }),
        ("backorder_filled", E::BackorderFilled { lines: units() }),
        ("displaced", E::Displaced { lines: units() }),
        ("shipped", E::Shipped { lines: units(), tracking: Some("T-1".into()) }),
        ("delivered", E::Delivered),
        ("returned", E::Returned { lines: smallvec![returned], refund: Amount(33_300) }),
        ("refund_granted", E::RefundGranted { amount, reason: "late".into() }),
        ("refunded", E::Refunded { number: 0, amount, done: true }),
        ("refund_started", E::RefundStarted { number: 0, amount }),
        ("step_done", E::StepDone { step: 8 }),
        ("placed_waiting", waiting),
        ("bought", bought),
        ("completed", E::Completed),
        ("offered", E::Offered { lines: units(), hold_expires_at: TIME }),
        ("shipped_short", E::ShippedShort { sku: sku(), quantity: 2 }),
        ("part_missing", E::PartMissing { line: 1, part: 2, missing: 3 }),
    ];
    let owed = |(step, (label, to))| (label, E::StepOwed { step, to: Box::new(to) });
    all.extend((0u32..).zip(steps()).map(owed));
    all.push(("placed_promoted", promoted()));
    all.extend((9u32..).zip(steps_of_uses()).map(owed));
    all
}

fn steps() -> Vec<(&'static str, RemoteStep)> {
    use RemoteStep as S;
    let (customer, payment) = (ann(), payment_id());
    let (reason, disposition) = (ReleaseReason::Aborted, Disposition::Restock);
    vec![
        ("step_confirm", S::Confirm { sku: sku() }),
        ("step_settle", S::Settle { sku: sku() }),
        ("step_release_all", S::ReleaseAll { sku: sku(), reason }),
        ("step_release", S::Release { sku: sku(), filled: 2, backordered: 1, reason }),
        ("step_ship", S::Ship { sku: sku(), quantity: 2 }),
        ("step_return", S::Return { sku: sku(), quantity: 2, disposition, buyer: Some(ann()) }),
        ("step_account_settle", S::AccountSettle { customer: customer.clone(), payment }),
        ("step_account_release", S::AccountRelease { customer: customer.clone(), payment }),
        ("step_account_refund", S::AccountRefund { customer, payment, refund: 1, money: eur("1.00") }),
    ]
}

fn steps_of_uses() -> Vec<(&'static str, RemoteStep)> {
    let subject = || Subject::Promotion(PromotionId::new("welcome").unwrap());
    vec![
        ("step_uses_settle", RemoteStep::UsesSettle { subject: subject() }),
        ("step_uses_release", RemoteStep::UsesRelease { subject: subject(), round: 1 }),
        ("step_uses_give_back", RemoteStep::UsesGiveBack { subject: subject() }),
    ]
}

fn payment() -> Vec<(&'static str, PaymentEvent)> {
    use PaymentEvent as E;
    let credential = Some("tok_1".into());
    let money = eur("19.99");
    vec![
        (
            "created",
            E::Created {
                order: order_id(),
                method: Method::Card,
                money,
                payer: Some(ann()),
                credential,
                capture_later: false,
            },
        ),
        (
            "created_plain",
            E::Created {
                order: order_id(),
                method: Method::External,
                money,
                payer: None,
                credential: None,
                capture_later: false,
            },
        ),
        ("paid", E::Paid { reference: Some("ch_1".into()) }),
        ("paid_plain", E::Paid { reference: None }),
        ("failed", E::Failed { reason: "no funds".into(), timeout: false }),
        ("void_started", E::VoidStarted),
        ("refund_requested", E::RefundRequested { number: 1, amount: Amount(10_000) }),
        ("refunded", E::Refunded { number: 1 }),
        ("refund_failed", E::RefundFailed { number: 1, reason: "closed".into() }),
        ("retry_scheduled", E::RetryScheduled { attempt: 3, at: TIME }),
        (
            "opened",
            E::Opened {
                order: order_id(),
                method: Method::External,
                money,
                payer: None,
                credential: Some("till 4".into()),
            },
        ),
        (
            "created_for_later",
            E::Created {
                order: order_id(),
                method: Method::Card,
                money,
                payer: None,
                credential: Some("tok_1".into()),
                capture_later: true,
            },
        ),
        ("authorized", E::Authorized { amount: Amount(199_900), reference: "au_1".into(), expires_at: Some(TIME) }),
        ("authorized_plain", E::Authorized { amount: Amount(199_900), reference: "au_1".into(), expires_at: None }),
        ("capture_started", E::CaptureStarted { number: 1, amount: Amount(100_000) }),
        ("captured", E::Captured { number: 1, moved: Amount(100_000), reference: "cp_1".into() }),
        ("capture_failed", E::CaptureFailed { number: 2, reason: "gone".into() }),
        ("cancelled", E::Cancelled { reason: "let go".into(), after_capture: false }),
        ("action_required", E::ActionRequired { kind: ActionKind::Authentication, next: "https://bank".into() }),
        ("action_done", E::ActionDone),
        ("queued", E::Queued { attempt: 2, at: TIME }),
        ("given_up", E::GivenUp { attempt: 16, reason: "timeout".into() }),
        ("resumed", E::Resumed),
        ("renewal_started", E::RenewalStarted { number: 1 }),
        ("renewed", E::Renewed { number: 1, expires_at: Some(TIME) }),
        ("lapsed", E::Lapsed { reason: "too late".into() }),
        ("authentication_failed", E::AuthenticationFailed { reason: "wrong code".into() }),
        ("integrity_broken", E::IntegrityBroken { asked: Amount(100_000), moved: Amount(100_001) }),
        ("late_success", E::LateSuccess { reference: "ch_2".into() }),
        ("abandon_noted", E::AbandonNoted),
        ("settlement_sent", E::SettlementSent),
        ("settled", E::Settled),
        ("refund_reversed", E::RefundReversed { number: 1 }),
        ("dispute_opened", E::DisputeOpened { amount: Amount(100_000), reference: "dp_1".into() }),
        ("dispute_won", E::DisputeWon),
        ("dispute_lost", E::DisputeLost),
        ("charged_back", E::ChargedBack { amount: Amount(100_000) }),
    ]
}

fn account() -> Vec<(&'static str, AccountEvent)> {
    use AccountEvent as E;
    let payment = payment_id();
    vec![
        ("credited", E::Credited { money: eur("50.00"), reference: Some("gift".into()) }),
        ("held", E::Held { payment, amount: Amount(30_000) }),
        ("settled", E::Settled { payment }),
        ("released", E::Released { payment }),
        ("spent", E::Spent { payment, amount: Amount(30_000) }),
        ("refunded", E::Refunded { payment, refund: 2, money: eur("3.00") }),
        ("set_aside", E::SetAside { payment, amount: Amount(7_500), backing: Backing { sku: sku(), bid: bid_id() } }),
    ]
}

fn ledger() -> Vec<(&'static str, LedgerEvent)> {
    let (debit, credit) = (LedgerAccount::BadDebt, LedgerAccount::Receivable);
    vec![("entered", LedgerEvent::Entered { debit, credit, money: eur("-11.06"), memo: "A563187".into() })]
}

fn uses() -> Vec<(&'static str, UsesEvent)> {
    use UsesEvent as E;
    let order = order_id();
    let taken = Use { amount: Amount(12_300), customer: Some(ann()), round: 1 };
    let terms = UsesTerms {
        limits: Limits { uses: Some(100), per_customer: Some(1), budget: Some(Amount(1_000_000)) },
        currency: Some("EUR".parse().unwrap()),
        window: Window { from: Some(TIME), until: Some(TIME) },
        batch: Some(Label::new("spring").unwrap()),
        revoked: false,
    };
    let promotion = Box::new(Promotion {
        id: PromotionId::new("welcome").unwrap(),
        version: 3,
        name: Label::new("300 less 50").unwrap(),
        priority: -1,
        lane: Label::new("order").unwrap(),
        exclusive: vec![Label::new("welcome").unwrap()],
        window: Window { from: Some(TIME), until: None },
        coupon: vec![Label::new("spring").unwrap()],
        currency: Some("EUR".parse().unwrap()),
        when: vec![Condition::NewCustomer(true)],
        then: Action::Order(Off { amount: Some(Amount(500_000)), ..Off::default() }),
        basis: Basis::Net,
        cap: Some(Amount(400_000)),
        limits: terms.limits.clone(),
        stop: true,
        refusal: Some(Label::new("not for you").unwrap()),
    });
    vec![
        ("defined", E::Defined { terms }),
        ("held", E::Held { order, taken }),
        ("settled", E::Settled { order }),
        ("released", E::Released { order }),
        ("given_back", E::GivenBack { order }),
        ("promoted", E::Promoted { promotion }),
    ]
}

/// An order with everything that promotions leave in it.
fn promoted() -> OrderEvent {
    let line = PlacedLine {
        sku: sku(),
        quantity: 2,
        unit_price: Amount(100_000),
        filled: 2,
        backordered: 0,
        kit: None,
        claim: None,
        discount: Amount(12_300),
    };
    let promotion = || PromotionId::new("welcome").unwrap();
    let off = |target| AppliedDiscount { promotion: promotion(), target, amount: Amount(12_300) };
    let promoted = Promoted {
        version: 7,
        discounts: vec![off(Target::Line(0)), off(Target::Charge(1))],
        uses: vec![
            AppliedUse { subject: Subject::Coupon(CouponCode::new("SPRING-1").unwrap()), amount: Amount::ZERO },
            AppliedUse { subject: Subject::Promotion(promotion()), amount: Amount(24_600) },
        ],
        gifts: 1,
        round: 2,
    };
    OrderEvent::Placed {
        customer: None,
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: smallvec![line],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: None,
        promoted: Some(Box::new(promoted)),
    }
}

/// How many events a kind has. A new event does not compile below until it is counted here and has an example.
pub fn variants(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Sku => 27,
        EntityKind::Order => 24,
        EntityKind::Payment => 33,
        EntityKind::Account => 7,
        EntityKind::Ledger => 1,
        EntityKind::Promotion => 6,
        // The same as a promotion's.
        EntityKind::Coupon => 0,
    }
}

/// The number of an event among those of its kind, as the journal writes it.
pub fn number(event: &Event) -> usize {
    match event {
        Event::Stock(event) => number_of_stock(event),
        Event::Order(event) => number_of_order(event),
        Event::Payment(event) => match event {
            PaymentEvent::Created { .. } => 0,
            PaymentEvent::Paid { .. } => 1,
            PaymentEvent::Failed { .. } => 2,
            PaymentEvent::VoidStarted => 3,
            PaymentEvent::RefundRequested { .. } => 4,
            PaymentEvent::Refunded { .. } => 5,
            PaymentEvent::RefundFailed { .. } => 6,
            PaymentEvent::RetryScheduled { .. } => 7,
            PaymentEvent::Opened { .. } => 8,
            PaymentEvent::Authorized { .. } => 9,
            PaymentEvent::CaptureStarted { .. } => 10,
            PaymentEvent::Captured { .. } => 11,
            PaymentEvent::CaptureFailed { .. } => 12,
            PaymentEvent::Cancelled { .. } => 13,
            PaymentEvent::ActionRequired { .. } => 14,
            PaymentEvent::ActionDone => 15,
            PaymentEvent::Queued { .. } => 16,
            PaymentEvent::GivenUp { .. } => 17,
            PaymentEvent::Resumed => 18,
            PaymentEvent::RenewalStarted { .. } => 19,
            PaymentEvent::Renewed { .. } => 20,
            PaymentEvent::Lapsed { .. } => 21,
            PaymentEvent::AuthenticationFailed { .. } => 22,
            PaymentEvent::IntegrityBroken { .. } => 23,
            PaymentEvent::LateSuccess { .. } => 24,
            PaymentEvent::AbandonNoted => 25,
            PaymentEvent::SettlementSent => 26,
            PaymentEvent::Settled => 27,
            PaymentEvent::RefundReversed { .. } => 28,
            PaymentEvent::DisputeOpened { .. } => 29,
            PaymentEvent::DisputeWon => 30,
            PaymentEvent::DisputeLost => 31,
            PaymentEvent::ChargedBack { .. } => 32,
        },
        Event::Account(event) => match event {
            AccountEvent::Credited { .. } => 0,
            AccountEvent::Held { .. } => 1,
            AccountEvent::Settled { .. } => 2,
            AccountEvent::Released { .. } => 3,
            AccountEvent::Spent { .. } => 4,
            AccountEvent::Refunded { .. } => 5,
            AccountEvent::SetAside { .. } => 6,
        },
        Event::Ledger(LedgerEvent::Entered { .. }) => 0,
        Event::Uses(event) => match event {
            UsesEvent::Defined { .. } => 0,
            UsesEvent::Held { .. } => 1,
            UsesEvent::Settled { .. } => 2,
            UsesEvent::Released { .. } => 3,
            UsesEvent::GivenBack { .. } => 4,
            UsesEvent::Promoted { .. } => 5,
        },
    }
}

fn number_of_stock(event: &StockEvent) -> usize {
    match event {
        StockEvent::Defined(_) => 0,
        StockEvent::Announced { .. } => 1,
        StockEvent::Received { .. } => 2,
        StockEvent::Held { .. } => 3,
        StockEvent::Confirmed { .. } => 4,
        StockEvent::Settled { .. } => 5,
        StockEvent::Released { .. } => 6,
        StockEvent::BackorderFilled { .. } => 7,
        StockEvent::BackorderCancelled { .. } => 8,
        StockEvent::Shipped { .. } => 9,
        StockEvent::Returned { .. } => 10,
        StockEvent::AdjustedUp { .. } => 11,
        StockEvent::AdjustedDown { .. } => 12,
        StockEvent::Displaced { .. } => 13,
        StockEvent::Reclassified { .. } => 14,
        StockEvent::LotExpired { .. } => 15,
        StockEvent::WrittenOff { .. } => 16,
        StockEvent::TransferredOut { .. } => 17,
        StockEvent::TransferredIn { .. } => 18,
        StockEvent::TransferLost { .. } => 19,
        StockEvent::Handled { .. } => 20,
        StockEvent::AnnouncementWithdrawn { .. } => 21,
        StockEvent::Unpromised { .. } => 22,
        StockEvent::ShippedShort { .. } => 23,
        StockEvent::Drawn { .. } => 24,
        StockEvent::NotDrawn { .. } => 25,
        StockEvent::Market(_) => 26,
    }
}

fn number_of_order(event: &OrderEvent) -> usize {
    match event {
        OrderEvent::Placed { .. } => 0,
        OrderEvent::PaymentsStarted { .. } => 1,
        OrderEvent::PaymentSecured { .. } => 2,
        OrderEvent::PaymentFailed { .. } => 3,
        OrderEvent::Extended { .. } => 4,
        OrderEvent::CancelRequested => 5,
        OrderEvent::Cancelled { .. } => 6,
        OrderEvent::Expired => 7,
        OrderEvent::Refused { .. } => 8,
        OrderEvent::BackorderFilled { .. } => 9,
        OrderEvent::Displaced { .. } => 10,
        OrderEvent::Shipped { .. } => 11,
        OrderEvent::Delivered => 12,
        OrderEvent::Returned { .. } => 13,
        OrderEvent::RefundGranted { .. } => 14,
        OrderEvent::Refunded { .. } => 15,
        OrderEvent::StepOwed { .. } => 16,
        OrderEvent::StepDone { .. } => 17,
        OrderEvent::RefundStarted { .. } => 18,
        OrderEvent::PaidOutside { .. } => 19,
        OrderEvent::Offered { .. } => 20,
        OrderEvent::ShippedShort { .. } => 21,
        OrderEvent::PartMissing { .. } => 22,
        OrderEvent::Completed => 23,
    }
}
