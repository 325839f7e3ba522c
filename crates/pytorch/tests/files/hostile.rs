//! Files that are made to harm: each is an error that names the fault.

use proptest::prelude::*;

use super::zip::{archive, tensor, with_pickle};
use super::*;

const STORAGE: [u8; 24] = [0; 24];

fn error_of_pickle(pickle: &[u8]) -> String {
    error(&with_pickle(pickle, &STORAGE))
}

#[test]
fn the_archives_of_these_tests_are_sound() {
    let file = with_pickle(&tensor(6, 0, &[2, 3], &[3, 1]), &STORAGE);
    assert_eq!(read(&file).unwrap()[""].1, [2, 3]);
}

/// Each step of the memo doubled the value in a reader that copies.
#[test]
fn nested_pairs_of_the_memo_take_no_memory() {
    let mut pickle = b"\x80\x02)".to_vec();
    for place in 0..40 {
        pickle.extend([b'q', place, b'h', place, 0x86]);
    }
    pickle.push(b'.');
    assert_eq!(
        error_of_pickle(&pickle),
        "holds neither a tensor nor a dict of tensors; save a tensor or `model.state_dict()`"
    );
}

/// A reader that calls itself, or drops values so, overflows its stack.
#[test]
fn deep_nesting_needs_no_stack() {
    let pickle = [b"\x80\x02)", &vec![0x85; 200_000][..], b"."].concat();
    assert!(error_of_pickle(&pickle).contains("holds neither a tensor"));
    let dicts = [
        b"\x80\x02",
        &b"}K\x01".repeat(60_000)[..],
        b"}",
        &b"s".repeat(60_000),
        b".",
    ]
    .concat();
    assert!(error_of_pickle(&dicts).contains("holds neither a tensor"));
}

/// A dict in itself.
#[test]
fn a_cycle_is_refused() {
    let error = error_of_pickle(b"\x80\x02}q\0X\x0a\0\0\0state_dicth\0s.");
    assert!(error.contains("holds neither a tensor"), "{error}");
}

#[test]
fn too_many_values_are_refused() {
    for repeated in [&b"}"[..], b"K\0", b"(", b")h\0", b"(t"] {
        let start = b"\x80\x02)q\0";
        let pickle = [start, &repeated.repeat(600_000)[..], b"."].concat();
        let error = error_of_pickle(&pickle);
        assert!(
            error.contains("more values than the maximum of 524288"),
            "{error}"
        );
    }
    // A place of the memo that would need 16 GiB.
    let error = error_of_pickle(b"\x80\x02)r\xff\xff\xff\xff.");
    assert!(error.contains("more values than the maximum"), "{error}");
}

#[test]
fn a_long_pickle_is_refused() {
    let pickle = vec![b'('; (4 << 20) + 1];
    assert_eq!(
        error_of_pickle(&pickle),
        "entry `a/data.pkl`: 4194305 bytes are more than the 4194304 bytes that are read"
    );
}

#[test]
fn nothing_is_called() {
    for pickle in [
        &b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R."[..],
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.",
    ] {
        let error = error_of_pickle(pickle);
        assert!(
            error.contains("`posix.system` is not one of the classes and functions"),
            "{error}"
        );
    }
}

#[test]
fn odd_pickles_are_refused() {
    for (pickle, expected) in [
        (&b""[..], "byte 0: the pickle is cut off"),
        (b"\x80\x02", "byte 2: the pickle is cut off"),
        (
            b"\x80\x02.",
            "byte 2: an instruction has not the values that it needs",
        ),
        (
            b"\x80\x09).",
            "byte 0: the instruction 0x80 is not one of a state dict",
        ),
        (
            b"\x80\x02I1\n.",
            "byte 2: the instruction 0x49 is not one of a state dict",
        ),
        (
            b"\x80\x02)h\x07.",
            "byte 3: an instruction has not the values",
        ),
        (b"\x80\x02)(.", "byte 4: an instruction has not the values"),
        (b"\x80\x02))u", "byte 4: an instruction has not the values"),
        (
            b"\x80\x02}()u.",
            "byte 5: an instruction has not the values",
        ),
        (b"\x80\x02}(.", "byte 4: an instruction has not the values"),
        // Values below a mark are out of reach.
        (
            b"\x80\x02))(\x86t.",
            "byte 5: an instruction has not the values",
        ),
        (
            b"\x80\x02}))(sut.",
            "byte 6: an instruction has not the values",
        ),
        (
            b"\x80\x02}.extra",
            "byte 3: an instruction has not the values",
        ),
        (
            b"\x80\x02X\x02\0\0\0\xff\xff.",
            "byte 2: a text is not UTF-8",
        ),
        (
            b"\x80\x02X\xff\xff\xff\xff.",
            "byte 2: the pickle is cut off",
        ),
        (
            b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
            "byte 2: the pickle is cut off",
        ),
        (
            b"\x80\x02}.",
            "holds neither a tensor nor a dict of tensors",
        ),
    ] {
        let error = error_of_pickle(pickle);
        assert!(error.contains(expected), "{error}\nshould say\n{expected}");
    }
}

