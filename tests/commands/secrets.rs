//! Secrets in the configuration: no command prints one, in any format, error or log message.
//!
//! Invariant: the same secret is planted in every setting that can have one.
//! Not here: secrets of BigQuery's credentials (crate `sinks`).
use crate::support::{fastbreak, run};

const SECRET: &str = "pl4nted-secret";

#[test]
fn no_output_has_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let kinit = format!("kinit -R -p user/{SECRET}");
    let url = format!("https://user:{SECRET}@127.0.0.1:1/token?key={SECRET}");
    let kafka = [
        ("FASTBREAK_KAFKA_SASL_PASSWORD", SECRET),
        ("FASTBREAK_KAFKA_SASL_KERBEROS_KINIT_CMD", &kinit),
        ("FASTBREAK_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", &url),
        ("FASTBREAK_KAFKA_SSL_KEY_PASSWORD", SECRET),
        ("FASTBREAK_KAFKA_SSL_KEYSTORE_PASSWORD", SECRET),
    ];
    let registry = [
        ("FASTBREAK_REGISTRY", "http://127.0.0.1:1"),
        ("FASTBREAK_REGISTRY_USER", "user"),
        ("FASTBREAK_REGISTRY_PASSWORD", SECRET),
    ];
    let broken = [("FASTBREAK_REGISTRY", url.as_str())];
    let key_file = format!(r#"{{"private_key":"{SECRET}"}}"#);
    let credentials = [("FASTBREAK_BIGQUERY_CREDENTIALS", key_file.as_str())];
    let commands: [&[&str]; 7] = [
        &["config", "show"],
        &["config", "show", "--origin"],
        &["doctor"],
        &["lag"],
        &["schemas", "check"],
        &["schemas", "push"],
        &["run", "--until-caught-up"],
    ];
    for environment in [&kafka[..], &registry, &broken, &credentials] {
        for arguments in commands {
            for flags in [&["--output", "table"][..], &["--output", "json", "--log-format", "json"]] {
                let mut command = fastbreak(folder.path(), flags);
                command.args(arguments).env("FASTBREAK_LOG", "debug").envs(environment.iter().copied());
                let (_, text) = run(command);
                assert!(!text.contains(SECRET), "{environment:?} {arguments:?}: {text}");
            }
        }
    }
    // With brokers, the Kafka client reads its settings and may reject them.
    for variable in &kafka {
        for arguments in [&["doctor"][..], &["lag"]] {
            let mut command = fastbreak(folder.path(), &["--brokers", "127.0.0.1:1"]);
            command.args(arguments).env("FASTBREAK_LOG", "debug").envs([*variable]);
            command.env("FASTBREAK_KAFKA_LINGER_MS", "soon");
            let (_, text) = run(command);
            assert!(!text.contains(SECRET), "{variable:?} {arguments:?}: {text}");
        }
    }
}

#[test]
fn config_show_masks_credentials_in_urls_and_shows_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = fastbreak(folder.path(), &["config", "show"]);
    command.env("FASTBREAK_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", "https://u:p@x/@host/token?a=b");
    let (code, text) = run(command);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("https://***@host/token?***"), "{text}");
}
