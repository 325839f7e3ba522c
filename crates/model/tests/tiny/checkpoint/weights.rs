//! The forms of the weights: names with prefixes, heads, shards, and tensors in another order.

use std::collections::BTreeMap;
use std::io::Write;

use zip::write::SimpleFileOptions;

use super::*;

/// The cosine that sentence-transformers 5.7 computes for these texts with the tiny model.
const KETTLE_AND_MUG: f32 = 0.6754;

fn cosine(folder: &Path) -> f32 {
    let encoder =
        SentenceEncoder::from_pretrained(folder.to_str().unwrap(), test_device()).unwrap();
    let vectors = encoder.encode(&["red kettle", "blue mug"]).unwrap();
    let (a, b) = vectors.values().split_at(vectors.width());
    std::iter::zip(a, b).map(|(a, b)| a * b).sum()
}

/// `{name: tensor.t().contiguous().t()}`: the strides say the order of the values.
#[test]
fn transposed_pytorch_tensors_give_the_same_vectors() {
    let folder = copy();
    to_pytorch(folder.path(), |tensor| tensor.shape.len() == 2);
    assert!((cosine(folder.path()) - KETTLE_AND_MUG).abs() < 5e-5);
    assert_eq!(vectors(folder.path()), vectors(&fixture("tiny-mpnet")));
}

/// `MPNetForMaskedLM`, and models inside of others.
#[test]
fn prefixes_are_taken_off_and_heads_are_ignored() {
    for (prefix, heads) in [
        ("mpnet.", vec!["lm_head.bias", "lm_head.dense.weight"]),
        ("mpnet.", vec!["qa_outputs.weight"]),
        ("0.auto_model.", vec![]),
        ("model.", vec!["classifier.dense.weight"]),
        ("encoder.", vec![]),
        ("model.mpnet.", vec!["model.lm_head.bias"]),
        ("", vec!["classifier.weight"]),
    ] {
        let folder = copy();
        add_heads(folder.path(), prefix, &heads);
        assert!(
            (cosine(folder.path()) - KETTLE_AND_MUG).abs() < 5e-5,
            "{prefix}"
        );
        assert_eq!(
            vectors(folder.path()),
            vectors(&fixture("tiny-mpnet")),
            "{prefix}"
        );
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.ignored_tensors().unwrap(), heads, "{prefix}");
        // Saved without the prefix and the heads.
        let saved = folder.path().join("saved");
        load_and_save(&checkpoint, &saved).unwrap();
        let saved = Checkpoint::open(&saved).unwrap();
        assert!(saved.ignored_tensors().unwrap().is_empty());
        assert_eq!(vectors(&saved.folder), vectors(&fixture("tiny-mpnet")));
    }
}

#[test]
fn other_tensors_beside_a_prefix_are_an_error() {
    for (prefix, name) in [
        ("0.auto_model.", "2.linear.weight"),
        ("mpnet.", "mpnet.adapter.weight"),
        ("mpnet.", "pooler.dense.other"),
        ("", "model.lm_head.bias"),
    ] {
        let folder = copy();
        add_heads(folder.path(), prefix, &[name]);
        let error = error_of(folder.path());
        let expected =
            format!("model.safetensors: tensor `{name}` does not belong to this network");
        assert!(
            error.ends_with(&expected),
            "{error}\nshould end with\n{expected}"
        );
    }
    let folder = copy();
    let other = "passages.embeddings.word_embeddings.weight";
    add_heads(folder.path(), "queries.", &[other]);
    let error = error_of(folder.path());
    let expected = "model.safetensors: holds several models, `passages.…` and `queries.…`; save the one that you want alone";
    assert!(
        error.ends_with(expected),
        "{error}\nshould end with\n{expected}"
    );
}

#[test]
fn shards_are_read() {
    for pytorch in [false, true] {
        let folder = copy();
        split(folder.path(), 3, pytorch);
        assert!((cosine(folder.path()) - KETTLE_AND_MUG).abs() < 5e-5);
        assert_eq!(vectors(folder.path()), vectors(&fixture("tiny-mpnet")));
    }
}

