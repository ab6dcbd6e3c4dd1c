//! Properties: an explanation adds up, and it is of the ruling.

use super::*;
use crate::bundle::Bundle;
use crate::policy::explain::{Account, Came, ClauseKind, How, Trace};
use crate::policy::ruling::Fault;

/// What the operands make, by the meaning of the operators.
fn made(trace: &Trace) -> Option<Came> {
    let until = |members: &[Trace], go_on: Came| {
        let stop = members.iter().map(|member| member.came).find(|came| *came != go_on);
        stop.unwrap_or(go_on)
    };
    match &trace.how {
        How::Leaf { .. } => None,
        How::Not(inner) => Some(match inner.came {
            Came::True => Came::False,
            Came::False => Came::True,
            other => other,
        }),
        How::All(members) => Some(until(members, Came::True)),
        How::Any(members) => Some(until(members, Came::False)),
        How::If { test, then, otherwise } => Some(match test.came {
            Came::True => then.came,
            Came::False => otherwise.came,
            other => other,
        }),
    }
}

fn members(trace: &Trace) -> Vec<&Trace> {
    match &trace.how {
        How::Leaf { .. } => Vec::new(),
        How::Not(inner) => vec![inner],
        How::All(members) | How::Any(members) => members.iter().collect(),
        How::If { test, then, otherwise } => vec![test, then, otherwise],
    }
}

fn adds_up(trace: &Trace) -> Result<(), TestCaseError> {
    if let Some(made) = made(trace) {
        prop_assert_eq!(made, trace.came, "{:?}", trace.piece);
    }
    prop_assert!(trace.came == trace.would || trace.came == Came::NotEvaluated);
    if trace.came != Came::NotEvaluated {
        prop_assert!(trace.deciding().iter().all(|leaf| leaf.came != Came::NotEvaluated));
        prop_assert!(!trace.deciding().is_empty());
    }
    members(trace).into_iter().try_for_each(adds_up)
}

fn clauses_add_up(account: &Account) -> Result<(), TestCaseError> {
    let conjuncts = account.clauses.iter().flat_map(|clause| &clause.conjuncts);
    conjuncts.into_iter().try_for_each(adds_up)?;
    let stop = account.clauses.iter().find(|clause| !clause.holds());
    let made = match stop.map(|clause| clause.came()) {
        None => Came::True,
        Some(Came::Failed(failure)) => Came::Failed(failure),
        Some(_) => Came::False,
    };
    prop_assert!(!account.candidate || account.came == made, "{:?}", account);
    prop_assert_eq!(account.to_hold().is_none(), account.came == Came::True);
    prop_assert_eq!(account.to_fall().is_none(), account.came == Came::False);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn an_explanation_adds_up_to_the_ruling(world in world().prop_filter("fits", fits)) {
        let texts = world.texts();
        let policies = world.policies(&texts);
        let bundle = Bundle::from_files([("a.cedar".to_owned(), texts.concat())].into()).unwrap();
        let anatomies = policies.anatomies(&bundle);
        let query = world.query();
        let accounts = policies.explain(&anatomies, &query, true).unwrap();
        accounts.iter().try_for_each(clauses_add_up)?;

        let action = policies.types.action(&query.action).unwrap();
        let found = policies.find(&query, action, &|_| true).unwrap();
        let came = |keep: &dyn Fn(&Account) -> bool| -> BTreeSet<String> {
            let enforced = accounts.iter().filter(|account| {
                let number = anatomies.binary_search_by(|a| a.info.notes.id.cmp(&account.policy)).unwrap();
                account.candidate && !anatomies[number].info.notes.shadow
            });
            enforced.filter(|account| keep(account)).map(|account| account.policy.clone()).collect()
        };
        let holding = found.forbids.iter().chain(&found.permits).copied();
        let holding = ids(holding.chain(found.gates.iter().map(|(gate, _)| *gate)));
        prop_assert_eq!(came(&|account| account.came == Came::True), holding);
        let failing: BTreeSet<_> = found.errors.iter().filter_map(Fault::policy).map(str::to_owned).collect();
        prop_assert_eq!(came(&|account| matches!(account.came, Came::Failed(_))), failing);

        let briefs = policies.briefs(&anatomies, &query).unwrap();
        let candidates: Vec<_> = accounts.iter().filter(|account| account.candidate).collect();
        prop_assert_eq!(briefs.len(), candidates.len());
        for brief in briefs {
            let account = candidates.iter().find(|a| a.policy == anatomies[brief.policy].info.notes.id).unwrap();
            let clauses = account.clauses.iter();
            let clauses = clauses.map(|clause| clause.conjuncts.iter().map(|trace| trace.came).collect());
            prop_assert_eq!((brief.came, brief.clauses), (account.came, clauses.collect()));
        }
    }
}

#[test]
fn every_part_knows_its_text_and_place() {
    let text = "// first\n  @id(\"p00\") permit (principal, action, resource)\nwhen { !true || context.n != 2 }\n\
                unless { principal is Agent in Team::\"1\" && (context.n > 1 && true) };\n";
    let world = World {
        sketches: Vec::new(),
        things: Vec::new(),
        principal: ("Agent", 0),
        action: "read",
        resource: ("Repo", 0),
        groups: Vec::new(),
        parents: Vec::new(),
        n: 2,
        by: None,
    };
    let policies = world.policies(&[text.to_owned()]);
    let bundle = Bundle::from_files([("a.cedar".to_owned(), text.to_owned())].into()).unwrap();
    let anatomies = policies.anatomies(&bundle);
    assert_eq!((anatomies[0].place.line, anatomies[0].place.column), (2, 3));
    let found = anatomies[0].clauses.iter().flat_map(|clause| {
        let conjuncts = clause.conjuncts.iter().map(|conjunct| &conjunct.piece);
        conjuncts.map(|piece| (clause.kind, piece.text.as_str(), piece.place.line, piece.place.column))
    });
    let expected = [
        (ClauseKind::When, "!true || context.n != 2", 3, 8),
        (ClauseKind::Unless, "principal is Agent in Team::\"1\"", 4, 10),
        (ClauseKind::Unless, "context.n > 1", 4, 46),
        (ClauseKind::Unless, "true", 4, 63),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let accounts = policies.explain(&anatomies, &world.query(), false).unwrap();
    let deciding = accounts[0].deciding();
    let deciding: Vec<_> =
        deciding.iter().map(|(_, trace)| (trace.piece.text.as_str(), trace.came)).collect();
    assert_eq!(deciding, [("true", Came::True), ("context.n != 2", Came::False)]);
    assert_eq!(accounts[0].clauses[1].came(), Came::NotEvaluated);
}
