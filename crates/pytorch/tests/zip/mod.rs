//! A small writer of zip archives, for files that torch.save would not write.

/// An archive of stored entries, as torch.save would write it without padding.
pub(crate) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let header = out.len() as u32;
        let crc = crc32fast::hash(content).to_le_bytes();
        let length = (content.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        let common = [&[0; 10], &crc[..], &length, &length, &name_length].concat();
        out.extend([b"PK\x03\x04", &common[..], &[0; 2], name.as_bytes()].concat());
        out.extend(*content);
        directory.extend([b"PK\x01\x02\0\0", &common[..], &[0; 12]].concat());
        directory.extend([&header.to_le_bytes()[..], name.as_bytes()].concat());
    }
    let start = out.len() as u32;
    let count = (entries.len() as u16).to_le_bytes();
    let lengths = [(directory.len() as u32).to_le_bytes(), start.to_le_bytes()].concat();
    out.extend(&directory);
    out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &lengths, &[0; 2]].concat());
    out
}

/// A file of a pickle and a storage `0`.
pub(crate) fn with_pickle(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    archive(&[("a/data.pkl", pickle), ("a/data/0", storage)])
}

/// The pickle of one float32 tensor of the storage `0`.
pub(crate) fn tensor(elements: u64, offset: u64, shape: &[u64], strides: &[u64]) -> Vec<u8> {
    let mut out = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage".to_vec();
    out.extend(b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu");
    integer(&mut out, elements);
    out.extend(b"tQ");
    integer(&mut out, offset);
    for sizes in [shape, strides] {
        out.push(b'(');
        sizes.iter().for_each(|size| integer(&mut out, *size));
        out.push(b't');
    }
    out.extend(b"\x89ccollections\nOrderedDict\n)RtR.");
    out
}

fn integer(out: &mut Vec<u8>, value: u64) {
    out.extend(b"\x8a\x09");
    out.extend(value.to_le_bytes());
    out.push(0);
}
