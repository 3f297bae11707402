//! Offers, bids and the books they meet in: the commands of sellers and bidders.

use stockade_actors::command::{Answer, BookView, Command, PartyAnswer};
use stockade_domain::book::{Side, TimeInForce};
use stockade_domain::stock::StockCommand;
use stockade_domain::stock::market::{BidPayment, MarketCommand, NewBid, NewOffer, Serial};
use stockade_domain::{BookOrderId, CustomerId, Money, Quantity, Refusal, SkuId, Timestamp};

use super::commands::Pending;
use super::request::name;
use super::{Engine, RequestKey, Target};

/// An offer to be made. Anything wrong with it is told when it is made.
#[derive(Debug, Clone)]
pub struct Offer {
    seller: String,
    serials: Vec<String>,
    offer: NewOffer,
    has_own_id: bool,
}

impl Offer {
    /// So many units at this price each, until they are withdrawn.
    pub fn new(seller: impl AsRef<str>, quantity: Quantity, unit_price: Money) -> Self {
        let offer = NewOffer {
            id: BookOrderId::new(Timestamp(0), 0),
            seller: CustomerId::new("-").expect("a name"),
            quantity,
            unit_price,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            minimum: 0,
            displayed: None,
            serials: Vec::new(),
            body_digest: 0,
        };
        Self { seller: seller.as_ref().to_owned(), serials: Vec::new(), offer, has_own_id: false }
    }

    /// Its id; making the same offer with the same id again gives the same offer.
    #[must_use]
    pub fn id(mut self, id: BookOrderId) -> Self {
        self.offer.id = id;
        self.has_own_id = true;
        self
    }

    /// It ends by itself then.
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        self.offer.time_in_force = TimeInForce::Gtd(at);
        self
    }

    /// Refused if it would be sold at once.
    #[must_use]
    pub fn post_only(mut self) -> Self {
        self.offer.post_only = true;
        self
    }

    /// The first sale is of at least so many units.
    #[must_use]
    pub fn minimum(mut self, units: Quantity) -> Self {
        self.offer.minimum = units;
        self
    }

    /// Shows at most so many units at a time.
    #[must_use]
    pub fn displayed(mut self, units: Quantity) -> Self {
        self.offer.displayed = Some(units);
        self
    }

    /// The serial number of each unit.
    #[must_use]
    pub fn serials(mut self, serials: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.serials = serials.into_iter().map(|serial| serial.as_ref().to_owned()).collect();
        self
    }

    /// What the request says, where an id used again is compared by it.
    pub(crate) fn digest(mut self, digest: u64) -> Self {
        self.offer.body_digest = digest;
        self
    }

    pub(crate) fn command(mut self, engine: &Engine) -> Result<MarketCommand, Refusal> {
        let (id, digest) =
            engine.book_id(self.has_own_id.then_some(self.offer.id), self.offer.body_digest, &self.offer);
        (self.offer.id, self.offer.body_digest) = (id, digest);
        self.offer.seller = name("seller", CustomerId::new(&self.seller))?;
        self.offer.serials = self.serials.iter().map(|serial| Serial::new(serial)).collect::<Result<_, _>>()?;
        Ok(MarketCommand::Offer(self.offer))
    }
}

/// A bid to be made. Anything wrong with it is told when it is made.
#[derive(Debug, Clone)]
pub struct Bid {
    customer: String,
    seller: Option<String>,
    bid: NewBid,
    has_own_id: bool,
}

impl Bid {
    /// So many units, each for at most this price, from the customer's wallet; it stands until it is withdrawn.
    pub fn new(customer: impl AsRef<str>, quantity: Quantity, limit_price: Money) -> Self {
        let bid = NewBid {
            id: BookOrderId::new(Timestamp(0), 0),
            customer: CustomerId::new("-").expect("a name"),
            quantity,
            limit_price,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            minimum: 0,
            seller: None,
            payment: BidPayment::Wallet,
            body_digest: 0,
        };
        Self { customer: customer.as_ref().to_owned(), seller: None, bid, has_own_id: false }
    }

