//! What may be a kit.

use super::*;
use crate::stock::{KIT_PARTS_MAX, KitPart};

fn part(sku: &str, quantity: Quantity) -> KitPart {
    KitPart { sku: SkuId::new(sku).unwrap(), quantity }
}

fn kit(parts: Vec<KitPart>) -> Definition {
    Definition { kit: Some(Box::new(parts)), ..Definition::new("set", Money::parse("9.00 EUR").unwrap()) }
}

#[test]
fn a_kit_names_other_skus_once_each_and_has_no_rules_of_its_own() {
    let many = (0..=KIT_PARTS_MAX).map(|n| part(&format!("p{n}"), 1)).collect();
    for (parts, code) in [
        (vec![], "body_invalid"),
        (many, "body_invalid"),
        (vec![part("a", 0)], "quantity_invalid"),
        (vec![part("sku", 1)], "body_invalid"),
        (vec![part("a", 1), part("a", 2)], "body_invalid"),
    ] {
        let mut shelf = Shelf::of(Definition { kit: None, ..kit(Vec::new()) });
        assert_eq!(shelf.code(C::Define(Box::new(kit(parts.clone())))), code, "{parts:?}");
    }
    let good = || kit(vec![part("a", 1), part("b", 2)]);
    let mut shelf = Shelf::of(good());
    for wrong in [
        Definition { limit_per_customer: Some(1), ..good() },
        Definition { backorder_max: Some(1), ..good() },
        Definition { safety_level: 1, ..good() },
        Definition { preorder: true, ..good() },
    ] {
        assert_eq!(shelf.code(C::Define(Box::new(wrong))), "body_invalid");
    }
    assert_eq!(shelf.code(receive("main", None, None, 1)), "body_invalid", "a kit has no stock");
    assert_eq!(shelf.code(hold(1, 1, ALL)), "sku_not_sellable", "its components are held in its place");
}

#[test]
fn what_has_stock_or_orders_does_not_become_a_kit() {
    let mut shelf = Shelf::with(1);
    let become_kit = || C::Define(Box::new(kit(vec![part("a", 1)])));
    assert_eq!(shelf.code(become_kit()), "body_invalid");
    shelf.run(adjust("main", -1, false)).unwrap();
    shelf.run(hold(1, 1, WAIT)).unwrap();
    assert_eq!(shelf.code(become_kit()), "body_invalid");
    shelf.run(release(1)).unwrap();
    shelf.run(become_kit()).unwrap();
    shelf.run(C::Define(Box::new(definition()))).unwrap();
    shelf.run(receive("main", None, None, 1)).unwrap();
}
