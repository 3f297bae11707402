//! The routes of a SKU's book: its depth, its offers and its bids.

use http::{HeaderValue, Method, StatusCode};
use serde_json::json;
use stockade_actors::command::{Answer, PartyAnswer};
use stockade_domain::book::Side;
use stockade_domain::stock::market::MarketCommand;
use stockade_domain::{BookOrderId, Refusal, SkuId};

use super::market_body::{AmendBody, BidBody, BookJson, OfferBody, PartyJson, id_in_path};
use super::order_body::body_digest;
use super::paging;
use super::problem::{Code, Problem};
use super::requests::{customer, refused};
use super::routes::{Reply, Request, replayed, reply};

/// Levels of each side when the caller does not say, and at most.
const LEVELS: (usize, usize) = (50, 1000);

/// The side of a path's segment.
fn side_of(what: &str) -> Option<Side> {
    match what {
        "offers" => Some(Side::Supply),
        "bids" => Some(Side::Demand),
        _ => None,
    }
}

/// Answers what is under `/skus/{sku}/book`, `/offers` and `/bids`; nothing if the path is another's.
pub(super) async fn answer(request: &Request<'_>, sku: &SkuId, what: &str, id: Option<&str>) -> Option<Reply> {
    Some(match (side_of(what), id) {
        (None, None) if what == "book" => book(request, sku).await,
        (None, _) => return None,
        (Some(side), None) => several(request, sku, side).await,
        (Some(side), Some(id)) => match id_in_path(id) {
            Ok(id) => one(request, sku, side, id).await,
            Err(problem) => Err(problem),
        },
    })
}

async fn book(request: &Request<'_>, sku: &SkuId) -> Reply {
    request.only("GET", &[&Method::GET])?;
    let wrong = || Problem::invalid("levels", format!("send a number from 1 to {}", LEVELS.1));
    let levels = match request.parameter("levels") {
        None => LEVELS.0,
        Some(text) => text.parse().ok().filter(|levels| (1..=LEVELS.1).contains(levels)).ok_or_else(wrong)?,
    };
    let book = request.engine.book(sku.as_str(), levels).await.map_err(|refusal| refused(&refusal).in_path())?;
    reply(StatusCode::OK, &BookJson::of(&book))
}

async fn several(request: &Request<'_>, sku: &SkuId, side: Side) -> Reply {
    request.only("DELETE, GET, POST", &[&Method::DELETE, &Method::GET, &Method::POST])?;
    let owner = request.parameter(if side == Side::Supply { "seller" } else { "customer" });
    let owner = owner.map(|name| customer(&name)).transpose()?;
    if request.method == Method::POST {
        return make(request, sku, side).await;
    }
    let in_path = |refusal: Refusal| refused(&refusal).in_path();
    if request.method == Method::DELETE {
        let cancelled = request.engine.withdraw_all(sku.as_str(), Some(side), owner).await.map_err(in_path)?;
        return reply(StatusCode::OK, &json!({"cancelled": cancelled}));
    }
    let limit = paging::limit(request.parameter("limit").as_deref())?;
    let list = format!("{side:?}/{sku}/{}", owner.as_ref().map_or("", |owner| owner.as_str()));
    let after = request.parameter("cursor").map(|cursor| paging::place(&list, &cursor)).transpose()?;
    let after = after.map(|bytes| {
        let wrong = || Problem::invalid("cursor", "send it as it was given");
        Ok::<_, Problem>(BookOrderId::from_bytes(bytes.try_into().map_err(|_| wrong())?))
    });
    let parties = request.engine.parties(sku.as_str(), side, owner, after.transpose()?, limit + 1);
    let mut parties = parties.await.map_err(in_path)?;
    let more = parties.len() > limit;
    parties.truncate(limit);
    let next = parties.last().filter(|_| more).map(|last| paging::cursor(&list, &last.view.id.to_bytes()));
    let items: Vec<_> = parties.iter().map(PartyJson::of).collect();
    reply(StatusCode::OK, &json!({"items": items, "next_cursor": next}))
}

async fn make(request: &Request<'_>, sku: &SkuId, side: Side) -> Reply {
    let key = request.key()?;
    // A request without an id of its own is known again by its key.
    let digest = key.map_or_else(|| 0, |key| body_digest(&key.digest()));
    let of_body = |has_id: bool| if has_id { body_digest(&request.body) } else { digest };
    let (engine, made_by);
    let made = match side {
        Side::Supply => {
            let body = request.json::<OfferBody>()?;
            made_by = of_body(body.has_id());
            let offer = body.offer(made_by)?;
            engine = request.engine;
            engine.market_keyed(sku, key, |engine| offer.command(engine)).await
        }
        Side::Demand => {
            let body = request.json::<BidBody>()?;
            made_by = of_body(body.has_id());
            let bid = body.bid(made_by)?;
            engine = request.engine;
            engine.market_keyed(sku, key, |engine| bid.command(engine)).await
        }
    };
    let (answer, repeated) = made.map_err(|refusal| refused(&refusal).in_path())?;
    let party = match answer {
        Answer::Party(party) => *party,
        // The key was used before the last start: what it made is found by what was asked.
        Answer::Stock(_) if repeated => engine.party_made(sku, side, made_by).await?,
        _ => return Err(refused(&Refusal::IdempotencyKeyReused)),
    };
    let mut made = reply(StatusCode::CREATED, &PartyJson::of(&party))?;
    let what = if side == Side::Supply { "offers" } else { "bids" };
    let location = format!("/api/v1/skus/{sku}/{what}/{}", party.view.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        made.headers_mut().insert(http::header::LOCATION, location);
    }
    Ok(replayed(made, repeated || !party.created))
}

async fn one(request: &Request<'_>, sku: &SkuId, side: Side, id: BookOrderId) -> Reply {
    request.only("DELETE, GET, PATCH", &[&Method::DELETE, &Method::GET, &Method::PATCH])?;
    let in_path = |refusal: Refusal| refused(&refusal).in_path();
    if request.method == Method::GET || request.method == Method::HEAD {
        let party = request.engine.read_party(sku.as_str(), side, id).await.map_err(in_path)?;
        return reply(StatusCode::OK, &PartyJson::of(&party));
    }
    let command = match request.method {
        Method::DELETE => MarketCommand::Withdraw { id, side },
        _ => request.json::<AmendBody>()?.command(side, id)?,
    };
    let (answer, repeated) =
        request.engine.market_keyed(sku, request.key()?, |_| Ok(command)).await.map_err(in_path)?;
    let party: PartyAnswer = match answer {
        Answer::Party(party) => *party,
        Answer::Stock(_) if repeated => request.engine.read_party(sku.as_str(), side, id).await.map_err(in_path)?,
        _ => return Err(Problem::new(Code::IdempotencyKeyReused)),
    };
    Ok(replayed(reply(StatusCode::OK, &PartyJson::of(&party))?, repeated))
}
