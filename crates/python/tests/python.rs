//! The Python package as people import it: runs the tests in Python beside this file, which need numpy, pytest and mypy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `.ci/tools.sh` puts the packages, unless `MPNET_BURN_PYTHON` names another folder.
const PACKAGES: &str = "../../target/ci-tools/python";

/// What cargo calls the library, and what Python does.
const LIBRARY: &str = "libmpnet_burn.so";
const MODULE: &str = "_native.abi3.so";

/// The folder of the programs of this build.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Puts the package together, as a wheel does.
fn install(folder: &Path) {
    let package = folder.join("mpnet_burn");
    std::fs::create_dir(&package).unwrap();
    for entry in Path::new("python/mpnet_burn").read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
        }
    }
    let library = built().join("deps").join(LIBRARY);
    std::fs::copy(&library, package.join(MODULE)).expect("cargo builds the library for its tests");
}

#[test]
fn the_tests_in_python_pass() {
    let packages = std::env::var_os("MPNET_BURN_PYTHON");
    let packages = packages.map_or_else(|| PathBuf::from(PACKAGES), PathBuf::from);
    let packages = packages.canonicalize().expect(
        "the packages of Python: `source .ci/tools.sh && install_python`, or MPNET_BURN_PYTHON",
    );
    let infer = built().join("infer");
    assert!(infer.is_file(), "run `cargo build --package infer` first");
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let paths = std::env::join_paths([folder.path(), &packages]).unwrap();
    let status = Command::new("python3")
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "tests"])
        .env("PYTHONPATH", paths)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MPNET_BURN_INFER", infer)
        .status()
        .expect("python3");
    assert!(status.success(), "{status}");
}
