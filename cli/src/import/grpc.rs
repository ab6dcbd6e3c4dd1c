//! gRPC services: what a descriptor set says of methods, request messages and the fields in them.

mod fields;
mod messages;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use super::model::{Api, Entity, Operation, Requests, types};
use super::{Generated, names, write};

/// How to import gRPC services.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// A `.proto` file, or a descriptor set with all that it imports: `buf build -o api.binpb`, or `protoc --include_imports
    /// --descriptor_set_out api.binpb`.
    pub file: PathBuf,
    /// A folder in which a `.proto` file finds what it imports; may be given more than once. Left out, its own.
    #[arg(long = "proto-path", value_name = "FOLDER")]
    pub proto_path: Vec<PathBuf>,
    /// The policy folder that the schema, the routes, the messages and the suggested gates go into.
    #[arg(long, value_name = "FOLDER")]
    pub into: PathBuf,
    /// The name of the API: of its files, and of its namespace. Left out, the package of its first service that is imported.
    #[arg(long)]
    pub name: Option<String>,
    /// A host of the services; may be given more than once.
    #[arg(long = "host", value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    /// An entity type of callers that a schema in the folder declares; may be given more than once. Left out, the
    /// namespace of the API gets `Agent` and `User`.
    #[arg(long = "principal", value_name = "TYPE")]
    pub principals: Vec<String>,
}

/// Reads a descriptor set.
///
/// # Errors
/// When it cannot be read, is none, or has no service of its own.
pub(super) fn read(arguments: &Arguments) -> Result<Generated> {
    let pool = pool(arguments)?;
    let mut skipped = Vec::new();
    let services = services(&pool, &mut skipped);
    let Some(first) = services.first() else {
        bail!("{}", [vec!["it has no service".to_owned()], skipped].concat().join("\n"))
    };
    let package = first.package_name().to_owned();
    let title = arguments.name.as_deref().unwrap_or(&package);
    let name = names::slug(title);
    let namespace = names::pascal(title).context("the services have no package: give `--name`")?;
    let methods: Vec<_> = services.iter().flat_map(|service| service.methods()).collect();
    let read = methods.iter().map(|method| operation(method, arguments, &mut skipped));
    let operations: Vec<_> = read.collect();
    let api = Api {
        types: types(&operations),
        principals: arguments.principals.clone(),
        name,
        namespace,
        operations,
    };
    let mut parts = Vec::from(write::all(&api));
    parts.extend(messages::written(&api.name, &methods));
    Ok(Generated { parts, needed: vec![messages::skeleton()], skipped })
}

fn pool(arguments: &Arguments) -> Result<DescriptorPool> {
    let file = &arguments.file;
    if file.extension().is_none_or(|extension| extension != "proto") {
        let bytes = std::fs::read(file).context("cannot read it")?;
        return decoded(&bytes)
            .context("it cannot be read as a descriptor set of proto2 or proto3 with all that it imports");
    }
    let own = file.parent().map(PathBuf::from).unwrap_or_default();
    let paths = if arguments.proto_path.is_empty() { vec![own] } else { arguments.proto_path.clone() };
    let set = protox::compile([file], paths).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(DescriptorPool::from_file_descriptor_set(set)?)
}

fn decoded(bytes: &[u8]) -> Result<DescriptorPool> {
    let set = FileDescriptorSet::decode(bytes)?;
    // The pool panics at an edition where it means to refuse it.
    if let Some(file) = set.file.iter().find(|file| !["", "proto2", "proto3"].contains(&file.syntax())) {
        bail!("`{}` has the syntax `{}`", file.name(), file.syntax());
    }
    Ok(DescriptorPool::from_file_descriptor_set(set)?)
}

/// The services of the files that no other imports: a `.proto` file itself, or what a descriptor set was made for. An API
/// that is only built upon is another one.
fn services(pool: &DescriptorPool, skipped: &mut Vec<String>) -> Vec<ServiceDescriptor> {
    let imported: BTreeSet<_> = pool
        .files()
        .flat_map(|file| file.dependencies().collect::<Vec<_>>())
        .map(|file| file.index())
        .collect();
    let (others, own): (Vec<_>, Vec<_>) =
        pool.services().partition(|service| imported.contains(&service.parent_file().index()));
    skipped.extend(others.iter().map(|service| {
        let name = service.full_name();
        format!("skipped: service {name}: it is in a file that others import: import that file to have it")
    }));
    own
}

/// `package.Service/Method`, as a call's path has it.
fn called(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

fn operation(method: &MethodDescriptor, arguments: &Arguments, skipped: &mut Vec<String>) -> Operation {
    let key = called(method);
    let service = method.parent_service().full_name().to_owned();
    let mut tell = |place: &str, why: &str| skipped.push(format!("skipped: {key}: {place}: {why}"));
    let context = match method.is_client_streaming() {
        true => {
            tell("its messages", "it takes a stream, which is judged at its headers");
            Vec::new()
        }
        false => fields::members(&method.input(), &mut tell),
    };
    Operation {
        action: key.clone(),
        tags: vec![service.clone()],
        hosts: arguments.hosts.clone(),
        resource: Entity { ty: "Service".into(), id: service },
        parents: Vec::new(),
        context,
        // The standard method that deletes (AIP-135).
        destructive: method.name().starts_with("Delete"),
        requests: Requests::Grpc(key.clone()),
        key,
    }
}