    /// Its id; making the same bid with the same id again gives the same bid.
    #[must_use]
    pub fn id(mut self, id: BookOrderId) -> Self {
        self.bid.id = id;
        self.has_own_id = true;
        self
    }

    /// How long it stands.
    #[must_use]
    pub fn time_in_force(mut self, time_in_force: TimeInForce) -> Self {
        self.bid.time_in_force = time_in_force;
        self
    }

    /// Pays each fill with this stored credential instead of the wallet.
    #[must_use]
    pub fn card(mut self, token: impl AsRef<str>) -> Self {
        self.bid.payment = BidPayment::Card { token: token.as_ref().into() };
        self
    }

    /// Buys from this seller only.
    #[must_use]
    pub fn seller(mut self, seller: impl AsRef<str>) -> Self {
        self.seller = Some(seller.as_ref().to_owned());
        self
    }

    /// Refused if it would buy at once.
    #[must_use]
    pub fn post_only(mut self) -> Self {
        self.bid.post_only = true;
        self
    }

    /// The first fill is of at least so many units.
    #[must_use]
    pub fn minimum(mut self, units: Quantity) -> Self {
        self.bid.minimum = units;
        self
    }

    /// What the request says, where an id used again is compared by it.
    pub(crate) fn digest(mut self, digest: u64) -> Self {
        self.bid.body_digest = digest;
        self
    }

    pub(crate) fn command(mut self, engine: &Engine) -> Result<MarketCommand, Refusal> {
        let (id, digest) = engine.book_id(self.has_own_id.then_some(self.bid.id), self.bid.body_digest, &self.bid);
        (self.bid.id, self.bid.body_digest) = (id, digest);
        self.bid.customer = name("customer", CustomerId::new(&self.customer))?;
        self.bid.seller = self.seller.as_ref().map(|seller| name("seller", CustomerId::new(seller))).transpose()?;
        if matches!(&self.bid.payment, BidPayment::Card { token } if token.is_empty()) {
            let why = "a card payment needs its `token`".into();
            return Err(Refusal::BodyInvalid { field: "payments", why });
        }
        Ok(MarketCommand::Bid(self.bid))
    }
}

fn as_party(answer: Answer) -> PartyAnswer {
    match answer {
        Answer::Party(party) => *party,
        other => unreachable!("an offer or bid is answered with itself, not {other:?}"),
    }
}

fn as_parties(answer: Answer) -> Vec<PartyAnswer> {
    match answer {
        Answer::Parties(parties) => *parties,
        other => unreachable!("a list of offers or bids is answered with one, not {other:?}"),
    }
}

fn as_book(answer: Answer) -> BookView {
    match answer {
        Answer::Book(book) => *book,
        other => unreachable!("a book is answered with its depth, not {other:?}"),
    }
}

fn as_count(answer: Answer) -> u64 {
    match answer {
        Answer::Count(count) => count,
        other => unreachable!("counted work is answered with a count, not {other:?}"),
    }
}

