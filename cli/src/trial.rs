//! Gives a checked bundle to the filter itself, as a gateway would when it starts.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use countersign_cli::failure::TRAPPED;
use countersign_cli::output;
use countersign_core::bundle::Bundle;
use countersign_host_test::{Filter, Level, Trial, Verdict};
use serde_json::{Map, Value};

/// Runs the filter with a configuration file whose `bundle` is this one, and shows how it took it.
pub(crate) fn run(filter: &Path, configuration: &Path, bundle: &Bundle) -> Result<ExitCode> {
    let wasm = std::fs::read(filter).with_context(|| format!("cannot read `{}`", filter.display()))?;
    let text = std::fs::read_to_string(configuration)
        .with_context(|| format!("cannot read `{}`", configuration.display()))?;
    let text = fill(&text, bundle).with_context(|| format!("`{}`", configuration.display()))?;
    let outcome = configure(&wasm, &text).with_context(|| format!("`{}`", filter.display()))?;
    show(filter, &outcome)
}

fn fill(text: &str, bundle: &Bundle) -> Result<String> {
    let mut members: Map<String, Value> = serde_json::from_str(text)?;
    members.insert("bundle".into(), bundle.to_json());
    Ok(Value::Object(members).to_string())
}

/// Nothing that is loaded depends on randomness, so any seed will do.
fn configure(wasm: &[u8], configuration: &str) -> Result<Trial> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Filter::load(wasm)?.configure(configuration.as_bytes(), now, 0))
}

fn show(filter: &Path, outcome: &Trial) -> Result<ExitCode> {
    for line in outcome.log.iter().filter(|line| line.level >= Level::Error) {
        output::say(line);
    }
    let name = filter.display();
    Ok(match &outcome.verdict {
        Verdict::Accepted => {
            output::print(&format!("{name}: accepts the configuration\n"))?;
            ExitCode::SUCCESS
        }
        Verdict::Refused => {
            output::say(format!("{name}: refuses the configuration"));
            ExitCode::FAILURE
        }
        Verdict::Trapped(why) => {
            output::say(format!("{name}: traps in {why}"));
            ExitCode::from(TRAPPED)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs its configuration as an error and gives what `verdict` leaves on the stack.
    fn judge(verdict: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
            (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
                (drop (call $buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 4)))
                (drop (call $log (i32.const 4) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
                {verdict}))"#
        );
        wat::parse_str(text).unwrap()
    }

    fn bundle() -> Bundle {
        Bundle::from_files([("a.cedar".into(), "permit (principal, action, resource);".into())].into())
            .unwrap()
    }

    #[test]
    fn the_filter_gets_the_configuration_with_this_bundle() {
        let text = fill(r#"{"audience":"gateway","bundle":"another"}"#, &bundle()).unwrap();
        let outcome = configure(&judge("(i32.const 1)"), &text).unwrap();
        assert_eq!(outcome.verdict, Verdict::Accepted);
        let seen: Value = serde_json::from_str(&outcome.log[0].text).unwrap();
        assert_eq!(seen, serde_json::json!({ "audience": "gateway", "bundle": bundle().to_json() }));
    }

    #[test]
    fn the_exit_code_tells_a_refusal_from_a_trap() {
        let folder = tempfile::tempdir().unwrap();
        let (filter, configuration) = (folder.path().join("f.wasm"), folder.path().join("c.json"));
        std::fs::write(&configuration, "{}").unwrap();
        for (verdict, code) in [("(i32.const 1)", 0), ("(i32.const 0)", 1), ("unreachable", 3)] {
            std::fs::write(&filter, judge(verdict)).unwrap();
            let ended = run(&filter, &configuration, &bundle()).unwrap();
            assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::from(code)), "{verdict}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (filter, configuration) = (folder.path().join("f.wasm"), folder.path().join("c.json"));
        let error = || format!("{:#}", run(&filter, &configuration, &bundle()).unwrap_err());
        assert!(error().contains("cannot read `") && error().contains("f.wasm"), "{}", error());
        std::fs::write(&filter, "no module").unwrap();
        std::fs::write(&configuration, "[]").unwrap();
        assert!(error().contains("c.json"), "{}", error());
        std::fs::write(&configuration, "{}").unwrap();
        assert!(error().contains("is no WebAssembly module"), "{}", error());
    }
}
