//! A buyer at work on a private engine: orders of every kind, and what becomes of them; now and then the work of those who
//! run the shop. Whoever has no answer asks again, with the same order id.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stockade_domain::book::Side;
use stockade_domain::ledger::{LedgerAccount, LedgerEvent};
use stockade_domain::order::{ChargeTime, OrderCommand, RefundChoice};
use stockade_domain::promotion::CouponCode;
use stockade_domain::stock::{Disposition, StockCommand, Unsellable};
use stockade_domain::{Location, OrderId, Refusal};

use super::private::{CONTROL, SCARCE, Shop, eur};
use crate::engine::{Bid, Engine, NewOrder, Offer, Payment, coupon_terms};

/// How long a buyer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often he asks again.
const TRIES: u32 = 8;
const CUSTOMERS: [&str; 6] = ["ann", "bob", "cem", "dora", "eve", "finn"];
const COUPON: &str = "CHAOS";

/// Wallets with money, and a coupon.
pub(super) async fn set_up(engine: &Engine) -> Result<(), Refusal> {
    for customer in CUSTOMERS {
        engine.credit(customer, eur(100_000_000)).await?;
    }
    let code = CouponCode::new(COUPON).expect("a code");
    engine.put_coupon(&code, coupon_terms("chaos", Some(1_000_000))?).await?;
    Ok(())
}

pub(super) struct Buyer {
    shop: Arc<Shop>,
    random: u64,
    /// His last order and which group it is of.
    last: Option<OrderId>,
}

/// Whether somebody who asks again may have another answer.
fn is_worth_another_try(refusal: &Refusal) -> bool {
    matches!(
        refusal.code(),
        "overloaded" | "storage_unavailable" | "storage_full" | "internal_error" | "shutting_down" | "draining"
    )
}

