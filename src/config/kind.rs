//! The types of configuration values: how a text is parsed and shown, and which values are valid.
//!
//! Invariant: parsing the shown text of a value returns the same value, unless the value is a secret.
//! Not here: which key has which type (`keys`), rules that concern several keys (`resolve`).
use schema_registry::Secret;
use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

/// Type of a configuration value, with its range and unit. `T` is the type of the parsed value.
pub trait Kind<T> {
    /// Returns type, range and unit with an article, as in "an integer from 1 to 9".
    fn describe(&self) -> String;
    /// Parses a value.
    ///
    /// # Errors
    /// If the text is not a valid value; the message states which values are valid.
    fn parse(&self, text: &str) -> Result<T, String>;
    /// Returns the value as text.
    fn show(&self, value: &T) -> String;
}

fn must_be<T>(kind: &impl Kind<T>) -> String {
    format!("must be {}", kind.describe())
}

/// A value that may be empty, which is parsed to `None`.
pub struct Optional<K>(pub K);
impl<T, K: Kind<T>> Kind<Option<T>> for Optional<K> {
    fn describe(&self) -> String {
        format!("{}, or empty", self.0.describe())
    }
    fn parse(&self, text: &str) -> Result<Option<T>, String> {
        if text.is_empty() { Ok(None) } else { self.0.parse(text).map(Some) }
    }
    fn show(&self, value: &Option<T>) -> String {
        value.as_ref().map_or_else(String::new, |value| self.0.show(value))
    }
}

