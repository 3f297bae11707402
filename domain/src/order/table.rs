//! What can be done to an order and what it can be told, by its status: one table, from which the gate before every
//! decision, the exhaustive test and the documentation are made.
//!
//! Of what callers do: `yes`, it is done; `if`, it depends on what is asked for (lines that have units left, money that is
//! left); a code, it is refused with it. What other actors tell an order (its payments, its SKUs, the clock) is never
//! refused: it is taken (`yes`), or taken where it is news (`if`), or changes nothing. With each goes which statuses the
//! order can have after it.

use std::fmt::Write;

use super::command::OrderCommand;
use super::event::OrderEvent;
use super::status::OrderStatus;
use super::{Order, Outcome};
use crate::Refusal;

/// Makes [`Act`] with its list and names.
macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal;)*) => {
        /// What a caller can do to an order, and then, from `Accept` on, what other actors can tell it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Act {
            $($(#[$doc])* $act,)*
        }

        impl Act {
            /// Every act.
            pub const ALL: &[Self] = &[$(Self::$act),*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$act => $name,)* }
            }
        }
    };
}

acts! {
    /// Pay it.
    Pay = "pay";
    /// Move its deadline.
    Extend = "extend";
    /// Change its lines.
    Edit = "edit";
    /// Cancel all of it.
    Cancel = "cancel";
    /// Cancel units of some lines.
    CancelLines = "cancel lines";
    /// Ship units.
    Ship = "ship";
    /// Say that it arrived.
    Deliver = "deliver";
    /// Take units back.
    Return = "return";
    /// Give money back without goods.
    Refund = "refund";
    /// Close it: nothing comes back any more.
    Complete = "complete";
    /// Whoever placed it is told that it stands.
    Accept = "accepted";
    /// A payment's money is here.
    PaymentPaid = "payment paid";
    /// Money is here whose charge was being undone.
    PaymentPaidLate = "payment paid late";
    /// A payment came to nothing.
    PaymentFailed = "payment failed";
    /// A payment stands elsewhere.
    PaymentStands = "payment stands";
    /// Money that is set aside was not captured.
    CaptureFailed = "capture failed";
    /// Money went back.
    PaymentRefunded = "refunded";
    /// Money did not go back.
    RefundFailed = "refund failed";
    /// Money that had gone back came again.
    RefundReversed = "refund came again";
    /// Units that waited are held.
    BackorderFilled = "backorder filled";
    /// Units were lost to a shortfall.
    Displaced = "displaced";
    /// A lottery was drawn, and it won nothing.
    NotDrawn = "not drawn";
    /// Units that were sent had been taken by a shortfall.
    ShippedShort = "shipped short";
    /// Its time is over.
    Deadline = "deadline";
    /// How a SKU of another partition stands to it.
    StockIs = "stock is";
    /// What another partition owed is done.
    StepDone = "step done";
}

impl Act {
    /// Whether it is told by another actor, and so never refused.
    pub fn is_told(self) -> bool {
        self >= Self::Accept
    }

    /// What a command does.
    pub fn of(command: &OrderCommand) -> Self {
        match command {
            OrderCommand::Extend { .. } => Self::Extend,
            OrderCommand::Cancel { lines: None } => Self::Cancel,
            OrderCommand::Cancel { lines: Some(_) } => Self::CancelLines,
            OrderCommand::Ship { .. } => Self::Ship,
            OrderCommand::Deliver => Self::Deliver,
            OrderCommand::Complete => Self::Complete,
            OrderCommand::Return { .. } => Self::Return,
            OrderCommand::RefundAmount { .. } | OrderCommand::RefundLines { .. } => Self::Refund,
            OrderCommand::Accept => Self::Accept,
            OrderCommand::PaymentPaid { .. } => Self::PaymentPaid,
            OrderCommand::PaymentPaidLate { .. } => Self::PaymentPaidLate,
            OrderCommand::PaymentFailed { .. } => Self::PaymentFailed,
            OrderCommand::PaymentStands { .. } => Self::PaymentStands,
            OrderCommand::CaptureFailed { .. } => Self::CaptureFailed,
            OrderCommand::PaymentRefunded { done: true, .. } => Self::PaymentRefunded,
            OrderCommand::PaymentRefunded { done: false, .. } => Self::RefundFailed,
            OrderCommand::RefundReversed { .. } => Self::RefundReversed,
            OrderCommand::BackorderFilled { .. } => Self::BackorderFilled,
            OrderCommand::Displaced { .. } => Self::Displaced,
            OrderCommand::NotDrawn => Self::NotDrawn,
            OrderCommand::ShippedShort { .. } => Self::ShippedShort,
            OrderCommand::DeadlineReached => Self::Deadline,
            OrderCommand::StockIs { .. } => Self::StockIs,
            OrderCommand::StepDone { .. } => Self::StepDone,
        }
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
            _ => "what is told is never refused",
        }
    }
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Yes,
    /// It depends on what is asked for, or on whether it is news.
    If,
    /// It changes nothing.
    Nothing,
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
            Self::Nothing => "nothing",
            Self::State => "`order_state_invalid`",
            Self::Paid => "`already_paid`",
            Self::Expired => "`hold_expired`",
        }
    }
}

