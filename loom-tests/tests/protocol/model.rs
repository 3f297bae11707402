//! A bounded model as stateright sees it. A state is the way that leads to it: partitions cannot be copied, so each step
//! begins at the opening of the shop and goes the whole way again; states are told apart by the fingerprint of the world at
//! the end of the way.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;
use stateright::{Model, Property};

use super::gateway::Fate;
use super::rules::{Broken, Outcome, Rule, come_to_rest, look};
use super::scenario::{Ask, Budget, Scenario};
use super::twins::Twin;
use super::world::{Known, World};

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A client asks, by the number of its request.
    Asks(usize),
    /// A message arrives, by its place among those on their way.
    Arrives(usize),
    /// It arrives, and will again.
    ArrivesTwice(usize),
    /// It is lost.
    IsLost(usize),
    /// The gateway deals with a call.
    Gateway(usize, Fate),
    /// The tail of the log becomes durable.
    Writes,
    /// The clock moves to what is due next.
    Ticks,
    /// Everything after the durable part of the log is gone, or it had just been written.
    PowerGoes { tail_survives: bool },
}

/// A state: the way to it, and what was seen at its end.
#[derive(Debug, Clone)]
pub struct State {
    way: Arc<Vec<Action>>,
    fingerprint: u64,
    next: Arc<Vec<Action>>,
    /// What is wrong.
    pub broken: Option<Arc<Broken>>,
    outcomes: u32,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint.hash(hasher);
    }
}

/// A scenario, maybe with a mistake in it.
pub struct Protocol {
    pub scenario: Scenario,
    pub twin: Option<Twin>,
    /// What was seen of each state, and of what becomes of it once nothing fails any more.
    seen: Mutex<HashMap<u64, Seen>>,
}

/// What is wrong, and what has happened.
type Seen = (Option<Arc<Broken>>, u32);

/// Time passes only while so few messages are on their way: what is slower is lost, as far as its sender can tell, and each
/// second would add to those that nobody has delivered.
const UNDER_WAY_AT_TICK: usize = 1;

const LOSSES: usize = 0;
const DUPLICATES: usize = 1;
const POWER: usize = 2;
const TICKS: usize = 3;
const GATEWAY: usize = 4;
const REPEATS: usize = 5;
const OVERTAKINGS: usize = 6;

fn left_of(budget: &Budget) -> [u8; 7] {
    let Budget { losses, duplicates, power_losses, ticks, gateway_faults, repeats, overtakings } = *budget;
    [losses, duplicates, power_losses, ticks, gateway_faults, repeats, overtakings]
}

impl Protocol {
    pub fn new(scenario: Scenario, twin: Option<Twin>) -> Self {
        Self { scenario, twin, seen: Mutex::default() }
    }

    /// Goes a way, and says what is left of the budget.
    fn go(&self, way: &[Action]) -> (World, [u8; 7]) {
        let mut world = World::open(self.scenario, self.twin);
        let mut left = left_of(&self.scenario.budget);
        world.writes_at_once = left[POWER] == 0;
        way.iter().for_each(|action| apply(&mut world, &mut left, *action));
        (world, left)
    }

    fn state(&self, way: Vec<Action>) -> State {
        let (mut world, left) = self.go(&way);
        let fingerprint = world.fingerprint(left);
        let next = Arc::new(possible(&world, &left));
        let (broken, outcomes) = self.seen(fingerprint, &mut world);
        State { way: Arc::new(way), fingerprint, next, broken, outcomes }
    }

    /// Looks at a world, unless one just like it was looked at before. It is used up.
    fn seen(&self, fingerprint: u64, world: &mut World) -> Seen {
        if let Some(seen) = self.seen.lock().get(&fingerprint) {
            return seen.clone();
        }
        let (broken, outcomes) = look(world);
        let broken = broken.or_else(|| come_to_rest(world)).map(Arc::new);
        self.seen.lock().insert(fingerprint, (broken.clone(), outcomes));
        (broken, outcomes)
    }
}

/// Whether a message is the first on its way from one partition to the other.
fn overtakes(world: &World, at: usize) -> bool {
    let flight = &world.flights[at];
    world.flights[..at].iter().any(|before| (before.from, before.to) == (flight.from, flight.to))
}

fn apply(world: &mut World, left: &mut [u8; 7], action: Action) {
    match action {
        Action::Asks(at) => {
            if world.known[at] != Known::Nothing {
                left[REPEATS] -= 1;
            }
            world.ask(at);
        }
        Action::Arrives(at) => {
            if overtakes(world, at) {
                left[OVERTAKINGS] -= 1;
            }
            world.deliver(at, false);
        }
        Action::ArrivesTwice(at) => {
            left[DUPLICATES] -= 1;
            world.deliver(at, true);
        }
        Action::IsLost(at) => {
            left[LOSSES] -= 1;
            world.lose(at);
        }
        Action::Gateway(at, fate) => {
            if fate != Fate::Done {
                left[GATEWAY] -= 1;
            }
            world.call(at, fate);
        }
        Action::Writes => world.write(),
        Action::Ticks => {
            left[TICKS] -= 1;
            world.tick();
        }
        Action::PowerGoes { tail_survives } => {
            left[POWER] -= 1;
            world.writes_at_once = left[POWER] == 0;
            world.lose_power(tail_survives);
        }
    }
}

