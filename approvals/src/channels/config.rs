//! The file that names channels: what it may say, and what of it goes together.

mod kinds;
mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use countersign_protocol::person::GroupId;

use super::routes::{Escalation, Routes, Serves};
use super::{Channel, Channels, Http};
use raw::{Raw, RawChannel, RawEscalation, RawGroup, RawTo};

/// What is wrong with the file, where in it, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("`{file}`: {what}")]
pub struct BadChannels {
    file: PathBuf,
    what: String,
}

/// The longest name of a channel, characters.
const LONGEST_NAME: usize = 64;
/// The longest time until others are told, milliseconds.
const LONGEST_TIME: i64 = 7 * 24 * 60 * 60 * 1000;

/// What a key is, and what is wrong with it.
fn wrong(key: &str, what: impl std::fmt::Display) -> String {
    format!("`{key}`: {what}")
}

impl Channels {
    /// The channels of a file; groups without an issuer are those of `issuer`.
    ///
    /// # Errors
    /// When the file or a secret that it names cannot be read, or it says something that makes no sense.
    pub fn read(file: &Path, issuer: &str) -> Result<Self, BadChannels> {
        let bad = |what| BadChannels { file: file.to_owned(), what };
        let text = std::fs::read_to_string(file).map_err(|error| bad(format!("cannot read it: {error}")))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        parse(&text, folder, issuer).map_err(bad)
    }
}

fn parse(text: &str, folder: &Path, issuer: &str) -> Result<Channels, String> {
    let raw = Raw::parse(text)?;
    if raw.channels.is_empty() {
        return Err("it names no channel: write `[channels.<name>]`".into());
    }
    let http = Http::new().map_err(|error| format!("cannot read whom the system trusts: {error}"))?;
    let mut routes = Routes::default();
    let mut channels = BTreeMap::new();
    for (name, raw) in &raw.channels {
        let key = format!("channels.{name}");
        named(name).map_err(|what| wrong(&key, what))?;
        routes.channels.insert(name.clone(), serves(&key, name, raw, issuer)?);
        channels.insert(
            name.clone(),
            Channel { name: name.clone(), kind: kinds::kind(&key, raw, (folder, &http))? },
        );
    }
    let general = raw.escalation.as_ref();
    routes.escalation = general.map(|to| escalation("escalation", to, &routes, issuer)).transpose()?;
    for (name, raw) in &raw.channels {
        let own = raw.escalation.as_ref();
        let own = own.map(|to| escalation(&format!("channels.{name}.escalation"), to, &routes, issuer));
        let own = own.transpose()?.or_else(|| routes.escalation.clone());
        if let Some(serves) = routes.channels.get_mut(name) {
            serves.escalation = own;
        }
    }
    Ok(Channels { channels, routes })
}

fn named(name: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let good = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits);
    if good { Ok(()) } else { Err("a channel's name has 1 to 64 letters, digits, `_` or `-`") }
}

fn serves(key: &str, name: &str, raw: &RawChannel, issuer: &str) -> Result<Serves, String> {
    let groups: BTreeSet<_> = raw.groups.iter().map(|group| group_id(group, issuer)).collect();
    if groups.iter().any(|group| group.id.is_empty() || group.issuer.is_empty()) {
        return Err(wrong(&format!("{key}.groups"), "a group has an id that is not empty"));
    }
    let names = raw.gate_channels.iter().cloned().chain([name.to_owned()]).collect();
    Ok(Serves { groups, names, sparing: kinds::sparing(&raw.kind), escalation: None })
}

fn group_id(group: &RawGroup, issuer: &str) -> GroupId {
    match group {
        RawGroup::Own(id) => GroupId { issuer: issuer.into(), id: id.clone() },
        RawGroup::Of { issuer: of, id } => {
            GroupId { issuer: of.clone().unwrap_or_else(|| issuer.into()), id: id.clone() }
        }
    }
}

fn escalation(key: &str, raw: &RawEscalation, routes: &Routes, issuer: &str) -> Result<Escalation, String> {
    let after = duration(&raw.after).ok_or_else(|| {
        wrong(
            &format!("{key}.after"),
            format!("`{}` is no time of at most 7 d: write `10m` or `1h`", raw.after),
        )
    })?;
    let mut to = BTreeSet::new();
    for one in &raw.to {
        to.extend(targets(&format!("{key}.to"), one, routes, issuer)?);
    }
    if to.is_empty() {
        return Err(wrong(&format!("{key}.to"), "it names nobody: write the names of channels, or groups"));
    }
    Ok(Escalation { after, to })
}

fn targets(key: &str, to: &RawTo, routes: &Routes, issuer: &str) -> Result<Vec<String>, String> {
    match to {
        RawTo::Channel(name) if routes.channels.contains_key(name) => Ok(vec![name.clone()]),
        RawTo::Channel(name) => {
            let what = format!(
                "there is no channel `{name}`: write `[channels.{name}]`, or `{{ group = \"{name}\" }}`"
            );
            Err(wrong(key, what))
        }
        RawTo::Group { group, issuer: of } => {
            let group = GroupId { issuer: of.clone().unwrap_or_else(|| issuer.into()), id: group.clone() };
            let channels = routes.of(&group);
            let none = || format!("no channel has the group `{}` in its `groups`: add it to one", group.id);
            if channels.is_empty() { Err(wrong(key, none())) } else { Ok(channels) }
        }
    }
}

/// A length of time, milliseconds.
fn duration(text: &str) -> Option<i64> {
    let time = text.parse::<jiff::SignedDuration>().ok()?;
    let ms = i64::try_from(time.as_millis()).ok()?;
    (1000..=LONGEST_TIME).contains(&ms).then_some(ms)
}

#[cfg(test)]
mod tests;
