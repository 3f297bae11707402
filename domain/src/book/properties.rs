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
}
