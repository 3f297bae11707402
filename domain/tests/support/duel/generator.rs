//! Random commands from a seed: every order type and every command, over few ids and prices so that they meet.

use stockade_domain::Timestamp;
use stockade_domain::book::{
    Allocation, Band, BookCommand, BookConfig, FillId, FillMode, House, Owner, Place, SelfTrade, Side, Source,
    TimeInForce, UnfillableHead,
};

use super::Step;

/// SplitMix64: the same numbers on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0, below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const SELF_TRADES: [SelfTrade; 5] =
    [SelfTrade::Allow, SelfTrade::CancelNewest, SelfTrade::CancelOldest, SelfTrade::CancelBoth, SelfTrade::Decrement];

/// The rules of a seed's book.
pub fn config(seed: u64) -> BookConfig {
    let mut dice = Dice::new(!seed);
    BookConfig {
        tick: dice.one_of(&[1, 1, 5]),
        lot: dice.one_of(&[1, 1, 3]),
        band: dice.one_in(4).then_some(Band { low: 470, high: 530 }),
        fills: dice.one_of(&[FillMode::Hold, FillMode::Hold, FillMode::Immediate]),
        allocation: dice.one_of(&[Allocation::PriceTime, Allocation::PriceTime, Allocation::ProRata]),
        unfillable_head: dice.one_of(&[UnfillableHead::Skip, UnfillableHead::Block]),
        self_trade: dice.one_of(&SELF_TRADES),
    }
}

/// The steps of a seed.
pub fn steps(seed: u64, config: &BookConfig, length: usize) -> Vec<Step> {
    let mut generator = Generator { dice: Dice::new(seed), config: *config, now: 0, fills: 0, mood: 0 };
    (0..length).map(|at| generator.step(at)).collect()
}

struct Generator {
    dice: Dice,
    config: BookConfig,
    now: i64,
    /// A guess at how many fills there are: an upper bound is of no use, a rough place is.
    fills: u64,
    /// Which extras this stretch of commands goes in for.
    mood: u64,
}

impl Generator {
    fn step(&mut self, at: usize) -> Step {
        if at.is_multiple_of(64) {
            self.mood = self.dice.below(4);
        }
        self.now += self.dice.below(3) as i64;
        let house_changes = self.dice.one_in(24);
        let house = house_changes.then(|| self.house());
        let command = if house_changes { BookCommand::HouseChanged } else { self.command() };
        Step { now: Timestamp(self.now), house, command }
    }

    fn house(&mut self) -> House {
        let available = self.dice.below(30) * self.config.lot;
        House { price: self.price(), available }
    }

    fn price(&mut self) -> i64 {
        let ticks = self.dice.below(9) as i64 - 4;
        if self.dice.one_in(200) {
            self.dice.one_of(&[-1, 3, 501, 9_000, i64::MAX])
        } else {
            500 + ticks * self.config.tick
        }
    }

    fn quantity(&mut self) -> u64 {
        if self.dice.one_in(200) {
            return self.dice.one_of(&[0, 1, 2, 1 << 54, u64::MAX]);
        }
        (1 + self.dice.below(20)) * self.config.lot
    }

    fn id(&mut self) -> u64 {
        1 + self.dice.below(48)
    }

    fn owner(&mut self) -> Owner {
        Owner(self.dice.below(5) as u32)
    }

    fn side(&mut self) -> Side {
        self.dice.one_of(&[Side::Supply, Side::Demand])
    }

    fn fill(&mut self) -> FillId {
        FillId((self.fills + 2).saturating_sub(self.dice.below(24)))
    }

    fn command(&mut self) -> BookCommand<u64> {
        match self.dice.below(100) {
            0..46 => {
                self.fills += self.dice.below(2);
                BookCommand::Place(self.place())
            }
            46..55 => BookCommand::Cancel { id: self.id() },
            55..61 => BookCommand::Reduce { id: self.id(), by: self.quantity() },
            61..69 => {
                let (price, quantity) = (self.dice.one_in(2), self.dice.one_in(2));
                let (price, quantity) = (price.then(|| self.price()), quantity.then(|| self.quantity()));
                BookCommand::Amend { id: self.id(), price, quantity }
            }
            69..71 if self.dice.one_in(4) => {
                let owner = self.dice.one_in(2).then(|| self.owner());
                BookCommand::CancelAll { owner, side: self.dice.one_in(2).then(|| self.side()) }
            }
            69..75 => BookCommand::Expire,
            75..83 => BookCommand::Settle { fill: self.fill(), quantity: self.quantity() },
            83..97 => BookCommand::Release { fill: self.fill(), quantity: self.quantity(), returns: self.side() },
            97 if self.mood == 1 => BookCommand::OpenAuction,
            98 => BookCommand::Uncross { reference: 495 + self.dice.below(11) as i64 },
            99 if self.dice.one_in(8) => {
                let low = 480 + self.dice.below(20) as i64;
                let band = self.dice.one_in(2).then(|| Band { low, high: low + self.dice.below(40) as i64 - 2 });
                BookCommand::SetBand { band }
            }
            _ => BookCommand::HouseChanged,
        }
    }

    fn place(&mut self) -> Place<u64> {
        let (id, side, price, quantity) = (self.id(), self.side(), self.price(), self.quantity());
        let mut place = Place { owner: self.owner(), ..Place::limit(id, side, price, quantity) };
        place.time_in_force = match self.dice.below(10) {
            0..5 => TimeInForce::Gtc,
            5 => TimeInForce::Gtd(Timestamp(self.now + self.dice.below(60) as i64)),
            6..9 => TimeInForce::Ioc,
            _ => TimeInForce::Fok,
        };
        if self.dice.one_in(12) {
            place.price = None;
        }
        place.post_only = self.dice.one_in(12);
        if self.mood & 1 == 1 && self.dice.one_in(4) {
            place.minimum = if self.dice.one_in(3) { quantity } else { self.quantity() };
        }
        if self.mood & 2 == 2 && self.dice.one_in(4) {
            place.displayed = Some(self.quantity());
        }
        if side == Side::Demand && self.dice.one_in(5) || self.dice.one_in(60) {
            place.source = if self.dice.one_in(2) { Source::House } else { Source::Seller(self.owner()) };
        }
        if self.dice.one_in(10) {
            place.self_trade = Some(self.dice.one_of(&SELF_TRADES));
        }
        place
    }
}
