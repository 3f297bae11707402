//! Each strategy against the same shelves, and the fewest parcels against all subsets.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn locations() -> Vec<Location> {
    NAMES.iter().map(|name| Location::new(name).unwrap()).collect()
}

fn shelves<'a>(locations: &'a [Location], available: &[Quantity]) -> Vec<Shelf<'a>> {
    locations.iter().zip(available).map(|(location, available)| Shelf { location, available: *available }).collect()
}

fn region() -> Region {
    Region::new("north").unwrap()
}

fn ranked(strategy: SourcingStrategy, available: &[Quantity], wanted: Quantity) -> Vec<usize> {
    let locations = locations();
    let plan = SourcingPlan { strategy, locations: vec![locations[2].clone(), locations[0].clone()] };
    let context = HoldContext { region: Some(region()), sourcing: None };
    let mut distances = Distances::default();
    for (location, distance) in locations.iter().zip([30, 10, 20]) {
        distances.set(region(), location.clone(), distance);
    }
    let shelves = shelves(&locations, available);
    rank(Some(&plan), Some(&context), &distances, &shelves, wanted).unwrap().to_vec()
}

#[test]
fn each_strategy_ranks_by_its_own_rule_and_ties_stay_in_the_order_of_the_shelves() {
    use SourcingStrategy as S;
    let cases: [(S, &[Quantity], Quantity, &[usize]); 10] = [
        (S::Priority, &[1, 9, 1, 1], 5, &[2, 0, 1, 3]),
        (S::MostStock, &[4, 9, 4, 1], 5, &[1, 0, 2, 3]),
        (S::Nearest, &[1, 9, 1, 1], 5, &[1, 2, 0, 3]),
        (S::FewestParcels, &[4, 9, 5, 5], 5, &[2, 1, 3, 0]),
        (S::FewestParcels, &[4, 9, 4, 1], 10, &[1, 3, 0, 2]),
        (S::FewestParcels, &[4, 9, 4, 1], 13, &[1, 0, 2, 3]),
        (S::FewestParcels, &[2, 2, 2], 6, &[0, 1, 2]),
        (S::FewestParcels, &[2, 2, 2], 7, &[0, 1, 2]),
        (S::FewestParcels, &[], 1, &[]),
        (S::MostStock, &[], 1, &[]),
    ];
    for (strategy, available, wanted, expected) in cases {
        assert_eq!(ranked(strategy, available, wanted), expected, "{} {available:?} {wanted}", strategy.name());
    }
}

#[test]
fn an_order_may_name_another_strategy_and_nobodys_strategy_ranks_nothing() {
    let locations = locations();
    let shelves = shelves(&locations, &[1, 9]);
    let plan = SourcingPlan { strategy: SourcingStrategy::Priority, locations: Vec::new() };
    let context = HoldContext { region: None, sourcing: Some(SourcingStrategy::MostStock) };
    let by = |plan, context| rank(plan, context, Distances::NONE, &shelves, 1).map(|ranking| ranking.to_vec());
    assert_eq!(by(Some(&plan), Some(&context)), Some(vec![1, 0]));
    assert_eq!(by(None, Some(&context)), Some(vec![1, 0]));
    assert_eq!(by(Some(&plan), None), Some(vec![0, 1]));
    assert_eq!(by(None, None), None);
}

/// Locations that are needed when shelves are drawn from in this order.
fn parcels(shelves: &[Shelf<'_>], ranking: &[usize], wanted: Quantity) -> usize {
    let mut missing = wanted;
    ranking
        .iter()
        .filter(|index| {
            let taken = missing.min(shelves[**index].available);
            missing -= taken;
            taken > 0
        })
        .count()
}

proptest! {
    #[test]
    fn no_subset_of_locations_covers_a_demand_with_fewer_parcels(
        available in proptest::collection::vec(0..20u64, 1..6),
        wanted in 1..60u64,
    ) {
        let locations = locations();
        let shelves = shelves(&locations, &available);
        let ranking = FewestParcels.rank(&shelves, wanted);
        let mut sorted = ranking.to_vec();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..shelves.len()).collect::<Vec<_>>());
        let covers = |set: &u32| {
            let units = (0..shelves.len()).filter(|index| set & (1 << index) != 0).map(|index| available[index]);
            units.sum::<Quantity>() >= wanted
        };
        if let Some(fewest) = (0..1u32 << shelves.len()).filter(covers).map(u32::count_ones).min() {
            prop_assert_eq!(parcels(&shelves, &ranking, wanted), fewest as usize);
        }
    }
}
