//! Ten thousand buyers, one thousand units: exactly one thousand sales.
//!
//! Run with `cargo run --release --example flash_sale`.

use std::time::Instant;

use stockade::{Config, Engine, Money, NewOrder, Payment, Refusal, Sku};

const BUYERS: usize = 10_000;
const UNITS: u64 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(Config::at(dir.path()))?;
    engine.put_sku(Sku::new("SNEAKER", Money::parse("149.00 EUR")?)).await?;
    engine.receive("SNEAKER", UNITS).await?;

    let begun = Instant::now();
    let orders = (0..BUYERS).map(|buyer| {
        NewOrder::one("SNEAKER", 1).customer(format!("buyer-{buyer}")).pay(Payment::external(format!("ref-{buyer}")))
    });
    let (mut sold, mut refused) = (0, 0);
    for pending in engine.place_many(orders) {
        match pending.await {
            Ok(_) => sold += 1,
            Err(Refusal::StockExhausted { .. }) => refused += 1,
            Err(other) => return Err(other.into()),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();

    let stock = engine.read_stock("SNEAKER").await?.0.levels;
    println!("sold {sold}, refused {refused}, available {}, in {seconds:.3} s", stock.available);
    assert_eq!((sold, stock.available), (UNITS, 0), "never more, never fewer");
    engine.close().await?;
    Ok(())
}
