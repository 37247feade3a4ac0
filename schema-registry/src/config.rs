//! Configuration of the schema registry: URL, credentials, request timeout.
//!
//! Invariant: a password comes from the environment or a file, is shown as `***`, and is never part of the URL.
//! Not here: precedence of configuration sources (`config` of the binary), requests (`http_client`).
use std::{fmt, io, time::Duration};

/// A text that is sent in requests, but never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);
impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }
    /// Returns the text itself, which is needed to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The reason why the values of the `registry…` keys are rejected; it contains no credentials.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "registry: the URL does not begin with http:// or https://\nnext: set `registry` to a URL of the form https://host:port/path"
    )]
    Scheme,
    #[error(
        "registry: the URL contains credentials\nnext: set registry-user and FASTBREAK_REGISTRY_PASSWORD or registry-password-file instead"
    )]
    CredentialsInUrl,
    #[error(
        "registry: '{0}' is not of the form http(s)://host:port/path\nnext: correct the value of `registry`"
    )]
    Url(String),
    #[error("reading the registry's password from {path} (registry-password-file)")]
    PasswordFile { path: String, source: io::Error },
    #[error(
        "only one of registry-user and its password (FASTBREAK_REGISTRY_PASSWORD or registry-password-file) is set\n\
         next: set the other, too, or unset both"
    )]
    OnlyUserOrPassword,
}

/// The configured schema registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Base URL, to which `/subjects` is appended, without a trailing slash; `None` if no registry is configured.
    pub url: Option<String>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub password_file: String,
    /// Time limit of one request, including its response.
    pub timeout: Duration,
}
impl RegistryConfig {
    /// Parses the values of the `registry…` keys; an empty value is an unset key.
    ///
    /// # Errors
    /// If the URL is invalid or contains credentials, only one of user and password is set, or the password file cannot be read.
    pub fn parse(value: impl Fn(&str) -> String, timeout: Duration) -> Result<RegistryConfig, ConfigError> {
        let some = |key: &str| Some(value(key)).filter(|text| !text.is_empty());
        let url = some("registry").map(|url| parse_url(&url)).transpose()?;
        let password_file = value("registry-password-file");
        let password = match some("registry-password") {
            None if !password_file.is_empty() && url.is_some() => {
                let text = std::fs::read_to_string(&password_file)
                    .map_err(|source| ConfigError::PasswordFile { path: password_file.clone(), source })?;
                Some(Secret(text.trim_end().to_owned()))
            }
            password => password.map(Secret),
        };
        let user = some("registry-user");
        if url.is_some() && user.is_some() != password.is_some() {
            return Err(ConfigError::OnlyUserOrPassword);
        }
        Ok(RegistryConfig { url, user, password, password_file, timeout })
    }
    /// Returns the value of a key as `config show` prints it.
    pub fn shown(&self, key: &str) -> String {
        match key {
            "registry" => self.url.clone().unwrap_or_default(),
            "registry-user" => self.user.clone().unwrap_or_default(),
            "registry-password" if self.password.is_some() && self.password_file.is_empty() => {
                "***".to_owned()
            }
            "registry-password-file" => self.password_file.clone(),
            "registry-timeout-ms" => self.timeout.as_millis().to_string(),
            _ => String::new(),
        }
    }
}

fn parse_url(url: &str) -> Result<String, ConfigError> {
    let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    else {
        return Err(ConfigError::Scheme);
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return Err(ConfigError::CredentialsInUrl);
    }
    if host.is_empty() || rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        return Err(ConfigError::Url(url.to_owned()));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, user: &str, password: &str, file: &str) -> Result<RegistryConfig, ConfigError> {
        let value = |key: &str| match key {
            "registry" => url.to_owned(),
            "registry-user" => user.to_owned(),
            "registry-password" => password.to_owned(),
            _ => file.to_owned(),
        };
        RegistryConfig::parse(value, Duration::from_secs(1))
    }
    #[test]
    fn a_url_loses_its_trailing_slash_and_an_empty_one_means_no_registry() {
        assert_eq!(parse("", "someone", "", "").unwrap().url, None);
        let config = parse("https://host:8081/apis/ccompat/v7/", "someone", "hush", "").unwrap();
        assert_eq!(config.url.as_deref(), Some("https://host:8081/apis/ccompat/v7"));
        assert_eq!(config.shown("registry-password"), "***");
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    }
    #[test]
    fn credentials_in_the_url_are_rejected_and_not_shown() {
        for url in ["http://someone:hush@host", "ftp://someone:hush@host", "someone:hush@host"] {
            let error = parse(url, "", "", "").unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
    #[test]
    fn a_user_without_a_password_and_a_missing_password_file_are_errors() {
        for (user, password, file, expected) in [
            ("someone", "", "", "only one of registry-user"),
            ("", "hush", "", "only one of registry-user"),
            ("someone", "", "/nowhere", "from /nowhere"),
        ] {
            let error = parse("http://host", user, password, file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