/// A text that may also be empty.
pub struct OrEmpty<K>(pub K);
impl<K: Kind<String>> Kind<String> for OrEmpty<K> {
    fn describe(&self) -> String {
        format!("{}, or empty", self.0.describe())
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        if text.is_empty() { Ok(String::new()) } else { self.0.parse(text) }
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// A text in one line.
pub struct Text;
impl Kind<String> for Text {
    fn describe(&self) -> String {
        "a text".into()
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err("must be a text in one line, and not empty".into());
        }
        Ok(text.to_owned())
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// A text that is not shown.
pub struct SecretText;
impl Kind<Secret> for SecretText {
    fn describe(&self) -> String {
        "a text".into()
    }
    fn parse(&self, text: &str) -> Result<Secret, String> {
        Ok(Secret::new(text.to_owned()))
    }
    fn show(&self, _: &Secret) -> String {
        "***".into()
    }
}

/// The path of a file or folder.
pub struct Path;
impl Kind<PathBuf> for Path {
    fn describe(&self) -> String {
        "a path".into()
    }
    fn parse(&self, text: &str) -> Result<PathBuf, String> {
        if text.is_empty() || text.contains('\0') { Err(must_be(self)) } else { Ok(text.into()) }
    }
    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// A name of up to `max_length` ASCII letters, digits and characters of `other`.
pub struct Name {
    pub other: &'static str,
    pub max_length: usize,
}
impl Name {
    fn is_allowed(&self, c: char) -> bool {
        c.is_ascii_alphanumeric() || self.other.contains(c)
    }
}
impl Kind<String> for Name {
    fn describe(&self) -> String {
        let other: Vec<String> = self.other.chars().map(String::from).collect();
        format!("a name of up to {} ASCII letters, digits and {}", self.max_length, other.join(" "))
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        let is_valid =
            (1..=self.max_length).contains(&text.len()) && text.chars().all(|c| self.is_allowed(c));
        if is_valid { Ok(text.to_owned()) } else { Err(must_be(self)) }
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// A name that defaults to the host name if the text is empty. In a host name, a dash replaces each character that a name must not have.
pub struct NameOrHostName(pub Name);
impl NameOrHostName {
    /// Returns a valid name for this host name.
    fn name_of_host(&self, host: &str) -> Result<String, String> {
        let host = if host.trim().is_empty() { "host" } else { host.trim() };
        let allowed = host.chars().map(|c| if self.0.is_allowed(c) { c } else { '-' });
        self.0.parse(&allowed.take(self.0.max_length).collect::<String>())
    }
}
impl Kind<String> for NameOrHostName {
    fn describe(&self) -> String {
        format!("{}, or empty", self.0.describe())
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        if !text.is_empty() {
            return self.0.parse(text);
        }
        self.name_of_host(&std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default())
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// An IP address with a port.
pub struct Address;
impl Kind<SocketAddr> for Address {
    fn describe(&self) -> String {
        "an IP address with a port".into()
    }
    fn parse(&self, text: &str) -> Result<SocketAddr, String> {
        text.parse().map_err(|_| format!("{}, such as 127.0.0.1:8780", must_be(self)))
    }
    fn show(&self, value: &SocketAddr) -> String {
        value.to_string()
    }
}

/// The base URL of a server, parsed without its trailing slash. Credentials in a URL are refused, because the URL is shown.
pub struct Url;
impl Kind<String> for Url {
    fn describe(&self) -> String {
        "a URL of the form http(s)://host:port/path".into()
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let rest = rest.ok_or_else(|| must_be(self))?;
        // A password may contain a slash, so an `@` is refused wherever it is.
        if rest.contains('@') {
            return Err("must be a URL without credentials, which have keys of their own".into());
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let has_valid_port = host.ends_with(']') || !host.contains(':') || has_host_and_port(host);
        let has_other_parts = rest.contains(['?', '#']) || rest.contains(char::is_whitespace);
        if host.is_empty() || !has_valid_port || has_other_parts {
            return Err(must_be(self));
        }
        Ok(text.trim_end_matches('/').to_owned())
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// True if the text is a host name or an address, a colon and a port.
fn has_host_and_port(text: &str) -> bool {
    let is_host =
        |host: &str| !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@".contains(c));
    text.rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Hosts with ports, separated by commas.
pub struct HostList;
impl Kind<String> for HostList {
    fn describe(&self) -> String {
        "host:port, separated by commas".into()
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        if text.split(',').map(str::trim).all(has_host_and_port) {
            Ok(text.to_owned())
        } else {
            Err(must_be(self))
        }
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// Host names without ports, separated by commas; none if the text is empty.
pub struct HostNames;
impl Kind<Vec<String>> for HostNames {
    fn describe(&self) -> String {
        "host names without ports, separated by commas, or empty".into()
    }
    fn parse(&self, text: &str) -> Result<Vec<String>, String> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = |name: &&str| !name.is_empty() && name.bytes().all(is_allowed);
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        if names.iter().all(is_name) {
            Ok(names.into_iter().map(str::to_owned).collect())
        } else {
            Err(must_be(self))
        }
    }
    fn show(&self, value: &Vec<String>) -> String {
        value.join(",")
    }
}

/// The path of a key file, or a word. The content of a key file is refused, because the value is shown.
pub struct KeyFile;
impl Kind<String> for KeyFile {
    fn describe(&self) -> String {
        "the path of a key file, `default` or `none`".into()
    }
    fn parse(&self, text: &str) -> Result<String, String> {
        if text.contains('{') {
            return Err(format!("{}, not the content of a key file", must_be(self)));
        }
        Ok(text.to_owned())
    }
    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// One of a few names.
pub struct Choice<T: 'static> {
    pub values: &'static [T],
    pub name: fn(T) -> &'static str,
}
impl<T: Copy> Kind<T> for Choice<T> {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.values.iter().map(|value| (self.name)(*value)).collect();
        names.join(" or ")
    }
    fn parse(&self, text: &str) -> Result<T, String> {
        self.values.iter().copied().find(|value| (self.name)(*value) == text).ok_or_else(|| must_be(self))
    }
    fn show(&self, value: &T) -> String {
        (self.name)(*value).to_owned()
    }
}

/// `true` or `false`, in any case.
pub struct Switch;
impl Kind<bool> for Switch {
    fn describe(&self) -> String {
        "true or false".into()
    }
    fn parse(&self, text: &str) -> Result<bool, String> {
        text.trim().to_lowercase().parse().map_err(|_| must_be(self))
    }
    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// A number from 0 to 1.
pub struct Ratio;
impl Kind<f64> for Ratio {
    fn describe(&self) -> String {
        "a number from 0 to 1".into()
    }
    fn parse(&self, text: &str) -> Result<f64, String> {
        let ratio = text.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.ok_or_else(|| must_be(self))
    }
    fn show(&self, value: &f64) -> String {
        value.to_string()
    }
}

/// An integer within a range.
pub struct Integer {
    range: RangeInclusive<u64>,
    /// The unit, as in " (bytes)"; empty for a number.
    unit: &'static str,
}
/// Returns the type of numbers within a range.
pub const fn count(range: RangeInclusive<u64>) -> Integer {
    Integer { range, unit: "" }
}
/// Returns the type of sizes in bytes within a range.
pub const fn bytes(range: RangeInclusive<u64>) -> Integer {
    Integer { range, unit: " (bytes)" }
}
impl Integer {
    fn must_be(&self) -> String {
        let (min, max) = (self.range.start(), self.range.end());
        format!("an integer from {min} to {max}{}", self.unit)
    }
    fn parse_in_range(&self, text: &str) -> Result<u64, String> {
        let number = text.trim().parse().ok().filter(|number| self.range.contains(number));
        number.ok_or_else(|| format!("must be {}", self.must_be()))
    }
}
impl<T: TryFrom<u64> + Display> Kind<T> for Integer {
    fn describe(&self) -> String {
        self.must_be()
    }
    fn parse(&self, text: &str) -> Result<T, String> {
        self.parse_in_range(text)?.try_into().map_err(|_| format!("must be {}", self.must_be()))
    }
    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// A duration within a range, as an integer.
pub struct Time {
    integer: Integer,
    unit_ms: u64,
}
/// Returns the type of durations in milliseconds within a range.
pub const fn milliseconds(range: RangeInclusive<u64>) -> Time {
    Time { integer: Integer { range, unit: " (milliseconds)" }, unit_ms: 1 }
}
/// Returns the type of durations in seconds within a range.
pub const fn seconds(range: RangeInclusive<u64>) -> Time {
    Time { integer: Integer { range, unit: " (seconds)" }, unit_ms: 1000 }
}
impl Kind<Duration> for Time {
    fn describe(&self) -> String {
        self.integer.must_be()
    }
    fn parse(&self, text: &str) -> Result<Duration, String> {
        let number = self.integer.parse_in_range(text)?;
        Ok(Duration::from_millis(number.saturating_mul(self.unit_ms)))
    }
    fn show(&self, value: &Duration) -> String {
        (value.as_millis() / u128::from(self.unit_ms)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_name_gives_a_valid_name() {
        let kind = NameOrHostName(Name { other: "._-", max_length: 10 });
        for (host, expected) in
            [("node-1.local\n", "node-1.loc"), ("büro pc", "b-ro-pc"), ("", "host"), ("ü", "-")]
        {
            assert_eq!(kind.name_of_host(host).as_deref(), Ok(expected));
        }
    }
}
