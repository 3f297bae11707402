//! Fills are holds.

use super::*;
use BookCommand::{Amend, Cancel, Reduce, Release, Settle};

/// An offer of ten at 100, of which a buyer holds six in fill 1.
fn held() -> Scene {
    let mut scene = Scene::shop();
    scene.given([offer(1, 10, 100), now(bid(2, 6, 100))]);
    scene
}

fn release(quantity: Quantity, returns: Side) -> BookCommand<u64> {
    Release { fill: FillId(1), quantity, returns }
}

fn settle(quantity: Quantity) -> BookCommand<u64> {
    Settle { fill: FillId(1), quantity }
}

fn account(scene: &Scene, id: u64) -> Option<Account> {
    scene.book.image().orders.iter().find(|order| order.id == id).map(|order| order.account)
}

#[test]
fn a_fill_is_settled_and_released_in_parts_and_then_unknown() {
    let mut scene = held();
    assert_eq!(scene.book.fill(FillId(1)).unwrap().held, 6);
    assert_eq!(scene.run(settle(7)), Err(BookRefusal::QuantityTooLarge { limit: 6 }));
    scene.run(settle(2)).unwrap();
    scene.run(release(1, Side::Supply)).unwrap();
    let wanted = Account { offered: 10, held: 3, sold: 2, withdrawn: 0, owed: 0 };
    assert_eq!(account(&scene, 1), Some(wanted));
    assert_eq!(scene.line(Side::Supply), [(1, 5)]);
    scene.run(settle(3)).unwrap();
    assert_eq!(scene.run(settle(1)), Err(BookRefusal::FillUnknown));
    assert_eq!(scene.book.fill(FillId(1)), None);
}

#[test]
fn released_units_follow_what_became_of_their_order() {
    let price = Some(101);
    for (meanwhile, reopened, line) in [
        (vec![], 6, vec![(1, 10), (7, 1), (8, 1)]),
        (vec![Cancel { id: 1 }], 0, vec![(7, 1), (8, 1)]),
        (vec![Reduce { id: 1, by: 6 }], 4, vec![(1, 4), (7, 1), (8, 1)]),
        (vec![Reduce { id: 1, by: 4 }], 6, vec![(1, 6), (7, 1), (8, 1)]),
        (vec![Reduce { id: 1, by: 10 }], 0, vec![(7, 1), (8, 1)]),
        (vec![Amend { id: 1, price, quantity: None }], 6, vec![(7, 1), (8, 1), (1, 10)]),
        (vec![Amend { id: 1, price, quantity: None }, Cancel { id: 1 }], 0, vec![(7, 1), (8, 1)]),
    ] {
        let mut scene = held();
        scene.given([offer(7, 1, 100), offer(8, 1, 101)]);
        for command in &meanwhile {
            scene.run(*command).unwrap();
        }
        let released = BookEvent::Released { fill: FillId(1), quantity: 6, returns: Side::Supply, reopened };
        assert_eq!(scene.run(release(6, Side::Supply)), Ok(vec![released]), "{meanwhile:?}");
        assert_eq!(scene.line(Side::Supply), line, "{meanwhile:?}");
    }
}

#[test]
fn a_maker_of_whom_nothing_is_open_still_stands_and_can_be_cancelled() {
    let mut scene = Scene::shop();
    scene.given([offer(1, 6, 100), now(bid(2, 6, 100)), offer(3, 1, 100)]);
    assert_eq!(scene.place(offer(1, 1, 100)), Err(BookRefusal::IdTaken));
    scene.run(release(2, Side::Supply)).unwrap();
    assert_eq!(scene.line(Side::Supply), [(1, 2), (3, 1)], "before who came later");
    scene.run(Cancel { id: 1 }).unwrap();
    assert_eq!(scene.run(Cancel { id: 1 }), Err(BookRefusal::OrderUnknown), "it ended, though it has held units");
    scene.run(release(4, Side::Supply)).unwrap();
    assert_eq!(scene.book.order(1), None);
}

