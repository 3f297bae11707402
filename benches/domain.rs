//! The pure decisions alone: no journal, no threads.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stockade_domain::stock::{Definition, HoldMode, Stock, StockCommand, decide};
use stockade_domain::{Location, Money, OrderId, SkuId, Timestamp};

fn stock() -> Stock {
    let mut stock = Stock::new(SkuId::new("SKU001").expect("a name"));
    let receive = StockCommand::Receive {
        location: Location::main(),
        lot: None,
        expires_at: None,
        quantity: 1_000_000_000,
        unit_cost: None,
    };
    let define = StockCommand::Define(Box::new(Definition::new("x", Money::parse("1.00 EUR").expect("money"))));
    for command in [define, receive] {
        let mut events = Vec::new();
        decide(&stock, &command, Timestamp(0), &mut events).expect("allowed");
        events.iter().for_each(|event| stock.apply(event));
    }
    stock
}

fn run(stock: &mut Stock, command: &StockCommand, events: &mut Vec<stockade_domain::stock::StockEvent>) {
    events.clear();
    decide(stock, command, Timestamp(1), events).expect("allowed");
    events.iter().for_each(|event| stock.apply(event));
}

fn hold_and_settle(c: &mut Criterion) {
    c.bench_function("hold, settle and ship one unit", |bencher| {
        let mut n = 0u128;
        let mut events = Vec::new();
        bencher.iter_batched_ref(
            stock,
            |stock| {
                n += 1;
                let order = OrderId::new(Timestamp(1), n);
                let mode = HoldMode { partial: false, backorder: false };
                let hold = StockCommand::Hold {
                    order,
                    quantity: 1,
                    mode,
                    settled: false,
                    buyer: None,
                    tentative: false,
                    context: None,
                    taking: None,
                };
                run(stock, &hold, &mut events);
                run(stock, &StockCommand::Settle { order }, &mut events);
                run(stock, &StockCommand::Ship { order, quantity: 1 }, &mut events);
            },
            BatchSize::NumIterations(100_000),
        );
    });
}

criterion_group!(benches, hold_and_settle);
criterion_main!(benches);
