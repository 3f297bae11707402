//! What the fault switch costs: off, armed at another port, and armed where it looks and does not strike.
//!
//! `cargo bench -p stockade-benches --bench faults`. Off must cost what the bare relaxed load beside it costs.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use criterion::{Criterion, criterion_group, criterion_main};
use stockade_actors::faults::{Delay, DiskFault, Fault, FaultRule, Faults, MailboxFault, Occasion, Port, Sender};
use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_domain::payment::gateway::{GatewayOutcome, Operation};
use stockade_domain::{PaymentId, SkuId};
use stockade_sync::Inbox;

/// As ports ask.
fn strike(faults: &Faults, sku: &SkuId) -> bool {
    faults.is_armed(Port::Mailbox) && look_up(faults, sku)
}

#[cold]
fn look_up(faults: &Faults, sku: &SkuId) -> bool {
    faults.strike(Port::Mailbox, |_| true, || Occasion::of("place", format!("sku/{sku}"))).is_some()
}

fn switch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("switch");
    let (faults, sku) = (Faults::default(), SkuId::new("SKU001").expect("a name"));
    let bare = AtomicU8::new(0);
    group.bench_function("a bare relaxed load", |bencher| {
        bencher.iter(|| black_box(&bare).load(Ordering::Relaxed) & 1 != 0);
    });
    group.bench_function("off", |bencher| bencher.iter(|| strike(black_box(&faults), &sku)));
    faults.arm(vec![FaultRule::always(Fault::Disk(DiskFault::Slow(Delay::fixed(1))))]);
    group.bench_function("armed at another port", |bencher| bencher.iter(|| strike(black_box(&faults), &sku)));
    let mut rule = FaultRule::always(Fault::Mailbox(MailboxFault::Drop));
    rule.select.key = Some("OTHER*".into());
    faults.arm(vec![rule]);
    group.bench_function("armed, somebody else is selected", |bencher| {
        bencher.iter(|| strike(black_box(&faults), &sku));
    });
    group.finish();
}

fn message() -> Incoming {
    let outcome = GatewayOutcome::Unknown { reason: String::new() };
    Incoming::Gateway { payment: PaymentId::from_bytes([7; 16]), operation: Operation::Void, outcome }
}

fn mailbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox");
    let (faults, inbox) = (Arc::new(Faults::default()), Arc::new(Inbox::new()));
    let bare = Mailbox::new(Arc::clone(&inbox), Arc::new(|| {}));
    let switched = bare.through(&faults, Sender::Client, 0);
    let mut out = VecDeque::new();
    for (name, door) in [("without a port", &bare), ("through the switch, off", &switched)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                door.send(message());
                inbox.drain(&mut out, usize::MAX);
                out.clear();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, switch, mailbox);
criterion_main!(benches);
