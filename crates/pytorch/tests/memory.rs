//! The memory that hostile and large files take, measured by the allocator.
#![allow(unsafe_code, reason = "an allocator that counts is unsafe to write")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

#[path = "zip/mod.rs"]
mod zip;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use pytorch::{Contents, TorchFile};
use zip::{archive, tensor, with_pickle};

/// What a reader may take above the size of the file.
const LIMIT: usize = 64 << 20;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the layout is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer is one of `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Opens a file and reads all its tensors one by one; returns the most memory that this took.
fn most_memory_of(bytes: Vec<u8>) -> usize {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    drop(bytes);
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let _ = read(file);
    MOST.load(Ordering::Relaxed) - before
}

fn read(file: File) -> Result<(), pytorch::TorchError> {
    let file = TorchFile::new(file)?;
    match file.contents() {
        Contents::Tensor(tensor) => drop(file.read_bytes(tensor)?),
        Contents::StateDict(tensors) => {
            for tensor in tensors.values() {
                file.read_bytes(tensor)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// One test, because the allocator counts for the whole process.
#[test]
fn no_file_takes_more_than_64_mb_above_its_size() {
    let most_pickle = 4 << 20;
    let fill = |start: &[u8], repeated: &[u8]| {
        let count = (most_pickle - start.len() - 1) / repeated.len();
        [start, &repeated.repeat(count), b"."].concat()
    };
    let pickles = [
        ("dicts", fill(b"\x80\x02", b"}")),
        ("tuples", fill(b"\x80\x02", b")\x85")),
        ("memo", fill(b"\x80\x02)", b"\x94")),
        ("marks", fill(b"\x80\x02", b"(")),
        ("memo and pairs", fill(b"\x80\x02)q\0", b"h\0h\0\x86q\0")),
        ("pairs of one dict", fill(b"\x80\x02}", b"NNs")),
        ("lists", fill(b"\x80\x02", b"]")),
        ("texts", fill(b"\x80\x05", b"\x8c\0")),
        ("long memo", fill(b"\x80\x02)r\xff\xff\x07\0", b"q\0")),
        (
            "one text",
            [b"\x80\x02X\0\0\x3f\0", &vec![b'a'; most_pickle - 8][..]].concat(),
        ),
        ("tensors", many_tensors(60_000)),
    ];
    for (name, pickle) in pickles {
        let file = with_pickle(&pickle, &[0; 24]);
        let size = file.len();
        let most = most_memory_of(file);
        println!("{name}: {most} bytes for a file of {size}");
        assert!(
            most < size + LIMIT,
            "{name}: {most} bytes for a file of {size}"
        );
    }

    let names: Vec<String> = (0..60_000).map(|number| format!("{number:0>16}")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let file = archive(&entries);
    let size = file.len();
    let most = most_memory_of(file);
    println!("entries: {most} bytes for a file of {size}");
    assert!(
        most < size + LIMIT,
        "entries: {most} bytes for a file of {size}"
    );

    // A transposed tensor of 96 MiB: its values, and a part of its storage.
    let (rows, columns) = (3 << 10, 8 << 10);
    let pickle = tensor(rows * columns, 0, &[columns, rows], &[1, columns]);
    let file = with_pickle(&pickle, &vec![1; (rows * columns * 4) as usize]);
    let size = file.len();
    let most = most_memory_of(file);
    println!("transposed: {most} bytes for a file of {size}");
    assert!(
        most > size - 1000 && most < size + LIMIT,
        "{most} bytes for a file of {size}"
    );
}

/// A state dict whose tensors have eight dimensions and share all but their names.
fn many_tensors(count: u32) -> Vec<u8> {
    let alone = tensor(6, 0, &[1; 8], &[1; 8]);
    let mut pickle = b"\x80\x02}(X\x05\0\0\0first".to_vec();
    // Without the protocol and the end; the tensor goes into the memo.
    pickle.extend(&alone[2..alone.len() - 1]);
    pickle.extend(b"q\0");
    for number in 0..count {
        pickle.extend(b"X\x06\0\0\0");
        pickle.extend(format!("{number:0>6}").bytes());
        pickle.extend(b"h\0");
    }
    pickle.extend(b"u.");
    pickle
}
