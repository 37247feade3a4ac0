//! The client against servers on real sockets: what it sends, and what each response and each failure becomes.
//!
//! Invariant: a server sees credentials only in the `authorization` header, a redirect is not followed, and every request ends.
//! Not here: a real registry (`tests/registry.rs` of the binary), reuse of a connection (`http_client`), texts and exit codes of all causes (`error`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod server;

use schema_registry::{Cause, Client, Level, RegistryConfig, RegistryError, Secret, Verdict};
use server::{Server, ServerResponse, json};
use std::{fmt::Debug, time::Duration};

/// Time limit of a request that is expected to reach it.
const SHORT: Duration = Duration::from_millis(300);
/// Time limit of a request that is expected to end before it.
const LONG: Duration = Duration::from_secs(60);

const PASSWORD: &str = "hush hush";
/// `someone:hush hush` in base64.
const AUTHORIZATION: &str = "Basic c29tZW9uZTpodXNoIGh1c2g=";

fn client(url: &str, password: Option<&str>, timeout: Duration) -> Client {
    let config = RegistryConfig {
        url: Some(url.to_owned()),
        user: password.map(|_| "someone".to_owned()),
        password: password.map(|password| Secret::new(password.to_owned())),
        password_file: None,
        timeout,
    };
    Client::from_config(&config).unwrap().unwrap()
}

/// Returns the cause of a failed operation; checks that neither text of the error contains the password.
fn cause<T: Debug>(result: Result<T, RegistryError>) -> Cause {
    let error = result.unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("hush") && !text.contains("c29tZW9uZ"), "{text}");
        assert!(text.contains(&error.url), "{text}");
    }
    error.cause
}

/// Lists the subjects of a server that gives this response, and returns the cause of the failure.
fn cause_of_response(response: ServerResponse, timeout: Duration) -> Cause {
    let server = Server::start(move |_| response.clone());
    cause(client(&server.url, Some(PASSWORD), timeout).subjects())
}

