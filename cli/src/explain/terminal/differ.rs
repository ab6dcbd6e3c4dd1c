//! What would have to differ.

use std::fmt::Result;

use countersign_core::explain::{Obstacle, ObstacleKind, Obstacles};
use countersign_core::policy::{Came, Change, Need};

use super::super::Report;
use super::super::written::{one_line, place};
use super::policies::write_reads;
use crate::output::{line, para};
use crate::replay::word;

pub(super) fn write(out: &mut String, report: &Report<'_>) -> Result {
    let Some(Obstacles { obstacles, then }) = &report.obstacles else { return Ok(()) };
    para!(out, "What would have to differ")?;
    let permits = obstacles.iter().filter(|obstacle| obstacle.kind == ObstacleKind::DoesNotPermit).count();
    for obstacle in obstacles {
        write_obstacle(out, report, obstacle, permits > 1)?;
    }
    line!(out, "  With that, and every other policy as it is: {}", word(Some(*then)))
}

fn write_obstacle(out: &mut String, report: &Report<'_>, obstacle: &Obstacle, several: bool) -> Result {
    let must = match obstacle.kind {
        ObstacleKind::Fails => "must be possible to evaluate",
        ObstacleKind::Forbids => "must not forbid",
        ObstacleKind::Gate => "must not hold",
        ObstacleKind::DoesNotPermit if several => "would permit, or another would",
        ObstacleKind::DoesNotPermit => "would have to permit",
    };
    let at = report.explainer.policy(&obstacle.policy);
    let at = at.map(|anatomy| place(&report.folder, &anatomy.place)).unwrap_or_default();
    line!(out, "  {} {must}  {at}", obstacle.policy)?;
    match &obstacle.takes {
        Some(change) => write_change(out, report, change, 1),
        None => Ok(()),
    }
}

fn write_change(out: &mut String, report: &Report<'_>, change: &Change, depth: usize) -> Result {
    let indent = "    ".repeat(depth);
    let (title, changes) = match change {
        Change::Be(need) => return write_need(out, report, need, &indent),
        Change::One(changes) => ("one of", changes),
        Change::All(changes) => ("all of", changes),
    };
    line!(out, "{indent}{title}")?;
    changes.iter().try_for_each(|change| write_change(out, report, change, depth + 1))
}

fn write_need(out: &mut String, report: &Report<'_>, need: &Need, indent: &str) -> Result {
    let is = match need.is {
        Came::Failed(_) => "fails".into(),
        other => format!("is {}", other.word()),
    };
    let (text, at) = (one_line(&need.piece.text), place(&report.folder, &need.piece.place));
    line!(out, "{indent}{is}, must be {}:  {text}  {at}", need.must_be)?;
    write_reads(out, &need.reads, need.fault.as_deref(), &format!("{indent}    "))
}