#[test]
fn odd_shards_are_named() {
    type Change = fn(&Path);
    let in_shard_0 = "embeddings.LayerNorm.bias";
    let cases: [(&str, Change); 7] = [
        ("model-1.safetensors: is missing, but ", |folder| {
            std::fs::remove_file(folder.join("model-1.safetensors")).unwrap();
        }),
        (
            "field `weight_map`: \"../model-1.safetensors\" leads out of the model folder",
            |folder| {
                relist(
                    folder,
                    "embeddings.LayerNorm.bias",
                    Some("../model-1.safetensors"),
                )
            },
        ),
        (
            "field `weight_map`: \"/etc/passwd\" leads out of the model folder",
            |folder| relist(folder, "embeddings.LayerNorm.bias", Some("/etc/passwd")),
        ),
        (
            "field `weight_map`: \"\" leads out of the model folder",
            |folder| relist(folder, "embeddings.LayerNorm.bias", Some("")),
        ),
        (
            "model-0.safetensors: holds the tensor `embeddings.LayerNorm.bias`, which ",
            |folder| {
                relist(
                    folder,
                    "embeddings.LayerNorm.bias",
                    Some("model-1.safetensors"),
                )
            },
        ),
        (
            "model-0.safetensors: holds the tensor `embeddings.LayerNorm.bias`, which ",
            |folder| relist(folder, "embeddings.LayerNorm.bias", None),
        ),
        (
            "model-2.safetensors: tensor `one.more` is missing",
            |folder| relist(folder, "one.more", Some("model-2.safetensors")),
        ),
    ];
    for (expected, change) in cases {
        let folder = copy();
        let shards = split(folder.path(), 3, false);
        assert_eq!(shards[in_shard_0], "model-0.safetensors");
        change(folder.path());
        let error = error_of(folder.path());
        assert!(error.contains(expected), "{error}\nshould say\n{expected}");
    }
}

/// A small file whose tensors would take gigabytes.
#[test]
fn tensors_that_share_their_values_do_not_take_the_memory() {
    const LAYERS: usize = 400;
    const WIDTH: usize = 256;
    let folder = copy();
    change_json(folder.path(), "config.json", |config| {
        config["num_hidden_layers"] = LAYERS.into();
        config["hidden_size"] = WIDTH.into();
        config["intermediate_size"] = WIDTH.into();
    });
    change_json(folder.path(), "1_Pooling/config.json", |config| {
        *config = json!({ "pooling_mode": "mean" });
    });
    let mut shared = Vec::new();
    for (name, tensor) in take_tensors(folder.path()) {
        let mut shape = tensor.shape;
        if !name.contains("relative") {
            *shape.last_mut().unwrap() = WIDTH;
        }
        match name.strip_prefix("encoder.layer.0.") {
            Some(rest) => {
                shape.fill(WIDTH);
                shared.extend(
                    (0..LAYERS)
                        .map(|layer| (format!("encoder.layer.{layer}.{rest}"), shape.clone())),
                );
            }
            None if name.starts_with("encoder.layer.1.") => {}
            None => shared.push((name, shape)),
        }
    }
    let places: Vec<Place<'_>> = shared
        .iter()
        .map(|(name, shape)| {
            let strides = row_major(shape);
            Place {
                name,
                shape,
                strides,
                storage: 0,
            }
        })
        .collect();
    let bytes = torch_file(&places, &[vec![0; 938 * WIDTH * 4]]);
    assert!(bytes.len() < 4 << 20);
    std::fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
    let error = error_of(folder.path());
    assert!(
        error.contains("its tensors share values, and would take "),
        "{error}"
    );
}

/// Removes the weights of a folder and returns their tensors.
fn take_tensors(folder: &Path) -> Vec<(String, Tensor)> {
    let mut tensors = Vec::new();
    change_tensors(folder, |name, tensor| {
        tensors.push((name.to_owned(), tensor.clone()));
        Some((name.to_owned(), tensor))
    });
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    tensors
}

