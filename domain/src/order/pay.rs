//! How a total is spread over the tenders a buyer offers.

use smallvec::SmallVec;

use super::event::{OrderEvent, PlannedPayment};
use super::request::Tender;
use crate::payment::Method;
use crate::{Amount, CustomerId, Money, Refusal};

/// The most payments of one order.
pub(super) const PAYMENTS_MAX: usize = 16;

/// The payments that pay a total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentPlan {
    /// One each; an amount of zero needs none.
    pub payments: SmallVec<[PlannedPayment; 1]>,
    /// The token of each that needs one; references of payments outside stay with the order.
    pub credentials: SmallVec<[Option<compact_str::CompactString>; 1]>,
    /// Of each: whether its money is only set aside until somebody captures it.
    pub captures_later: SmallVec<[bool; 1]>,
    /// Whether they cover the whole.
    pub covers: bool,
    /// Whether they are decided and begin in the turn that places their order.
    pub with_order: bool,
}

impl PaymentPlan {
    /// Whether a gateway's answer must be awaited. Then wallet money is only held until it is there.
    pub fn needs_gateway(&self) -> bool {
        self.payments.iter().any(|payment| payment.method == Method::Card)
    }

    /// Whether this payment is secured in the turn in which it is recorded.
    pub fn is_immediate(&self, payment: &PlannedPayment) -> bool {
        match payment.method {
            method if method.is_outside() => true,
            Method::Wallet => !self.needs_gateway(),
            _ => false,
        }
    }

    /// Whether its order says all there is to say of it, until some of it goes back: then it has no actor before that.
    pub fn is_kept_by_order(&self, payment: &PlannedPayment) -> bool {
        self.with_order && self.is_immediate(payment)
    }

    /// What the order records of a payment that is secured in the turn in which it is recorded.
    pub fn secured_at_once(&self, payment: &PlannedPayment, number: u32) -> Option<OrderEvent> {
        if self.is_kept_by_order(payment) {
            return Some(OrderEvent::PaidAtOnce { number });
        }
        self.is_immediate(payment).then_some(OrderEvent::PaymentSecured { number })
    }

    /// Whether the whole is paid at once.
    pub fn secures_at_once(&self) -> bool {
        self.covers && !self.needs_gateway()
    }
}

/// Spreads `due` over the tenders: those with an amount take theirs, the one without takes the rest.
pub fn plan_payments(due: Money, tenders: &[Tender], customer: Option<&CustomerId>) -> Result<PaymentPlan, Refusal> {
    if tenders.len() > PAYMENTS_MAX {
        return Err(Refusal::BodyInvalid { field: "payments", why: format!("at most {PAYMENTS_MAX} payments") });
    }
    if tenders.iter().filter(|tender| tender.amount.is_none()).count() > 1 {
        return Err(Refusal::BodyInvalid {
            field: "payments",
            why: "only one payment may leave its amount open".into(),
        });
    }
    let mut named = Amount::ZERO;
    for tender in tenders {
        check_tender(tender, due, customer)?;
        let amount = tender.amount.map_or(Amount::ZERO, |money| money.amount);
        named = named
            .checked_add(amount)
            .filter(|sum| sum.0 <= due.amount.0)
            .ok_or_else(|| Refusal::MoneyInvalid { why: format!("the payments exceed what is due, {due}") })?;
    }
    let rest = Amount(due.amount.0 - named.0);
    let mut plan = PaymentPlan {
        payments: SmallVec::new(),
        credentials: SmallVec::new(),
        captures_later: SmallVec::new(),
        covers: due.amount.0 == 0,
        with_order: false,
    };
    let mut sum = 0;
    for tender in tenders {
        let amount = tender.amount.map_or(rest, |money| money.amount);
        if amount.0 > 0 {
            sum += amount.0;
            let outside = tender.method.is_outside();
            let reference = tender.credential.clone().filter(|_| outside);
            plan.payments.push(PlannedPayment { method: tender.method, amount, reference });
            plan.credentials.push(tender.credential.clone().filter(|_| !outside));
            plan.captures_later.push(tender.capture_later);
        }
    }
    plan.covers = sum == due.amount.0;
    Ok(plan)
}

