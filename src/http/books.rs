//! The double entry books over HTTP: every account's balance, what sellers are owed, and that they were paid.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use stockade_actors::command::Command;
use stockade_domain::ledger::{Ledger, LedgerAccount, LedgerEvent};
use stockade_domain::{Amount, Currency, CustomerId, Money};

use super::fields::MoneyField;
use super::problem::{Code, Problem};
use super::requests::{customer, refused};
use super::routes::{Reply, Request, replayed, reply};
use crate::engine::{Engine, MoneyJson, Target};

/// An amount in the books; sums beyond what an order can have are no amounts any more.
fn amount(sum: i128) -> Result<Amount, Problem> {
    let too_large = || Problem::new(Code::InternalError).detail("a balance is larger than an amount can be");
    i64::try_from(sum).map(Amount).map_err(|_| too_large())
}

/// Accounts with a balance: debits less credits.
#[derive(Serialize)]
struct BalanceJson {
    account: String,
    balance: MoneyJson,
}

/// `GET /ledger`: every account with its balances; what sellers are owed stands in accounts of their own.
pub(super) async fn ledger(request: &Request<'_>) -> Reply {
    request.only("GET", &[&Method::GET])?;
    let books = request.engine.ledger().await?;
    let mut items = Vec::new();
    for (currency, row) in books.rows() {
        let accounts =
            LedgerAccount::ALL.iter().zip(row).filter(|((account, _), _)| *account != LedgerAccount::Payable);
        for ((_, name), sum) in accounts {
            items.push(balance((*name).to_owned(), *sum, *currency)?);
        }
        for (seller, _, owed) in books.payables().filter(|(_, of, _)| of == currency) {
            items.push(balance(format!("payable:{seller}"), -owed, *currency)?);
        }
    }
    reply(StatusCode::OK, &serde_json::json!({ "items": items }))
}

fn balance(account: String, sum: i128, currency: Currency) -> Result<BalanceJson, Problem> {
    Ok(BalanceJson { account, balance: MoneyJson(Money::new(amount(sum)?, currency)) })
}

/// What a seller is owed.
#[derive(Serialize)]
struct SellerJson<'a> {
    seller: &'a str,
    payable: Vec<MoneyJson>,
}

fn seller_json<'a>(seller: &'a CustomerId, books: &Ledger) -> Result<SellerJson<'a>, Problem> {
    let owed = books.payable_to(seller).map(|(currency, owed)| Ok(MoneyJson(Money::new(amount(owed)?, currency))));
    Ok(SellerJson { seller: seller.as_str(), payable: owed.collect::<Result<_, Problem>>()? })
}

/// A payout that was made outside.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayoutBody {
    amount: MoneyField,
    reference: Option<String>,
}

/// `GET /sellers/{seller}`, `POST /sellers/{seller}/payouts`.
pub(super) async fn seller(request: &Request<'_>, name: &str, what: Option<&str>) -> Reply {
    let seller = customer(name)?;
    match what {
        None => {
            request.only("GET", &[&Method::GET])?;
            reply(StatusCode::OK, &seller_json(&seller, &request.engine.ledger().await?)?)
        }
        Some("payouts") => {
            let body: PayoutBody = request.only("POST", &[&Method::POST])?.json()?;
            let entry = payout(request.engine, &seller, body).await?;
            let enter = |key| Ok(Command::Enter { event: Box::new(entry), key });
            let (_, repeated) = request.engine.keyed(request.key()?, Target::Partition(0), enter).await?;
            let now = reply(StatusCode::CREATED, &seller_json(&seller, &request.engine.ledger().await?)?)?;
            Ok(replayed(now, repeated))
        }
        Some(_) => Err(Problem::new(Code::NotFound)),
    }
}

/// The entry of a payout. It may be more than is owed: sellers are paid in advance, and returns come after payouts.
async fn payout(engine: &Engine, seller: &CustomerId, body: PayoutBody) -> Result<LedgerEvent, Problem> {
    let money = body.amount.0;
    if money.amount.0 <= 0 || !money.amount.is_rounded(money.currency) {
        let why = "a payout is a positive amount in whole minor units".into();
        return Err(refused(&stockade_domain::Refusal::MoneyInvalid { why }));
    }
    let is_known = engine.ledger().await?.payable_to(seller).any(|(currency, _)| currency == money.currency);
    if !is_known {
        let detail = format!("nothing was ever owed to {seller} in {}", money.currency);
        return Err(Problem::new(Code::NotFound).detail(detail));
    }
    let memo = body.reference.unwrap_or_else(|| "payout".into()).into();
    let (debit, credit) = (LedgerAccount::Payable, LedgerAccount::Cash);
    Ok(LedgerEvent::Entered { debit, credit, money, memo, seller: Some(seller.clone()) })
}
