//! What a SKU does, one thing after the other: written from DESIGN.md's table of operations, and sharing nothing with the
//! engine.

use std::collections::BTreeMap;

use super::check::Spec;

/// What a SKU is asked. Orders are named by any number of the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkuRequest {
    /// Units come in.
    Receive(u64),
    /// Units are found or missing.
    Adjust(i64),
    /// An order wants units. They are held until it ends.
    Hold {
        /// Whose.
        order: u64,
        /// How many.
        units: u64,
    },
    /// An order is paid: what it holds is allocated.
    Settle {
        /// Whose.
        order: u64,
    },
    /// An order is cancelled: what it holds, or has allocated, is free again.
    Release {
        /// Whose.
        order: u64,
    },
    /// An order's goods leave.
    Ship {
        /// Whose.
        order: u64,
    },
    /// Somebody looks.
    Read,
}

/// What a SKU answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkuAnswer {
    /// It is done.
    Done,
    /// There is less than that.
    Short {
        /// What there is.
        available: u64,
    },
    /// It was refused for a reason that this SKU's units do not tell: nothing happened.
    Refused,
    /// What there is.
    Levels {
        /// Free units.
        available: u64,
        /// Units of orders that are not paid.
        held: u64,
        /// Units of orders that are paid.
        allocated: u64,
    },
}

/// What a SKU has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SkuState {
    free: u64,
    /// Units of each order, and whether they are allocated.
    orders: BTreeMap<u64, (u64, bool)>,
}

impl SkuState {
    fn sum(&self, allocated: bool) -> u64 {
        self.orders.values().filter(|(_, is)| *is == allocated).map(|(units, _)| units).sum()
    }
}

/// The sequential SKU.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkuSpec;

impl Spec for SkuSpec {
    type State = SkuState;
    type Request = SkuRequest;
    type Answer = SkuAnswer;

    fn start(&self) -> SkuState {
        SkuState::default()
    }

    fn after(&self, state: &SkuState, asked: &SkuRequest, answer: Option<&SkuAnswer>) -> Option<SkuState> {
        match answer {
            Some(SkuAnswer::Refused) => return Some(state.clone()),
            Some(SkuAnswer::Short { available }) => {
                let wanted = match asked {
                    SkuRequest::Hold { units, .. } => *units,
                    SkuRequest::Adjust(delta) if *delta < 0 => delta.unsigned_abs(),
                    _ => return None,
                };
                return (state.free < wanted && *available == state.free).then(|| state.clone());
            }
            Some(SkuAnswer::Levels { available, held, allocated }) => {
                let is_so = *asked == SkuRequest::Read
                    && (*available, *held, *allocated) == (state.free, state.sum(false), state.sum(true));
                return is_so.then(|| state.clone());
            }
            // Done, or unknown and taken for done: if it was not, it is as if it had never come.
            Some(SkuAnswer::Done) | None => {}
        }
        done(state.clone(), asked)
    }
}

/// The state after a request was carried out; none if it cannot be.
fn done(mut state: SkuState, asked: &SkuRequest) -> Option<SkuState> {
    match *asked {
        SkuRequest::Receive(units) => state.free += units,
        SkuRequest::Adjust(delta) => state.free = state.free.checked_add_signed(delta)?,
        SkuRequest::Hold { order, units } => {
            state.free = state.free.checked_sub(units)?;
            let before = state.orders.insert(order, (units, false));
            if before.is_some() {
                return None;
            }
        }
        SkuRequest::Settle { order } => {
            let held = state.orders.get_mut(&order).filter(|(_, allocated)| !*allocated)?;
            held.1 = true;
        }
        SkuRequest::Release { order } => state.free += state.orders.remove(&order)?.0,
        SkuRequest::Ship { order } => {
            state.orders.get(&order).filter(|(_, allocated)| *allocated)?;
            state.orders.remove(&order);
        }
        // A look of unknown outcome changes nothing.
        SkuRequest::Read => {}
    }
    Some(state)
}