fn check_tender(tender: &Tender, due: Money, customer: Option<&CustomerId>) -> Result<(), Refusal> {
    if let Some(money) = tender.amount {
        if money.currency != due.currency {
            let (wanted, found) = (due.currency.to_string(), money.currency.to_string());
            return Err(Refusal::CurrencyMismatch { wanted, found });
        }
        if money.amount.0 <= 0 || !money.amount.is_rounded(money.currency) {
            return Err(Refusal::MoneyInvalid { why: "a payment is a positive amount in whole minor units".into() });
        }
    }
    match tender.method {
        Method::Wallet if customer.is_none() => Err(Refusal::CustomerRequired { why: "a wallet has an owner" }),
        Method::Account if customer.is_none() => Err(Refusal::CustomerRequired { why: "an account has an owner" }),
        Method::Card if tender.credential.as_deref().is_none_or(str::is_empty) => {
            Err(Refusal::BodyInvalid { field: "payments", why: "a card payment needs its `token`".into() })
        }
        method if tender.capture_later && method != Method::Card => {
            Err(Refusal::BodyInvalid { field: "payments", why: "only a card is captured later".into() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(text: &str) -> Money {
        Money::parse(&format!("{text} EUR")).unwrap()
    }

    #[test]
    fn tenders_take_their_amounts_and_the_open_one_takes_the_rest() {
        let ann = CustomerId::new("ann").unwrap();
        let wallet = Tender { amount: Some(eur("3.00")), ..Tender::by(Method::Wallet) };
        let card = Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) };
        let plan = plan_payments(eur("10.00"), &[wallet, card], Some(&ann)).unwrap();
        let got: Vec<_> = plan.payments.iter().map(|p| (p.method, p.amount.0)).collect();
        assert_eq!(got, [(Method::Wallet, 30_000), (Method::Card, 70_000)]);
        assert!(plan.covers && plan.needs_gateway() && !plan.is_immediate(&plan.payments[0]));
    }

    #[test]
    fn tenders_that_make_no_sense_are_refused_by_name() {
        let ann = CustomerId::new("ann").unwrap();
        let with = |method, amount: Option<&str>| Tender { amount: amount.map(eur), ..Tender::by(method) };
        let usd = Tender { amount: Some(Money::parse("1.00 USD").unwrap()), ..Tender::by(Method::External) };
        let cases: Vec<(Vec<Tender>, Option<&CustomerId>, &str)> = vec![
            (vec![with(Method::External, Some("10.01"))], None, "money_invalid"),
            (vec![with(Method::External, Some("0.00"))], None, "money_invalid"),
            (vec![with(Method::External, Some("0.001"))], None, "money_invalid"),
            (vec![with(Method::External, None), with(Method::Account, None)], Some(&ann), "body_invalid"),
            (vec![with(Method::External, Some("6.00")), with(Method::External, Some("4.01"))], None, "money_invalid"),
            (vec![with(Method::External, Some("1.00")); PAYMENTS_MAX + 1], None, "body_invalid"),
            (vec![with(Method::Wallet, None)], None, "customer_required"),
            (vec![with(Method::Account, None)], None, "customer_required"),
            (vec![Tender { credential: Some("".into()), ..with(Method::Card, None) }], None, "body_invalid"),
            (vec![Tender { capture_later: true, ..with(Method::External, None) }], None, "body_invalid"),
            (vec![with(Method::Card, None)], Some(&ann), "body_invalid"),
            (vec![usd], None, "currency_mismatch"),
        ];
        for (tenders, customer, code) in cases {
            assert_eq!(plan_payments(eur("10.00"), &tenders, customer).unwrap_err().code(), code, "{tenders:?}");
        }
    }

    #[test]
    fn what_is_paid_in_full_and_by_whom_says_what_can_be_secured_at_once() {
        let ann = CustomerId::new("ann").unwrap();
        let external = |amount: &str| Tender {
            amount: Some(eur(amount)),
            credential: Some("ref".into()),
            ..Tender::by(Method::External)
        };
        let wallet = |amount: &str| Tender { amount: Some(eur(amount)), ..Tender::by(Method::Wallet) };
        let later = Tender { credential: Some("tok".into()), capture_later: true, ..Tender::by(Method::Card) };
        for (tenders, covers, at_once) in [
            (vec![external("4.00"), external("6.00")], true, true),
            (vec![external("4.00")], false, false),
            (vec![wallet("10.00")], true, true),
            (vec![wallet("9.99"), later.clone()], true, false),
        ] {
            let plan = plan_payments(eur("10.00"), &tenders, Some(&ann)).unwrap();
            assert_eq!((plan.covers, plan.secures_at_once()), (covers, at_once), "{tenders:?}");
        }
        let plan = plan_payments(eur("10.00"), &[external("4.00"), later, wallet("1.00")], Some(&ann)).unwrap();
        assert_eq!(plan.captures_later[..], [false, true, false]);
        assert_eq!(plan.credentials[..], [None, Some("tok".into()), None], "a token is not the order's to keep");
        let references: Vec<_> = plan.payments.iter().map(|payment| payment.reference.as_deref()).collect();
        assert_eq!(references, [Some("ref"), None, None]);
        let at_once = |plan: &PaymentPlan, with_order: bool| -> Vec<_> {
            let plan = PaymentPlan { with_order, ..plan.clone() };
            (0..).zip(&plan.payments).map(|(number, payment)| plan.secured_at_once(payment, number)).collect()
        };
        let (secured, paid) = (OrderEvent::PaymentSecured { number: 0 }, OrderEvent::PaidAtOnce { number: 0 });
        // The card is asked first, and the wallet holds its money until then.
        assert_eq!(at_once(&plan, true), [Some(paid.clone()), None, None]);
        assert_eq!(at_once(&plan, false), [Some(secured.clone()), None, None]);
        let plan = plan_payments(eur("1.00"), &[wallet("1.00")], Some(&ann)).unwrap();
        assert_eq!((at_once(&plan, true), at_once(&plan, false)), (vec![Some(paid)], vec![Some(secured)]));
        let full = vec![external("1.00"); PAYMENTS_MAX];
        assert!(plan_payments(eur("100.00"), &full, None).is_ok());
    }

    #[test]
    fn nothing_due_needs_no_payment() {
        let plan = plan_payments(eur("0.00"), &[Tender::by(Method::External)], None).unwrap();
        assert!(plan.covers && plan.payments.is_empty());
    }
}
