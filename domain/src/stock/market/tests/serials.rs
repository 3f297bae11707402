//! Units that have a number each.

use super::*;

#[test]
fn whoever_gets_a_unit_gets_its_serial_number() {
    let mut shop = Shop::new("10", 0);
    let serials: Vec<Serial> = ["s1", "s2", "s3", "s4"].map(|text| Serial::new(text).unwrap()).into();
    let numbered = |serials: &[Serial]| {
        let offer = NewOffer { serials: serials.to_vec(), ..offer(1, "bob", 4, "9") };
        StockCommand::Market(Box::new(MarketCommand::Offer(offer)))
    };
    assert_eq!(shop.run(&numbered(&serials[..3])).unwrap_err().code(), "body_invalid");
    let twice = [serials[0].clone(), serials[1].clone(), serials[2].clone(), serials[1].clone()];
    assert_eq!(shop.run(&numbered(&twice)).unwrap_err().code(), "body_invalid");
    shop.run(&numbered(&serials)).unwrap();
    shop.take(1, &[any(0, 3, "9")], 0, ALL).unwrap();
    let of_order = |shop: &Shop, quantity| {
        let market = shop.stock.market().unwrap();
        let names = market.serials_of(market.claims_of(order(1)).unwrap().get(0).unwrap(), quantity);
        names.iter().map(|serial| serial.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of_order(&shop, 3), ["s1", "s2", "s3"]);
    let reason = ReleaseReason::Cancelled;
    shop.run(&StockCommand::ReleaseClaim { order: order(1), claim: 0, quantity: 1, reason }).unwrap();
    assert_eq!(of_order(&shop, 9), ["s1", "s2"], "what goes back goes from the end");
    shop.run(&StockCommand::Settle { order: order(1) }).unwrap();
    let trade = shop.run(&StockCommand::ShipClaim { order: order(1), claim: 0, quantity: 1 }).unwrap();
    let shipped = trade.events.iter().find_map(|event| match event {
        StockEvent::Market(event) => match &**event {
            MarketEvent::ClaimShipped { serials, .. } => serials.clone(),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(shipped.map(|names| names.to_vec()), Some(vec![serials[0].clone()]));
    let open: Vec<_> = shop.party(1).serials.as_ref().unwrap().open().map(Serial::as_str).collect();
    assert_eq!(open, ["s3", "s4"]);
    let amend = |quantity| {
        let quantity = Some(quantity);
        StockCommand::Market(Box::new(MarketCommand::Amend { id: id(1), side: Side::Supply, price: None, quantity }))
    };
    assert_eq!(shop.run(&amend(3)).unwrap_err().code(), "body_invalid");
    shop.run(&amend(1)).unwrap();
    assert_eq!(shop.party(1).serials.as_ref().unwrap().open().map(Serial::as_str).collect::<Vec<_>>(), ["s3"]);
}