impl Buyer {
    pub(super) fn new(shop: Arc<Shop>, seed: u64, number: u64) -> Self {
        let random = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
        Self { shop, random, last: None }
    }

    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*, which is enough to vary what is done.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound.max(1)
    }

    fn goods(&mut self) -> &'static str {
        let which = self.below(self.shop.goods.len() as u64) as usize;
        self.shop.goods[which]
    }

    fn customer(&mut self) -> &'static str {
        CUSTOMERS[self.below(CUSTOMERS.len() as u64) as usize]
    }

    /// Works until the shop closes.
    pub(super) async fn shop(mut self) {
        while !self.shop.closing.load(Ordering::Relaxed) {
            match self.below(10) {
                0..=4 => self.buy().await,
                5 | 6 => self.follow_up().await,
                7 => self.look().await,
                _ => self.run_the_shop().await,
            }
            // A buyer thinks for a moment; without it two cores would do nothing but buy.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// One request. None: no answer came.
    async fn ask<T>(&self, request: impl AsyncFnOnce(Engine) -> Result<T, Refusal>) -> Option<Result<T, Refusal>> {
        let engine = self.shop.engine.read().await.clone();
        let counts = &self.shop.counts;
        counts.in_flight.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, request(engine)).await.ok();
        counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        let is_error = answer.as_ref().is_none_or(|answer| answer.as_ref().is_err_and(is_worth_another_try));
        counts.add(begun.elapsed(), is_error);
        answer
    }

    fn order(&mut self) -> (NewOrder, bool) {
        let goods = self.goods();
        let is_control = CONTROL.contains(&goods);
        let mut order = NewOrder::one(goods, 1 + self.below(2)).customer(self.customer());
        if self.below(3) == 0 {
            let mut other = self.goods();
            while CONTROL.contains(&other) != is_control || other == goods {
                other = self.goods();
            }
            order = order.line(other, 1);
        }
        order = match self.below(10) {
            0..=2 => order.pay(Payment::external("till")),
            3..=5 => order.pay(Payment::wallet()),
            6 | 7 => order.pay(Payment::card("tok")),
            8 => order.pay(Payment::card("tok")).charge_time(ChargeTime::AtShip),
            _ => order,
        };
        if goods == SCARCE {
            order = order.allow_backorder();
        }
        if self.below(8) == 0 {
            order = order.coupon(COUPON);
        }
        (order, is_control)
    }

    /// Orders until he has an answer that is one.
    async fn buy(&mut self) {
        let (order, is_control) = self.order();
        let id = self.shop.engine.read().await.new_order_id();
        let order = order.id(id);
        let group = usize::from(is_control);
        for attempt in 0..TRIES {
            let wanted = order.clone();
            let answer = self.ask(async |engine| engine.place_waiting(wanted, Duration::from_secs(1)).await).await;
            match answer {
                Some(Ok(_)) => {
                    self.shop.counts.acknowledged.lock().push(id);
                    self.shop.counts.served[group].fetch_add(1, Ordering::Relaxed);
                    self.last = Some(id);
                    return;
                }
                // A refusal for a reason is an answer, too: he was served with it.
                Some(Err(refusal)) if !is_worth_another_try(&refusal) => {
                    self.shop.counts.served[group].fetch_add(1, Ordering::Relaxed);
                    return;
                }
                _ => {}
            }
            self.shop.counts.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
        }
        self.shop.counts.left[group].fetch_add(1, Ordering::Relaxed);
    }

    async fn follow_up(&mut self) {
        let Some(id) = self.last else { return };
        let one = || Some(vec![(0, 1)]);
        let command = match self.below(9) {
            0 => {
                let payment = if self.below(2) == 0 { Payment::wallet() } else { Payment::external("later") };
                return drop(self.ask(async |engine| engine.pay(id, payment).await).await);
            }
            1 => {
                let lines = NewOrder::one(self.goods(), 1);
                return drop(self.ask(async |engine| engine.edit(id, lines).await).await);
            }
            2 => OrderCommand::Extend { seconds: 60 },
            3 => OrderCommand::Cancel { lines: None },
            4 => OrderCommand::Cancel { lines: Some(vec![(0, Some(1))]) },
            5 => OrderCommand::Ship { lines: None, tracking: None },
            6 => OrderCommand::Ship { lines: one(), tracking: None },
            7 => {
                let back = vec![(0, 1, Disposition::Restock)];
                OrderCommand::Return { lines: back, refund: RefundChoice::Auto }
            }
            _ => match self.below(3) {
                0 => OrderCommand::Deliver,
                1 => OrderCommand::Complete,
                _ => OrderCommand::RefundAmount { amount: eur(10), reason: "late".into() },
            },
        };
        let _ = self.ask(async |engine| engine.order(id, command).await).await;
    }

    async fn look(&mut self) {
        let (goods, customer, last) = (self.goods(), self.customer(), self.last);
        match self.below(7) {
            0 => drop(self.ask(async |engine| engine.read_stock(goods).await).await),
            1 => drop(self.ask(async |engine| engine.book(goods, 5).await).await),
            2 => drop(self.ask(async |engine| engine.wallet(customer).await).await),
            3 => {
                let code = CouponCode::new(COUPON).expect("a code");
                drop(self.ask(async |engine| engine.read_coupon(&code).await).await);
            }
            4 => drop(self.ask(async |engine| engine.ledger().await).await),
            5 => {
                let Some(id) = last else { return };
                let order = self.ask(async |engine| engine.read_order(id).await).await;
                let Some(Ok(order)) = order else { return };
                for payment in order.order.payments.iter().take(1) {
                    let id = payment.id;
                    drop(self.ask(async |engine| engine.read_payment(id).await).await);
                    if self.below(4) == 0 {
                        drop(self.ask(async |engine| engine.capture(id, None).await).await);
                    }
                }
            }
            _ => {
                let Some(id) = last else { return };
                drop(self.ask(async |engine| engine.read_order(id).await).await);
            }
        }
    }

    /// What the people of the shop do beside.
    async fn run_the_shop(&mut self) {
        let (goods, customer) = (self.goods(), self.customer());
        let main = Location::main;
        let command = match self.below(14) {
            0 | 1 => return drop(self.ask(async |engine| engine.receive(goods, 3).await).await),
            2 => return drop(self.ask(async |engine| engine.credit(customer, eur(500)).await).await),
            3 => {
                let offer = Offer::new(customer, 2, eur(450));
                let made = self.ask(async |engine| engine.offer(goods, offer).await).await;
                let Some(Ok(made)) = made else { return };
                let id = made.view.id;
                drop(self.ask(async |engine| engine.amend(goods, Side::Supply, id, Some(eur(440)), None).await).await);
                return drop(self.ask(async |engine| engine.withdraw(goods, Side::Supply, id).await).await);
            }
            4 => {
                let bid = Bid::new(customer, 1, eur(510));
                return drop(self.ask(async |engine| engine.bid(goods, bid).await).await);
            }
            5 => {
                let sku = crate::engine::Sku::new(goods, eur(500)).backorder_max(1_000 + self.below(3));
                return drop(self.ask(async |engine| engine.put_sku(sku).await).await);
            }
            6 => {
                let (code, terms) = (CouponCode::new(COUPON), coupon_terms("chaos", Some(1_000_000 + self.below(3))));
                let (Ok(code), Ok(terms)) = (code, terms) else { return };
                return drop(self.ask(async |engine| engine.put_coupon(&code, terms).await).await);
            }
            7 => {
                let (debit, credit, money) = (LedgerAccount::Goodwill, LedgerAccount::Cash, eur(1));
                let entry = LedgerEvent::Entered { debit, credit, money, memo: "tip".into(), seller: None };
                return drop(self.ask(async |engine| engine.enter(entry).await).await);
            }
            8 => StockCommand::Announce { quantity: 2, available_from: None, reference: None },
            9 => StockCommand::Reclassify {
                location: main(),
                lot: None,
                from: Unsellable::Free,
                to: Unsellable::Damaged,
                quantity: 1,
            },
            10 => StockCommand::Transfer {
                from: main(),
                to: Location::new("annex").expect("a name"),
                lot: None,
                quantity: 1,
            },
            11 => StockCommand::WriteOff {
                location: main(),
                lot: None,
                from: Unsellable::Free,
                quantity: 1,
                reason: "broken".into(),
            },
            _ => {
                StockCommand::Adjust { location: main(), lot: None, delta: -1, reason: "counted".into(), force: false }
            }
        };
        let _ = self.ask(async |engine| engine.stock(goods, command).await).await;
    }
}
