//! The form of an input file, recognized by its first bytes: compressed, lines of JSON, or a form that is refused.
//!
//! Invariant: a form is refused with one sentence that states what the file is, and with the command that makes lines of it. A pipe whose
//! first line is complete is recognized without waiting for more, unless this line contains a NUL, as only binary files do.
//! Not here: reading a file (`line_reader`), a line that is not an event (`ingest`).
use serde::de::IgnoredAny;

/// The number of bytes after which a file without a complete first line is recognized by what was read.
pub const MAX_BYTES: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    Lines,
    Gzip,
    Zstd,
    Refused(UnsupportedForm),
}
/// Why a file is refused, and how to make lines of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedForm {
    /// What the file is.
    pub what: &'static str,
    /// The command that writes the lines of the file, whose name follows, to standard output.
    pub of_file: &'static str,
    /// The command that does this with the bytes of its standard input.
    pub of_input: &'static str,
}

const fn refused(what: &'static str, command: &'static str) -> FileForm {
    FileForm::Refused(UnsupportedForm { what, of_file: command, of_input: command })
}
const UTF_16: FileForm = refused("UTF-16 text", "iconv -f UTF-16 -t UTF-8");
const UTF_16_LE: FileForm = refused("UTF-16 text", "iconv -f UTF-16LE -t UTF-8");
const UTF_16_BE: FileForm = refused("UTF-16 text", "iconv -f UTF-16BE -t UTF-8");
const UTF_32: FileForm = refused("UTF-32 text", "iconv -f UTF-32 -t UTF-8");
const UTF_32_LE: FileForm = refused("UTF-32 text", "iconv -f UTF-32LE -t UTF-8");
const UTF_32_BE: FileForm = refused("UTF-32 text", "iconv -f UTF-32BE -t UTF-8");
const ARRAY: FileForm = refused("a JSON array, not one event per line", "jq -c '.[]'");
const PRETTY_PRINTED: FileForm =
    refused("JSON of several lines per event, not one event per line", "jq -c .");
const ZIP: FileForm =
    FileForm::Refused(UnsupportedForm { what: "a zip archive", of_file: "unzip -p", of_input: "funzip" });
const TAR: FileForm =
    FileForm::Refused(UnsupportedForm { what: "a tar archive", of_file: "tar -xOf", of_input: "tar -xOf -" });

/// First bytes of a file, and the form that they show. A longer sequence comes before its own beginning.
const SIGNATURES: [(&[u8], FileForm); 10] = [
    (b"\x1f\x8b", FileForm::Gzip),
    (b"\x28\xb5\x2f\xfd", FileForm::Zstd),
    (b"\xff\xfe\0\0", UTF_32),
    (b"\xff\xfe", UTF_16),
    (b"\0\0\xfe\xff", UTF_32),
    (b"\xfe\xff", UTF_16),
    (b"PK\x03\x04", ZIP),
    (b"BZh", refused("compressed with bzip2", "bunzip2 -c")),
    (b"\xfd7zXZ\0", refused("compressed with xz", "xz -dc")),
    (b"\x04\x22\x4d\x18", refused("compressed with lz4", "lz4 -dc")),
];
/// The size of a block of a tar archive. The first block is a header.
const TAR_BLOCK_BYTES: usize = 512;

/// Returns the form of a file with these first bytes; `None` if more bytes are needed. `is_end` is true if the file has no more bytes.
pub fn recognize(bytes: &[u8], is_end: bool) -> Option<FileForm> {
    let is_end = is_end || bytes.len() >= MAX_BYTES;
    let may_begin = |signature: &[u8]| bytes.len() < signature.len() && signature.starts_with(bytes);
    let is_begun = SIGNATURES.iter().any(|(signature, _)| may_begin(signature)) || may_begin(BYTE_ORDER_MARK);
    if is_begun && !is_end {
        return None;
    }
    if let Some((_, form)) = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Some(*form);
    }
    let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if first_line.contains(&0) || bytes.starts_with(b"\n\0") {
        if bytes.len() < TAR_BLOCK_BYTES && !is_end {
            return None;
        }
        if let Some(form) = wide_text(bytes).or_else(|| is_tar(bytes).then_some(TAR)) {
            return Some(form);
        }
    }
    recognize_text(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start(), is_end)
}

