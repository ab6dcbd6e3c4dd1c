//! Properties: through index and slice of entities, every ruling is what Cedar says over the whole set.

mod explain;

use std::collections::BTreeSet;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Effect, Entities, PolicyId, PolicySet, Request,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};

use super::request::Fitted;
use super::*;
use crate::denial::Reason;
use crate::value::Value;

const SCHEMA: &str = r#"
entity Anonymous;
entity User in [Team];
entity Agent in [Team] = { owner?: User, level?: Long };
entity Team in [Team];
entity Org in [Org];
entity Repo in [Org] = { level?: Long } tags User;
action "all";
action "change" in "all";
action "read" in "all" appliesTo { principal: [Agent, Anonymous], resource: Repo, context: { n: Long, by?: User } };
action "write" in "change" appliesTo { principal: Agent, resource: Repo, context: { n: Long, by?: User } };
action "join" in "change" appliesTo { principal: Agent, resource: Team, context: { n: Long, by?: User } };
action "drop" in ["change", "all"] appliesTo { principal: Agent, resource: Repo, context: { n: Long, by?: User } };
"#;

const CONDITIONS: [&str; 18] = [
    "",
    "",
    "when { false }",
    "when { context.n > 3 }",
    "unless { context.n > 3 }",
    "when { context.n + 9223372036854775807 > 0 }",
    "when { principal.level > 2 }",
    "when { principal has owner && principal.owner in [Team::\"0\", Team::\"1\", Team::\"2\"] }",
    "when { context has by && context.by in [Team::\"0\", Team::\"3\"] }",
    "when { Agent::\"0\".level > 1 }",
    "when { Agent::\"1\" has owner && Agent::\"1\".owner in [Team::\"2\", Team::\"3\"] }",
    "when { resource.getTag(\"owner\") in [Team::\"0\", Team::\"1\"] }",
    "when { resource in Org::\"1\" && resource.level < 3 }",
    "when { Action::\"drop\" in Action::\"change\" && action in Action::\"change\" }",
    "when { !(context.n > 3 || principal has owner) }",
    "unless { if context has by then context.by in Team::\"0\" else context.n > 3 }",
    "when { context.n != 1 } unless { principal is Agent in Team::\"1\" || resource.level < 3 }",
    "when { (context.n < 3 || context.n + 9223372036854775807 > 0) && (true && context has by) }",
];

/// A policy by its parts, so that its scope can be looked at alone.
#[derive(Debug, Clone)]
struct Sketch {
    effect: &'static str,
    annotations: &'static str,
    scope: String,
    condition: &'static str,
}

