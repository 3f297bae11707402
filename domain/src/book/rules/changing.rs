//! How orders at rest change.

use super::*;

fn three() -> Scene {
    let mut scene = Scene::exchange();
    scene.given([offer(1, 5, 100), offer(2, 5, 100), offer(3, 5, 101)]);
    scene
}

#[test]
fn only_a_change_that_gives_something_up_keeps_its_place() {
    let amend = |price, quantity| BookCommand::Amend { id: 1, price, quantity };
    for (command, line) in [
        (BookCommand::Reduce { id: 1, by: 2 }, [(1, 3), (2, 5), (3, 5)]),
        (amend(None, Some(3)), [(1, 3), (2, 5), (3, 5)]),
        (amend(Some(100), Some(5)), [(1, 5), (2, 5), (3, 5)]),
        (amend(None, Some(6)), [(2, 5), (1, 6), (3, 5)]),
        (amend(Some(101), None), [(2, 5), (3, 5), (1, 5)]),
        (amend(Some(101), Some(1)), [(2, 5), (3, 5), (1, 1)]),
        (amend(Some(99), None), [(1, 5), (2, 5), (3, 5)]),
    ] {
        let mut scene = three();
        scene.run(command).unwrap();
        assert_eq!(scene.line(Side::Supply), line, "{command:?}");
    }
}

#[test]
fn an_amended_order_takes_like_a_new_one() {
    let mut scene = three();
    scene.given([bid(4, 2, 99)]);
    assert_eq!(
        scene.deals(BookCommand::Amend { id: 4, price: Some(100), quantity: Some(6) }),
        [(1, 4, 100, 5), (2, 4, 100, 1)]
    );
}

#[test]
fn a_change_of_what_is_not_there_is_refused() {
    let max = BOOK_QUANTITY_MAX;
    for (command, refusal) in [
        (BookCommand::Cancel { id: 9 }, BookRefusal::OrderUnknown),
        (BookCommand::Reduce { id: 9, by: 1 }, BookRefusal::OrderUnknown),
        (BookCommand::Reduce { id: 1, by: 0 }, BookRefusal::QuantityInvalid { max }),
        (BookCommand::Reduce { id: 1, by: 6 }, BookRefusal::QuantityTooLarge { limit: 5 }),
        (BookCommand::Amend { id: 9, price: Some(1), quantity: None }, BookRefusal::OrderUnknown),
        (BookCommand::Amend { id: 1, price: None, quantity: Some(0) }, BookRefusal::QuantityInvalid { max }),
        (BookCommand::Amend { id: 1, price: Some(-1), quantity: None }, BookRefusal::PriceInvalid { max: PRICE_MAX }),
        (
            BookCommand::Amend { id: 1, price: None, quantity: None },
            BookRefusal::TermsInvalid { why: "an amendment names a price or a quantity" },
        ),
        (BookCommand::Settle { fill: FillId(1), quantity: 1 }, BookRefusal::FillUnknown),
        (BookCommand::Release { fill: FillId(1), quantity: 1, returns: Side::Supply }, BookRefusal::FillUnknown),
        (BookCommand::Uncross { reference: 1 }, BookRefusal::NoAuction),
    ] {
        assert_eq!(three().run(command), Err(refusal), "{command:?}");
    }
}

#[test]
fn reducing_by_all_that_stands_ends_an_order() {
    let mut scene = three();
    let ended = BookEvent::Ended { id: 1, quantity: 5, reason: EndReason::Cancelled };
    assert_eq!(scene.run(BookCommand::Reduce { id: 1, by: 5 }), Ok(vec![ended]));
    assert_eq!(scene.run(BookCommand::Cancel { id: 1 }), Err(BookRefusal::OrderUnknown));
}

#[test]
fn a_mass_cancel_ends_an_owners_orders_or_a_sides_or_both() {
    let (seven, supply) = (Some(Owner(7)), Some(Side::Supply));
    for (owner, side, gone) in [
        (seven, None, vec![1, 4]),
        (None, supply, vec![1, 2]),
        (seven, supply, vec![1]),
        (None, None, vec![1, 2, 4, 3]),
        (Some(Owner(8)), None, vec![]),
    ] {
        let mut scene = Scene::exchange();
        scene.given([of(7, offer(1, 1, 100)), offer(2, 1, 101), bid(3, 1, 90), of(7, bid(4, 1, 91))]);
        let events = scene.run(BookCommand::CancelAll { owner, side }).unwrap();
        let ended: Vec<_> = events
            .iter()
            .map(|event| match event {
                BookEvent::Ended { id, .. } => *id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ended, gone, "{owner:?} {side:?}");
    }
}

#[test]
fn orders_expire_in_order_of_time_when_their_time_has_come_and_not_before() {
    let mut scene = Scene::exchange();
    let until = |time, place| Place { time_in_force: TimeInForce::Gtd(Timestamp(time)), ..place };
    scene.given([until(30, offer(1, 1, 100)), until(20, offer(2, 1, 100)), until(20, bid(3, 1, 90))]);
    assert_eq!(scene.book.next_due(), Some(Timestamp(20)));
    scene.context.now = Timestamp(19);
    assert_eq!(scene.run(BookCommand::Expire), Ok(vec![]));
    scene.context.now = Timestamp(20);
    let expired = |id| BookEvent::Ended { id, quantity: 1, reason: EndReason::Expired };
    assert_eq!(scene.run(BookCommand::Expire), Ok(vec![expired(2), expired(3)]));
    assert_eq!(scene.book.next_due(), Some(Timestamp(30)));
    scene.run(BookCommand::Cancel { id: 1 }).unwrap();
    assert_eq!(scene.book.next_due(), None, "who is gone is not due");
}
