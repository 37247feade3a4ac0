//! Configuration on the command line: exit codes and messages of a wrong configuration, `config init`, and the help of global flags.
//!
//! Invariant: a command with a wrong configuration exits with code 2 and opens nothing.
//! Not here: parsing and precedence of values (`src/config/tests.rs`).
#![allow(clippy::unwrap_used)]
use fastbreak::config::{example_file, keys::KEYS};
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs the binary in a folder, with these environment variables.
fn run(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastbreak"));
    command.current_dir(folder).envs(environment.iter().copied()).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}
fn code_and_message(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_wrong_configuration_exits_with_2_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "brokers = ''\n\nbatch-byte = 5\n").unwrap();
    for (environment, arguments, expected) in [
        (vec![("FASTBREAK_CONSOLES", "")], vec!["run"], "set FASTBREAK_CONSOLE instead, or unset"),
        (
            vec![("FASTBREAK_BATCH_BYTES", "0")],
            vec!["ingest", "-"],
            "(environment FASTBREAK_BATCH_BYTES): must be",
        ),
        (vec![("FASTBREAK_LOG", "a=b=c")], vec!["run"], "FASTBREAK_LOG = 'a=b=c'"),
        (
            vec![],
            vec!["--warehouse", "oracle", "doctor"],
            "warehouse = 'oracle' (flag warehouse): must be sqlite or",
        ),
        (vec![], vec!["--config", "wrong.toml", "run"], "wrong.toml:3: unknown key 'batch-byte'"),
        (vec![], vec!["--config", "absent.toml", "run"], "reading the configuration absent.toml: "),
    ] {
        let (code, message) = code_and_message(&run(folder.path(), &environment, &arguments));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(expected) && message.contains("\nnext: "), "{message}");
    }
    assert!(!folder.path().join(".fastbreak").exists());
}
#[test]
fn a_setting_that_the_kafka_client_rejects_exits_with_2_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, expected) in [
        ("FASTBREAK_KAFKA_LINGR_MS", "1", "kafka.lingr.ms is not valid"),
        ("FASTBREAK_KAFKA_LINGER_MS", "soon", "kafka.linger.ms is not valid"),
    ] {
        for command in ["lag", "doctor"] {
            let output = run(folder.path(), &[(variable, value)], &["--brokers", "127.0.0.1:1", command]);
            let (code, message) = code_and_message(&output);
            let message = message + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(code, Some(2), "{message}");
            assert!(message.contains(expected) && message.contains("\nnext: "), "{message}");
        }
    }
}
#[test]
fn a_warehouse_without_its_project_exits_with_2_and_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    // The run creates the log, without which `doctor` and `audit` exit with 4.
    for arguments in [&["run", "--until-caught-up"][..], &["doctor"], &["warehouse", "plan"], &["audit"]] {
        let output = run(folder.path(), &[("FASTBREAK_WAREHOUSE", "bigquery")], arguments);
        let (code, message) = code_and_message(&output);
        let message = message + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(code, Some(2), "{arguments:?}: {message}");
        assert!(message.contains("bigquery-project is not valid: it is empty"), "{arguments:?}: {message}");
    }
}
#[test]
fn a_link_that_its_loader_would_reject_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, reason) in [
        (&["links", ""][..], "the spelling is blank"),
        (&["links", " \t", "1629021"], "the spelling is blank"),
        (&["links", "Moe Wagner", "0"], "0 is not in 1..="),
        (&["links", "Moe Wagner", "4294967295"], "is not in 1..="),
        (&["links"], "<SPELLING>"),
    ] {
        let (code, message) = code_and_message(&run(folder.path(), &[], arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {message}");
        assert!(message.contains(reason), "{arguments:?}: {message}");
    }
    assert!(!folder.path().join(".fastbreak").exists());
}
#[test]
fn config_init_writes_the_example_file_and_does_not_overwrite_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fastbreak.toml");
    // A wrong configuration does not prevent writing the file that explains the keys.
    let wrong = [("FASTBREAK_NO_KEY", "x")];
    let printed = run(folder.path(), &wrong, &["config", "init", "-"]);
    assert_eq!((printed.status.code(), printed.stdout), (Some(0), example_file().into_bytes()));
    assert!(!path.exists());
    assert_eq!(run(folder.path(), &wrong, &["config", "init"]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), example_file());
    std::fs::write(&path, "data = 'mine'\n").unwrap();
    let (code, message) = code_and_message(&run(folder.path(), &[], &["config", "init"]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("the file exists already\nnext: "), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data = 'mine'\n");
    let other = folder.path().join("other.toml");
    assert_eq!(run(folder.path(), &[], &["config", "init", "other.toml"]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(other).unwrap(), example_file());
}
#[test]
fn the_help_of_a_global_flag_is_that_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &[], &["--help"]).stdout;
    let help = String::from_utf8(help).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for key in KEYS {
        let flag =
            key.flag.map(|value| format!("--{} <{value}> {}", key.name, key.meaning.trim_end_matches('.')));
        let default = format!("[default: {}]", key.default);
        let is_flag = help.contains(&format!("--{} <", key.name));
        assert_eq!(is_flag, flag.is_some(), "{}", key.name);
        let Some(flag) = flag else { continue };
        assert!(
            help.contains(&flag) && (key.default.is_empty() || help.contains(&default)),
            "{flag}\n{help}"
        );
    }
}
