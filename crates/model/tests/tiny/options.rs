//! What one call asks of an encoder, and threads of its own.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::common::{reference_tokens, tiny};
use crate::test_device::test_device;
use model::threads::Pool;
use model::{EncodeOptions, ModelError, Prompt, SentenceEncoder, SentenceEncoderBuilder};

fn load(builder: SentenceEncoderBuilder) -> SentenceEncoder {
    builder.device(test_device()).load(&tiny()).unwrap()
}

fn options(change: impl FnOnce(&mut EncodeOptions)) -> EncodeOptions {
    let mut options = EncodeOptions::default();
    change(&mut options);
    options
}

fn values(encoder: &SentenceEncoder, options: &EncodeOptions) -> Vec<f32> {
    let texts = ["kettle", "", "a longer text about a kettle"];
    let go_on = |_| ControlFlow::Continue(());
    let vectors = encoder.encode_with_options(&texts, options, go_on).unwrap();
    vectors.into_values()
}

#[test]
fn options_of_a_call_give_what_those_of_the_builder_give() {
    let encoder = load(SentenceEncoder::builder());
    let builder = SentenceEncoder::builder;
    let cases = [
        (
            builder().dimensions(8),
            options(|o| (o.dimensions, o.normalize) = (Some(8), Some(true))),
        ),
        (
            builder().normalize(false),
            options(|o| o.normalize = Some(false)),
        ),
        (
            builder().prompt(Prompt::Text("title: ".to_owned())),
            options(|o| o.prompt_text = Some("title: ".to_owned())),
        ),
    ];
    for (builder, options) in cases {
        let expected = values(&load(builder), &EncodeOptions::default());
        assert_eq!(values(&encoder, &options), expected, "{options:?}");
    }
    // Without a word about normalisation, the model's own comes before the cut, as in sentence-transformers.
    let whole = values(&encoder, &EncodeOptions::default());
    let cut: Vec<f32> = whole
        .chunks(32)
        .flat_map(|row| &row[..8])
        .copied()
        .collect();
    assert_eq!(values(&encoder, &options(|o| o.dimensions = Some(8))), cut);
}

#[test]
fn impossible_dimensions_are_refused() {
    let encoder = load(SentenceEncoder::builder());
    for asked in [0, 33] {
        let options = options(|o| o.dimensions = Some(asked));
        let result =
            encoder.encode_with_options(&["kettle"], &options, |_| ControlFlow::Continue(()));
        assert!(
            matches!(result, Err(ModelError::Dimensions { width: 32, .. })),
            "{asked}"
        );
    }
}

#[test]
fn a_pool_of_its_own_gives_the_same_bits() {
    let texts = reference_tokens("tiny_tokens.json").texts;
    let expected = load(SentenceEncoder::builder()).encode(&texts).unwrap();
    for threads in ["1", "3"] {
        let pool = Pool::start(threads.parse().ok()).unwrap();
        let builder = SentenceEncoder::builder().device(test_device());
        let encoder = pool.install(|| builder.load(&tiny())).unwrap();
        let callers = Mutex::new(HashSet::new());
        let vectors = pool.run(|| {
            encoder.encode_with_progress(&texts, &Prompt::Default, |_| {
                callers.lock().unwrap().insert(std::thread::current().id());
                ControlFlow::Continue(())
            })
        });
        assert_eq!(vectors.unwrap(), expected, "{threads} threads");
        // The caller hears of the progress on its own thread, where it may stop the work.
        assert_eq!(
            callers.into_inner().unwrap(),
            HashSet::from([std::thread::current().id()])
        );
    }
}
