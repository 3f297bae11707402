//! The note byte of an order's record: what projections need without reading the events.
//!
//! The low bits are the overall status after the record, the highest bit says that the order was placed by it. A
//! payment's record has only the highest bit: the payment was created by it.

use super::{Order, OrderStatus, Outcome};

/// The record placed the order, or created the payment.
pub const PLACED: u8 = 0x80;
/// The order was refused while it was being placed: it counts as never made.
pub const REFUSED: u8 = 0x40;

/// The note of an order's record.
pub fn of_order(order: &Order, placed: bool) -> u8 {
    let status = order.status() as u8;
    let refused = if order.outcome == Outcome::Refused { REFUSED } else { 0 };
    status | refused | if placed { PLACED } else { 0 }
}

/// The status in a note; none for a refused order.
pub fn status(note: u8) -> Option<OrderStatus> {
    if note & REFUSED != 0 {
        return None;
    }
    OrderStatus::ALL.get((note & 0x3F) as usize).copied()
}
