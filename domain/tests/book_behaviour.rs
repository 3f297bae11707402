//! One suite of the book's rules, run against the fast book and the naive one.

#[path = "support/naive_book/mod.rs"]
mod naive_book;

use naive_book::NaiveBook;
use stockade_domain::Timestamp;
use stockade_domain::book::{
    Allocation, Book, BookCommand, BookConfig, BookEvent, BookRefusal, Context, EndReason, FillId, House, Maker,
    Matcher, Owner, Place, SelfTrade, Side, Source, TimeInForce, UnfillableHead,
};

use Side::{Demand, Supply};

/// A book under test, with what surrounds it.
struct Bench<B> {
    book: B,
    context: Context,
}

impl<B: Matcher<u64>> Bench<B> {
    fn new(book: B) -> Self {
        Self { book, context: Context::default() }
    }

    fn run(&mut self, command: BookCommand<u64>) -> Result<Vec<BookEvent<u64>>, BookRefusal> {
        let mut events = Vec::new();
        let done = self.book.execute(&command, &self.context, &mut events);
        self.book.check();
        done.map(|()| events)
    }

    fn place(&mut self, place: Place<u64>) -> Vec<(Maker<u64>, i64, u64)> {
        fills(&self.run(BookCommand::Place(place)).expect("it is accepted"))
    }

    fn limit(&mut self, id: u64, side: Side, price: i64, quantity: u64) -> Vec<(Maker<u64>, i64, u64)> {
        self.place(Place::limit(id, side, price, quantity))
    }

    fn knows(&self, id: u64) -> bool {
        self.book.order(id).is_some()
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.book.next_due()
    }

    fn open(&self, id: u64) -> u64 {
        self.book.order(id).map_or(0, |order| order.open)
    }
}

/// Maker, price and quantity of every fill.
fn fills(events: &[BookEvent<u64>]) -> Vec<(Maker<u64>, i64, u64)> {
    let fill = |event: &BookEvent<u64>| match *event {
        BookEvent::Filled { maker, price, quantity, .. } => Some((maker, price, quantity)),
        _ => None,
    };
    events.iter().filter_map(fill).collect()
}

const fn of(id: u64) -> Maker<u64> {
    Maker::Order(id)
}

fn ioc(place: Place<u64>) -> Place<u64> {
    Place { time_in_force: TimeInForce::Ioc, ..place }
}

