//! Properties: what the gateway knows besides bytes, and what a filter leaves in filter state.

use wasmtime::Result;

use super::Imports;
use crate::guest::{Guest, Status};
use crate::properties;

pub(super) fn link(imports: &mut Imports) -> Result<()> {
    imports.proxy("proxy_get_property", |guest, [path, size, pointer, length]| {
        let path = guest.read(path, size)?;
        let value = value(guest, &path).ok_or(Status::NotFound)?;
        guest.give(&value, pointer, length)
    })?;
    // Envoy's filter state takes a name once and a value for it any number of times.
    imports.proxy("proxy_set_property", |guest, [path, size, value, length]| {
        let (path, value) = (guest.read(path, size)?, guest.read(value, length)?);
        let (name, new) = (path.len(), value.len());
        let before = guest.stream().ok_or(Status::NotFound)?.state.insert(path, value);
        match before {
            Some(before) => guest.process().release(before.len()),
            None => guest.process().keep(name)?,
        }
        Ok(guest.process().keep(new)?)
    })
}

fn value(guest: &mut Guest<'_>, path: &[u8]) -> Option<Vec<u8>> {
    match path {
        b"plugin_name" => Some(guest.host().plugin()?.name.clone()),
        b"plugin_root_id" => {
            Some(guest.host().plugin().map(|plugin| plugin.root_id.clone()).unwrap_or_default())
        }
        // VMs have no id here.
        b"plugin_vm_id" => Some(Vec::new()),
        _ => properties::of(guest.stream()?, path),
    }
}
