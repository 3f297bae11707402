//! Clocks that jump and drift: engine time never runs backwards, and what is due is due by it.

use stockade::NewOrder;
use stockade::chaos::{ClockFault, Fault, FaultSpec};

use super::shop::{START, Shop};

fn arm(shop: &Shop, fault: ClockFault) {
    shop.arm([FaultSpec::always(Fault::Clock(fault))]);
}

#[test]
fn a_clock_that_jumps_ahead_ends_what_is_due_and_nothing_else() {
    let shop = Shop::open(2);
    let unpaid = shop.engine.place(NewOrder::one("a", 1)).wait().unwrap().id;
    arm(&shop, ClockFault::StepForward { ms: 800_000 });
    assert_eq!(shop.engine.now(), START.plus_seconds(800));
    shop.tick();
    assert_eq!(shop.engine.read_order(unpaid).wait().unwrap().status, "awaiting_payment", "it has 900 seconds");
    arm(&shop, ClockFault::StepForward { ms: 1_000_000 });
    while shop.status(unpaid) != "expired" {
        shop.tick();
    }
    assert_eq!(shop.fired("step_forward"), 2);
    shop.disarm();
    assert_eq!(shop.place(&shop.order("a")).unwrap().status, "paid");
    assert_eq!(shop.allocated("a"), 2);
    shop.end();
}

#[test]
fn a_clock_that_jumps_back_turns_no_time_back() {
    let mut shop = Shop::open(2);
    (0..5).for_each(|_| shop.tick());
    let unpaid = shop.engine.place(NewOrder::one("a", 1)).wait().unwrap().id;
    arm(&shop, ClockFault::StepBack { ms: 3_600_000 });
    assert!(shop.engine.now() < START);
    for _ in 0..3 {
        assert_eq!(shop.place(&shop.order("a")).unwrap().status, "paid");
    }
    assert_eq!(shop.fired("step_back"), 1);
    // Whoever opens it while its clock is an hour behind goes on from where its journal is.
    shop = shop.reopen();
    assert_eq!(shop.place(&shop.order("a")).unwrap().status, "paid");
    shop.disarm();
    shop.clock.advance_seconds(900);
    while shop.status(unpaid) != "expired" {
        shop.tick();
    }
    shop.end();
}

#[test]
fn a_clock_that_drifts_is_off_by_what_has_passed() {
    let shop = Shop::open(1);
    for (ppm, seconds) in [(200_000, 120), (-200_000, 80)] {
        let begun = shop.clock_now();
        arm(&shop, ClockFault::Drift { ppm });
        assert_eq!(shop.engine.now(), begun);
        shop.clock.advance_seconds(100);
        assert_eq!(shop.engine.now(), begun.plus_seconds(seconds));
        assert_eq!(shop.place(&shop.order("a")).unwrap().status, "paid");
        shop.disarm();
        assert_eq!(shop.engine.now(), shop.clock_now());
    }
    assert_eq!(shop.fired("drift"), 2);
    shop.end();
}
