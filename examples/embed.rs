//! The shortest useful program: stock a SKU, sell two units, pay from a wallet.
//!
//! Run with `cargo run --example embed`.

use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(Config::at(dir.path()))?;

    engine.put_sku(Sku::new("SKU001", Money::parse("9.99 EUR")?)).await?;
    engine.receive("SKU001", 100).await?;
    engine.credit("ann", Money::parse("50.00 EUR")?).await?;

    let order = engine.place(NewOrder::one("SKU001", 2).customer("ann")).await?; // durable when it returns
    println!("order {} is {}: {}", order.id, order.status, order.total());

    let order = engine.pay(order.id, Payment::wallet()).await?;
    println!("order {} is {}", order.id, order.status);

    let stock = engine.read_stock("SKU001").await?;
    println!("available: {}", stock.0.levels.available);
    engine.close().await?;
    Ok(())
}
