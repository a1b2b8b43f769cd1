//! Where the time goes, in a table and as trace events.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeSet, env, fs, process::Command};

use deckle_cpu::{Cpu, Profile};
use deckle_tensor::{Backend, Executable};
use serde_json::Value;

mod common;

/// The executable of a small model's training step, run so many times.
fn run(cpu: &Cpu, times: usize) -> Box<dyn Executable> {
    let program = common::mlp(64, 100, 120, 10);
    let executable = cpu.compile(&program).unwrap();
    let common::Buffers { inputs, variables, outputs } =
        common::Buffers::new(cpu, &program);
    for _ in 0..times {
        executable.run(&inputs, &variables, &outputs).unwrap();
    }
    executable
}

#[test]
fn a_table_has_a_row_for_each_instruction() {
    let cpu = Cpu::with_threads(2).profile(Profile::Table);
    let executable = run(&cpu, 5);
    let table = executable.profile();
    assert!(table.starts_with("profile: 5 runs, "), "{table}");
    let plan = executable.plan();
    assert_eq!(table.lines().count(), 2 + plan.lines().count() - 1, "{table}\n{plan}");
    // 2 · 64 · 100 · 120 operations and more; each row has its calls, rates and name.
    let product = table.lines().find(|line| line.contains("(64, 100) x (100, 120)"));
    let fields: Vec<_> = product.unwrap().split_whitespace().collect();
    let [ms, rate] = [fields[3], fields[6]].map(|field| field.parse::<f64>().unwrap());
    let operations = ms * rate * 1e6;
    assert_eq!(fields[5], "5");
    // The table rounds both.
    assert!(operations > 0.8 * 1.536e6 && operations < 1.3 * 1.7e6, "{table}");
}

#[test]
fn nothing_is_measured_by_default() {
    assert_eq!(run(&Cpu::with_threads(1).profile(Profile::Off), 2).profile(), "");
}

#[test]
fn measuring_changes_no_bit() {
    let results = [Profile::Off, Profile::Table].map(|profile| {
        let cpu = Cpu::with_threads(2).profile(profile);
        let program = common::mlp(64, 100, 120, 10);
        let executable = cpu.compile(&program).unwrap();
        let buffers = common::Buffers::new(&cpu, &program);
        let common::Buffers { inputs, variables, outputs } = &buffers;
        for _ in 0..3 {
            executable.run(inputs, variables, outputs).unwrap();
        }
        let read = |buffer: &deckle_tensor::Buffer| {
            let mut tensor = deckle_tensor::Tensor::scalar(0.0_f32);
            cpu.read(buffer, &mut tensor).unwrap();
            tensor.contiguous().as_bytes().unwrap().to_vec()
        };
        variables.iter().chain(outputs).map(read).collect::<Vec<_>>()
    });
    assert_eq!(results[0], results[1]);
}

/// Run by the test below in a process of its own.
#[test]
fn runs_as_the_environment_says() {
    if env::var("DECKLE_PROFILE").is_ok() {
        run(&Cpu::with_threads(2), 3);
        run(&Cpu::with_threads(1), 1);
        let cpu = Cpu::with_threads(2);
        let _several = [run(&cpu, 2), run(&cpu, 2)];
    }
}

#[test]
fn the_environment_asks_for_tables_and_traces() {
    let child = |profile: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        let command = command.args(["--exact", "runs_as_the_environment_says"]);
        let output = command.env("DECKLE_PROFILE", profile).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!child("0").contains("profile:"));
    let tables = child("1");
    assert!(tables.contains("profile: 3 runs, ") && tables.contains("profile: 1 runs, "));
    let scratch = tempfile::TempDir::new().unwrap();
    let path = scratch.path().join("trace.json");
    assert!(child(path.to_str().unwrap()).contains("profile: 2 runs, "));
    let trace: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let programs: BTreeSet<_> = events.iter().map(|e| e["tid"].as_u64()).collect();
    assert_eq!(programs.len(), 2);
    for event in events {
        assert_eq!(event["ph"], "X");
        assert!(event["dur"].as_f64().unwrap() >= 0.0);
        assert!(event["args"]["bytes"].as_u64().is_some());
    }
    let unwritable = child("/nowhere/trace.json");
    assert!(unwritable.contains("DECKLE_PROFILE: /nowhere/trace.json"), "{unwritable}");
}
