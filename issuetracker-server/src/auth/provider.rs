//! The OpenID provider: where it sends people to, and what it says when they come back. Every request to it is bounded in
//! time and size, follows no redirect, and never leaves TLS; a provider that hangs holds up only who logs in.

use std::{future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType,
        CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use reqwest::{Url, redirect};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::identity::{Admission, Claims, Identity, Stranger};
use crate::config::{GOOGLE, LoginConfig, is_this_machine};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// No answer of a provider is larger.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How long a connection, and one answer, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);

/// How many people's logins may wait for the provider at a time; the others are told to try again.
const MAX_WAITING: usize = 32;

/// How far the provider's clock may be ahead, and how old what it says may be.
const CLOCK_AHEAD_SECONDS: i64 = 60;
const MAX_AGE_SECONDS: i64 = 600;

/// Why nobody came out of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It cannot be reached, or answers nonsense.
    #[error("the identity provider cannot be used")]
    Unavailable(#[source] BoxError),
    /// What it said cannot be trusted, and why not.
    #[error("the identity provider's answer is not to be trusted: {0}")]
    Untrusted(String),
    /// It vouches for somebody who is not one of us.
    #[error("not one of us: {0:?}")]
    Stranger(Stranger),
}

/// A login that begins: where to send the browser, and what has to be remembered.
pub(crate) struct Departure {
    pub(crate) url: Url,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

/// A browser that came back.
pub(crate) struct Arrival {
    pub(crate) code: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

/// What we read beside the standard claims.
#[derive(Debug, Serialize, Deserialize)]
struct Further {
    hd: Option<String>,
    nbf: Option<i64>,
}

impl AdditionalClaims for Further {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Further,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type Client = openidconnect::Client<
    Further,
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

/// The provider that is configured.
pub(crate) struct Provider {
    config: LoginConfig,
    http: Http,
    waiting: Semaphore,
}

impl Provider {
    /// Asks nothing yet: the server starts while its provider is away.
    pub(crate) fn new(config: LoginConfig) -> Result<Self, BoxError> {
        let issuer = Url::parse(&config.issuer)?;
        let is_plain = issuer.scheme() == "http";
        let mut client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .https_only(!is_plain);
        if is_this_machine(&issuer) {
            client = client.no_proxy();
        }
        Ok(Self { config, http: Http { client: client.build()?, is_plain }, waiting: Semaphore::new(MAX_WAITING) })
    }

    /// Where a browser that wants to log in is sent.
    pub(crate) async fn depart(&self) -> Result<Departure, ProviderError> {
        let _place = self.place()?;
        let (client, _) = self.discover().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = client
            .authorize_url(flow, || CsrfToken::new_random_len(32), || Nonce::new_random_len(32))
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge);
        if self.config.issuer == GOOGLE {
            // Who has several accounts is asked for the one that will do.
            request = request.add_extra_param("prompt", "select_account");
            if let [domain] = self.config.domains.as_slice() {
                request = request.add_extra_param("hd", domain);
            }
        }
        let (url, state, nonce) = request.url();
        if !self.http.may_ask(&url) {
            return Err(ProviderError::Untrusted("its authorization endpoint is without TLS".to_owned()));
        }
        let (state, nonce) = (state.secret().clone(), nonce.secret().clone());
        Ok(Departure { url, state, nonce, verifier: verifier.secret().clone() })
    }

    /// Who came back.
    pub(crate) async fn arrive(&self, arrival: Arrival, now: Timestamp) -> Result<Identity, ProviderError> {
        let _place = self.place()?;
        // Its keys are read for each login, so that those it has withdrawn do not count.
        let (client, tells_organisation) = self.discover().await?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(arrival.code))
            .map_err(unavailable)?
            .set_pkce_verifier(PkceCodeVerifier::new(arrival.verifier))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(said) => {
                    ProviderError::Untrusted(format!("it refused the code: {}", said.error()))
                }
                RequestTokenError::Parse(..) => ProviderError::Untrusted("its tokens cannot be read".to_owned()),
                error => unavailable(error),
            })?;
        let claims = self.check(&client, &tokens, &Nonce::new(arrival.nonce), now).await?;
        let admission = Admission {
            domains: &self.config.domains,
            tells_organisation: tells_organisation || self.config.issuer == GOOGLE,
        };
        admission.admit(&self.config.issuer, &claims).map_err(ProviderError::Stranger)
    }

    fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, ProviderError> {
        self.waiting.try_acquire().map_err(unavailable)
    }

    /// A client for what the provider says of itself now, and whether it tells organisations.
    async fn discover(&self) -> Result<(Client, bool), ProviderError> {
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(unavailable)?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http).await.map_err(unavailable)?;
        let tells = metadata.claims_supported().is_some_and(|claims| claims.iter().any(|claim| claim.as_str() == "hd"));
        let redirect = format!("{}/oauth/callback", self.config.public_url);
        let client = Client::from_provider_metadata(
            metadata,
            ClientId::new(self.config.client_id.clone()),
            Some(ClientSecret::new(self.config.client_secret.0.clone())),
        );
        Ok((client.set_redirect_uri(RedirectUrl::new(redirect).map_err(unavailable)?), tells))
    }

    /// Signature, issuer, audience, times and nonce; then what is said of the person, asked for if the token is short.
    async fn check(
        &self,
        client: &Client,
        tokens: &Tokens,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<Claims, ProviderError> {
        let untrusted = |what: &str| ProviderError::Untrusted(what.to_owned());
        let token = tokens.id_token().ok_or_else(|| untrusted("it sent no identity"))?;
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs([CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256])
            .set_issue_time_verifier_fn(|at| {
                let age = now.as_second() - at.timestamp();
                let is_now = (-CLOCK_AHEAD_SECONDS..=MAX_AGE_SECONDS).contains(&age);
                if is_now { Ok(()) } else { Err("not now".to_owned()) }
            });
        let claims = token.claims(&verifier, nonce).map_err(|error| untrusted(&kind_of(&error)))?;
        if claims.authorized_party().is_some_and(|party| party.as_str() != self.config.client_id) {
            return Err(untrusted("it is meant for somebody else"));
        }
        let further = claims.additional_claims();
        if further.nbf.is_some_and(|from| from > now.as_second() + CLOCK_AHEAD_SECONDS) {
            return Err(untrusted("it does not hold yet"));
        }
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.len() > 255 || !subject.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(untrusted("its subject is no subject"));
        }
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|_| untrusted("its signature is none"))?;
            let key = token.signing_key(&verifier).map_err(|_| untrusted("its key is unknown"))?;
            let found = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if found.as_ref().ok() != Some(expected) {
                return Err(untrusted("its access token belongs to another identity"));
            }
        }
        if let Some(email) = claims.email() {
            return Ok(Claims {
                subject: subject.to_owned(),
                email: email.as_str().to_owned(),
                email_verified: claims.email_verified(),
                hosted_domain: further.hd.clone(),
                name: claims
                    .name()
                    .and_then(|name| name.get(None))
                    .map(|name| name.as_str().to_owned())
                    .unwrap_or_default(),
            });
        }
        let request = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone()));
        let said: UserInfoClaims<Further, CoreGenderClaim> =
            request.map_err(|_| ProviderError::Stranger(Stranger::NoEmail))?.request_async(&self.http).await.map_err(
                |error| match error {
                    openidconnect::UserInfoError::ClaimsVerification(error) => untrusted(&kind_of(&error)),
                    error => unavailable(error),
                },
            )?;
        Ok(Claims {
            subject: subject.to_owned(),
            email: said.email().map(|email| email.as_str().to_owned()).unwrap_or_default(),
            email_verified: said.email_verified(),
            // What is signed goes before what is not.
            hosted_domain: further.hd.clone().or_else(|| said.additional_claims().hd.clone()),
            name: said.name().and_then(|name| name.get(None)).map(|name| name.as_str().to_owned()).unwrap_or_default(),
        })
    }
}

