//! The manifest of a backup: what it contains, which program wrote it, and the hash of each file.
//!
//! The file `manifest.json` has the manifest and a hash of its text, so that a changed byte of it is noticed, too.
//! Invariant: a backup without a manifest is no backup; a backup of a newer format or program version is not used.
//! Not here: the files (`archive`), the folder (`staging`).
use super::staging::Staging;
use crate::precondition::refused;
use anyhow::{Context, Result};
use runtime::clock;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::Path;

/// The name of the manifest's file.
const FILE: &str = "manifest.json";
/// The format of backups that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// What a backup contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupKind {
    /// The file of an embedded log and, if there was one, that of its SQLite warehouse.
    EmbeddedLog,
    /// The raw events of a log, as lines that `ingest` reads.
    RawEvents,
}

/// The newest batch that the warehouse had stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestBatch {
    pub id: String,
    pub planned_at: String,
    pub epoch: i64,
}

/// A compressed file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// The name of the uncompressed file; in the backup, it ends with `.zst`.
    pub name: String,
    pub compressed_bytes: u64,
    pub bytes: u64,
    /// The BLAKE3 hash of the uncompressed file.
    pub hash: String,
}

/// The description of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub kind: BackupKind,
    /// The version of the program that wrote the backup.
    pub fastbreak: String,
    pub sqlite: String,
    pub tables_version: u32,
    /// When the backup was begun, in RFC 3339.
    pub created_at: String,
    /// The id of the log; `None` if the log had none yet.
    pub log: Option<String>,
    pub raw_events: u64,
    /// The time of the newest record of an embedded log, or of the newest fetch; `None` if there is none.
    pub newest: Option<String>,
    /// `None` if the backup has no warehouse, or one in which nothing was written in its epoch.
    pub newest_batch: Option<NewestBatch>,
    /// Records of the raw topics that are not part of the backup, because their loaders had rejected them.
    pub rejected_records: u64,
    pub files: Vec<StoredFile>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    manifest: &'a RawValue,
    hash: String,
}

impl Manifest {
    /// Creates the manifest of a backup that begins now.
    pub fn new(kind: BackupKind) -> Manifest {
        Manifest {
            format: FORMAT,
            kind,
            fastbreak: env!("CARGO_PKG_VERSION").to_owned(),
            sqlite: rusqlite::version().to_owned(),
            tables_version: sinks::tables::TABLES_VERSION,
            created_at: clock::now().to_string(),
            log: None,
            raw_events: 0,
            newest: None,
            newest_batch: None,
            rejected_records: 0,
            files: Vec::new(),
        }
    }
    pub(super) fn write(&self, staging: &Staging) -> Result<()> {
        let manifest = RawValue::from_string(serde_json::to_string_pretty(self)?)?;
        let hash = blake3::hash(manifest.get().as_bytes()).to_hex().to_string();
        let text = serde_json::to_string(&Envelope { manifest: &manifest, hash })?;
        staging.write(FILE, text.as_bytes())
    }
    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// If the folder is no backup, its manifest is damaged, or a newer program wrote it.
    pub fn read(backup: &Path) -> Result<Manifest> {
        let path = backup.join(FILE);
        let name = path.display();
        let what = || format!("restoring {}", backup.display());
        if !path.exists() {
            let reason = format!("there is no {name}, so this is no whole backup");
            return Err(refused(
                what(),
                reason,
                "check the path; a backup is the folder that `fastbreak backup` names",
            )
            .into());
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        let damaged =
            |reason: String| refused(what(), format!("{name} is damaged: {reason}"), "use another backup");
        let envelope: Envelope<'_> =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if blake3::hash(envelope.manifest.get().as_bytes()).to_hex().as_str() != envelope.hash {
            return Err(damaged("its hash does not match".into()).into());
        }
        let Version { format, fastbreak } =
            serde_json::from_str(envelope.manifest.get()).map_err(|error| damaged(error.to_string()))?;
        let this = env!("CARGO_PKG_VERSION");
        if format > FORMAT || is_newer(&fastbreak, this) {
            let reason = format!(
                "Fastbreak {fastbreak} wrote it in format {format}; this is {this}, which reads format {FORMAT}"
            );
            return Err(
                refused(what(), reason, format!("install Fastbreak {fastbreak} or a later version")).into()
            );
        }
        Ok(serde_json::from_str(envelope.manifest.get()).map_err(|error| damaged(error.to_string()))?)
    }
    /// Returns the file with this name; `None` if the backup has none.
    pub fn file(&self, name: &str) -> Option<&StoredFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// The part of a manifest that every later format has, too.
#[derive(Deserialize)]
struct Version {
    format: u32,
    fastbreak: String,
}

/// True if the first version is later than the second one.
fn is_newer(version: &str, than: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        version.split(['.', '-', '+']).map_while(|number| number.parse().ok()).collect()
    };
    numbers(version) > numbers(than)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, change: impl FnOnce(&mut Manifest)) -> Result<Manifest> {
        let target = folder.join("backup");
        let staging = Staging::create(&target)?;
        let mut manifest = Manifest::new(BackupKind::RawEvents);
        change(&mut manifest);
        manifest.write(&staging)?;
        staging.publish()?;
        Manifest::read(&target)
    }
    fn written(change: impl FnOnce(&mut Manifest)) -> Result<Manifest> {
        write(tempfile::tempdir().unwrap().path(), change)
    }

    #[test]
    fn a_manifest_of_this_or_an_earlier_version_is_read() {
        assert_eq!(written(|_| ()).unwrap().kind, BackupKind::RawEvents);
        assert_eq!(written(|manifest| manifest.fastbreak = "0.0.9".into()).unwrap().fastbreak, "0.0.9");
    }
    #[test]
    fn a_manifest_of_a_newer_version_or_format_is_refused_with_the_version_to_install() {
        let newer = written(|manifest| manifest.fastbreak = "0.10.0".into()).unwrap_err().to_string();
        assert!(newer.contains("next: install Fastbreak 0.10.0"), "{newer}");
        assert!(written(|manifest| manifest.format = FORMAT + 1).is_err());
        assert!(is_newer("1.0.0", "0.9.9") && !is_newer("0.1.0", "0.1.0") && !is_newer("0.9.0", "0.10.0"));
    }
    #[test]
    fn no_changed_byte_of_a_manifest_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = write(folder.path(), |_| ()).unwrap();
        let path = folder.path().join("backup").join(FILE);
        let bytes = std::fs::read(&path).unwrap();
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let read = Manifest::read(&folder.path().join("backup"));
            assert!(read.as_ref().ok().is_none_or(|read| *read == manifest), "byte {index}: {read:?}");
        }
    }
}
