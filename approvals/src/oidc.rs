//! Logging in at a provider: sends a browser there and finds out who came back (OpenID Connect Core 1.0, code flow
//! with PKCE).

mod claims;
pub(crate) mod http;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_protocol::person::{GroupId, Person};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, SigningError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse as _, UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::people::{ADMINS, AUDITORS};
use crate::store::visitors::Visitor;
use claims::Extra;
pub(crate) use claims::word;
use http::Http;

/// How long what the provider says of itself counts.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
/// How soon a provider that did not answer is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

type Fields = IdTokenFields<
    Extra,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type Claims = openidconnect::IdTokenClaims<Extra, CoreGenderClaim>;
type Client = openidconnect::Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider that people log in at, as an operator names it.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The provider; the issuer of its people and groups.
    pub issuer: Url,
    /// What the provider calls this service.
    pub client_id: String,
    /// What this service proves itself with; a public client has none.
    pub client_secret: Option<ClientSecret>,
    /// What to ask for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the ids of a person's groups, a list of strings.
    pub groups_claim: String,
    /// The claim with what to call a person on a page.
    pub name_claim: String,
    /// The provider's group whose members are administrators here.
    pub admin_group: Option<String>,
    /// The provider's group whose members are auditors here.
    pub auditor_group: Option<String>,
}

/// Why settings of a provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadProvider {
    /// Tokens would cross the network in the clear.
    #[error("`{0}` as the provider: it needs https, but on this very machine")]
    NotPrivate(Url),
    /// The provider could speak for the service's own people.
    #[error("`{0}` is what this service calls itself: name it otherwise with `--issuer`")]
    OwnIssuer(String),
    /// Not an address that OpenID Connect can use.
    #[error("not an address: {0}")]
    Address(#[from] url::ParseError),
    /// The HTTP client cannot be made.
    #[error("cannot speak HTTPS: {0}")]
    Http(#[from] std::io::Error),
}

/// Why nobody was logged in at the provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// It cannot be asked, or its answer cannot be read. What it was is for the log.
    #[error("the log-in provider does not answer as it should: {0}")]
    Unavailable(String),
    /// What it says does not hold. What it was is for the log.
    #[error("the log-in provider's word does not hold: {0}")]
    Untrusted(String),
    /// It says no.
    #[error("the log-in provider refused: {0}")]
    Refused(String),
}

/// What has to be known of a browser that was sent to the provider when it comes back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Away {
    nonce: String,
    verifier: String,
    /// The path to go on to.
    pub(crate) next: String,
}

struct Known {
    client: Arc<Client>,
    since: Instant,
}

/// What the provider said of itself, or when it last did not.
#[derive(Default)]
struct Found {
    known: Option<Known>,
    failed: Option<(Instant, String)>,
}

/// The provider.
pub(crate) struct Provider {
    settings: OidcSettings,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    /// What the service calls itself and its own groups.
    local: String,
    http: Http,
    found: Mutex<Found>,
}

impl Provider {
    /// The provider, not asked yet: log-ins by password must not wait for it.
    pub(crate) fn new(settings: OidcSettings, url: &Url, local: &str) -> Result<Self, BadProvider> {
        let host = settings.issuer.host_str().unwrap_or_default();
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if settings.issuer.scheme() != "https" && !(settings.issuer.scheme() == "http" && loopback) {
            return Err(BadProvider::NotPrivate(settings.issuer));
        }
        // As it is written in tokens: most have no slash at the end, and `Url` would add one.
        let written = settings.issuer.as_str();
        let bare = settings.issuer.path() == "/";
        let issuer = if bare { written.trim_end_matches('/') } else { written };
        if issuer == local {
            return Err(BadProvider::OwnIssuer(local.into()));
        }
        Ok(Self {
            issuer: IssuerUrl::new(issuer.into())?,
            redirect: RedirectUrl::from_url(url.join("/login/oidc/callback")?),
            local: local.into(),
            http: Http::new()?,
            found: Mutex::default(),
            settings,
        })
    }

    /// Its host, as people know it.
    pub(crate) fn host(&self) -> &str {
        self.settings.issuer.host_str().unwrap_or_default()
    }

