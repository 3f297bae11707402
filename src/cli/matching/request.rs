//! A line of input: the fields a command may have, and which of them each command wants.

use std::borrow::Cow;

use serde::Deserialize;
use stockade_domain::Timestamp;
use stockade_domain::book::{
    Allocation, Band, BookCommand, BookConfig, FillId, FillMode, Owner, Place, SelfTrade, Side, Source, TimeInForce,
    UnfillableHead,
};

/// Ids from here on are the session's own, for the takers of a feed's executions.
pub(super) const ID_MAX: u64 = (1 << 63) - 1;

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("{0}")]
    JsonInvalid(String),
    #[error("{0}")]
    FieldUnknown(String),
    #[error("{0}")]
    FieldInvalid(String),
    #[error("the command wants the field `{0}`")]
    FieldMissing(&'static str),
    #[error("the command has no field `{0}`")]
    FieldUnexpected(&'static str),
    #[error("the line is longer than {0} bytes")]
    LineTooLong(usize),
    #[error("{0}")]
    SkuInvalid(String),
    #[error("the time runs backwards: it was {last} already")]
    TimeBackwards { last: i64 },
    #[error("the SKU has a book already; open comes first")]
    BookOpen,
    #[error("the SKU counts no market data: open it with \"market_data\":true")]
    NoMarketData,
    #[error("order {id} is not at the head of the best price with that many units: {head} is")]
    NotAtHead { id: u64, head: String },
}

impl RequestError {
    /// The stable name of the error.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::JsonInvalid(_) => "json_invalid",
            Self::FieldUnknown(_) => "field_unknown",
            Self::FieldInvalid(_) => "field_invalid",
            Self::FieldMissing(_) => "field_missing",
            Self::FieldUnexpected(_) => "field_unexpected",
            Self::LineTooLong(_) => "line_too_long",
            Self::SkuInvalid(_) => "sku_invalid",
            Self::TimeBackwards { .. } => "time_backwards",
            Self::BookOpen => "book_open",
            Self::NoMarketData => "no_market_data",
            Self::NotAtHead { .. } => "not_at_head",
        }
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($word:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name { $($word),* }
    )*};
}

words! {
    /// What to do.
    Verb {
        Open, Place, Cancel, Reduce, Amend, CancelAll, Expire, Settle, Release, House, Band, OpenAuction, Uncross,
        Execute, Best, Depth, Queue, Order, Fill, Snapshot,
    }
    /// `sell` and `buy` are the exchange's words.
    SideWord { Supply, Demand, Sell, Buy }
    TifWord { Gtc, Gtd, Ioc, Fok }
    SourceWord { Anyone, House, Seller }
    SelfTradeWord { Allow, CancelNewest, CancelOldest, CancelBoth, Decrement }
    FillsWord { Hold, Immediate }
    AllocationWord { PriceTime, ProRata }
    HeadWord { Skip, Block }
}

macro_rules! request {
    ($($field:ident: $kind:ty),* $(,)?) => {
        /// The fields of a line; absent ones are none.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Request<'a> {
            #[serde(borrow)]
            pub(super) sku: Cow<'a, str>,
            pub(super) command: Verb,
            pub(super) now: Option<i64>,
            $($field: Option<$kind>,)*
        }

        impl Request<'_> {
            /// Refuses what the command does not know: a field that is ignored hides a mistake.
            fn check_only(&self, allowed: &[&str]) -> Result<(), RequestError> {
                $(if self.$field.is_some() && !allowed.contains(&stringify!($field)) {
                    return Err(RequestError::FieldUnexpected(stringify!($field)));
                })*
                Ok(())
            }
        }
    };
}

request! {
    id: u64, owner: u32, side: SideWord, price: i64, quantity: u64, time_in_force: TifWord, expires_at: i64,
    post_only: bool, minimum: u64, source: SourceWord, seller: u32, displayed: u64, self_trade: SelfTradeWord,
    by: u64, fill: u64, returns: SideWord, low: i64, high: i64, tick: i64, lot: u64, fills: FillsWord,
    allocation: AllocationWord, unfillable_head: HeadWord, market_data: bool, levels: usize,
}

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Open {
        config: BookConfig,
        market_data: bool,
    },
    Command(BookCommand<u64>),
    /// The house's price and units from now on; without them: it changed nothing, but who waits may take.
    House(Option<(i64, u64)>),
    /// A feed's execution of a resting order.
    Execute {
        id: u64,
        quantity: u64,
    },
    Best,
    Depth(usize),
    Queue(Side),
    Order(u64),
    Fill(FillId),
    Snapshot,
}