#[test]
fn odd_tensors_are_refused() {
    let most = u64::MAX >> 1;
    for (pickle, expected) in [
        (
            tensor(7, 0, &[7], &[1]),
            "its storage `a/data/0` has 24 bytes instead of 28",
        ),
        (
            tensor(5, 0, &[5], &[1]),
            "its storage `a/data/0` has 24 bytes instead of 20",
        ),
        (
            tensor(most, 0, &[1], &[1]),
            "has 24 bytes instead of 36893488147419103228",
        ),
        (
            tensor(6, 1, &[6], &[1]),
            "reaches beyond the end of its storage",
        ),
        (
            tensor(6, 0, &[2, 3], &[4, 1]),
            "reaches beyond the end of its storage",
        ),
        (
            tensor(6, most, &[1], &[1]),
            "reaches beyond the end of its storage",
        ),
        (
            tensor(6, 0, &[most, most], &[most, most]),
            "reaches beyond the end of its storage",
        ),
        (
            tensor(6, 0, &[most, most], &[0, 0]),
            "a view that repeats the values of its storage",
        ),
        (
            tensor(6, 0, &[1 << 20, 1], &[0, 1]),
            "a view that repeats the values of its storage",
        ),
        (
            tensor(6, 0, &[6], &[1, 1]),
            "its shape, strides or storage are not those of a tensor",
        ),
        (tensor(6, 0, &[1; 9], &[1; 9]), "more than the maximum of 8"),
        (
            tensor(u64::MAX, 0, &[6], &[1]),
            "its shape, strides or storage",
        ),
    ] {
        let error = error_of_pickle(&pickle);
        assert!(
            error.starts_with("tensor `tensor`: ") && error.contains(expected),
            "{error}\nshould say\n{expected}"
        );
    }
    let empty = with_pickle(&tensor(6, 9, &[most, most, 0], &[1, 1, 1]), &STORAGE);
    assert!(read(&empty).unwrap()[""].2.is_empty());
    let repeated = with_pickle(&tensor(6, 0, &[1000, 3], &[0, 2]), &STORAGE);
    assert_eq!(read(&repeated).unwrap()[""].2.len(), 12_000);
}

/// torch adds the bits of a view such as `torch.conj(a).imag` as a seventh argument, and stores the other sign.
#[test]
fn a_tensor_with_the_bit_of_a_negation_is_refused() {
    let plain = tensor(6, 0, &[6], &[1]);
    let (start, end) = plain.split_at(plain.len() - b"tR.".len());
    let with = |more: &[u8]| [start, more, end].concat();
    for bits in [
        &b"}X\x03\0\0\0neg\x88s"[..],
        b"}(X\x04\0\0\0conj\x88u",
        b"N",
    ] {
        let error = error_of_pickle(&with(bits));
        assert!(
            error.starts_with("tensor `tensor`: ") && error.contains("`.resolve_neg().clone()`"),
            "{error}"
        );
    }
    assert!(error_of_pickle(&with(b"}}")).contains("its shape, strides or storage"));
    let short = [
        &start[..start.len() - b"ccollections\nOrderedDict\n)R".len()],
        end,
    ]
    .concat();
    assert!(error_of_pickle(&short).contains("its shape, strides or storage"));
    let no_bits = with_pickle(&with(b"}"), &STORAGE);
    assert_eq!(read(&no_bits).unwrap()[""].1, [6]);
}

/// `{"step": tensor, "model": {"weight": tensor}}`
#[test]
fn a_tensor_beside_the_state_dict_does_not_hide_it() {
    let pickle = tensor(6, 0, &[6], &[1]);
    let body = &pickle[2..pickle.len() - 1];
    let dict =
        |name: &[u8], value: &[u8]| [&[b'X', name.len() as u8, 0, 0, 0], name, value].concat();
    let inner = [b"}", &dict(b"weight", body)[..], b"s"].concat();
    let step = dict(b"step", body);
    let pickle = [b"\x80\x02}(", &step[..], &dict(b"model", &inner), b"u."].concat();
    let found = read(&with_pickle(&pickle, &STORAGE)).unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["weight"]);
    let pickle = [b"\x80\x02}(", &step[..], b"u."].concat();
    let found = read(&with_pickle(&pickle, &STORAGE)).unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["step"]);
}