    /// The address to send a browser to that will come back with `state`, and what to keep until then.
    pub(crate) async fn send_off(&self, state: &str, next: String) -> Result<(Url, Away), OidcError> {
        let client = self.client(false).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let known = CsrfToken::new(state.into());
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let (url, _, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || known, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, Away { nonce: nonce.secret().clone(), verifier: verifier.into_secret(), next }))
    }

    /// Whether the provider that answered is this one, where it says which (RFC 9207).
    pub(crate) fn is(&self, issuer: Option<&str>) -> bool {
        issuer.is_none_or(|issuer| issuer == self.issuer.as_str())
    }

    /// Who came back with that code.
    pub(crate) async fn receive(&self, code: String, away: Away) -> Result<Visitor, OidcError> {
        let client = self.client(false).await?;
        let (nonce, verifier) = (Nonce::new(away.nonce), PkceCodeVerifier::new(away.verifier));
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(unavailable)?;
        let tokens = request.set_pkce_verifier(verifier).request_async(&self.http.client()).await;
        let tokens = tokens.map_err(refused)?;
        let claims = match verified(&client, &tokens, &nonce) {
            // Its keys may have changed since they were read.
            Err(Unverified::UnknownKey) => verified(&*self.client(true).await?, &tokens, &nonce),
            verified => verified,
        };
        let claims = claims.map_err(|why| OidcError::Untrusted(why.to_string()))?;
        self.visitor(&client, &tokens, &claims).await
    }

    async fn visitor(&self, client: &Client, tokens: &Tokens, claims: &Claims) -> Result<Visitor, OidcError> {
        let mut extra = Extra::of(claims);
        let wanted = [&self.settings.groups_claim, &self.settings.name_claim];
        if wanted.iter().any(|name| !extra.has(name)) && client.user_info_url().is_some() {
            extra.fill(self.user_info(client, tokens, claims).await?);
        }
        let person =
            Person { issuer: self.issuer.to_string(), subject: claims::subject(claims.subject().as_str())? };
        let groups = extra.groups(&self.settings.groups_claim, &person.subject);
        let name = extra.text(&self.settings.name_claim);
        Ok(Visitor { person, name, groups: self.places(&groups) })
    }

    /// Claims that are only given at the provider's endpoint for them.
    async fn user_info(&self, client: &Client, tokens: &Tokens, claims: &Claims) -> Result<Extra, OidcError> {
        let (token, subject) = (tokens.access_token().clone(), claims.subject().clone());
        let request = client.user_info(token, Some(subject)).map_err(unavailable)?;
        let info: Result<UserInfoClaims<Extra, CoreGenderClaim>, _> =
            request.request_async(&self.http.client()).await;
        info.map(|info| Extra::of_user_info(&info)).map_err(|error| match error {
            UserInfoError::ClaimsVerification(why) => OidcError::Untrusted(why.to_string()),
            error => unavailable(error),
        })
    }

    /// Groups of the provider, and those of the service itself that follow from them.
    fn places(&self, ids: &BTreeSet<String>) -> BTreeSet<GroupId> {
        let theirs = ids.iter().map(|id| GroupId { issuer: self.issuer.to_string(), id: id.clone() });
        let own = [(&self.settings.admin_group, ADMINS), (&self.settings.auditor_group, AUDITORS)];
        let own = own.into_iter().filter(|(group, _)| group.as_ref().is_some_and(|id| ids.contains(id)));
        theirs.chain(own.map(|(_, id)| GroupId { issuer: self.local.clone(), id: id.into() })).collect()
    }

    /// What is known of the provider; asks it where that is nothing, old, or not enough any more.
    async fn client(&self, afresh: bool) -> Result<Arc<Client>, OidcError> {
        let mut found = self.found.lock().await;
        match &*found {
            Found { known: Some(known), .. } if !afresh && known.since.elapsed() < KNOWN_FOR => {
                return Ok(Arc::clone(&known.client));
            }
            Found { failed: Some((at, why)), .. } if at.elapsed() < AGAIN_AFTER => {
                return Err(OidcError::Unavailable(why.clone()));
            }
            _ => {}
        }
        match CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http.client()).await {
            Ok(metadata) => {
                let client = Arc::new(self.made(metadata));
                let known = Known { client: Arc::clone(&client), since: Instant::now() };
                *found = Found { known: Some(known), failed: None };
                Ok(client)
            }
            Err(error) => {
                let why = chain(&error);
                found.failed = Some((Instant::now(), why.clone()));
                Err(OidcError::Unavailable(why))
            }
        }
    }

    fn made(&self, metadata: CoreProviderMetadata) -> Client {
        let OidcSettings { client_id, client_secret, .. } = &self.settings;
        Client::from_provider_metadata(metadata, ClientId::new(client_id.clone()), client_secret.clone())
            .set_redirect_uri(self.redirect.clone())
    }
}

/// Why an ID token is not believed.
#[derive(Debug, thiserror::Error)]
enum Unverified {
    #[error("there is no ID token")]
    Missing,
    #[error("the ID token is signed with a key that the provider does not list")]
    UnknownKey,
    #[error("{0}")]
    Claims(ClaimsVerificationError),
    #[error("{0}")]
    Key(#[from] openidconnect::SignatureVerificationError),
    #[error("{0}")]
    Signing(#[from] SigningError),
    #[error("the access token is not the one that the ID token names")]
    OtherAccessToken,
}

impl From<ClaimsVerificationError> for Unverified {
    fn from(error: ClaimsVerificationError) -> Self {
        use openidconnect::SignatureVerificationError::{CryptoError, NoMatchingKey};
        match error {
            ClaimsVerificationError::SignatureVerification(NoMatchingKey | CryptoError(_)) => {
                Self::UnknownKey
            }
            ClaimsVerificationError::SignatureVerification(error) => Self::Key(error),
            error => Self::Claims(error),
        }
    }
}

/// How a provider may sign; not with the secret that it shares with this service.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The claims of an ID token that holds (OpenID Connect Core 1.0, section 3.1.3.7).
fn verified(client: &Client, tokens: &Tokens, nonce: &Nonce) -> Result<Claims, Unverified> {
    let token = tokens.id_token().ok_or(Unverified::Missing)?;
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
    let claims = token.claims(&verifier, nonce)?;
    if let Some(named) = claims.access_token_hash() {
        let (key, algorithm) = (token.signing_key(&verifier)?, token.signing_alg()?);
        let given = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)?;
        if given != *named {
            return Err(Unverified::OtherAccessToken);
        }
    }
    Ok(claims.clone())
}

/// A code that the provider does not take was used, is old, or is not for this service.
fn refused<E: std::error::Error + 'static>(
    error: openidconnect::RequestTokenError<E, StandardErrorResponse<CoreErrorResponseType>>,
) -> OidcError {
    match error {
        openidconnect::RequestTokenError::ServerResponse(reply) => {
            OidcError::Refused(claims::word(reply.error().as_ref()))
        }
        error => unavailable(error),
    }
}

fn unavailable(error: impl std::error::Error) -> OidcError {
    OidcError::Unavailable(chain(&error))
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
