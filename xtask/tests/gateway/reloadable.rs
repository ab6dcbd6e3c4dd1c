//! A gateway that takes its filter from a file, by the shipped `envoy/discovery.yaml` and `envoy/reload.yaml`, so that
//! policies change while it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::stack::approvals::Approvals;
use xtask::stack::gateway::{Gateway, Options};
use xtask::stack::{Stack, template, until};
use xtask::workspace::Workspace;

use crate::scene::{self, Set};
use crate::world::{filters, settings};

const STATS: &str = "extension_config_discovery.http_filter.countersign";

/// What becomes of a file that was moved into place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is in force.
    Yes,
    /// It does not load; the one before is in force.
    No,
}

/// Where the filter lies.
pub(crate) struct Reloadable {
    path: PathBuf,
    /// What lies there, as the gateway started with it: the shipped `reload.yaml`, with the settings of the scenes.
    file: Value,
}

/// The filter's own configuration in the file.
const SETTINGS: &str = "/resources/0/typed_config/config/configuration/value";

impl Reloadable {
    /// A gateway with the configuration of the scenes, its filter in a file.
    pub(crate) async fn start(
        stack: &Stack,
        approvals: &Approvals,
        name: &str,
        options: &Options,
    ) -> Result<(Self, Set)> {
        let mut configuration = scene::configuration(stack)?;
        let mut own = settings(&mut configuration)?.clone();
        scene::believe(own.get_mut("approval").context("nobody is asked")?, approvals)?;
        let mut file = shipped_filter(stack)?;
        *file.pointer_mut(SETTINGS).context("the filter has no settings")? = Value::Object(own);
        let path = stack.folder().join(format!("{name}.filter.json"));
        let discovery = shipped("discovery.yaml", &[("filter_file", path.display().to_string())])?;
        let wasm = filters(&mut configuration)?
            .iter_mut()
            .find(|filter| filter.get("name") == Some(&json!("envoy.filters.http.wasm")));
        *wasm.context("there is no filter")? = discovery;
        let reloadable = Self { path, file };
        reloadable.write(&reloadable.file)?;
        let set = Set::as_configured(stack, approvals, name, configuration, options).await?;
        Ok((reloadable, set))
    }

    /// Puts these policies into force, or tries to.
    pub(crate) async fn policies(
        &self,
        gateway: &Gateway,
        files: &BTreeMap<String, String>,
    ) -> Result<Taken> {
        let mut file = self.file.clone();
        let bundle = file.pointer_mut(&format!("{SETTINGS}/bundle")).context("there is no bundle")?;
        *bundle = xtask::example::bundle(files);
        let count = async || {
            let taken = gateway.stat(&format!("{STATS}.update_success")).await?;
            let refused = gateway.stat(&format!("{STATS}.update_rejected")).await?;
            anyhow::Ok((taken, refused))
        };
        let before = count().await?;
        self.write(&file)?;
        until("the gateway to read its filter again", async || {
            let after = count().await?;
            let taken = if after.0 > before.0 { Taken::Yes } else { Taken::No };
            Ok((after != before).then_some(taken))
        })
        .await
    }

    /// Moves a file into the place that the gateway watches.
    fn write(&self, file: &Value) -> Result<()> {
        let new = self.path.with_extension("new");
        std::fs::write(&new, file.to_string())?;
        Ok(std::fs::rename(new, &self.path)?)
    }
}

/// A shipped template, filled in.
fn shipped(name: &str, values: &[(&str, String)]) -> Result<Value> {
    let file = Workspace::find()?.root().join("envoy").join(name);
    template::fill(&std::fs::read_to_string(file)?, values)
}

/// The shipped `reload.yaml`, filled in for the stack.
fn shipped_filter(stack: &Stack) -> Result<Value> {
    let mut values = stack.values();
    values.push(("bundle", xtask::example::bundle(&stack.files()?).to_string()));
    let used = ["wasm", "audience", "timezone", "bundle", "identity"];
    values.retain(|(name, _)| {
        used.contains(name) || ["approval_token", "approval_issuer", "approval_key"].contains(name)
    });
    shipped("reload.yaml", &values)
}

/// What `reload.yaml` ships is the filter of `envoy.yaml`, key for key.
pub(crate) async fn same_filter(world: &crate::world::World) -> Result<()> {
    let mut reload = shipped_filter(&world.stack)?;
    let mut configuration = world.stack.configuration()?;
    // The example's change windows are relative to now.
    let place = reload.pointer_mut(SETTINGS).and_then(Value::as_object_mut);
    let bundles = [
        place.context("the filter has no settings")?.remove("bundle"),
        settings(&mut configuration)?.remove("bundle"),
    ];
    ensure!(bundles.iter().all(Option::is_some), "there is no bundle");
    let inline = filters(&mut configuration)?
        .iter()
        .find(|filter| filter.get("name") == Some(&json!("envoy.filters.http.wasm")))
        .and_then(|filter| filter.get("typed_config"));
    let shipped = reload.pointer("/resources/0/typed_config");
    ensure!(shipped.is_some() && shipped == inline, "they differ:\n{shipped:?}\n{inline:?}");
    Ok(())
}