/// What an act comes to in a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Whether it is done.
    pub verdict: Verdict,
    /// A bit for each status that the order can have after it.
    leads: u16,
}

impl Cell {
    /// Whether the order can have this status after it.
    pub const fn leads_to(self, status: OrderStatus) -> bool {
        self.leads & (1 << status as u16) != 0
    }

    /// Every status that the order can have after it.
    pub fn statuses(self) -> impl Iterator<Item = OrderStatus> {
        OrderStatus::ALL.iter().copied().filter(move |status| self.leads_to(*status))
    }
}

/// Several rows in one: what is done or told, in which statuses, what that comes to, and what it leads to. Where it is not
/// done or no news, and where a row leads nowhere, the status stays.
type Rows = (Act, &'static [OrderStatus], Verdict, &'static [OrderStatus]);

/// The table as people write it.
#[rustfmt::skip]
const ROWS: &[Rows] = {
    use Act as A;
    use OrderStatus as S;
    use Verdict::{Expired, If, Nothing, Paid, State, Yes};
    &[
        (A::Pay, &[S::Created, S::Cancelled, S::Waiting], State, &[]),
        (A::Pay, &[S::AwaitingPayment], If, &[S::Created, S::Backordered, S::Paid]),
        (A::Pay, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::PartiallyReturned, S::Returned, S::Completed], Paid, &[]),
        (A::Pay, &[S::Expired], Expired, &[]),
        (A::Extend, &[S::Created, S::AwaitingPayment], If, &[]),
        (A::Extend, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::PartiallyReturned, S::Returned, S::Completed], Paid, &[]),
        (A::Extend, &[S::Cancelled, S::Waiting], State, &[]),
        (A::Extend, &[S::Expired], Expired, &[]),
        (A::Edit, &[S::Created, S::Cancelled, S::Waiting], State, &[]),
        (A::Edit, &[S::AwaitingPayment], If, &[]),
        (A::Edit, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::PartiallyReturned, S::Returned, S::Completed], Paid, &[]),
        (A::Edit, &[S::Expired], Expired, &[]),
        (A::Cancel, &[S::Created], Yes, &[S::Created, S::Cancelled]),
        (A::Cancel, &[S::AwaitingPayment], Yes, &[S::AwaitingPayment, S::Cancelled]),
        (A::Cancel, &[S::Backordered, S::Paid], If, &[S::Cancelled]),
        (A::Cancel, &[S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::PartiallyReturned, S::Returned, S::Completed], State, &[]),
        (A::Cancel, &[S::Expired], Expired, &[]),
        (A::Cancel, &[S::Waiting], Yes, &[S::Cancelled]),
        (A::CancelLines, &[S::Created], If, &[S::AwaitingPayment, S::Backordered, S::Paid, S::Cancelled]),
        (A::CancelLines, &[S::AwaitingPayment], If, &[S::Backordered, S::Paid, S::Cancelled]),
        (A::CancelLines, &[S::Backordered], If, &[S::Cancelled]),
        (A::CancelLines, &[S::Paid], If, &[S::Backordered, S::Cancelled]),
        (A::CancelLines, &[S::PartiallyShipped], If, &[S::Shipped]),
        (A::CancelLines, &[S::Shipped, S::Delivered, S::Cancelled, S::Returned, S::Completed], State, &[]),
        (A::CancelLines, &[S::Expired], Expired, &[]),
        (A::CancelLines, &[S::PartiallyReturned], If, &[S::Returned]),
        (A::CancelLines, &[S::Waiting], Yes, &[S::Cancelled, S::Waiting]),
        (A::Ship, &[S::Created, S::PartiallyReturned], If, &[]),
        (A::Ship, &[S::AwaitingPayment, S::Backordered, S::Shipped, S::Delivered, S::Cancelled, S::Returned, S::Waiting, S::Completed], State, &[]),
        (A::Ship, &[S::Paid], If, &[S::PartiallyShipped, S::Shipped]),
        (A::Ship, &[S::PartiallyShipped], If, &[S::Shipped]),
        (A::Ship, &[S::Expired], Expired, &[]),
        (A::Deliver, &[S::Created, S::AwaitingPayment, S::Backordered, S::Paid, S::PartiallyShipped, S::Cancelled, S::Waiting, S::Completed], State, &[]),
        (A::Deliver, &[S::Shipped], Yes, &[S::Delivered]),
        (A::Deliver, &[S::Delivered, S::Returned], Yes, &[]),
        (A::Deliver, &[S::Expired], Expired, &[]),
        (A::Deliver, &[S::PartiallyReturned], If, &[]),
        (A::Return, &[S::Created, S::AwaitingPayment, S::Backordered, S::Paid, S::Cancelled, S::Returned, S::Waiting, S::Completed], State, &[]),
        (A::Return, &[S::PartiallyShipped], If, &[S::PartiallyReturned]),
        (A::Return, &[S::Shipped, S::Delivered], If, &[S::PartiallyReturned, S::Returned]),
        (A::Return, &[S::Expired], Expired, &[]),
        (A::Return, &[S::PartiallyReturned], If, &[S::Returned]),
        (A::Refund, &[S::Created, S::AwaitingPayment, S::Waiting], State, &[]),
        (A::Refund, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::Complete, &[S::Created, S::AwaitingPayment, S::Backordered, S::Paid, S::PartiallyShipped, S::Cancelled, S::Waiting], State, &[]),
        (A::Complete, &[S::Shipped, S::Delivered, S::Returned], Yes, &[S::Completed]),
        (A::Complete, &[S::Expired], Expired, &[]),
        (A::Complete, &[S::PartiallyReturned], If, &[S::Completed]),
        (A::Complete, &[S::Completed], Yes, &[]),
        (A::Accept, &[S::Created, S::AwaitingPayment], If, &[]),
        (A::Accept, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Waiting, S::Completed], Nothing, &[]),
        (A::PaymentPaid, &[S::Created], If, &[S::AwaitingPayment, S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped]),
        (A::PaymentPaid, &[S::AwaitingPayment], If, &[S::Created, S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped]),
        (A::PaymentPaid, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Expired, S::PartiallyReturned, S::Returned, S::Waiting, S::Completed], Nothing, &[]),
        (A::PaymentPaid, &[S::Cancelled], If, &[]),
        (A::PaymentPaidLate, &[S::Created], If, &[S::AwaitingPayment, S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped]),
        (A::PaymentPaidLate, &[S::AwaitingPayment], If, &[S::Created, S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped]),
        (A::PaymentPaidLate, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::PaymentPaidLate, &[S::Waiting], Nothing, &[]),
        (A::PaymentFailed, &[S::Created], If, &[S::AwaitingPayment, S::Cancelled, S::Expired]),
        (A::PaymentFailed, &[S::AwaitingPayment], If, &[S::Created, S::Cancelled, S::Expired]),
        (A::PaymentFailed, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Expired, S::PartiallyReturned, S::Returned, S::Waiting, S::Completed], Nothing, &[]),
        (A::PaymentFailed, &[S::Cancelled], If, &[]),
        (A::PaymentStands, &[S::Created], If, &[S::AwaitingPayment]),
        (A::PaymentStands, &[S::AwaitingPayment], If, &[S::Created]),
        (A::PaymentStands, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::PaymentStands, &[S::Waiting], Nothing, &[]),
        (A::CaptureFailed, &[S::Created, S::AwaitingPayment], If, &[]),
        (A::CaptureFailed, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Waiting, S::Completed], Nothing, &[]),
        (A::PaymentRefunded, &[S::Created, S::AwaitingPayment, S::Waiting], Nothing, &[]),
        (A::PaymentRefunded, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::RefundFailed, &[S::Created, S::AwaitingPayment, S::Waiting], Nothing, &[]),
        (A::RefundFailed, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::RefundReversed, &[S::Created, S::AwaitingPayment, S::Waiting], Nothing, &[]),
        (A::RefundReversed, &[S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::BackorderFilled, &[S::Created], Yes, &[S::Created, S::AwaitingPayment]),
        (A::BackorderFilled, &[S::AwaitingPayment, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], Yes, &[]),
        (A::BackorderFilled, &[S::Backordered], Yes, &[S::Backordered, S::Paid]),
        (A::BackorderFilled, &[S::Waiting], Yes, &[S::AwaitingPayment, S::Waiting]),
        (A::Displaced, &[S::Created, S::AwaitingPayment, S::Backordered, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Waiting, S::Completed], Yes, &[]),
        (A::Displaced, &[S::Paid], Yes, &[S::Backordered, S::Paid]),
        (A::NotDrawn, &[S::Created, S::AwaitingPayment, S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Completed], Nothing, &[]),
        (A::NotDrawn, &[S::Waiting], Yes, &[S::Cancelled]),
        (A::ShippedShort, S::ALL, Yes, &[]),
        (A::Deadline, &[S::Created, S::Backordered, S::Paid, S::PartiallyShipped, S::Shipped, S::Delivered, S::Cancelled, S::Expired, S::PartiallyReturned, S::Returned, S::Waiting, S::Completed], Nothing, &[]),
        (A::Deadline, &[S::AwaitingPayment], If, &[S::Expired]),
        (A::StockIs, &[S::Created], If, &[S::AwaitingPayment]),
        (A::StockIs, &[S::AwaitingPayment, S::PartiallyShipped, S::Shipped, S::Delivered, S::PartiallyReturned, S::Returned, S::Completed], If, &[]),
        (A::StockIs, &[S::Backordered], If, &[S::Paid]),
        (A::StockIs, &[S::Paid], If, &[S::Backordered]),
        (A::StockIs, &[S::Cancelled, S::Expired], Nothing, &[]),
        (A::StockIs, &[S::Waiting], If, &[S::AwaitingPayment, S::Cancelled]),
        (A::StepDone, S::ALL, If, &[]),
    ]
};

