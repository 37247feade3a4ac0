//! Player names in one order: first name first.
//!
//! Invariant: only the order changes; suffixes, accents and spelling stay as the source wrote them.
//! Not here: the player to whom a name refers (the name resolver).
use super::cell::Cell;

/// Returns "First Last". If a player has only one name, the other cell is blank.
pub fn full_name(first: &Cell, first_field: &str, last: &Cell, last_field: &str) -> Result<String, String> {
    match (first.text_or_blank(first_field)?, last.text_or_blank(last_field)?) {
        (Some(first), Some(last)) => Ok(format!("{first} {last}")),
        (Some(name), None) | (None, Some(name)) => Ok(name.to_owned()),
        (None, None) => Err(last.type_error(last_field, "a name")),
    }
}

/// Turns "Jackson Jr., Jaren" into "Jaren Jackson Jr.".
pub fn first_name_first(written: &str) -> String {
    match written.rsplit_once(',') {
        Some((last, first)) => format!("{} {}", first.trim(), last.trim()).trim().to_owned(),
        None => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_the_surname_first_is_turned_with_its_suffix() {
        for (written, turned) in [
            ("Barlow, Dominick", "Dominick Barlow"),
            ("Jackson Jr., Jaren", "Jaren Jackson Jr."),
            ("Payton II, Gary", "Gary Payton II"),
            ("Nene", "Nene"),
            (", Nene", "Nene"),
            (",", ""),
        ] {
            assert_eq!(first_name_first(written), turned);
        }
    }
}
