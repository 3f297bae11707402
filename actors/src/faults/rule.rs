//! A fault with its selector, while it is armed: what it has seen, whom it strikes, how often it may.

use std::time::Duration;

use rustc_hash::FxHashSet;

use super::fault::{Fault, MailboxFault};
use super::selector::{Mode, Occasion, Selector, is_like};

/// A fault and where it strikes.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What.
    pub fault: Fault,
    /// Where, and how often.
    pub select: Selector,
}

impl FaultRule {
    /// Strikes everywhere and always.
    pub fn always(fault: Fault) -> Self {
        Self { fault, select: Selector::default() }
    }

    /// Strikes the first so many times.
    pub fn first(fault: Fault, count: u64) -> Self {
        Self { fault, select: Selector { count: Some(count), ..Selector::default() } }
    }

    /// Only actors of this kind.
    #[must_use]
    pub fn on(mut self, kind: &str) -> Self {
        self.select.kind = Some(kind.into());
        self
    }
}

/// How a fault strikes this time.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What goes wrong.
    pub fault: Fault,
    /// How long it takes, if it is a delay.
    pub delay: Duration,
    /// A number for whatever else is left to chance.
    pub drawn: u64,
    /// When it was decided, as the limbo counts: what is let go since then is not held back.
    pub round: u64,
}

/// A rule while it is armed.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) rule: FaultRule,
    /// Occasions that it has seen.
    seen: u64,
    struck: u64,
    /// What the last delay was drawn from; the first is drawn freely.
    last: Option<f64>,
    /// Those who are struck and those who are spared, for modes that count them.
    victims: FxHashSet<String>,
    /// Of a thousand hundredths of a percent, how many are struck in the modes that name a share.
    share: f64,
}

impl Armed {
    pub(super) fn new(rule: FaultRule) -> Self {
        let share = match rule.select.mode {
            Mode::FixedPercent(percent) => percent,
            Mode::RandomMaxPercent(percent) => percent * part(mix(rule.select.seed)),
            Mode::All | Mode::One | Mode::Fixed(_) => 100.0,
        };
        Self { rule, seen: 0, struck: 0, last: None, victims: FxHashSet::default(), share }
    }

