//! The commands, from a fixed seed.

use stockade_domain::book::{Book, BookConfig, BookEvent, Context, Maker, Matcher, Side};

use crate::engines::command;

/// A command that every book understands.
#[derive(Clone, Copy)]
pub enum Op {
    Add { id: u64, side: Side, price: i64, quantity: u64 },
    Cancel { id: u64 },
    Take { id: u64, side: Side, price: i64, quantity: u64 },
}

pub struct Mix {
    pub symbols: usize,
    pub prefill: Vec<(u32, Op)>,
    pub ops: Vec<(u32, Op)>,
}

/// One symbol's live orders, and where each is in the list.
struct Live {
    book: Book<u64>,
    ids: Vec<u64>,
    places: std::collections::HashMap<u64, usize>,
}

impl Live {
    fn remove(&mut self, id: u64) {
        let Some(place) = self.places.remove(&id) else { return };
        self.ids.swap_remove(place);
        if let Some(&moved) = self.ids.get(place) {
            self.places.insert(moved, place);
        }
    }

    fn run(&mut self, op: &Op) {
        let mut events = Vec::new();
        self.book.execute(&command(op), &Context::default(), &mut events).expect("the mix is sound");
        for event in events {
            match event {
                BookEvent::Placed { id, .. } => {
                    self.places.insert(id, self.ids.len());
                    self.ids.push(id);
                }
                BookEvent::Filled { maker: Maker::Order(id), .. } if self.book.order(id).is_none() => self.remove(id),
                BookEvent::Ended { id, .. } => self.remove(id),
                _ => {}
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const MID: i64 = 1_000_000;
/// The most levels on each side.
const LEVELS_MAX: u64 = 100;

impl Mix {
    pub fn new(symbols: usize, resting: usize, commands: usize) -> Self {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let new = || Live {
            book: Book::new(BookConfig::exchange()),
            ids: Vec::new(),
            places: std::collections::HashMap::new(),
        };
        let mut lives: Vec<Live> = (0..symbols).map(|_| new()).collect();
        let mut next = 0;
        // About five orders at a level, and no more levels than a real book has near its touch.
        let levels = (resting / symbols / 10).clamp(5, LEVELS_MAX as usize) as u64;
        let mut mix = Self { symbols, prefill: Vec::new(), ops: Vec::new() };
        for n in 0..resting {
            let op = add(&mut random, &mut next, levels);
            lives[n % symbols].run(&op);
            mix.prefill.push(((n % symbols) as u32, op));
        }
        while mix.ops.len() < commands {
            let symbol = random.below(symbols as u64) as usize;
            let live = &mut lives[symbol];
            let op = match random.below(10) {
                0..=3 => add(&mut random, &mut next, levels),
                4..=6 if !live.ids.is_empty() => {
                    Op::Cancel { id: live.ids[random.below(live.ids.len() as u64) as usize] }
                }
                4..=6 => continue,
                _ => take(&mut random, &mut next, levels),
            };
            live.run(&op);
            mix.ops.push((symbol as u32, op));
        }
        mix
    }
}

fn side(random: &mut Random) -> Side {
    if random.below(2) == 0 { Side::Supply } else { Side::Demand }
}

fn add(random: &mut Random, next: &mut u64, levels: u64) -> Op {
    *next += 1;
    let (side, away) = (side(random), 1 + random.below(levels) as i64);
    let price = if side == Side::Supply { MID + away } else { MID - away };
    Op::Add { id: *next, side, price, quantity: 1 + random.below(20) }
}

/// Takes a third of an order on average, so that as many orders come as go.
fn take(random: &mut Random, next: &mut u64, levels: u64) -> Op {
    *next += 1;
    let side = side(random);
    let away = levels as i64 + 1;
    let price = if side == Side::Demand { MID + away } else { MID - away };
    Op::Take { id: *next, side, price, quantity: 1 + random.below(6) }
}
