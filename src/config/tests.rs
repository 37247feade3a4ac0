//! Tests of resolving, showing and rejecting configuration values.
#![allow(clippy::unwrap_used)]
use super::{keys::KEYS, *};
use sinks::retry::Backoff;
use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt, path::Path};

fn resolve(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, String)],
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    std::fs::write(&file, text).unwrap();
    let environment =
        environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    Config::resolve(Some(&file), &environment, flags)
}
fn refused(text: &str, environment: &[(&str, &str)]) -> String {
    resolve(text, environment, &[]).unwrap_err().to_string()
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
    assert_eq!(shown(&config, "dml-max-retries"), ("7".to_owned(), environment));
    let default = ("true".to_owned(), "default".to_owned());
    assert_eq!(shown(&config, "dml-backoff-enabled"), default);
    assert_eq!(shown(&config, "alert-on-dml-limit"), default);
}
#[test]
fn retry_settings_of_the_sink_are_read_from_environment_and_file() {
    let environment =
        [("SELF_HEALING_DML_BACKOFF_ENABLED", "False"), ("SELF_HEALING_ALERT_ON_DML_LIMIT", "true")];
    let config = resolve("alert-on-dml-limit = false\ndml-max-retries = 7", &environment, &[]).unwrap();
    let expected = Backoff { is_enabled: false, retries: 7, is_alerting: true, ..Backoff::default() };
    assert_eq!(config.bigquery.backoff(), expected);
    assert_eq!(resolve("", &[], &[]).unwrap().bigquery.backoff(), Backoff::default());
    let error = refused("", &[("SELF_HEALING_DML_BACKOFF_ENABLED", "soon")]);
    assert!(
        error.contains("(environment SELF_HEALING_DML_BACKOFF_ENABLED): must be true or false"),
        "{error}"
    );
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
    let error = refused("", &[("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", "/nowhere")]);
    assert!(error.contains("reading the secret kafka.sasl.password from /nowhere"), "{error}");
}
#[test]
fn the_password_of_the_registry_is_in_no_shown_value_and_no_error() {
    let file = "registry = 'http://host'\nregistry-user = 'someone'\n";
    let config = resolve(file, &[("FASTBREAK_REGISTRY_PASSWORD", "hush")], &[]).unwrap();
    assert_eq!(config.registry.password.as_ref().map(|password| password.reveal()), Some("hush"));
    let environment = "environment FASTBREAK_REGISTRY_PASSWORD".to_owned();
    assert_eq!(shown(&config, "registry-password"), ("***".to_owned(), environment));
    assert!(!format!("{config:?}").contains("hush"));
    let error = refused("a = 1\nregistry-password = 'hush\n", &[]);
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
fn an_unknown_key_is_an_error_with_file_and_line_and_names_the_nearest_key_or_all_keys() {
    let error = refused("data = 'a'\nbrokerz = 'x'\n", &[]);
    assert!(error.contains("f.toml:2: unknown key 'brokerz'\nnext: write brokers, or"), "{error}");
    let error = refused("registry-user = 'a'\n\nsomething = 'x'\na = 1\n", &[]);
    assert!(
        error.contains("f.toml:3: unknown key 'something'\nnext: remove this line; the keys are"),
        "{error}"
    );
    for key in KEYS {
        assert!(error.contains(key.name), "{error}");
    }
}
#[test]
fn an_unknown_variable_is_an_error_that_names_the_nearest_variable_or_all_variables() {
    for (variable, expected) in [
        ("FASTBREAK_BROKERZ", "set FASTBREAK_BROKERS instead, or unset FASTBREAK_BROKERZ"),
        ("FASTBREAK_DML_MAX_RETRIES", "set SELF_HEALING_DML_MAX_RETRIES instead"),
        ("FASTBREAK_SOMETHING", "unset FASTBREAK_SOMETHING; the variables are FASTBREAK_DATA, "),
        ("FASTBREAK_KAFKA_", "the variables are"),
        ("FASTBREAK_", "the variables are"),
        ("FASTBREAK_brokers", "set FASTBREAK_BROKERS instead"),
    ] {
        let error = refused("", &[(variable, "x")]);
        let expected = format!("environment: unknown variable '{variable}'\nnext: {expected}");
        assert!(
            error.contains(&expected) || error.contains(expected.rsplit("next: ").next().unwrap()),
            "{error}"
        );
    }
    resolve("", &[("FASTBREAKER", "x"), ("fastbreak_data", "x"), ("SELF_HEALING_OTHER", "x")], &[]).unwrap();
}
#[test]
fn the_log_filter_and_variables_that_kubernetes_sets_for_a_service_are_no_keys() {
    let ends = [
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP_METRICS",
        "PORT",
        "PORT_8780_TCP",
        "PORT_8780_UDP_PROTO",
        "PORT_8780_SCTP_PORT",
        "PORT_8780_TCP_ADDR",
    ];
    for service in ["FASTBREAK", "FASTBREAK_CONSOLE", "FASTBREAK_KAFKA", "FASTBREAK_KAFKA_BOOTSTRAP"] {
        for end in ends {
            let variable = format!("{service}_{end}");
            let config = resolve("", &[(&variable, "tcp://10.0.0.1:8780")], &[]).unwrap();
            assert_eq!((config.kafka.len(), config.is_console_set()), (0, false), "{variable}");
        }
    }
    resolve("", &[("FASTBREAK_LOG", "debug")], &[]).unwrap();
    for variable in
        ["FASTBREAK_PORT_8780_HTTP", "FASTBREAK_PORT_X_TCP", "FASTBREAK_PORT_1_TCP_X", "FASTBREAK_HOST"]
    {
        refused("", &[(variable, "x")]);
    }
    let kerberos = [("FASTBREAK_KAFKA_SASL_KERBEROS_SERVICE_NAME", "kafka")];
    assert_eq!(resolve("", &kerberos, &[]).unwrap().kafka["sasl.kerberos.service.name"], "kafka");
}
#[test]
fn a_variable_that_is_not_utf8_is_an_error_only_if_it_is_one_of_ours() {
    let bad = || OsString::from_vec(b"x\xff".to_vec());
    let resolve = |name: OsString, value: OsString| {
        Config::resolve(Some(Path::new("/dev/null")), &BTreeMap::from([(name, value)]), &[])
    };
    for name in ["FASTBREAK_DATA", "FASTBREAK_KAFKA_SASL_PASSWORD", "SELF_HEALING_DML_MAX_RETRIES"] {
        let error = resolve(name.into(), bad()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the environment variable {name} is not UTF-8\nnext: ")),
            "{error}"
        );
    }
    let error = resolve(OsString::from_vec(b"FASTBREAK_DAT\xff".to_vec()), "x".into()).unwrap_err();
    assert!(matches!(error, ConfigError::NotUtf8 { .. }), "{error}");
    resolve("PATH".into(), bad()).unwrap();
    resolve(bad(), bad()).unwrap();
}
#[test]
fn a_log_filter_that_is_not_valid_is_an_error() {
    log_filter(None).unwrap();
    log_filter(Some("info,rdkafka=warn".as_ref())).unwrap();
    let error = log_filter(Some("a=b=c".as_ref())).unwrap_err().to_string();
    assert!(error.contains("FASTBREAK_LOG = 'a=b=c'") && error.contains("\nnext: "), "{error}");
}
#[test]
fn a_value_that_does_not_parse_is_an_error_with_its_origin() {
    let error = refused("", &[("FASTBREAK_MAX_UPSTREAM_WAIT_MS", "soon")]);
    assert!(
        error.contains("max-upstream-wait-ms = 'soon' (environment FASTBREAK_MAX_UPSTREAM_WAIT_MS)"),
        "{error}"
    );
    let error = refused("# a comment\n\nbatch-bytes = 'big'\n", &[]);
    assert!(error.contains("f.toml:3): must be an integer from 1 to "), "{error}");
    assert!(
        error.ends_with("(bytes)\nnext: correct the value, or remove it; the default is 33554432"),
        "{error}"
    );
}
#[test]
fn the_line_of_a_key_is_not_that_of_a_key_whose_name_begins_like_it() {
    let error = refused("registry-user = 'u'\nregistry = 'ftp://x'\n", &[]);
    assert!(error.contains("f.toml:2): must be a URL"), "{error}");
}
#[test]
fn a_value_outside_its_range_is_an_error_with_the_range() {
    for (key, value, expected) in [
        ("batch-bytes", "0", "from 1 to 1099511627776 (bytes)"),
        ("batch-bytes", "-1", "from 1 to"),
        ("sink-max-bytes", "0", "from 1 to"),
        ("sink-max-records", "0", "from 1 to"),
        ("sink-max-age-ms", "86400001", "from 0 to 86400000 (milliseconds)"),
        ("sink-reconcile-interval-s", "18446744073709551615", "from 0 to 31536000 (seconds)"),
        ("commit-interval-ms", "0", "from 1 to"),
        ("max-upstream-wait-ms", "18446744073709551615", "from 0 to"),
        ("registry-timeout-ms", "0", "from 1 to"),
        ("replication", "0", "from 1 to 32767"),
        ("replication", "40000", "from 1 to 32767"),
        ("dead-letter-max-consecutive", "4294967296", "from 0 to 4294967295"),
        ("dead-letter-max-ratio", "1.5", "a number from 0 to 1"),
        ("dead-letter-max-ratio", "-0.1", "a number from 0 to 1"),
        ("dead-letter-max-ratio", "NaN", "a number from 0 to 1"),
        ("dml-max-retries", "-1", "from 0 to 4294967295"),
        ("data", "", "a path"),
        ("brokers", " ", "host:port, separated by commas"),
        ("registry-user", " ", "a text in one line"),
        ("instance", "a/b", "letters, digits and . _ -"),
        ("instance", "Jokić", "letters, digits and . _ -"),
        ("bigquery-dataset", "my-dataset", "letters, digits and _"),
        ("bigquery-dataset", "", "letters, digits and _"),
        ("bigquery-project", "a`b", "letters, digits and - . :"),
        ("bigquery-location", "us east", "letters, digits and -"),
        ("bigquery-endpoint", "127.0.0.1:9050", "a URL of the form http(s)://"),
        ("registry", "ftp://host", "a URL of the form http(s)://"),
        ("console-hosts", "stats.example:80", "host names without ports"),
        ("console-hosts", "a,,b", "host names without ports"),
        ("console", "localhost", "an IP address with a port, such as 127.0.0.1:8780"),
        ("warehouse", "oracle", "sqlite or bigquery"),
        ("dlq-header-style", "Native", "native or connect"),
    ] {
        let error = refused(&format!("{key} = '{value}'"), &[]);
        let expected_start = format!("{key} = '{value}' (file ");
        assert!(error.starts_with(&expected_start) && error.contains(expected), "{error}");
        assert!(error.contains("\nnext: "), "{error}");
    }
}
#[test]
fn numbers_and_switches_need_no_quotes_in_the_file() {
    let config = resolve("dead-letter-max-ratio = 0.25\nreplication = 3\n", &[], &[]).unwrap();
    assert_eq!((config.dlq_limits.ratio, config.replication), (0.25, Some(3)));
    let error = refused("data = 'x'\nconsole = ['a']\n", &[]);
    assert!(
        error.contains("f.toml:2: console must be a text, a number or true or false, not array"),
        "{error}"
    );
    let error = refused("security.protocol = 'SSL'\n", &[]);
    assert!(error.contains("f.toml:1: unknown key 'security'"), "{error}");
    let error = refused("[kafka]\nsasl.username = 'x'\n", &[]);
    assert!(error.contains("f.toml:2: sasl must be") && error.contains("in quotes"), "{error}");
    let error = refused("kafka = 'x'\n", &[]);
    assert!(error.contains("f.toml:1: kafka must be a table, not string"), "{error}");
}
#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let error = Config::resolve(Some(Path::new("/nowhere.toml")), &BTreeMap::new(), &[]).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("reading the configuration /nowhere.toml: ") && error.contains("\nnext: "),
        "{error}"
    );
}
#[test]
fn an_empty_variable_sets_an_empty_value() {
    let config = resolve("console = '127.0.0.1:1'", &[("FASTBREAK_CONSOLE", "")], &[]).unwrap();
    assert_eq!(config.console, None);
    assert_eq!(shown(&config, "console"), (String::new(), "environment FASTBREAK_CONSOLE".to_owned()));
    assert!(config.is_console_set());
}
/// Creates a file with a secret; returns its folder and path.
fn secret_file(secret: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, secret).unwrap();
    let path = path.display().to_string();
    (folder, path)
}
#[test]
fn of_a_secret_and_its_file_the_one_from_the_overriding_source_counts() {
    let (_folder, path) = secret_file("from its file\n");
    let in_file = "registry = 'http://host'\nregistry-user = 'someone'\n";
    let registry_password = |file: &str, environment: &[(&str, &str)]| {
        let config = resolve(&format!("{in_file}{file}"), environment, &[]).unwrap();
        config.registry.password.map(|password| password.reveal().to_owned()).unwrap()
    };
    let value_in_environment = [("FASTBREAK_REGISTRY_PASSWORD", "hush")];
    let file_in_environment = [("FASTBREAK_REGISTRY_PASSWORD_FILE", path.as_str())];
    let file = format!("registry-password-file = '{path}'");
    assert_eq!(registry_password(&file, &value_in_environment), "hush");
    assert_eq!(registry_password("registry-password = 'hush'", &file_in_environment), "from its file");
    assert_eq!(registry_password(&file, &[("FASTBREAK_REGISTRY_PASSWORD", "")]), "from its file");
    let kafka_password = |file: &str, environment: &[(&str, &str)]| {
        resolve(&format!("[kafka]\n{file}"), environment, &[]).unwrap().kafka["sasl.password"].clone()
    };
    let value_in_environment = [("FASTBREAK_KAFKA_SASL_PASSWORD", "hush")];
    let file_in_environment = [("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", path.as_str())];
    assert_eq!(kafka_password(&format!("'sasl.password.file' = '{path}'"), &value_in_environment), "hush");
    assert_eq!(kafka_password("'sasl.password' = 'hush'", &file_in_environment), "from its file");
}
#[test]
fn a_secret_and_its_file_in_the_same_source_are_an_error() {
    let registry = "registry = 'http://host'\nregistry-user = 'someone'\n";
    let error =
        refused(&format!("{registry}registry-password = 'hush'\nregistry-password-file = '/x'\n"), &[]);
    assert!(error.starts_with("registry-password (file ") && error.contains("f.toml:3) and "), "{error}");
    assert!(!error.contains("hush") && error.contains("only one of them"), "{error}");
    let both = [("FASTBREAK_KAFKA_SASL_PASSWORD", "hush"), ("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", "/x")];
    let error = refused("", &both);
    assert!(
        error.contains("kafka.sasl.password.file (environment FASTBREAK_KAFKA_SASL_PASSWORD_FILE)"),
        "{error}"
    );
    let error = refused("", &[("FASTBREAK_KAFKA_LINGER_MS", "1"), ("FASTBREAK_KAFKA_linger.ms", "2")]);
    assert!(error.contains("only one of them"), "{error}");
}
#[test]
fn a_registry_user_without_a_password_and_a_missing_password_file_are_errors() {
    for (keys, expected) in [
        ("registry-user = 'someone'", "registry-user is set (file "),
        ("registry-password = 'hush'", "registry-password is set (file "),
        ("registry-user = 'someone'\nregistry-password-file = '/nowhere'", "from /nowhere"),
    ] {
        let error = refused(&format!("registry = 'http://host'\n{keys}"), &[]);
        assert!(error.contains(expected) && error.contains("\nnext: "), "{error}");
        assert!(!error.contains("hush"), "{error}");
        resolve(keys, &[], &[]).unwrap();
    }
}
#[test]
fn the_url_of_the_registry_loses_its_trailing_slash_and_has_no_credentials() {
    assert_eq!(resolve("registry = ''", &[], &[]).unwrap().registry.url, None);
    let config = resolve("registry = 'https://host:8081/apis/ccompat/v7/'", &[], &[]).unwrap();
    assert_eq!(config.registry.url.as_deref(), Some("https://host:8081/apis/ccompat/v7"));
    for url in ["http://someone:hush@host", "ftp://someone:hush@host", "someone:hush@host"] {
        let error = refused(&format!("registry = '{url}'"), &[]);
        assert!(!error.contains("hush"), "{error}");
    }
}
/// Returns the configuration without the origins of its values.
fn without_origins(config: Config) -> Config {
    Config { origins: BTreeMap::new(), kafka_origins: BTreeMap::new(), ..config }
}
#[test]
fn the_example_file_without_its_comment_signs_sets_every_key_to_its_default() {
    let example = example_file();
    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    let uncommented = |line: &str| if is_key(line) { line[1..].to_owned() } else { line.to_owned() };
    let text = example.lines().map(uncommented).collect::<Vec<_>>().join("\n");
    let config = resolve(&text, &[], &[]).unwrap();
    for key in KEYS {
        assert!(matches!(config.origin(key), Origin::File { .. }), "{} is not in the file", key.name);
    }
    assert!(text.ends_with("\n[kafka]"));
    let default = Config::defaults().unwrap();
    assert_eq!(without_origins(config), without_origins(default.clone()));
    assert_eq!(resolve(&example, &[], &[]).unwrap(), default);
}
#[test]
fn the_table_of_the_page_lists_every_key() {
    let tables = key_tables();
    for key in KEYS {
        assert!(tables.contains(&format!("| `{}`", key.name)), "{}", key.name);
    }
}
#[test]
fn no_two_keys_have_the_same_name_or_variable() {
    let names: std::collections::BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    let variables: std::collections::BTreeSet<String> = KEYS.iter().map(|key| key.variable()).collect();
    assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
}
#[test]
fn a_value_that_may_contain_a_password_is_refused_and_not_shown() {
    for (variable, value) in [
        ("FASTBREAK_REGISTRY", "http://someone:hu/sh@host"),
        ("FASTBREAK_BROKERS", "someone:hush@host:9092"),
        ("FASTBREAK_BIGQUERY_CREDENTIALS", r#"{"private_key": "hush"}"#),
    ] {
        let error = refused("", &[(variable, value)]);
        assert!(error.contains(variable) && !error.contains("hush") && !error.contains("hu/sh"), "{error}");
    }
}
#[test]
fn every_broker_is_a_host_with_a_port() {
    for brokers in ["host:9092", "one:1, two:2", "[::1]:9092"] {
        assert_eq!(
            resolve("", &[("FASTBREAK_BROKERS", brokers)], &[]).unwrap().brokers.as_deref(),
            Some(brokers)
        );
    }
    for brokers in [",", "host", "host:port", "host:0", "host:9092,", "SASL_SSL://host:9092", "host:99999"] {
        let error = refused("", &[("FASTBREAK_BROKERS", brokers)]);
        assert!(error.contains("must be host:port, separated by commas"), "{error}");
    }
}
#[test]
fn the_port_of_a_url_is_a_number() {
    for url in ["http://host", "http://host:8081/path", "http://[::1]:8081", "http://[::1]"] {
        resolve("", &[("FASTBREAK_REGISTRY", url)], &[]).unwrap();
    }
    for url in ["http://host:99999", "http://host:", "http://:8081"] {
        assert!(refused("", &[("FASTBREAK_REGISTRY", url)]).contains("must be a URL of the form"), "{url}");
    }
}
#[test]
fn a_key_in_the_table_of_the_kafka_client_is_an_error() {
    let error = refused("[kafka]\nacks = 'all'\ndata = 'x'\n", &[]);
    assert!(error.contains("f.toml:3:") && error.contains("move this line above [kafka]"), "{error}");
}
#[test]
fn a_misspelled_log_level_is_an_error() {
    use super::environment::log_filter;
    for filter in ["info", "WARN", "", "warn,runtime=debug", "off"] {
        log_filter(Some(filter.as_ref())).unwrap();
    }
    for filter in ["inof", "info;x", "warn,loud"] {
        assert!(
            log_filter(Some(filter.as_ref())).unwrap_err().to_string().contains("is no level"),
            "{filter}"
        );
    }
}