    /// Whether it strikes on this occasion.
    pub(super) fn strike(&mut self, occasion: &Occasion) -> Option<Hit> {
        let select = &self.rule.select;
        if select.count.is_some_and(|count| self.struck >= count) || !self.is_between(occasion) {
            return None;
        }
        let name = self.rule.select.select(occasion)?;
        if !is_chosen(&mut self.victims, select, self.share, name) {
            return None;
        }
        self.seen += 1;
        let drawn = mix(self.rule.select.seed ^ self.seen.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if part(drawn) * 100.0 >= self.rule.select.percent {
            return None;
        }
        self.struck += 1;
        let drawn = mix(drawn);
        Some(Hit { fault: self.rule.fault.clone(), delay: self.delay(part(drawn)), drawn, round: 0 })
    }

    fn is_between(&self, occasion: &Occasion) -> bool {
        let Fault::Mailbox(MailboxFault::Partition { from, to }) = &self.rule.fault else { return true };
        let is_one_of = |names: &[String], pattern: &str| names.iter().any(|name| is_like(name, pattern));
        is_one_of(&occasion.from, from) && is_one_of(&occasion.to, to)
    }

    fn delay(&mut self, drawn: f64) -> Duration {
        let Some(delay) = self.rule.fault.delay() else { return Duration::ZERO };
        let alike = (delay.correlation / 100.0).clamp(0.0, 1.0);
        let mixed = self.last.map_or(drawn, |last| alike * last + (1.0 - alike) * drawn);
        self.last = Some(mixed);
        delay.at(mixed)
    }
}

fn is_chosen(victims: &mut FxHashSet<String>, select: &Selector, share: f64, name: &str) -> bool {
    let most = match select.mode {
        Mode::All => return true,
        Mode::One => 1,
        Mode::Fixed(most) => most,
        Mode::FixedPercent(_) | Mode::RandomMaxPercent(_) => {
            let place = name.bytes().fold(select.seed, |hash, byte| mix(hash ^ u64::from(byte)));
            return part(place) * 100.0 < share;
        }
    };
    if victims.contains(name) {
        return true;
    }
    let is_free = (victims.len() as u64) < most;
    if is_free {
        victims.insert(name.to_owned());
    }
    is_free
}

/// SplitMix64's last steps.
const fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// From 0 to 1.
fn part(drawn: u64) -> f64 {
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::super::fault::Delay;
    use super::*;

    fn occasions(rule: FaultRule, names: &[&str]) -> Vec<bool> {
        let mut armed = Armed::new(rule);
        names.iter().map(|name| armed.strike(&Occasion::of("place", *name)).is_some()).collect()
    }

    fn dropping(select: Selector) -> FaultRule {
        FaultRule { fault: Fault::Mailbox(MailboxFault::Drop), select }
    }

    #[test]
    fn a_percentage_is_about_so_many_and_the_same_for_the_same_seed() {
        let struck = |seed| {
            let select = Selector { percent: 15.0, seed, ..Selector::default() };
            occasions(dropping(select), &["sku/a"; 10_000])
        };
        let count = struck(7).into_iter().filter(|struck| *struck).count();
        assert!((1_400..1_600).contains(&count), "{count}");
        assert_eq!(struck(7), struck(7));
        assert_ne!(struck(7), struck(8));
    }

    #[test]
    fn a_count_is_the_first_so_many() {
        let select = Selector { count: Some(2), ..Selector::default() };
        assert_eq!(occasions(dropping(select), &["sku/a"; 4]), [true, true, false, false]);
    }

    #[test]
    fn a_mode_says_how_many_are_struck() {
        let names = ["sku/a", "sku/b", "sku/a", "sku/c", "sku/b"];
        let struck = |mode| occasions(dropping(Selector { mode, ..Selector::default() }), &names);
        assert_eq!(struck(Mode::All), [true; 5]);
        assert_eq!(struck(Mode::One), [true, false, true, false, false]);
        assert_eq!(struck(Mode::Fixed(2)), [true, true, true, false, true]);
        assert_eq!(struck(Mode::FixedPercent(0.0)), [false; 5]);
        assert_eq!(struck(Mode::FixedPercent(100.0)), [true; 5]);
        let many: Vec<String> = (0..1_000).map(|n| format!("sku/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let share = |mode| {
            let select = Selector { mode, seed: 3, ..Selector::default() };
            occasions(dropping(select), &many).into_iter().filter(|struck| *struck).count()
        };
        let fixed = share(Mode::FixedPercent(20.0));
        assert!((150..250).contains(&fixed), "{fixed}");
        assert!(share(Mode::RandomMaxPercent(20.0)) < 250);
    }

    #[test]
    fn a_delay_keeps_its_bounds_and_correlated_ones_are_alike() {
        let delays = |correlation| {
            let delay = Delay { fixed_ms: 200, jitter_ms: 50, correlation };
            let mut armed = Armed::new(FaultRule::always(Fault::Mailbox(MailboxFault::Delay(delay))));
            let strike = |_| armed.strike(&Occasion::of("place", "sku/a")).unwrap().delay.as_secs_f64() * 1_000.0;
            (0..1_000).map(strike).collect::<Vec<f64>>()
        };
        let step = |delays: &[f64]| delays.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>() / 999.0;
        let (free, alike) = (delays(0.0), delays(90.0));
        assert!(free.iter().chain(&alike).all(|delay| (150.0..=250.0).contains(delay)));
        assert!(free.iter().any(|delay| *delay < 160.0) && free.iter().any(|delay| *delay > 240.0));
        assert!(step(&alike) < step(&free) / 5.0, "{} {}", step(&alike), step(&free));
    }

    #[test]
    fn a_cut_is_one_way() {
        let cut = MailboxFault::Partition { from: "partition/0".into(), to: "sku/a*".into() };
        let mut armed = Armed::new(FaultRule::always(Fault::Mailbox(cut)));
        let mut sent = |from: &str, to: &[&str]| {
            let to = to.iter().map(|name| (*name).to_owned()).collect();
            let occasion = Occasion { from: vec![from.into()], to, ..Occasion::of("hold", "order/1") };
            armed.strike(&occasion).is_some()
        };
        assert!(sent("partition/0", &["partition/1", "sku/a1"]));
        assert!(!sent("partition/1", &["partition/0", "sku/a1"]));
        assert!(!sent("partition/0", &["partition/1", "sku/b1"]));
    }
}
