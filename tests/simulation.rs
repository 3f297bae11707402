//! The simulator in the ordinary test command: a few seeds, the seeds that once failed, and that a seed repeats itself.
//! `.ci/run` runs many more.

use stockade::sim::{FaultKind, Options, silence_injected_panics, simulate};

fn faults(names: &str) -> Vec<FaultKind> {
    match names {
        "all" => FaultKind::ALL.to_vec(),
        "none" => Vec::new(),
        names => names
            .split(',')
            .map(|name| *FaultKind::ALL.iter().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("{name}")))
            .collect(),
    }
}

fn run(seed: u64, steps: u64, names: &str) -> String {
    silence_injected_panics();
    match simulate(seed, &Options { steps, faults: faults(names), partitions: None }) {
        Ok(outcome) => outcome.trace_hash,
        Err(failure) => panic!("{failure}\n{}\n{}", failure.trace.join("\n"), failure.story.join("\n")),
    }
}

#[test]
fn a_few_seeds_with_every_fault_are_clean() {
    for seed in 0..8 {
        run(seed, 200, "all");
    }
}

#[test]
fn the_same_seed_takes_the_same_way() {
    assert_eq!(run(3, 200, "all"), run(3, 200, "all"));
    assert_ne!(run(3, 200, "none"), run(4, 200, "none"));
}

/// What each was: the name says what was wrong, the seed how it was found.
#[test]
fn seeds_that_once_failed_are_clean() {
    for (what, seed, steps, names) in [
        (
            "a hold that was asked for again was told without the units of its book that a shortfall had taken",
            573,
            1_331,
            "peer_lost,peer_delayed,kill,disk_full,clock_ahead",
        ),
        (
            "units that came free were given to a hold whose order never came to be: whoever gave them back was undone for ever",
            675,
            1_500,
            "all",
        ),
        ("each answered step asked for all others again, until messages multiplied without end", 0, 300, "none"),
        ("a late answer to an earlier try to place an order was taken for the present one's", 13, 104, "none"),
        ("news that had been heard erased news that had not", 17, 356, "none"),
        ("a question answered twice left units that nobody asked about again", 18, 118, "none"),
        ("a settled hold whose units a shortfall had taken stayed tentative", 45, 291, "none"),
        ("a wallet asked again held money again for what was spent", 5, 161, "peer_twice,peer_reordered,peer_delayed"),
        ("an answer about an earlier try ended a later one", 19, 89, "peer_twice,peer_reordered,peer_delayed"),
        (
            "the auditor forgot what a refused attempt is still owed",
            33,
            221,
            "gateway_declines,gateway_loses_request,gateway_late",
        ),
        (
            "units filled while their cancellation was on its way were kept",
            64,
            380,
            "peer_delayed,one_way_cut,slow_partition",
        ),
        (
            "after a restart with other partitions a wallet asked nobody about its own",
            43,
            312,
            "power_cut_in_write,disk_error,short_write,disk_full",
        ),
        (
            "a use asked for again was held again for an order that was refused",
            304,
            110,
            "peer_twice,peer_reordered,peer_delayed,crash_before,kill,disk_full,gateway_declines,\
             gateway_loses_request,gateway_late,clock_ahead,clock_back",
        ),
        (
            "a message to oneself undid what had happened since",
            330,
            381,
            "slow_partition,kill,disk_error,short_write,callback_twice,clock_ahead,clock_back",
        ),
        ("an order was recorded that had lost all it was to have while it was placed", 165, 735, "none"),
        (
            "a try after a restart had the number of one before it, and took its uses for its own",
            343,
            59,
            "peer_twice,peer_reordered,peer_delayed,slow_partition,crash_before,power_loss,power_cut_in_write,\
             disk_error,short_write,clock_ahead,clock_back",
        ),
        (
            "a wallet asked about a bid for a SKU that nobody knew, and had no answer",
            805,
            227,
            "peer_lost,peer_twice,peer_reordered,crash_before,crash_after,gateway_declines,gateway_loses_request,\
             gateway_loses_answer,gateway_late,clock_ahead,clock_back",
        ),
        (
            "what an earlier try held for an order of more units was taken for the later one's",
            27,
            289,
            "peer_twice,peer_reordered,peer_delayed,one_way_cut,slow_partition,crash_before,kill,power_cut_in_write,\
             disk_error,gateway_declines,gateway_loses_request,gateway_late,clock_back",
        ),
        (
            "units that came after a shortfall, but before the shipment, were not shipped and stayed for ever",
            408,
            343,
            "peer_twice,one_way_cut,crash_before,kill,power_loss,disk_error,disk_full,gateway_declines,\
             gateway_loses_request,callback_twice,clock_ahead,clock_back",
        ),
        (
            "money that a wallet held from afar before a restart was taken for spent after it",
            159,
            594,
            "peer_lost,one_way_cut,crash_after,kill,power_loss,disk_full,clock_ahead,clock_back",
        ),
        ("a use that an earlier try had left was taken for the order's own", 679, 1_500, "all"),
    ] {
        println!("{what}: {seed}");
        run(seed, steps, names);
    }
}
