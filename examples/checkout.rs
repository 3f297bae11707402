//! A checkout from the cart to the last return: a coupon, a quote, a card beside a wallet, parcels, and money that goes back.
//!
//! Run with `cargo run --example checkout`.

use std::time::Duration;

use stockade::engine::coupon_terms;
use stockade::{Engine, Money, NewOrder, Payment, Sku};
use stockade_domain::ledger::LedgerAccount;
use stockade_domain::order::{OrderCommand, RefundChoice};
use stockade_domain::promotion::CouponCode;
use stockade_domain::stock::Disposition;

const SPRING: &str = r#"{
    "id": "spring", "name": "A tenth off in spring", "lane": "coupon", "coupon": ["spring"],
    "limits": {"uses": 100, "per_customer": 1}, "then": {"order": {"percent": 10}}
}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::in_memory()?;
    let eur = |text: &str| Money::parse(&format!("{text} EUR"));

    // The shop: two SKUs, a promotion, and a coupon of which there is one.
    for (sku, price) in [("MUG", "10.00"), ("TEAPOT", "40.00")] {
        engine.put_sku(Sku::new(sku, eur(price)?)).await?;
        engine.receive(sku, 10).await?;
    }
    engine.put_promotion(stockade::promotions::promotion_from_json(SPRING.as_bytes())?).await?;
    let code = CouponCode::new("HELLO")?;
    engine.put_coupon(&code, coupon_terms("spring", Some(1))?).await?;
    engine.credit("ann", eur("20.00")?).await?;

    // The cart, priced before anything is held.
    let cart = NewOrder::one("MUG", 2).line("TEAPOT", 1).customer("ann").coupon("HELLO");
    let quote = engine.quote(cart.clone()).await?;
    for rule in &quote.promotions {
        println!("{}: {} ({})", rule.promotion.as_str(), rule.sentence, rule.code);
    }
    println!("{} less {} is {}", quote.subtotal, quote.discount, quote.total);
    assert_eq!(quote.total, eur("54.00")?);

    // Ordered: 20.00 from the wallet, the rest by card. Stock, coupon and wallet are held together or not at all; it is
    // written down before this returns.
    let paid = cart.clone().pay(Payment::wallet().amount(eur("20.00")?)).pay(Payment::card("tok_visa"));
    let order = engine.place_waiting(paid, Duration::from_secs(5)).await?;
    println!("order {} is {}", order.id, order.order.status().name());
    assert!(order.order.secured);

    // Nobody else can use the coupon now.
    let again = engine.place(cart.customer("bob")).await.expect_err("it is used up");
    println!("bob is told `{}`: {again}", again.code());
    assert_eq!(again.code(), "coupon_exhausted");

    // Two parcels; then a mug comes back, and its share of what was paid with it, to the card first.
    let mugs = OrderCommand::Ship { lines: Some(vec![(0, 2)]), tracking: Some("T-1".into()) };
    engine.order(order.id, mugs).await?;
    engine.ship(order.id).await?;
    let back = OrderCommand::Return { lines: vec![(0, 1, Disposition::Restock)], refund: RefundChoice::Auto };
    let after = engine.order(order.id, back).await?;
    println!("order {} is {}, {} went back", after.id, after.order.status().name(), after.order.refunded());
    assert_eq!(after.order.refunded(), eur("9.00")?.amount);

    let books = engine.ledger().await?;
    let revenue = -books.balance("EUR".parse()?, LedgerAccount::Revenue);
    println!("revenue is {}.{:02} EUR", revenue / 10_000, revenue % 10_000 / 100);
    engine.close().await?;
    Ok(())
}
