//! All mutants, by the part of the filter that they take a guard from.

mod binding;
mod grants;
mod life;
mod policy;
mod reading;
mod waiting;

use super::Mutant;

/// Every mutant, in the order of reports.
#[must_use]
pub fn all() -> Vec<Mutant> {
    let parts: [&[Mutant]; 6] =
        [&grants::ALL, &life::ALL, &waiting::ALL, &policy::ALL, &reading::ALL, &binding::ALL];
    parts.concat()
}
