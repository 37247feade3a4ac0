//! Who asks: a service account's file, the application default, or nobody where an emulator answers.
//!
//! Invariant: one authenticator for every call, and none waits for it without end. No part of a key or token is in a message, and none
//! of these types can be printed.
//! Not here: sending (`api_client`).
use super::error::ApiError;
use gcp_bigquery_client::yup_oauth2::{
    self, ApplicationDefaultCredentialsAuthenticator, ApplicationDefaultCredentialsFlowOpts,
    AuthorizedUserAuthenticator, ServiceAccountAuthenticator,
    authenticator::{ApplicationDefaultCredentialsTypes, DefaultAuthenticator},
};
use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// Where credentials come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The key file of a service account.
    ServiceAccount(PathBuf),
    /// GOOGLE_APPLICATION_CREDENTIALS, what `gcloud auth application-default login` left, or the machine's own account.
    ApplicationDefault,
    /// An emulator asks for none.
    None,
}

/// Gives tokens to the calls.
pub struct Token {
    source: Option<DefaultAuthenticator>,
    is_refresh_forced: AtomicBool,
    /// How long whoever gives tokens may take.
    timeout: Duration,
}
impl Token {
    /// Fails with what is wrong with the credentials, never with what is in them.
    pub async fn new(credentials: &Credentials, timeout: Duration) -> Result<Token, String> {
        let source = match credentials {
            Credentials::None => None,
            Credentials::ServiceAccount(path) => {
                let key = yup_oauth2::read_service_account_key(path).await.map_err(|error| {
                    let kind = error.kind();
                    format!(
                        "{} is not the key file of a service account that can be read ({kind})",
                        path.display()
                    )
                })?;
                Some(
                    ServiceAccountAuthenticator::builder(key)
                        .build()
                        .await
                        .map_err(|error| error.kind().to_string())?,
                )
            }
            Credentials::ApplicationDefault => Some(application_default().await?),
        };
        Ok(Token { source, is_refresh_forced: AtomicBool::new(false), timeout })
    }
    /// The token was refused: the next one is a new one.
    pub fn force_refresh(&self) {
        self.is_refresh_forced.store(true, Ordering::Relaxed);
    }
    /// The token to call with.
    pub async fn bearer(&self) -> Result<String, ApiError> {
        let Some(source) = &self.source else { return Ok("none".into()) };
        let request = async {
            match self.is_refresh_forced.swap(false, Ordering::Relaxed) {
                true => source.force_refreshed_token(&[SCOPE]).await,
                false => source.token(&[SCOPE]).await,
            }
        };
        let silent = |_| {
            let seconds = self.timeout.as_secs_f64();
            ApiError::NotSent(format!(
                "no token could be had: whoever gives them did not answer within {seconds} s"
            ))
        };
        let token = tokio::time::timeout(self.timeout, request).await.map_err(silent)?;
        let token = token.map_err(|error| reason(&error))?;
        let token = token.token().map(str::to_owned);
        token.ok_or_else(|| ApiError::Auth("no token could be had: the answer has none".into()))
    }
    /// Whether there is a token that could be refused.
    pub const fn is_needed(&self) -> bool {
        self.source.is_some()
    }
}

async fn application_default() -> Result<DefaultAuthenticator, String> {
    let failed = |error: std::io::Error| format!("the application default credentials: {}", error.kind());
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = named
        .or_else(|| home.map(|home| home.join(".config/gcloud/application_default_credentials.json")))
        .filter(|path| path.exists());
    // A person's own credentials are of another form than an account's.
    if let Some(path) = &path
        && let Ok(secret) = yup_oauth2::read_authorized_user_secret(path).await
    {
        return AuthorizedUserAuthenticator::builder(secret).build().await.map_err(failed);
    }
    if let Some(path) = &path
        && let Ok(key) = yup_oauth2::read_service_account_key(path).await
    {
        return ServiceAccountAuthenticator::builder(key).build().await.map_err(failed);
    }
    let options = ApplicationDefaultCredentialsFlowOpts::default();
    match ApplicationDefaultCredentialsAuthenticator::builder(options).await {
        ApplicationDefaultCredentialsTypes::InstanceMetadata(found) => found.build().await.map_err(failed),
        ApplicationDefaultCredentialsTypes::ServiceAccount(found) => found.build().await.map_err(failed),
    }
}

/// Why there is no token, without a word of what was asked with. What may pass by itself is not the credentials' fault.
fn reason(error: &yup_oauth2::Error) -> ApiError {
    use yup_oauth2::Error;
    match error {
        Error::HttpError(_) | Error::HttpClientError(_) | Error::LowLevelError(_) => {
            ApiError::NotSent("no token could be had: whoever gives them cannot be reached".into())
        }
        Error::JSONError(_) => ApiError::NotSent("no token could be had: the answer is not a token's".into()),
        Error::AuthError(message) => ApiError::Auth(format!("no token could be had: {message}")),
        Error::MissingAccessToken => ApiError::Auth("no token could be had: the answer has none".into()),
        _ => ApiError::Auth("no token could be had: the credentials cannot be used".into()),
    }
}
