//! The REST API of a schema registry that is compatible with Confluent's.
//!
//! Invariant: a subject, version, schema or level that does not exist is no error where the caller can continue without it.
//! Not here: sending requests (`http_client`), the desired schemas (`plan`), exit codes (`error`).
use crate::{
    config::RegistryConfig,
    error::{Cause, RegistryError},
    http_client::HttpClient,
};
use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

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

/// Client of one registry. Its methods block until the response has arrived.
pub struct Client {
    http: HttpClient,
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

impl Client {
    /// Creates a client, without a request; `None` if no registry is configured.
    ///
    /// # Errors
    /// If no trusted certificate of the system is usable.
    pub fn from_config(registry: &RegistryConfig) -> Result<Option<Client>, RegistryError> {
        let Some(url) = &registry.url else { return Ok(None) };
        Ok(Some(Client { http: HttpClient::new(url, registry)? }))
    }
    pub fn url(&self) -> &str {
        self.http.url()
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
    /// Reads the schema with this id; `None` if there is no such schema.
    pub fn schema_text(&self, id: u32) -> Result<Option<String>, RegistryError> {
        let found = self.get(&format!("reading schema {id}"), &format!("/schemas/ids/{id}"));
        Ok(not_found_as_none(found)?.map(|SchemaTextBody { schema }| schema))
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
        let operation = format!("setting the compatibility level of {subject} to {level}");
        let body = LevelBody { compatibility: level };
        let _: LevelBody = self.send(&operation, Method::PUT, &format!("/config/{subject}"), &body)?;
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, operation: &str, path: &str) -> Result<T, RegistryError> {
        self.http.send(operation, Method::GET, path, None)
    }
    fn post<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        self.send(operation, Method::POST, path, body)
    }
    fn send<T: DeserializeOwned>(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        let body = serde_json::to_string(body).map_err(|error| {
            RegistryError::new(self.url(), operation, Cause::NotRegistry(error.to_string()))
        })?;
        self.http.send(operation, method, path, Some(body))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_in_screaming_snake_case() {
        assert_eq!(Level::BackwardTransitive.to_string(), "BACKWARD_TRANSITIVE");
        let body: LevelBody = serde_json::from_str(r#"{"compatibilityLevel":"FULL"}"#).unwrap();
        assert_eq!(body.compatibility, Level::Full);
    }
}
