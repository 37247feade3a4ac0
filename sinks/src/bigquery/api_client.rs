//! HTTP calls to BigQuery's API. The crate gcp-bigquery-client is not used for them: it loses the status of a response that it cannot
//! decode, and supports neither multipart uploads nor conditional updates.
//!
//! Invariant: every call has a timeout, and is repeated once with a new token if its token is rejected. An unreadable success response is
//! `OutcomeUnknown`, never a rejection and never success.
//! Not here: the meaning of an error response (`error`).
use super::{
    auth::Token,
    config::BigQueryConfig,
    error::{ApiError, ErrorResponse},
    tls,
};
use crate::warehouse::WarehouseError;
use gcp_bigquery_client::model::job::Job;
use reqwest::{
    Client, Method, RequestBuilder, Url,
    header::{CONTENT_TYPE, IF_MATCH},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

const GOOGLE: &str = "https://bigquery.googleapis.com";
/// Timeout of a token request, which the timeout of the HTTP client does not cover.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Client for the API of one project.
pub struct ApiClient {
    /// Runs the asynchronous HTTP client: a call blocks until its response has arrived.
    runtime: tokio::runtime::Runtime,
    client: Client,
    token: Token,
    /// Base URL of the API, without a trailing slash.
    endpoint: String,
    project: String,
    location: String,
}

/// Body of an error response.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}
#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<ErrorItem>,
    #[serde(default)]
    status: String,
}
#[derive(Deserialize)]
struct ErrorItem {
    #[serde(default)]
    reason: String,
}

