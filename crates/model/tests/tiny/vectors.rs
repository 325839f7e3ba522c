//! The tiny model against PyTorch: token ids, hidden states of every layer, vectors; and batches and
//! options that must not change them.

use crate::common::{
    TOLERANCE, assert_close, fixture, on_cpu, packs_for_amx, reference_tensor, reference_tokens,
    report, tiny,
};
use crate::test_device::{on_test_device, test_device};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use model::backend::EncoderOps;
use model::parts::TokenBatch;
use model::{Checkpoint, Prompt, SentenceEncoder};

/// The order of sums may change with the padding. The device `cpu` pads nothing: a vector is the same to the last bit
/// in any batch.
fn invariance() -> f32 {
    if on_cpu() { 0.0 } else { ORDER_OF_SUMS }
}

const ORDER_OF_SUMS: f32 = 1e-6;

#[test]
fn token_ids_are_those_of_transformers() {
    let reference = reference_tokens("tiny_tokens.json");
    let checkpoint = Checkpoint::open(&fixture("tiny-mpnet")).unwrap();
    assert_eq!(checkpoint.max_seq_length, reference.max_seq_length);
    let tokens = checkpoint
        .tokenizer()
        .unwrap()
        .encode(&reference.texts)
        .unwrap();
    assert_eq!(tokens.len(), 65);
    for ((text, expected), tokens) in reference
        .texts
        .iter()
        .zip(&reference.input_ids)
        .zip(&tokens)
    {
        assert_eq!(&tokens.ids, expected, "{text:?}");
    }
    // Without truncation, Python's `tokenizers` gives five of the texts more than 62 ids (120, 782,
    // 383, 384 and 385 of them) and none exactly 62.
    let cut = tokens.iter().filter(|tokens| tokens.truncated).count();
    assert_eq!(cut, 5);
}

#[test]
fn hidden_states_of_every_layer_are_those_of_pytorch() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let file = "tiny_hidden.safetensors";
        let (shape, ids) = reference_tensor(file, "input_ids");
        let (_, mask) = reference_tensor(file, "attention_mask");
        let is_real: Vec<bool> = mask.iter().map(|&value| value != 0.0).collect();
        let expected: Vec<Vec<f32>> = (0..3)
            .map(|layer| {
                let (shape, values) = reference_tensor(file, &format!("hidden_{layer}"));
                rows_of_tokens(&values, shape[2], &is_real)
            })
            .collect();
        let network = Checkpoint::open(&fixture("tiny-mpnet"))
            .unwrap()
            .load::<B>(device)
            .unwrap()
            .network;

        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let input_ids = TensorData::new(ids.clone(), shape.clone());
        let attention_mask = TensorData::new(is_real.clone(), shape.clone());
        let states = network.hidden_states(
            Tensor::<B, 2, Int>::from_data(input_ids, device),
            Some(Tensor::<B, 2, Bool>::from_data(attention_mask, device)),
        );
        let states = states
            .into_iter()
            .map(|state| state.flatten(0, 1))
            .collect();
        compare("padded", states, &expected, &is_real);

        // The production layout: a varlen batch on the device `cpu`.
        let texts: Vec<Vec<u32>> = std::iter::zip(ids.chunks(shape[1]), is_real.chunks(shape[1]))
            .map(|(ids, is_real)| {
                let tokens = std::iter::zip(ids, is_real).filter(|(_, is_real)| **is_real);
                tokens.map(|(&id, _)| id as u32).collect()
            })
            .collect();
        let batch = TokenBatch::new(texts.iter().map(Vec::as_slice), 1);
        let bias = network.position_bias(batch.length());
        let (mut hidden, context) = network.embed_batch(&batch, bias);
        let tokens = is_real.iter().filter(|is_real| **is_real).count();
        assert_eq!(B::VARLEN, hidden.dims()[0] == tokens, "padding on `cpu`");
        let mut states = vec![hidden.clone()];
        for layer in network.layers() {
            hidden = layer.forward(hidden, &context);
            states.push(hidden.clone());
        }
        compare("batch", states, &expected, &is_real);
    }

    /// Holds states of `[rows, width]`, one row a token or one a place of the padded batch.
    fn compare<B: EncoderOps>(
        what: &str,
        states: Vec<Tensor<B, 2>>,
        expected: &[Vec<f32>],
        is_real: &[bool],
    ) {
        assert_eq!(states.len(), expected.len());
        for (layer, (state, expected)) in std::iter::zip(states, expected).enumerate() {
            let [rows, width] = state.dims();
            let mut actual: Vec<f32> = state.into_data().convert::<f32>().to_vec().unwrap();
            if rows == is_real.len() {
                actual = rows_of_tokens(&actual, width, is_real);
            }
            let what = format!("{what}, layer {layer}");
            // 3xTF32 leaves up to 2^-16 of each product out, and hidden states are larger than vectors.
            let tolerance = if B::matmul_uses_tf32() {
                5.0 * TOLERANCE
            } else {
                TOLERANCE
            };
            let largest = assert_close(&what, &actual, expected, tolerance);
            report(&format!("tiny model, hidden states, {what}"), largest);
        }
    }
    on_test_device!(body);
}

