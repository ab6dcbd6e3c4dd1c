//! A copy of the filter's sources in which every mutant stands beside the guard that it replaces.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use walkdir::WalkDir;

use super::Mutant;

/// The guards of a file, each with the mutants that take its place and their numbers.
type Guards<'a> = BTreeMap<&'a str, Vec<(usize, &'a Mutant)>>;

/// The crates that the filter is made of.
const CRATES: [&str; 3] = ["protocol", "core", "plugin"];

/// What else the copy needs.
const FILES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// The switch, a module of the crate that all others use.
const SWITCH: &str = "//! Which guard is taken out.

use core::sync::atomic::{AtomicU32, Ordering};

static ON: AtomicU32 = AtomicU32::new(0);

/// Whether it is this one.
#[must_use]
pub fn on(number: u32) -> bool {
    ON.load(Ordering::Relaxed) == number
}

/// Takes out the guard that the plugin's name says: `mutant-7`.
pub fn choose(name: &[u8]) {
    let number = str::from_utf8(name).ok().and_then(|name| name.strip_prefix(\"mutant-\")?.parse().ok());
    ON.store(number.unwrap_or(0), Ordering::Relaxed);
}
";

/// Where the switch is set: before the configuration is read.
const CHOOSE: (&str, &str, &str) = (
    "plugin/src/root.rs",
    "        match Self::load(size) {",
    "        countersign_protocol::mutant::choose(&host::property(&[\"plugin_name\"]).unwrap_or_default());
        match Self::load(size) {",
);

/// Files by their path from the workspace's root.
pub(super) struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads the sources as they are, with the switch and no mutant.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in FILES {
            files.insert(name.to_owned(), read(&root.join(name))?);
        }
        for krate in CRATES {
            files.insert(format!("{krate}/Cargo.toml"), read(&root.join(krate).join("Cargo.toml"))?);
            for entry in WalkDir::new(root.join(krate).join("src")) {
                let entry = entry?;
                if entry.file_type().is_file() {
                    let path = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
                    files.insert(path, read(entry.path())?);
                }
            }
        }
        let mut sources = Self(files);
        sources.shrink_workspace()?;
        sources.leave_out_benches()?;
        sources.add_switch()?;
        Ok(sources)
    }

    /// The workspace of the copy has only the filter's crates.
    fn shrink_workspace(&mut self) -> Result<()> {
        let manifest = self.file("Cargo.toml")?;
        let members: Vec<_> = CRATES.iter().map(|krate| format!("\"{krate}\"")).collect();
        let lines = manifest.lines().filter_map(|line| match line.split_once(" = ") {
            Some(("default-members", _)) => None,
            Some(("members", _)) => Some(format!("members = [{}]", members.join(", "))),
            None if line == "[workspace.lints.rust]" => Some(format!("{line}\nwarnings = \"allow\"")),
            _ => Some(line.to_owned()),
        });
        *manifest = lines.collect::<Vec<_>>().join("\n");
        Ok(())
    }

    /// They are not among the copied sources. What the manifest says of them comes last in it.
    fn leave_out_benches(&mut self) -> Result<()> {
        let manifest = self.file("core/Cargo.toml")?;
        manifest.truncate(manifest.find("[[bench]]").unwrap_or(manifest.len()));
        Ok(())
    }

    fn add_switch(&mut self) -> Result<()> {
        self.0.insert("protocol/src/mutant.rs".into(), SWITCH.into());
        self.file("protocol/src/lib.rs")?.push_str("\npub mod mutant;\n");
        let (path, old, new) = CHOOSE;
        let file = self.file(path)?;
        let place = once(file, old).with_context(|| format!("the switch no longer fits `{path}`"))?;
        file.replace_range(place..place + old.len(), new);
        Ok(())
    }

    fn file(&mut self, path: &str) -> Result<&mut String> {
        self.0.get_mut(path).with_context(|| format!("there is no `{path}`"))
    }

    /// Puts every mutant beside its guard.
    ///
    /// # Errors
    /// A mutant whose guard is not in its file exactly once, or overlaps another's; it is named.
    pub(super) fn with(mut self, mutants: &[Mutant]) -> Result<Self> {
        let mut guards = BTreeMap::<_, Guards>::new();
        for (place, mutant) in mutants.iter().enumerate() {
            guards.entry(mutant.file).or_default().entry(mutant.old).or_default().push((place, mutant));
        }
        for (path, guards) in guards {
            let on = if path.starts_with("protocol/") { "crate" } else { "countersign_protocol" };
            let file = self.file(path)?;
            let mut edits = Vec::new();
            for (old, mutants) in guards {
                let names: Vec<_> = mutants.iter().map(|(_, mutant)| mutant.name).collect();
                let fits = || format!("mutant `{}` no longer applies to `{path}`", names.join("`, `"));
                edits.push((once(file, old).with_context(fits)?, old, guarded(on, old, &mutants), fits()));
            }
            // From the end, so that places before stay where they are.
            edits.sort_by_key(|(place, ..)| Reverse(*place));
            let mut end = file.len();
            for (place, old, new, fits) in edits {
                if place + old.len() > end {
                    bail!("{fits}: its guard overlaps another's");
                }
                file.replace_range(place..place + old.len(), &new);
                end = place;
            }
        }
        Ok(self)
    }

    /// Writes what changed, so that only that is built again, and removes what is gone.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for (path, text) in &self.0 {
            let path = folder.join(path);
            // Cargo shortens the lock to what the copy needs.
            let kept = path.ends_with("Cargo.lock") && path.exists();
            if kept || fs::read_to_string(&path).is_ok_and(|there| there == *text) {
                continue;
            }
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(&path, text)?;
        }
        let known: BTreeSet<_> = self.0.keys().map(|path| folder.join(path)).collect();
        for entry in WalkDir::new(folder) {
            let entry = entry?;
            if entry.file_type().is_file() && !known.contains(entry.path()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The guard, unless one of these is on.
fn guarded(on: &str, old: &str, mutants: &[(usize, &Mutant)]) -> String {
    let one = |(place, mutant): &(usize, &Mutant)| {
        format!("if {on}::mutant::on({}) {{ {} }} else ", place + 1, mutant.new)
    };
    let branches: String = mutants.iter().map(one).collect();
    format!("({branches}{{ {old} }})")
}

/// Where `part` stands in `text`, when it does exactly once.
fn once(text: &str, part: &str) -> Result<usize> {
    let mut places = text.match_indices(part).map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (None, _) => bail!("its guard is gone"),
        _ => bail!("its guard is there more than once"),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTANT: Mutant =
        Mutant { name: "one", removes: "it all", file: "core/src/a.rs", old: "a < b", new: "true" };

    fn sources(text: &str) -> Sources {
        Sources([("core/src/a.rs".to_owned(), text.to_owned())].into())
    }

    fn with(text: &str, mutants: &[Mutant]) -> Result<String> {
        Ok(sources(text).with(mutants)?.0.remove("core/src/a.rs").unwrap_or_default())
    }

    #[test]
    fn a_mutant_stands_beside_its_guard() {
        let other = Mutant { name: "two", old: "c()", new: "d()", ..MUTANT };
        let again = Mutant { name: "three", new: "false", ..MUTANT };
        let expected = "let x = (if countersign_protocol::mutant::on(1) { true } else \
                        if countersign_protocol::mutant::on(3) { false } else { a < b }); \
                        (if countersign_protocol::mutant::on(2) { d() } else { c() });";
        assert_eq!(with("let x = a < b; c();", &[MUTANT, other, again]).unwrap(), expected);
    }

    #[test]
    fn a_mutant_that_no_longer_applies_is_named() {
        for text in ["a > b", "a < b && a < b"] {
            assert!(with(text, &[MUTANT]).unwrap_err().to_string().contains("mutant `one`"), "{text}");
        }
        let overlapping = Mutant { name: "two", old: "b && c", ..MUTANT };
        let error = with("a < b && c", &[MUTANT, overlapping]).unwrap_err().to_string();
        assert!(error.contains("mutant `one`") && error.contains("overlaps"), "{error}");
    }

    #[test]
    fn every_mutant_applies() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mutants = super::super::list::all();
        let names: BTreeSet<_> = mutants.iter().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), mutants.len());
        Sources::read(root).unwrap().with(&mutants).unwrap();
    }
}
