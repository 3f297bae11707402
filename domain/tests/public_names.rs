//! Names that clients write and read: each is a word, and nothing else is called by it.

use stockade_domain::book::SelfTrade;
use stockade_domain::entity::EntityKind;
use stockade_domain::ledger::LedgerAccount;
use stockade_domain::order::ChargeKind;
use stockade_domain::payment::Method;
use stockade_domain::payment::gateway::ActionKind;
use stockade_domain::stock::{Disposition, SkuStatus, SourcingStrategy, Unsellable};

fn check<T: Copy>(what: &str, all: &[(T, &str)], name: impl Fn(T) -> &'static str) {
    let is_word = |text: &str| text.len() > 2 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    for (value, listed) in all {
        assert!(name(*value) == *listed && is_word(listed), "{what}: {listed}");
    }
    let mut names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len(), "{what}");
}

#[test]
fn every_value_has_a_name_of_its_own() {
    check("self trade", &SelfTrade::ALL, SelfTrade::name);
    check("kind of actor", &EntityKind::ALL, EntityKind::name);
    check("account of the books", &LedgerAccount::ALL, LedgerAccount::name);
    check("kind of charge", &ChargeKind::ALL, ChargeKind::name);
    check("way to pay", &Method::ALL, Method::name);
    check("what a gateway wants", &ActionKind::ALL, ActionKind::name);
    check("what becomes of a return", &Disposition::ALL, Disposition::name);
    check("state of a SKU", &SkuStatus::ALL, SkuStatus::name);
    check("way of sourcing", &SourcingStrategy::ALL, SourcingStrategy::name);
    check("kind of stock", &Unsellable::ALL, Unsellable::name);
}
