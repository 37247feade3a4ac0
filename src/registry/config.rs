//! Where a schema registry is, and as whom it is asked.
//!
//! Invariant: a password comes from the environment or a file, is shown as `***`, and stands in no address.
//! Not here: the keys' precedence (`config`), the requests (`client`).
use anyhow::{Context, Result, bail};
use std::{fmt, time::Duration};

/// Something that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);
impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }
    /// The text, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A registry as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// What `/subjects` and the other paths are appended to, without a `/` at its end; `None` when there is no registry.
    pub url: Option<String>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub password_file: String,
    /// For one request with its answer.
    pub timeout: Duration,
}
impl RegistryConfig {
    /// From the values of the keys, which are empty where nothing is set.
    ///
    /// # Errors
    /// When the address is none or holds credentials, when a user and a password are not both there or the file cannot be read.
    pub fn parse(value: impl Fn(&str) -> String, timeout: Duration) -> Result<RegistryConfig> {
        let some = |key: &str| Some(value(key)).filter(|text| !text.is_empty());
        let url = some("registry").map(|url| address(&url)).transpose()?;
        let password_file = value("registry-password-file");
        let password = match some("registry-password") {
            None if !password_file.is_empty() && url.is_some() => {
                let text = std::fs::read_to_string(&password_file).with_context(|| {
                    format!("reading the registry's password from {password_file} (registry-password-file)")
                })?;
                Some(Secret(text.trim_end().to_owned()))
            }
            given => given.map(Secret),
        };
        let user = some("registry-user");
        if url.is_some() && user.is_some() != password.is_some() {
            bail!(
                "registry-user goes with a password (FASTBREAK_REGISTRY_PASSWORD or registry-password-file): one is missing; \
                 next: `fastbreak config show --origin`"
            );
        }
        Ok(RegistryConfig { url, user, password, password_file, timeout })
    }
    /// What may be shown under a key.
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

fn address(url: &str) -> Result<String> {
    let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    else {
        bail!("registry: an address starts with http:// or https://; next: `fastbreak config show --origin`");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        bail!(
            "registry: the address holds credentials; set registry-user and FASTBREAK_REGISTRY_PASSWORD or \
             registry-password-file instead"
        );
    }
    if host.is_empty() || rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        bail!("registry: '{url}' is not http(s)://host:port/path; next: `fastbreak config show --origin`");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, user: &str, password: &str, file: &str) -> Result<RegistryConfig> {
        let value = |key: &str| match key {
            "registry" => url.to_owned(),
            "registry-user" => user.to_owned(),
            "registry-password" => password.to_owned(),
            _ => file.to_owned(),
        };
        RegistryConfig::parse(value, Duration::from_secs(1))
    }
    #[test]
    fn an_address_is_taken_without_its_last_slash_and_none_means_none() {
        assert_eq!(parse("", "someone", "", "").unwrap().url, None);
        let found = parse("https://host:8081/apis/ccompat/v7/", "someone", "hush", "").unwrap();
        assert_eq!(found.url.as_deref(), Some("https://host:8081/apis/ccompat/v7"));
        assert_eq!(found.shown("registry-password"), "***");
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
    }
    #[test]
    fn credentials_in_the_address_are_refused_and_not_repeated() {
        for url in ["http://someone:hush@host", "ftp://someone:hush@host", "someone:hush@host"] {
            let error = format!("{:#}", parse(url, "", "", "").unwrap_err());
            assert!(!error.contains("hush"), "{error}");
        }
    }
    #[test]
    fn a_user_without_a_password_and_a_file_that_is_not_there_are_errors() {
        for (user, password, file, says) in [
            ("someone", "", "", "one is missing"),
            ("", "hush", "", "one is missing"),
            ("someone", "", "/nowhere", "from /nowhere"),
        ] {
            let error = format!("{:#}", parse("http://host", user, password, file).unwrap_err());
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