#[test]
fn what_comes_free_is_offered_at_once_to_the_next_in_line() {
    let mut scene = Scene::shop();
    scene.given([offer(1, 3, 100), now(bid(2, 3, 100)), bid(3, 2, 100), bid(4, 2, 105), bid(5, 2, 99)]);
    assert_eq!(scene.deals(release(3, Side::Supply)), [(1, 4, 100, 2), (1, 3, 100, 1)]);
    assert_eq!(scene.line(Side::Demand), [(3, 1), (5, 2)]);
}

#[test]
fn one_side_returns_and_the_other_is_withdrawn_so_that_the_two_do_not_meet_again() {
    for (returns, supply, demand) in [(Side::Supply, vec![(1, 5)], vec![]), (Side::Demand, vec![], vec![(2, 5)])] {
        let mut scene = Scene::shop();
        scene.given([offer(1, 5, 100), bid(2, 5, 100)]);
        assert_eq!(scene.deals(release(5, returns)), []);
        assert_eq!((scene.line(Side::Supply), scene.line(Side::Demand)), (supply, demand), "{returns:?}");
    }
}

#[test]
fn an_immediate_order_has_no_place_to_return_to() {
    let mut scene = Scene::shop();
    scene.given([bid(1, 5, 100), now(offer(2, 5, 100))]);
    let released = BookEvent::Released { fill: FillId(1), quantity: 5, returns: Side::Supply, reopened: 0 };
    assert_eq!(scene.run(release(5, Side::Supply)), Ok(vec![released]));
    assert_eq!(scene.book.orders(Side::Supply), []);
}

#[test]
fn units_that_the_house_gets_back_go_to_the_next_in_line_but_only_as_much_as_came_back() {
    let mut scene = Scene::shop();
    scene.house(100, 3).given([now(bid(1, 3, 100))]);
    scene.house(100, 0).given([bid(2, 2, 100), bid(3, 2, 100)]);
    assert_eq!(scene.deals(release(3, Side::Supply)), [(0, 2, 100, 2), (0, 3, 100, 1)]);
    assert_eq!(scene.line(Side::Demand), [(3, 1)]);
}

#[test]
fn units_that_come_back_to_an_amended_order_join_it_at_its_new_place() {
    let mut scene = held();
    scene.given([offer(7, 1, 100)]);
    scene.run(Amend { id: 1, price: None, quantity: Some(5) }).unwrap();
    scene.run(release(6, Side::Supply)).unwrap();
    assert_eq!(scene.line(Side::Supply), [(7, 1), (1, 11)]);
    assert_eq!(account(&scene, 1).unwrap().offered, 11, "one more was brought");
}

#[test]
fn a_fill_of_an_immediate_order_does_not_come_back_to_one_that_used_its_id_again() {
    let mut scene = held();
    scene.given([bid(2, 4, 90)]);
    let mut again: Book<u64> = minicbor::decode(&minicbor::to_vec(&scene.book).unwrap()).unwrap();
    let released = BookCommand::Release { fill: FillId(1), quantity: 6, returns: Side::Demand };
    again.execute(&released, &scene.context, &mut Vec::new()).unwrap();
    again.check();
    assert_eq!(again.order(2).unwrap().open, 4);
}

#[test]
fn an_image_that_no_book_could_have_made_is_refused() {
    type Spoil = fn(&mut BookImage<u64>);
    let spoils: [Spoil; 7] = [
        |image| image.orders[0].open += 1,
        |image| image.orders[0].price = -1,
        |image| image.orders[0].account.held = 5,
        |image| image.orders[0].ordinal = 99,
        |image| image.orders.push(image.orders[0].clone()),
        |image| image.holds[0].held = 0,
        |image| image.holds[0].demand_stands = true,
    ];
    let image = held().book.image();
    assert!(Book::from_image(&image).is_ok());
    for (n, spoil) in spoils.into_iter().enumerate() {
        let mut spoilt = image.clone();
        spoil(&mut spoilt);
        assert!(Book::from_image(&spoilt).is_err(), "spoil {n}");
    }
}
