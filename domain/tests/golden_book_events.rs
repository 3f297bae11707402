//! Books in old journals keep opening: one recorded example of every fact about a book, in format version 1.
//!
//! A line of `golden_events/book_version_1.hex` never changes and never goes; a new event, or a new optional field,
//! adds a line.

use stockade_domain::book::{Band, BookEvent, EndReason, FillId, Maker, Owner, SelfTrade, Side, Source, Terms};
use stockade_domain::{Quantity, Timestamp};

const VERSION_1: &str = include_str!("golden_events/book_version_1.hex");

const FILL: FillId = FillId(300);
const LARGE: Quantity = 1 << 53;

/// The number of a variant in the journal; a new variant does not compile until it has one, and then wants an example.
fn number(event: &BookEvent<u64>) -> u32 {
    match event {
        BookEvent::Placed { .. } => 0,
        BookEvent::Filled { .. } => 1,
        BookEvent::Ended { .. } => 2,
        BookEvent::Reduced { .. } => 3,
        BookEvent::Amended { .. } => 4,
        BookEvent::Refreshed { .. } => 5,
        BookEvent::Settled { .. } => 6,
        BookEvent::Released { .. } => 7,
        BookEvent::BandSet { .. } => 8,
        BookEvent::AuctionOpened => 9,
        BookEvent::Uncrossed { .. } => 10,
    }
}

const VARIANTS: u32 = 11;

fn placed(side: Side, terms: Terms) -> BookEvent<u64> {
    BookEvent::Placed { id: 70_000, owner: Owner(7), side, price: 1_999, quantity: LARGE, ordinal: 12, terms }
}

fn filled(maker: Maker<u64>, side: Side) -> BookEvent<u64> {
    BookEvent::Filled { fill: FILL, maker, taker: 9, side, price: 1_000, quantity: 24 }
}

fn all_terms() -> Terms {
    Terms {
        expires_at: Some(Timestamp(1_700_000_000_123_456)),
        minimum: 5,
        source: Source::Seller(Owner(8)),
        displayed: Some(10),
        post_only: true,
        self_trade: Some(SelfTrade::Decrement),
    }
}

fn examples() -> Vec<(&'static str, BookEvent<u64>)> {
    let mut examples = vec![
        ("placed", placed(Side::Supply, Terms::default())),
        ("placed-with-all-terms", placed(Side::Demand, all_terms())),
        ("placed-for-the-house", placed(Side::Demand, Terms { source: Source::House, ..Terms::default() })),
        ("filled", filled(Maker::Order(8), Side::Supply)),
        ("filled-from-the-house", filled(Maker::House, Side::Demand)),
        ("reduced", BookEvent::Reduced { id: 1, quantity: 2, reason: EndReason::Cancelled }),
        ("amended", BookEvent::Amended { id: 1, price: 0, quantity: 2, ordinal: 13 }),
        ("refreshed", BookEvent::Refreshed { id: 1, quantity: 2, ordinal: 14 }),
        ("settled", BookEvent::Settled { fill: FILL, quantity: 3 }),
        ("released", BookEvent::Released { fill: FILL, quantity: 3, returns: Side::Demand, reopened: 1 }),
        ("band-set", BookEvent::BandSet { band: Some(Band { low: 1, high: 1_000_000 }) }),
        ("band-lifted", BookEvent::BandSet { band: None }),
        ("auction-opened", BookEvent::AuctionOpened),
        ("uncrossed", BookEvent::Uncrossed { price: Some(500), quantity: 70, imbalance: -3 }),
        ("uncrossed-without-trade", BookEvent::Uncrossed { price: None, quantity: 0, imbalance: 0 }),
    ];
    for (label, reason) in [
        ("ended-cancelled", EndReason::Cancelled),
        ("ended-expired", EndReason::Expired),
        ("ended-immediate", EndReason::Immediate),
        ("ended-self-trade", EndReason::SelfTrade),
    ] {
        examples.push((label, BookEvent::Ended { id: 1, quantity: 2, reason }));
    }
    examples
}

fn line((label, event): &(&str, BookEvent<u64>)) -> String {
    let bytes = minicbor::to_vec(event).expect("writing to memory cannot fail");
    format!("{label} {}\n", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

#[test]
fn facts_about_a_book_are_written_today_as_in_version_1() {
    let now: String = examples().iter().map(line).collect();
    assert!(now == VERSION_1, "now they are:\n{now}");
}

#[test]
fn facts_about_a_book_in_a_journal_of_version_1_read_as_they_were_written() {
    let examples = examples();
    assert_eq!(VERSION_1.lines().count(), examples.len());
    for ((label, event), recorded) in examples.into_iter().zip(VERSION_1.lines()) {
        let (recorded_label, bytes) = recorded.split_once(' ').expect("label and bytes");
        let bytes = unhex(bytes);
        assert_eq!(recorded_label, label);
        assert_eq!(minicbor::decode::<BookEvent<u64>>(&bytes).expect(label), event, "{label}");
        for cut in 0..bytes.len() {
            assert!(minicbor::decode::<BookEvent<u64>>(&bytes[..cut]).is_err(), "{label} torn after {cut}");
        }
    }
}

#[test]
fn every_fact_about_a_book_has_an_example_under_its_number() {
    let mut seen = Vec::new();
    for (label, event) in examples() {
        let bytes = minicbor::to_vec(event).expect("writing to memory cannot fail");
        let mut decoder = minicbor::Decoder::new(&bytes);
        assert_eq!(decoder.array().unwrap(), Some(2), "{label}");
        assert_eq!(decoder.u32().unwrap(), number(&event), "{label}");
        seen.push(number(&event));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..VARIANTS).collect::<Vec<_>>());
}
