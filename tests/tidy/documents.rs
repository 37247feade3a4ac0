//! Documents: the lists in a page equal the lists in the code, and links lead to files that exist.
//!
//! Invariant: a table between two markers equals the list in the code; no file contains a path of the machine on which it was written.
//! Not here: the words that documents use (`vocabulary`).
use crate::files::{assert_none, files, root, shown};
use processors::games::PRECEDENCE;
use schemas::raw::Feed;

const LARGEST_PAGE: usize = 5120;
/// Pages that consist of tables: their length is not limited.
const REFERENCE: [&str; 7] = [
    "configuration.md",
    "features.md",
    "feeds.md",
    "glossary.md",
    "operations.md",
    "systems.md",
    "topics.md",
];

/// Returns the text of a page in three parts: up to the comment at which a table begins, the table, and from the comment at which it ends.
fn parts(page: &str, name: &str) -> [String; 3] {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let (before, (inside, after)) = parts.unwrap_or_else(|| panic!("{page} lacks the markers of {name}"));
    [format!("{before}{begin}"), inside.to_owned(), format!("{end}{after}")]
}

/// Returns the rows of the table between two markers, without its header.
fn table(page: &str, name: &str) -> Vec<String> {
    let [_, inside, _] = parts(page, name);
    inside.lines().filter(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect()
}

#[test]
fn the_page_on_configuration_has_exactly_the_tables_of_all_keys() {
    let page = "docs/configuration.md";
    let [before, listed, after] = parts(page, "keys");
    let there = format!("{}\n", fastbreak::config::key_tables());
    if std::env::var_os("TEST_WRITE_LISTS").is_some() {
        return std::fs::write(root().join(page), format!("{before}{there}{after}")).unwrap();
    }
    let write = "TEST_WRITE_LISTS=1 cargo test --test tidy";
    assert_eq!(listed, there, "the tables in {page} are not those of the keys: {write}");
}

#[test]
fn the_page_on_topics_lists_exactly_the_topics() {
    let row = |t: &topics::TopicInfo| {
        format!("| `{}` | {} | `{}` | {} | {} |", t.name, t.key, t.event, t.partitions, t.policy.name())
    };
    let listed = table("docs/topics.md", "topics");
    let there: Vec<String> = topics::ALL.iter().map(row).collect();
    assert_eq!(listed, there, "the table should be:\n{}", there.join("\n"));
}

#[test]
fn the_page_on_operations_lists_exactly_the_metrics() {
    let row = |m: &runtime::metrics::Metric| {
        let labels = if m.labels.is_empty() { "–".to_owned() } else { m.labels.join(", ") };
        format!("| `{}` | {} | {labels} | {} |", m.name, m.metric_type.name(), m.help)
    };
    let there: Vec<String> = runtime::metrics::ALL.iter().map(row).collect();
    assert_eq!(table("docs/operations.md", "metrics"), there, "the table should be:\n{}", there.join("\n"));
}

#[test]
fn the_page_on_features_lists_exactly_the_features() {
    let number_and_name = |row: &String| row.split('|').take(3).collect::<Vec<_>>().join("|") + "|";
    let listed: Vec<String> = table("docs/features.md", "features").iter().map(number_and_name).collect();
    let features = schemas::features::FEATURES.iter().enumerate();
    let there: Vec<String> = features.map(|(index, name)| format!("| {index} | `{name}` |")).collect();
    assert_eq!(listed, there);
}

#[test]
fn the_page_on_feeds_has_one_row_for_each_feed_with_its_precedence() {
    let precedence = |feed: &Feed| PRECEDENCE.iter().position(|candidate| candidate == feed);
    let cells = |row: &String| -> (String, String) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[5].to_owned())
    };
    let expected = |feed: Feed| {
        let rank = precedence(&feed).map_or_else(|| "–".to_owned(), |index| (index + 1).to_string());
        (format!("`{feed}`"), rank)
    };
    let mut listed: Vec<_> = table("docs/feeds.md", "feeds").iter().map(cells).collect();
    let mut there: Vec<_> = Feed::ALL.into_iter().map(expected).collect();
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
}

#[test]
fn a_page_is_one_concept_and_short() {
    let pages = files().into_iter().filter(|path| path.starts_with(root().join("docs")));
    let pages = pages.filter(|path| !REFERENCE.iter().any(|name| path.ends_with(name)));
    let long = pages.filter(|path| path.metadata().unwrap().len() > LARGEST_PAGE as u64);
    assert_none("pages over 5 kB", long.map(|path| shown(&path)));
}

#[test]
fn links_between_documents_resolve() {
    let markdown = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut broken = Vec::new();
    for path in markdown {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !path.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    assert_none("broken links", broken.into_iter());
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // The paths are concatenated from parts, so that this file does not contain them itself.
    let banned = [["/wo", "rk/"], ["/ho", "me/"], ["/roo", "t/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in files().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {line}", shown(path), number + 1));
            }
        }
    }
    assert_none("machine paths", found.into_iter());
}
