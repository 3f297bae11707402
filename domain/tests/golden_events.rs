//! Old journals keep opening: one recorded example of every event of format version 1.
//!
//! `golden_events/version_1.hex` is what the first released format wrote. A line of it never changes and never goes;
//! a new event, or a new optional field, adds a line.

mod golden_events {
    pub mod examples;
    pub mod numbers;
    mod orders;
    mod payments;
    mod promotions;
}

use golden_events::examples::{self, Example};
use golden_events::numbers;
use stockade_domain::entity::{EntityKind, Event};

const VERSION_1: &str = include_str!("golden_events/version_1.hex");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn encode(event: &Event) -> Vec<u8> {
    match event {
        Event::Stock(event) => minicbor::to_vec(event),
        Event::Order(event) => minicbor::to_vec(event),
        Event::Payment(event) => minicbor::to_vec(event),
        Event::Account(event) => minicbor::to_vec(event),
        Event::Ledger(event) => minicbor::to_vec(event),
        Event::Uses(event) => minicbor::to_vec(event),
    }
    .expect("writing to memory cannot fail")
}

fn kind_of(event: &Event) -> EntityKind {
    match event {
        Event::Stock(_) => EntityKind::Sku,
        Event::Order(_) => EntityKind::Order,
        Event::Payment(_) => EntityKind::Payment,
        Event::Account(_) => EntityKind::Account,
        Event::Ledger(_) => EntityKind::Ledger,
        Event::Uses(_) => EntityKind::Promotion,
    }
}

/// The recorded lines: kind, label, bytes.
fn recorded() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines = VERSION_1.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<_> = line.split(' ').collect();
            let [kind, label, bytes] = parts[..] else { panic!("kind, label and bytes: {line}") };
            (kind, label, unhex(bytes))
        })
        .collect()
}

#[test]
fn a_journal_of_version_1_reads_as_it_was_written() {
    let examples = examples::all();
    let recorded = recorded();
    assert_eq!(recorded.len(), examples.len(), "one line for each example; now they are:\n{}", fixture(&examples));
    for (Example { label, event }, (kind, recorded_label, bytes)) in examples.iter().zip(recorded) {
        assert_eq!((kind, recorded_label), (kind_of(event).name(), *label));
        let read = Event::decode_all(kind_of(event), &bytes).unwrap_or_else(|error| panic!("{kind} {label}: {error}"));
        assert_eq!(read, std::slice::from_ref(event), "{kind} {label}");
    }
}

#[test]
fn what_is_written_today_is_still_version_1() {
    let now = fixture(&examples::all());
    let then: String =
        recorded().iter().map(|(kind, label, bytes)| format!("{kind} {label} {}\n", hex(bytes))).collect();
    assert_eq!(now, then);
}

#[test]
fn every_event_has_an_example() {
    let examples = examples::all();
    for kind in EntityKind::ALL.map(|(kind, _)| kind) {
        let of_kind = examples.iter().filter(|example| kind_of(&example.event) == kind);
        let mut numbers: Vec<_> = of_kind.map(|example| numbers::number(&example.event)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let all: Vec<_> = (0..numbers::variants(kind)).collect();
        assert_eq!(numbers, all, "{} events", kind.name());
    }
}

/// Who buys, and which payments have no actor, is read from a record without decoding it.
#[test]
fn what_query_models_want_of_an_order_is_read_from_its_first_event_alone() {
    use stockade_domain::order::PlacedHead;
    let mut placed = 0;
    for Example { label, event } in examples::all() {
        let bytes = encode(&event);
        let Event::Order(event) = event else { continue };
        let wanted = PlacedHead::of(&event);
        placed += usize::from(wanted.is_some());
        assert_eq!(PlacedHead::peek(&bytes), wanted, "{label}");
    }
    assert!(placed > 0 && PlacedHead::peek(&[]).is_none());
}

/// Whoever follows events by their public names can tell them apart.
#[test]
fn a_public_name_is_one_events_alone() {
    for kind in EntityKind::ALL.map(|(kind, _)| kind) {
        let mut names: Vec<(&str, usize)> = examples::all()
            .iter()
            .filter(|example| kind_of(&example.event) == kind)
            .map(|example| (example.event.name(), numbers::number(&example.event)))
            .collect();
        names.sort_unstable();
        names.dedup();
        let is_word = |name: &str| name.len() > 2 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(names.iter().all(|(name, _)| is_word(name)), "{names:?}");
        // A payment that nobody has to be asked for is secured like any other; uses were told otherwise before they were
        // only counted.
        let is_shared = |name: &str| matches!(name, "payment_secured" | "settled" | "given_back");
        assert!(names.windows(2).all(|pair| pair[0].0 != pair[1].0 || is_shared(pair[0].0)), "{names:?}");
    }
}

#[test]
fn an_event_is_written_under_its_number() {
    for Example { label, event } in examples::all() {
        let bytes = encode(&event);
        let mut decoder = minicbor::Decoder::new(&bytes);
        assert_eq!(decoder.array().unwrap(), Some(2), "{label}");
        assert_eq!(decoder.u32().unwrap() as usize, numbers::number(&event), "{label}");
    }
}

#[test]
fn a_record_of_several_events_is_read_in_order_and_a_torn_one_is_an_error() {
    let examples = examples::all();
    let of_orders: Vec<_> =
        examples.iter().map(|example| &example.event).filter(|event| kind_of(event) == EntityKind::Order).collect();
    let bytes: Vec<u8> = of_orders.iter().flat_map(|event| encode(event)).collect();
    let read = Event::decode_all(EntityKind::Order, &bytes).unwrap();
    assert_eq!(read.iter().collect::<Vec<_>>(), of_orders);
    let last = encode(of_orders.last().expect("there are some")).len();
    for cut in 1..last {
        assert!(Event::decode_all(EntityKind::Order, &bytes[..bytes.len() - cut]).is_err(), "{cut} bytes are missing");
    }
    assert!(Event::decode_all(EntityKind::Order, &[0xff]).is_err());
}

fn fixture(examples: &[Example]) -> String {
    let line =
        |Example { label, event }: &Example| format!("{} {label} {}\n", kind_of(event).name(), hex(&encode(event)));
    examples.iter().map(line).collect()
}
