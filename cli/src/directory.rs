//! Reads a policy folder: the files that a bundle may hold, by their path in it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

/// All files of the kinds that a bundle holds, in `folder` and below it. Others, such as a README, stay out.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    collect(folder, "", &mut files)?;
    anyhow::ensure!(!files.is_empty(), "`{}` holds no policies", folder.display());
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let inner = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{inner}/"), files)?;
        } else if belongs(name) {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            files.insert(inner, text);
        }
    }
    Ok(())
}

fn belongs(name: &str) -> bool {
    let whole = ["entities.json", "routes.yaml", "identities.yaml"];
    name.ends_with(".cedar") || name.ends_with(".cedarschema") || whole.contains(&name)
}
