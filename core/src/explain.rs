//! Explains decisions: the same that the filter would take, with all that they rest on. No request is ever let
//! through by anything in here.

mod obstacle;

use std::collections::BTreeMap;

use countersign_protocol::recording::Decision;
use countersign_protocol::request::Terms;
use countersign_protocol::{Hash, Token, UnixMillis};
use serde_json::Value as Json;

use crate::bundle::Bundle;
use crate::denial::{Denial, Reason};
use crate::engine::Engine;
use crate::entity::EntityName;
use crate::facts::RequestFacts;
use crate::identity::Caller;
use crate::journal::Journal;
use crate::judge::{Judged, Part, Unjudged, judge};
use crate::life::{Enquiry, Fate, Moment, Next, Step, decide};
use crate::load::LoadError;
use crate::policy::{Account, Anatomy, Brief, Came, Query, Role, Ruling, Verdict};
use crate::reading::Reading;
use crate::routes::{Miss, WrittenRoute, written};

pub use obstacle::{Obstacle, ObstacleKind, Obstacles};

/// A loaded configuration, with its policies and routes as they are written.
#[derive(Debug)]
pub struct Explainer {
    engine: Engine,
    anatomies: Vec<Anatomy>,
    routes: Vec<WrittenRoute>,
}

/// What is decided on a request, and how it came to that.
#[derive(Debug)]
pub struct Explanation {
    /// What is decided.
    pub verdict: Decided,
    /// Who asks, as far as that was found out.
    pub caller: Option<Caller>,
    /// The request as it is read, if it can be read.
    pub reading: Option<Reading>,
    /// The route that it takes.
    pub route: Option<TakenRoute>,
    /// When no route takes it: those of its host, the nearest first, and what keeps it from each.
    pub missed: Vec<(WrittenRoute, Miss)>,
    /// What policy was asked.
    pub query: Option<Query>,
    /// From member of the context to its type in the schema.
    pub types: BTreeMap<String, String>,
    /// What policy says.
    pub ruling: Option<Ruling>,
    /// What became of each policy whose scope matches; when nothing permits it, also the permits that came nearest.
    pub accounts: Vec<Account>,
    /// Why the request does not fit the schema, when it does not.
    pub unfit: Option<String>,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It goes on.
    Allow,
    /// People are asked.
    Ask,
    /// It is refused.
    Deny {
        /// Stable, `snake_case`.
        code: String,
        /// HTTP status.
        status: u16,
        /// One sentence.
        sentence: String,
        /// What is particular.
        detail: String,
    },
}

/// How a request came to be an action on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenRoute {
    /// `routes.yaml:12`, or `http`.
    pub name: String,
    /// As it is written; nothing for plain HTTP.
    pub written: Option<WrittenRoute>,
    /// Parameters of the path.
    pub captured: Vec<(String, String)>,
}

/// A decision in short, and what it exercised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercised {
    /// What is decided.
    pub decision: Decision,
    /// The name of the route.
    pub route: Option<String>,
    /// What became of each policy whose scope matches.
    pub briefs: Vec<Brief>,
}

/// The first decision of the very code that the filter runs.
#[derive(Debug, Clone, PartialEq)]
pub struct First {
    /// What is decided.
    pub decided: Decided,
    /// What people are asked, when they are.
    pub question: Option<Box<Enquiry>>,
}

/// What came of the life of a request up to its first decision.
struct Outcome {
    verdict: Decided,
    question: Option<Box<Enquiry>>,
    /// What was known by then: with the body, where it was asked for.
    facts: RequestFacts,
}

