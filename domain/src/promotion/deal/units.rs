//! Deals about units: the nth, buy and get, bundles. Units are counted by line, never laid out: a line may have a
//! thousand million.

use smallvec::SmallVec;

use super::{Bids, Floor, Rate, Share};
use crate::Quantity;
use crate::promotion::facts::LineFacts;
use crate::promotion::pricing::Reason;
use crate::promotion::rule::Basis;
use crate::promotion::test::Lines;

/// Lines with their slots.
type Pool<'a> = SmallVec<[(usize, &'a LineFacts); 8]>;

impl Bids {
    /// Of every `buy + get` units, the dearest first, the last `get` are cheaper.
    pub(super) fn buy_get(
        &mut self,
        floor: &Floor<'_, '_>,
        basis: Basis,
        (buy, get, times): (Quantity, Quantity, Quantity),
        rate: Rate,
        of: &Lines,
    ) -> Result<i64, Reason> {
        let mut pool: Pool<'_> = of.of(floor.facts).collect();
        if pool.is_empty() {
            return Err(Reason::NothingInScope);
        }
        pool.sort_by_key(|(slot, line)| (std::cmp::Reverse(line.unit_price), *slot));
        let group = buy + get;
        let units: Quantity = pool.iter().map(|(_, line)| line.quantity).sum();
        let groups = (units / group).min(times);
        if groups == 0 {
            return Err(Reason::TooFewUnits);
        }
        let cheaper_before = |position: Quantity| {
            let position = position.min(groups * group);
            position / group * get + (position % group).saturating_sub(buy)
        };
        let (mut start, mut sum) = (0, 0);
        for (slot, line) in pool {
            if start >= groups * group {
                break;
            }
            let end = start + line.quantity;
            let amount = floor.units_off(basis, slot, line, cheaper_before(end) - cheaper_before(start), rate);
            self.shares.push(Share { slot: slot as u32, amount });
            (start, sum) = (end, sum + amount);
        }
        Ok(sum)
    }

    /// Every `buy` units of some goods make `get` units of others cheaper, the cheapest of these first.
    pub(super) fn buy_get_other(
        &mut self,
        floor: &Floor<'_, '_>,
        basis: Basis,
        (buy, get, times): (Quantity, Quantity, Quantity),
        rate: Rate,
        [of, get_of]: [&Lines; 2],
    ) -> Result<i64, Reason> {
        let first = self.shares.len();
        let mut bought = 0;
        for (slot, line) in of.of(floor.facts) {
            bought += line.quantity;
            self.shares.push(Share { slot: slot as u32, amount: 0 });
        }
        let mut others: Pool<'_> = get_of.of(floor.facts).filter(|(_, line)| !of.mean(line)).collect();
        let refused = match () {
            () if bought == 0 || others.is_empty() => Some(Reason::NothingInScope),
            () if bought < buy => Some(Reason::TooFewUnits),
            () => None,
        };
        if let Some(reason) = refused {
            self.shares.truncate(first);
            return Err(reason);
        }
        others.sort_by_key(|(slot, line)| (line.unit_price, *slot));
        let mut to_get = (bought / buy).min(times).saturating_mul(get);
        let mut sum = 0;
        for (slot, line) in others {
            let units = to_get.min(line.quantity);
            if units == 0 {
                break;
            }
            to_get -= units;
            let amount = floor.units_off(basis, slot, line, units, rate);
            self.shares.push(Share { slot: slot as u32, amount });
            sum += amount;
        }
        Ok(sum)
    }

    /// Claims the units of as many bundles as there are; gives what they cost less together.
    pub(super) fn bundle(
        &mut self,
        floor: &Floor<'_, '_>,
        basis: Basis,
        parts: &[(Quantity, Lines)],
        price: i64,
        times: Quantity,
    ) -> Result<i64, Reason> {
        let mut of_parts: SmallVec<[Pool<'_>; 4]> = SmallVec::new();
        of_parts.resize_with(parts.len(), SmallVec::new);
        for (slot, line) in floor.facts.lines.iter().enumerate() {
            if let Some(part) = parts.iter().position(|(_, of)| of.mean(line)) {
                of_parts[part].push((slot, line));
            }
        }
        if of_parts.iter().all(SmallVec::is_empty) {
            return Err(Reason::NothingInScope);
        }
        let bundles = of_parts
            .iter()
            .zip(parts)
            .map(|(lines, (wanted, _))| lines.iter().map(|(_, line)| line.quantity).sum::<Quantity>() / wanted);
        let bundles = bundles.min().unwrap_or(0).min(times);
        if bundles == 0 {
            return Err(Reason::TooFewUnits);
        }
        let mut sum = 0;
        for (lines, (wanted, _)) in of_parts.iter_mut().zip(parts) {
            lines.sort_by_key(|(slot, line)| (std::cmp::Reverse(line.unit_price), *slot));
            let mut wanted = wanted * bundles;
            for (slot, line) in lines {
                let units = wanted.min(line.quantity);
                if units == 0 {
                    break;
                }
                wanted -= units;
                let base = floor.units_base(basis, *slot, line, units);
                self.shares.push(Share { slot: *slot as u32, amount: base.min(floor.left[*slot]) });
                sum += base;
            }
        }
        Ok(sum - floor.times(price, bundles))
    }
}