impl<'a> Request<'a> {
    /// Reads a line.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, RequestError> {
        serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            // serde_json tells data errors apart by their text only.
            match error.classify() {
                serde_json::error::Category::Data if text.starts_with("unknown field") => {
                    RequestError::FieldUnknown(text)
                }
                serde_json::error::Category::Data => RequestError::FieldInvalid(text),
                _ => RequestError::JsonInvalid(text),
            }
        })
    }

    /// The engine time of the line.
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.now.map(Timestamp)
    }

    /// What it asks for, every field accounted for.
    pub(super) fn ask(&self) -> Result<Ask, RequestError> {
        self.check_only(fields_of(self.command))?;
        let command = match self.command {
            Verb::Open => return self.open(),
            Verb::House => return self.house(),
            Verb::Execute => return Ok(Ask::Execute { id: self.id()?, quantity: need(self.quantity, "quantity")? }),
            Verb::Best => return Ok(Ask::Best),
            Verb::Depth => return Ok(Ask::Depth(self.levels.unwrap_or(10))),
            Verb::Queue => return Ok(Ask::Queue(side(need(self.side, "side")?))),
            Verb::Order => return Ok(Ask::Order(need(self.id, "id")?)),
            Verb::Fill => return Ok(Ask::Fill(self.fill()?)),
            Verb::Snapshot => return Ok(Ask::Snapshot),
            Verb::Place => BookCommand::Place(self.place()?),
            Verb::Cancel => BookCommand::Cancel { id: self.id()? },
            Verb::Reduce => BookCommand::Reduce { id: self.id()?, by: need(self.by, "by")? },
            Verb::Amend => BookCommand::Amend { id: self.id()?, price: self.price, quantity: self.quantity },
            Verb::CancelAll => BookCommand::CancelAll { owner: self.owner.map(Owner), side: self.side.map(side) },
            Verb::Expire => BookCommand::Expire,
            Verb::Settle => BookCommand::Settle { fill: self.fill()?, quantity: need(self.quantity, "quantity")? },
            Verb::Release => BookCommand::Release {
                fill: self.fill()?,
                quantity: need(self.quantity, "quantity")?,
                returns: side(need(self.returns, "returns")?),
            },
            Verb::Band => BookCommand::SetBand { band: self.band()? },
            Verb::OpenAuction => BookCommand::OpenAuction,
            Verb::Uncross => BookCommand::Uncross { reference: need(self.price, "price")? },
        };
        Ok(Ask::Command(command))
    }

    fn id(&self) -> Result<u64, RequestError> {
        match need(self.id, "id")? {
            id @ 0..=ID_MAX => Ok(id),
            id => Err(RequestError::FieldInvalid(format!("id {id} is more than {ID_MAX}"))),
        }
    }

    fn fill(&self) -> Result<FillId, RequestError> {
        need(self.fill, "fill").map(FillId)
    }

    fn band(&self) -> Result<Option<Band>, RequestError> {
        match (self.low, self.high) {
            (None, None) => Ok(None),
            (low, high) => Ok(Some(Band { low: need(low, "low")?, high: need(high, "high")? })),
        }
    }

    fn open(&self) -> Result<Ask, RequestError> {
        let at_least_1 = |field: &'static str| RequestError::FieldInvalid(format!("{field} is at least 1"));
        let config = BookConfig {
            tick: self.tick.unwrap_or(1),
            lot: self.lot.unwrap_or(1),
            band: self.band()?,
            fills: match self.fills {
                Some(FillsWord::Hold) => FillMode::Hold,
                Some(FillsWord::Immediate) | None => FillMode::Immediate,
            },
            allocation: match self.allocation {
                Some(AllocationWord::ProRata) => Allocation::ProRata,
                Some(AllocationWord::PriceTime) | None => Allocation::PriceTime,
            },
            unfillable_head: match self.unfillable_head {
                Some(HeadWord::Block) => UnfillableHead::Block,
                Some(HeadWord::Skip) | None => UnfillableHead::Skip,
            },
            self_trade: self.self_trade.map_or(SelfTrade::Allow, self_trade),
        };
        match config {
            BookConfig { tick: ..1, .. } => Err(at_least_1("tick")),
            BookConfig { lot: 0, .. } => Err(at_least_1("lot")),
            config => Ok(Ask::Open { config, market_data: self.market_data.unwrap_or(false) }),
        }
    }

    fn house(&self) -> Result<Ask, RequestError> {
        match (self.price, self.quantity) {
            (None, None) => Ok(Ask::House(None)),
            (price, quantity) => Ok(Ask::House(Some((need(price, "price")?, need(quantity, "quantity")?)))),
        }
    }

    fn place(&self) -> Result<Place<u64>, RequestError> {
        let time_in_force = match (self.time_in_force, self.expires_at) {
            (Some(TifWord::Gtd), at) => TimeInForce::Gtd(Timestamp(need(at, "expires_at")?)),
            (_, Some(_)) => return Err(RequestError::FieldUnexpected("expires_at")),
            (Some(TifWord::Fok), None) => TimeInForce::Fok,
            (Some(TifWord::Ioc), None) => TimeInForce::Ioc,
            (Some(TifWord::Gtc), None) => TimeInForce::Gtc,
            // A market order is immediate unless it says otherwise; the book refuses that by name.
            (None, None) if self.price.is_none() => TimeInForce::Ioc,
            (None, None) => TimeInForce::Gtc,
        };
        let source = match (self.source, self.seller) {
            (Some(SourceWord::Seller), seller) => Source::Seller(Owner(need(seller, "seller")?)),
            (_, Some(_)) => return Err(RequestError::FieldUnexpected("seller")),
            (Some(SourceWord::House), None) => Source::House,
            (Some(SourceWord::Anyone) | None, None) => Source::Anyone,
        };
        Ok(Place {
            id: self.id()?,
            owner: Owner(self.owner.unwrap_or(0)),
            side: side(need(self.side, "side")?),
            price: self.price,
            quantity: need(self.quantity, "quantity")?,
            time_in_force,
            post_only: self.post_only.unwrap_or(false),
            minimum: self.minimum.unwrap_or(0),
            source,
            displayed: self.displayed,
            self_trade: self.self_trade.map(self_trade),
        })
    }
}