fn write_safetensors(path: &Path, tensors: &[(String, Tensor)]) {
    let views = tensors.iter().map(|(name, tensor)| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap();
        (name, view)
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// Gives all names a prefix, and adds small tensors.
fn add_heads(folder: &Path, prefix: &str, heads: &[&str]) {
    let mut tensors = take_tensors(folder);
    for (name, _) in &mut tensors {
        name.insert_str(0, prefix);
    }
    for head in heads {
        let tensor = Tensor {
            dtype: Dtype::F32,
            shape: vec![2],
            bytes: vec![0; 8],
        };
        tensors.push(((*head).to_owned(), tensor));
    }
    write_safetensors(&folder.join("model.safetensors"), &tensors);
}

/// Splits the weights into shards with an index; returns the shard of every tensor.
fn split(folder: &Path, shards: usize, pytorch: bool) -> BTreeMap<String, String> {
    let (start, ending) = if pytorch {
        ("pytorch_model", "bin")
    } else {
        ("model", "safetensors")
    };
    let tensors = take_tensors(folder);
    let mut shard_of = BTreeMap::new();
    for (number, part) in tensors.chunks(tensors.len().div_ceil(shards)).enumerate() {
        let shard = format!("{start}-{number}.{ending}");
        if pytorch {
            write_torch(&folder.join(&shard), part, |_| false);
        } else {
            write_safetensors(&folder.join(&shard), part);
        }
        shard_of.extend(part.iter().map(|(name, _)| (name.clone(), shard.clone())));
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": shard_of });
    let index_path = folder.join(format!("{start}.{ending}.index.json"));
    std::fs::write(index_path, index.to_string()).unwrap();
    shard_of
}

fn relist(folder: &Path, tensor: &str, shard: Option<&str>) {
    change_json(folder, "model.safetensors.index.json", |index| {
        let shards = index["weight_map"].as_object_mut().unwrap();
        match shard {
            Some(shard) => drop(shards.insert(tensor.to_owned(), shard.into())),
            None => drop(shards.remove(tensor)),
        }
    });
}

/// Turns the weights into a `pytorch_model.bin`; `transposed` says which tensors are views of their transpose.
fn to_pytorch(folder: &Path, transposed: fn(&Tensor) -> bool) {
    let tensors = take_tensors(folder);
    write_torch(&folder.join("pytorch_model.bin"), &tensors, transposed);
}

fn write_torch(path: &Path, tensors: &[(String, Tensor)], transposed: fn(&Tensor) -> bool) {
    let mut places = Vec::new();
    let mut storages = Vec::new();
    for (storage, (name, tensor)) in tensors.iter().enumerate() {
        let shape = &tensor.shape;
        let mut strides = row_major(shape);
        let mut bytes = tensor.bytes.clone();
        if transposed(tensor) {
            let (rows, columns) = (shape[0], shape[1]);
            strides = vec![1, rows];
            bytes = (0..rows * columns)
                .flat_map(|place| &tensor.bytes[(place % rows * columns + place / rows) * 4..][..4])
                .copied()
                .collect();
        }
        places.push(Place {
            name,
            shape,
            strides,
            storage,
        });
        storages.push(bytes);
    }
    std::fs::write(path, torch_file(&places, &storages)).unwrap();
}

fn row_major(shape: &[usize]) -> Vec<usize> {
    (0..shape.len())
        .map(|dimension| shape[dimension + 1..].iter().product())
        .collect()
}

/// A float32 tensor of a state dict.
struct Place<'a> {
    name: &'a str,
    shape: &'a [usize],
    strides: Vec<usize>,
    storage: usize,
}

/// A file of torch.save of a state dict, without padding.
fn torch_file(tensors: &[Place<'_>], storages: &[Vec<u8>]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    for tensor in tensors {
        text(&mut pickle, tensor.name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(&mut pickle, &tensor.storage.to_string());
        text(&mut pickle, "cpu");
        integer(&mut pickle, storages[tensor.storage].len() / 4);
        pickle.extend(b"tQ");
        integer(&mut pickle, 0);
        for sizes in [tensor.shape, &tensor.strides] {
            pickle.push(b'(');
            sizes.iter().for_each(|size| integer(&mut pickle, *size));
            pickle.push(b't');
        }
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut entry = |name: String, content: &[u8]| {
        archive.start_file(name, stored).unwrap();
        archive.write_all(content).unwrap();
    };
    entry("model/data.pkl".to_owned(), &pickle);
    for (number, storage) in storages.iter().enumerate() {
        entry(format!("model/data/{number}"), storage);
    }
    archive.finish().unwrap().into_inner()
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.bytes());
}

fn integer(pickle: &mut Vec<u8>, value: usize) {
    pickle.push(b'J');
    pickle.extend((value as u32).to_le_bytes());
}
