//! Configuration: one strict struct, from a file, the environment and flags, in that order; each value knows where it came from.
//!
//! Invariant: an unknown key, or a value that does not parse, is an error that names its place; nothing is ignored.
//! Not here: what the values do.
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}
impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.to_string()
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder of `log.db` and `warehouse.db`.
    pub data: PathBuf,
    /// Where the health endpoint listens while `run` is up; none by default.
    pub health: Option<SocketAddr>,
    /// The artefact of `learned_v1`.
    pub learned_model: Option<PathBuf>,
    /// Bytes that a processor reads at most for one commit.
    pub batch_bytes: usize,
    /// How long a processor waits for those upstream of it to run dry.
    pub patience: Duration,
    pub sink_max_records: usize,
    pub sink_max_bytes: usize,
    pub sink_max_age: Duration,
    origins: BTreeMap<&'static str, Origin>,
}

/// The keys: name, meaning, default.
pub const KEYS: [(&str, &str, &str); 8] = [
    ("data", "folder of log.db and warehouse.db", ".fastbreak"),
    ("health", "address of the health endpoint while running, e.g. 127.0.0.1:8780; empty: none", ""),
    ("learned-model", "path of the artefact of learned_v1; empty: none", ""),
    ("batch-bytes", "bytes that a processor reads at most for one commit", "33554432"),
    ("patience-ms", "milliseconds that a processor waits for those upstream of it", "2000"),
    ("sink-max-records", "records that close a batch of the sink", "10000"),
    ("sink-max-bytes", "bytes that close a batch of the sink", "6291456"),
    ("sink-max-age-ms", "milliseconds after which a batch of the sink closes", "15000"),
];
/// Looked for in the working folder when no file is named.
pub const DEFAULT_FILE: &str = "fastbreak.toml";

impl Config {
    /// Resolves all values. `file` is read when named, or when the default one is there; `flags` hold what the command line gave.
    pub fn resolve(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
        flags: &[(&'static str, String)],
    ) -> Result<Config> {
        let mut values: BTreeMap<&'static str, (String, Origin)> =
            KEYS.iter().map(|(key, _, default)| (*key, ((*default).to_owned(), Origin::Default))).collect();
        let default = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default.exists().then_some(default)) {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the configuration {}", path.display()))?;
            for (key, value) in read(path, &text)? {
                values.insert(key, (value, Origin::File(path.to_owned())));
            }
        }
        for (key, ..) in KEYS {
            let name = format!("FASTBREAK_{}", key.to_uppercase().replace('-', "_"));
            if let Some(value) = environment(&name) {
                values.insert(key, (value, Origin::Environment(name)));
            }
        }
        for (key, value) in flags {
            let flag = KEYS.iter().find(|(name, ..)| name == key).map_or("", |(name, ..)| *name);
            values.insert(flag, (value.clone(), Origin::Flag(flag)));
        }
        Config::parse(&values)
    }
    fn parse(values: &BTreeMap<&'static str, (String, Origin)>) -> Result<Config> {
        fn number<T: std::str::FromStr<Err: fmt::Display>>(
            (text, origin): &(String, Origin),
            key: &str,
        ) -> Result<T> {
            text.parse().map_err(|error| {
                anyhow::anyhow!(
                    "{key} = '{text}' ({origin}): {error}; `fastbreak config show` lists the keys"
                )
            })
        }
        let value = |key: &str| values.get(key).cloned().unwrap_or((String::new(), Origin::Default));
        let some = |key: &str| Some(value(key)).filter(|(text, _)| !text.is_empty());
        Ok(Config {
            data: value("data").0.into(),
            health: some("health").map(|value| number(&value, "health")).transpose()?,
            learned_model: some("learned-model").map(|(text, _)| text.into()),
            batch_bytes: number(&value("batch-bytes"), "batch-bytes")?,
            patience: Duration::from_millis(number(&value("patience-ms"), "patience-ms")?),
            sink_max_records: number(&value("sink-max-records"), "sink-max-records")?,
            sink_max_bytes: number(&value("sink-max-bytes"), "sink-max-bytes")?,
            sink_max_age: Duration::from_millis(number(&value("sink-max-age-ms"), "sink-max-age-ms")?),
            origins: values.iter().map(|(key, (_, origin))| (*key, origin.clone())).collect(),
        })
    }
    /// Key, value, meaning and origin of everything, as it is.
    pub fn entries(&self) -> Vec<(&'static str, String, &'static str, Origin)> {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(String::new, |path| path.display().to_string())
        };
        let value = |key: &str| match key {
            "data" => self.data.display().to_string(),
            "health" => self.health.map_or_else(String::new, |address| address.to_string()),
            "learned-model" => path(&self.learned_model),
            "batch-bytes" => self.batch_bytes.to_string(),
            "patience-ms" => self.patience.as_millis().to_string(),
            "sink-max-records" => self.sink_max_records.to_string(),
            "sink-max-bytes" => self.sink_max_bytes.to_string(),
            _ => self.sink_max_age.as_millis().to_string(),
        };
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or(Origin::Default);
        KEYS.iter().map(|(key, meaning, _)| (*key, value(key), *meaning, origin(key))).collect()
    }
}

/// The keys of a file; an unknown one is an error with its place.
fn read(path: &Path, text: &str) -> Result<Vec<(&'static str, String)>> {
    let table: toml::Table =
        toml::from_str(text).with_context(|| format!("{} is not TOML", path.display()))?;
    let mut found = Vec::new();
    for (key, value) in table {
        let line =
            text.lines().position(|line| line.trim_start().starts_with(&key)).map_or(0, |line| line + 1);
        let place = format!("{}:{line}", path.display());
        let Some((known, ..)) = KEYS.iter().find(|(known, ..)| *known == key) else {
            let keys: Vec<&str> = KEYS.iter().map(|(key, ..)| *key).collect();
            bail!("{place}: unknown key '{key}'; the keys are {}", keys.join(", "));
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            other => bail!("{place}: {key} is a string or a whole number, not {}", other.type_str()),
        };
        found.push((*known, text));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, environment: &[(&str, &str)], flags: &[(&'static str, String)]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        std::fs::write(&file, text).unwrap();
        let environment =
            |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::resolve(Some(&file), environment, flags)
    }
    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let config =
            resolve("data = 'a'\nbatch-bytes = 5\n", &[("FASTBREAK_DATA", "b")], &[("data", "c".into())])
                .unwrap();
        assert_eq!((config.data.to_str(), config.batch_bytes), (Some("c"), 5));
        let origin =
            |key: &str| config.entries().into_iter().find(|entry| entry.0 == key).unwrap().3.to_string();
        assert_eq!(origin("data"), "flag data");
        assert!(origin("batch-bytes").starts_with("file "));
        assert_eq!(origin("health"), "default");
    }
    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let error = resolve("data = 'a'\nbrokerz = 'x'\n", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("f.toml:2: unknown key 'brokerz'"), "{error}");
    }
    #[test]
    fn a_value_that_does_not_parse_names_its_origin() {
        let error = resolve("", &[("FASTBREAK_PATIENCE_MS", "soon")], &[]).unwrap_err().to_string();
        assert!(error.contains("patience-ms = 'soon' (environment FASTBREAK_PATIENCE_MS)"), "{error}");
    }
}
