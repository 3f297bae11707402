//! How values look in JSON, row by row, and what is not read.

use super::*;
use crate::promotion::Promotion;
use crate::promotion::condition::{Weekday, Weekly};

fn read<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn amounts_are_read_from_numbers_and_texts_and_printed_as_texts() {
    for (json, wanted, printed) in [
        ("5", 50_000, r#""5.00""#),
        ("-5", -50_000, r#""-5.00""#),
        ("19.99", 199_900, r#""19.99""#),
        ("-0.5", -5_000, r#""-0.50""#),
        (r#""19.9999""#, 199_999, r#""19.9999""#),
        ("99999999999.5", 999_999_999_995_000, r#""99999999999.50""#),
    ] {
        let amount: Amount = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(amount, Amount(wanted), "{json}");
        assert_eq!(serde_json::to_string(&amount).unwrap(), printed);
    }
    for json in ["1e11", "-1e11", "100000000000.5", "true", r#""5,00""#, "0.00001"] {
        assert!(read::<Amount>(json).is_err(), "{json}");
    }
    assert!(read::<Amount>("1e11").unwrap_err().contains("write it as a text"));
    assert!(read::<Amount>("true").unwrap_err().contains("a decimal number such as 19.99"));
}

#[test]
fn percentages_have_two_decimals_and_are_more_than_nothing_and_at_most_all() {
    for (json, hundredths, printed) in [
        ("0.01", 1, "0.01"),
        ("0.1", 10, "0.1"),
        ("5", 500, "5"),
        ("12.5", 1_250, "12.5"),
        ("33.33", 3_333, "33.33"),
        ("10.05", 1_005, "10.05"),
        (r#""100""#, 10_000, "100"),
    ] {
        let percent: Percent = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(percent, Percent(hundredths), "{json}");
        assert_eq!(serde_json::to_string(&percent).unwrap(), format!("\"{printed}\""));
        assert_eq!(percent.to_string(), printed);
    }
    for json in ["0", "-5", "0.001", "33.333", "100.01"] {
        assert!(read::<Percent>(json).unwrap_err().contains("from 0.01 to 100"), "{json}");
    }
}

#[test]
fn hours_of_the_week_go_from_midnight_to_midnight() {
    let weekly = |from: &str, until: &str| read::<Weekly>(&format!(r#"{{"from":"{from}","until":"{until}"}}"#));
    for (from, until, minutes) in
        [("00:00", "24:00", (0, 1_440)), ("09:30", "17:05", (570, 1_025)), ("23:59", "00:01", (1_439, 1))]
    {
        let found = weekly(from, until).unwrap();
        assert_eq!((found.from, found.until), minutes);
        assert_eq!(serde_json::to_string(&found).unwrap(), format!(r#"{{"from":"{from}","until":"{until}"}}"#));
    }
    for wrong in ["24:01", "25:00", "9:30", "09:60", "09:5", "0930", "+9:30", "09:3O", ""] {
        assert!(weekly(wrong, "10:00").unwrap_err().contains("not a time of day"), "{wrong}");
    }
    let found: Weekly = read(r#"{"days":["mon","sun"],"from":"01:00","until":"02:00"}"#).unwrap();
    assert_eq!(found.days, [Weekday::Mon, Weekday::Sun]);
}

#[test]
fn names_and_times_are_read_as_they_are_printed() {
    fn round_trip<T: Serialize + for<'de> Deserialize<'de>>(texts: &[&str]) {
        for text in texts {
            let json = format!("\"{text}\"");
            let value: T = read(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        }
    }
    round_trip::<Method>(&["wallet", "card", "external", "account"]);
    round_trip::<ChargeKind>(&["shipping", "tax", "fee"]);
    round_trip::<Timestamp>(&["2026-03-01T00:00:00Z", "1970-01-01T00:00:01Z"]);
    round_trip::<Currency>(&["EUR", "JPY"]);
    round_trip::<SkuId>(&["SKU-1"]);
    round_trip::<CustomerId>(&["ann"]);
    round_trip::<PromotionId>(&["sale.2026:a_b-c"]);
    round_trip::<CouponCode>(&["WELCOME-10_X"]);
    assert_eq!(
        read::<Method>(r#""cash""#).unwrap_err().split(" at ").next(),
        Some("`cash` is none of wallet, card, external, account")
    );
    assert!(read::<Timestamp>(r#""2026-03-01""#).unwrap_err().contains("write it in UTC"));
    assert!(read::<Currency>(r#""eur""#).is_err());
}

/// What says nothing is not printed, what says something is: so a promotion that was printed and read again is the same.
#[test]
fn a_promotion_prints_what_it_says_and_no_more() {
    for json in [
        r#"{"id":"p","version":0,"name":"P","priority":0,"lane":"goods","then":{"order":{"percent":"5"}}}"#,
        concat!(
            r#"{"id":"p","version":3,"name":"P","priority":-2,"lane":"goods","exclusive":["x"],"#,
            r#""window":{"from":"2026-03-01T00:00:00Z"},"coupon":["welcome"],"currency":"EUR","#,
            r#""when":[{"subtotal":{"at_least":"10.00","of":{"brand":["acme"]}}},{"quantity":{"at_most":3}}],"#,
            r#""then":{"nth":{"n":2,"percent":"50","of":{"except_sku":["S"]},"times":2}},"basis":"net","cap":"9.00","#,
            r#""limits":{"uses":1,"per_customer":2,"budget":"5.00"},"stop":true,"refusal":"no"}"#
        ),
    ] {
        let promotion: Promotion = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(serde_json::to_string(&promotion).unwrap(), json);
        let bytes = minicbor::to_vec(&promotion).unwrap();
        assert_eq!(minicbor::decode::<Promotion>(&bytes).unwrap(), promotion);
    }
}
