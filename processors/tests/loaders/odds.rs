//! Tests of the odds feed: notations, bad parts, and events that are listed twice.
//!
//! Invariant: payloads are written by hand.
//! Not here: real payloads (`real`), the ladders of lines that are built from single offers (unit tests of the loader).
use crate::payloads::*;
use processors::loader::load;
use schemas::{
    raw::{Feed, FetchOutcome, RejectCode},
    team::Team,
    units::{EasternDate, Line, Price},
};
use serde_json::{Value, json};

fn day(text: &str) -> EasternDate {
    text.parse().unwrap()
}
fn price(written: f64) -> Option<Price> {
    Some(Price::new(written).unwrap())
}

#[test]
fn a_historical_snapshot_with_decimal_prices_is_read_like_a_current_one() {
    let loaded = decode(Feed::OddsapiEventOdds, &payload_for(Feed::OddsapiEventOdds));
    let event = odds(&loaded)[0];
    assert_eq!((event.home, event.away, event.date), (Team::BOS, Team::NYK, day("2024-01-18")));
    let quote = &event.quotes[0];
    assert_eq!((quote.book.as_str(), quote.name.as_str()), ("draftkings", "Ann Archer"));
    assert_eq!(quote.updated_at.to_string(), "2024-01-18T16:30:00Z");
    assert_eq!((quote.lines[0].over, quote.lines[0].under), (price(1.91), price(1.87)));
    let current = decode(Feed::OddsapiEventOdds, &payload_for(Feed::OddsapiEventOdds)["data"]);
    assert_eq!(odds(&current)[0].quotes, event.quotes);
    assert!(names(&loaded).iter().map(|lookup| lookup.team).eq([Team::BOS, Team::NYK]));
}
#[test]
fn a_line_ladder_has_every_line_including_those_with_one_price() {
    let outcomes = vec![
        outcome("Over", "Ann Archer", -110.0, 25.0),
        outcome("Under", "Ann Archer", -120.0, 24.5),
        outcome("Over", "Ann Archer", -105.0, 24.5),
        outcome("Over", "Ann Archer", 350.0, 34.5),
    ];
    let loaded = decode(Feed::OddsapiEventOdds, &event("Los Angeles Clippers", "LA Lakers", outcomes));
    let [quote] = odds(&loaded)[0].quotes.as_slice() else { panic!("not exactly one quote") };
    let lines: Vec<_> = quote.lines.iter().map(|line| (line.line, line.over, line.under)).collect();
    assert_eq!(
        lines,
        [
            (Line(2450), price(-105.0), price(-120.0)),
            (Line(2500), price(-110.0), None),
            (Line(3450), price(350.0), None)
        ]
    );
}
#[test]
fn of_two_prices_for_one_side_the_greater_is_used_in_any_order() {
    let quoted = |prices: [f64; 2]| {
        let outcomes = prices.map(|price| outcome("Over", "Ann Archer", price, 24.5)).to_vec();
        odds(&decode(Feed::OddsapiEventOdds, &event("Boston Celtics", "New York Knicks", outcomes)))[0]
            .quotes
            .clone()
    };
    assert_eq!(quoted([-110.0, -105.0]), quoted([-105.0, -110.0]));
    assert_eq!(quoted([-110.0, -105.0])[0].lines[0].over, price(-105.0));
}
#[test]
fn a_market_without_an_update_time_has_that_of_its_book() {
    let mut payload =
        event("Boston Celtics", "New York Knicks", vec![outcome("Over", "Ann Archer", 105.0, 24.5)]);
    payload["bookmakers"][0]["markets"][0].as_object_mut().unwrap().remove("last_update");
    let loaded = decode(Feed::OddsapiEventOdds, &payload);
    assert_eq!(odds(&loaded)[0].quotes[0].updated_at.to_string(), "2024-01-18T16:00:00Z");
}
#[test]
fn other_markets_are_ignored_and_foreign_events_are_out_of_scope() {
    let mut payload = event("Boston Celtics", "New York Knicks", vec![]);
    payload["bookmakers"][0]["markets"][0]["key"] = json!("player_rebounds");
    let loaded = decode(Feed::OddsapiEventOdds, &payload);
    assert_eq!((loaded.rows, odds(&loaded).len(), names(&loaded).len()), (0, 0, 0));
    let outcomes = vec![outcome("Over", "Ann Archer", 105.0, 24.5), outcome("Over", "Bea Baker", 0.0, 24.5)];
    let loaded = decode(Feed::OddsapiEventOdds, &event("Real Madrid", "New York Knicks", outcomes));
    assert_eq!((loaded.rows, loaded.rows_out_of_scope), (2, 2));
    assert_eq!((odds(&loaded).len(), names(&loaded).len()), (0, 0));
}
#[test]
fn a_bad_outcome_affects_no_other_outcome_and_makes_only_the_ladder_of_its_player_incomplete() {
    let outcomes = vec![
        outcome("Over", "Ann Archer", 0.5, 24.5),
        outcome("Under", "Ann Archer", -110.0, 24.5),
        outcome("Over", "Bea Baker", -110.0, 8.5),
        json!({"name": "Over", "description": "Cy Cook", "price": -110}),
    ];
    let loaded = decode(Feed::OddsapiEventOdds, &event("Boston Celtics", "New York Knicks", outcomes));
    assert_eq!(loaded.bad_rows[0].reason, "price: found 0.5, expected an American or decimal price");
    assert_eq!((loaded.rows, loaded.bad_rows.len(), members(&loaded)), (4, 2, 2));
    let event = odds(&loaded)[0];
    let quotes = event.quotes.iter().map(|quote| (&*quote.name, quote.lines.len(), quote.complete));
    assert_eq!(
        quotes.collect::<Vec<_>>(),
        [("Ann Archer", 1, false), ("Bea Baker", 1, true), ("Cy Cook", 0, false)]
    );
    assert!(event.complete && event.incomplete_books.is_empty());
}
#[test]
fn a_bad_market_makes_its_book_incomplete_and_a_book_without_name_the_event() {
    let outcomes = || vec![outcome("Over", "Ann Archer", -110.0, 24.5)];
    let mut payload = event("Boston Celtics", "New York Knicks", outcomes());
    let book = |key: Value, market: Value| json!({"key": key, "markets": [market]});
    let points =
        json!({"key": "player_points", "last_update": "2024-01-18T16:00:00Z", "outcomes": outcomes()});
    payload["bookmakers"].as_array_mut().unwrap().push(json!(null));
    let mut load_with = |book: Value| {
        payload["bookmakers"][1] = book;
        let loaded = decode(Feed::OddsapiEventOdds, &payload);
        let event = odds(&loaded)[0].clone();
        assert!(event.quotes.iter().all(|quote| quote.complete));
        (event.complete, event.incomplete_books)
    };
    let fanduel = || vec!["fanduel".to_owned()];
    assert_eq!(load_with(book(json!("fanduel"), points.clone())), (true, vec![]));
    assert_eq!(load_with(book(json!("fanduel"), json!({"key": "player_points"}))), (true, fanduel()));
    assert_eq!(load_with(book(json!("fanduel"), json!(null))), (true, fanduel()));
    assert_eq!(load_with(json!({"key": "fanduel", "markets": 5})), (true, fanduel()));
    let mut nameless = points.clone();
    nameless["outcomes"][0]["description"] = json!("");
    assert_eq!(load_with(book(json!("fanduel"), nameless)), (true, fanduel()));
    assert_eq!(load_with(book(json!("fanduel"), json!({"key": "totals", "outcomes": 5}))), (true, vec![]));
    assert_eq!(load_with(book(json!(null), points)), (false, vec![]));
    assert_eq!(load_with(json!("fanduel")), (false, vec![]));
}
#[test]
fn an_event_that_is_listed_twice_loses_no_quote_and_a_quote_has_the_newest_update() {
    let quoted = |player: &str, commence: &str| {
        let mut event =
            event("Boston Celtics", "New York Knicks", vec![outcome("Over", player, -110.0, 24.5)]);
        event["commence_time"] = json!(commence);
        event
    };
    let (first, moved) = ("2024-01-19T00:40:00Z", "2024-01-20T00:40:00Z");
    let mut newer = quoted("Ann Archer", first);
    newer["bookmakers"][0]["markets"][0]["last_update"] = json!("2024-01-18T16:45:00Z");
    newer["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = json!(105.0);
    let events =
        json!([quoted("Ann Archer", first), quoted("Bea Baker", first), newer, quoted("Ann Archer", moved)]);
    let loaded = decode(Feed::OddsapiEventOdds, &events);
    let listed = odds(&loaded).into_iter().map(|event| {
        let quotes = event.quotes.iter().map(|quote| (quote.name.clone(), quote.updated_at.to_string()));
        (event.date, event.complete, quotes.collect::<Vec<_>>())
    });
    let quote = |name: &str, time: &str| (name.to_owned(), format!("2024-01-18T{time}:00Z"));
    assert_eq!(
        listed.collect::<Vec<_>>(),
        [
            (day("2024-01-18"), true, vec![quote("Ann Archer", "16:45"), quote("Bea Baker", "16:30")]),
            (day("2024-01-19"), true, vec![quote("Ann Archer", "16:30")]),
        ]
    );
    assert_eq!(odds(&loaded)[0].quotes[0].lines[0].over, price(105.0));
    assert_eq!((loaded.rows, loaded.rows_repeated), (4, 1));
    assert_eq!(names(&loaded).len(), 4, "each day must have one lookup per team");
}
#[test]
fn an_event_that_cannot_be_read_makes_the_event_of_its_id_incomplete_or_all_if_it_has_none() {
    let good = event("Boston Celtics", "New York Knicks", vec![outcome("Over", "Ann Archer", -110.0, 24.5)]);
    let complete = |id: Value, home: &str| {
        let mut bad = good.clone();
        (bad["id"], bad["home_team"], bad["commence_time"]) = (id, json!(home), json!("soon"));
        let loaded = decode(Feed::OddsapiEventOdds, &json!([good, bad]));
        (loaded.bad_rows.len(), odds(&loaded)[0].complete)
    };
    assert_eq!(complete(json!("0f"), "Boston Celtics"), (1, false));
    assert_eq!(complete(json!("1e"), "Boston Celtics"), (1, true));
    assert_eq!(complete(json!(null), "Boston Celtics"), (1, false));
    assert_eq!(complete(json!(null), "Real Madrid"), (0, true));
}
#[test]
fn the_own_time_of_a_quote_or_a_report_is_never_later_than_the_fetch() {
    let fetched_at = "2024-01-18T17:00:00Z";
    let mut payload =
        event("Boston Celtics", "New York Knicks", vec![outcome("Over", "Ann Archer", -110.0, 24.5)]);
    payload["bookmakers"][0]["markets"][0]["last_update"] = json!("2024-01-18T17:00:01Z");
    let loaded = decode(Feed::OddsapiEventOdds, &payload);
    assert_eq!(odds(&loaded)[0].quotes[0].updated_at.to_string(), fetched_at);
    let mut report = payload_for(Feed::NbacomInjuryReport);
    report["metadata"] = json!({"gamedate": "20240118", "hour24": 23, "minute": "45"});
    let loaded = decode(Feed::NbacomInjuryReport, &report);
    assert_eq!(injuries(&loaded)[0].reported_at.to_string(), fetched_at);
    report["metadata"] = json!({"gamedate": "20240118", "hour24": 11, "minute": "45"});
    let loaded = decode(Feed::NbacomInjuryReport, &report);
    assert_eq!(injuries(&loaded)[0].reported_at.to_string(), "2024-01-18T16:45:00Z");
    for later in ["20240119", "20250118", "21900118"] {
        report["metadata"]["gamedate"] = json!(later);
        let loaded = decode(Feed::NbacomInjuryReport, &report);
        assert_eq!(injuries(&loaded)[0].reported_at.to_string(), fetched_at);
    }
}
#[test]
fn the_own_time_of_a_quote_or_a_report_before_2000_is_rejected() {
    let mut payload =
        event("Boston Celtics", "New York Knicks", vec![outcome("Over", "Ann Archer", -110.0, 24.5)]);
    payload["bookmakers"][0]["markets"][0]["last_update"] = json!("1969-12-31T23:59:59Z");
    let loaded = decode(Feed::OddsapiEventOdds, &payload);
    let reason = r#"last_update: found "1969-12-31T23:59:59Z", expected a time from 2000-01-01 on"#;
    assert_eq!(loaded.bad_rows[0].reason, reason);
    let mut report = payload_for(Feed::NbacomInjuryReport);
    report["metadata"]["gamedate"] = json!("19691231");
    let reject = try_decode(Feed::NbacomInjuryReport, &report).unwrap_err();
    assert_eq!(reject.reason, r#"gamedate: found "19691231", expected a date from 2000-01-01 on"#);
}
#[test]
fn the_minutes_of_a_report_are_read_from_its_request_key_if_only_the_key_states_them() {
    let mut report = payload_for(Feed::NbacomInjuryReport);
    report["metadata"] = json!({"gamedate": "20240118", "hour": "11", "period": "AM", "hour24": "11"});
    for (key, expected) in [
        ("Injury-Report_2024-01-18_11_45AM", "16:45"),
        ("20240118-1115", "16:15"),
        ("20240118", "16:00"),
        ("20240118-1215", "16:00"),
    ] {
        let mut raw = raw(Feed::NbacomInjuryReport, FetchOutcome::Complete, report.to_string());
        raw.key = key.to_owned();
        let loaded = load(&raw).unwrap();
        assert_eq!(
            injuries(&loaded)[0].reported_at.to_string(),
            format!("2024-01-18T{expected}:00Z"),
            "{key}"
        );
    }
}
#[test]
fn a_response_without_an_event_is_rejected_unless_the_outcome_expects_none() {
    let message = json!({"message": "Event not found", "error_code": "EVENT_NOT_FOUND"});
    let snapshot = json!({"timestamp": "2024-01-18T16:35:00Z", "data": []});
    for response in [json!({}), json!([]), snapshot, message] {
        let reject = try_decode(Feed::OddsapiEventOdds, &response).unwrap_err();
        assert_eq!(reject.code, RejectCode::BadPayload);
        for outcome in
            [FetchOutcome::EmptyOk, FetchOutcome::NoDataYet, FetchOutcome::Postponed, FetchOutcome::Failed]
        {
            let loaded = load(&raw(Feed::OddsapiEventOdds, outcome, response.to_string()));
            assert_eq!(loaded, Ok(Default::default()));
        }
    }
}
#[test]
fn every_fetch_states_the_pair_of_an_event_also_without_quotes_and_for_other_teams() {
    let pair = |payload: &Value| {
        let loaded = decode(Feed::OddsapiEventOdds, payload);
        let stated = odds_events(&loaded).into_iter();
        let stated = stated.map(|stated| (stated.event.clone(), stated.matchup.map(|pair| pair.to_string())));
        (stated.collect::<Vec<_>>(), odds(&loaded).len())
    };
    let of = |home: &str, away: &str| {
        let mut payload = event(home, away, vec![outcome("Over", "Ann Archer", 1.91, 24.5)]);
        payload["id"] = json!("e1");
        payload
    };
    let stated = |matchup: Option<&str>| ("e1".to_owned(), matchup.map(str::to_owned));
    let right = of("Boston Celtics", "New York Knicks");
    assert_eq!(pair(&right), (vec![stated(Some("BOS-NYK"))], 1));
    let mut other_market = right.clone();
    other_market["bookmakers"][0]["markets"][0]["key"] = json!("player_assists");
    assert_eq!(pair(&other_market), (vec![stated(Some("BOS-NYK"))], 0));
    assert_eq!(pair(&of("Boston Celtics", "Real Madrid")), (vec![stated(None)], 0));
    let both = json!([right, of("Los Angeles Lakers", "Utah Jazz")]);
    assert_eq!(pair(&both), (vec![stated(Some("BOS-NYK")), stated(Some("LAL-UTA"))], 2));
}