/// The table as it is asked: by status, then by act.
static TABLE: [[Cell; Act::ALL.len()]; OrderStatus::ALL.len()] = spread();

/// Spreads the rows out; a pair that is listed twice, or not at all, does not compile.
const fn spread() -> [[Cell; Act::ALL.len()]; OrderStatus::ALL.len()] {
    let mut table = [[Cell { verdict: Verdict::Nothing, leads: 0 }; Act::ALL.len()]; OrderStatus::ALL.len()];
    let (mut row, mut pairs) = (0, 0);
    while row < ROWS.len() {
        let (act, from, verdict, to) = ROWS[row];
        let mut at = 0;
        while at < from.len() {
            let cell = &mut table[from[at] as usize][act as usize];
            assert!(cell.leads == 0, "a pair of status and act is listed twice");
            cell.verdict = verdict;
            // What always leads elsewhere names where it leads.
            let leaves = matches!(verdict, Verdict::Yes) && !to.is_empty();
            cell.leads = if leaves { 0 } else { 1 << from[at] as u16 };
            let mut next = 0;
            while next < to.len() {
                cell.leads |= 1 << to[next] as u16;
                next += 1;
            }
            (at, pairs) = (at + 1, pairs + 1);
        }
        row += 1;
    }
    assert!(pairs == Act::ALL.len() * OrderStatus::ALL.len(), "every status has every act");
    table
}

