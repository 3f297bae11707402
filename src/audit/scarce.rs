//! The auditor's own rules for scarce goods: who may be filled next, what may wait, and the draw, made again.

use stockade_domain::stock::Admission;
use stockade_domain::{OrderId, Quantity};

use super::report::{Rule, Scene};
use super::stock::Sku;

impl Sku {
    fn admission(&self) -> Option<&Admission> {
        self.definition.as_ref().and_then(|definition| definition.admission.as_deref())
    }

    /// Whether orders that hold nothing wait to be let in.
    pub(super) fn lets_wait(&self) -> bool {
        matches!(self.admission(), Some(Admission::WaitingList { .. } | Admission::Lottery(_)))
    }

    /// Whether entries are still to be drawn.
    fn is_undrawn(&self) -> bool {
        matches!(self.admission(), Some(Admission::Lottery(lottery)) if self.drawn != Some(lottery.seed_commitment))
    }

    /// Whoever is filled stands first in line, or the stock is shared; who waits for all gets all.
    pub(super) fn check_turn(&self, order: OrderId, quantity: i64, scene: &mut Scene<'_>) {
        scene.expect(!self.is_undrawn(), Rule::LotteryDraw, || format!("order {order} was let in before the draw"));
        let Some(commitment) = self.commitments.get(&order) else { return };
        let whole = !commitment.is_entry || commitment.waiting == quantity;
        scene.expect(whole, Rule::BackorderTurn, || {
            format!("order {order} waits for {} and was let in with {quantity}", commitment.waiting)
        });
        let first = self.queue.first_key_value().map(|(_, order)| *order);
        let shared = self.admission() == Some(&Admission::ProRata);
        scene.expect(shared || first == Some(order), Rule::BackorderTurn, || match first {
            Some(first) => format!("order {order} was filled before {first}, who stands before it"),
            None => format!("order {order} was filled and did not wait"),
        });
    }

    /// No more waits than the SKU allows, and against announced stock no more than is announced.
    pub(super) fn check_line(&self, scene: &mut Scene<'_>) {
        let Some(definition) = &self.definition else { return };
        let bound = match definition.backorder_max {
            None if self.lets_wait() => Quantity::MAX,
            bound => bound.unwrap_or(0),
        };
        let all = self.waiting();
        let within = all <= i64::try_from(bound).unwrap_or(i64::MAX);
        scene.expect(within, Rule::BackorderBound, || format!("{all} units wait, {bound} may"));
        let covered = !definition.preorder || self.lets_wait() || all <= self.incoming;
        scene.expect(covered, Rule::PromisedTwice, || {
            format!("{all} units are sold against {} that are coming", self.incoming)
        });
    }

    /// Makes the draw again from the seed that was revealed.
    pub(super) fn draw(&mut self, seed: &[u8; 32], scene: &mut Scene<'_>) {
        let mut hash = blake3::Hasher::new();
        hash.update(seed);
        let commitment = *hash.finalize().as_bytes();
        match self.admission() {
            Some(Admission::Lottery(lottery)) => {
                let (fits, closes_at) = (lottery.seed_commitment == commitment, lottery.closes_at);
                scene.expect(fits, Rule::LotteryDraw, || "the seed is not the one that was committed to".into());
                scene.expect(closes_at <= scene.now, Rule::LotteryDraw, || "it was drawn before it closed".into());
            }
            _ => scene.fault(Rule::LotteryDraw, "there was no lottery to draw"),
        }
        self.drawn = Some(commitment);
        let entries = self.queue.iter().filter(|(_, order)| self.commitments.get(order).is_some_and(|c| c.is_entry));
        let (places, mut entries): (Vec<u64>, Vec<OrderId>) = entries.map(|(place, order)| (*place, *order)).unzip();
        entries.sort_by_cached_key(|order| {
            let mut ticket = blake3::Hasher::new_keyed(seed);
            ticket.update(&order.to_bytes());
            *ticket.finalize().as_bytes()
        });
        for (place, order) in places.into_iter().zip(entries) {
            self.queue.insert(place, order);
            if let Some(commitment) = self.commitments.get_mut(&order) {
                commitment.ordinal = place;
            }
        }
    }

    /// Announced units will not come.
    pub(super) fn withdraw(&mut self, quantity: i64, scene: &mut Scene<'_>) {
        self.incoming -= quantity;
        let left = self.incoming;
        scene.expect(left >= 0, Rule::StockNegative, || format!("{left} are incoming"));
    }

    /// A promise can be broken only to somebody who waits, and only as far as nothing is coming for him.
    pub(super) fn check_broken_promise(&self, order: OrderId, quantity: i64, scene: &mut Scene<'_>) {
        let before = |commitment: &super::stock::Commitment| -> i64 {
            let ahead = self.queue.range(..commitment.ordinal).filter_map(|(_, order)| self.commitments.get(order));
            ahead.map(|commitment| commitment.waiting).sum()
        };
        let uncovered = self.commitments.get(&order).map(|commitment| {
            let covered = (self.incoming - before(commitment)).clamp(0, commitment.waiting);
            commitment.waiting - covered
        });
        scene.expect(uncovered.is_some_and(|units| units >= quantity), Rule::PromisedTwice, || {
            format!("order {order} was told that {quantity} are not coming, {uncovered:?} are not")
        });
    }
}