impl ApiClient {
    /// Creates the client and loads the credentials, without a call to BigQuery.
    ///
    /// # Errors
    /// `Config` if the endpoint or the credentials are not usable.
    pub fn connect(config: &BigQueryConfig) -> Result<ApiClient, WarehouseError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| connection_error(error.to_string()))?;
        let token = runtime
            .block_on(Token::new(&config.credentials, config.timeout.min(TOKEN_TIMEOUT)))
            .map_err(connection_error)?;
        let endpoint = config.endpoint.clone().unwrap_or_else(|| GOOGLE.to_owned());
        let client = client(&endpoint, config.timeout)?;
        Ok(ApiClient {
            runtime,
            client,
            token,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            project: config.project.clone(),
            location: config.location.clone(),
        })
    }
    fn url(&self, path: &str) -> String {
        format!("{}/bigquery/v2/projects/{}/{path}", self.endpoint, self.project)
    }

    /// Creates a job.
    pub fn insert(&self, job: &Job) -> Result<Value, ApiError> {
        self.send(Method::POST, &self.url("jobs"), |request| request.json(job))
    }
    /// Looks up a job.
    pub fn job(&self, id: &str) -> Result<Value, ApiError> {
        let url = self.url(&format!("jobs/{id}"));
        self.send(Method::GET, &url, |request| request.query(&[("location", &self.location)]))
    }
    /// Runs a query; the response has the first page of its rows if the query is done within its `timeoutMs`.
    pub fn query(&self, request: &impl Serialize) -> Result<Value, ApiError> {
        self.send(Method::POST, &self.url("queries"), |builder| builder.json(request))
    }
    /// Reads a page of the rows of a query.
    pub fn page(&self, job: &str, token: Option<&str>, rows: usize) -> Result<Value, ApiError> {
        let rows = rows.to_string();
        let mut query =
            vec![("location", self.location.as_str()), ("maxResults", &rows), ("timeoutMs", "10000")];
        query.extend(token.map(|token| ("pageToken", token)));
        self.send(Method::GET, &self.url(&format!("queries/{job}")), |request| request.query(&query))
    }
    /// Reads a page of the table list of a dataset.
    pub fn tables(&self, dataset: &str, token: &str) -> Result<Value, ApiError> {
        let url = self.url(&format!("datasets/{dataset}/tables"));
        let query = [("maxResults", "1000"), ("pageToken", token)];
        self.send(Method::GET, &url, |request| request.query(&query))
    }
    /// Reads the resource at a path of the project.
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::GET, &self.url(path), |request| request)
    }
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, &self.url(path), |request| request.json(body))
    }
    pub fn delete(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::DELETE, &self.url(path), |request| request)
    }
    pub fn table(&self, dataset: &str, table: &str) -> Result<Value, ApiError> {
        self.get(&format!("datasets/{dataset}/tables/{table}"))
    }
    /// Updates the metadata of a table if its ETag is still `etag`.
    pub fn patch(&self, dataset: &str, table: &str, etag: &str, body: &Value) -> Result<Value, ApiError> {
        let url = self.url(&format!("datasets/{dataset}/tables/{table}"));
        self.send(Method::PATCH, &url, |request| request.header(IF_MATCH, etag).json(body))
    }
    /// Creates a load job with its data in one request.
    pub fn upload(&self, job: &Job, data: &[u8]) -> Result<Value, ApiError> {
        const BOUNDARY: &str = "fastbreak-8f1d2c7a94";
        let meta = serde_json::to_vec(job).map_err(|error| ApiError::NotSent(error.to_string()))?;
        let part = |kind: &str| format!("--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n");
        let mut body = Vec::with_capacity(data.len() + meta.len() + 256);
        body.extend_from_slice(part("application/json; charset=UTF-8").as_bytes());
        body.extend_from_slice(&meta);
        body.extend_from_slice(format!("\r\n{}", part("application/octet-stream")).as_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let url = format!(
            "{}/upload/bigquery/v2/projects/{}/jobs?uploadType=multipart",
            self.endpoint, self.project
        );
        let kind = format!("multipart/related; boundary={BOUNDARY}");
        self.send(Method::POST, &url, move |request| {
            request.header(CONTENT_TYPE, &kind).timeout(Duration::from_secs(300)).body(body.clone())
        })
    }

    /// Sends a request, and waits for its response.
    fn send(
        &self,
        method: Method,
        url: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value, ApiError> {
        self.runtime.block_on(self.send_with_token(method, url, with))
    }
    async fn send_with_token(
        &self,
        method: Method,
        url: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value, ApiError> {
        let response = self.send_once(method.clone(), url, &with).await;
        match response {
            // A token can expire while a batch is written: refresh once and repeat the call.
            Err(api_error) if api_error.is_status(401) && self.token.is_needed() => {
                self.token.force_refresh();
                self.send_once(method, url, &with).await
            }
            other => other,
        }
    }
    async fn send_once(
        &self,
        method: Method,
        url: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value, ApiError> {
        // Events of unused connections are read only while the runtime runs, and it does not run between two calls. It reads them now, so that
        // the request is not sent on a connection that the server has closed.
        tokio::task::yield_now().await;
        let token = self.token.bearer().await?;
        let sent = with(self.client.request(method, url).bearer_auth(token)).send().await;
        let response =
            sent.map_err(|error| match (error.is_connect() || error.is_builder(), error.is_timeout()) {
                (true, _) => {
                    ApiError::NotSent(format!("{} cannot be reached: {}", self.endpoint, root_cause(error)))
                }
                (false, true) => {
                    ApiError::OutcomeUnknown(format!("{} did not respond in time", self.endpoint))
                }
                (false, false) => {
                    ApiError::OutcomeUnknown(format!("the connection to {} was lost", self.endpoint))
                }
            })?;
        let status = response.status();
        let body = response.bytes().await;
        let body = body.map_err(|_| {
            ApiError::OutcomeUnknown(format!("the response with status {status} was truncated"))
        })?;
        if status.is_success() {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            let value = serde_json::from_slice(&body);
            return value.map_err(|_| {
                ApiError::OutcomeUnknown(format!(
                    "the response with status {status} has a body that is not JSON"
                ))
            });
        }
        Err(match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(ErrorBody { error }) => {
                let reason =
                    error.errors.into_iter().map(|item| item.reason).find(|reason| !reason.is_empty());
                ApiError::Response(ErrorResponse {
                    status: Some(status.as_u16()),
                    reason: reason.unwrap_or(error.status),
                    message: error.message,
                })
            }
            Err(_) => ApiError::Response(ErrorResponse {
                status: Some(status.as_u16()),
                reason: String::new(),
                message: "the response body contains no error message of BigQuery".into(),
            }),
        })
    }
}

/// Creates the HTTP client for an endpoint. `timeout` limits each call.
fn client(endpoint: &str, timeout: Duration) -> Result<Client, WarehouseError> {
    let url = Url::parse(endpoint).map_err(|_| WarehouseError::Setting {
        setting: "bigquery-endpoint".into(),
        reason: format!("'{endpoint}' is not a URL"),
        next: "set bigquery-endpoint to a URL without a path, for example http://127.0.0.1:9050, or leave it empty for Google's endpoint"
            .into(),
    })?;
    let builder = Client::builder()
        .timeout(timeout)
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("fastbreak/", env!("CARGO_PKG_VERSION")));
    let builder = match tls::client_config() {
        Ok(tls) => builder.use_preconfigured_tls(tls),
        Err(_) if url.scheme() == "http" => builder.tls_built_in_root_certs(false),
        Err(reason) => {
            return Err(WarehouseError::Config {
                what: format!("cannot connect to BigQuery: {reason}"),
                next: "install the trusted certificates of the system (package ca-certificates), or set SSL_CERT_FILE to a file with them"
                    .into(),
            });
        }
    };
    builder.build().map_err(|error| {
        connection_error(format!("the HTTP client cannot be created: {}", root_cause(error)))
    })
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

/// Returns the error of a connection that the operator must configure.
fn connection_error(what: String) -> WarehouseError {
    WarehouseError::Config {
        what: format!("cannot connect to BigQuery: {what}"),
        next: "set bigquery-credentials to the key file of a service account, or run `gcloud auth application-default login`; for an emulator, set bigquery-endpoint to its URL and bigquery-credentials to none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bigquery::auth::Credentials;
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::mpsc,
    };

    fn api_client(endpoint: String) -> ApiClient {
        let config = BigQueryConfig::new("project", "dataset", "US");
        let endpoint = Some(endpoint);
        ApiClient::connect(&BigQueryConfig { endpoint, credentials: Credentials::None, ..config }).unwrap()
    }

    #[test]
    fn a_page_token_is_percent_encoded_and_a_closed_connection_is_replaced() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api_client = api_client(format!("http://{}", listener.local_addr().unwrap()));
        let (close, is_close_requested) = mpsc::channel();
        let (closed, is_closed) = mpsc::channel();
        let server = std::thread::spawn(move || {
            [(); 2].map(|()| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
                is_close_requested.recv().unwrap();
                drop(stream);
                closed.send(()).unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                request.lines().next().unwrap().to_owned()
            })
        });
        api_client.page("job", Some("Bk+/9=-_.&"), 7).unwrap();
        // The connection is closed while the runtime does not run.
        close.send(()).unwrap();
        is_closed.recv().unwrap();
        api_client.tables("dataset", "Bk+/9=-_.&").unwrap();
        close.send(()).unwrap();
        let [page, tables] = server.join().unwrap();
        let query = "location=US&maxResults=7&timeoutMs=10000&pageToken=Bk%2B%2F9%3D-_.%26";
        assert_eq!(page, format!("GET /bigquery/v2/projects/project/queries/job?{query} HTTP/1.1"));
        let query = "maxResults=1000&pageToken=Bk%2B%2F9%3D-_.%26";
        assert_eq!(
            tables,
            format!("GET /bigquery/v2/projects/project/datasets/dataset/tables?{query} HTTP/1.1")
        );
    }
    #[test]
    fn an_endpoint_that_cannot_be_reached_is_named_with_the_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        for (endpoint, reason) in [
            ("http://127.0.0.1:1".to_owned(), "refused"),
            (format!("https://{address}"), "InvalidContentType"),
        ] {
            let error = api_client(endpoint.clone()).table("dataset", "table").unwrap_err();
            let ApiError::NotSent(text) = error else { panic!("{error:?}") };
            assert!(text.contains(&endpoint) && text.contains(reason), "{text}");
        }
        server.join().unwrap();
    }
}