impl Explainer {
    /// Loads a configuration as the filter does.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn load(configuration: &Json) -> Result<Self, Vec<LoadError>> {
        let engine = Engine::load(configuration)?;
        let bundle = Bundle::from_json(configuration.get("bundle").unwrap_or(&Json::Null))?;
        let anatomies = engine.policies.anatomies(&bundle);
        Ok(Self { engine, anatomies, routes: written(bundle.get("routes.yaml")) })
    }

    /// Hash of the bundle.
    #[must_use]
    pub fn bundle_hash(&self) -> Hash {
        self.engine.bundle_hash()
    }

    /// All policies, sorted by id.
    #[must_use]
    pub fn policies(&self) -> &[Anatomy] {
        &self.anatomies
    }

    /// The policy `id`.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<&Anatomy> {
        let found = self.anatomies.binary_search_by(|anatomy| anatomy.info.notes.id.as_str().cmp(id));
        self.anatomies.get(found.ok()?)
    }

    /// All routes, in their order.
    #[must_use]
    pub fn routes(&self) -> &[WrittenRoute] {
        &self.routes
    }

    /// Explains what is decided on `facts` as of `now`. A body that is `None` was never sent.
    #[must_use]
    pub fn explain(&self, facts: &RequestFacts, now: UnixMillis) -> Explanation {
        let Outcome { verdict, facts, .. } = self.decide(facts, now);
        let mut explanation = self.look(&facts, verdict, now);
        if let Ok(judged) = judge(&self.engine, &facts, now) {
            self.account(&mut explanation, judged);
        }
        explanation
    }

    /// What a decision on `facts` as of `now` exercises. A body that is `None` was never sent.
    #[must_use]
    pub fn exercise(&self, facts: &RequestFacts, now: UnixMillis) -> Exercised {
        let Outcome { verdict, facts, .. } = self.decide(facts, now);
        let (route, briefs) = match judge(&self.engine, &facts, now) {
            Ok(judged) => {
                let briefs = |part: &Part| self.engine.policies.briefs(&self.anatomies, &part.query);
                let all = judged.parts().filter_map(|part| briefs(part).ok()).flatten().collect();
                (Some(judged.target.name().to_owned()), all)
            }
            Err(Unjudged::Denied(_, about)) => (about.route, Vec::new()),
            Err(Unjudged::NeedBody(_)) => (None, Vec::new()),
        };
        Exercised { decision: verdict.decision(), route, briefs }
    }

    /// What is decided first on `facts` as of `now`, and nothing about why. A body that is `None` was never sent.
    #[must_use]
    pub fn first(&self, facts: &RequestFacts, now: UnixMillis) -> First {
        let Outcome { verdict, question, .. } = self.decide(facts, now);
        First { decided: verdict, question }
    }

    /// The header and trailer fields whose values do not leave the gateway, by the route that the request takes and by
    /// where tokens are looked for; those of the fixed list ([`crate::digest::is_secret`]) are not among them.
    #[must_use]
    pub fn redacted(&self, facts: &RequestFacts, now: UnixMillis) -> Vec<String> {
        let mut redacted = self.engine.identities.credentials();
        if let Ok(judged) = judge(&self.engine, facts, now) {
            redacted.extend(judged.target.redacted().iter().cloned());
        }
        redacted
    }

    /// The first decision of the very code that the filter runs, and what it needed for it.
    fn decide(&self, whole: &RequestFacts, now: UnixMillis) -> Outcome {
        let (engine, at) = (&self.engine, Moment { now, fresh: Token([0; 16]) });
        let mut journal = Journal::new(at.fresh);
        let body = whole.body.clone();
        let first =
            RequestFacts { body: body.is_none().then(Vec::new), trailers: Vec::new(), ..whole.clone() };
        let step = decide(engine, &mut journal, first.clone(), at);
        let (step, facts) = match (step.next, body) {
            (Next::NeedBody(state), Some(body)) if body.len() > engine.limits().body => {
                (state.on_too_large(engine, &mut journal, now), first)
            }
            (Next::NeedBody(state), Some(body)) => {
                let step = state.on_body(engine, &mut journal, body, whole.trailers.clone(), at);
                (step, whole.clone())
            }
            (next, _) => (Step { next, ..step }, first),
        };
        let verdict = Decided::of(&step);
        let question = match step.next {
            Next::Ask(enquiry, _) => Some(enquiry),
            _ => None,
        };
        Outcome { verdict, question, facts }
    }

    /// What is known before policy is asked, as far as it goes.
    fn look(&self, facts: &RequestFacts, verdict: Decided, now: UnixMillis) -> Explanation {
        let engine = &self.engine;
        let owner_of = |entity: &EntityName, name: &str| engine.policies.attribute_entity(entity, name);
        let reading = Reading::of(facts, &engine.relaxed).ok();
        let identify = |reading| engine.identities.identify(facts, reading, now, &owner_of).ok();
        let caller = reading.as_ref().and_then(identify);
        let target = reading.as_ref().map(|reading| engine.routes.find(reading, facts.body.as_deref()));
        let missed = match (&target, &reading) {
            (Some(Err(_)), Some(reading)) => self.missed(reading, facts.body.as_deref()),
            _ => Vec::new(),
        };
        let route = target.and_then(Result::ok).map(|target| {
            let written = self.routes.iter().find(|route| route.is(&target)).cloned();
            let captured = written.as_ref().map(|route| route.captured(&target)).unwrap_or_default();
            TakenRoute { name: target.name().to_owned(), written, captured }
        });
        Explanation {
            verdict,
            caller,
            reading,
            route,
            missed,
            query: None,
            types: BTreeMap::new(),
            ruling: None,
            accounts: Vec::new(),
            unfit: None,
        }
    }

    fn missed(&self, reading: &Reading, body: Option<&[u8]>) -> Vec<(WrittenRoute, Miss)> {
        let missed = self.routes.iter().filter_map(|route| Some((route.clone(), route.miss(reading, body)?)));
        let mut missed: Vec<_> = missed.filter(|(_, miss)| *miss != Miss::Host).collect();
        missed.sort_by_key(|(route, miss)| (miss.clone(), std::cmp::Reverse(route.shared(reading))));
        missed
    }

    /// Whether a policy that is enforced and has this part holds.
    fn holds(&self, accounts: &[Account], part: impl Fn(&Role) -> bool) -> bool {
        accounts.iter().any(|account| account.came == Came::True && self.plays(account, &part))
    }

    /// Whether a policy is enforced and has this part.
    pub fn plays(&self, account: &Account, part: impl Fn(&Role) -> bool) -> bool {
        let notes = self.policy(&account.policy).map(|anatomy| &anatomy.info.notes);
        notes.is_some_and(|notes| !notes.shadow && part(&notes.role))
    }

    fn account(&self, explanation: &mut Explanation, judged: Judged<'_>) {
        let policies = &self.engine.policies;
        let deciding = judged.deciding();
        let (query, ruling) = (deciding.query.clone(), judged.ruling.clone());
        let declared = policies.context_type(&query.action).into_iter().flatten();
        explanation.types =
            declared.map(|(name, attribute)| (name.clone(), attribute.ty.to_string())).collect();
        let denied = matches!(ruling.verdict, Verdict::Deny(_));
        match policies.explain(&self.anatomies, &query, denied) {
            Ok(accounts) => explanation.accounts = accounts,
            // Nobody need fit the schema to be refused.
            Err(_) if ruling.verdict == Verdict::Deny(Reason::Anonymous) => {}
            Err(message) => explanation.unfit = Some(message),
        }
        let permitted = self.holds(&explanation.accounts, |role| *role == Role::Permit);
        explanation.accounts.retain(|account| account.candidate || !permitted);
        explanation.query = Some(query);
        explanation.ruling = Some(ruling);
    }
}

