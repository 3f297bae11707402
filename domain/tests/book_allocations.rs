//! A warm book never allocates: a long day of trade costs no memory and no pauses.

use allocation_counter::measure;
use stockade_domain::book::{
    Allocation, Book, BookCommand, BookConfig, BookEvent, Context, Matcher, Place, Side, TimeInForce,
};

/// A small generator with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A day of trade: 40 % resting adds, 30 % cancels, 30 % immediate orders; fills are settled or released.
struct Day {
    book: Book<u64>,
    events: Vec<BookEvent<u64>>,
    random: Random,
    next: u64,
    trades: u64,
    /// Orders that were placed and not cancelled; some are filled by now.
    placed: Vec<u64>,
}

/// So many orders are placed and not cancelled at most: the day has no trend.
const PLACED_MAX: usize = 2_000;

/// More orders than ever stand at one price after that.
const LINE_MAX: u64 = 512;

impl Day {
    fn new(config: BookConfig) -> Self {
        let (book, events) = (Book::new(config), Vec::with_capacity(1024));
        Self {
            book,
            events,
            random: Random(0x9E37_79B9_7F4A_7C15),
            next: 0,
            trades: 0,
            placed: Vec::with_capacity(PLACED_MAX),
        }
    }

    fn run(&mut self, command: BookCommand<u64>) {
        let _ = self.book.execute(&command, &Context::default(), &mut self.events);
    }

    fn command(&mut self) -> BookCommand<u64> {
        let side = if self.random.below(2) == 0 { Side::Supply } else { Side::Demand };
        let away = self.random.below(50) as i64;
        let kind = if self.placed.len() == PLACED_MAX { 4 } else { self.random.below(10) };
        match kind {
            4..=6 if !self.placed.is_empty() => {
                let at = self.random.below(self.placed.len() as u64) as usize;
                BookCommand::Cancel { id: self.placed.swap_remove(at) }
            }
            kind => {
                self.next += 1;
                let rests = kind < 7;
                if rests {
                    self.placed.push(self.next);
                }
                let price = if (side == Side::Supply) == rests { 1_001 + away } else { 999 - away };
                let limit = Place::limit(self.next, side, price, 1 + self.random.below(20));
                let time_in_force = if rests { TimeInForce::Gtc } else { TimeInForce::Ioc };
                BookCommand::Place(Place { time_in_force, ..limit })
            }
        }
    }

    /// The longest line of the day, shared out but for a unit.
    fn crowd(&mut self) {
        for _ in 0..LINE_MAX {
            self.next += 1;
            self.run(BookCommand::Place(Place::limit(self.next, Side::Supply, 1_001, 1)));
        }
        self.events.clear();
        self.next += 1;
        let taker = Place::limit(self.next, Side::Demand, 1_001, LINE_MAX - 1);
        self.run(BookCommand::Place(Place { time_in_force: TimeInForce::Ioc, ..taker }));
        for at in 0..self.events.len() {
            let BookEvent::Filled { fill, quantity, .. } = self.events[at] else { continue };
            self.run(BookCommand::Settle { fill, quantity });
        }
    }

    fn trade(&mut self, commands: usize) {
        for _ in 0..commands {
            let command = self.command();
            self.events.clear();
            self.run(command);
            for at in 0..self.events.len() {
                let BookEvent::Filled { fill, quantity, .. } = self.events[at] else { continue };
                self.trades += 1;
                if self.random.below(2) == 0 {
                    self.run(BookCommand::Settle { fill, quantity });
                } else {
                    self.run(BookCommand::Release { fill, quantity, returns: Side::Supply });
                }
            }
        }
    }
}

#[test]
fn a_warm_book_allocates_nothing_per_command() {
    let pro_rata = BookConfig { allocation: Allocation::ProRata, ..BookConfig::exchange() };
    for config in [BookConfig::exchange(), BookConfig::default(), pro_rata] {
        let mut day = Day::new(config);
        day.crowd();
        day.trade(100_000);
        let warm = day.trades;
        let allocations = measure(|| day.trade(50_000)).count_total;
        assert!(day.trades > warm + 10_000, "there was trade: {}", day.trades);
        assert_eq!(allocations, 0, "{config:?}");
        day.book.check();
    }
}

#[test]
fn the_counter_counts() {
    assert!(measure(|| drop(std::hint::black_box(vec![1_u8; 64]))).count_total > 0);
}
