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
use crate::world::filters;

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
    file: PathBuf,
    /// As the gateway started with it.
    filter: Value,
}

impl Reloadable {
    /// A gateway with the configuration of the scenes, its filter in a file.
    pub(crate) async fn start(
        stack: &Stack,
        approvals: &Approvals,
        name: &str,
        options: &Options,
    ) -> Result<(Self, Set)> {
        let mut configuration = scene::configuration(stack)?;
        let file = stack.folder().join(format!("{name}.filter.json"));
        let discovery = shipped("discovery.yaml", &[("filter_file", file.display().to_string())])?;
        let wasm = filters(&mut configuration)?
            .iter_mut()
            .find(|filter| filter.get("name") == Some(&json!("envoy.filters.http.wasm")));
        let filter = std::mem::replace(wasm.context("there is no filter")?, discovery);
        let mut filter = filter.get("typed_config").context("the filter has no configuration")?.clone();
        let approval =
            filter.pointer_mut("/config/configuration/value/approval").context("nobody is asked")?;
        scene::believe(approval, approvals)?;
        let reloadable = Self { file, filter };
        reloadable.write(&reloadable.filter)?;
        let set = Set::as_configured(stack, approvals, name, configuration, options).await?;
        Ok((reloadable, set))
    }

    /// Puts these policies into force, or tries to.
    pub(crate) async fn policies(
        &self,
        gateway: &Gateway,
        files: &BTreeMap<String, String>,
    ) -> Result<Taken> {
        let mut filter = self.filter.clone();
        let bundle =
            filter.pointer_mut("/config/configuration/value/bundle").context("there is no bundle")?;
        *bundle = xtask::example::bundle(files);
        let count = async || {
            let taken = gateway.stat(&format!("{STATS}.update_success")).await?;
            let refused = gateway.stat(&format!("{STATS}.update_rejected")).await?;
            anyhow::Ok((taken, refused))
        };
        let before = count().await?;
        self.write(&filter)?;
        until("the gateway to read its filter again", async || {
            let after = count().await?;
            let taken = if after.0 > before.0 { Taken::Yes } else { Taken::No };
            Ok((after != before).then_some(taken))
        })
        .await
    }

    /// Moves a file into the place that the gateway watches.
    fn write(&self, filter: &Value) -> Result<()> {
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "countersign",
            "typed_config": filter,
        });
        let new = self.file.with_extension("new");
        std::fs::write(&new, json!({ "resources": [resource] }).to_string())?;
        Ok(std::fs::rename(new, &self.file)?)
    }
}

/// A shipped template, filled in.
fn shipped(name: &str, values: &[(&str, String)]) -> Result<Value> {
    let file = Workspace::find()?.root().join("envoy").join(name);
    template::fill(&std::fs::read_to_string(file)?, values)
}

/// What `reload.yaml` ships is the filter of `envoy.yaml`, key for key.
pub(crate) async fn same_filter(world: &crate::world::World) -> Result<()> {
    let mut values = world.stack.values();
    values.push(("bundle", xtask::example::bundle(&world.stack.files()?).to_string()));
    let used = ["wasm", "audience", "timezone", "bundle", "identity"];
    values.retain(|(name, _)| {
        used.contains(name) || ["approval_token", "approval_issuer", "approval_key"].contains(name)
    });
    let reload = shipped("reload.yaml", &values)?;
    let shipped = reload.pointer("/resources/0/typed_config").context("there is no filter")?;
    let mut configuration = world.stack.configuration()?;
    let inline = filters(&mut configuration)?
        .iter()
        .find(|filter| filter.get("name") == Some(&json!("envoy.filters.http.wasm")))
        .and_then(|filter| filter.get("typed_config"));
    let inline = inline.context("there is no filter")?;
    for place in ["/config/failure_policy", "/config/name", "/config/root_id", "/config/vm_config"] {
        ensure!(shipped.pointer(place) == inline.pointer(place), "they differ in {place}");
    }
    let settings = |filter: &Value| {
        let mut settings = filter.pointer("/config/configuration/value").cloned().unwrap_or_default();
        // The example's change windows are relative to now.
        settings.as_object_mut().and_then(|settings| settings.remove("bundle"));
        settings
    };
    ensure!(settings(shipped) == settings(inline), "they differ in the filter's own configuration");
    ensure!(shipped.as_object().map(|keys| keys.len()) == inline.as_object().map(|keys| keys.len()));
    Ok(())
}
