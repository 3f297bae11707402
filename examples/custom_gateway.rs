//! A card gateway of one's own: it is asked only after the order is on disk, under a key that stays the same for
//! every repetition.
//!
//! Run with `cargo run --example custom_gateway`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use stockade::{
    Config, Engine, Gateway, GatewayAnswer, GatewayCall, GatewayOutcome, Money, NewOrder, Operation, Payment, Refusal,
    Sku,
};

/// Declines everything above its limit; remembers what it did under each key.
#[derive(Clone, Default)]
struct LimitGateway {
    done: Arc<Mutex<HashMap<String, GatewayOutcome>>>,
}

impl Gateway for LimitGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        let done = Arc::clone(&self.done);
        Box::pin(async move {
            let limit = Money::parse("100.00 EUR").expect("an amount").amount;
            let too_much = matches!(call.operation, Operation::Charge { .. }) && call.money.amount > limit;
            let outcome = if too_much {
                GatewayOutcome::Declined { reason: "over the limit".into() }
            } else {
                GatewayOutcome::Approved { reference: format!("ref-{}", call.payment) }
            };
            // The same key again gives the same outcome: money moves once.
            let mut done = done.lock().expect("nobody panics while holding it");
            done.entry(call.idempotency_key()).or_insert(outcome).clone()
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gateway = LimitGateway::default();
    let engine = Engine::open(Config::in_memory().gateway(gateway.clone()))?;
    engine.put_sku(Sku::new("LAMP", Money::parse("60.00 EUR")?)).await?;
    engine.receive("LAMP", 10).await?;

    let one = engine.place(NewOrder::one("LAMP", 1).pay(Payment::card("tok_1"))).await?;
    println!("one lamp: {}", one.status);

    match engine.place(NewOrder::one("LAMP", 2).pay(Payment::card("tok_2"))).await {
        Err(Refusal::PaymentDeclined { reason }) => println!("two lamps: declined, {reason}"),
        other => println!("two lamps: {other:?}"),
    }
    println!("available: {}", engine.read_stock("LAMP").await?.0.levels.available);
    println!("the gateway knows {} keys", gateway.done.lock().expect("nobody panics while holding it").len());
    engine.close().await?;
    Ok(())
}
