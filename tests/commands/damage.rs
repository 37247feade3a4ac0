//! Damage of the files of log and warehouse: whatever byte is changed, content stays equal or the damage is named; never a balanced audit
//! over wrong content.
//!
//! Invariant: the damage is done to a copy of a processed folder that no process has open.
//! Not here: files that are removed or replaced under a running process (`lost_files`), finding damage (`runtime_embedded::integrity`).
use crate::{
    common::Fastbreak,
    support::{fastbreak, processed, run},
};
use rusqlite::Connection;
use serde_json::Value;
use std::path::Path;

/// A generator of pseudo-random numbers: splitmix64.
struct Random(u64);
impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// The content hashes of an audit, if it prints a report, and true if the report is balanced.
fn audit(data: &Fastbreak) -> Option<(Value, bool)> {
    let output = data.run(&["audit"]);
    let report: Value = serde_json::from_slice(&output.stdout).ok()?;
    let content = serde_json::json!({"topics": report["topics"], "warehouse": report["warehouse"]});
    Some((content, report["balanced"] == true && output.status.code() == Some(0)))
}

/// Changes some bytes of a file, most of them in one page.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let page = random.below(bytes.len() / 4096) * 4096;
    let mut positions = Vec::new();
    for _ in 0..=random.below(4) {
        let position =
            if random.below(4) == 0 { random.below(bytes.len()) } else { page + random.below(4096) };
        bytes[position] ^= 1 << random.below(8);
        positions.push(position);
    }
    std::fs::write(path, bytes).unwrap();
    format!("bytes {positions:?} of {}", path.display())
}

/// Injures one file and checks what the commands say.
fn check_injury(seed: u64, expected: &Value) {
    let data = processed();
    let mut random = Random(seed);
    let name = if random.below(3) == 0 { "warehouse.db" } else { "log.db" };
    let injury = damage(&data.folder.path().join(name), &mut random);
    let context = format!("TEST_LAW_SEED={seed}: {injury}");
    let (doctor, text) = run(fastbreak(data.folder.path(), &["doctor"]));
    match audit(&data) {
        Some((content, true)) => assert_eq!(&content, expected, "{context}: a balanced audit\n{text}"),
        _ => {
            assert_ne!(doctor, Some(0), "{context}: the audit is not balanced\n{text}");
            assert!(text.contains(name) && text.contains("next: "), "{context}\n{text}");
        }
    }
    let (code, message) = run(fastbreak(data.folder.path(), &["run", "--until-caught-up"]));
    if code != Some(0) {
        assert!(message.contains(name) || message.contains("warehouse"), "{context}\n{message}");
        assert_ne!(doctor, Some(0), "{context}: only the run fails: {message}");
    } else if let Some((content, true)) = audit(&data) {
        assert_eq!(&content, expected, "{context}: after a run");
    }
}

#[test]
fn a_changed_byte_changes_no_content_or_is_named_and_no_audit_balances_over_wrong_content() {
    let (expected, is_balanced) = audit(&processed()).unwrap();
    assert!(is_balanced);
    let cases = number("TEST_LAW_CASES").unwrap_or(24);
    let seeds = number("TEST_LAW_SEED").map_or(1..=cases, |seed| seed..=seed);
    for seed in seeds {
        check_injury(seed, &expected);
    }
}

/// Changes one byte in the middle of a stored record batch of a topic; returns the base offset of the batch.
fn change_batch(data: &Fastbreak, topic: &str) -> i64 {
    let path = data.folder.path().join("log.db");
    let db = Connection::open(&path).unwrap();
    let (base, stored): (i64, Vec<u8>) = db
        .query_row(
            "SELECT base, bytes FROM record_batch WHERE topic = (SELECT id FROM topic WHERE name = ?)
             ORDER BY length(bytes) DESC LIMIT 1",
            [topic],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    drop(db);
    let mut bytes = std::fs::read(&path).unwrap();
    let part = &stored[stored.len() / 2..stored.len() / 2 + 24];
    let at = bytes.windows(part.len()).position(|window| window == part).unwrap();
    bytes[at + 7] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    base
}

#[test]
fn a_damaged_batch_is_named_by_the_doctor_by_the_audit_and_by_the_command_that_reads_it() {
    let data = processed();
    let base = change_batch(&data, "raw.box-scores.v1");
    let place = format!("at offset {base} is corrupt");
    for arguments in [
        &["doctor"][..],
        &["audit"],
        &["replay", "run", "--from", "2020-01-01", "--to", "2030-01-01", "--namespace", "r"],
    ] {
        let (code, text) = run(fastbreak(data.folder.path(), arguments));
        assert_ne!(code, Some(0), "{arguments:?}: {text}");
        assert!(text.contains("raw.box-scores.v1/") && text.contains(&place), "{arguments:?}: {text}");
        assert!(text.contains("log.db") && text.contains("next: "), "{arguments:?}: {text}");
    }
}

#[test]
fn a_row_that_was_edited_by_hand_is_named_by_the_doctor_and_the_audit() {
    const ONE_PREDICTION: &str = "WHERE (game_id, player_id, game_date, system, line_offset) =
         (SELECT game_id, player_id, game_date, system, line_offset FROM player_prop_predictions LIMIT 1)";
    const ONE_GAME: &str = "WHERE (game_id, player_id, matchup) = (SELECT game_id, player_id, matchup FROM player_games LIMIT 1)";
    for edit in [
        format!("UPDATE player_prop_predictions_rows SET p_over = p_over / 2 + 0.1 {ONE_PREDICTION}"),
        format!("DELETE FROM player_prop_predictions_rows {ONE_PREDICTION}"),
        format!("UPDATE player_prop_predictions_rows SET player_name = 'x' {ONE_PREDICTION}"),
        format!("UPDATE player_games_rows SET points = points + 1 {ONE_GAME}"),
    ] {
        let data = processed();
        let db = Connection::open(data.folder.path().join("warehouse.db")).unwrap();
        assert_eq!(db.execute(&edit, []).unwrap(), 1, "{edit}");
        drop(db);
        for arguments in [["doctor"], ["audit"]] {
            let (code, text) = run(fastbreak(data.folder.path(), &arguments));
            assert_ne!(code, Some(0), "{arguments:?} after {edit}: {text}");
            assert!(text.contains("the sink wrote"), "{arguments:?} after {edit}: {text}");
        }
    }
}

#[test]
fn the_quick_examination_passes_without_a_log_and_fails_if_the_log_of_a_warehouse_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let (code, text) = run(fastbreak(empty.path(), &["doctor", "--quick"]));
    assert_eq!(code, Some(0), "{text}");
    let data = processed();
    let quick = || run(fastbreak(data.folder.path(), &["doctor", "--quick"]));
    assert_eq!(quick().0, Some(0), "{}", quick().1);
    std::fs::remove_file(data.folder.path().join("log.db")).unwrap();
    let (code, text) = quick();
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("there is no log at") && text.contains("restore"), "{text}");
}
