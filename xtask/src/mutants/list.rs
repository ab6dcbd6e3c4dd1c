//! All mutants, by the part of the filter that they take a guard from.

mod binding;
mod grants;
mod life;
mod policy;
mod reading;
mod routes;
mod waiting;

use super::Mutant;

/// Every mutant, in the order of reports.
#[must_use]
pub fn all() -> Vec<Mutant> {
    let parts: [&[Mutant]; 7] =
        [&grants::ALL, &life::ALL, &waiting::ALL, &policy::ALL, &routes::ALL, &reading::ALL, &binding::ALL];
    parts.concat()
}
