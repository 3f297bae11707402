//! Commands to payments, wallets and the books.

use stockade_domain::account::{self, AccountCommand};
use stockade_domain::entity::EntityKey;
use stockade_domain::ledger::{self, LedgerEvent};
use stockade_domain::order::OrderCommand;
use stockade_domain::payment::{self, Method, PaymentAsk, PaymentCommand};
use stockade_domain::{Amount, CustomerId, Money, OrderId, PaymentId, Refusal};

use super::{Handled, Host, Message};
use crate::command::{AccountView, Answer, KeyDigest};
use crate::faults::MailboxFault;
use crate::release::Basis;

impl Host {
    /// Tells a payment something; what it asks of others runs in the same turn.
    pub(super) fn ask_payment(&mut self, id: PaymentId, command: &PaymentCommand) -> Result<(), Refusal> {
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Payment(id));
        let now = self.now;
        let Some(hosted) = self.load_payment(id) else {
            return Err(Refusal::NotFound { what: format!("payment {id}") });
        };
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        let (order, mut waits) = (hosted.state.order, false);
        payment::decide(&hosted.state, command, now, &mut events, &mut asks)?;
        self.change_payment(id, &events);
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Payment(id));
        for ask in asks {
            let tell = match ask {
                PaymentAsk::Gateway(call) => {
                    self.effects.call_gateway(call);
                    continue;
                }
                PaymentAsk::Notify { state } => {
                    self.effects.notify(id, state);
                    continue;
                }
                PaymentAsk::Account(customer, command) => {
                    self.messages.push_back(Message::Account(customer, command, id));
                    continue;
                }
                PaymentAsk::OrderWaits => {
                    waits = true;
                    continue;
                }
                PaymentAsk::OrderSees => {
                    self.messages.push_back(Message::PaymentSeen(id));
                    continue;
                }
                PaymentAsk::OrderPaid => OrderCommand::PaymentPaid { payment: id },
                PaymentAsk::OrderPaidLate => {
                    OrderCommand::PaymentPaidLate { payment: id, policy: self.shared.late_payment }
                }
                PaymentAsk::OrderFailed { reason } => OrderCommand::PaymentFailed { payment: id, reason },
                PaymentAsk::CaptureFailed { reason } => OrderCommand::CaptureFailed { payment: id, reason },
                PaymentAsk::OrderRefundReversed { amount } => OrderCommand::RefundReversed { payment: id, amount },
                PaymentAsk::OrderRefunded { amount, done } => {
                    OrderCommand::PaymentRefunded { payment: id, amount, done }
                }
            };
            // A payment of an attempt that was refused belongs to no order any more; its money has been seen to.
            if self.is_of_order(order, id) {
                self.messages.push_back(Message::Order(order, tell));
            }
        }
        if waits {
            // Whoever is answered is shown what the order has heard by then.
            self.messages.push_back(Message::Waits(order));
        }
        Ok(())
    }

    /// How much more than this a gateway may take of a card.
    pub(super) fn permitted_overcapture(&self, method: Method, money: Money) -> Amount {
        match method {
            Method::Card => payment::permitted_overcapture(money, self.shared.overcapture_basis_points),
            Method::Wallet | Method::External | Method::Account => Amount::ZERO,
        }
    }

    fn is_of_order(&mut self, order: OrderId, payment: PaymentId) -> bool {
        self.load_order(order).is_some_and(|hosted| hosted.state.payment_number(payment).is_some())
    }

    /// Tells an order where its payment stands now, whatever has happened since that was to be told.
    pub(super) fn show_payment(&mut self, id: PaymentId) -> Result<(), Refusal> {
        let Some(hosted) = self.load_payment(id) else { return Ok(()) };
        let (order, payment) = (hosted.state.order, &hosted.state);
        let stands =
            OrderCommand::PaymentStands { payment: id, stage: payment.stage(), next_action: payment.next_action() };
        match self.is_of_order(order, id) {
            true => self.tell_order(order, &stands),
            false => Ok(()),
        }
    }

    /// A caller, a gateway's webhook or an operator tells a payment something; the answer is how it stands after that.
    pub(super) fn run_payment_command(&mut self, id: PaymentId, command: &PaymentCommand) -> Result<Handled, Refusal> {
        self.ask_payment(id, command)?;
        self.run_messages()?;
        self.read_payment(id)
    }

    pub(super) fn read_payment(&mut self, id: PaymentId) -> Result<Handled, Refusal> {
        let Some(hosted) = self.load_payment(id) else {
            return Err(Refusal::NotFound { what: format!("payment {id}") });
        };
        Ok(Handled::Answered(Answer::Payment(Box::new(hosted.state.clone())), hosted.basis()))
    }

    /// Payments in memory whose gateway is not asked any more until somebody says so.
    pub(super) fn read_dead_letters(&self) -> Handled {
        let given_up = self.payments.iter().filter(|(_, hosted)| hosted.state.is_given_up());
        let mut found: Vec<_> = given_up.map(|(_, hosted)| hosted.state.clone()).collect();
        found.sort_by_key(|payment| payment.id);
        Handled::Answered(Answer::Payments(Box::new(found)), Basis::Turn)
    }

    /// What a payment asks of a wallet; it cannot be refused.
    pub(super) fn ask_account(
        &mut self,
        customer: CustomerId,
        command: AccountCommand,
        payment: PaymentId,
    ) -> Result<(), Refusal> {
        if self.home_of_name(customer.as_str()) != self.index || self.is_owed_by_wallet(payment, &customer) {
            return self.owe_account_step(customer, &command, payment);
        }
        self.change_wallet(&customer, &command).map(|_| ())
    }

    /// Lets a wallet decide a command and takes the events in.
    pub(super) fn change_wallet(
        &mut self,
        customer: &CustomerId,
        command: &AccountCommand,
    ) -> Result<Option<u32>, Refusal> {
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Account(customer.clone()));
        let mut events = Vec::new();
        account::decide(&self.peek_account(customer).0, command, &mut events)?;
        let record = self.change_account(customer, &events);
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Account(customer.clone()));
        Ok(record)
    }

    pub(super) fn run_account_command(
        &mut self,
        customer: &CustomerId,
        command: &AccountCommand,
        key: Option<KeyDigest>,
    ) -> Result<Handled, Refusal> {
        let record = self.change_wallet(customer, command)?;
        if let (Some(record), Some(key)) = (record, key) {
            self.turn.add_digest(record, key);
        }
        let (account, basis) = self.peek_account(customer);
        let (currency, balance, held) = (account.currency, account.balance, account.held());
        let view = AccountView { customer: customer.clone(), currency, balance, held, as_of: 0 };
        Ok(Handled::Answered(Answer::Account(view), basis))
    }

    /// Makes an entry in the books.
    pub(super) fn enter(&mut self, event: &LedgerEvent, key: Option<KeyDigest>) -> Result<Handled, Refusal> {
        ledger::decide(event)?;
        let record = match self.ledger_record {
            Some(record) => record,
            None => self.turn.add_record(EntityKey::Ledger),
        };
        self.ledger_record = Some(record);
        self.turn.push_event(record, event);
        if let Some(key) = key {
            self.turn.add_digest(record, key);
        }
        self.postings.push(ledger::of_entry(event));
        Ok(Handled::Answered(Answer::Count(1), Basis::Record(record)))
    }
}