impl Engine {
    /// The id and digest of an offer or bid: the caller's own, or new ones.
    fn book_id(&self, own: Option<BookOrderId>, digest: u64, content: &impl std::fmt::Debug) -> (BookOrderId, u64) {
        let id = own.unwrap_or_else(|| BookOrderId::from(self.0.ids.order()));
        let digest_of = |text: String| {
            let bytes = blake3::hash(text.as_bytes());
            u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("eight bytes")).max(1)
        };
        match digest {
            0 if own.is_some() => (id, digest_of(format!("{content:?}"))),
            // Nobody compares an id that was just made.
            0 => (id, digest_of(id.to_string())),
            digest => (id, digest),
        }
    }

    fn market<T>(
        &self,
        sku: impl AsRef<str>,
        command: impl FnOnce(&Self) -> Result<MarketCommand, Refusal>,
        read: fn(Answer) -> T,
    ) -> Pending<T> {
        let submit = |sku: SkuId| {
            let command = Box::new(StockCommand::Market(Box::new(command(self)?)));
            self.submit(&Target::Name(sku.as_str()), Command::Stock { sku: sku.clone(), command, key: None })
        };
        Pending::new(Self::sku_target(sku).and_then(submit), read)
    }

    /// Offers units of a SKU beside the shop's own.
    pub fn offer(&self, sku: impl AsRef<str>, offer: Offer) -> Pending<PartyAnswer> {
        self.market(sku, |engine| offer.command(engine), as_party)
    }

    /// Bids for units of a SKU. What it gets at once is told with it as orders.
    pub fn bid(&self, sku: impl AsRef<str>, bid: Bid) -> Pending<PartyAnswer> {
        self.market(sku, |engine| bid.command(engine), as_party)
    }

    /// Runs a market's command under an idempotency key. Says whether the answer is a repeated one.
    pub(crate) async fn market_keyed(
        &self,
        sku: &SkuId,
        key: Option<RequestKey>,
        command: impl FnOnce(&Self) -> Result<MarketCommand, Refusal>,
    ) -> Result<(Answer, bool), Refusal> {
        let run = |key| {
            let command = Box::new(StockCommand::Market(Box::new(command(self)?)));
            Ok(Command::Stock { sku: sku.clone(), command, key })
        };
        self.keyed(key, Target::Name(sku.as_str()), run).await
    }

    /// Gives an offer or bid another price, another number of open units, or both.
    pub fn amend(
        &self,
        sku: impl AsRef<str>,
        side: Side,
        id: BookOrderId,
        price: Option<Money>,
        quantity: Option<Quantity>,
    ) -> Pending<PartyAnswer> {
        self.market(sku, |_| Ok(MarketCommand::Amend { id, side, price, quantity }), as_party)
    }

    /// Ends what stands of an offer or bid.
    pub fn withdraw(&self, sku: impl AsRef<str>, side: Side, id: BookOrderId) -> Pending<PartyAnswer> {
        self.market(sku, |_| Ok(MarketCommand::Withdraw { id, side }), as_party)
    }

    /// Ends everything that stands: of a side, of an owner, or of both. Says how many offers and bids that were.
    pub fn withdraw_all(&self, sku: impl AsRef<str>, side: Option<Side>, owner: Option<CustomerId>) -> Pending<u64> {
        self.market(sku, |_| Ok(MarketCommand::WithdrawAll { side, owner }), as_count)
    }

    /// The depth of a SKU's book, at most so many levels of each side.
    pub fn book(&self, sku: impl AsRef<str>, levels: usize) -> Pending<BookView> {
        let submit =
            |sku: SkuId| self.submit(&Target::Name(sku.as_str()), Command::ReadBook { sku: sku.clone(), levels });
        Pending::new(Self::sku_target(sku).and_then(submit), as_book)
    }

    /// How an offer or bid stands.
    pub fn read_party(&self, sku: impl AsRef<str>, side: Side, id: BookOrderId) -> Pending<PartyAnswer> {
        let submit =
            |sku: SkuId| self.submit(&Target::Name(sku.as_str()), Command::ReadParty { sku: sku.clone(), id, side });
        Pending::new(Self::sku_target(sku).and_then(submit), as_party)
    }

    /// Offers or bids that stand, in priority order: of one owner, or of all; after the one with this id.
    pub fn parties(
        &self,
        sku: impl AsRef<str>,
        side: Side,
        owner: Option<CustomerId>,
        after: Option<BookOrderId>,
        limit: usize,
    ) -> Pending<Vec<PartyAnswer>> {
        let submit = |sku: SkuId| {
            let read = Command::ReadParties { sku: sku.clone(), side, owner: Box::new(owner), after, limit };
            self.submit(&Target::Name(sku.as_str()), read)
        };
        Pending::new(Self::sku_target(sku).and_then(submit), as_parties)
    }

    /// The offer or bid that a request with this digest has made.
    pub(crate) fn party_made(&self, sku: &SkuId, side: Side, digest: u64) -> Pending<PartyAnswer> {
        let read = Command::ReadPartyMade { sku: sku.clone(), side, digest };
        Pending::new(self.submit(&Target::Name(sku.as_str()), read), as_party)
    }
}
