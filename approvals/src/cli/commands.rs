//! What the command line changes, with or without a service that runs on the same database.

use std::io::Read as _;

use anyhow::Context as _;
use countersign_approvals::{App, Data, GatewayProof, GroupChange, Login, NewUser};
use serde_json::{Value, json};

use super::{Command, GatewayCommand, GroupCommand, Options, UserCommand, print};

#[tokio::main]
pub(super) async fn run(options: Options, data: Data, command: Command) -> anyhow::Result<()> {
    let app = App::manage(options.settings(&data, options.listen)?).await?;
    let said = said(&app, command).await;
    app.close().await;
    said?.iter().try_for_each(print)
}

async fn said(app: &App, command: Command) -> anyhow::Result<Vec<Value>> {
    match command {
        Command::User(command) => user(app, command).await,
        Command::Group(GroupCommand::Add(place)) => group(app, place, GroupChange::Join).await,
        Command::Group(GroupCommand::Remove(place)) => group(app, place, GroupChange::Leave).await,
        Command::Gateway(command) => gateway(app, command).await,
        // It needs no database.
        Command::Key(_) => Ok(Vec::new()),
    }
}

async fn user(app: &App, command: UserCommand) -> anyhow::Result<Vec<Value>> {
    let login = match command {
        UserCommand::Add { name, groups, display_name, password_stdin, totp_secret } => {
            let password = password_stdin.then(secret_from_stdin).transpose()?;
            let new = NewUser { subject: name, name: display_name, groups, password, totp: totp_secret };
            app.add_user(new).await?
        }
        UserCommand::Reset { name } => app.reset_user(&name).await?,
        UserCommand::Remove { name, of } => {
            app.forget_user(&name, of.as_deref()).await?;
            return Ok(Vec::new());
        }
        UserCommand::Admit { name, of } => {
            app.admit_user(&name, &of).await?;
            return Ok(Vec::new());
        }
        UserCommand::List => return Ok(app.list_users().await?),
    };
    let Login { user, password, totp, otpauth } = login;
    Ok(vec![json!({ "user": user, "password": password, "totp": totp, "otpauth": otpauth })])
}

async fn group(app: &App, place: super::Place, change: GroupChange) -> anyhow::Result<Vec<Value>> {
    app.place_user(&place.name, place.of.as_deref(), &place.group, change).await?;
    Ok(Vec::new())
}

async fn gateway(app: &App, command: GatewayCommand) -> anyhow::Result<Vec<Value>> {
    match command {
        GatewayCommand::Add { name, audience, token_stdin, certificate } => {
            let proof = match certificate {
                Some(name) => GatewayProof::Certificate(name),
                None => GatewayProof::Token(token_stdin.then(secret_from_stdin).transpose()?),
            };
            let token = app.add_gateway(&name, &audience, proof).await?;
            Ok(vec![json!({ "gateway": name, "audience": audience, "token": token })])
        }
        GatewayCommand::Remove { name } => {
            app.forget_gateway(&name).await?;
            Ok(Vec::new())
        }
        GatewayCommand::List => Ok(app.list_gateways().await?),
    }
}

fn secret_from_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
