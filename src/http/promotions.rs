//! Promotions, coupons and quotes over HTTP.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use stockade_domain::promotion::condition::Window;
use stockade_domain::promotion::rule::Limits;
use stockade_domain::promotion::uses::Terms;
use stockade_domain::promotion::{CouponCode, Label, Promotion, PromotionId};

use super::fields::Text;
use super::order_body::OrderBody;
use super::paging;
use super::problem::{Code, Problem};
use super::requests::refused;
use super::routes::{Reply, Request, reply};
use crate::promotions::{self, PromotionFile, PromotionFileError};

/// Answers what is under `/promotions`.
pub(super) async fn promotion(request: &Request<'_>, id: Option<&str>) -> Reply {
    let Some(id) = id else {
        request.only("GET, POST", &[&Method::GET, &Method::POST])?;
        if request.method == Method::POST {
            let promotions = file_of(request)?;
            return reply(StatusCode::OK, &request.engine.put_promotions(promotions).await?);
        }
        let limit = paging::limit(request.parameter("limit").as_deref())?;
        let place = request.parameter("cursor").map(|cursor| paging::place(LIST, &cursor)).transpose()?;
        let after = place.map(|place| String::from_utf8_lossy(&place).into_owned());
        let mut items = request.engine.list_promotions(after.as_deref(), limit + 1).await?;
        let is_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| is_more).map(|last| paging::cursor(LIST, last.0.subject.name().as_bytes()));
        return reply(StatusCode::OK, &json!({"items": items, "next_cursor": last}));
    };
    request.only("DELETE, GET, PUT", &[&Method::DELETE, &Method::GET, &Method::PUT])?;
    let id = PromotionId::new(id).map_err(|_| Problem::new(Code::NotFound))?;
    if request.method != Method::PUT {
        let found = match request.method == Method::DELETE {
            true => request.engine.retire_promotion(&id).await,
            false => request.engine.read_promotion(&id).await,
        };
        return reply(StatusCode::OK, &found.map_err(|refusal| refused(&refusal).in_path())?);
    }
    let written = request.engine.put_promotion(body_of(request, &id)?).await?;
    reply(if written.0.created { StatusCode::CREATED } else { StatusCode::OK }, &written)
}

const LIST: &str = "promotions";

/// The promotions of a body of the shape of a file. Lanes are the shop's: a body may only repeat them.
fn file_of(request: &Request<'_>) -> Result<Vec<Promotion>, Problem> {
    let file = PromotionFile::from_value(request.json()?).map_err(wrong)?;
    if file.lanes.is_some_and(|lanes| lanes != request.engine.lanes()) {
        return Err(Problem::invalid("lanes", "the lanes are those of the server's configuration, or left out"));
    }
    Ok(file.promotions)
}

/// The promotion of a body; its id may be left to the path.
fn body_of(request: &Request<'_>, id: &PromotionId) -> Result<Promotion, Problem> {
    let mut value: serde_json::Value = request.json()?;
    let Some(object) = value.as_object_mut() else { return Err(Problem::invalid("promotion", "an object")) };
    match object.get("id") {
        None => drop(object.insert("id".into(), id.as_str().into())),
        Some(own) if own == id.as_str() => {}
        Some(_) => return Err(Problem::invalid("id", "it is the one of the path, or left out")),
    }
    promotions::promotion_from_value(value).map_err(wrong)
}

fn wrong(error: PromotionFileError) -> Problem {
    match error {
        PromotionFileError::Field { path, why } => {
            Problem::new(Code::BodyInvalid).detail(format!("`{path}`: {why}")).with("field", path)
        }
        other => Problem::new(Code::BodyInvalid).detail(other.to_string()),
    }
}

/// What a coupon allows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CouponBody {
    /// Promotions name batches.
    batch: String,
    /// How often it may be used; once if nothing is said.
    #[serde(default = "once")]
    uses: Option<u64>,
    /// How often by one customer.
    per_customer: Option<u64>,
    #[serde(default)]
    window: Window,
    #[serde(default)]
    revoked: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "null means that nothing limits it")]
const fn once() -> Option<u64> {
    Some(1)
}

impl CouponBody {
    fn terms(self) -> Result<Terms, Problem> {
        let batch = Label::new(&self.batch).map_err(|error| Problem::invalid("batch", error))?;
        let limits = Limits { uses: self.uses, per_customer: self.per_customer, budget: None };
        Ok(Terms { limits, currency: None, window: self.window, batch: Some(batch), revoked: self.revoked })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CouponsBody<'a> {
    /// The codes begin with it.
    #[serde(borrow)]
    prefix: Text<'a>,
    count: u64,
    coupon: CouponBody,
}

/// Answers what is under `/coupons`.
pub(super) async fn coupon(request: &Request<'_>, code: Option<&str>) -> Reply {
    let Some(code) = code else {
        request.only("POST", &[&Method::POST])?;
        let body: CouponsBody<'_> = request.json()?;
        let (prefix, count) = (body.prefix.0.to_string(), body.count);
        let codes = request.engine.make_coupons(&prefix, count, &body.coupon.terms()?).await?;
        let codes: Vec<&str> = codes.iter().map(CouponCode::as_str).collect();
        return reply(StatusCode::CREATED, &json!({"codes": codes}));
    };
    request.only("GET, PUT", &[&Method::GET, &Method::PUT])?;
    let code = CouponCode::new(code).map_err(|_| Problem::new(Code::NotFound))?;
    if request.method != Method::PUT {
        let found = request.engine.read_coupon(&code).await.map_err(|refusal| refused(&refusal).in_path())?;
        return reply(StatusCode::OK, &found);
    }
    let terms = request.json::<CouponBody>()?.terms()?;
    let written = request.engine.put_coupon(&code, terms).await?;
    reply(if written.0.created { StatusCode::CREATED } else { StatusCode::OK }, &written)
}

/// Prices a cart of the shape of an order.
pub(super) async fn quote(request: &Request<'_>) -> Reply {
    request.only("POST", &[&Method::POST])?;
    let order = request.json::<OrderBody<'_>>()?.order(&request.body)?;
    reply(StatusCode::OK, &request.engine.quote(order).await?)
}
