//! No damaged byte is read: an error, or the values of the sound file.

use proptest::prelude::*;

use super::*;

const FIXTURES: [&str; 11] = [
    "tensor",
    "state_dict",
    "parameter",
    "attribute",
    "transposed",
    "half",
    "integers",
    "double",
    "shared",
    "expanded",
    "checkpoint",
];

/// Every byte of every file: one bit, and all bits.
#[test]
fn a_changed_byte_is_an_error_or_without_effect() {
    for name in FIXTURES {
        let sound = fixture(name);
        let expected = read(&sound).unwrap();
        let mut refused = 0;
        for position in 0..sound.len() {
            for change in [1 << (position % 8), 0xff] {
                let mut damaged = sound.clone();
                damaged[position] ^= change;
                match read(&damaged) {
                    Ok(found) => assert_eq!(found, expected, "{name}: byte {position} ^ {change}"),
                    Err(_) => refused += 1,
                }
            }
        }
        // Padding, times, attributes and unneeded entries are most of the rest.
        assert!(
            refused > 2 * sound.len() / 3,
            "{name}: {refused} of {}",
            2 * sound.len()
        );
    }
}

#[test]
fn every_byte_of_the_pickle_and_of_the_storages_counts() {
    for name in FIXTURES {
        let sound = fixture(name);
        for entry in ["data.pkl", "byteorder", "data/0", "data/1"] {
            let local = format!("{name}/{entry}");
            let Some(at) = sound
                .windows(local.len())
                .position(|window| window == local.as_bytes())
            else {
                continue;
            };
            // The name, and the first byte behind the padding.
            let padding = u16::from_le_bytes([sound[at - 2], sound[at - 1]]);
            for position in [
                at,
                at + local.len() - 1,
                at + local.len() + usize::from(padding),
            ] {
                let mut damaged = sound.clone();
                damaged[position] ^= 1;
                let error = error(&damaged);
                assert!(error.contains(&local), "{error}\nshould name {local}");
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    for name in FIXTURES {
        let sound = fixture(name);
        for length in 0..sound.len() {
            read(&sound[..length]).unwrap_err();
        }
        read(&[&sound[..], b"\0"].concat()).unwrap_err();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_changed_bytes_are_an_error_or_without_effect(
        name in prop::sample::select(FIXTURES.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = fixture(name);
        let expected = read(&bytes).unwrap();
        for (index, byte) in damage {
            let position = index.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(found) = read(&bytes) {
            prop_assert_eq!(found, expected);
        }
    }

    /// The checksum is made right again, so that the reader of the pickle meets the damage.
    #[test]
    fn a_damaged_pickle_gives_no_value_from_outside(
        name in prop::sample::select(FIXTURES.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (mut pickle, others) = entries(&fixture(name), name);
        for (index, byte) in damage {
            let position = index.index(pickle.len());
            pickle[position] = byte;
        }
        if let Some(cut) = cut {
            pickle.truncate(cut.index(pickle.len()));
        }
        let mut all: Vec<(&str, &[u8])> = vec![("a/data.pkl", &pickle)];
        all.extend(others.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        if let Ok(found) = read(&zip::archive(&all)) {
            for (dtype, shape, bytes) in found.into_values() {
                prop_assert_eq!(shape.iter().product::<usize>() * dtype.bytes(), bytes.len());
            }
        }
    }
}

/// The pickle and the storages of a fixture.
fn entries(file: &[u8], name: &str) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let content = |entry: &str| {
        let local = format!("{name}/{entry}");
        let at = file
            .windows(local.len())
            .position(|window| window == local.as_bytes())?;
        let padding = u16::from_le_bytes([file[at - 2], file[at - 1]]);
        let start = at + local.len() + usize::from(padding);
        // Behind the entry comes its checksum.
        let rest = &file[start..];
        let length = rest.windows(4).position(|window| window == b"PK\x07\x08")?;
        Some(rest[..length].to_vec())
    };
    let storages = ["data/0", "data/1", "data/2"].iter().filter_map(|entry| {
        let storage = content(entry)?;
        Some((format!("a/{entry}"), storage))
    });
    (content("data.pkl").unwrap(), storages.collect())
}
