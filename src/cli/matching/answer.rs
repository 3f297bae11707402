//! Lines of output. They are written by hand: names and numbers need no escaping, and there are millions of them.

use std::io::{Result, Write};

use stockade_domain::SkuId;
use stockade_domain::book::{
    BookEvent, BookRefusal, EndReason, FillView, LevelChange, LevelDepth, Maker, OrderView, Side, Source, Terms,
};

use super::request::RequestError;

/// The last line of a command that was carried out.
pub(super) fn done(out: &mut impl Write, line: u64, sku: &str, sequence: u64) -> Result<()> {
    writeln!(out, r#"{{"answer":"done","line":{line},"sku":"{sku}","sequence":{sequence}}}"#)
}

/// The only line of a command that the book refused.
pub(super) fn refused(out: &mut impl Write, line: u64, sku: &str, refusal: &BookRefusal) -> Result<()> {
    let code = refusal.code();
    writeln!(out, r#"{{"answer":"refused","line":{line},"sku":"{sku}","code":"{code}","message":"{refusal}"}}"#)
}

/// The only line of a line that is no command.
pub(super) fn invalid(out: &mut impl Write, line: u64, error: &RequestError) -> Result<()> {
    let message = serde_json::Value::from(error.to_string());
    writeln!(out, r#"{{"answer":"invalid","line":{line},"code":"{}","message":{message}}}"#, error.code())
}

/// One event.
pub(super) fn event(out: &mut impl Write, sku: &SkuId, sequence: u64, event: &BookEvent<u64>) -> Result<()> {
    write!(out, r#"{{"sku":"{sku}","sequence":{sequence},"event":"#)?;
    match *event {
        BookEvent::Placed { id, owner, side, price, quantity, ordinal, terms } => {
            write!(out, r#""placed","id":{id},"owner":{},"side":"{}","price":{price}"#, owner.0, side_word(side))?;
            write!(out, r#","quantity":{quantity},"ordinal":{ordinal}"#)?;
            write_terms(out, &terms)?;
        }
        BookEvent::Filled { fill, maker, taker, side, price, quantity } => {
            write!(out, r#""filled","fill":{},"maker":"#, fill.0)?;
            write_maker(out, maker)?;
            let side = side_word(side);
            write!(out, r#","taker":{taker},"side":"{side}","price":{price},"quantity":{quantity}"#)?;
        }
        BookEvent::Ended { id, quantity, reason } => {
            write!(out, r#""ended","id":{id},"quantity":{quantity},"reason":"{}""#, reason_word(reason))?;
        }
        BookEvent::Reduced { id, quantity, reason } => {
            write!(out, r#""reduced","id":{id},"quantity":{quantity},"reason":"{}""#, reason_word(reason))?;
        }
        BookEvent::Amended { id, price, quantity, ordinal } => {
            write!(out, r#""amended","id":{id},"price":{price},"quantity":{quantity},"ordinal":{ordinal}"#)?;
        }
        BookEvent::Refreshed { id, quantity, ordinal } => {
            write!(out, r#""refreshed","id":{id},"quantity":{quantity},"ordinal":{ordinal}"#)?;
        }
        BookEvent::Settled { fill, quantity } => {
            write!(out, r#""settled","fill":{},"quantity":{quantity}"#, fill.0)?;
        }
        BookEvent::Released { fill, quantity, returns, reopened } => {
            write!(out, r#""released","fill":{},"quantity":{quantity}"#, fill.0)?;
            write!(out, r#","returns":"{}","reopened":{reopened}"#, side_word(returns))?;
        }
        BookEvent::BandSet { band } => {
            write!(out, r#""band_set""#)?;
            if let Some(band) = band {
                write!(out, r#","low":{},"high":{}"#, band.low, band.high)?;
            }
        }
        BookEvent::AuctionOpened => write!(out, r#""auction_opened""#)?,
        BookEvent::Uncrossed { price, quantity, imbalance } => {
            write!(out, r#""uncrossed","quantity":{quantity},"imbalance":{imbalance}"#)?;
            if let Some(price) = price {
                write!(out, r#","price":{price}"#)?;
            }
        }
    }
    out.write_all(b"}\n")
}

/// Only the wishes that an order has.
fn write_terms(out: &mut impl Write, terms: &Terms) -> Result<()> {
    if let Some(at) = terms.expires_at {
        write!(out, r#","expires_at":{}"#, at.0)?;
    }
    if terms.minimum > 1 {
        write!(out, r#","minimum":{}"#, terms.minimum)?;
    }
    match terms.source {
        Source::Anyone => {}
        Source::House => out.write_all(br#","source":"house""#)?,
        Source::Seller(seller) => write!(out, r#","source":"seller","seller":{}"#, seller.0)?,
    }
    if let Some(displayed) = terms.displayed {
        write!(out, r#","displayed":{displayed}"#)?;
    }
    if terms.post_only {
        out.write_all(br#","post_only":true"#)?;
    }
    if let Some(rule) = terms.self_trade {
        write!(out, r#","self_trade":"{}""#, rule.name())?;
    }
    Ok(())
}

fn write_maker(out: &mut impl Write, maker: Maker<u64>) -> Result<()> {
    match maker {
        Maker::House => out.write_all(br#""house""#),
        Maker::Order(id) => write!(out, "{id}"),
    }
}

/// What a level is like from now on; no orders when it is gone.
pub(super) fn level_change(out: &mut impl Write, sku: &SkuId, change: &LevelChange) -> Result<()> {
    let (number, side, level) = (change.sequence, side_word(change.side), &change.level);
    write!(out, r#"{{"sku":"{sku}","market":"level","market_sequence":{number},"side":"{side}""#)?;
    writeln!(out, r#","price":{},"quantity":{},"orders":{}}}"#, level.price, level.quantity, level.orders)
}

/// Levels of both sides, best first.
pub(super) fn levels(
    out: &mut impl Write,
    sku: &SkuId,
    market: &str,
    sequence: Option<u64>,
    supply: &[LevelDepth],
    demand: &[LevelDepth],
) -> Result<()> {
    write!(out, r#"{{"sku":"{sku}","market":"{market}""#)?;
    if let Some(sequence) = sequence {
        write!(out, r#","market_sequence":{sequence}"#)?;
    }
    for (name, levels) in [("supply", supply), ("demand", demand)] {
        write!(out, r#","{name}":["#)?;
        for (at, level) in levels.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let LevelDepth { price, quantity, orders } = level;
            write!(out, r#"{comma}{{"price":{price},"quantity":{quantity},"orders":{orders}}}"#)?;
        }
        out.write_all(b"]")?;
    }
    out.write_all(b"}\n")
}

/// An order as it stands.
pub(super) fn order(out: &mut impl Write, sku: &SkuId, order: &OrderView<u64>) -> Result<()> {
    let OrderView { id, owner, side, price, ordinal, open, reserve, held } = *order;
    write!(out, r#"{{"sku":"{sku}","market":"order","id":{id},"owner":{},"side":"{}""#, owner.0, side_word(side))?;
    write!(out, r#","price":{price},"ordinal":{ordinal},"open":{open},"reserve":{reserve},"held":{held}}}"#)?;
    out.write_all(b"\n")
}

/// A fill as it is held.
pub(super) fn fill(out: &mut impl Write, sku: &SkuId, fill: &FillView<u64>) -> Result<()> {
    write!(out, r#"{{"sku":"{sku}","market":"fill","fill":{},"supply":"#, fill.id.0)?;
    write_maker(out, fill.supply)?;
    writeln!(out, r#","demand":{},"price":{},"held":{}}}"#, fill.demand, fill.price, fill.held)
}

const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Supply => "supply",
        Side::Demand => "demand",
    }
}

const fn reason_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Cancelled => "cancelled",
        EndReason::Expired => "expired",
        EndReason::Immediate => "immediate",
        EndReason::SelfTrade => "self_trade",
    }
}
