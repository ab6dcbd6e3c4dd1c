//! How people log in, as options.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use countersign_approvals::{LoginSettings, OidcSettings};
use openidconnect::ClientSecret;
use url::Url;

#[derive(Args)]
pub(super) struct LoginOptions {
    /// People log in at this OpenID Connect provider; the address to come back to is `/login/oidc/callback` under
    /// `--url`
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    oidc_issuer: Option<Url>,
    /// What the provider calls this service
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    oidc_client_id: Option<String>,
    /// A file with the secret that the provider gave this service; none for a public client
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    oidc_client_secret_file: Option<PathBuf>,
    /// What to ask the provider for beside `openid`
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "profile")]
    oidc_scopes: Vec<String>,
    /// The claim with the ids of a person's groups
    #[arg(long, value_name = "NAME", default_value = "groups")]
    oidc_groups_claim: String,
    /// The claim with what to call a person on a page
    #[arg(long, value_name = "NAME", default_value = "name")]
    oidc_name_claim: String,
    /// The provider's group whose members are administrators here
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    oidc_admin_group: Option<String>,
    /// The provider's group whose members are auditors here
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    oidc_auditor_group: Option<String>,
    /// Take no passwords: people log in at the provider
    #[arg(long, requires = "oidc_issuer")]
    no_local_login: bool,
}

impl LoginOptions {
    pub(super) fn settings(&self) -> anyhow::Result<LoginSettings> {
        let Some((issuer, client_id)) = self.oidc_issuer.clone().zip(self.oidc_client_id.clone()) else {
            return Ok(LoginSettings { no_passwords: self.no_local_login, oidc: None });
        };
        let oidc = OidcSettings {
            issuer,
            client_id,
            client_secret: self.secret()?,
            scopes: self.oidc_scopes.iter().filter(|scope| !scope.is_empty()).cloned().collect(),
            groups_claim: self.oidc_groups_claim.clone(),
            name_claim: self.oidc_name_claim.clone(),
            admin_group: self.oidc_admin_group.clone(),
            auditor_group: self.oidc_auditor_group.clone(),
        };
        Ok(LoginSettings { no_passwords: self.no_local_login, oidc: Some(oidc) })
    }

    fn secret(&self) -> anyhow::Result<Option<ClientSecret>> {
        let Some(file) = &self.oidc_client_secret_file else { return Ok(None) };
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        Ok(Some(ClientSecret::new(text.trim().to_owned())))
    }
}
