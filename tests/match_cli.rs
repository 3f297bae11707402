//! `stockade match` from the outside: the JSON-lines protocol, market data, a feed, and the conformance protocol.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// Runs the command on an input; what it wrote and how it ended.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("match")
        .args(arguments)
        .env("STOCKADE_LOG", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_string();
    // A long input and a long output at once: whoever writes must not wait for whoever reads.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A conversation may end before all of its input is read.
    let _ = writer.join().unwrap();
    output
}

/// The lines that commands are answered with.
fn answers(commands: &[Value]) -> Vec<Value> {
    let input: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let output = run(&[], &input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    lines(&output.stdout)
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Only the lines with this field, reduced to these fields.
fn only(lines: &[Value], with: &str, fields: &[&str]) -> Vec<Value> {
    let with_field = lines.iter().filter(|line| line.get(with).is_some());
    with_field.map(|line| fields.iter().map(|field| line[*field].clone()).collect()).collect()
}

#[test]
fn events_come_before_the_line_that_ends_their_command() {
    let answers = answers(&[
        json!({"sku":"LAMP","command":"place","id":1,"side":"supply","price":999,"quantity":5}),
        json!({"sku":"LAMP","command":"place","id":2,"side":"demand","quantity":7}),
    ]);
    let expected = [
        json!({"sku":"LAMP","sequence":1,"event":"placed","id":1,"owner":0,"side":"supply","price":999,"quantity":5,"ordinal":1}),
        json!({"answer":"done","line":1,"sku":"LAMP","sequence":1}),
        json!({"sku":"LAMP","sequence":2,"event":"filled","fill":1,"maker":1,"taker":2,"side":"demand","price":999,"quantity":5}),
        json!({"sku":"LAMP","sequence":3,"event":"ended","id":2,"quantity":2,"reason":"immediate"}),
        json!({"answer":"done","line":2,"sku":"LAMP","sequence":3}),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn each_sku_has_a_book_of_its_own() {
    let answers = answers(&[
        json!({"sku":"A","command":"place","id":1,"side":"supply","price":10,"quantity":1}),
        json!({"sku":"B","command":"place","id":1,"side":"demand","price":10,"quantity":1}),
        json!({"sku":"A","command":"best"}),
        json!({"sku":"B","command":"best"}),
    ]);
    let level = json!([{"price":10,"quantity":1,"orders":1}]);
    assert_eq!(
        only(&answers, "market", &["sku", "supply", "demand"]),
        [json!(["A", level, []]), json!(["B", [], level])]
    );
}

#[test]
fn a_hold_is_settled_in_parts_and_released_units_go_to_the_next_in_line() {
    let answers = answers(&[
        json!({"sku":"LAMP","command":"open","fills":"hold"}),
        json!({"sku":"LAMP","command":"house","price":10,"quantity":4}),
        json!({"sku":"LAMP","command":"place","id":1,"side":"demand","quantity":4,"price":10}),
        json!({"sku":"LAMP","command":"place","id":2,"side":"demand","quantity":2,"price":10}),
        json!({"sku":"LAMP","command":"settle","fill":1,"quantity":1}),
        json!({"sku":"LAMP","command":"release","fill":1,"quantity":3,"returns":"supply"}),
        json!({"sku":"LAMP","command":"fill","fill":2}),
        json!({"sku":"LAMP","command":"place","id":3,"side":"demand","quantity":9,"price":10,"time_in_force":"ioc"}),
    ]);
    assert_eq!(
        only(&answers, "event", &["event", "fill", "taker", "quantity"]),
        [
            json!(["placed", null, null, 4]),
            json!(["filled", 1, 1, 4]),
            json!(["placed", null, null, 2]),
            json!(["settled", 1, null, 1]),
            json!(["released", 1, null, 3]),
            json!(["filled", 2, 2, 2]),
            json!(["filled", 3, 3, 1]),
            json!(["ended", null, null, 8]),
        ],
        "the house has what came back, and no more"
    );
    assert_eq!(only(&answers, "market", &["fill", "supply", "held"]), [json!([2, "house", 2])]);
}

#[test]
fn a_bad_line_is_named_and_the_next_one_is_carried_out() {
    let good = r#"{"sku":"A","command":"place","id":1,"side":"supply","price":10,"quantity":1}"#;
    let cases = [
        ("{", "json_invalid"),
        ("[]", "field_invalid"),
        (r#"{"sku":"A"}"#, "field_invalid"),
        (r#"{"sku":"A","command":"dance"}"#, "field_invalid"),
        (r#"{"sku":"A","command":"best","colour":"red"}"#, "field_unknown"),
        (r#"{"sku":"A","command":"best","price":1}"#, "field_unexpected"),
        (r#"{"sku":"A","command":"cancel"}"#, "field_missing"),
        (r#"{"sku":"a b","command":"best"}"#, "sku_invalid"),
        (
            r#"{"sku":"A","command":"place","id":9223372036854775808,"side":"supply","price":1,"quantity":1}"#,
            "field_invalid",
        ),
        (r#"{"sku":"A","command":"place","id":1,"side":"supply","price":1,"quantity":1.5}"#, "field_invalid"),
        (r#"{"sku":"A","command":"place","id":1,"side":"supply","price":1,"quantity":-1}"#, "field_invalid"),
        (r#"{"sku":"A","command":"open","lot":0}"#, "field_invalid"),
        (r#"{"sku":"A","command":"snapshot"}"#, "no_market_data"),
        (r#"{"sku":"A","command":"place","id":1,"side":"supply","price":1,"quantity":0}"#, "quantity_invalid"),
        (r#"{"sku":"A","command":"cancel","id":77}"#, "order_unknown"),
        (r#"{"sku":"A","command":"settle","fill":77,"quantity":1}"#, "fill_unknown"),
    ];
    for (line, code) in cases {
        let output = run(&[], &format!("{line}\n\n{good}"));
        assert_eq!(output.status.code(), Some(0), "{line}");
        let answers = lines(&output.stdout);
        assert_eq!(answers[0]["code"], code, "{line}: {}", answers[0]);
        assert_eq!(answers[0]["line"], 1, "{line}");
        assert_eq!(answers.last().unwrap()["answer"], "done", "{line}");
        assert_eq!(answers.last().unwrap()["line"], 3, "an empty line counts and is not answered: {line}");
    }
}

#[test]
fn a_refused_command_changes_nothing() {
    let answers = answers(&[
        json!({"sku":"A","command":"place","id":1,"side":"supply","price":10,"quantity":3}),
        json!({"sku":"A","command":"place","id":2,"side":"demand","price":10,"quantity":4,"time_in_force":"fok"}),
        json!({"sku":"A","command":"order","id":1}),
        json!({"sku":"A","command":"expire","now":5}),
        json!({"sku":"A","command":"expire","now":4}),
    ]);
    assert_eq!(
        only(&answers, "code", &["answer", "code"]),
        [json!(["refused", "unfillable"]), json!(["invalid", "time_backwards"])]
    );
    assert_eq!(only(&answers, "market", &["id", "open", "held"]), [json!([1, 3, 0])]);
}

#[test]
fn increments_carry_a_snapshot_on_without_a_gap() {
    use std::collections::BTreeMap;
    let mut commands = vec![
        json!({"sku":"A","command":"open","market_data":true}),
        json!({"sku":"A","command":"place","id":1,"side":"supply","price":12,"quantity":3}),
        json!({"sku":"A","command":"place","id":2,"side":"supply","price":11,"quantity":3}),
        json!({"sku":"A","command":"snapshot"}),
        json!({"sku":"A","command":"place","id":3,"side":"demand","price":11,"quantity":5}),
        json!({"sku":"A","command":"place","id":4,"side":"supply","price":12,"quantity":1}),
        json!({"sku":"A","command":"reduce","id":3,"by":1}),
        json!({"sku":"A","command":"cancel","id":1}),
    ];
    commands.push(json!({"sku":"A","command":"snapshot"}));
    let answers = answers(&commands);
    let snapshots: Vec<&Value> = answers.iter().filter(|line| line["market"] == "snapshot").collect();
    let mut levels = BTreeMap::new();
    for side in ["supply", "demand"] {
        for level in snapshots[0][side].as_array().unwrap() {
            levels.insert((side.to_string(), level["price"].as_i64().unwrap()), level["quantity"].as_u64().unwrap());
        }
    }
    let mut next = snapshots[0]["market_sequence"].as_u64().unwrap() + 1;
    let from = answers.iter().position(|line| std::ptr::eq(line, snapshots[0])).unwrap();
    let increments = answers[from..].iter().filter(|line| line["market"] == "level");
    for increment in increments {
        assert_eq!(increment["market_sequence"].as_u64(), Some(next), "no gap");
        next += 1;
        let key = (increment["side"].as_str().unwrap().to_string(), increment["price"].as_i64().unwrap());
        match increment["quantity"].as_u64().unwrap() {
            0 => levels.remove(&key),
            quantity => levels.insert(key, quantity),
        };
    }
    assert!(next > 4, "levels changed");
    let last = snapshots[1];
    assert_eq!(last["market_sequence"].as_u64(), Some(next - 1));
    let expected = [(("supply".to_string(), 12), 1), (("demand".to_string(), 11), 1)];
    assert_eq!(levels, BTreeMap::from(expected));
    assert_eq!(last["supply"], json!([{"price":12,"quantity":1,"orders":1}]));
    assert_eq!(last["demand"], json!([{"price":11,"quantity":1,"orders":1}]));
}

/// A small made-up feed in an exchange's words: A(dd), X (cancel in part), E(xecuted), D(elete), U (replace).
const FEED: &[&str] = &[
    "A 1 S 100 50",
    "A 2 S 100 30",
    "A 3 S 101 10",
    "A 4 B 98 20",
    "X 1 10",
    "E 1 15",
    "E 1 25",
    "E 2 5",
    "U 2 5 100 40",
    "A 6 S 100 7",
    "E 5 40",
    "D 6",
    "E 3 10",
    "E 4 20",
];

/// The documented mapping of a feed to commands.
fn mapped(message: &str) -> Vec<Value> {
    let parts: Vec<&str> = message.split(' ').collect();
    let number = |at: usize| parts[at].parse::<u64>().unwrap();
    let add = |id: u64, side: &str, price: u64, quantity: u64| json!({"sku":"FEED","command":"place","id":id,"side":side,"price":price,"quantity":quantity,"post_only":true});
    match parts[0] {
        "A" => vec![add(number(1), if parts[2] == "S" { "sell" } else { "buy" }, number(3), number(4))],
        "X" => vec![json!({"sku":"FEED","command":"reduce","id":number(1),"by":number(2)})],
        "D" => vec![json!({"sku":"FEED","command":"cancel","id":number(1)})],
        "U" => {
            vec![json!({"sku":"FEED","command":"cancel","id":number(1)}), add(number(2), "sell", number(3), number(4))]
        }
        _ => vec![json!({"sku":"FEED","command":"execute","id":number(1),"quantity":number(2)})],
    }
}

#[test]
fn executions_of_an_order_by_order_feed_fall_on_the_maker_at_the_head_of_the_best_price() {
    let commands: Vec<Value> = FEED.iter().flat_map(|message| mapped(message)).collect();
    let answers = answers(&commands);
    assert!(only(&answers, "code", &["line", "code", "message"]).is_empty(), "{answers:#?}");
    let fills: Vec<Value> = answers.iter().filter(|line| line["event"] == "filled").cloned().collect();
    assert_eq!(
        only(&fills, "event", &["maker", "price", "quantity"]),
        [
            json!([1, 100, 15]),
            json!([1, 100, 25]),
            json!([2, 100, 5]),
            json!([5, 100, 40]).clone(),
            json!([3, 101, 10]),
            json!([4, 98, 20]),
        ]
    );
}

#[test]
fn an_execution_of_somebody_who_is_not_next_in_line_is_refused_by_name() {
    let feed = ["A 1 S 100 50", "A 2 S 100 30", "E 2 5", "E 1 60", "E 9 1"];
    let answers = answers(&feed.iter().flat_map(|message| mapped(message)).collect::<Vec<_>>());
    let codes = only(&answers, "code", &["line", "code"]);
    assert_eq!(codes, [json!([3, "not_at_head"]), json!([4, "not_at_head"]), json!([5, "order_unknown"])]);
}

#[test]
fn a_caller_that_waits_for_its_answer_gets_it_before_it_sends_more() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .arg("match")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for number in 1..=3 {
        writeln!(input, r#"{{"sku":"A","command":"expire"}}"#).unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["line"], number);
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Conversations whose answers were written down from the suite's own reference engine.
#[test]
fn the_conformance_protocol_is_answered_as_the_suites_reference_answers() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/match_cli/tracebook");
    for name in ["fifo", "cancel_resting", "cancel_incoming", "pro_rata", "generated"] {
        let text = std::fs::read_to_string(dir.join(format!("{name}.jsonl"))).unwrap();
        let (questions, expected): (Vec<_>, Vec<_>) = text.lines().enumerate().partition(|(at, _)| at % 2 == 0);
        let input: String = questions.iter().map(|(_, line)| format!("{line}\n")).collect();
        let output = run(&["--tracebook"], &input);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let answers = lines(&output.stdout);
        assert_eq!(answers.len(), expected.len(), "{name}");
        for (mut answer, (at, line)) in answers.into_iter().zip(expected) {
            if answer["type"] == "ready" {
                assert_eq!(answer["engine"]["name"], "stockade", "{name}");
                continue;
            }
            if let Some(outcome) = answer.get_mut("outcome") {
                outcome["message"] = Value::Null;
            }
            assert_eq!(answer, serde_json::from_str::<Value>(line).unwrap(), "{name}, line {}", at + 1);
        }
    }
}

#[test]
fn a_breach_of_the_conformance_protocol_is_told_and_ends_with_bad_usage() {
    let hello = r#"{"type":"hello","protocol":"tracebook.conformance","protocol_version":1,"config":{}}"#;
    for input in [
        String::new(),
        "{}".into(),
        r#"{"type":"hello","protocol":"tracebook.conformance","protocol_version":2}"#.into(),
        format!("{hello}\n{{\"type\":\"snapshot\",\"index\":4}}"),
        format!("{hello}\n{{\"type\":\"dance\"}}"),
        format!("{hello}\n{{\"type\":\"event\",\"index\":2,\"event\":{{\"op\":\"clear\",\"symbol\":\"A\"}}}}"),
        format!(
            "{hello}\n{{\"type\":\"event\",\"index\":1,\"event\":{{\"op\":\"dance\",\"symbol\":\"A\",\"order_id\":1}}}}"
        ),
        hello.into(),
    ] {
        let output = run(&["--tracebook"], &input);
        assert_eq!(output.status.code(), Some(2), "{input}");
        let told = lines(&output.stdout);
        let ended_early = input.is_empty() || input == hello;
        assert_eq!(told.last().is_some_and(|line| line["type"] == "error"), !ended_early, "{input}: {told:?}");
    }
}
