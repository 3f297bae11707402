//! Models of the sold-out gauge: old news never replaces newer.

use loom::sync::Arc;
use loom::thread;
use stockade_loom_tests::broken::sold_out_gauge::{Gauges, LooksThenWrites};
use stockade_loom_tests::model::{Witness, prove};
use stockade_loom_tests::refuted;
use stockade_loom_tests::sold_out_gauge::SoldOutGauge;

/// "Sold out at 1" and "units came back at 2" are published out of order, and a customer looks.
fn late_news_is_ignored<G: Gauges>(refused: &Witness) {
    let gauge = Arc::new(G::new());
    let publishers = [(1, true), (2, false)].map(|(as_of, sold_out)| {
        let gauge = gauge.clone();
        thread::spawn(move || gauge.publish(as_of, sold_out))
    });
    if let Some(as_of) = gauge.read() {
        assert_eq!(as_of, 1, "a refusal says at which sequence it was so");
        refused.saw();
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    assert_eq!(gauge.read(), None, "units that came back can be had");
}

#[test]
fn a_gauge_ends_at_the_latest_news_in_whatever_order_it_came() {
    let refused = Witness::of("a customer is refused at 1");
    let model = refused.clone();
    prove(move || late_news_is_ignored::<SoldOutGauge>(&model));
    refused.must_have_been_seen();
}

refuted!(a_twin_that_looks_before_it_writes_refuses_for_ever, "units that came back can be had", || {
    late_news_is_ignored::<LooksThenWrites>(&Witness::of("anything"))
});

/// "Sold out at 1" is published late; whoever has published 2 looks at the gauge.
fn it_never_runs_backward<G: Gauges>() {
    let gauge = Arc::new(G::new());
    let late = {
        let gauge = gauge.clone();
        thread::spawn(move || gauge.publish(1, true))
    };
    gauge.publish(2, true);
    assert_eq!(gauge.read(), Some(2), "the gauge runs backward");
    late.join().unwrap();
}

#[test]
fn a_gauge_never_runs_backward() {
    prove(it_never_runs_backward::<SoldOutGauge>);
}

refuted!(
    a_twin_that_looks_before_it_writes_runs_backward,
    "the gauge runs backward",
    it_never_runs_backward::<LooksThenWrites>
);
