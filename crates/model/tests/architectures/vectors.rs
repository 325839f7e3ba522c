//! Token ids and vectors, and batches that must not change them.

use model::{Checkpoint, Precision, SentenceEncoder};

use crate::common::{TOLERANCE, assert_close, cosines, on_cpu, reference_tensor, report};
use crate::test_device::test_device;
use crate::{FAMILIES, texts};

#[test]
fn token_ids_are_those_of_transformers() {
    let texts = texts();
    for family in FAMILIES {
        let reference = family.tokens();
        let checkpoint = Checkpoint::open(&family.folder()).unwrap();
        assert_eq!(checkpoint.max_seq_length, reference.max_seq_length);
        let tokens = checkpoint.tokenizer().unwrap().encode(&texts).unwrap();
        assert_eq!(tokens.len(), 65);
        for ((text, expected), tokens) in texts.iter().zip(&reference.input_ids).zip(&tokens) {
            assert_eq!(&tokens.ids, expected, "{}: {text:?}", family.name);
        }
    }
}

#[test]
fn vectors_are_those_of_pytorch_in_any_batch() {
    let texts = texts();
    for family in FAMILIES {
        let (shape, expected) = reference_tensor(&family.answers(), "vectors");
        // On other devices than the processor a batch of one text each would take minutes.
        let first = if on_cpu() { 0 } else { 1 };
        for (tokens, size) in [(1, 1), (1 << 20, usize::MAX), (300, 7)]
            .into_iter()
            .skip(first)
        {
            let encoder = SentenceEncoder::builder()
                .device(test_device())
                .batch_tokens(tokens)
                .batch_size(size)
                .load(&family.model())
                .unwrap();
            let vectors = encoder.encode(&texts).unwrap();
            assert_eq!([vectors.len(), vectors.width()], shape[..]);
            let what = format!("{}, batches of {tokens} tokens", family.name);
            let largest = assert_close(&what, vectors.values(), &expected, TOLERANCE);
            report(&format!("{what}, 65 vectors"), largest);
        }
    }
}

/// The device `cpu` pads nothing: a vector is the same to the last bit in any batch.
#[test]
fn a_vector_is_the_same_alone_and_with_others() {
    let tolerance = if on_cpu() { 0.0 } else { 2e-6 };
    let texts = texts();
    for family in FAMILIES {
        let encode = |size| {
            let builder = SentenceEncoder::builder().device(test_device());
            let encoder = builder.batch_size(size).load(&family.model()).unwrap();
            encoder.encode(&texts).unwrap().into_values()
        };
        assert_close(family.name, &encode(1), &encode(usize::MAX), tolerance);
    }
}

/// Reduced precision stays near float32: the models are random, so nothing is claimed beyond that.
#[test]
fn every_precision_of_the_device_gives_nearly_the_same() {
    if !on_cpu() {
        return;
    }
    let texts = texts();
    for family in FAMILIES {
        let encode = |precision| {
            let builder = SentenceEncoder::builder()
                .device(test_device())
                .precision(precision)
                .normalize(true);
            let encoder = builder.load(&family.model()).unwrap();
            encoder.encode(&texts).unwrap()
        };
        let exact = encode(Precision::Float32);
        for (precision, least) in [(Precision::Bfloat16, 0.998), (Precision::Int8, 0.98)] {
            let coarse = encode(precision);
            let (smallest, _) = cosines(coarse.values(), exact.values(), exact.width());
            assert!(
                smallest >= least,
                "{}, {precision}: {smallest}",
                family.name
            );
        }
    }
}
