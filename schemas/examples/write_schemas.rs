//! Writes the schema that each event's type has now as its newest version in `avro/`. Run it only before a first release of that
//! version: `cargo run -p schemas --example write_schemas`.
fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("avro");
    for entry in schemas::catalog::entries() {
        let text = (entry.derived)().map_err(std::io::Error::other)?;
        std::fs::write(folder.join(format!("{}.v{}.avsc", entry.name, entry.released.len())), text)?;
    }
    Ok(())
}