/// The rows that belong to tokens: the values at the padding have no meaning and reach no vector.
fn rows_of_tokens(values: &[f32], width: usize, is_real: &[bool]) -> Vec<f32> {
    std::iter::zip(values.chunks_exact(width), is_real)
        .filter(|(_, is_real)| **is_real)
        .flat_map(|(row, _)| row.to_vec())
        .collect()
}

#[test]
fn vectors_are_those_of_pytorch() {
    let reference = reference_tokens("tiny_tokens.json");
    let (shape, expected) = reference_tensor("tiny_embeddings.safetensors", "embeddings");
    let encoder = SentenceEncoder::from_pretrained(&tiny(), test_device()).unwrap();
    let vectors = encoder.encode(&reference.texts).unwrap();
    assert_eq!([vectors.len(), vectors.width()], shape[..]);
    let largest = assert_close("vectors", vectors.values(), &expected, TOLERANCE);
    report("tiny model, 65 vectors", largest);
}

#[test]
fn batches_order_and_padding_do_not_change_a_vector() {
    let texts = reference_tokens("tiny_tokens.json").texts;
    let encode = |tokens, size, texts: &[String]| {
        let builder = SentenceEncoder::builder()
            .device(test_device())
            .batch_tokens(tokens)
            .batch_size(size);
        builder.load(&tiny()).unwrap().encode(texts).unwrap()
    };
    let alone = encode(1, 1, &texts);
    let mut largest = 0.0f32;
    for (tokens, size) in [
        (1 << 20, usize::MAX),
        (64, usize::MAX),
        (1 << 20, 7),
        (300, 2),
    ] {
        let together = encode(tokens, size, &texts);
        largest = largest.max(assert_close(
            &format!("batches of {tokens} tokens"),
            together.values(),
            alone.values(),
            invariance(),
        ));
    }
    let reversed: Vec<String> = texts.iter().rev().cloned().collect();
    let backwards = encode(512, usize::MAX, &reversed);
    let restored: Vec<f32> = backwards.rows().rev().flatten().copied().collect();
    largest = largest.max(assert_close(
        "reversed order",
        &restored,
        alone.values(),
        invariance(),
    ));
    report("tiny model, a vector alone and in other batches", largest);
}

/// On a graphics processor batches are padded to lengths that occur again and again.
#[test]
fn the_length_that_a_batch_is_padded_to_does_not_change_a_vector() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let reference = reference_tokens("tiny_tokens.json");
        let model = Checkpoint::open(&fixture("tiny-mpnet"))
            .unwrap()
            .load::<B>(device)
            .unwrap();
        let encoder = SentenceEncoder::from_pretrained(&tiny(), test_device()).unwrap();
        // Unpacked weights keep all bits, which AMX and 3xTF32 do not.
        let tolerance = if packs_for_amx() || B::matmul_uses_tf32() {
            TOLERANCE
        } else {
            ORDER_OF_SUMS
        };
        let mut lengths = std::collections::BTreeSet::new();
        let mut largest = 0.0f32;
        for (text, ids) in std::iter::zip(&reference.texts, &reference.input_ids) {
            lengths.insert(ids.len());
            let ids = TensorData::new(ids.clone(), [1, ids.len()]).convert::<i32>();
            let unpadded = model.forward(Tensor::from_data(ids, device), None);
            largest = largest.max(assert_close(
                &format!("{text:?}"),
                encoder.encode(&[text]).unwrap().values(),
                &unpadded.into_data().to_vec::<f32>().unwrap(),
                tolerance,
            ));
        }
        // Among them the maximum length, which is not a multiple of 8.
        assert!(lengths.len() > 10 && lengths.contains(&62), "{lengths:?}");
        report("tiny model, a vector padded and not", largest);
    }
    on_test_device!(body);
}

#[test]
fn no_texts_give_no_vectors_and_an_empty_text_gives_one() {
    let encoder = SentenceEncoder::from_pretrained(&tiny(), test_device()).unwrap();
    let none = encoder.encode::<&str>(&[]).unwrap();
    assert_eq!(
        (none.len(), none.is_empty(), none.truncated()),
        (0, true, 0)
    );
    assert_eq!(encoder.encode(&[""]).unwrap().len(), 1);
}