#[test]
fn requests_have_the_method_path_headers_and_body_of_the_api() {
    let server = Server::start(|request| match request.line.as_str() {
        "GET /apis/v7/subjects HTTP/1.1" => json(200, r#"["a"]"#),
        "GET /apis/v7/subjects/a/versions HTTP/1.1" => json(200, "[1,2]"),
        "GET /apis/v7/schemas/ids/7 HTTP/1.1" => json(200, r#"{"schema":"\"int\""}"#),
        "POST /apis/v7/subjects/a/versions HTTP/1.1" => json(200, r#"{"id":7}"#),
        "PUT /apis/v7/config/a HTTP/1.1" => json(200, r#"{"compatibility":"FULL"}"#),
        "POST /apis/v7/compatibility/subjects/a/versions?verbose=true HTTP/1.1" => {
            json(200, r#"{"is_compatible":false,"messages":["one","two"]}"#)
        }
        line => panic!("unexpected request {line}"),
    });
    let client = client(&format!("{}/apis/v7", server.url), None, LONG);
    assert_eq!(client.subjects(), Ok(vec!["a".to_owned()]));
    assert_eq!(client.versions("a"), Ok(vec![1, 2]));
    assert_eq!(client.schema_text(7), Ok(Some("\"int\"".to_owned())));
    assert_eq!(client.register("a", "\"int\""), Ok(7));
    assert_eq!(client.set_level("a", Level::Full), Ok(()));
    assert_eq!(client.check_compatibility("a", "1"), Ok(Verdict::Incompatible("one; two".into())));

    let requests = server.requests();
    let bodies: Vec<&str> = requests.iter().map(|request| request.body.as_str()).collect();
    let schema = r#"{"schema":"\"int\"","schemaType":"AVRO"}"#;
    assert_eq!(
        bodies,
        ["", "", "", schema, r#"{"compatibility":"FULL"}"#, r#"{"schema":"1","schemaType":"AVRO"}"#]
    );
    for request in requests {
        let media_type = Some("application/vnd.schemaregistry.v1+json");
        assert_eq!(request.header("accept"), media_type);
        assert_eq!(request.header("content-type"), media_type.filter(|_| !request.body.is_empty()));
        assert!(request.header("user-agent").unwrap().starts_with("fastbreak/"));
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn credentials_are_sent_in_one_header_and_nowhere_else() {
    let server = Server::start(|_| json(401, r#"{"error_code":40101,"message":"Unauthorized"}"#));
    let client = client(&server.url, Some(PASSWORD), LONG);
    assert_eq!(cause(client.subjects()), Cause::NotAuthorized { status: 401 });
    assert_eq!(cause(client.register("a", "1")), Cause::NotAuthorized { status: 401 });
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(AUTHORIZATION));
        let all = request.line + &request.headers.join("\n") + &request.body;
        assert_eq!(all.matches("c29tZW9uZ").count(), 1, "{all}");
        assert!(!all.contains("someone") && !all.contains("hush"), "{all}");
    }
}

#[test]
fn a_redirect_is_refused_and_its_target_gets_no_request() {
    let target = Server::start(|_| json(200, "[]"));
    for status in [301, 302, 303, 307, 308] {
        let other_host = target.url.replace("127.0.0.1", "localhost");
        for location in [&target.url, &other_host, "/subjects", "https://127.0.0.1:1/subjects"] {
            let redirect =
                format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let server = Server::start(move |_| ServerResponse::Complete(redirect.clone().into_bytes()));
            let client = client(&server.url, Some(PASSWORD), LONG);
            for cause in [cause(client.subjects()), cause(client.register("a", "1"))] {
                assert!(
                    matches!(&cause, Cause::NotRegistry(reason) if reason.contains(&format!("redirect ({status})"))),
                    "{cause:?}"
                );
            }
            assert_eq!(server.requests().len(), 2, "a redirect to {location} was followed");
        }
    }
    assert_eq!(target.requests().len(), 0);
}

#[test]
fn a_request_ends_at_its_time_limit() {
    let limit = Cause::Unreachable("no complete response within 300 ms".into());
    let slow = [
        ServerResponse::Silence,
        // The head of a response that has no end, then nothing.
        ServerResponse::Endless { head: "HTTP/1.1 200 OK\r\n", repeated: "", pause: SHORT },
        // A body that arrives byte by byte, each long before the time limit.
        ServerResponse::Endless {
            head: "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
            repeated: " ",
            pause: Duration::from_millis(20),
        },
    ];
    for response in slow {
        assert_eq!(cause_of_response(response, SHORT), limit);
    }
    assert_eq!(RegistryError { url: String::new(), operation: String::new(), cause: limit }.exit_code(), 5);
}

#[test]
fn each_status_has_its_cause() {
    let text = |text: &str| text.to_owned();
    for (status, body, expected) in [
        (401, "", Cause::NotAuthorized { status: 401 }),
        (403, "<html>", Cause::NotAuthorized { status: 403 }),
        (404, r#"{"error_code":40401,"message":"no"}"#, Cause::NotFound { code: 40401, message: text("no") }),
        (404, "", Cause::NotRegistry(text("unexpected response 404"))),
        (404, r#"{"error_code":404}"#, Cause::NotRegistry(text("unexpected response 404"))),
        (409, r#"{"error_code":409,"message":"no"}"#, Cause::Incompatible(text("no"))),
        (422, r#"{"error_code":42201}"#, Cause::Invalid { code: 42201, message: String::new() }),
        (429, "", Cause::NotRegistry(text("unexpected response 429"))),
        (500, "", Cause::NotRegistry(text("unexpected response 500"))),
        (
            500,
            r#"{"error_code":50001,"message":"no"}"#,
            Cause::ServerError { code: 50001, message: text("no") },
        ),
        (503, "upstream", Cause::Unreachable(text("a gateway responded with 503"))),
    ] {
        assert_eq!(cause_of_response(json(status, body), LONG), expected);
    }
}

#[test]
fn what_does_not_exist_is_none() {
    let server = Server::start(|_| json(404, r#"{"error_code":40401,"message":"no"}"#));
    let client = client(&server.url, None, LONG);
    assert_eq!(client.find("a", "1"), Ok(None));
    assert_eq!(client.level("a"), Ok(None));
    assert_eq!(client.versions("a"), Ok(Vec::new()));
    assert_eq!(client.check_compatibility("a", "1"), Ok(Verdict::Compatible));
    assert!(matches!(cause(client.version("a", 1)), Cause::NotFound { code: 40401, .. }));
}

#[test]
fn a_success_with_a_body_of_something_else_is_no_registry() {
    for body in ["", "<html></html>", "{}", "[1]", r#"["a""#] {
        let cause = cause_of_response(json(200, body), LONG);
        assert!(matches!(cause, Cause::NotRegistry(_)), "{body}: {cause:?}");
    }
    let not_utf8 = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[\"\xff\"";
    let cause = cause_of_response(ServerResponse::Bytes(not_utf8.to_vec()), LONG);
    assert!(matches!(cause, Cause::NotRegistry(_)), "{cause:?}");
}

#[test]
fn a_response_without_end_is_read_up_to_a_limit() {
    let head = "HTTP/1.1 200 OK\r\n\r\n[";
    // 64 kB of white space at a time.
    let repeated: &'static str = " ".repeat(1 << 16).leak();
    let cause = cause_of_response(ServerResponse::Endless { head, repeated, pause: Duration::ZERO }, LONG);
    assert_eq!(cause, Cause::NotRegistry("the response is larger than 10 MiB".into()));
}

#[test]
fn a_failed_connection_is_unreachable_and_the_reason_is_named() {
    let truncated = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[]";
    for (response, expected) in [
        (ServerResponse::Bytes(Vec::new()), "connection closed before message completed"),
        (ServerResponse::Bytes(truncated.to_vec()), "end of file before message length reached"),
        (ServerResponse::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), "invalid HTTP version parsed"),
    ] {
        let cause = cause_of_response(response, LONG);
        assert!(matches!(&cause, Cause::Unreachable(reason) if reason.contains(expected)), "{cause:?}");
    }
    let plain = Server::start(|_| json(200, "[]"));
    for (url, expected) in
        [("http://127.0.0.1:1", "refused"), (&*plain.url.replace("http", "https"), "tls handshake")]
    {
        let cause = cause(client(url, Some(PASSWORD), LONG).subjects());
        assert!(matches!(&cause, Cause::Unreachable(reason) if reason.contains(expected)), "{cause:?}");
    }
    let cause = cause(client("http://127.0.0.1:99999", Some(PASSWORD), LONG).subjects());
    assert_eq!(cause, Cause::NotRegistry("the URL cannot be used: invalid port number".into()));
}

#[test]
fn several_threads_use_one_client() {
    let server = Server::start(|request| json(200, &format!("[{:?}]", request.line)));
    let client = client(&server.url, None, LONG);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let client = &client;
            scope.spawn(move || {
                for _ in 0..20 {
                    let level = client.level(&format!("subject-{thread}")).unwrap_err();
                    assert!(matches!(level.cause, Cause::NotRegistry(_)), "{level}");
                }
            });
        }
    });
    assert_eq!(server.requests().len(), 80);
}
