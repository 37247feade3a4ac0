//! Prose: the part of a file that is written for people.
//!
//! In Rust, Java and Python, that is comments and string literals; in scripts, settings, pages and schemas, it is the whole file.
//! Invariant: the prose has as many lines as the file, so that line numbers are correct. Code becomes `CODE`, so that a phrase does not
//! match across it; comment marks become spaces, so that a phrase matches across the lines of a comment.
//! Not here: the search for banned terms (`search`).

/// The placeholder that replaces each character of code.
const CODE: char = '\0';

#[derive(Clone, Copy, PartialEq)]
enum Language {
    CLike,
    Python,
    /// A script, settings file, page or schema: the whole file is prose.
    Text,
}

/// Returns the prose of a file; `None` for a file without prose of this project, such as data, lock files and the license.
pub fn prose(name: &str, text: &str) -> Option<String> {
    let whole = |text: &str| text.split_inclusive('\n').map(without_comment_mark).collect();
    match language(name, text)? {
        Language::Text if name.ends_with(".md") => Some(text.to_owned()),
        Language::Text => Some(whole(&text.replace("\\n", "  "))),
        language => Some(Scanner::new(language, text).scan()),
    }
}

fn language(name: &str, text: &str) -> Option<Language> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let first_line = text.lines().next().unwrap_or_default();
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs" | "java") => Some(Language::CLike),
        Some("py") => Some(Language::Python),
        Some(
            "md" | "toml" | "yml" | "yaml" | "json" | "avsc" | "service" | "html" | "css" | "js" | "xml",
        ) => Some(Language::Text),
        None if first_line.starts_with("#!") && first_line.contains("python") => Some(Language::Python),
        None if first_line.starts_with("#!") || file == "Dockerfile" => Some(Language::Text),
        _ => None,
    }
}

/// Replaces the `#` at the beginning of a line with spaces.
fn without_comment_mark(line: &str) -> String {
    let code = line.trim_start();
    let indent = line.len() - code.len();
    let marks = code.len() - code.trim_start_matches('#').len();
    format!("{}{}{}", &line[..indent], " ".repeat(marks), &code[marks..])
}

/// State of the scan of a source file, which is read once, character by character.
struct Scanner {
    language: Language,
    source: Vec<char>,
    at: usize,
    out: String,
}

impl Scanner {
    fn new(language: Language, text: &str) -> Self {
        Self { language, source: text.chars().collect(), at: 0, out: String::with_capacity(text.len()) }
    }

