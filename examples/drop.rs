//! A drop: a hundred units, a thousand who want one, and a lottery that anybody can draw again.
//!
//! Run with `cargo run --example drop`.

use std::collections::BTreeSet;

use stockade::{
    Admission, Config, Engine, Lottery, ManualClock, Money, NewOrder, OrderId, Sku, StockCommand, Timestamp,
};

const UNITS: u64 = 100;
const ENTRANTS: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let opens_at = Timestamp(1_800_000_000_000_000);
    let clock = ManualClock::at(opens_at);
    let engine = Engine::open(Config::in_memory().clock(clock.clone()))?;

    // Whoever sells draws a seed, keeps it, and publishes its hash before the first entry: he cannot choose another later.
    let seed = *blake3::hash(b"thrown with dice, in front of witnesses").as_bytes();
    let lottery = Lottery {
        opens_at,
        closes_at: opens_at.plus_seconds(3600),
        seed_commitment: Lottery::commitment_to(&seed),
        refuse_losers: true,
    };
    let price = Money::parse("149.00 EUR")?;
    engine.put_sku(Sku::new("SNEAKER", price).admission(Admission::Lottery(lottery))).await?;
    engine.receive("SNEAKER", UNITS).await?;
    println!("committed to {}", blake3::Hash::from_bytes(lottery.seed_commitment).to_hex());

    // An entry is an order that waits. It holds nothing and costs nothing.
    let mut entries: Vec<OrderId> = Vec::new();
    for entrant in 0..ENTRANTS {
        let entry = engine.place(NewOrder::one("SNEAKER", 1).customer(format!("fan-{entrant}"))).await?;
        assert_eq!(entry.status, "waiting");
        entries.push(entry.id);
    }

    // After the window the seed is revealed, and the draw is made: the first in line hold a unit until they pay.
    clock.advance_seconds(3600);
    engine.stock("SNEAKER", StockCommand::Draw { seed }).await?;
    let mut winners = BTreeSet::new();
    for id in &entries {
        if engine.read_order(*id).await?.status == "awaiting_payment" {
            winners.insert(*id);
        }
    }
    println!("{} of {ENTRANTS} have won", winners.len());

    // Anybody can draw again from what is public: the seed, and the ids of the entries.
    assert_eq!(Lottery::commitment_to(&seed), lottery.seed_commitment, "it is the seed that was committed to");
    let mut again = entries.clone();
    again.sort_by_key(|id| (Lottery::ticket(&seed, *id), *id));
    let again: BTreeSet<OrderId> = again.into_iter().take(UNITS as usize).collect();
    println!("drawn again by anybody: {}", if again == winners { "the same winners" } else { "OTHER WINNERS" });
    assert_eq!(again, winners);
    engine.close().await?;
    Ok(())
}