fn need<T>(field: Option<T>, name: &'static str) -> Result<T, RequestError> {
    field.ok_or(RequestError::FieldMissing(name))
}

/// The fields a command may have besides `sku`, `command` and `now`.
const fn fields_of(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Open => {
            &["tick", "lot", "low", "high", "fills", "allocation", "unfillable_head", "self_trade", "market_data"]
        }
        Verb::Place => &[
            "id",
            "owner",
            "side",
            "price",
            "quantity",
            "time_in_force",
            "expires_at",
            "post_only",
            "minimum",
            "source",
            "seller",
            "displayed",
            "self_trade",
        ],
        Verb::Cancel | Verb::Order => &["id"],
        Verb::Reduce => &["id", "by"],
        Verb::Amend => &["id", "price", "quantity"],
        Verb::CancelAll => &["owner", "side"],
        Verb::Settle => &["fill", "quantity"],
        Verb::Release => &["fill", "quantity", "returns"],
        Verb::House => &["price", "quantity"],
        Verb::Band => &["low", "high"],
        Verb::Uncross => &["price"],
        Verb::Execute => &["id", "quantity"],
        Verb::Depth => &["levels"],
        Verb::Queue => &["side"],
        Verb::Fill => &["fill"],
        Verb::Expire | Verb::OpenAuction | Verb::Best | Verb::Snapshot => &[],
    }
}

const fn side(word: SideWord) -> Side {
    match word {
        SideWord::Supply | SideWord::Sell => Side::Supply,
        SideWord::Demand | SideWord::Buy => Side::Demand,
    }
}

const fn self_trade(word: SelfTradeWord) -> SelfTrade {
    match word {
        SelfTradeWord::Allow => SelfTrade::Allow,
        SelfTradeWord::CancelNewest => SelfTrade::CancelNewest,
        SelfTradeWord::CancelOldest => SelfTrade::CancelOldest,
        SelfTradeWord::CancelBoth => SelfTrade::CancelBoth,
        SelfTradeWord::Decrement => SelfTrade::Decrement,
    }
}
