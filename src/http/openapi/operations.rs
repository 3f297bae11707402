//! Every operation of the public listener, a row each.

/// An operation: what is called, what it takes, what it answers.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// With parameters in braces.
    pub(super) path: &'static str,
    /// What it belongs to.
    pub(super) tag: &'static str,
    pub(super) about: &'static str,
    /// Parameters of the query and of the head, by name.
    pub(super) parameters: &'static [&'static str],
    /// The schema of its body, if it has one.
    pub(super) body: &'static [&'static str],
    /// Statuses with the schema of the answer.
    pub(super) answers: &'static [(u16, &'static str)],
}

/// What tags are about, in the order of the page.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("orders", "Orders from the cart to the last return."),
    ("payments", "What orders are paid with, and what gateways say."),
    ("stock", "SKUs, and what comes in, goes out and lies where."),
    ("market", "Offers of sellers and bids of customers on a SKU."),
    ("promotions", "Rules of price, coupons, and what a cart would cost."),
    ("books", "Wallets, the ledger, and what sellers are owed."),
    ("server", "Whether it is well, what it can do, and all that happens."),
];

/// Parameters: name, where, type, what it is.
pub(super) const PARAMETERS: &[(&str, &str, &str, &str)] = &[
    ("sku", "path", "string", "A SKU: letters, digits and `._:-`, up to 64, case-sensitive."),
    ("order", "path", "string", "An order's id, a UUIDv7."),
    ("payment", "path", "string", "A payment's id, as its order shows it."),
    ("id", "path", "string", "An offer's or a bid's id, a UUIDv7."),
    ("customer", "path", "string", "A customer's name."),
    ("seller", "path", "string", "A seller's name."),
    ("promotion", "path", "string", "A promotion's id."),
    ("code", "path", "string", "A coupon's code; upper and lower case are the same."),
    ("gateway", "path", "string", "A gateway by its configured name."),
    ("limit", "query", "integer", "How many items: 50 if it is not said, at most 200."),
    ("cursor", "query", "string", "`next_cursor` of the page before."),
    ("levels", "query", "integer", "How many prices of each side: 20 if it is not said."),
    ("skus", "query", "string", "SKUs, separated by commas; the parameter's name is `sku`."),
    ("of_customer", "query", "string", "Only those of this customer; the parameter's name is `customer`."),
    ("of_seller", "query", "string", "Only those of this seller; the parameter's name is `seller`."),
    ("status", "query", "string", "Only orders of this status."),
    ("created_after", "query", "string", "Only what was made after this time (RFC 3339)."),
    ("after", "query", "string", "The sequence behind which to begin; the header `Last-Event-ID` says the same."),
    ("types", "query", "string", "Only facts of these types, separated by commas."),
    (
        "Idempotency-Key",
        "header",
        "string",
        "Whoever sends it again with the same body has the same answer, for a day at least.",
    ),
    ("Prefer", "header", "string", "`wait=N`: so many seconds a gateway is waited for, 10 if it is not said."),
    ("If-Match", "header", "string", "Only if its `ETag` is still this one."),
    ("stockade-signature", "header", "string", "`t=…,v1=…`: time and HMAC-SHA256 of `t.body`."),
];

macro_rules! operations {
    ($($method:ident $path:literal $tag:ident [$($parameter:literal)*] ($($body:literal)?) => $($status:literal $schema:literal),+; $about:literal)+) => {
        /// All of them.
        pub(super) const ALL: &[Operation] = &[$(Operation {
            method: stringify!($method),
            path: $path,
            tag: stringify!($tag),
            about: $about,
            parameters: &[$($parameter),*],
            body: &[$($body)?],
            answers: &[$(($status, $schema)),+],
        },)+];
    };
}