#[test]
fn an_archive_without_its_entries_is_refused() {
    let pickle = tensor(6, 0, &[6], &[1]);
    for (entries, expected) in [
        (
            vec![("a/data.pkl", &pickle[..])],
            "entry `a/data/0`: missing",
        ),
        (
            vec![("a/data/0", &STORAGE[..])],
            "entry `data.pkl`: missing",
        ),
        (vec![("data.pkl", &pickle[..])], "entry `data.pkl`: missing"),
        (
            vec![("a/data.pkl", &pickle[..]), ("b/data.pkl", &pickle)],
            "entry `data.pkl`: is there twice",
        ),
        (
            vec![("a/data.pkl", &pickle[..]), ("a/data.pkl", &pickle)],
            "entry `a/data.pkl`: is there twice",
        ),
        (
            vec![
                ("a/data.pkl", &pickle[..]),
                ("a/data/0", &STORAGE),
                ("a/byteorder", b"big"),
            ],
            "entry `a/byteorder`: the values are not little-endian",
        ),
    ] {
        let error = error(&archive(&entries));
        assert!(error.contains(expected), "{error}\nshould say\n{expected}");
    }
    assert!(error(&archive(&[])).contains("entry `data.pkl`: missing"));
}

/// Bytes are changed in the local header and in the directory alike.
#[test]
fn other_kinds_of_entries_are_refused() {
    let sound = with_pickle(&tensor(6, 0, &[6], &[1]), &STORAGE);
    let directory = sound
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    for (field, value, expected) in [
        (
            8,
            8,
            "entry `a/data.pkl`: compressed, but torch.save only stores",
        ),
        (6, 1, "entry `a/data.pkl`: has the flags 0x0001"),
        (
            6,
            8,
            "entry `a/data.pkl`: its header differs from the directory",
        ),
    ] {
        let mut changed = sound.clone();
        changed[field] = value;
        changed[directory + 2 + field] = value;
        let error = error(&changed);
        assert!(error.contains(expected), "{error}\nshould say\n{expected}");
    }
}

/// Two entries with the same bytes: an archive of nothing that unpacks to much.
#[test]
fn overlapping_entries_are_refused() {
    let pickle = tensor(6, 0, &[6], &[1]);
    let other = archive(&[("a/data/0", &STORAGE)]);
    let inner = &other[..other
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap()];
    // The storage is in an entry of its own and in the entry around it.
    let mut file = archive(&[
        ("a/data.pkl", &pickle),
        ("a/around", inner),
        ("a/data/0", &STORAGE),
    ]);
    let name = b"a/data/0";
    let places: Vec<usize> = file
        .windows(name.len())
        .enumerate()
        .filter_map(|(at, window)| (window == name).then_some(at))
        .collect();
    let [within, _, in_directory] = places[..] else {
        panic!("{places:?}");
    };
    let header = (within - 30) as u32;
    file[in_directory - 4..in_directory].copy_from_slice(&header.to_le_bytes());
    assert_eq!(
        error(&file),
        "entry `a/data/0`: overlaps another entry or the end of the file"
    );
}

#[test]
fn other_files_are_told_apart() {
    let tar = [&[b'a'; 257][..], b"ustar\x0000", &[0; 300]].concat();
    assert!(error(&tar).contains("tar form"), "{}", error(&tar));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert_eq!(
        error(pointer),
        "a Git LFS pointer, not the file itself; run `git lfs pull`"
    );
    for other in [&b""[..], b"PK\x03\x04", &[0; 1000]] {
        assert!(error(other).starts_with("not a file of torch.save, or cut off"));
    }
}

#[test]
fn a_long_name_is_cut_in_a_message() {
    let name = format!("a/{}\u{1b}", "x".repeat(5000));
    let error = error(&archive(&[(&name, b""), (&name, b"")]));
    assert!(
        error.chars().count() < 220 && !error.contains('\u{1b}'),
        "{error}"
    );
}

/// Any instruction, with an argument of its length. The memo has few places, so that instructions find the values
/// of others.
fn any_instruction() -> impl Strategy<Value = Vec<u8>> {
    let alone = b"()]}NQRabestu\x81\x85\x86\x87\x88\x8f\x90\x93\x94".to_vec();
    let parts = vec![
        b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(),
        b"ctorch._utils\n_rebuild_parameter\n".to_vec(),
        b"ctorch._tensor\n_rebuild_from_type_v2\n".to_vec(),
        b"ctorch\nTensor\n".to_vec(),
        b"ctorch\nFloatStorage\n".to_vec(),
        b"ccollections\nOrderedDict\n".to_vec(),
        b"X\x07\0\0\0storage".to_vec(),
        b"X\x01\0\0\x000".to_vec(),
    ];
    prop_oneof![
        6 => prop::sample::select(b"(()))tsu\x86\x87".to_vec()).prop_map(|code| vec![code]),
        4 => prop::sample::select(alone).prop_map(|code| vec![code]),
        2 => prop::sample::select(parts),
        2 => (prop::sample::select(b"qh".to_vec()), 0u8..4).prop_map(|(code, place)| vec![code, place]),
        1 => (0u8..8).prop_map(|value| vec![b'K', value]),
        1 => prop::collection::vec(any::<u8>(), 0..12)
            .prop_map(|bytes| [&[0x8a, bytes.len() as u8][..], &bytes].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_panic_on_any_instructions(instructions in prop::collection::vec(any_instruction(), 0..40)) {
        let pickle = [b"\x80\x02", &instructions.concat()[..], b"."].concat();
        let _ = read(&with_pickle(&pickle, &STORAGE));
    }
}