impl Decided {
    fn of(step: &Step) -> Self {
        match (step.decision.map(|decision| decision.fate), &step.next) {
            (Some(Fate::Denied(reason)), _) => {
                let record = step.audit.last().and_then(|record| serde_json::from_str(&record.line).ok());
                let detail = record.and_then(|record: Json| Some(record.get("detail")?.as_str()?.to_owned()));
                Self::denial(&Denial::new(reason, detail.unwrap_or_default()))
            }
            (Some(Fate::NeedsApproval | Fate::Pending), _) | (_, Next::Ask(..)) => Self::Ask,
            _ => Self::Allow,
        }
    }

    fn denial(denial: &Denial) -> Self {
        let meaning = denial.reason.meaning();
        Self::Deny {
            code: meaning.code.into(),
            status: meaning.http,
            sentence: meaning.sentence.into(),
            detail: denial.detail.clone(),
        }
    }

    /// Without particulars.
    #[must_use]
    pub fn decision(&self) -> Decision {
        match self {
            Self::Allow => Decision::Allow,
            Self::Ask => Decision::Ask,
            Self::Deny { .. } => Decision::Deny,
        }
    }
}

impl Explanation {
    /// What people would be asked for together, when gates are shut.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        match &self.ruling.as_ref()?.verdict {
            Verdict::NeedsApproval(required) => Some(&required.terms),
            _ => None,
        }
    }
}
