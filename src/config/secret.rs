//! A secret that is set as a value, or as the path of a file that contains the value.
//!
//! Invariant: of value and file, the one from the source with the higher precedence counts; a source cannot set both.
//! Not here: which settings are secrets (`keys`, `kafka`).
use super::{error::ConfigError, values::SourcedText};

/// The two ways in which a secret can be set.
pub(super) struct Secret<'a> {
    /// Name of the setting with the value, and name of the setting with the path.
    pub names: (&'a str, &'a str),
    pub value: Option<SourcedText>,
    pub file: Option<SourcedText>,
}
impl Secret<'_> {
    /// Returns the secret, and the origin of the setting that it comes from; `None` if it is not set.
    ///
    /// # Errors
    /// If a source sets both value and file, or the file cannot be read.
    pub fn read(self) -> Result<Option<SourcedText>, ConfigError> {
        let (name, file_name) = self.names;
        let Some(file) = self.file else { return Ok(self.value) };
        if let Some(value) = self.value {
            let (value_precedence, file_precedence) = (value.origin.precedence(), file.origin.precedence());
            if value_precedence == file_precedence {
                return Err(ConfigError::set_twice(name, &value.origin, file_name, &file.origin));
            }
            if value_precedence > file_precedence {
                return Ok(Some(value));
            }
        }
        match std::fs::read_to_string(&file.text) {
            Ok(text) => Ok(Some(SourcedText { text: text.trim_end().to_owned(), origin: file.origin })),
            Err(reason) => Err(ConfigError::UnreadableSecret {
                name: name.to_owned(),
                path: file.text,
                setting: file_name.to_owned(),
                origin: file.origin,
                reason,
            }),
        }
    }
}
