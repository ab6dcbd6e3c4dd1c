//! Rebuilds when a migration changes: they are embedded by a macro that Cargo cannot see through.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
