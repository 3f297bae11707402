//! Questions: they change nothing and rest on the last record of what they show.

use stockade_domain::order::Order;
use stockade_domain::{CustomerId, OrderId, Refusal, SkuId};

use super::{Handled, Host};
use crate::command::{AccountView, Answer, OrderView};
use crate::copy_on_write::CopyOnWrite;
use crate::release::Basis;
use crate::table::Hosted;

impl<T> Hosted<T> {
    /// What an answer about this actor rests on.
    pub(super) fn basis(&self) -> Basis {
        self.record().map_or(Basis::Seq(self.last_seq), Basis::Record)
    }
}

impl Host {
    pub(super) fn read_stock(&mut self, sku: &SkuId) -> Result<Handled, Refusal> {
        let (view, basis) = self.stock_view(sku, false)?;
        Ok(Handled::Answered(Answer::Stock(Box::new(view)), basis))
    }

    pub(super) fn read_order(&mut self, order: OrderId) -> Result<Handled, Refusal> {
        self.order_answer(order, false)
    }

    /// The sequences of all records of an order.
    pub(super) fn read_order_history(&mut self, order: OrderId) -> Result<Handled, Refusal> {
        self.see_order(order, |hosted| Answer::Sequences(hosted.history.to_vec()))
    }

    /// An order as the answer to a command.
    pub(super) fn order_answer(&mut self, order: OrderId, replayed: bool) -> Result<Handled, Refusal> {
        self.see_order(order, |hosted| Answer::Order(OrderView { order: hosted.state.share(), as_of: 0, replayed }))
    }

    /// Answers with what is seen of an order. One at rest is built for the look, and goes on resting.
    fn see_order(
        &mut self,
        order: OrderId,
        see: impl FnOnce(&Hosted<CopyOnWrite<Order>>) -> Answer,
    ) -> Result<Handled, Refusal> {
        if let Some(hosted) = self.resting.look_at(order) {
            return Ok(Handled::Answered(see(&hosted), hosted.basis()));
        }
        let hosted = self.load_order(order).filter(|hosted| !Self::is_refused(&hosted.state));
        let hosted = hosted.ok_or_else(|| Refusal::NotFound { what: format!("order {order}") })?;
        Ok(Handled::Answered(see(hosted), hosted.basis()))
    }

    pub(super) fn read_account(&mut self, customer: &CustomerId) -> Result<Handled, Refusal> {
        let (account, basis) = self.peek_account(customer);
        let (currency, balance, held) = (account.currency, account.balance, account.held());
        let view = AccountView { customer: customer.clone(), currency, balance, held, as_of: 0 };
        Ok(Handled::Answered(Answer::Account(view), basis))
    }

    pub(super) fn read_ledger(&mut self) -> Handled {
        // The books move with every order, so they rest on all that was decided.
        Handled::Answered(Answer::Ledger(Box::new(self.ledger.clone())), Basis::Turn)
    }

    /// What a refusal rests on: the SKU or wallet it names, or else all that was decided so far.
    pub(super) fn basis_of_refusal(&self, refusal: &Refusal) -> Basis {
        let basis = match refusal {
            Refusal::StockExhausted { items, .. } if items.len() == 1 => {
                self.skus.get(&items[0].sku).map(Hosted::basis)
            }
            Refusal::LimitExceeded { sku, .. } | Refusal::BelowCommitments { sku, .. } => {
                self.skus.get(sku).map(Hosted::basis)
            }
            Refusal::InsufficientBalance { customer, .. } => self.accounts.get(customer).map(Hosted::basis),
            _ => None,
        };
        basis.unwrap_or(Basis::Turn)
    }
}
