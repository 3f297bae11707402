//! What a path is about, in one of a few words: a label for every id would never end.

/// Resources of the public interface with what can be done to one of them.
pub(crate) const RESOURCES: &[&str] = &[
    "skus",
    "skus/receipts",
    "skus/adjustments",
    "skus/reclassifications",
    "skus/transfers",
    "skus/announcements",
    "skus/withdrawals",
    "skus/arrivals",
    "skus/losses",
    "skus/write-offs",
    "skus/stock",
    "skus/movements",
    "skus/book",
    "skus/offers",
    "skus/bids",
    "skus/draw",
    "stock",
    "orders",
    "orders/batch",
    "orders/events",
    "orders/pay",
    "orders/extend",
    "orders/cancel",
    "orders/ship",
    "orders/deliver",
    "orders/complete",
    "orders/returns",
    "orders/refunds",
    "quotes",
    "promotions",
    "coupons",
    "wallets",
    "wallets/credits",
    "wallets/statement",
    "payments",
    "payments/capture",
    "payments/retry",
    "payments/void",
    "ledger",
    "sellers",
    "sellers/payouts",
    "webhooks",
    "events",
];

/// The resource that a path is about; `other` for what is not of the interface.
pub(crate) fn of(path: &str) -> &'static str {
    let Some(path) = path.strip_prefix("/api/v1/") else { return "other" };
    let mut parts = path.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let named = |action: &str| RESOURCES.iter().find(|known| known.split_once('/') == Some((first, action)));
    let action = third.and_then(named).or_else(|| second.and_then(named));
    action.or_else(|| RESOURCES.iter().find(|known| **known == first)).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_about_one_of_a_few_things() {
        for (path, resource) in [
            ("/api/v1/orders", "orders"),
            ("/api/v1/orders/batch", "orders/batch"),
            ("/api/v1/orders/018bcfe5-687b-7fff-8fff-ffffffffffff", "orders"),
            ("/api/v1/orders/018bcfe5-687b-7fff-8fff-ffffffffffff/pay", "orders/pay"),
            ("/api/v1/orders/x/nothing", "orders"),
            ("/api/v1/skus/pay/stock", "skus/stock"),
            ("/api/v1/skus/MUG/offers/018bcfe5", "skus/offers"),
            ("/api/v1/wallets/ann/credits", "wallets/credits"),
            ("/api/v1/nowhere", "other"),
            ("/healthz", "other"),
            ("", "other"),
        ] {
            assert_eq!(of(path), resource, "{path}");
        }
    }
}
