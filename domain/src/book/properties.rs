//! What holds whatever is asked of a book.

use proptest::prelude::*;

use super::*;
use crate::Timestamp;

type Step = (BookCommand<u64>, Context);

fn quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![8 => 1_u64..8, 1 => 8_u64..30, 1 => Just(0_u64)]
}

fn price() -> impl Strategy<Value = Price> {
    prop_oneof![20 => 95_i64..105, 1 => Just(-1_i64), 1 => Just(80_i64)]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Supply), Just(Side::Demand)]
}

fn owner() -> impl Strategy<Value = Owner> {
    (0_u32..4).prop_map(Owner)
}

fn self_trade() -> impl Strategy<Value = SelfTrade> {
    prop_oneof![
        Just(SelfTrade::Allow),
        Just(SelfTrade::CancelNewest),
        Just(SelfTrade::CancelOldest),
        Just(SelfTrade::CancelBoth),
        Just(SelfTrade::Decrement),
    ]
}

fn time_in_force() -> impl Strategy<Value = TimeInForce> {
    prop_oneof![
        5 => Just(TimeInForce::Gtc),
        1 => (1_i64..60).prop_map(|time| TimeInForce::Gtd(Timestamp(time))),
        2 => Just(TimeInForce::Ioc),
        1 => Just(TimeInForce::Fok),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![8 => Just(Source::Anyone), 1 => Just(Source::House), 1 => owner().prop_map(Source::Seller)]
}

fn place() -> impl Strategy<Value = BookCommand<u64>> {
    let wishes = (
        time_in_force(),
        prop::bool::weighted(0.1),
        prop_oneof![5 => Just(0_u64), 1 => 2_u64..12],
        source(),
        prop_oneof![8 => Just(None), 1 => (0_u64..4).prop_map(Some)],
        prop::option::weighted(0.1, self_trade()),
    );
    let body = (0_u64..40, owner(), side(), prop::option::weighted(0.9, price()), quantity());
    (body, wishes).prop_map(|((id, owner, side, price, quantity), wishes)| {
        let (time_in_force, post_only, minimum, source, displayed, self_trade) = wishes;
        let source = if side == Side::Supply { Source::Anyone } else { source };
        BookCommand::Place(Place {
            id,
            owner,
            side,
            price,
            quantity,
            time_in_force,
            post_only,
            minimum,
            source,
            displayed,
            self_trade,
        })
    })
}

fn command() -> impl Strategy<Value = BookCommand<u64>> {
    let fill = || (0_u64..60).prop_map(FillId);
    prop_oneof![
        30 => place(),
        5 => (0_u64..40).prop_map(|id| BookCommand::Cancel { id }),
        4 => (0_u64..40, quantity()).prop_map(|(id, by)| BookCommand::Reduce { id, by }),
        5 => (0_u64..40, prop::option::of(price()), prop::option::of(quantity()))
            .prop_map(|(id, price, quantity)| BookCommand::Amend { id, price, quantity }),
        1 => (prop::option::of(owner()), prop::option::of(side()))
            .prop_map(|(owner, side)| BookCommand::CancelAll { owner, side }),
        2 => Just(BookCommand::Expire),
        8 => (fill(), quantity()).prop_map(|(fill, quantity)| BookCommand::Settle { fill, quantity }),
        12 => (fill(), quantity(), side())
            .prop_map(|(fill, quantity, returns)| BookCommand::Release { fill, quantity, returns }),
        4 => Just(BookCommand::HouseChanged),
        1 => prop::option::of(Just(Band { low: 90, high: 103 })).prop_map(|band| BookCommand::SetBand { band }),
        1 => Just(BookCommand::OpenAuction),
        2 => price().prop_map(|reference| BookCommand::Uncross { reference }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let house = prop::option::of((95_i64..105, 0_u64..12).prop_map(|(price, available)| House { price, available }));
    let step = (command(), house, 0_i64..2);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut now = 0;
        let later = |(command, house, later)| {
            now += later;
            (command, Context { now: Timestamp(now), house })
        };
        steps.into_iter().map(later).collect()
    })
}

fn config() -> impl Strategy<Value = BookConfig> {
    let fills = prop_oneof![3 => Just(FillMode::Hold), 1 => Just(FillMode::Immediate)];
    let allocation = prop_oneof![3 => Just(Allocation::PriceTime), 1 => Just(Allocation::ProRata)];
    let unfillable_head = prop_oneof![Just(UnfillableHead::Skip), Just(UnfillableHead::Block)];
    (fills, allocation, unfillable_head, self_trade(), prop_oneof![4 => Just(1_u64), 1 => Just(2_u64)]).prop_map(
        |(fills, allocation, unfillable_head, self_trade, lot)| BookConfig {
            fills,
            allocation,
            unfillable_head,
            self_trade,
            lot,
            ..BookConfig::default()
        },
    )
}

/// The same command without wishes that let somebody be passed over.
fn plain(command: BookCommand<u64>) -> BookCommand<u64> {
    match command {
        BookCommand::Place(place) => BookCommand::Place(Place {
            minimum: 0,
            source: Source::Anyone,
            displayed: None,
            self_trade: Some(SelfTrade::Allow),
            ..place
        }),
        BookCommand::OpenAuction => BookCommand::Expire,
        other => other,
    }
}

/// Asserts that a fill went to who was first: `book` is the book before it.
fn assert_fair(book: &Book<u64>, event: &BookEvent<u64>) {
    let BookEvent::Filled { maker, taker, side, price, .. } = *event else { return };
    let best = book.orders(side.opposite());
    match maker {
        Maker::Order(id) => assert_eq!(best.first().map(|order| order.id), Some(id), "the maker is the first in line"),
        Maker::House => assert!(best.first().is_none_or(|order| order.price >= price), "the house is no dearer"),
    }
    // Whoever would pay this price too and stands before the taker has been overtaken.
    for order in book.orders(side).into_iter().take_while(|order| order.id != taker) {
        let accepts = if side == Side::Demand { order.price >= price } else { order.price <= price };
        assert!(!accepts, "{order:?} was overtaken in {event:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn after_each_command_all_identities_hold_and_the_replayed_book_is_the_live_one(
        config in config(), steps in steps(),
    ) {
        let (mut live, mut replayed) = (Book::new(config), Book::new(config));
        for (command, context) in steps {
            let before = live.image();
            let mut events = Vec::new();
            let outcome = live.execute(&command, &context, &mut events);
            live.check();
            if outcome.is_err() {
                prop_assert!(events.is_empty(), "{command:?} was refused and emitted {events:?}");
                prop_assert_eq!(&before, &live.image(), "{:?} was refused and changed the book", command);
            }
            events.iter().for_each(|event| replayed.apply(event));
            replayed.check();
            prop_assert_eq!(live.image(), replayed.image(), "{:?} told {:?}", command, events);
        }
    }

    #[test]
    fn a_book_written_down_and_read_again_goes_on_as_if_nothing_happened(config in config(), steps in steps()) {
        let mut live = Book::new(config);
        for (command, context) in steps {
            let bytes = minicbor::to_vec(&live).unwrap();
            let mut restored: Book<u64> = minicbor::decode(&bytes).unwrap();
            restored.check();
            prop_assert_eq!(live.image(), restored.image());
            let (mut told, mut again) = (Vec::new(), Vec::new());
            let outcome = live.execute(&command, &context, &mut told);
            prop_assert_eq!(outcome, restored.execute(&command, &context, &mut again));
            prop_assert_eq!(told, again);
        }
    }

    #[test]
    fn a_preview_tells_the_fills_that_placing_makes(config in config(), steps in steps()) {
        let mut book = Book::new(config);
        for (command, context) in steps {
            let mut events = Vec::new();
            let preview = match &command {
                BookCommand::Place(place) => Some((place.id, book.preview(place, &context))),
                _ => None,
            };
            let outcome = book.execute(&command, &context, &mut events);
            let Some((placed, preview)) = preview else { continue };
            let Ok(fills) = preview else { prop_assert_eq!(preview.err(), outcome.err()); continue };
            // Further fills may follow in which others take: they are not the order's own.
            let made: Vec<_> = events.iter().filter_map(|event| match *event {
                BookEvent::Filled { maker, taker, price, quantity, .. } if taker == placed => {
                    Some(PreviewFill { maker, price, quantity })
                }
                _ => None,
            }).collect();
            prop_assert_eq!(&made[..fills.len().min(made.len())], &fills[..]);
        }
    }

    #[test]
    fn who_offers_the_better_price_or_came_first_is_served_first_and_newcomers_never_overtake(
        hold in any::<bool>(), steps in steps(),
    ) {
        let fills = if hold { FillMode::Hold } else { FillMode::Immediate };
        let config = BookConfig { fills, ..BookConfig::default() };
        let (mut live, mut replayed) = (Book::new(config), Book::new(config));
        for (command, context) in steps {
            // Whenever the house changes, those who wait are served before anybody else comes.
            for command in [BookCommand::HouseChanged, plain(command)] {
                let mut events = Vec::new();
                // Both commands see the same house, so the second one is left what the first did not take.
                let house = context.house.filter(|_| command == BookCommand::HouseChanged);
                let _ = live.execute(&command, &Context { house, ..context }, &mut events);
                for event in &events {
                    assert_fair(&replayed, event);
                    replayed.apply(event);
                }
            }
        }
    }

    #[test]
    fn units_are_neither_made_nor_lost(config in config(), steps in steps()) {
        let mut book = Book::new(config);
        // What each fill holds, by the events alone.
        let mut held = std::collections::BTreeMap::new();
        let mut came_back_in_parts = false;
        for (command, context) in steps {
            let mut events = Vec::new();
            let _ = book.execute(&command, &context, &mut events);
            let mut house = context.house.map_or(0, |house| house.available);
            if let BookCommand::Release { returns: Side::Supply, quantity, .. } = command {
                house += quantity;
            }
            if let BookCommand::Release { quantity, .. } = command {
                came_back_in_parts |= quantity % config.lot != 0;
            }
            for event in events {
                match event {
                    BookEvent::Filled { fill, maker, quantity, .. } => {
                        prop_assert!(quantity > 0);
                        prop_assert!(came_back_in_parts || quantity % config.lot == 0);
                        if maker == Maker::House {
                            prop_assert!(quantity <= house, "the house gave more than it has");
                            house -= quantity;
                        }
                        prop_assert_eq!(held.insert(fill, quantity), None, "a fill's number was used again");
                    }
                    BookEvent::Settled { fill, quantity } | BookEvent::Released { fill, quantity, .. } => {
                        let left = held.get_mut(&fill).expect("only what is held ends");
                        prop_assert!(quantity <= *left);
                        *left -= quantity;
                    }
                    _ => {}
                }
            }
            if config.fills == FillMode::Hold {
                for (fill, quantity) in &held {
                    prop_assert_eq!(book.fill(*fill).map_or(0, |fill| fill.held), *quantity);
                }
            }
        }
    }
}
