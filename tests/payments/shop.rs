//! A shop with one kind of mug, a gateway that does what a test says, and a clock that stands.

pub use std::net::SocketAddr;
pub use std::sync::{Arc, Mutex};
pub use std::time::Duration;

pub use serde_json::{Value, json};
pub use stockade::audit::audit;
pub use stockade::gateway::{AUTHENTICATION_TOKEN, Fate, Signer, SimulatedGateway, TWO_STEP_TOKEN};
pub use stockade::http::{Server, ServerOptions};
pub use stockade::{
    ChargeTime, Config, Engine, GatewayOutcome, LatePayment, ManualClock, Money, NewOrder, Notifier, Operation,
    Payment, PaymentId, Sku, Timestamp,
};
pub use stockade_domain::ledger::LedgerAccount;
pub use stockade_domain::payment::PaymentState;
pub use stockade_domain::payment::gateway::Notice;

pub use crate::ask::{Told, ask};
pub use crate::wire::Wire;

pub const START: Timestamp = Timestamp(1_790_000_000_000_000);

pub fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

pub struct Shop {
    pub dir: tempfile::TempDir,
    pub engine: Engine,
    pub gateway: SimulatedGateway,
    pub clock: ManualClock,
    pub runtime: tokio::runtime::Runtime,
}

impl Shop {
    pub fn open() -> Self {
        Self::open_with(LatePayment::default())
    }

    pub fn open_with(policy: LatePayment) -> Self {
        Self::configured(|config| config.late_payment(policy))
    }

    pub fn configured(change: impl FnOnce(Config) -> Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, clock) = (SimulatedGateway::default(), ManualClock::at(START));
        let config = Config::at(dir.path()).gateway(gateway.clone()).clock(clock.clone());
        let engine = Engine::open(change(config)).unwrap();
        engine.put_sku(Sku::new("mug", eur("10.00"))).wait().unwrap();
        engine.receive("mug", 1_000).wait().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir, engine, gateway, clock, runtime }
    }

    pub fn order(&self, payment: Payment) -> (stockade::OrderId, PaymentId) {
        let placed = self.engine.place_waiting(NewOrder::one("mug", 1).pay(payment), Duration::ZERO).wait().unwrap();
        (placed.id, serde_json::to_value(&placed).unwrap()["payments"][0]["id"].as_str().unwrap().parse_payment())
    }

    pub fn payment(&self, id: PaymentId) -> Value {
        serde_json::to_value(self.engine.read_payment(id).wait().unwrap()).unwrap()
    }

    pub fn status(&self, order: stockade::OrderId) -> String {
        // An order that was refused because its first payment failed is not there: its id is free again.
        let Ok(order) = self.engine.read_order(order).wait() else { return "refused".into() };
        serde_json::to_value(&order).unwrap()["status"].as_str().unwrap().to_owned()
    }

    /// The gateway's answers come by themselves; whoever needs one waits until the payment shows it.
    pub fn until(&self, id: PaymentId, sub_status: &str) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let payment = self.payment(id);
            if payment["sub_status"] == sub_status {
                return payment;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it never came to {sub_status}: {payment}");
            std::thread::yield_now();
        }
    }

    /// The gateway tells that it has refused a charge.
    pub fn decline(&self, id: PaymentId) {
        let (charge, no) = (Operation::Charge { token: "tok".into() }, "no funds".to_owned());
        self.engine.confirm(id, charge, GatewayOutcome::Declined { reason: no }).wait().unwrap();
    }

    /// Everything is as the gateway's own books say, and the auditor finds nothing.
    pub fn close(self) {
        let Self { dir, engine, gateway, runtime, .. } = self;
        runtime.block_on(engine.check()).unwrap();
        let books = runtime.block_on(engine.ledger()).unwrap();
        let (captured, refunded) = gateway.totals();
        assert_eq!(books.balance("EUR".parse().unwrap(), LedgerAccount::Card), captured - refunded);
        runtime.block_on(engine.close()).unwrap();
        drop(engine);
        let report = audit(dir.path(), |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

pub trait ParsePayment {
    fn parse_payment(&self) -> PaymentId;
}

impl ParsePayment for str {
    fn parse_payment(&self) -> PaymentId {
        PaymentId::parse(self).unwrap()
    }
}

pub fn secret_server(engine: &Engine) -> (Server, SocketAddr, SocketAddr) {
    let free = ([127, 0, 0, 1], 0).into();
    let webhook_secrets = [("acme".to_owned(), vec!["new".to_owned(), "old".to_owned()])].into();
    let api_keys = vec!["key".to_owned()];
    let options = ServerOptions { listen: free, admin: free, api_keys, webhook_secrets, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let (public, admin) = server.addresses();
    (server, public, admin)
}

pub fn send_webhook(address: SocketAddr, secret: &str, now: Timestamp, body: &str) -> Told {
    let header = Signer::new([secret]).sign(body.as_bytes(), now);
    ask(address, "POST", "/api/v1/webhooks/acme", &[("stockade-signature", &header)], body)
}
