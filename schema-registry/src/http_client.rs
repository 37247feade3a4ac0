//! HTTP requests to the registry: headers, credentials, time limit, size limit, and the meaning of a response.
//!
//! Invariant: credentials are sent only in the `authorization` header to the configured URL; redirects are not followed, and no error or
//! log line contains credentials. Every request ends within the configured time limit.
//! Not here: paths and bodies of the API (`client`), the meaning of an error response (`error`).
use crate::{
    config::{RegistryConfig, Secret},
    error::{Cause, RegistryError},
};
use http_body_util::{BodyExt, Limited};
use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE},
    redirect::Policy,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{io, sync::LazyLock, time::Duration};
use tokio::runtime::{Builder, Runtime};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Largest body of a response that is read, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Time after which an unused connection is not used again; servers close unused connections after a longer time.
const MAX_IDLE: Duration = Duration::from_secs(15);

/// Runs the requests of all clients of this process: a request blocks its thread until the response has arrived. A static is never dropped.
/// Dropping a runtime would wait for a name lookup that is still running after its request reached the time limit.
static RUNTIME: LazyLock<io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build());

/// Sends requests to one registry, over one reused connection.
pub(crate) struct HttpClient {
    runtime: &'static Runtime,
    client: reqwest::Client,
    url: String,
    credentials: Option<Credentials>,
    timeout: Duration,
}
struct Credentials {
    user: String,
    password: Secret,
}

/// Body of an error response.
#[derive(Deserialize)]
struct ErrorBody {
    error_code: u32,
    message: Option<String>,
}

impl HttpClient {
    /// Creates a client for the registry at `url`, without a request.
    ///
    /// # Errors
    /// If no trusted certificate of the system is usable, or the process has no file descriptor left.
    pub fn new(url: &str, config: &RegistryConfig) -> Result<HttpClient, RegistryError> {
        let failed = |reason| RegistryError::new(url, "creating the HTTP client", Cause::NoClient(reason));
        let client = reqwest::Client::builder()
            .timeout(config.timeout)
            .redirect(Policy::none())
            .pool_idle_timeout(MAX_IDLE)
            .user_agent(concat!("fastbreak/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(root_cause(error)))?;
        let credentials = config.user.as_ref().map(|user| {
            let password = config.password.clone().unwrap_or_else(|| Secret::new(String::new()));
            Credentials { user: user.clone(), password }
        });
        let runtime = RUNTIME.as_ref().map_err(|error| failed(error.to_string()))?;
        Ok(HttpClient { runtime, client, url: url.to_owned(), credentials, timeout: config.timeout })
    }
    pub fn url(&self) -> &str {
        &self.url
    }
    /// Sends a request and parses its response. `operation` describes it in errors; `body` is JSON.
    ///
    /// # Errors
    /// If there is no response within the time limit, the status is not 200 to 299, or the body does not parse.
    pub fn send<T: DeserializeOwned>(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<T, RegistryError> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).header(ACCEPT, MEDIA_TYPE);
        if let Some(Credentials { user, password }) = &self.credentials {
            request = request.basic_auth(user, Some(password.reveal()));
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body);
        }
        let received = self.runtime.block_on(self.receive(request));
        received.map_err(|cause| RegistryError::new(&self.url, operation, cause))
    }
    async fn receive<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Cause> {
        // Events of unused connections are read only while the runtime runs, and it does not run between two requests. It reads them now, so
        // that the request is not sent on a connection that the server has closed.
        tokio::task::yield_now().await;
        let response = request.send().await.map_err(|error| self.cause_of(error))?;
        let status = response.status().as_u16();
        let body = Limited::new(reqwest::Body::from(response), MAX_BODY_BYTES).collect().await;
        match body.map_err(|error| error.downcast::<reqwest::Error>()) {
            Ok(body) => parse(status, &body.to_bytes()),
            Err(Ok(error)) => Err(self.cause_of(*error)),
            Err(Err(_)) => {
                let mebibytes = MAX_BODY_BYTES / 1024 / 1024;
                Err(Cause::NotRegistry(format!("the response is larger than {mebibytes} MiB")))
            }
        }
    }
    fn cause_of(&self, error: reqwest::Error) -> Cause {
        if error.is_timeout() {
            Cause::Unreachable(format!("no complete response within {} ms", self.timeout.as_millis()))
        } else if error.is_builder() {
            Cause::NotRegistry(format!("the URL cannot be used: {}", root_cause(error)))
        } else {
            Cause::Unreachable(root_cause(error))
        }
    }
}

/// Parses a response: the body of a successful one, or the cause of the failure.
fn parse<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Cause> {
    if (200..300).contains(&status) {
        return serde_json::from_slice(body).map_err(|reason| Cause::NotRegistry(reason.to_string()));
    }
    let error_body = serde_json::from_slice(body)
        .map(|ErrorBody { error_code, message }| (error_code, message.unwrap_or_default()));
    Err(Cause::from_response(status, error_body.ok()))
}

/// Returns the text of the innermost cause, such as "Connection refused (os error 111)"; the outer ones say only that a request failed.
fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::mpsc,
    };

    /// The only test of this binary that sends requests: while other threads run the runtime, it polls unused connections, too.
    #[test]
    fn a_connection_is_reused_until_the_server_closes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (close, is_close_requested) = mpsc::channel();
        let (closed, is_closed) = mpsc::channel();
        let server = std::thread::spawn(move || {
            for requests in [3, 1] {
                let (mut stream, _) = listener.accept().unwrap();
                for _ in 0..requests {
                    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7").unwrap();
                }
                is_close_requested.recv().unwrap();
                drop(stream);
                closed.send(()).unwrap();
            }
        });
        let timeout = Duration::from_secs(60);
        let config = RegistryConfig { url: None, user: None, password: None, password_file: None, timeout };
        let client = HttpClient::new(&url, &config).unwrap();
        let request = || client.send::<u32>("reading", Method::GET, "/subjects", None);
        assert_eq!([request(), request(), request()], [Ok(7), Ok(7), Ok(7)]);
        // The connection is closed while the runtime does not run.
        close.send(()).unwrap();
        is_closed.recv().unwrap();
        assert_eq!(request(), Ok(7));
        close.send(()).unwrap();
        server.join().unwrap();
    }
}
