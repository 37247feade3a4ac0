//! Blocking client of a schema registry with Confluent's REST API, over one reused connection.
//!
//! Invariant: credentials are sent only in the `authorization` header to the configured URL; no error, log line or redirected request
//! contains them.
//! Not here: the desired schemas (`plan`), exit codes (`error`).
use crate::{
    config::{RegistryConfig, Secret},
    error::{Cause, RegistryError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc};
use ureq::tls::{RootCerts, TlsConfig};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Compatibility level of a subject: specifies with which versions, and in which direction, a new schema must be compatible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    None,
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A registered version of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Registered {
    pub id: u32,
    pub version: u32,
    pub schema: String,
}

/// The registry's compatibility verdict on a schema that is not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Compatible,
    /// The schema is incompatible; the text contains the registry's reasons.
    Incompatible(String),
}

/// Connection to a registry.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: Option<Secret>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody<'a> {
    schema: &'a str,
    schema_type: &'a str,
}
#[derive(Deserialize)]
struct IdBody {
    id: u32,
}
#[derive(Deserialize)]
struct SchemaTextBody {
    schema: String,
}
#[derive(Deserialize)]
struct CompatibilityBody {
    is_compatible: bool,
    messages: Option<Vec<String>>,
    /// Apicurio sends the reasons in this field instead of `messages`.
    reason: Option<String>,
}
#[derive(Serialize, Deserialize)]
struct LevelBody {
    #[serde(alias = "compatibilityLevel")]
    compatibility: Level,
}
#[derive(Deserialize)]
struct ErrorBody {
    error_code: u32,
    message: Option<String>,
}

impl Client {
    /// Creates a client; `None` if no registry is configured.
    pub fn from_config(registry: &RegistryConfig) -> Option<Client> {
        let url = registry.url.clone()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(registry.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("fastbreak/", env!("CARGO_PKG_VERSION")))
            .build();
        let authorization = registry.user.as_ref().map(|user| {
            let password = registry.password.as_ref().map_or("", Secret::reveal);
            Secret::new(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
        });
        Some(Client { agent: config.into(), url, authorization })
    }
    pub fn url(&self) -> &str {
        &self.url
    }
    pub fn subjects(&self) -> Result<Vec<String>, RegistryError> {
        self.get("listing the subjects", "/subjects")
    }
    /// Reads the version numbers of a subject, oldest first; empty if the subject does not exist.
    pub fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        let found =
            self.get(&format!("listing the versions of {subject}"), &format!("/subjects/{subject}/versions"));
        Ok(not_found_as_none(found)?.unwrap_or_default())
    }
    pub fn version(&self, subject: &str, version: u32) -> Result<Registered, RegistryError> {
        let path = format!("/subjects/{subject}/versions/{version}");
        self.get(&format!("reading version {version} of {subject}"), &path)
    }
    /// Reads the schema with this id.
    pub fn schema_text(&self, id: u32) -> Result<String, RegistryError> {
        let found: SchemaTextBody =
            self.get(&format!("reading schema {id}"), &format!("/schemas/ids/{id}"))?;
        Ok(found.schema)
    }
    /// Finds the version of a subject that has this schema; `None` if the schema is not registered.
    pub fn find(&self, subject: &str, text: &str) -> Result<Option<Registered>, RegistryError> {
        not_found_as_none(self.post(
            &format!("looking up the schema of {subject}"),
            &format!("/subjects/{subject}"),
            &body(text),
        ))
    }
    /// Registers a schema as the newest version of a subject, if it is not registered yet, and returns its id.
    pub fn register(&self, subject: &str, text: &str) -> Result<u32, RegistryError> {
        let path = format!("/subjects/{subject}/versions");
        let IdBody { id } = self.post(&format!("registering the schema of {subject}"), &path, &body(text))?;
        Ok(id)
    }
    /// Checks a schema against the registered versions, at the subject's compatibility level.
    pub fn check_compatibility(&self, subject: &str, text: &str) -> Result<Verdict, RegistryError> {
        let path = format!("/compatibility/subjects/{subject}/versions?verbose=true");
        let operation = format!("checking the compatibility of the schema of {subject}");
        let response = not_found_as_none(self.post(&operation, &path, &body(text)))?;
        let Some(CompatibilityBody { is_compatible, messages, reason }) = response else {
            return Ok(Verdict::Compatible);
        };
        let reasons: Vec<String> = messages.into_iter().flatten().chain(reason).collect();
        Ok(if is_compatible { Verdict::Compatible } else { Verdict::Incompatible(reasons.join("; ")) })
    }
    /// Reads the compatibility level of a subject; `None` if none is set for it, so that the registry's global level applies.
    pub fn level(&self, subject: &str) -> Result<Option<Level>, RegistryError> {
        let found: Option<LevelBody> = not_found_as_none(
            self.get(&format!("reading the compatibility level of {subject}"), &format!("/config/{subject}")),
        )?;
        Ok(found.map(|found| found.compatibility))
    }
    pub fn set_level(&self, subject: &str, level: Level) -> Result<(), RegistryError> {
        let request = self.agent.put(format!("{}/config/{subject}", self.url));
        let operation = format!("setting the compatibility level of {subject} to {level}");
        let _: LevelBody = self.send(&operation, request, &LevelBody { compatibility: level })?;
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, operation: &str, path: &str) -> Result<T, RegistryError> {
        let request = self.with_headers(self.agent.get(format!("{}{path}", self.url)));
        self.receive(operation, request.call())
    }
    fn post<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        self.send(operation, self.agent.post(format!("{}{path}", self.url)), body)
    }
    fn send<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        let body = serde_json::to_string(body)
            .map_err(|error| self.error(operation, Cause::NotRegistry(error.to_string())))?;
        let request = self.with_headers(request).header("content-type", MEDIA_TYPE);
        self.receive(operation, request.send(body))
    }
    fn with_headers<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = request.header("accept", MEDIA_TYPE);
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization.reveal()),
            None => request,
        }
    }
    fn receive<T: DeserializeOwned>(
        &self,
        operation: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, RegistryError> {
        let error = |cause| self.error(operation, cause);
        let unreachable = |reason: ureq::Error| error(Cause::Unreachable(reason.to_string()));
        let mut response = response.map_err(unreachable)?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        if (200..300).contains(&status) {
            return serde_json::from_str(&text)
                .map_err(|reason| error(Cause::NotRegistry(reason.to_string())));
        }
        let error_body = serde_json::from_str(&text)
            .map(|ErrorBody { error_code, message }| (error_code, message.unwrap_or_default()));
        Err(error(Cause::from_response(status, error_body.ok())))
    }
    fn error(&self, operation: &str, cause: Cause) -> RegistryError {
        RegistryError::new(&self.url, operation, cause)
    }
}

fn body(schema: &str) -> SchemaBody<'_> {
    SchemaBody { schema, schema_type: "AVRO" }
}

/// Turns a "not found" response into `None`.
fn not_found_as_none<T>(found: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(RegistryError { cause: Cause::NotFound { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Encodes bytes in base64 (RFC 4648), with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= three.len() { DIGITS[index].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_test_vectors_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
    #[test]
    fn levels_are_written_in_screaming_snake_case() {
        assert_eq!(Level::BackwardTransitive.to_string(), "BACKWARD_TRANSITIVE");
        let body: LevelBody = serde_json::from_str(r#"{"compatibilityLevel":"FULL"}"#).unwrap();
        assert_eq!(body.compatibility, Level::Full);
    }
}