#[test]
fn options_change_what_they_say() {
    let text = ["organic fair trade dark roast coffee beans 2lb"];
    let builder = || SentenceEncoder::builder().device(test_device());
    let norm = |row: &[f32]| {
        row.iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt()
    };

    let whole = builder().load(&tiny()).unwrap().encode(&text).unwrap();
    assert!((norm(whole.values()) - 1.0).abs() < 1e-6);
    let raw = builder()
        .normalize(false)
        .load(&tiny())
        .unwrap()
        .encode(&text)
        .unwrap();
    assert!((norm(raw.values()) - 1.0).abs() > 1e-3);
    let scaled: Vec<f32> = raw
        .values()
        .iter()
        .map(|v| (f64::from(*v) / norm(raw.values())) as f32)
        .collect();
    assert_close("normalised", &scaled, whole.values(), ORDER_OF_SUMS);

    let short = builder()
        .dimensions(8)
        .load(&tiny())
        .unwrap()
        .encode(&text)
        .unwrap();
    assert_eq!(short.width(), 8);
    let kept = &whole.values()[..8];
    let cut: Vec<f32> = kept
        .iter()
        .map(|v| (f64::from(*v) / norm(kept)) as f32)
        .collect();
    assert_close("8 dimensions", short.values(), &cut, ORDER_OF_SUMS);

    let cut = builder()
        .max_length(4)
        .load(&tiny())
        .unwrap()
        .encode(&text)
        .unwrap();
    assert_eq!((cut.truncated(), cut.tokens()), (1, 4));
    for (builder, message) in [
        (builder().dimensions(0), "0 dimensions"),
        (builder().dimensions(33), "33 dimensions"),
        (
            builder().max_length(63),
            "63 tokens is not possible: this model takes 3 to 62",
        ),
        (
            builder().max_length(2),
            "2 tokens is not possible: this model takes 3 to 62",
        ),
        (
            builder().max_length(0),
            "0 tokens is not possible: this model takes 3 to 62",
        ),
    ] {
        let error = builder.load(&tiny()).err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
    for length in [3, 62] {
        let cut = builder().max_length(length).load(&tiny()).unwrap();
        assert_eq!(cut.tokenizer().max_length(), length);
    }
}

#[test]
fn progress_counts_texts_and_can_stop() {
    let encoder = SentenceEncoder::builder()
        .device(test_device())
        .batch_size(2)
        .load(&tiny())
        .unwrap();
    let texts = ["a", "b", "c", "d", "e"];
    let mut seen = Vec::new();
    let vectors = encoder.encode_with_progress(&texts, &Prompt::Default, |progress| {
        seen.push((progress.done, progress.total));
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(vectors.unwrap().len(), 5);
    // Batches are concurrent: the one of a single text may come at any time.
    assert_eq!(seen.len(), 3);
    assert!(seen.is_sorted() && seen.iter().all(|(_, total)| *total == 5));
    assert_eq!(seen.last(), Some(&(5, 5)));
    let stopped = encoder.encode_with_progress(&texts, &Prompt::Default, |_| {
        std::ops::ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(model::ModelError::Interrupted)));
}

#[test]
fn a_text_without_a_token_gives_zeros_and_changes_no_other() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let model = Checkpoint::open(&fixture("tiny-mpnet"))
            .unwrap()
            .load::<B>(device)
            .unwrap();
        let vectors = |texts: &[&[u32]]| -> Vec<f32> {
            let batch = TokenBatch::new(texts.iter().copied(), 1);
            model.forward_batch(&batch).into_data().to_vec().unwrap()
        };
        let text: &[u32] = &[0, 8, 13, 9, 2];
        let alone = vectors(&[text]);
        let zeros = vec![0.0; alone.len()];
        assert_close(
            "behind",
            &vectors(&[text, &[]]),
            &[&alone[..], &zeros].concat(),
            ORDER_OF_SUMS,
        );
        assert_close(
            "before",
            &vectors(&[&[], text]),
            &[&zeros[..], &alone].concat(),
            ORDER_OF_SUMS,
        );
    }
    on_test_device!(body);
}

#[test]
fn an_encoder_serves_several_threads_at_once() {
    let texts = reference_tokens("tiny_tokens.json").texts;
    let encoder = SentenceEncoder::from_pretrained(&tiny(), test_device()).unwrap();
    let expected = encoder.encode(&texts).unwrap().into_values();
    let encode = || {
        let vectors = encoder.encode(&texts).unwrap();
        assert_close("side by side", vectors.values(), &expected, invariance());
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    encode();
                }
            });
        }
        // And from a thread of the pool that computes, while the pool has other work.
        rayon::join(encode, encode);
    });
}
