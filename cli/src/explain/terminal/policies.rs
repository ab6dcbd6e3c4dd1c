//! What became of each policy whose scope matches.

use std::fmt::Result;

use countersign_core::denial::Reason;
use countersign_core::policy::{Account, Came, ClauseKind, Read, Role, Trace, Verdict};

use super::super::Report;
use super::super::written::{one_line, place};
use crate::output::{line, para};

pub(super) fn write(out: &mut String, report: &Report<'_>) -> Result {
    let Some(ruling) = &report.explanation.ruling else { return Ok(()) };
    let nobody = ruling.verdict == Verdict::Deny(Reason::Anonymous);
    if nobody && report.explanation.accounts.is_empty() {
        return Ok(());
    }
    if let Some(unfit) = &report.explanation.unfit {
        return para!(out, "The request does not fit the schema: {unfit}");
    }
    let mut candidates = report.explanation.accounts.iter().filter(|account| account.candidate).peekable();
    if candidates.peek().is_none() {
        return para!(out, "No policy has a scope that matches");
    }
    para!(out, "Policies whose scope matches")?;
    candidates.try_for_each(|account| write_account(out, report, account))
}

fn write_account(out: &mut String, report: &Report<'_>, account: &Account) -> Result {
    let outcome = outcome(report, account);
    line!(out, "  {outcome:13}  {}  {}", account.policy, place(&report.folder, &account.place))?;
    let deciding = account.deciding();
    if deciding.is_empty() {
        return line!(out, "      for all in its scope: {}", scope(account));
    }
    deciding.into_iter().try_for_each(|(kind, trace)| write_trace(out, report, kind, trace))
}

/// What a policy does, in two words at most.
pub(super) fn outcome(report: &Report<'_>, account: &Account) -> String {
    let notes = report.explainer.policy(&account.policy).map(|anatomy| &anatomy.info.notes);
    let word = match (account.came, notes.map(|notes| &notes.role)) {
        (Came::True, Some(Role::Permit)) => "permits",
        (Came::True, Some(Role::Gate(_))) => "gate is shut",
        (Came::True, _) => "forbids",
        (Came::Failed(_), _) => "error",
        _ => "does not hold",
    };
    match notes.is_some_and(|notes| notes.shadow) {
        true => format!("(shadow) {word}"),
        false => word.into(),
    }
}

fn scope(account: &Account) -> String {
    account.scope.iter().map(|side| side.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn write_trace(out: &mut String, report: &Report<'_>, kind: ClauseKind, trace: &Trace) -> Result {
    let kind = match kind {
        ClauseKind::When => "when",
        ClauseKind::Unless => "unless",
    };
    let (word, text) = (trace.came.word(), one_line(&trace.piece.text));
    line!(out, "      {kind:6}  {word:5}  {text}  {}", place(&report.folder, &trace.piece.place))?;
    write_reads(out, trace.reads(), trace.fault(), "                   ")
}

/// What an expression reads, and how it failed.
pub(super) fn write_reads(out: &mut String, reads: &[Read], fault: Option<&str>, indent: &str) -> Result {
    for Read { text, value } in reads {
        let text = one_line(text);
        match value {
            Some(value) => line!(out, "{indent}{text} = {value}")?,
            None => line!(out, "{indent}{text} is not there")?,
        }
    }
    match fault {
        Some(fault) => line!(out, "{indent}{}", one_line(fault)),
        None => Ok(()),
    }
}
