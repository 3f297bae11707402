//! A marketplace: sellers beside the shop's own stock, buyers who take the cheapest, and a bid that waits.
//!
//! Run with `cargo run --example marketplace`.

use stockade::{Bid, Config, Engine, ManualClock, Money, NewOrder, Offer, Payment, Side, Sku, Timestamp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ManualClock::at(Timestamp(1_800_000_000_000_000));
    let engine = Engine::open(Config::in_memory().clock(clock.clone()))?;
    let eur = |text: &str| Money::parse(&format!("{text} EUR"));

    // The house has two mugs at its list price; bob and eve sell beside it.
    engine.put_sku(Sku::new("MUG", eur("10.00")?)).await?;
    engine.receive("MUG", 2).await?;
    engine.offer("MUG", Offer::new("bob", 3, eur("9.00")?)).await?;
    let eve = engine.offer("MUG", Offer::new("eve", 2, eur("12.00")?).serials(["mug-1", "mug-2"])).await?;

    // Ann takes four from whoever is cheapest: three of bob's, then one of the house's.
    let ann = engine.place(NewOrder::empty().line_any("MUG", 4, eur("11.00")?)).await?;
    for line in &ann.order.lines {
        let seller = line.claim.as_ref().map_or("the house", |claim| claim.seller.as_str());
        println!("ann holds {} of {seller} at {}", line.filled, line.unit_price);
    }

    // Dora bids for two, from her wallet. The house has one left; for the other she waits.
    engine.credit("dora", eur("50.00")?).await?;
    let bid = engine.bid("MUG", Bid::new("dora", 2, eur("10.00")?)).await?;
    println!("dora's bid got {} unit at once, {} waits", bid.view.party.sold, bid.view.party.open);

    // Ann does not pay. What she held goes back to where it was, and one of bob's mugs to dora.
    clock.advance_seconds(901);
    engine.read_order(ann.id).await?;
    let bid = engine.read_party("MUG", Side::Demand, bid.view.id).await?;
    println!("ann's hold has lapsed; dora's bid waits for {} more", bid.view.party.open);
    let wallet = engine.wallet("dora").await?.0;
    println!("dora has {} left, {} of it set aside", wallet.balance, wallet.held);
    assert_eq!((bid.view.party.open, wallet.balance), (0, eur("31.00")?.amount), "one at 10.00, one at 9.00");

    // Carl wants one of eve's, whatever the others cost; eve withdraws the rest.
    let carl = engine.place(NewOrder::empty().line_from("MUG", 1, "eve").pay(Payment::external("till-1"))).await?;
    engine.withdraw("MUG", Side::Supply, eve.view.id).await?;
    engine.ship(carl.id).await?;
    let eve = engine.read_party("MUG", Side::Supply, eve.view.id).await?.view.party;
    println!("eve sold {} and withdrew {}", eve.sold, eve.withdrawn());

    let book = engine.book("MUG", 10).await?.levels;
    let house = book.house.map_or(0, |(_, units)| units);
    println!("left: {house} of the house, {} of bob", book.offers.iter().map(|level| level.quantity).sum::<u128>());
    assert_eq!((house, book.offers.len(), eve.withdrawn()), (1, 1, 1));
    engine.close().await?;
    Ok(())
}
