//! A gateway that fails 15 % of its calls for half a minute under load, on the engine's own time: every order comes to an
//! end, nothing is taken twice, and the books are the gateway's.

use std::time::Duration;

use stockade::audit::audit;
use stockade::gateway::{BreakerRules, Fate, GuardedGateway, SimulatedGateway};
use stockade::{Config, Engine, ManualClock, Money, NewOrder, Operation, OrderId, Payment, Sku, Timestamp};
use stockade_domain::ledger::LedgerAccount;

const START: Timestamp = Timestamp(1_790_000_000_000_000);
const LOAD_SECONDS: u32 = 30;
const ORDERS_PER_SECOND: u32 = 100;
/// How long the last order may take.
const END_SECONDS: u32 = 300;

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

/// Fifteen in a hundred calls fail: a third is refused, a third is lost before the effect, a third after it. What is
/// refused is refused for good, so it is decided when a charge comes first.
fn failing(mut seed: u64) -> impl FnMut(&stockade::GatewayCall, u64) -> Fate {
    move |call, before| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        match seed % 100 {
            0..5 if before == 0 && matches!(call.operation, Operation::Charge { .. }) => Fate::Decline,
            5..10 => Fate::LoseRequest,
            10..15 => Fate::LoseAnswer,
            _ => Fate::Answer,
        }
    }
}

fn run(seed: u64, rules: BreakerRules) -> (usize, usize, u64, u32) {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, clock) = (SimulatedGateway::default(), ManualClock::at(START));
    gateway.script(failing(seed));
    let guarded = GuardedGateway::new(gateway.clone(), rules).clock(clock.clone());
    let engine = Engine::open(Config::at(dir.path()).gateway(guarded).clock(clock.clone())).unwrap();
    // Whoever is declined after the shop has taken the order may pay otherwise for as long as his units are held.
    engine.put_sku(Sku::new("mug", eur("10.00")).hold_ttl_seconds(120)).wait().unwrap();
    let all = u64::from(LOAD_SECONDS * ORDERS_PER_SECOND);
    engine.receive("mug", all).wait().unwrap();

    let (mut open, mut paid, mut refused): (Vec<OrderId>, usize, usize) = (Vec::new(), 0, 0);
    let mut seconds = 0;
    while seconds < LOAD_SECONDS || !open.is_empty() {
        assert!(seconds < LOAD_SECONDS + END_SECONDS, "{} orders have no end", open.len());
        if seconds < LOAD_SECONDS {
            let order = || NewOrder::one("mug", 1).pay(Payment::card("tok"));
            let placed: Vec<_> =
                (0..ORDERS_PER_SECOND).map(|_| engine.place_waiting(order(), Duration::ZERO)).collect();
            open.extend(placed.into_iter().map(|placed| placed.wait().unwrap().id));
        }
        open.retain(|order| match engine.read_order(*order).wait() {
            Ok(order) if order.status == "paid" => {
                paid += 1;
                false
            }
            // Its charge was refused, and nobody has paid it otherwise.
            Ok(order) if order.status == "expired" => {
                refused += 1;
                false
            }
            Ok(_) => true,
            Err(refusal) => panic!("an order that was taken is gone: {refusal}"),
        });
        clock.advance_seconds(1);
        seconds += 1;
    }

    let cards = gateway.cards();
    assert!(cards.iter().all(|(_, card)| card.captures <= 1), "something was taken twice");
    let kept = cards.iter().filter(|(_, card)| card.captured - card.refunded == 100_000).count();
    assert_eq!((kept, paid + refused), (paid, all as usize), "what is paid is what was taken and kept");
    // Every order makes one call that is not a retry.
    let retries = gateway.times_asked_in_all() - all;
    let stock = engine.read_stock("mug").wait().unwrap();
    assert_eq!(stock.0.levels.available, all - paid as u64, "what nobody paid is free again");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(engine.check()).unwrap();
    let books = runtime.block_on(engine.ledger()).unwrap();
    assert_eq!(books.balance("EUR".parse().unwrap(), LedgerAccount::Card), paid as i128 * 100_000);
    runtime.block_on(engine.close()).unwrap();
    drop(engine);
    let report = audit(dir.path(), |_, _| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
    (paid, refused, retries, seconds)
}

fn report(name: &str, (paid, refused, retries, seconds): (usize, usize, u64, u32)) {
    let all = paid + refused;
    let rate = 100.0 * paid as f64 / all as f64;
    println!(
        "{name}: {all} orders, {paid} paid ({rate:.2} %), {refused} refused, {retries} retries, all over after {seconds} s"
    );
}

#[test]
fn every_order_ends_and_nothing_is_taken_twice_while_fifteen_in_a_hundred_calls_fail() {
    let ended = run(0x5eed_cafe, BreakerRules::default());
    report("15 % failing", ended);
    let (paid, refused, retries, seconds) = ended;
    // A charge that is lost before its effect may be refused when it comes again; no more than those are lost.
    assert!(refused * 100 <= (paid + refused) * 8, "{refused} of {} were refused", paid + refused);
    assert!(paid > refused && retries > 0 && seconds >= LOAD_SECONDS);
}

#[test]
fn a_breaker_that_opens_at_every_second_failure_queues_payments_and_loses_no_sale() {
    let rules = BreakerRules { failures: 2, pause_seconds: 2, ..BreakerRules::default() };
    let ended = run(0xfeed_5eed, rules);
    report("15 % failing, nervous breaker", ended);
    let (paid, refused, ..) = ended;
    assert!(refused * 100 <= (paid + refused) * 8, "{refused} of {} were refused", paid + refused);
}
