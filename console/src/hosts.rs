//! The host names under which the console may be requested.
//!
//! A page of another site can make its own host name resolve to the address of the console, and then read the console in the visitor's
//! browser (DNS rebinding). The browser still sends the name of that site in the header `Host`, so a request with such a name is refused.
//! Invariant: IP addresses and `localhost` are always allowed, since no DNS name resolves to them by somebody else's choice.
//! Not here: which routes are checked (crate root).
use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// Host names, besides IP addresses and `localhost`, under which the page and its data may be requested.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Arc<BTreeSet<String>>);
impl AllowedHosts {
    /// The names are compared without regard to case and to a dot at the end.
    pub fn new(names: impl IntoIterator<Item = String>) -> AllowedHosts {
        AllowedHosts(Arc::new(names.into_iter().map(|name| normalized(&name)).collect()))
    }
    /// True if the value of a header `Host` names an allowed host, with or without a port.
    pub fn allows(&self, host_and_port: &str) -> bool {
        let Some(host) = without_port(host_and_port) else { return false };
        let host = normalized(host);
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        host == "localhost" || address.parse::<IpAddr>().is_ok() || self.0.contains(&host)
    }
}

fn normalized(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Returns the host of `host`, `host:port`, `[address]` or `[address]:port`; `None` if the text has another form.
fn without_port(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let is_port = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

/// Refuses a request whose host is not allowed. The host of an absolute target counts instead of the header, as RFC 9112 §3.2.2 states.
pub async fn check(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
    let target = request.uri().authority().map(|authority| authority.as_str());
    let header = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("not ASCII"));
    let host = target.or(header).unwrap_or("");
    if hosts.allows(host) {
        return next.run(request).await;
    }
    let reason = format!(
        "the host {host:?} is not allowed; request the console by its IP address, or add the name to `console-hosts`\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, reason).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_listed_names_are_allowed_with_any_port() {
        let hosts = AllowedHosts::new(["Stats.Example.".to_owned()]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8780",
            "[::1]",
            "[::1]:80",
            "localhost",
            "LOCALHOST.:1",
            "stats.example",
            "STATS.example:443",
        ] {
            assert!(hosts.allows(host), "{host}");
        }
    }
    #[test]
    fn other_names_and_malformed_hosts_are_not_allowed() {
        let hosts = AllowedHosts::new(["stats.example".to_owned()]);
        for host in [
            "",
            ":80",
            "attacker.example",
            "stats.example.attacker.example",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "127.0.0.1:80@attacker.example",
            "[::1",
            "[::1]x",
            "[attacker.example]",
            "::1",
        ] {
            assert!(!hosts.allows(host), "{host}");
        }
    }
}
