//! What can be done to an order, by its status: one table, from which the gate before every decision, the exhaustive test
//! and the documentation are made.
//!
//! `yes`: it is done. `if`: it depends on what is asked for (lines that have units left, money that is left). A code: it
//! is refused with it. What other actors tell an order (payments, stock, deadlines) is never refused and has no row.

use std::fmt::Write;

use super::decide::OrderCommand;
use super::status::OrderStatus;
use super::{Order, Outcome};
use crate::Refusal;

/// What a caller can do to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Pay it.
    Pay,
    /// Move its deadline.
    Extend,
    /// Change its lines.
    Edit,
    /// Cancel all of it.
    Cancel,
    /// Cancel units of some lines.
    CancelLines,
    /// Ship units.
    Ship,
    /// Say that it arrived.
    Deliver,
    /// Take units back.
    Return,
    /// Give money back without goods.
    Refund,
    /// Close it: nothing comes back any more.
    Complete,
}

impl Act {
    /// Every act with its public name.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Pay, "pay"),
        (Self::Extend, "extend"),
        (Self::Edit, "edit"),
        (Self::Cancel, "cancel"),
        (Self::CancelLines, "cancel lines"),
        (Self::Ship, "ship"),
        (Self::Deliver, "deliver"),
        (Self::Return, "return"),
        (Self::Refund, "refund"),
        (Self::Complete, "complete"),
    ];

    /// What a caller's command does; none for what other actors tell.
    pub fn of(command: &OrderCommand) -> Option<Self> {
        Some(match command {
            OrderCommand::Extend { .. } => Self::Extend,
            OrderCommand::Cancel { lines: None } => Self::Cancel,
            OrderCommand::Cancel { lines: Some(_) } => Self::CancelLines,
            OrderCommand::Ship { .. } => Self::Ship,
            OrderCommand::Deliver => Self::Deliver,
            OrderCommand::Return { .. } => Self::Return,
            OrderCommand::RefundAmount { .. } | OrderCommand::RefundLines { .. } => Self::Refund,
            OrderCommand::Complete => Self::Complete,
            _ => return None,
        })
    }

    /// What to do instead.
    const fn advice(self) -> &'static str {
        match self {
            Self::Pay => "only an unpaid order whose units are held can be paid, one payment after the other",
            Self::Extend => "only an order that waits for its payment can be extended",
            Self::Edit => "only the lines of an order that waits for its payment can be changed",
            Self::Cancel => {
                "what is shipped cannot be cancelled: cancel other lines, or take the units back as a return"
            }
            Self::CancelLines => "only units that are neither shipped nor cancelled can be cancelled",
            Self::Ship => {
                "only units that are paid, or whose money is set aside, that are there and not shipped can be shipped"
            }
            Self::Deliver => "ship all of it first",
            Self::Return => "only shipped units that did not come back yet can be returned",
            Self::Refund => "only money that was paid and not given back can be refunded",
            Self::Complete => "ship all of it first",
        }
    }
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Yes,
    /// It depends on what is asked for.
    If,
    /// Refused: not in this status.
    State,
    /// Refused: it is paid.
    Paid,
    /// Refused: its hold has ended.
    Expired,
}

impl Verdict {
    /// As the documentation writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::If => "if",
            Self::State => "`order_state_invalid`",
            Self::Paid => "`already_paid`",
            Self::Expired => "`hold_expired`",
        }
    }
}

/// A row: a status, and what each act of [`Act::ALL`] comes to in it.
type Row = (OrderStatus, [Verdict; 10]);

/// The table.
#[rustfmt::skip]
pub const TABLE: &[Row] = {
    use OrderStatus as S;
    use Verdict::{Expired, If, Paid, State, Yes};
    &[
        //                       pay      extend   edit     cancel   lines    ship     deliver  return   refund   complete
        (S::Waiting,           [State,   State,   State,   Yes,     If,      State,   State,   State,   State,   State]),
        (S::Created,           [State,   Yes,     State,   Yes,     If,      If,      State,   State,   State,   State]),
        (S::AwaitingPayment,   [If,      If,      If,      Yes,     If,      State,   State,   State,   State,   State]),
        (S::Backordered,       [Paid,    Paid,    Paid,    Yes,     If,      State,   State,   State,   If,      State]),
        (S::Paid,              [Paid,    Paid,    Paid,    Yes,     If,      If,      State,   State,   If,      State]),
        (S::PartiallyShipped,  [Paid,    Paid,    Paid,    State,   If,      If,      State,   If,      If,      State]),
        (S::Shipped,           [Paid,    Paid,    Paid,    State,   State,   State,   Yes,     If,      If,      Yes]),
        (S::Delivered,         [Paid,    Paid,    Paid,    State,   State,   State,   Yes,     If,      If,      Yes]),
        (S::Completed,         [Paid,    Paid,    Paid,    State,   State,   State,   State,   State,   If,      Yes]),
        (S::PartiallyReturned, [Paid,    Paid,    Paid,    State,   If,      If,      If,      If,      If,      If]),
        (S::Returned,          [Paid,    Paid,    Paid,    State,   State,   State,   Yes,     State,   If,      Yes]),
        (S::Cancelled,         [State,   State,   State,   State,   State,   State,   State,   State,   If,      State]),
        (S::Expired,           [Expired, Expired, Expired, Expired, Expired, Expired, Expired, Expired, If,      Expired]),
    ]
};

/// What an act comes to in a status.
pub fn verdict(status: OrderStatus, act: Act) -> Verdict {
    let (_, row) = TABLE.iter().find(|(row, _)| *row == status).expect("the table has every status");
    row[act as usize]
}

/// Refuses what the table refuses.
pub(super) fn check(order: &Order, act: Act) -> Result<(), Refusal> {
    let status = order.status();
    match verdict(status, act) {
        Verdict::Yes | Verdict::If => Ok(()),
        Verdict::Paid => Err(Refusal::AlreadyPaid),
        Verdict::Expired => Err(Refusal::HoldExpired),
        Verdict::State => {
            let over = matches!(order.outcome, Outcome::Cancelled | Outcome::Refused);
            let wanted = if over { "it is over" } else { act.advice() };
            Err(Refusal::OrderStateInvalid { status: status.name(), wanted })
        }
    }
}

/// The table as a Markdown page.
pub fn markdown() -> String {
    let mut page = String::from("| status |");
    for (_, act) in Act::ALL {
        write!(page, " {act} |").expect("a String takes every write");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(Act::ALL.len()));
    page.push('\n');
    for (status, row) in TABLE {
        write!(page, "| `{}` |", status.name()).expect("a String takes every write");
        for verdict in row {
            write!(page, " {} |", verdict.name()).expect("a String takes every write");
        }
        page.push('\n');
    }
    page
}
