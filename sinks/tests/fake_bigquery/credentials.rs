//! Tests of credentials: a token is requested with the key file of a service account, is refreshed once if it is rejected, and is never
//! printed.
//!
//! Invariant: all errors, counters and settings are searched for every secret.
//! Not here: the output of the binary (`tests/` of the root package).

use crate::conformance::{LOG, NOW, done, events::*, record};
use crate::fakebq::{
    Call, Fake, Fault, FaultResponse,
    http::{HttpResponse, Server},
};
use schemas::Line;
use sinks::{
    Batch, BatchPlan, BigQuery, RecordChange, Warehouse, WarehouseError, WriterId,
    bigquery::{BigQueryConfig, Clock, Credentials},
};
use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Returns a new private key; `None` if openssl is not installed.
fn private_key() -> Option<String> {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output();
    made.ok().filter(|made| made.status.success()).map(|made| String::from_utf8(made.stdout).unwrap())
}
/// Writes a key file of a service account whose token endpoint is this server, and returns its path.
fn account(folder: &std::path::Path, key: &str, tokens: &Server) -> PathBuf {
    let path = folder.join("account.json");
    let account = serde_json::json!({
        "type": "service_account", "project_id": "fastbreak", "private_key_id": "key-id-4711", "private_key": key,
        "client_email": "sink@fastbreak.iam.gserviceaccount.com", "client_id": "1", "token_uri": format!("http://{}/token", tokens.at),
        "auth_uri": "", "auth_provider_x509_cert_url": "", "client_x509_cert_url": "",
    });
    std::fs::write(&path, account.to_string()).unwrap();
    path
}
/// Starts a token endpoint whose tokens all contain the same secret word.
fn token_server() -> Server {
    let next = AtomicU32::new(1);
    Server::start(move |_| {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let token = format!("ya29.very-secret-{n}");
        HttpResponse::Json(
            200,
            serde_json::json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600})
                .to_string(),
        )
    })
}

/// Returns the error of acquiring a warehouse with this token endpoint.
fn acquire_error(tokens: &Server, key: &str, timeout: Duration) -> WarehouseError {
    let folder = tempfile::tempdir().unwrap();
    let (fake, path) = (Fake::start(), account(folder.path(), key, tokens));
    let config = BigQueryConfig { credentials: Credentials::ServiceAccount(path), timeout, ..fake.config() };
    BigQuery::connect(config).unwrap().acquire(LOG).unwrap_err()
}
#[test]
fn a_token_endpoint_that_does_not_respond_times_out() {
    let Some(key) = private_key() else {
        return eprintln!("skipped: openssl is not installed, so the test has no key");
    };
    let error = acquire_error(&Server::start(|_| HttpResponse::Silence), &key, Duration::from_millis(50));
    assert!(matches!(error, WarehouseError::Retry { .. }), "{error}");
    assert!(error.to_string().contains("did not respond within 0.05 s"), "{error}");
}
#[test]
fn the_error_has_the_reason_for_a_missing_token() {
    let Some(key) = private_key() else {
        return eprintln!("skipped: openssl is not installed, so the test has no key");
    };
    let body = r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#;
    let tokens = Server::start(|_| HttpResponse::Json(400, body.into()));
    let error = acquire_error(&tokens, &key, Duration::from_secs(5));
    assert!(matches!(error, WarehouseError::Retry { alert: true, .. }), "{error}");
    assert!(error.to_string().contains("invalid_grant: Invalid JWT Signature."), "{error}");
    let error = acquire_error(&Server::start(|_| HttpResponse::Hangup), &key, Duration::from_secs(5));
    assert!(error.to_string().contains("the token endpoint is unreachable"), "{error}");
}
#[test]
fn an_expired_token_is_refreshed_once_and_no_message_contains_a_secret() {
    let Some(key) = private_key() else {
        return eprintln!("skipped: openssl is not installed, so the test has no key");
    };
    let folder = tempfile::tempdir().unwrap();
    let (fake, tokens) = (Fake::start(), token_server());
    let path = account(folder.path(), &key, &tokens);
    let config = BigQueryConfig { credentials: Credentials::ServiceAccount(path), ..fake.config() };
    let mut w = BigQuery::connect(config.clone()).unwrap();
    fake.fail(Call::List, 0, Fault::Responds(FaultResponse::Unauthorized, false));
    done(w.acquire(LOG)).unwrap();
    assert_eq!(fake.tokens(), ["Bearer ya29.very-secret-1", "Bearer ya29.very-secret-2"]);

    let id = id(1, 61);
    let batch =
        Batch::from_records([record(1, RecordChange::Prediction(id, Some(prediction(id, Line(2450)))))])
            .unwrap();
    let plan = BatchPlan::new(WriterId { sink: "warehouse".into(), log: LOG.into(), epoch: 1 }, &batch, NOW);
    fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::Unauthorized, false));
    done(w.write(&batch, &plan, NOW)).unwrap();
    assert_eq!(fake.tokens().last().map(String::as_str), Some("Bearer ya29.very-secret-3"));
    assert_eq!((fake.statistics().merges, fake.rows("predictions")), (1, 20));

    // Collects the messages of all failures.
    let mut texts = vec![format!("{:?}", w.counters())];
    for fault in [
        FaultResponse::Unauthorized,
        FaultResponse::Denied,
        FaultResponse::Html,
        FaultResponse::Nothing,
        FaultResponse::Truncated,
        FaultResponse::QuotaExceeded,
        FaultResponse::RateLimited,
    ] {
        for call in [Call::Insert, Call::Job, Call::Query, Call::Patch, Call::Any] {
            for _ in 0..3 {
                fake.fail(call, 0, Fault::Responds(fault, false));
            }
            let other =
                Batch::from_records([record(fake.clock.now_ms() + 2, RecordChange::Features(id, None))])
                    .unwrap();
            let plan = BatchPlan::new(plan.writer.clone(), &other, NOW);
            for _ in 0..3 {
                if let Err(error) = w.write(&other, &plan, NOW) {
                    texts.push(format!("{error} {error:?}"));
                    if let WarehouseError::Retry { after, .. } = error {
                        fake.clock.sleep(after);
                    }
                }
            }
            fake.clear_faults();
        }
    }
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, format!("{{\"private_key\": {:?}, \"type\": 7", key)).unwrap();
    for path in [broken, folder.path().join("none.json")] {
        let config = BigQueryConfig { credentials: Credentials::ServiceAccount(path), ..config.clone() };
        let error = BigQuery::connect(config).err().unwrap();
        assert!(error.to_string().contains("bigquery-credentials"), "{error}");
        texts.push(format!("{error} {error:?}"));
    }
    texts.extend(fake.calls());
    assert!(texts.len() > 100);
    let secret = key.lines().nth(3).unwrap();
    for text in texts {
        for word in [secret, "ya29", "very-secret", "key-id-4711", "BEGIN PRIVATE"] {
            assert!(!text.contains(word), "{word} is in: {text}");
        }
    }
}