/// An entity of the bundle.
#[derive(Debug, Clone)]
struct Thing {
    ty: &'static str,
    id: usize,
    attrs: Json,
    tags: Json,
    parents: BTreeSet<(&'static str, usize)>,
}

#[derive(Debug, Clone)]
struct World {
    sketches: Vec<Sketch>,
    things: Vec<Thing>,
    principal: (&'static str, usize),
    action: &'static str,
    resource: (&'static str, usize),
    parents: Vec<(&'static str, usize)>,
    /// Groups of the principal that its credentials name.
    groups: Vec<usize>,
    n: i64,
    by: Option<usize>,
}

fn policy() -> impl Strategy<Value = Sketch> {
    let kinds = select(vec![
        ("permit", ""),
        ("permit", ""),
        ("forbid", ""),
        ("forbid", "@approval(\"sre\") @quorum(\"2\")"),
        ("forbid", "@approval(\"dba\") @severity(\"high\") @hold(\"5s\")"),
        ("permit", "@shadow"),
        ("forbid", "@shadow @approval(\"sre\")"),
    ]);
    let principal = prop_oneof![
        6 => Just("principal".to_owned()),
        2 => (0..5usize).prop_map(|n| format!("principal == Agent::\"{n}\"")),
        2 => (0..4usize).prop_map(|n| format!("principal in Team::\"{n}\"")),
        1 => select(vec!["Agent", "Anonymous"]).prop_map(|ty| format!("principal is {ty}")),
        1 => (0..4usize).prop_map(|n| format!("principal is Agent in Team::\"{n}\"")),
        1 => (0..5usize).prop_map(|n| format!("principal in Agent::\"{n}\"")),
    ];
    let names = vec!["all", "change", "read", "write", "drop", "join"];
    let action = prop_oneof![
        3 => Just("action".to_owned()),
        1 => select(names.clone()).prop_map(|name| format!("action == Action::\"{name}\"")),
        1 => select(names.clone()).prop_map(|name| format!("action in Action::\"{name}\"")),
        1 => subsequence(names, 0..=3).prop_map(|names| {
            let names: Vec<_> = names.iter().map(|name| format!("Action::\"{name}\"")).collect();
            format!("action in [{}]", names.join(", "))
        }),
    ];
    let resource = prop_oneof![
        6 => Just("resource".to_owned()),
        2 => (0..4usize).prop_map(|n| format!("resource == Repo::\"{n}\"")),
        2 => (0..4usize).prop_map(|n| format!("resource in Org::\"{n}\"")),
        1 => Just("resource is Repo".to_owned()),
        1 => (0..4usize).prop_map(|n| format!("resource is Repo in Org::\"{n}\"")),
        1 => (0..4usize).prop_map(|n| format!("resource in Team::\"{n}\"")),
    ];
    let condition = select(CONDITIONS.to_vec());
    (kinds, principal, action, resource, condition).prop_map(
        |(kind, principal, action, resource, condition)| {
            let scope = format!("({principal}, {action}, {resource})");
            Sketch { effect: kind.0, annotations: kind.1, scope, condition }
        },
    )
}

/// `count` entities of one type; groups lie only in groups of a higher number, so there is no cycle.
fn things(ty: &'static str, group: &'static str, count: usize) -> impl Strategy<Value = Vec<Thing>> {
    let one = move |id: usize| {
        let parents = subsequence((0..4).collect::<Vec<_>>(), 0..=2);
        let user = prop::option::of(0..3usize);
        (parents, user, prop::option::of(0..5i64)).prop_map(move |(parents, user, level)| {
            let mut thing = Thing { ty, id, attrs: json!({}), tags: json!({}), parents: BTreeSet::new() };
            let user = user.map(|id| json!({ "__entity": { "type": "User", "id": id.to_string() } }));
            match ty {
                "Agent" => thing.attrs = object([("owner", user), ("level", level.map(Json::from))]),
                "Repo" => {
                    thing.attrs = object([("level", level.map(Json::from))]);
                    thing.tags = object([("owner", user)]);
                }
                _ => {}
            }
            let above = parents.into_iter().filter(|&parent| ty != group || parent > id);
            thing.parents = above.map(|parent| (group, parent)).collect();
            thing
        })
    };
    (0..count).map(one).collect::<Vec<_>>()
}

fn object<const N: usize>(members: [(&str, Option<Json>); N]) -> Json {
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn world() -> impl Strategy<Value = World> {
    let entities = (
        things("User", "Team", 2),
        things("Agent", "Team", 3),
        things("Team", "Team", 3),
        things("Org", "Org", 3),
        things("Repo", "Org", 2),
    );
    let who = prop_oneof![4 => (0..5usize).prop_map(|n| ("Agent", n)), 1 => Just(("Anonymous", 0))];
    let parents = subsequence((0..4).collect::<Vec<_>>(), 0..=2);
    let what = (who, select(vec!["read", "write", "drop", "join"]), 0..4usize, parents);
    let context = (select(vec![0, 1, 5]), prop::option::of(0..3usize));
    let groups = prop_oneof![2 => Just(Vec::new()), 1 => subsequence((0..4).collect::<Vec<_>>(), 1..=2)];
    (prop::collection::vec(policy(), 0..12), entities, what, context, groups).prop_map(
        |(sketches, e, what, context, groups)| World {
            // Nobody's credentials say anything.
            groups: if what.0.0 == "Agent" { groups } else { Vec::new() },
            sketches,
            things: [e.0, e.1, e.2, e.3, e.4].concat(),
            principal: what.0,
            action: what.1,
            resource: (if what.1 == "join" { "Team" } else { "Repo" }, what.2),
            parents: match what.1 {
                "join" => what.3.into_iter().filter(|&n| n > what.2).map(|n| ("Team", n)).collect(),
                _ => what.3.into_iter().map(|n| ("Org", n)).collect(),
            },
            n: context.0,
            by: context.1,
        },
    )
}

impl Sketch {
    fn text(&self, id: usize) -> String {
        let Self { effect, annotations, scope, condition } = self;
        format!("@id(\"p{id:02}\") {annotations} {effect} {scope} {condition};\n")
    }
}

impl Thing {
    fn json(&self) -> Json {
        let parents: Vec<_> =
            self.parents.iter().map(|(ty, id)| json!({ "type": ty, "id": id.to_string() })).collect();
        let uid = json!({ "type": self.ty, "id": self.id.to_string() });
        json!({ "uid": uid, "attrs": self.attrs, "tags": self.tags, "parents": parents })
    }
}

impl World {
    fn anonymous(&self) -> bool {
        self.principal.0 == "Anonymous"
    }

    fn query(&self) -> Query {
        let by = self.by.map(|id| ("by".to_owned(), Value::Entity(EntityName::new("User", id.to_string()))));
        Query {
            principal: EntityName::new(self.principal.0, self.principal.1.to_string()),
            claimed: Claimed {
                groups: self.groups.iter().map(|id| EntityName::new("Team", id.to_string())).collect(),
                group_type: self.groups.first().and(Some("Nothing".to_owned())),
                attributes: BTreeMap::new(),
            },
            anonymous: self.anonymous(),
            action: EntityName::new("Action", self.action),
            resource: EntityName::new(self.resource.0, self.resource.1.to_string()),
            parents: self.parents.iter().map(|(ty, id)| EntityName::new(*ty, id.to_string())).collect(),
            context: by.into_iter().chain([("n".to_owned(), Value::Long(self.n))]).collect(),
        }
    }

    /// Without validation: what never applies must not confuse the index either.
    fn policies(&self, texts: &[String]) -> Policies {
        let texts: Vec<_> = texts.iter().map(|text| File { path: "a.cedar", text }).collect();
        let types = Types::load(&[File { path: "a.cedarschema", text: SCHEMA }]).unwrap();
        let mut errors = Vec::new();
        let read = reader::read_all(&texts, &PolicyLimits::default(), &mut errors);
        assert_eq!(errors, []);
        let things = self.things.iter().map(Thing::json).collect::<Json>().to_string();
        let entities = entities::read(&types, File { path: "entities.json", text: &things }).unwrap();
        Policies::index(types, Hierarchy::new(entities), read).ok().unwrap()
    }

    fn texts(&self) -> Vec<String> {
        self.sketches.iter().enumerate().map(|(id, sketch)| sketch.text(id)).collect()
    }

    /// The request and all entities as anybody would give them to Cedar.
    fn cedar(&self, policies: &Policies) -> (Request, Entities) {
        let mut things = self.things.clone();
        for (ty, id) in [self.principal, self.resource] {
            if !things.iter().any(|thing| (thing.ty, thing.id) == (ty, id)) {
                things.push(Thing { ty, id, attrs: json!({}), tags: json!({}), parents: BTreeSet::new() });
            }
        }
        let resource = things.iter_mut().find(|thing| (thing.ty, thing.id) == self.resource);
        resource.unwrap().parents.extend(&self.parents);
        let principal = things.iter_mut().find(|thing| (thing.ty, thing.id) == self.principal);
        principal.unwrap().parents.extend(self.groups.iter().map(|id| ("Team", *id)));
        let things: Json = things.iter().map(Thing::json).collect();
        let schema = &policies.types.schema;
        let entities = Entities::from_json_value(things, Some(schema)).unwrap();
        let by = self.by.map(|id| json!({ "__entity": { "type": "User", "id": id.to_string() } }));
        let context = object([("n", Some(self.n.into())), ("by", by)]);
        let uid = |ty: &str, id: &str| format!("{ty}::\"{id}\"").parse().unwrap();
        let request = Request::new(
            uid(self.principal.0, &self.principal.1.to_string()),
            uid("Action", self.action),
            uid(self.resource.0, &self.resource.1.to_string()),
            Context::from_json_value(context, None).unwrap(),
            Some(schema),
        );
        (request.unwrap(), entities)
    }
}

fn ids<'a>(policies: impl Iterator<Item = &'a Loaded>) -> BTreeSet<String> {
    policies.map(|policy| policy.info.notes.id.clone()).collect()
}

/// The policies as Cedar itself reads them, as far as their annotations are wanted.
fn whole(texts: &[String], keep: impl Fn(&Policy) -> bool) -> PolicySet {
    let policies = texts.iter().map(|text| Policy::parse(None, text).unwrap());
    let named = policies.map(|policy| policy.new_id(PolicyId::new(policy.annotation("id").unwrap())));
    PolicySet::from_policies(named.filter(|policy| policy.annotation("shadow").is_none() && keep(policy)))
        .unwrap()
}

/// Whether the world asks something that the schema allows to be asked.
fn fits(world: &World) -> bool {
    !world.anonymous() || world.action == "read"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn decision_reasons_and_errors_are_those_of_the_whole_set(world in world().prop_filter("fits", fits)) {
        let policies = world.policies(&world.texts());
        let query = world.query();
        let (request, entities) = world.cedar(&policies);
        let set = whole(&world.texts(), |_| true);
        let expected = Authorizer::new().is_authorized(&request, &set, &entities);
        let action = policies.types.action(&query.action).unwrap();
        let found = policies.find(&query, action, &|_| true).unwrap();

        let forbids = &ids(found.forbids.iter().copied()) | &ids(found.gates.iter().map(|(gate, _)| *gate));
        let permits = ids(found.permits.iter().copied());
        let allow = forbids.is_empty() && !permits.is_empty();
        prop_assert_eq!(allow, expected.decision() == Decision::Allow);
        let reasons: BTreeSet<_> = expected.diagnostics().reason().map(ToString::to_string).collect();
        prop_assert_eq!(if forbids.is_empty() { permits } else { forbids }, reasons);
        let errors: BTreeSet<_> = expected.diagnostics().errors().map(|error| {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            let policy = error.policy_id().to_string();
            Fault::Failed { policy, failure: evaluate::failure(error.inner()) }
        }).collect();
        prop_assert_eq!(found.errors.into_iter().collect::<BTreeSet<_>>(), errors);
    }

    #[test]
    fn the_split_ruling_is_cedars_decision_unless_a_forbid_fails(world in world().prop_filter("fits", fits)) {
        let policies = world.policies(&world.texts());
        let ruling = policies.rule(&world.query());
        let (request, entities) = world.cedar(&policies);
        let decide = |keep: &dyn Fn(&Policy) -> bool| {
            let set = whole(&world.texts(), keep);
            Authorizer::new().is_authorized(&request, &set, &entities)
        };
        let all = decide(&|_| true);
        let forbids = decide(&|policy| policy.effect() == Effect::Forbid);
        let ungated = decide(&|policy| policy.annotation("approval").is_none());
        let expected = if forbids.diagnostics().errors().next().is_some() {
            "policy_error"
        } else if ungated.decision() == Decision::Deny {
            "forbidden"
        } else if all.decision() == Decision::Allow {
            "allow"
        } else if world.anonymous() {
            "anonymous"
        } else {
            "ask"
        };
        let verdict = match &ruling.verdict {
            Verdict::Allow => "allow",
            Verdict::Deny(reason) => reason.meaning().code,
            Verdict::NeedsApproval(_) => "ask",
        };
        prop_assert_eq!(verdict, expected);
        if verdict == "ask" {
            let gates: Vec<_> = forbids.diagnostics().reason().map(ToString::to_string).collect();
            prop_assert_eq!(ruling.determining.into_iter().collect::<BTreeSet<_>>(), gates.into_iter().collect());
        }
    }

    #[test]
    fn only_policies_whose_scope_matches_are_touched(world in world().prop_filter("fits", fits)) {
        let policies = world.policies(&world.texts());
        let (query, (request, entities)) = (world.query(), world.cedar(&policies));
        let bare = world.sketches.iter().enumerate().map(|(id, sketch)| {
            let bare = Sketch { effect: "permit", annotations: "", condition: "", ..sketch.clone() };
            bare.text(id)
        });
        let set = whole(&bare.collect::<Vec<_>>(), |_| true);
        let expected = Authorizer::new().is_authorized(&request, &set, &entities);
        let expected: BTreeSet<_> = expected.diagnostics().reason().map(ToString::to_string).collect();

        let action = policies.types.action(&query.action).unwrap();
        let fitted = Fitted::new(&query, action, &policies.types, &policies.hierarchy).unwrap();
        let touched = [&policies.enforced, &policies.shadow].into_iter().flat_map(|index| {
            index.candidates(&fitted.action, &fitted.principal, &fitted.resource)
        });
        prop_assert_eq!(ids(touched.map(|number| &policies.policies[number.index()])), expected);
    }

    #[test]
    fn the_same_input_gives_the_same_ruling(world in world()) {
        let texts = world.texts();
        let ruling = world.policies(&texts).rule(&world.query());
        let backwards: Vec<String> = texts.into_iter().rev().collect();
        let again = world.policies(&backwards);
        prop_assert_eq!(&again.rule(&world.query()), &ruling);
        prop_assert_eq!(&again.rule(&world.query()), &ruling);
        if world.anonymous() {
            let asks = matches!(ruling.verdict, Verdict::NeedsApproval(_));
            prop_assert!(!asks && (fits(&world) || ruling.verdict == Verdict::Deny(Reason::Anonymous)));
        }
    }
}