    fn scan(mut self) -> String {
        while self.at < self.source.len() {
            let is_c = self.language == Language::CLike;
            if is_c && self.starts_with("//") {
                self.line_comment(&['/', '!']);
            } else if is_c && self.starts_with("/*") {
                self.block_comment();
            } else if !is_c && self.starts_with("#") {
                self.line_comment(&['#', '!']);
            } else if let Some(hashes) = self.raw_string() {
                self.string(&format!("\"{}", "#".repeat(hashes)), false);
            } else if is_c && self.starts_with("'") {
                self.character_or_lifetime();
            } else if let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|q| self.starts_with(q))
            {
                // Three quotes open one string only in Python. In other languages they are an empty string and the beginning of a
                // second string.
                let quote = if is_c { "\"" } else { quote };
                self.skip(quote.len());
                self.string(quote, true);
            } else {
                self.skip(1);
            }
        }
        self.out
    }

    fn starts_with(&self, mark: &str) -> bool {
        let mut rest = self.source[self.at..].iter();
        mark.chars().all(|c| rest.next() == Some(&c))
    }

    /// Copies the next `count` characters to the output. If `other` is given, writes it instead of each character that is not white space.
    fn put(&mut self, count: usize, other: Option<char>) {
        let end = (self.at + count).min(self.source.len());
        for &c in &self.source[self.at..end] {
            self.out.push(other.filter(|_| !c.is_whitespace()).unwrap_or(c));
        }
        self.at = end;
    }

    fn skip(&mut self, count: usize) {
        self.put(count, Some(CODE));
    }

    fn line_comment(&mut self, marks: &[char]) {
        while self.source.get(self.at).is_some_and(|c| marks.contains(c)) {
            self.put(1, Some(' '));
        }
        while self.source.get(self.at).is_some_and(|&c| c != '\n') {
            self.put(1, None);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.source.len() {
            if self.starts_with("/*") {
                depth += 1;
                self.put(2, Some(' '));
            } else if self.starts_with("*/") {
                depth -= 1;
                self.put(2, Some(' '));
            } else {
                self.put(1, None);
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Skips the opening of a raw string and returns its number of `#`; returns `None` if no raw string begins here.
    fn raw_string(&mut self) -> Option<usize> {
        let is_in_name = self.at > 0 && is_name(self.source[self.at - 1]) && self.source[self.at - 1] != 'b';
        if self.language != Language::CLike || !self.starts_with("r") || is_in_name {
            return None;
        }
        let hashes = self.source[self.at + 1..].iter().take_while(|&&c| c == '#').count();
        let is_raw = self.source.get(self.at + 1 + hashes) == Some(&'"');
        is_raw.then(|| {
            self.skip(hashes + 2);
            hashes
        })
    }

    /// Writes a string up to its closing quote; the arguments in a format string are code.
    fn string(&mut self, quote: &str, has_escapes: bool) {
        while self.at < self.source.len() && !self.starts_with(quote) {
            if has_escapes && self.starts_with("\\") {
                self.escape();
            } else if self.starts_with("{") {
                self.put(1, Some(CODE));
                self.argument();
            } else {
                self.put(1, None);
            }
        }
        self.skip(quote.len());
    }

    fn escape(&mut self) {
        let is_long = self.starts_with("\\u{") || self.starts_with("\\x");
        self.put(2, Some(' '));
        let is_digit = |c: &char| c.is_ascii_hexdigit() || matches!(c, '{' | '}');
        while is_long && self.source.get(self.at).is_some_and(is_digit) {
            self.put(1, Some(' '));
        }
    }

    /// Skips the name of an argument after its opening brace.
    fn argument(&mut self) {
        let name = self.source[self.at..].iter().take_while(|&&c| is_name(c)).count();
        if matches!(self.source.get(self.at + name), Some('}' | ':' | '.' | '[' | '(' | '!')) {
            self.skip(name);
        }
    }

    fn character_or_lifetime(&mut self) {
        let is_escaped = self.source.get(self.at + 1) == Some(&'\\');
        let is_character = is_escaped || self.source.get(self.at + 2) == Some(&'\'');
        // Skips the escaped character, too, which may be a quote.
        self.skip(if is_escaped { 3 } else { 1 });
        while is_character && self.at < self.source.len() {
            let is_end = self.starts_with("'");
            self.skip(1);
            if is_end {
                return;
            }
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the words of the prose.
#[cfg(test)]
fn of(name: &str, text: &str) -> String {
    let prose = prose(name, text).unwrap();
    assert_eq!(prose.lines().count(), text.lines().count(), "the prose must have as many lines as the file");
    prose.replace(CODE, " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_and_strings_of_rust_are_prose_and_code_is_not() {
    let source = "//! head\nuse code; // after\n/* block /* inner */ end */\nlet code = \"string\" + r#\"raw \"too\"\"#;";
    assert_eq!(of("a.rs", source), "head after block inner end string raw \"too\"");
}

#[test]
fn quotes_in_character_literals_and_lifetimes_open_no_string() {
    assert_eq!(of("a.rs", "'\"' code '\\'' code &'a str \"yes\" 'x' '\\u{1f}'"), "yes");
}

#[test]
fn an_escape_separates_words_and_an_argument_of_a_format_is_code() {
    assert_eq!(of("a.rs", r#""one\ntwo {code} {code:?} {} \"three\" \\" code"#), "one two } :?} } three");
}

#[test]
fn a_phrase_goes_on_over_the_lines_of_one_comment() {
    let text = prose("a.rs", "    /// red\n    /// blob\n").unwrap();
    assert!(!text.contains(CODE));
    let text = prose("a.rs", "let a; // red\nlet b; // blob\n").unwrap();
    assert!(text[text.find("red").unwrap()..text.find("blob").unwrap()].contains(CODE));
}

#[test]
fn comments_and_strings_of_python_are_prose() {
    let source = "#!/usr/bin/env python3\n\"\"\"Head 'of'\nfile.\"\"\"\ncode = 'a' + \"b\"  # after\n";
    assert_eq!(of("run", source), "/usr/bin/env python3 Head 'of' file. a b after");
}

#[test]
fn scripts_settings_and_pages_are_prose_as_a_whole_and_data_is_not() {
    assert_eq!(of("run", "#!/usr/bin/env bash\n# one\n# two\nrun it\n"), "!/usr/bin/env bash one two run it");
    assert_eq!(of("page.md", "one\n\n    two\n"), "one two");
    assert_eq!(prose("Cargo.lock", "one"), None);
    assert_eq!(prose("rows.jsonl", "one"), None);
}