/// Each rule becomes two tests: of the fast book and of the naive one.
macro_rules! rules {
    ($($rule:ident $config:expr => $body:expr;)*) => {
        mod fast {
            use super::*;
            $(#[test] fn $rule() { ($body)(&mut Bench::new(Book::new($config))); })*
        }
        mod naive {
            use super::*;
            $(#[test] fn $rule() { ($body)(&mut Bench::new(NaiveBook::new($config))); })*
        }
    };
}

rules! {
    the_best_price_is_served_first_and_the_oldest_at_one_price BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 11, 5);
        bench.limit(2, Supply, 10, 2);
        bench.limit(3, Supply, 10, 2);
        assert_eq!(bench.limit(4, Demand, 11, 6), [(of(2), 10, 2), (of(3), 10, 2), (of(1), 11, 2)]);
    };
    the_house_comes_before_every_offer_of_equal_price BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 9, 1);
        bench.limit(2, Supply, 10, 5);
        bench.context.house = Some(House { price: 10, available: 3 });
        assert_eq!(bench.place(ioc(Place::limit(3, Demand, 10, 5))), [(of(1), 9, 1), (Maker::House, 10, 3), (of(2), 10, 1)]);
    };
    a_line_that_names_a_seller_passes_everybody_else_over BookConfig::exchange() => |bench: &mut Bench<_>| {
        for (id, owner) in [(1, 1), (2, 2), (3, 2)] {
            bench.place(Place { owner: Owner(owner), ..Place::limit(id, Supply, 10, 2) });
        }
        let place = Place { source: Source::Seller(Owner(2)), ..Place::limit(4, Demand, 10, 3) };
        assert_eq!(bench.place(ioc(place)), [(of(2), 10, 2), (of(3), 10, 1)]);
    };
    nobody_is_never_the_seller_who_was_named BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 2);
        let place = Place { source: Source::Seller(Owner::NOBODY), ..Place::limit(2, Demand, 10, 1) };
        assert_eq!(bench.place(ioc(place)), []);
    };
    fill_or_kill_takes_all_or_is_refused BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 3);
        let place = Place { time_in_force: TimeInForce::Fok, ..Place::limit(2, Demand, 10, 4) };
        assert_eq!(bench.run(BookCommand::Place(place)), Err(BookRefusal::Unfillable { available: 3 }));
        assert_eq!(bench.place(Place { quantity: 3, ..place }), [(of(1), 10, 3)]);
    };
    a_reduced_order_keeps_its_place_and_an_increased_one_loses_it BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 5);
        bench.limit(2, Supply, 10, 5);
        bench.run(BookCommand::Reduce { id: 1, by: 3 }).unwrap();
        assert_eq!(bench.place(ioc(Place::limit(3, Demand, 10, 1))), [(of(1), 10, 1)]);
        bench.run(BookCommand::Amend { id: 1, price: None, quantity: Some(6) }).unwrap();
        assert_eq!(bench.place(ioc(Place::limit(4, Demand, 10, 6))), [(of(2), 10, 5), (of(1), 10, 1)]);
    };
    released_units_regain_their_place_before_those_who_came_meanwhile BookConfig::default() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 2);
        bench.place(ioc(Place::limit(2, Demand, 10, 2)));
        bench.limit(3, Supply, 10, 2);
        bench.run(BookCommand::Release { fill: FillId(1), quantity: 2, returns: Supply }).unwrap();
        assert_eq!(bench.place(ioc(Place::limit(4, Demand, 10, 3))), [(of(1), 10, 2), (of(3), 10, 1)]);
    };
    released_units_are_offered_at_once_to_the_next_in_line BookConfig::default() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 2);
        bench.place(ioc(Place::limit(2, Demand, 10, 2)));
        bench.limit(3, Demand, 10, 1);
        bench.limit(4, Demand, 12, 1);
        let events = bench.run(BookCommand::Release { fill: FillId(1), quantity: 2, returns: Supply }).unwrap();
        let takers: Vec<u64> = events.iter().filter_map(|event| match event {
            BookEvent::Filled { taker, .. } => Some(*taker),
            _ => None,
        }).collect();
        assert_eq!(takers, [4, 3], "the better price first");
    };
    units_of_a_cancelled_maker_do_not_come_back BookConfig::default() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 2);
        bench.place(ioc(Place::limit(2, Demand, 10, 2)));
        bench.run(BookCommand::Cancel { id: 1 }).unwrap();
        let released = bench.run(BookCommand::Release { fill: FillId(1), quantity: 2, returns: Supply }).unwrap();
        assert!(matches!(released[..], [BookEvent::Released { reopened: 0, .. }]), "{released:?}");
        assert!(!bench.knows(1));
    };
    a_reduction_beyond_the_open_units_waits_for_what_comes_back BookConfig::default() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 5);
        bench.place(ioc(Place::limit(2, Demand, 10, 4)));
        bench.run(BookCommand::Reduce { id: 1, by: 3 }).unwrap();
        bench.run(BookCommand::Release { fill: FillId(1), quantity: 4, returns: Supply }).unwrap();
        assert_eq!(bench.open(1), 2);
    };
    an_order_with_a_minimum_waits_until_it_is_there BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.place(Place { minimum: 5, ..Place::limit(1, Demand, 10, 5) });
        assert_eq!(bench.limit(2, Supply, 10, 3), []);
        assert_eq!(bench.limit(3, Supply, 10, 3), [(of(2), 10, 3), (of(3), 10, 2)], "together they are enough");
    };
    a_minimum_of_one_unit_is_no_wish_and_needs_no_whole_lot BookConfig { lot: 3, ..BookConfig::exchange() } => |bench: &mut Bench<_>| {
        let place = Place { minimum: 1, owner: Owner(1), ..Place::limit(1, Supply, 10, 3) };
        assert_eq!(bench.place(place), []);
        assert_eq!(bench.place(Place { id: 2, time_in_force: TimeInForce::Gtd(Timestamp(9)), ..place }), []);
    };
    an_unfillable_head_is_passed_over_if_the_policy_says_so BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.place(Place { minimum: 5, ..Place::limit(1, Supply, 9, 5) });
        bench.limit(2, Supply, 10, 2);
        assert_eq!(bench.place(ioc(Place::limit(3, Demand, 10, 2))), [(of(2), 10, 2)]);
    };
    an_unfillable_head_stops_the_taker_if_the_policy_says_so
        BookConfig { unfillable_head: UnfillableHead::Block, ..BookConfig::exchange() } => |bench: &mut Bench<_>| {
        bench.place(Place { minimum: 5, ..Place::limit(1, Supply, 9, 5) });
        bench.limit(2, Supply, 10, 2);
        assert_eq!(bench.place(ioc(Place::limit(3, Demand, 10, 2))), []);
    };
    whoever_cannot_trade_because_of_its_minimum_is_not_cancelled_for_trading_with_itself
        BookConfig { self_trade: SelfTrade::CancelOldest, ..BookConfig::exchange() } => |bench: &mut Bench<_>| {
        bench.place(Place { owner: Owner(1), minimum: 9, ..Place::limit(1, Supply, 10, 9) });
        assert_eq!(bench.place(ioc(Place { owner: Owner(1), ..Place::limit(2, Demand, 10, 8) })), []);
        assert_eq!(bench.open(1), 9);
    };
    proportional_shares_add_up_and_the_largest_remainders_get_what_is_left
        BookConfig { allocation: Allocation::ProRata, ..BookConfig::exchange() } => |bench: &mut Bench<_>| {
        for (id, quantity) in [(1, 6), (2, 3), (3, 1)] {
            bench.limit(id, Supply, 10, quantity);
        }
        let taken = bench.place(ioc(Place::limit(4, Demand, 10, 5)));
        assert_eq!(taken, [(of(1), 10, 3), (of(2), 10, 2)], "3, 1.5 and 0.5: the older remainder first");
    };
    an_order_ends_when_its_time_has_come_and_not_before BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.place(Place { time_in_force: TimeInForce::Gtd(Timestamp(5)), ..Place::limit(1, Supply, 10, 2) });
        assert_eq!(bench.next_due(), Some(Timestamp(5)));
        bench.context.now = Timestamp(4);
        assert_eq!(bench.run(BookCommand::Expire), Ok(vec![]));
        bench.context.now = Timestamp(5);
        let ended = BookEvent::Ended { id: 1, quantity: 2, reason: EndReason::Expired };
        assert_eq!(bench.run(BookCommand::Expire), Ok(vec![ended]));
    };
    what_a_reduction_and_a_sale_left_nothing_of_does_not_expire BookConfig::default() => |bench: &mut Bench<_>| {
        let gtd = Place { time_in_force: TimeInForce::Gtd(Timestamp(5)), ..Place::limit(1, Supply, 10, 7) };
        bench.place(gtd);
        bench.place(ioc(Place::limit(2, Demand, 10, 7)));
        bench.run(BookCommand::Reduce { id: 1, by: 6 }).unwrap();
        bench.run(BookCommand::Settle { fill: FillId(1), quantity: 3 }).unwrap();
        assert_eq!(bench.next_due(), None);
    };
    an_iceberg_shows_its_next_slice_at_the_end_of_the_line BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.place(Place { displayed: Some(2), ..Place::limit(1, Supply, 10, 5) });
        bench.limit(2, Supply, 10, 2);
        assert_eq!(bench.place(ioc(Place::limit(3, Demand, 10, 5))), [(of(1), 10, 2), (of(2), 10, 2), (of(1), 10, 1)]);
    };
    a_post_only_order_is_refused_rather_than_trade BookConfig::exchange() => |bench: &mut Bench<_>| {
        bench.limit(1, Supply, 10, 1);
        let place = Place { post_only: true, ..Place::limit(2, Demand, 10, 1) };
        assert_eq!(bench.run(BookCommand::Place(place)), Err(BookRefusal::WouldTrade));
        assert_eq!(bench.place(Place { price: Some(9), ..place }), []);
    };
    a_mass_cancellation_ends_only_what_it_names BookConfig::exchange() => |bench: &mut Bench<_>| {
        for (id, owner, side, price) in [(1, 1, Supply, 11), (2, 2, Supply, 11), (3, 1, Demand, 9)] {
            bench.place(Place { owner: Owner(owner), ..Place::limit(id, side, price, 1) });
        }
        bench.run(BookCommand::CancelAll { owner: Some(Owner(1)), side: Some(Supply) }).unwrap();
        assert_eq!([bench.open(1), bench.open(2), bench.open(3)], [0, 1, 1]);
    };
}
