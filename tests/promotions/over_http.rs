//! The example behind HTTP: its file is loaded whole, and the carts of the table are quoted as the table says.

use std::time::Duration;

use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, ManualClock};

use super::*;

#[path = "../support/ask.rs"]
mod ask;

use ask::{Told, ask};

struct Shop {
    engine: Engine,
    server: Server,
    clock: ManualClock,
}

impl Shop {
    /// With the lanes of the example.
    fn open() -> Self {
        let clock = ManualClock::at(Timestamp(0));
        let mut config = Config::in_memory().clock(clock.clone());
        config.lanes = PromotionFile::from_yaml(PROMOTIONS).expect("a file").lanes.expect("the example has lanes");
        let engine = Engine::open(config).expect("an engine");
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).expect("a server");
        Self { engine, server, clock }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Told {
        let headers = [("content-type", "application/json")];
        ask(self.server.addresses().0, method, &format!("/api/v1{path}"), &headers, &body.to_string())
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.engine.close_blocking().expect("it closes");
    }
}

impl Case {
    /// The body of a quote.
    fn body(&self, cart: &Cart) -> Value {
        let money = |amount: Amount| json!({"amount": amount.to_string(), "currency": cart.currency.to_string()});
        let line = |line: &CartLine| json!({"sku": line.sku.as_str(), "quantity": line.quantity, "unit_price": money(line.unit_price)});
        let charge = |charge: &Charge| json!({"kind": charge.kind.name(), "amount": money(charge.money.amount)});
        let pays = |method: &Method| match method {
            Method::Card => json!({"method": "card", "token": "tok"}),
            other => json!({"method": other.name()}),
        };
        let of = &self.context;
        let mut context = json!({"new_customer": of.new, "utc_offset_minutes": of.offset});
        let said = [("tier", &of.tier), ("region", &of.region), ("channel", &of.channel)];
        said.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))).for_each(|(name, text)| {
            context[name] = text.as_str().into();
        });
        if let Some(orders) = of.orders_before {
            context["orders_before"] = orders.into();
        }
        let mut body = json!({
            "lines": cart.lines.iter().map(line).collect::<Vec<_>>(),
            "charges": cart.charges.iter().map(charge).collect::<Vec<_>>(),
            "context": context,
            "coupons": of.coupons.keys().collect::<Vec<_>>(),
            "payments": of.payment.methods().iter().map(pays).collect::<Vec<_>>(),
        });
        if let Some(customer) = &of.customer {
            body["customer"] = customer.as_str().into();
        }
        body
    }

    /// Defines its goods and coupons.
    fn stock(&self, shop: &Shop, cart: &Cart) {
        for line in &cart.lines {
            let price = json!({"amount": "1.00", "currency": cart.currency.to_string()});
            let sku =
                json!({"name": line.sku.as_str(), "price": price, "category": line.category, "brand": line.brand});
            let told = shop.send("PUT", &format!("/skus/{}", line.sku), &sku);
            assert!(told.status < 300, "{}", told.text);
        }
        for (code, batch) in &self.context.coupons {
            let told = shop.send("PUT", &format!("/coupons/{code}"), &json!({"batch": batch, "uses": null}));
            assert!(told.status < 300, "{}", told.text);
        }
    }
}

