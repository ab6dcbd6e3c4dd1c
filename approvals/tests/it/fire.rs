//! Correctness under fire: replicas are killed, stalled and set to other clocks, their database is restarted, and
//! people, gateways and deadlines race. What was acknowledged is kept, and nothing counts twice.

mod caller;
mod deadlines;
mod freed;
mod killed;
mod lane;
mod life;
mod lost;
mod races;
pub(crate) mod replicas;
mod restarted;
mod stalled;
