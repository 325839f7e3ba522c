//! The bill of materials: CycloneDX 1.5 as JSON, the same bytes for the same sources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::packages::Package;
use super::{NAME, PROGRAMS, licenses};

/// The document, with a final line break.
///
/// `linked` are the packages with the dependencies of each, `checksums` those of Cargo.lock, and `time` is in seconds since 1970.
pub(super) fn document(
    linked: &[(&Package, Vec<&Package>)],
    checksums: &BTreeMap<(&str, &str), &str>,
    version: &str,
    time: u64,
) -> String {
    let components: Vec<Value> = linked
        .iter()
        .map(|(package, _)| component(package, checksums))
        .collect();
    let mut dependencies = vec![json!({
        "ref": NAME,
        "dependsOn": linked
            .iter()
            .filter(|(package, _)| is_program(package))
            .map(|(package, _)| reference(package))
            .collect::<Vec<_>>(),
    })];
    dependencies.extend(linked.iter().map(|(package, needs)| {
        let needs: Vec<String> = needs.iter().map(|package| reference(package)).collect();
        json!({ "ref": reference(package), "dependsOn": needs })
    }));
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(time),
            "tools": { "components": [{ "type": "application", "name": "cargo xtask dist" }] },
            "component": {
                "type": "application",
                "bom-ref": NAME,
                "name": NAME,
                "version": version,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    format!("{document:#}\n")
}

fn is_program(package: &Package) -> bool {
    package.source.is_none() && PROGRAMS.contains(&package.name.as_str())
}

/// The key of a package in the document. A package of ours is not the one of that name in the registry.
fn reference(package: &Package) -> String {
    match package.source {
        Some(_) => format!("pkg:cargo/{}@{}", package.name, package.version),
        None => format!("{NAME}/{}@{}", package.name, package.version),
    }
}

fn component(package: &Package, checksums: &BTreeMap<(&str, &str), &str>) -> Value {
    let mut component = json!({
        "type": if is_program(package) { "application" } else { "library" },
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
    });
    let mut set = |key: &str, value: Value| component[key] = value;
    match licenses::expression(package) {
        Some(expression) => set("licenses", json!([{ "expression": expression }])),
        None => set(
            "licenses",
            json!([{ "license": { "name": "see the package" } }]),
        ),
    }
    if package.source.is_some() {
        set("purl", reference(package).into());
    }
    if let Some(checksum) = checksums.get(&(package.name.as_str(), package.version.as_str())) {
        set("hashes", json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    if let Some(url) = &package.repository {
        set("externalReferences", json!([{ "type": "vcs", "url": url }]));
    }
    component
}

/// Seconds since 1970 as ISO 8601 writes them.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that a leap day is the last: 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (400 * era + year_of_era, month + 3),
        _ => (400 * era + year_of_era + 1, month - 9),
    };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::commands::dist::packages::{self, Metadata};

    /// A program that needs a package of the registry, which needs a macro; a package for tests alone.
    fn metadata() -> Metadata {
        let package = |name: &str, source: Option<&str>, kind: &str| {
            json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "license_file": null,
                "repository": "https://example.org/repository", "source": source, "manifest_path": "Cargo.toml",
                "targets": [{ "name": name, "kind": [kind] }],
            })
        };
        let needs = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let registry = Some("registry+https://example.org/index");
        let metadata = json!({
            "target_directory": "target",
            "packages": [
                package("infer", None, "bin"),
                package("library", registry, "lib"),
                package("macros", registry, "proc-macro"),
                package("tests", registry, "lib"),
                package("unused", registry, "lib"),
            ],
            "resolve": { "nodes": [
                { "id": "infer", "deps": [needs("library", None), needs("tests", Some("dev")), needs("unused", None)] },
                { "id": "library", "deps": [needs("macros", None)] },
                { "id": "macros", "deps": [] },
                { "id": "tests", "deps": [] },
                { "id": "unused", "deps": [] },
            ] },
        });
        serde_json::from_value(metadata).unwrap()
    }

    fn sbom() -> Value {
        let metadata = metadata();
        let compiled = ["library", "macros", "tests"].map(str::to_owned);
        let linked = metadata.linked(&["infer"], &BTreeSet::from(compiled));
        let lock = "[[package]]\nname = \"library\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n";
        let text = document(&linked, &packages::checksums(lock), "1.0.0", 951_782_400);
        serde_json::from_str(&text).unwrap()
    }

    /// The required fields of the schema of CycloneDX 1.5, and references that resolve.
    #[test]
    fn required_fields_are_there() {
        let sbom = sbom();
        assert_eq!(sbom["bomFormat"], "CycloneDX");
        assert_eq!(sbom["specVersion"], "1.5");
        assert_eq!(sbom["version"], 1);
        let components = sbom["components"].as_array().unwrap();
        let mut references = BTreeSet::from([sbom["metadata"]["component"]["bom-ref"].to_string()]);
        for component in components.iter().chain([&sbom["metadata"]["component"]]) {
            for field in ["type", "name", "bom-ref", "version"] {
                assert!(component[field].is_string(), "{field} of {component}");
            }
        }
        for component in components {
            assert!(
                references.insert(component["bom-ref"].to_string()),
                "{component}"
            );
        }
        for dependency in sbom["dependencies"].as_array().unwrap() {
            assert!(references.contains(&dependency["ref"].to_string()));
            for needed in dependency["dependsOn"].as_array().unwrap() {
                assert!(references.contains(&needed.to_string()), "{needed}");
            }
        }
    }

    #[test]
    fn a_component_is_what_is_linked() {
        let sbom = sbom();
        let components = sbom["components"].as_array().unwrap();
        let names: Vec<&str> = components
            .iter()
            .filter_map(|c| c["name"].as_str())
            .collect();
        assert_eq!(names, ["infer", "library"]);
        let library = &components[1];
        assert_eq!(library["purl"], "pkg:cargo/library@1.0.0");
        assert_eq!(library["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(library["hashes"][0]["content"], "abc");
        assert!(components[0]["purl"].is_null());
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_796_000_000, "2026-11-30T00:53:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }
}
