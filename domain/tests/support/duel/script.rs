//! Commands as lines that `stockade match` replays (docs/match-protocol.md).

use std::fmt::Write;

use stockade_domain::book::{
    Allocation, BookCommand, BookConfig, FillMode, Place, Side, Source, TimeInForce, UnfillableHead,
};

use super::Step;

const SKU: &str = "DUEL";

/// The book's rules and the steps, one JSON object a line.
pub fn script(config: &BookConfig, steps: &[Step]) -> String {
    let mut text = open(config);
    for step in steps {
        let house = step
            .house
            .map_or(String::new(), |house| format!(",\"price\":{},\"quantity\":{}", house.price, house.available));
        let _ = writeln!(text, "{{\"sku\":\"{SKU}\",\"now\":{},{}{house}}}", step.now.0, command(&step.command));
    }
    text
}

fn open(config: &BookConfig) -> String {
    let band = config.band.map_or(String::new(), |band| format!(",\"low\":{},\"high\":{}", band.low, band.high));
    let fills = if config.fills == FillMode::Hold { "hold" } else { "immediate" };
    let allocation = if config.allocation == Allocation::ProRata { "pro_rata" } else { "price_time" };
    let head = if config.unfillable_head == UnfillableHead::Block { "block" } else { "skip" };
    format!(
        "{{\"sku\":\"{SKU}\",\"command\":\"open\",\"tick\":{},\"lot\":{}{band},\"fills\":\"{fills}\",\
         \"allocation\":\"{allocation}\",\"unfillable_head\":\"{head}\",\"self_trade\":\"{}\"}}\n",
        config.tick,
        config.lot,
        config.self_trade.name()
    )
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Supply => "supply",
        Side::Demand => "demand",
    }
}

fn optional<T: std::fmt::Display>(name: &str, value: Option<T>) -> String {
    value.map_or(String::new(), |value| format!(",\"{name}\":{value}"))
}

fn command(command: &BookCommand<u64>) -> String {
    match *command {
        BookCommand::Place(order) => place(&order),
        BookCommand::Cancel { id } => format!("\"command\":\"cancel\",\"id\":{id}"),
        BookCommand::Reduce { id, by } => format!("\"command\":\"reduce\",\"id\":{id},\"by\":{by}"),
        BookCommand::Amend { id, price, quantity } => {
            format!("\"command\":\"amend\",\"id\":{id}{}{}", optional("price", price), optional("quantity", quantity))
        }
        BookCommand::CancelAll { owner, side: of } => format!(
            "\"command\":\"cancel_all\"{}{}",
            optional("owner", owner.map(|owner| owner.0)),
            optional("side", of.map(|of| format!("\"{}\"", side(of))))
        ),
        BookCommand::Expire => "\"command\":\"expire\"".into(),
        BookCommand::Settle { fill, quantity } => {
            format!("\"command\":\"settle\",\"fill\":{},\"quantity\":{quantity}", fill.0)
        }
        BookCommand::Release { fill, quantity, returns } => format!(
            "\"command\":\"release\",\"fill\":{},\"quantity\":{quantity},\"returns\":\"{}\"",
            fill.0,
            side(returns)
        ),
        BookCommand::HouseChanged => "\"command\":\"house\"".into(),
        BookCommand::SetBand { band } => format!(
            "\"command\":\"band\"{}{}",
            optional("low", band.map(|band| band.low)),
            optional("high", band.map(|band| band.high))
        ),
        BookCommand::OpenAuction => "\"command\":\"open_auction\"".into(),
        BookCommand::Uncross { reference } => format!("\"command\":\"uncross\",\"price\":{reference}"),
    }
}

fn place(place: &Place<u64>) -> String {
    let mut text = format!(
        "\"command\":\"place\",\"id\":{},\"side\":\"{}\",\"quantity\":{}{}",
        place.id,
        side(place.side),
        place.quantity,
        optional("price", place.price)
    );
    if place.owner.0 != 0 {
        text += &format!(",\"owner\":{}", place.owner.0);
    }
    text += &match place.time_in_force {
        // Without a price the default is another.
        TimeInForce::Gtc if place.price.is_none() => ",\"time_in_force\":\"gtc\"".into(),
        TimeInForce::Gtc => String::new(),
        TimeInForce::Gtd(at) => format!(",\"time_in_force\":\"gtd\",\"expires_at\":{}", at.0),
        TimeInForce::Ioc => ",\"time_in_force\":\"ioc\"".into(),
        TimeInForce::Fok => ",\"time_in_force\":\"fok\"".into(),
    };
    if place.post_only {
        text += ",\"post_only\":true";
    }
    if place.minimum > 0 {
        text += &format!(",\"minimum\":{}", place.minimum);
    }
    text += &match place.source {
        Source::Anyone => String::new(),
        Source::House => ",\"source\":\"house\"".into(),
        Source::Seller(seller) => format!(",\"source\":\"seller\",\"seller\":{}", seller.0),
    };
    text += &optional("displayed", place.displayed);
    text + &optional("self_trade", place.self_trade.map(|rule| format!("\"{}\"", rule.name())))
}
