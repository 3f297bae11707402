//! Bodies about scarce goods: how a SKU is sourced and let in, kits, what is coming, what is on its way.

use compact_str::CompactString;
use serde::Deserialize;
use stockade_domain::name::Region;
use stockade_domain::promotion::Label;
use stockade_domain::stock::{
    Admission, Digest, HoldContext, KitPart, Lottery, SourcingPlan, SourcingStrategy, StockCommand, Unsellable,
};
use stockade_domain::{Location, SkuId};

use super::body::Object;
use super::fields::{QuantityField, Text};
use super::problem::Problem;
use super::requests::{location, lot, name, one_of, time};
use crate::engine::NewOrder;

/// `{"rule":"waiting_list","offer_seconds":600}`, and so on; each rule has its own members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdmissionBody {
    rule: String,
    offer_seconds: Option<u32>,
    opens_at: Option<String>,
    closes_at: Option<String>,
    seed_commitment: Option<String>,
    losers: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Fifo,
    WaitingList,
    ProRata,
    Lottery,
}

impl AdmissionBody {
    pub(super) fn admission(self) -> Result<Option<Admission>, Problem> {
        use Rule as R;
        let rules =
            [(R::Fifo, "fifo"), (R::WaitingList, "waiting_list"), (R::ProRata, "pro_rata"), (R::Lottery, "lottery")];
        let rule = one_of("admission", &self.rule, &rules)?;
        let of_lottery = [&self.opens_at, &self.closes_at, &self.seed_commitment, &self.losers];
        let foreign = rule != R::Lottery && of_lottery.iter().any(|member| member.is_some())
            || rule != R::WaitingList && self.offer_seconds.is_some();
        if foreign {
            return Err(Problem::invalid("admission", format!("{} does not take these members", self.rule)));
        }
        Ok(match rule {
            R::Fifo => None,
            R::ProRata => Some(Admission::ProRata),
            R::WaitingList => {
                let missing = || Problem::invalid("admission", "say how long an offer stands: `offer_seconds`");
                Some(Admission::WaitingList { offer_seconds: self.offer_seconds.ok_or_else(missing)? })
            }
            R::Lottery => Some(Admission::Lottery(self.lottery()?)),
        })
    }

    fn lottery(self) -> Result<Lottery, Problem> {
        let (Some(opens_at), Some(closes_at), Some(commitment)) =
            (&self.opens_at, &self.closes_at, &self.seed_commitment)
        else {
            return Err(Problem::invalid("admission", "a lottery has `opens_at`, `closes_at` and `seed_commitment`"));
        };
        let losers = self.losers.as_deref().unwrap_or("wait");
        Ok(Lottery {
            opens_at: time("opens_at", opens_at)?,
            closes_at: time("closes_at", closes_at)?,
            seed_commitment: digest("seed_commitment", commitment)?,
            refuse_losers: one_of("losers", losers, &[(false, "wait"), (true, "refuse")])?,
        })
    }
}