/// Returns the form of a text without byte order mark whose characters have two or four bytes: all but one of the bytes of its first
/// character, with which JSON can begin, are NUL.
fn wide_text(bytes: &[u8]) -> Option<FileForm> {
    let is_first = |byte: &u8| b"{[\" \t\r\n".contains(byte);
    match bytes {
        [first, 0, 0, 0, ..] if is_first(first) => Some(UTF_32_LE),
        [0, 0, 0, first, ..] if is_first(first) => Some(UTF_32_BE),
        [first, 0, ..] if is_first(first) => Some(UTF_16_LE),
        [0, first, ..] if is_first(first) => Some(UTF_16_BE),
        _ => None,
    }
}

/// True if the first block is the header of a tar archive: it contains its own checksum, in octal digits, for which spaces are counted.
fn is_tar(bytes: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let (Some(header), Some(written)) = (bytes.get(..TAR_BLOCK_BYTES), bytes.get(CHECKSUM)) else {
        return false;
    };
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let of_checksum: u32 = written.iter().map(|byte| u32::from(*byte)).sum();
    let expected = sum - of_checksum + CHECKSUM.len() as u32 * u32::from(b' ');
    let digits = std::str::from_utf8(written).unwrap_or_default().trim_matches(['\0', ' ']);
    u32::from_str_radix(digits, 8) == Ok(expected)
}

