//! Files that PyTorch wrote; `fixtures/generate.py` says how.

use super::*;

const IN_ORDER: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

fn tensors<const N: usize>(expected: [(&str, Read); N]) -> BTreeMap<String, Read> {
    expected.map(|(name, read)| (name.to_owned(), read)).into()
}

#[test]
fn a_tensor_alone_is_read() {
    let expected = tensors([("", floats(&[2, 3], &IN_ORDER[..6]))]);
    assert_eq!(read(&fixture("tensor")).unwrap(), expected);
    let file = TorchFile::open(&path("tensor")).unwrap();
    let Contents::Tensor(tensor) = file.contents() else {
        panic!("not a tensor");
    };
    assert_eq!(
        file.read_f32(tensor).unwrap(),
        [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    );
}

#[test]
fn a_state_dict_is_read_in_every_protocol_and_in_a_checkpoint() {
    let linear = tensors([
        ("bias", floats(&[3], &IN_ORDER[..3])),
        ("weight", floats(&[3, 2], &IN_ORDER[..6])),
    ]);
    assert_eq!(read(&fixture("state_dict")).unwrap(), linear);
    assert_eq!(read(&fixture("checkpoint")).unwrap(), linear);
    let turned = tensors([
        ("bias", floats(&[3], &IN_ORDER[..3])),
        ("weight", floats(&[2, 3], &IN_ORDER[..6])),
    ]);
    assert_eq!(read(&fixture("protocol_5")).unwrap(), turned);
}

#[test]
fn parameters_and_tensors_with_attributes_are_read() {
    let weight = || floats(&[2, 3], &IN_ORDER[..6]);
    let expected = tensors([("own", weight()), ("weight", weight())]);
    assert_eq!(read(&fixture("parameter")).unwrap(), expected);
    let expected = tensors([("weight", weight())]);
    assert_eq!(read(&fixture("attribute")).unwrap(), expected);
}

#[test]
fn strides_and_offsets_are_honoured() {
    let expected = tensors([
        (
            "cube",
            floats(&[2, 2, 3], &[0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]),
        ),
        ("weight", floats(&[3, 2], &[0, 3, 1, 4, 2, 5])),
    ]);
    assert_eq!(read(&fixture("transposed")).unwrap(), expected);
    let expected = tensors([
        ("column", floats(&[4], &[1, 4, 7, 10])),
        ("rows", floats(&[2, 3], &[3, 4, 5, 6, 7, 8])),
        ("tied", floats(&[4, 3], &IN_ORDER)),
        ("whole", floats(&[4, 3], &IN_ORDER)),
    ]);
    assert_eq!(read(&fixture("shared")).unwrap(), expected);
    let expected = tensors([
        ("empty", floats(&[0, 3], &[])),
        ("one", floats(&[1, 1], &[3])),
        ("row", floats(&[2, 3], &[0, 1, 2, 0, 1, 2])),
    ]);
    assert_eq!(read(&fixture("expanded")).unwrap(), expected);
}

#[test]
fn every_type_is_read() {
    let half: [u16; 6] = [0xb800, 0, 0x3800, 0x3c00, 0x3e00, 0x4000];
    let bfloat: [u16; 6] = [0xbf00, 0, 0x3f00, 0x3f80, 0x3fc0, 0x4000];
    let bytes = |values: [u16; 6]| values.map(u16::to_le_bytes).concat();
    let expected = tensors([
        ("bfloat", (Dtype::Bfloat16, vec![2, 3], bytes(bfloat))),
        ("half", (Dtype::Float16, vec![2, 3], bytes(half))),
    ]);
    assert_eq!(read(&fixture("half")).unwrap(), expected);

    let long = [0i64, 0, 0, 1].map(i64::to_le_bytes).concat();
    let expected = tensors([
        ("char", (Dtype::Int8, vec![4], vec![0, 0, 0, 1])),
        ("long", (Dtype::Int64, vec![4], long)),
    ]);
    assert_eq!(read(&fixture("integers")).unwrap(), expected);

    let double = [-0.5f64, 0.0, 0.5, 1.0].map(f64::to_le_bytes).concat();
    let expected = tensors([
        ("bool", (Dtype::Bool, vec![4], vec![1, 0, 1, 1])),
        ("double", (Dtype::Float64, vec![4], double)),
    ]);
    assert_eq!(read(&fixture("double")).unwrap(), expected);
}

#[test]
fn another_type_is_not_taken_for_float32() {
    let file = TorchFile::open(&path("integers")).unwrap();
    let Contents::StateDict(tensors) = file.contents() else {
        panic!("no state dict");
    };
    let error = file.read_f32(&tensors["long"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor `long`: holds int64 instead of float32"
    );
}

#[test]
fn the_form_before_torch_1_6_is_refused_with_the_way_to_convert_it() {
    let error = error(&fixture("legacy"));
    assert!(error.contains("before PyTorch 1.6"), "{error}");
    assert!(
        error.contains("`torch.save(torch.load(OLD, weights_only=True), NEW)`"),
        "{error}"
    );
}

#[test]
fn a_class_of_another_program_is_named() {
    let error = error(&fixture("other_class"));
    assert!(
        error.contains("`torch.Size` is not one of the classes"),
        "{error}"
    );
    assert!(error.starts_with("data.pkl, byte "), "{error}");
}
