//! CUDA multiplies float32 with TF32 tensor cores, so an exact matmul takes three products (3xTF32), and
//! attention is composed of them. `MPNET_BURN_TF32=emulated` lets the device `cpu` compute in the same way.

use std::process::Command;

use model::backend::EncoderOps;

use crate::common::on_cpu;
use crate::test_device::on_test_device;

const VARIABLE: &str = "MPNET_BURN_TF32";

/// The variable is read once in a process, so the tests run in a process of their own.
#[test]
fn the_path_of_tf32_gives_the_states_and_gradients_of_pytorch() {
    if !on_cpu() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["tf32::the_variable_chooses_the_path"])
        .args([
            "gradients::",
            "vectors::hidden_states",
            "vectors::a_text_without",
        ])
        .env(VARIABLE, "emulated")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("4 passed"), "{said}");
}

#[test]
fn the_variable_chooses_the_path() {
    fn body<B: EncoderOps>(_: &B::Device) {
        let emulated = std::env::var(VARIABLE).is_ok_and(|value| value == "emulated");
        assert_eq!(B::matmul_uses_tf32(), emulated);
    }
    if on_cpu() {
        on_test_device!(body);
    }
}
