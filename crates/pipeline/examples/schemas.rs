//! Writes the JSON schema of every payload to `statemachine/schemas/`, from the Rust types: `make schemas`.

use std::path::Path;

use eks_upgrade_core::contract::schemas;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine/schemas");
    std::fs::create_dir_all(&folder)?;
    for (name, schema) in schemas() {
        let text = serde_json::to_string_pretty(&schema)?;
        std::fs::write(folder.join(format!("{name}.json")), text + "\n")?;
    }
    Ok(())
}