operations! {
    POST "/api/v1/orders" orders ["Idempotency-Key" "Prefer"] ("NewOrder") => 201 "Order";
        "Places an order: all its units, its coupon and its wallet are held together, or nothing is."
    GET "/api/v1/orders" orders ["limit" "cursor" "of_customer" "status" "created_after"] () => 200 "OrderPage";
        "Orders, newest first."
    POST "/api/v1/orders/batch" orders [] ("NewOrderLines") => 200 "BatchLines";
        "Places many orders, a line each, independent of each other; answers come in the same order."
    GET "/api/v1/orders/{order}" orders [] () => 200 "Order";
        "An order as it is now."
    PATCH "/api/v1/orders/{order}" orders ["Idempotency-Key"] ("EditOrder") => 200 "Order";
        "Gives an unpaid order other lines: the whole new list, all or nothing."
    GET "/api/v1/orders/{order}/events" orders ["limit" "cursor"] () => 200 "FactPage";
        "What happened to an order, newest first."
    POST "/api/v1/orders/{order}/pay" orders ["Idempotency-Key" "Prefer"] ("Pay") => 200 "Order";
        "Pays what is due."
    POST "/api/v1/orders/{order}/extend" orders ["Idempotency-Key"] ("Extend") => 200 "Order";
        "Holds the stock of an unpaid order for longer."
    POST "/api/v1/orders/{order}/cancel" orders ["Idempotency-Key"] ("Cancel") => 200 "Order";
        "Cancels what is not shipped: everything, some lines, or some units; money goes back."
    POST "/api/v1/orders/{order}/ship" orders ["Idempotency-Key"] ("Ship") => 200 "Order";
        "Sends goods: all that are allocated, or some."
    POST "/api/v1/orders/{order}/deliver" orders ["Idempotency-Key"] ("Nothing") => 200 "Order";
        "The goods have arrived."
    POST "/api/v1/orders/{order}/complete" orders ["Idempotency-Key"] ("Nothing") => 200 "Order";
        "Nothing more is expected of it."
    POST "/api/v1/orders/{order}/returns" orders ["Idempotency-Key"] ("Return") => 201 "Order";
        "Goods come back, and money with them."
    POST "/api/v1/orders/{order}/refunds" orders ["Idempotency-Key"] ("Refund") => 201 "Order";
        "Money goes back without goods."

    GET "/api/v1/payments/{payment}" payments [] () => 200 "Payment";
        "A payment as it is now."
    POST "/api/v1/payments/{payment}/capture" payments [] ("Capture") => 200 "Payment";
        "Takes what was set aside, or part of it."
    POST "/api/v1/payments/{payment}/void" payments [] ("Nothing") => 200 "Payment";
        "Gives back what was set aside."
    POST "/api/v1/payments/{payment}/retry" payments [] ("Nothing") => 201 "Payment";
        "Tries a card payment again that failed: as a new payment, with the same token and amount."
    POST "/api/v1/webhooks/{gateway}" payments ["stockade-signature"] ("GatewayNotice") => 200 "GatewayNoticed";
        "A gateway tells what became of a payment; answered once it is durable."

    PUT "/api/v1/skus/{sku}" stock ["If-Match"] ("NewSku") => 200 "Sku", 201 "Sku";
        "Defines a SKU, or changes it."
    GET "/api/v1/skus" stock ["limit" "cursor"] () => 200 "SkuPage";
        "SKUs by name."
    GET "/api/v1/skus/{sku}" stock [] () => 200 "Sku";
        "A SKU's definition; its `ETag` is for `If-Match`."
    GET "/api/v1/skus/{sku}/stock" stock [] () => 200 "Stock";
        "What there is of a SKU, and what is promised."
    GET "/api/v1/stock" stock ["skus"] () => 200 "StockPage";
        "The same of up to 200 SKUs."
    GET "/api/v1/skus/{sku}/movements" stock ["limit" "cursor"] () => 200 "FactPage";
        "Everything that ever changed a SKU's stock, newest first."
    POST "/api/v1/skus/{sku}/receipts" stock ["Idempotency-Key"] ("Receipt") => 201 "Stock";
        "Units come in; whoever waits is served first."
    POST "/api/v1/skus/{sku}/adjustments" stock ["Idempotency-Key"] ("Adjustment") => 201 "Stock";
        "Somebody has counted, and it was more or less."
    POST "/api/v1/skus/{sku}/reclassifications" stock ["Idempotency-Key"] ("Reclassification") => 201 "Stock";
        "Units become unsellable, or sellable again."
    POST "/api/v1/skus/{sku}/write-offs" stock ["Idempotency-Key"] ("WriteOff") => 201 "Stock";
        "Units are gone."
    POST "/api/v1/skus/{sku}/transfers" stock ["Idempotency-Key"] ("Transfer") => 201 "Stock";
        "Units go from one location to another, at once or by way of a transport."
    POST "/api/v1/skus/{sku}/arrivals" stock ["Idempotency-Key"] ("Arrival") => 201 "Stock";
        "Units that were in transit arrive."
    POST "/api/v1/skus/{sku}/losses" stock ["Idempotency-Key"] ("Loss") => 201 "Stock";
        "Units that were in transit are lost."
    POST "/api/v1/skus/{sku}/announcements" stock ["Idempotency-Key"] ("Announcement") => 201 "Stock";
        "Units are on their way from a supplier; they can be promised."
    POST "/api/v1/skus/{sku}/withdrawals" stock ["Idempotency-Key"] ("Withdrawal") => 201 "Stock";
        "They are not, after all."
    POST "/api/v1/skus/{sku}/draw" stock ["Idempotency-Key"] ("Draw") => 201 "Stock";
        "Draws a lottery by the seed that was committed to."

    GET "/api/v1/skus/{sku}/book" market ["levels"] () => 200 "Book";
        "Depth by price, and what the house itself asks."
    POST "/api/v1/skus/{sku}/offers" market ["Idempotency-Key"] ("NewOffer") => 201 "Offer";
        "A seller offers units."
    GET "/api/v1/skus/{sku}/offers" market ["of_seller" "limit" "cursor"] () => 200 "OfferPage";
        "Offers that are open."
    DELETE "/api/v1/skus/{sku}/offers" market ["of_seller"] () => 200 "Cancelled";
        "Withdraws all offers, or those of a seller."
    GET "/api/v1/skus/{sku}/offers/{id}" market [] () => 200 "Offer";
        "An offer as it is now."
    PATCH "/api/v1/skus/{sku}/offers/{id}" market ["Idempotency-Key"] ("Amendment") => 200 "Offer";
        "Changes its price or quantity."
    DELETE "/api/v1/skus/{sku}/offers/{id}" market ["Idempotency-Key"] () => 200 "Offer";
        "Withdraws what is still open of it."
    POST "/api/v1/skus/{sku}/bids" market ["Idempotency-Key"] ("NewBid") => 201 "Bid";
        "A customer bids for units; each fill becomes an order."
    GET "/api/v1/skus/{sku}/bids" market ["of_customer" "limit" "cursor"] () => 200 "BidPage";
        "Bids that are open."
    DELETE "/api/v1/skus/{sku}/bids" market ["of_customer"] () => 200 "Cancelled";
        "Withdraws all bids, or those of a customer."
    GET "/api/v1/skus/{sku}/bids/{id}" market [] () => 200 "Bid";
        "A bid as it is now."
    PATCH "/api/v1/skus/{sku}/bids/{id}" market ["Idempotency-Key"] ("Amendment") => 200 "Bid";
        "Changes its price or quantity."
    DELETE "/api/v1/skus/{sku}/bids/{id}" market ["Idempotency-Key"] () => 200 "Bid";
        "Withdraws what is still open of it."

    POST "/api/v1/quotes" promotions [] ("NewOrder") => 200 "Quote";
        "Prices a cart without holding anything, and says of every rule whether it applies, and why."
    PUT "/api/v1/promotions/{promotion}" promotions [] ("NewPromotion") => 200 "Promotion", 201 "Promotion";
        "Defines a promotion, or changes it; orders are priced by it from the answer on."
    POST "/api/v1/promotions" promotions [] ("NewPromotions") => 200 "PutPromotions";
        "Defines many promotions, or changes them: all of them or, if anything is wrong with one, none."
    GET "/api/v1/promotions" promotions ["limit" "cursor"] () => 200 "PromotionPage";
        "Promotions in force, by id."
    GET "/api/v1/promotions/{promotion}" promotions [] () => 200 "Promotion";
        "A promotion, in force or retired, and how often it was used."
    DELETE "/api/v1/promotions/{promotion}" promotions [] () => 200 "Promotion";
        "Retires a promotion: it prices nothing from the answer on, until it is put again; orders that have it keep it."
    PUT "/api/v1/coupons/{code}" promotions [] ("NewCoupon") => 200 "Coupon", 201 "Coupon";
        "Defines a coupon, or changes it."
    GET "/api/v1/coupons/{code}" promotions [] () => 200 "Coupon";
        "A coupon and how often it was used."
    POST "/api/v1/coupons" promotions [] ("NewCoupons") => 201 "Coupons";
        "Makes many single coupons at once."

    POST "/api/v1/wallets/{customer}/credits" books ["Idempotency-Key"] ("Credit") => 201 "Wallet";
        "Puts money into a wallet."
    GET "/api/v1/wallets/{customer}" books [] () => 200 "Wallet";
        "A wallet's balance, and what of it is held."
    GET "/api/v1/wallets/{customer}/statement" books ["limit" "cursor"] () => 200 "FactPage";
        "What went in and out, newest first."
    GET "/api/v1/ledger" books [] () => 200 "Ledger";
        "Every account of the double-entry ledger; all balances of a currency add up to zero."
    GET "/api/v1/sellers/{seller}" books [] () => 200 "Seller";
        "What a seller is owed."
    POST "/api/v1/sellers/{seller}/payouts" books ["Idempotency-Key"] ("Payout") => 201 "Seller";
        "A seller was paid, by other means."

    GET "/api/v1/events" server ["after" "types"] () => 200 "Events";
        "Every durable fact as a server-sent event, in order, from any point that is still kept."
    GET "/healthz" server [] () => 200 "Health";
        "Whether the process can do anything at all."
    GET "/readyz" server [] () => 200 "Health";
        "Whether new work is welcome."
    GET "/openapi.json" server [] () => 200 "Document";
        "This document."
    GET "/docs" server [] () => 200 "Page";
        "This document as a page."
}
