//! Damage of the files of log and warehouse: whatever is done to them, content stays equal or the damage is named; never a balanced audit
//! over wrong content.
//!
//! Invariant: the damage is done to a copy of a processed folder.
//! Not here: that a process stops whose files are removed or replaced (`lost_files`), what a run does with an older copy (`restored`),
//! finding damage (`runtime_embedded::integrity`).
use crate::{
    common::{Chance, Fastbreak, copy_database, has_member, season, text},
    support::{fastbreak, number, processed, run},
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::LazyLock,
};

/// The content hashes of an audit, if it prints a report, and true if the report is balanced.
fn audit(data: &Fastbreak) -> Option<(Value, bool)> {
    let output = data.run(&["audit"]);
    let report: Value = serde_json::from_slice(&output.stdout).ok()?;
    let content = serde_json::json!({"topics": report["topics"], "warehouse": report["warehouse"]});
    Some((content, report["balanced"] == true && output.status.code() == Some(0)))
}

/// A folder whose files are older copies of those of [`processed`]: the same log after the first half of its records.
static OLDER: LazyLock<(Fastbreak, Fastbreak)> = LazyLock::new(|| {
    let lines = season();
    let (older, newer) = (Fastbreak::straight(&lines[..lines.len() / 2]), Fastbreak::new());
    copy_files(&older, &newer);
    newer.ingest(&lines);
    newer.catch_up();
    (older, newer)
});
fn copy_files(from: &Fastbreak, to: &Fastbreak) {
    for name in ["log.db", "warehouse.db"] {
        copy_database(name, from.folder.path(), to.folder.path());
    }
}

/// Does one random injury to a file; returns what was done.
fn injure(data: &Fastbreak, chance: &mut Chance) -> String {
    let name = if chance.below(3) == 0 { "warehouse.db" } else { "log.db" };
    let path = data.folder.path().join(name);
    let length = std::fs::metadata(&path).unwrap().len();
    let page = chance.below(length / 4096) * 4096;
    let done = match chance.below(10) {
        0..=4 => flip(&path, page, chance),
        5 => zero(&path, page, 4096 * (1 + chance.below(3))),
        6 => truncate(&path, [0, page, page + chance.below(4096)][chance.below(3) as usize]),
        7 => remove(&path),
        _ => replace(&path, OLDER.0.folder.path()),
    };
    format!("{done} {name}")
}
/// Changes some bits of a file, most of them in one page.
fn flip(path: &Path, page: u64, chance: &mut Chance) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let mut positions = Vec::new();
    for _ in 0..=chance.below(4) {
        let anywhere = chance.below(4) == 0;
        let position = if anywhere { chance.below(bytes.len() as u64) } else { page + chance.below(4096) };
        let position = usize::try_from(position).unwrap();
        bytes[position] ^= 1 << chance.below(8);
        positions.push(position);
    }
    overwrite(path, &bytes);
    format!("changed the bytes {positions:?} of")
}
fn zero(path: &Path, from: u64, length: u64) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let from = usize::try_from(from).unwrap();
    let to = bytes.len().min(from + usize::try_from(length).unwrap());
    bytes[from..to].fill(0);
    overwrite(path, &bytes);
    format!("wrote zeros over the bytes {from} to {to} of")
}
fn truncate(path: &Path, length: u64) -> String {
    std::fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
    format!("truncated to {length} bytes")
}
fn remove(path: &Path) -> String {
    std::fs::remove_file(path).unwrap();
    "removed".to_owned()
}
fn replace(path: &Path, older: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    copy_database(name, older, path.parent().unwrap());
    "replaced by an older copy:".to_owned()
}
/// Overwrites a file without replacing it, as a faulty disk would.
fn overwrite(path: &Path, bytes: &[u8]) {
    std::os::unix::fs::FileExt::write_all_at(
        &std::fs::File::options().write(true).open(path).unwrap(),
        bytes,
        0,
    )
    .unwrap();
}

/// Starts a run and injures a file while it runs; the run is killed after it has seen more input, unless it has stopped by itself.
fn injure_running(data: &Fastbreak, chance: &mut Chance) -> String {
    let mut command = data.command(&["run"]);
    let running = command.env("FASTBREAK_CONSOLE", "").stdout(Stdio::null()).stderr(Stdio::null());
    let mut running: Child = running.spawn().unwrap();
    data.wait_for_lag(has_member);
    let injury = injure(data, chance);
    let lines = data.file("again.jsonl", &season()[..20]);
    // It may fail: the log may be damaged or missing.
    data.run(&["ingest", text(&lines)]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    _ = running.kill();
    running.wait().unwrap();
    format!("while a run had the files open, {injury}")
}

/// Injures one file and checks what the commands say.
fn check_injury(seed: u64, contents: &[Value]) {
    let mut chance = Chance(seed);
    let data = Fastbreak::new();
    copy_files(&OLDER.1, &data);
    let injury =
        if chance.below(4) == 0 { injure_running(&data, &mut chance) } else { injure(&data, &mut chance) };
    let context = format!("TEST_LAW_SEED={seed}: {injury}");
    let (doctor, text) = run(fastbreak(data.folder.path(), &["doctor"]));
    match audit(&data) {
        Some((content, true)) => {
            assert!(contents.contains(&content), "{context}: a balanced audit of other content\n{text}");
        }
        _ => {
            assert_ne!(doctor, Some(0), "{context}: the audit is not balanced\n{text}");
            let is_named = text.contains("log.db") || text.contains("warehouse.db");
            assert!(is_named && text.contains("next: "), "{context}\n{text}");
        }
    }
    let (code, message) = run(fastbreak(data.folder.path(), &["run", "--until-caught-up"]));
    if code != Some(0) {
        assert!(message.contains("log.db") || message.contains("warehouse"), "{context}\n{message}");
        assert_ne!(doctor, Some(0), "{context}: only the run fails: {message}");
    } else if let Some((content, true)) = audit(&data) {
        assert!(contents.contains(&content), "{context}: a balanced audit of other content after a run");
    }
}

#[test]
fn an_injury_changes_no_content_or_is_named_and_no_audit_balances_over_wrong_content() {
    // An older copy of the log is a log of its own right: its content is that of its own records.
    let contents: Vec<Value> = [&OLDER.0, &OLDER.1].map(|data| audit(data).unwrap().0).into();
    let cases = number("TEST_LAW_CASES").unwrap_or(24);
    let seeds = number("TEST_LAW_SEED").map_or(1..=cases, |seed| seed..=seed);
    for seed in seeds {
        check_injury(seed, &contents);
    }
}

#[test]
fn a_file_that_this_user_may_not_read_is_named_by_every_command_that_reads_it() {
    let data = processed();
    let folder = data.folder.path();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, commands) in [
        ("log.db", &[&["doctor"][..], &["audit"], &["lag"], &["run", "--until-caught-up"]][..]),
        ("warehouse.db", &[&["doctor"], &["audit"], &["grade"]]),
    ] {
        let path: PathBuf = folder.join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        // For root, permissions do not count.
        let is_root = std::fs::read(&path).is_ok();
        for arguments in commands {
            let mut command = fastbreak(folder, arguments);
            if is_root {
                command.uid(65_534);
            }
            let (code, text) = run(command);
            assert_ne!(code, Some(0), "{arguments:?}: {text}");
            assert!(text.contains(name) && text.contains("next: "), "{arguments:?}: {text}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
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