/// What is wrong with a token, without its content: a hostile one would write into our log.
fn kind_of(error: &openidconnect::ClaimsVerificationError) -> String {
    use openidconnect::ClaimsVerificationError as Error;
    let kind = match error {
        Error::Expired(_) => "it has expired, or was not issued just now",
        Error::InvalidAudience(_) => "it is meant for somebody else",
        Error::InvalidIssuer(_) => "somebody else has issued it",
        Error::InvalidNonce(_) => "it belongs to another login",
        Error::InvalidSubject(_) => "it is about somebody else",
        Error::SignatureVerification(_) => "its signature does not hold",
        _ => "it cannot be read",
    };
    kind.to_owned()
}

fn unavailable(error: impl Into<BoxError>) -> ProviderError {
    ProviderError::Unavailable(error.into())
}

/// Requests to the provider.
struct Http {
    client: reqwest::Client,
    /// The issuer itself is on this machine and without TLS.
    is_plain: bool,
}

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("it did not answer")]
    Request(#[from] reqwest::Error),
    #[error("its answer is too large")]
    TooLarge,
    #[error("an address of it is without TLS")]
    Insecure,
}

impl Http {
    fn may_ask(&self, url: &Url) -> bool {
        url.scheme() == "https" || (self.is_plain && url.scheme() == "http" && is_this_machine(url))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        if !self.may_ask(request.url()) {
            return Err(HttpError::Insecure);
        }
        let mut answer = self.client.execute(request).await?;
        let mut response = HttpResponse::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        while let Some(chunk) = answer.chunk().await? {
            if response.body().len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(HttpError::TooLarge);
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}