#[test]
fn the_example_file_is_loaded_over_http_and_carts_of_the_table_are_quoted_as_it_says() {
    let shop = Shop::open();
    let file: Value = from_yaml(PROMOTIONS).expect("YAML");
    let loaded = shop.send("POST", "/promotions", &file);
    assert_eq!(loaded.status, 200, "{}", loaded.text);
    let loaded = loaded.json();
    assert_eq!(loaded["created"], json!(rules().promotions().len()), "{loaded}");
    let again = shop.send("POST", "/promotions", &file).json();
    assert_eq!(again["unchanged"], loaded["created"]);
    assert_eq!((&again["created"], &again["changed"]), (&json!(0), &json!(0)), "what is so already is no change");
    assert_eq!(again["rules_version"], loaded["rules_version"]);

    let (rules, table) = (rules(), from_yaml::<Table>(TABLE).expect("the table is well formed"));
    // Time goes forward, and nobody has used anything up.
    let mut cases: Vec<&Case> = table.cases.iter().filter(|case| case.context.unavailable.is_empty()).collect();
    cases.sort_by_key(|case| case.context().now);
    let (mut priced, mut refused) = (0, 0);
    for case in cases {
        let (cart, context) = (case.cart(&table.catalogue), case.context());
        shop.clock.set(context.now);
        case.stock(&shop, &cart);
        let expected = price(&rules, &cart, &context).expect("the cart is fine");
        for gift in &expected.uses.gifts {
            let sku =
                json!({"name": gift.sku.as_str(), "price": {"amount": "1.00", "currency": cart.currency.to_string()}});
            assert!(shop.send("PUT", &format!("/skus/{}", gift.sku), &sku).status < 300);
            assert_eq!(
                shop.send("POST", &format!("/skus/{}/receipts", gift.sku), &json!({"quantity": 10})).status,
                201
            );
        }
        let told = shop.send("POST", "/quotes", &case.body(&cart));
        if expected.uses.coupons.len() < context.coupons.len() {
            assert_eq!((told.status, told.problem()), (422, "coupon_invalid".into()), "{}: {}", case.case, told.text);
            refused += 1;
            continue;
        }
        assert_eq!(told.status, 200, "{}: {}", case.case, told.text);
        let quote = told.json();
        assert_eq!(quote["totals"]["total"]["amount"], case.total, "{}", case.case);
        assert_eq!(quote["rules_version"], loaded["rules_version"]);
        for (id, (code, sentence)) in &case.say {
            let all = quote["promotions"].as_array().expect("all of them");
            let said = all.iter().find(|said| said["id"] == id.as_str()).expect("every promotion is explained");
            assert_eq!((&said["code"], &said["sentence"]), (&json!(code), &json!(sentence)), "{}: {id}", case.case);
        }
        priced += 1;
    }
    assert!(priced >= 50 && refused >= 1, "{priced} carts were priced, {refused} coupons refused");
    shop.close();
}

#[test]
fn a_file_with_one_wrong_promotion_changes_nothing() {
    let shop = Shop::open();
    let rule = |id: &str, lane: &str| json!({"id": id, "name": id, "lane": lane, "then": {"line": {"percent": 10}}});
    let budget = |currency: &str| {
        json!({"id": "budget", "name": "B", "lane": "goods", "currency": currency, "limits": {"budget": 100},
            "then": {"line": {"amount": 5}}})
    };
    assert_eq!(shop.send("PUT", "/promotions/budget", &budget("EUR")).status, 201);
    let sku = json!({"name": "Mug", "price": {"amount": "20.00", "currency": "EUR"}});
    assert_eq!(shop.send("PUT", "/skus/MUG", &sku).status, 201);
    assert_eq!(shop.send("POST", "/skus/MUG/receipts", &json!({"quantity": 5})).status, 201);
    assert_eq!(shop.send("POST", "/orders", &json!({"sku": "MUG", "quantity": 1})).status, 201);
    for (wrong, status, code) in [
        (json!({"promotions": [rule("a", "goods"), rule("b", "nowhere")]}), 400, "body_invalid"),
        (json!({"promotions": [rule("a", "goods"), rule("a", "goods")]}), 400, "body_invalid"),
        (json!({"promotions": [rule("a", "goods"), {"id": "b"}]}), 400, "body_invalid"),
        (
            json!({"lanes": [{"name": "goods", "pick": "best"}], "promotions": [rule("a", "goods")]}),
            400,
            "body_invalid",
        ),
        // Only the owner of the uses knows that this one is spent in another currency.
        (json!({"promotions": [rule("a", "goods"), budget("USD")]}), 422, "currency_mismatch"),
    ] {
        let told = shop.send("POST", "/promotions", &wrong);
        assert_eq!((told.status, told.problem()), (status, code.to_owned()), "{wrong}: {}", told.text);
        let listed = shop.send("GET", "/promotions", &Value::Null).json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{wrong}");
    }
    shop.close();
}
