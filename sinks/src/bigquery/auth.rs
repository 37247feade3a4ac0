//! Credentials: the key file of a service account, the application default, or none for an emulator.
//!
//! Invariant: all calls use one authenticator, and a token request has a timeout. No message contains a part of a key or token, and none of
//! these types implements `Debug`.
//! Not here: sending API calls (`api_client`).
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

/// Source of the credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The key file of a service account.
    ServiceAccount(PathBuf),
    /// The file that GOOGLE_APPLICATION_CREDENTIALS specifies, else the file that `gcloud auth application-default login` writes, else the
    /// service account of the machine.
    ApplicationDefault,
    /// No credentials, for an emulator.
    None,
}

/// Supplies access tokens.
pub struct Token {
    source: Option<DefaultAuthenticator>,
    is_refresh_forced: AtomicBool,
    /// Timeout of a token request.
    timeout: Duration,
}
impl Token {
    /// Loads the credentials.
    ///
    /// # Errors
    /// The credentials cannot be loaded; the message contains no part of them.
    pub async fn new(credentials: &Credentials, timeout: Duration) -> Result<Token, String> {
        let source = match credentials {
            Credentials::None => None,
            Credentials::ServiceAccount(path) => {
                let key = yup_oauth2::read_service_account_key(path).await.map_err(|error| {
                    let kind = error.kind();
                    format!("{} is not a readable key file of a service account ({kind})", path.display())
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
    /// Makes the next call request a new token.
    pub fn force_refresh(&self) {
        self.is_refresh_forced.store(true, Ordering::Relaxed);
    }
    /// Returns the access token for a call.
    pub async fn bearer(&self) -> Result<String, ApiError> {
        let Some(source) = &self.source else { return Ok("none".into()) };
        let request = async {
            if self.is_refresh_forced.swap(false, Ordering::Relaxed) {
                source.force_refreshed_token(&[SCOPE]).await
            } else {
                source.token(&[SCOPE]).await
            }
        };
        let timed_out = |_| {
            let seconds = self.timeout.as_secs_f64();
            ApiError::NotSent(format!(
                "no access token: the token endpoint did not respond within {seconds} s"
            ))
        };
        let token = tokio::time::timeout(self.timeout, request).await.map_err(timed_out)?;
        let token = token.map_err(|error| reason(&error))?;
        let token = token.token().map(str::to_owned);
        token.ok_or_else(|| {
            ApiError::Auth("no access token: the response of the token endpoint contains none".into())
        })
    }
    /// True if calls need a token.
    pub const fn is_needed(&self) -> bool {
        self.source.is_some()
    }
}

async fn application_default() -> Result<DefaultAuthenticator, String> {
    let failed = |error: std::io::Error| {
        format!("the application default credentials cannot be loaded: {}", error.kind())
    };
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = named
        .or_else(|| home.map(|home| home.join(".config/gcloud/application_default_credentials.json")))
        .filter(|path| path.exists());
    // The file may have user credentials or the key of a service account; the two formats differ.
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

/// Converts an error of a token request; the result contains nothing of the request. A connection failure is transient, not an error of the
/// credentials.
fn reason(error: &yup_oauth2::Error) -> ApiError {
    use yup_oauth2::Error;
    match error {
        Error::HttpError(_) | Error::HttpClientError(_) | Error::LowLevelError(_) => {
            ApiError::NotSent("no access token: the token endpoint is unreachable".into())
        }
        Error::JSONError(_) => ApiError::NotSent("no access token: the response has no valid token".into()),
        Error::AuthError(message) => ApiError::Auth(format!("no access token: {message}")),
        Error::MissingAccessToken => {
            ApiError::Auth("no access token: the response of the token endpoint contains none".into())
        }
        _ => ApiError::Auth("no access token: the credentials are not usable".into()),
    }
}