/// What an act comes to in a status.
pub fn cell(status: OrderStatus, act: Act) -> Cell {
    TABLE[status as usize][act as usize]
}

/// Whether what was decided leads where the table says.
pub(super) fn leads_there(order: &Order, act: Act, decided: &[OrderEvent]) -> bool {
    let mut after = order.clone();
    decided.iter().for_each(|event| after.apply(event));
    cell(order.status(), act).leads_to(after.status())
}

/// Refuses what the table refuses.
pub(super) fn check(order: &Order, act: Act) -> Result<(), Refusal> {
    let status = order.status();
    match cell(status, act).verdict {
        Verdict::Yes | Verdict::If | Verdict::Nothing => Ok(()),
        Verdict::Paid => Err(Refusal::AlreadyPaid),
        Verdict::Expired => Err(Refusal::HoldExpired),
        Verdict::State => {
            let over = matches!(order.outcome, Outcome::Cancelled | Outcome::Refused);
            let wanted = if over { "it is over" } else { act.advice() };
            Err(Refusal::OrderStateInvalid { status: status.name(), wanted })
        }
    }
}

/// The table as Markdown: what is done by callers, what is told, and which statuses an order can have after it.
pub fn markdown() -> String {
    let acts = |told: bool| Act::ALL.iter().copied().filter(move |act| act.is_told() == told);
    let mut page = grid(&acts(false).collect::<Vec<_>>());
    page.push('\n');
    page.push_str(&grid(&acts(true).collect::<Vec<_>>()));
    page.push_str("\n| what | in | leads to |\n|---|---|---|\n");
    let names = |statuses: &[OrderStatus]| {
        statuses.iter().map(|status| format!("`{}`", status.name())).collect::<Vec<_>>().join(", ")
    };
    for (act, from, verdict, to) in ROWS.iter().filter(|(.., to)| !to.is_empty()) {
        let stays = if *verdict == Verdict::If { "stays, or " } else { "" };
        writeln!(page, "| {} | {} | {stays}{} |", act.name(), names(from), names(to))
            .expect("a String takes every write");
    }
    page
}

/// What acts come to, by status.
fn grid(acts: &[Act]) -> String {
    let mut page = String::from("| status |");
    for act in acts {
        write!(page, " {} |", act.name()).expect("a String takes every write");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(acts.len()));
    page.push('\n');
    for status in OrderStatus::ALL {
        write!(page, "| `{}` |", status.name()).expect("a String takes every write");
        for act in acts {
            write!(page, " {} |", cell(*status, *act).verdict.name()).expect("a String takes every write");
        }
        page.push('\n');
    }
    page
}