fn possible(world: &World, left: &[u8; 7]) -> Vec<Action> {
    let mut actions = Vec::new();
    for at in 0..world.known.len() {
        if may_ask(world, at, left[REPEATS] > 0) {
            actions.push(Action::Asks(at));
        }
    }
    let mut shown: Vec<String> = Vec::new();
    for at in 0..world.flights.len() {
        // Of two that are alike it does not matter which is meant.
        let text = format!("{:?}", world.flights[at]);
        if shown.contains(&text) {
            continue;
        }
        shown.push(text);
        let in_turn = !overtakes(world, at);
        if in_turn || left[OVERTAKINGS] > 0 {
            actions.push(Action::Arrives(at));
        }
        if in_turn && left[DUPLICATES] > 0 {
            actions.push(Action::ArrivesTwice(at));
        }
        if in_turn && left[LOSSES] > 0 {
            actions.push(Action::IsLost(at));
        }
    }
    let gateway = world.gateway.0.lock();
    for (at, call) in gateway.calls.iter().enumerate() {
        actions.push(Action::Gateway(at, Fate::Done));
        if left[GATEWAY] > 0 {
            actions.extend([Fate::AnswerLost, Fate::RequestLost].map(|fate| Action::Gateway(at, fate)));
            if gateway.is_open(call) {
                actions.push(Action::Gateway(at, Fate::Declined));
            }
        }
    }
    drop(gateway);
    if world.has_tail() {
        actions.push(Action::Writes);
    }
    if left[TICKS] > 0 && world.flights.len() <= UNDER_WAY_AT_TICK && world.next_due().is_some() {
        actions.push(Action::Ticks);
    }
    if left[POWER] > 0 {
        actions.push(Action::PowerGoes { tail_survives: false });
        if world.has_tail() {
            actions.push(Action::PowerGoes { tail_survives: true });
        }
    }
    actions
}

fn may_ask(world: &World, at: usize, may_repeat: bool) -> bool {
    let asks = world.scenario.asks;
    let was_acknowledged = |order: usize| world.acknowledged.contains(&world.scenario.order(order));
    let is_first = match (&world.known[at], asks[at]) {
        (Known::Waits, _) => return false,
        (Known::Nothing, _) => true,
        (Known::Lost | Known::Told(Err(_)), Ask::Place(_)) => false,
        _ => return false,
    };
    (is_first || may_repeat)
        && match asks[at] {
            Ask::Place(_) => true,
            Ask::Cancel(order) | Ask::PayByWallet(order) => was_acknowledged(order),
        }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.state(Vec::new())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // Beyond what is broken there is nothing to learn.
        if state.broken.is_none() {
            actions.extend(state.next.iter().copied());
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut way = (*state.way).clone();
        way.push(action);
        Some(self.state(way))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($rule:ident = $name:literal),* $(,)?) => {
                vec![$(Property::always($name, |_, state: &State| !state.breaks(Rule::$rule))),*]
            };
        }
        macro_rules! sometimes {
            ($($outcome:ident = $name:literal),* $(,)?) => {
                vec![$((Outcome::$outcome, Property::sometimes($name, |_, state: &State| state.has(Outcome::$outcome)))),*]
            };
        }
        let mut properties = always! {
            NeverOversold = "never oversold",
            HoldsEndOnce = "each hold ends once",
            MoneyAddsUp = "money adds up",
            OneEffect = "one effect per payment and operation",
            AcknowledgedIsDurable = "acknowledged is durable",
            Audited = "the auditor finds nothing",
            ComesToRest = "everything ends once nothing fails",
            RestIsClean = "nothing is left over at rest",
        };
        let wanted = self.scenario.shows;
        let sometimes = sometimes! {
            Paid = "an order is paid",
            RefusedForStock = "somebody is refused for stock",
            RefusedForMoney = "somebody is refused for money",
            Declined = "a card is declined",
            Expired = "an order expires",
            Cancelled = "an order is cancelled",
            Aborted = "a hold without an order is given back",
            ToldAgain = "somebody is told of what was there already",
            BothServed = "both are served",
        };
        let sometimes = sometimes.into_iter().filter(|(outcome, _)| wanted.contains(outcome));
        properties.extend(sometimes.map(|(_, property)| property));
        properties
    }
}

impl State {
    fn breaks(&self, rule: Rule) -> bool {
        self.broken.as_ref().is_some_and(|broken| broken.0 == rule)
    }

    fn has(&self, outcome: Outcome) -> bool {
        self.outcomes & outcome.bit() != 0
    }
}
