//! What comes back: goods, and money with or without them.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::command::{OrderAsk, RefundChoice};
use super::decide::{Decision, check_open, no_line};
use super::earn::earn;
use super::event::{OrderEvent, ReturnedLine};
use super::refund;
use super::state::Order;
use crate::stock::{Disposition, StockCommand};
use crate::{Amount, Money, Quantity, Refusal, check_quantity};

pub(super) fn take_back(
    order: &Order,
    lines: &[(u32, Quantity, Disposition)],
    choice: RefundChoice,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    check_open(order, "only a shipped order can take units back")?;
    let mut after = order.clone();
    let mut worth = 0;
    let mut returned: SmallVec<[ReturnedLine; 1]> = SmallVec::new();
    for (index, quantity, disposition) in lines {
        check_quantity(*quantity)?;
        let line = after.lines.get_mut(*index as usize).ok_or_else(|| no_line(*index))?;
        if line.returned + quantity > line.shipped {
            let wanted = "only shipped units that did not come back yet can be returned";
            return Err(Refusal::OrderStateInvalid { status: order.status().name(), wanted });
        }
        worth += line.share(*quantity, order.currency).0;
        line.returned += quantity;
        returned.push(ReturnedLine { line: *index, quantity: *quantity, disposition: *disposition });
        let buyer = order.customer.clone().or_else(|| order.purchaser_key.clone());
        if let Some(claim) = &line.claim {
            // They go back to their seller: the house has no shelf for them.
            let back = StockCommand::ReturnClaim { order: order.id, claim: claim.number, quantity: *quantity, buyer };
            asks.push(OrderAsk::Stock(line.sku.clone(), back));
            continue;
        }
        for (sku, quantity) in line.in_stock(*quantity) {
            let back = StockCommand::Return {
                order: Some(order.id),
                location: None,
                lot: None,
                quantity,
                disposition: *disposition,
                buyer: buyer.clone(),
            };
            asks.push(OrderAsk::Stock(sku.clone(), back));
        }
    }
    if returned.is_empty() {
        return Err(Refusal::BodyInvalid { field: "lines", why: "name at least one line".into() });
    }
    // What was already given back as goodwill is not given back again.
    let paid_left = order.paid().0 - order.refunded().0;
    let refund = match choice {
        RefundChoice::Nothing => Amount::ZERO,
        RefundChoice::Auto => Amount(worth.min(paid_left)),
        RefundChoice::Exactly(money) => check_refund(order, money)?,
    };
    out.push(OrderEvent::Returned { lines: returned, refund });
    earn(order, out);
    if refund.0 > 0 {
        refund::start(order, refund, out, asks)?;
    }
    Ok(())
}

fn check_refund(order: &Order, money: Money) -> Result<Amount, Refusal> {
    if money.currency != order.currency {
        let (wanted, found) = (order.currency.to_string(), money.currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted, found });
    }
    if money.amount.0 <= 0 || !money.amount.is_rounded(money.currency) {
        return Err(Refusal::MoneyInvalid { why: "a refund is a positive amount in whole minor units".into() });
    }
    if money.amount.0 > order.paid().0 - order.refunded().0 {
        return Err(Refusal::MoneyInvalid { why: "a refund is at most what was paid and not yet refunded".into() });
    }
    Ok(money.amount)
}

/// What these units cost, as a proposal for a refund without goods.
pub(super) fn worth_of(order: &Order, lines: &[(u32, Quantity)]) -> Result<Money, Refusal> {
    let mut worth = 0;
    let mut chosen = vec![0; order.lines.len()];
    for (index, quantity) in lines {
        check_quantity(*quantity)?;
        let line = order.lines.get(*index as usize).ok_or_else(|| no_line(*index))?;
        chosen[*index as usize] += quantity;
        if line.given_up() + chosen[*index as usize] > line.units() {
            return Err(Refusal::BodyInvalid { field: "lines", why: format!("line {index} has fewer units") });
        }
    }
    for (line, units) in order.lines.iter().zip(chosen) {
        worth += line.share(units, order.currency).0;
    }
    Ok(Money::new(Amount(worth), order.currency))
}

pub(super) fn grant_refund(
    order: &Order,
    amount: Money,
    reason: &CompactString,
    out: &mut Vec<OrderEvent>,
    asks: &mut Vec<OrderAsk>,
) -> Decision {
    if order.owed_back().0 <= 0 {
        // Unless a refund failed: that one can be tried again, even when the order is over.
        check_open(order, "its money went back when it ended")?;
    }
    if order.awaits_payment() {
        return Err(Refusal::OrderStateInvalid {
            status: order.status().name(),
            wanted: "only a paid order can be refunded",
        });
    }
    let amount = check_refund(order, amount)?;
    out.push(OrderEvent::RefundGranted { amount, reason: reason.clone() });
    refund::start(order, amount, out, asks)
}
