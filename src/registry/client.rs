//! The client of a schema registry that speaks Confluent's API: blocking, over one kept connection.
//!
//! Invariant: the credentials go into the `authorization` header of requests to the configured address and nowhere else: into no
//! error, no log, no redirect.
//! Not here: which schemas there should be (`plan`), what a refusal means to a verb (`cli`).
use super::{
    config::{RegistryConfig, Secret},
    error::{Cause, RegistryError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc};
use ureq::tls::{RootCerts, TlsConfig};

const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// What a new schema of a subject must be able to read.
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

/// A registered schema.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Registered {
    pub id: u32,
    pub version: u32,
    pub schema: String,
}

/// What the registry thinks of a schema that is not registered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Compatible,
    /// With its reasons.
    Incompatible(String),
}

/// A registry.
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
struct Id {
    id: u32,
}
#[derive(Deserialize)]
struct Text {
    schema: String,
}
#[derive(Deserialize)]
struct Answer {
    is_compatible: bool,
    messages: Option<Vec<String>>,
    /// Instead of the messages, where it is Apicurio that answers.
    reason: Option<String>,
}
#[derive(Serialize, Deserialize)]
struct LevelBody {
    #[serde(alias = "compatibilityLevel")]
    compatibility: Level,
}
#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    message: Option<String>,
}

impl Client {
    /// `None` when no registry is configured.
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
    /// The versions of a subject, oldest first; none when there is no such subject.
    pub fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        let found =
            self.get(&format!("listing the versions of {subject}"), &format!("/subjects/{subject}/versions"));
        Ok(absent(found)?.unwrap_or_default())
    }
    pub fn version(&self, subject: &str, version: u32) -> Result<Registered, RegistryError> {
        let path = format!("/subjects/{subject}/versions/{version}");
        self.get(&format!("reading version {version} of {subject}"), &path)
    }
    /// The text of an id.
    pub fn text(&self, id: u32) -> Result<String, RegistryError> {
        let found: Text = self.get(&format!("reading schema {id}"), &format!("/schemas/ids/{id}"))?;
        Ok(found.schema)
    }
    /// The version of a subject that has this text.
    pub fn find(&self, subject: &str, text: &str) -> Result<Option<Registered>, RegistryError> {
        absent(self.post(
            &format!("looking up the schema of {subject}"),
            &format!("/subjects/{subject}"),
            &body(text),
        ))
    }
    /// Registers a text as the subject's newest version, or finds that it is there; answers its id.
    pub fn register(&self, subject: &str, text: &str) -> Result<u32, RegistryError> {
        let path = format!("/subjects/{subject}/versions");
        let Id { id } = self.post(&format!("registering the schema of {subject}"), &path, &body(text))?;
        Ok(id)
    }
    /// Whether a text may become the subject's newest version, by the level set there.
    pub fn judge(&self, subject: &str, text: &str) -> Result<Verdict, RegistryError> {
        let path = format!("/compatibility/subjects/{subject}/versions?verbose=true");
        let doing = format!("comparing the schema of {subject} with its versions");
        let Some(Answer { is_compatible, messages, reason }) = absent(self.post(&doing, &path, &body(text)))?
        else {
            return Ok(Verdict::Compatible);
        };
        let reasons: Vec<String> = messages.into_iter().flatten().chain(reason).collect();
        Ok(if is_compatible { Verdict::Compatible } else { Verdict::Incompatible(reasons.join("; ")) })
    }
    /// The level set for a subject; `None` when it has none of its own.
    pub fn level(&self, subject: &str) -> Result<Option<Level>, RegistryError> {
        let found: Option<LevelBody> =
            absent(self.get(&format!("reading the level of {subject}"), &format!("/config/{subject}")))?;
        Ok(found.map(|found| found.compatibility))
    }
    pub fn set_level(&self, subject: &str, level: Level) -> Result<(), RegistryError> {
        let request = self.agent.put(format!("{}/config/{subject}", self.url));
        let doing = format!("setting the level of {subject} to {level}");
        let _: LevelBody = self.send(&doing, request, &LevelBody { compatibility: level })?;
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, doing: &str, path: &str) -> Result<T, RegistryError> {
        let request = self.headed(self.agent.get(format!("{}{path}", self.url)));
        self.answer(doing, request.call())
    }
    fn post<T: DeserializeOwned>(
        &self,
        doing: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        self.send(doing, self.agent.post(format!("{}{path}", self.url)), body)
    }
    fn send<T: DeserializeOwned>(
        &self,
        doing: &str,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        let body = serde_json::to_string(body)
            .map_err(|error| self.error(doing, Cause::NotRegistry(error.to_string())))?;
        let request = self.headed(request).header("content-type", JSON);
        self.answer(doing, request.send(body))
    }
    fn headed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = request.header("accept", JSON);
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization.reveal()),
            None => request,
        }
    }
    fn answer<T: DeserializeOwned>(
        &self,
        doing: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, RegistryError> {
        let error = |cause| self.error(doing, cause);
        let unreachable = |reason: ureq::Error| error(Cause::Unreachable(reason.to_string()));
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        if (200..300).contains(&status) {
            return serde_json::from_str(&text)
                .map_err(|reason| error(Cause::NotRegistry(reason.to_string())));
        }
        let refusal = serde_json::from_str(&text)
            .map(|Refusal { error_code, message }| (error_code, message.unwrap_or_default()));
        Err(error(Cause::from_response(status, refusal.ok())))
    }
    fn error(&self, doing: &str, cause: Cause) -> RegistryError {
        RegistryError { url: self.url.clone(), doing: doing.to_owned(), cause }
    }
}

fn body(schema: &str) -> SchemaBody<'_> {
    SchemaBody { schema, schema_type: "AVRO" }
}

/// `None` for what is not there.
fn absent<T>(found: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(RegistryError { cause: Cause::Absent { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= three.len() { DIGITS[at].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
    #[test]
    fn levels_are_written_as_registries_write_them() {
        assert_eq!(Level::BackwardTransitive.to_string(), "BACKWARD_TRANSITIVE");
        let got: LevelBody = serde_json::from_str(r#"{"compatibilityLevel":"FULL"}"#).unwrap();
        assert_eq!(got.compatibility, Level::Full);
    }
}