/// Returns the form of a text. It is refused if it begins with an array of objects, or if its first line is the beginning of a value that
/// the second line continues. A line that was not written to its end is followed by the next event, so it does not refuse the file.
fn recognize_text(text: &[u8], is_end: bool) -> Option<FileForm> {
    if let Some(elements) = text.strip_prefix(b"[") {
        match elements.trim_ascii_start().first() {
            Some(b'{' | b'[' | b']') => return Some(ARRAY),
            None if !is_end => return None,
            _ => return Some(FileForm::Lines),
        }
    }
    let Some(line_end) = text.iter().position(|byte| *byte == b'\n') else {
        return is_end.then_some(FileForm::Lines);
    };
    let (first, others) = text.split_at(line_end);
    if !serde_json::from_slice::<IgnoredAny>(first).is_err_and(|error| error.is_eof()) {
        return Some(FileForm::Lines);
    }
    match others.trim_ascii_start().first() {
        None if !is_end => None,
        None | Some(b'{') => Some(FileForm::Lines),
        Some(_) => Some(PRETTY_PRINTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVENT: &str = r#"{"source":"nbacom","payload":{"a":[1,2]}}"#;

    fn form(text: &str) -> Option<FileForm> {
        recognize(text.as_bytes(), true)
    }

    #[test]
    fn lines_are_recognized_with_every_end_of_line_and_with_a_byte_order_mark() {
        for text in [
            format!("{EVENT}\n{EVENT}\n"),
            format!("{EVENT}\r\n{EVENT}\r\n"),
            format!("\u{feff}{EVENT}\n"),
            format!("\n\n{EVENT}"),
            String::new(),
            "\n".to_owned(),
        ] {
            assert_eq!(form(&text), Some(FileForm::Lines), "{text:?}");
        }
    }

    #[test]
    fn a_bad_first_line_does_not_refuse_the_other_lines() {
        for line in
            ["not json", r#"{"a":NaN}"#, r#"{"a":"#, "[INFO] started", "[1] started", r#"{"a":"b"#, "17"]
        {
            let text = format!("{line}\n{EVENT}\n{EVENT}\n");
            assert_eq!(form(&text), Some(FileForm::Lines), "{line}");
        }
    }

    #[test]
    fn an_array_and_pretty_printed_json_are_refused() {
        assert_eq!(form(&format!("[{EVENT},\n{EVENT}]")), Some(ARRAY));
        assert_eq!(form(&format!(" [\r\n  {EVENT}\n]\n")), Some(ARRAY));
        assert_eq!(form("[]"), Some(ARRAY));
        assert_eq!(form("{\n  \"source\": \"nbacom\",\n  \"payload\": {}\n}\n"), Some(PRETTY_PRINTED));
        assert_eq!(form("{\n  \"a\": NaN\n}\n"), Some(PRETTY_PRINTED));
        assert_eq!(form("{ \"a\": 1,\n\n  \"b\": 2 }"), Some(PRETTY_PRINTED));
    }

    #[test]
    fn binary_files_and_utf_16_are_recognized() {
        let utf_16: Vec<u8> = EVENT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(recognize(&utf_16, true), Some(UTF_16_LE));
        assert_eq!(recognize(&[b"\xff\xfe", utf_16.as_slice()].concat(), true), Some(UTF_16));
        for begin in ["", "\n", "\r\n", "  ", "["] {
            let text = format!("{begin}{EVENT}\n");
            let units = || text.encode_utf16();
            let points = || text.chars().map(u32::from);
            for (mark, bytes, marked, unmarked) in [
                (
                    &b"\xff\xfe"[..],
                    units().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
                    UTF_16,
                    UTF_16_LE,
                ),
                (b"\xfe\xff", units().flat_map(u16::to_be_bytes).collect(), UTF_16, UTF_16_BE),
                (b"\xff\xfe\0\0", points().flat_map(u32::to_le_bytes).collect(), UTF_32, UTF_32_LE),
                (b"\0\0\xfe\xff", points().flat_map(u32::to_be_bytes).collect(), UTF_32, UTF_32_BE),
            ] {
                let with_mark = [mark, bytes.as_slice()].concat();
                for (bytes, expected) in [(&with_mark, marked), (&bytes, unmarked)] {
                    assert_eq!(recognize(bytes, true), Some(expected), "{begin:?}");
                    for end in 0..bytes.len() {
                        let early = recognize(&bytes[..end], false);
                        assert!(early.is_none() || early == Some(expected), "{begin:?} after {end} bytes");
                    }
                }
            }
        }
        assert_eq!(recognize(b"\x1f\x8b\x08", false), Some(FileForm::Gzip));
        assert_eq!(recognize(b"\x28\xb5\x2f\xfd\0", false), Some(FileForm::Zstd));
    }

    /// Returns a tar archive with one file.
    fn tar(name: &str, content: &str) -> Vec<u8> {
        let mut header = [0; TAR_BLOCK_BYTES];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        [header.as_slice(), content.as_bytes()].concat()
    }

    #[test]
    fn a_tar_archive_is_recognized_by_its_checksum_and_a_torn_first_line_is_no_archive() {
        let mut archive = tar("events.jsonl", EVENT);
        assert_eq!(recognize(&archive, true), Some(TAR));
        assert_eq!(recognize(&archive[..100], false), None);
        archive[0] = b'f';
        assert_eq!(recognize(&archive, true), Some(FileForm::Lines));
        let torn = format!("{{\"source\":\"nba{}\n{EVENT}\n", "\0".repeat(600));
        assert_eq!(form(&torn), Some(FileForm::Lines));
    }

    proptest! {
        #[test]
        fn a_form_that_is_recognized_early_is_that_of_the_whole_file(
            parts in prop::collection::vec(
                prop::sample::select(
                    &[EVENT, "{", "}", "[", "]", "\n", ",", "\"a\":1", "\u{feff}", "x", "\r\n", "\0"][..]), 0..12),
        ) {
            let text = parts.concat();
            let whole = form(&text);
            for end in 0..=text.len() {
                let early = recognize(&text.as_bytes()[..end], false);
                prop_assert!(early.is_none() || early == whole, "{early:?} after {end} bytes of {text:?}");
            }
            prop_assert!(whole.is_some());
        }
        #[test]
        fn a_complete_first_line_is_enough(line in "[^\\n\\x00]{0,30}") {
            prop_assert_eq!(recognize(format!("{EVENT}{line}\n").as_bytes(), false), Some(FileForm::Lines));
        }
    }
}