fn digest(field: &'static str, text: &str) -> Result<Digest, Problem> {
    let read = blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes());
    read.map_err(|_| Problem::invalid(field, "send 32 bytes as 64 hexadecimal digits"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourcingBody {
    strategy: String,
    #[serde(default)]
    locations: Vec<String>,
}

impl SourcingBody {
    pub(super) fn plan(&self) -> Result<SourcingPlan, Problem> {
        let strategy = one_of("sourcing", &self.strategy, &SourcingStrategy::ALL)?;
        let place = |text: &String| name("sourcing", text, |text| Location::new(text));
        Ok(SourcingPlan { strategy, locations: self.locations.iter().map(place).collect::<Result<_, _>>()? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KitPartBody {
    sku: String,
    quantity: QuantityField,
}

pub(super) fn kit(parts: &[Object<KitPartBody>]) -> Result<Vec<KitPart>, Problem> {
    let part = |Object(part): &Object<KitPartBody>| {
        Ok(KitPart { sku: name("kit", &part.sku, |text| SkuId::new(text))?, quantity: part.quantity.0 })
    };
    parts.iter().map(part).collect()
}

/// What an order says about its buyer. Members that nothing looks at yet may be anything.
#[derive(Deserialize)]
pub(super) struct ContextBody<'a> {
    #[serde(borrow)]
    region: Option<Text<'a>>,
    #[serde(borrow)]
    sourcing: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    tier: Option<Text<'a>>,
    new_customer: Option<bool>,
    orders_before: Option<u64>,
    utc_offset_minutes: Option<i16>,
}

/// A shop's clock is at most so far from UTC.
const UTC_OFFSET_MINUTES_MAX: i16 = 24 * 60;

impl ContextBody<'_> {
    /// Where the order's goods should come from, if it says so.
    pub(super) fn context(&self) -> Result<Option<Box<HoldContext>>, Problem> {
        let region = self.region.as_deref().map(|text| name("region", text, |text| Region::new(text))).transpose()?;
        let sourcing = self.sourcing.as_deref().map(|text| one_of("sourcing", text, &SourcingStrategy::ALL));
        let context = HoldContext { region, sourcing: sourcing.transpose()? };
        Ok((context != HoldContext::default()).then(|| Box::new(context)))
    }

    /// What promotions want to know.
    pub(super) fn for_promotions(&self, mut order: NewOrder) -> Result<NewOrder, Problem> {
        let text = |field, text: &Option<Text<'_>>| {
            let label = text.as_deref().map(Label::new).transpose();
            let label = label.map_err(|error| Problem::invalid(field, error))?;
            Ok::<_, Problem>(label.map(|label| CompactString::from(label.as_str())))
        };
        let (region, channel, tier) =
            (text("region", &self.region)?, text("channel", &self.channel)?, text("tier", &self.tier)?);
        let offset = self.utc_offset_minutes.unwrap_or(0);
        if offset.unsigned_abs() > UTC_OFFSET_MINUTES_MAX.unsigned_abs() {
            return Err(Problem::invalid("utc_offset_minutes", "at most a day"));
        }
        let new_customer = self.new_customer.unwrap_or(false);
        let says = region.is_some() || channel.is_some() || tier.is_some() || offset != 0;
        if says || new_customer || self.orders_before.is_some() {
            let wish = order.order.promotions_mut();
            (wish.region, wish.channel, wish.tier) = (region, channel, tier);
            (wish.new_customer, wish.orders_before) = (new_customer, self.orders_before);
            wish.utc_offset_minutes = offset;
        }
        Ok(order)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnnouncementBody {
    quantity: QuantityField,
    available_from: Option<String>,
    reference: Option<String>,
}

impl AnnouncementBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        let available_from = self.available_from.map(|text| time("available_from", &text)).transpose()?;
        let reference = self.reference.map(Into::into);
        Ok(StockCommand::Announce { quantity: self.quantity.0, available_from, reference })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawalBody {
    quantity: QuantityField,
    reference: Option<String>,
}

impl WithdrawalBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        let reference = self.reference.map(Into::into);
        Ok(StockCommand::WithdrawAnnouncement { quantity: self.quantity.0, reference })
    }
}

/// A transfer: in one step, or (`in_transit`) as far as the road.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferBody {
    from_location: String,
    to_location: String,
    quantity: QuantityField,
    lot: Option<String>,
    in_transit: Option<bool>,
}

impl TransferBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        let from = name("from_location", &self.from_location, |text| Location::new(text))?;
        let to = name("to_location", &self.to_location, |text| Location::new(text))?;
        let (lot, quantity) = (lot(self.lot.as_ref())?, self.quantity.0);
        Ok(match self.in_transit {
            Some(true) => StockCommand::TransferOut { from, lot, to, quantity },
            _ => StockCommand::Transfer { from, lot, to, quantity },
        })
    }
}

/// What was in transit has arrived.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArrivalBody {
    quantity: QuantityField,
    location: Option<String>,
    lot: Option<String>,
    expires_at: Option<String>,
}

impl ArrivalBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::TransferIn {
            location: location(self.location.as_ref())?,
            lot: lot(self.lot.as_ref())?,
            expires_at: self.expires_at.map(|text| time("expires_at", &text)).transpose()?,
            quantity: self.quantity.0,
        })
    }
}

/// What was in transit is lost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LossBody {
    quantity: QuantityField,
}

impl LossBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::TransferLost { quantity: self.quantity.0 })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteOffBody {
    quantity: QuantityField,
    reason: String,
    from: Option<String>,
    location: Option<String>,
    lot: Option<String>,
}

impl WriteOffBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::WriteOff {
            location: location(self.location.as_ref())?,
            lot: lot(self.lot.as_ref())?,
            from: one_of("from", self.from.as_deref().unwrap_or("free"), &Unsellable::ALL)?,
            quantity: self.quantity.0,
            reason: self.reason.into(),
        })
    }
}

/// Reveals the seed of a lottery.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrawBody {
    seed: String,
}

impl DrawBody {
    pub(super) fn command(self) -> Result<StockCommand, Problem> {
        Ok(StockCommand::Draw { seed: digest("seed", &self.seed)? })
    }
}
