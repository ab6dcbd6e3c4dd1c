//! gRPC services: what a descriptor set says of methods, request messages and the fields in them.

mod fields;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use prost_reflect::{DescriptorPool, MethodDescriptor};

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
    /// The name of the API: of its files, and of its namespace. Left out, the package of its first service.
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
/// When it cannot be read, is none, or has no service.
pub(super) fn read(arguments: &Arguments) -> Result<Generated> {
    let pool = pool(arguments)?;
    let services: Vec<_> = pool.services().collect();
    let Some(first) = services.first() else { bail!("it has no service") };
    let package = first.package_name().to_owned();
    let title = arguments.name.as_deref().unwrap_or(&package);
    let name = names::slug(title);
    let namespace = names::pascal(title).context("the services have no package: give `--name`")?;
    let mut skipped = Vec::new();
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
    parts.extend(fields::written(&api.name, &methods));
    Ok(Generated { parts, needed: vec![fields::skeleton()], skipped })
}

fn pool(arguments: &Arguments) -> Result<DescriptorPool> {
    let file = &arguments.file;
    if file.extension().is_none_or(|extension| extension != "proto") {
        let bytes = std::fs::read(file).context("cannot read it")?;
        return DescriptorPool::decode(bytes.as_slice())
            .context("it is no descriptor set with all that it imports: `protoc --include_imports --descriptor_set_out`");
    }
    let own = file.parent().map(PathBuf::from).unwrap_or_default();
    let paths = if arguments.proto_path.is_empty() { vec![own] } else { arguments.proto_path.clone() };
    let set = protox::compile([file], paths).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(DescriptorPool::from_file_descriptor_set(set)?)
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
