//! Derives the schema of each event from its Rust type and writes it over the newest version in `avro/`.
//!
//! Run it with `cargo run -p schemas --example write_schemas`, and only before that version is released.
//! Invariant: writes only files of events in the catalog.
//! Not here: the check of the released files (`fastbreak schemas check`).
fn main() -> std::io::Result<()> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("avro");
    for entry in schemas::catalog::entries() {
        let text = (entry.derived)().map_err(std::io::Error::other)?;
        std::fs::write(directory.join(format!("{}.v{}.avsc", entry.name, entry.released.len())), text)?;
    }
    Ok(())
}
