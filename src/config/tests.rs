//! Tests of resolving, showing and rejecting configuration values.
#![allow(clippy::unwrap_used)]
use super::*;

fn resolve(text: &str, environment: &[(&str, &str)], flags: &[(&'static str, String)]) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    std::fs::write(&file, text).unwrap();
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::resolve(Some(&file), &environment, flags)
}
/// Returns the value and the origin of a key.
fn shown(config: &Config, key: &str) -> (String, String) {
    let entry = config.entries().into_iter().find(|entry| entry.key == key).unwrap();
    (entry.value, entry.origin.to_string())
}

#[test]
fn flags_override_the_environment_and_the_environment_overrides_the_file() {
    let config =
        resolve("data = 'a'\nbatch-bytes = 5\n", &[("FASTBREAK_DATA", "b")], &[("data", "c".into())])
            .unwrap();
    assert_eq!((config.data.to_str(), config.batch_bytes), (Some("c"), 5));
    assert_eq!(shown(&config, "data").1, "flag data");
    assert!(shown(&config, "batch-bytes").1.starts_with("file "));
    assert_eq!(shown(&config, "console").1, "default");
}
#[test]
fn every_default_is_shown_under_its_key() {
    let config = resolve("", &[], &[]).unwrap();
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        assert_eq!(shown(&config, key.name), (key.default.to_owned(), "default".to_owned()), "{}", key.name);
    }
}
#[test]
fn retry_settings_of_the_sink_are_shown_with_their_origin() {
    let config = resolve("", &[("SELF_HEALING_DML_MAX_RETRIES", "7")], &[]).unwrap();
    let environment = "environment SELF_HEALING_DML_MAX_RETRIES".to_owned();
    assert_eq!(shown(&config, "SELF_HEALING_DML_MAX_RETRIES"), ("7".to_owned(), environment));
    let default = ("true".to_owned(), "default".to_owned());
    assert_eq!(shown(&config, "SELF_HEALING_DML_BACKOFF_ENABLED"), default);
    assert_eq!(shown(&config, "SELF_HEALING_ALERT_ON_DML_LIMIT"), default);
}
#[test]
fn the_console_listens_on_the_configured_address() {
    let port =
        |text: &str| resolve(text, &[], &[]).map(|config| config.console.map(|address| address.port()));
    assert_eq!(port("").unwrap(), Some(8780));
    assert_eq!(port("console = ''").unwrap(), None);
    assert_eq!(port("console = '127.0.0.1:8'").unwrap(), Some(8));
}
#[test]
fn settings_of_the_kafka_client_pass_through_and_secrets_are_not_shown() {
    let file = "[kafka]\n\"sasl.username\" = 'someone'\n\"sasl.password\" = 'from the file'\n";
    let config = resolve(file, &[("FASTBREAK_KAFKA_SASL_PASSWORD", "hush")], &[]).unwrap();
    assert_eq!(config.kafka["sasl.username"], "someone");
    assert_eq!(config.kafka["sasl.password"], "hush");
    let environment = "environment FASTBREAK_KAFKA_SASL_PASSWORD".to_owned();
    assert_eq!(shown(&config, "kafka.sasl.password"), ("***".to_owned(), environment));
}
#[test]
fn a_secret_is_read_from_a_named_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    let path = secret.display().to_string();
    let config = resolve("", &[("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", &path)], &[]).unwrap();
    assert_eq!(config.kafka["sasl.password"], "hush");
    let error = resolve("", &[("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", "/nowhere")], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("reading the secret sasl.password from /nowhere"), "{error:#}");
}
#[test]
fn the_password_of_the_registry_is_in_no_shown_value_and_no_error() {
    let file = "registry = 'http://host'\nregistry-user = 'someone'\n";
    let config = resolve(file, &[("FASTBREAK_REGISTRY_PASSWORD", "hush")], &[]).unwrap();
    assert_eq!(config.registry.password.as_ref().map(|password| password.reveal()), Some("hush"));
    let environment = "environment FASTBREAK_REGISTRY_PASSWORD".to_owned();
    assert_eq!(shown(&config, "registry-password"), ("***".to_owned(), environment));
    assert!(!format!("{config:?}").contains("hush"));
    let error = format!("{:#}", resolve("a = 1\nregistry-password = 'hush\n", &[], &[]).unwrap_err());
    assert!(error.contains("f.toml:2: not TOML") && !error.contains("hush"), "{error}");
}
#[test]
fn a_sink_batch_on_bigquery_itself_closes_after_five_seconds_at_the_earliest() {
    let check = |warehouse: &str, ms: &str, endpoint: &str| {
        let file =
            format!("warehouse = '{warehouse}'\nsink-max-age-ms = {ms}\nbigquery-endpoint = '{endpoint}'");
        resolve(&file, &[], &[]).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = check("bigquery", "4999", "").unwrap_err();
    assert!(refused.starts_with("sink-max-age-ms = '4999' (file ") && refused.contains("5000"), "{refused}");
    let emulator = "http://127.0.0.1:9050";
    for (warehouse, ms, endpoint) in
        [("bigquery", "5000", ""), ("bigquery", "0", emulator), ("sqlite", "0", "")]
    {
        check(warehouse, ms, endpoint).unwrap();
    }
}
#[test]
fn an_unknown_key_is_an_error_with_file_and_line() {
    let error = resolve("data = 'a'\nbrokerz = 'x'\n", &[], &[]).unwrap_err().to_string();
    assert!(error.contains("f.toml:2: unknown key 'brokerz'"), "{error}");
}
#[test]
fn a_value_that_does_not_parse_is_an_error_with_its_origin() {
    let error = resolve("", &[("FASTBREAK_MAX_UPSTREAM_WAIT_MS", "soon")], &[]).unwrap_err().to_string();
    assert!(
        error.contains("max-upstream-wait-ms = 'soon' (environment FASTBREAK_MAX_UPSTREAM_WAIT_MS)"),
        "{error}"
    );
}
