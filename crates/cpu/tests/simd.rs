//! The instruction set that the environment allows.

use std::process::Command;

use deckle_cpu::Simd;

/// Runs itself with each set as the largest one.
#[test]
fn the_environment_limits_the_instruction_set() {
    const SEEN: &str = "DECKLE_TEST_OF_SIMD";
    if std::env::var_os(SEEN).is_some() {
        let named = std::env::var("DECKLE_SIMD").ok();
        let largest = named.and_then(|name| Simd::from_name(&name));
        assert!(largest.is_none_or(|largest| Simd::detect() <= largest));
        assert!(Simd::available().all(|simd| simd <= Simd::detect()));
        return;
    }
    for name in ["portable", "avx2", "avx512", "none such"] {
        let program = std::env::current_exe().unwrap();
        let run = Command::new(program).env("DECKLE_SIMD", name).env(SEEN, "1").output();
        let output = run.unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
    }
}
