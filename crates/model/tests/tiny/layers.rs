//! A model that keeps some of its layers.

use burn::tensor::{Int, Tensor};
use model::backend::EncoderOps;
use model::{Checkpoint, SentenceEncoder};

use crate::checkpoint::load_and_save;
use crate::common::{assert_close, fixture};
use crate::test_device::{on_test_device, test_device};

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&fixture(name)).unwrap()
}

/// The lowest layer alone gives the hidden states that the whole network has after it.
#[test]
fn the_lowest_layer_is_the_network_up_to_it() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let ids = || Tensor::<B, 2, Int>::from_data([[0, 5, 6, 7, 2]], device);
        let values = |tensor: Tensor<B, 3>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
        let mut checkpoint = open("tiny-mpnet");
        let whole = checkpoint.load::<B>(device).unwrap();
        let states = whole.network.hidden_states(ids(), None);
        checkpoint.keep_layers(&[0]).unwrap();
        assert_eq!(checkpoint.config.num_hidden_layers, 1);
        let lowest = checkpoint.load::<B>(device).unwrap();
        assert_eq!(lowest.network.layers().len(), 1);
        let found = values(lowest.network.forward(ids(), None));
        assert_close("layer 0", &found, &values(states[1].clone()), 1e-6);
    }
    on_test_device!(body);
}

/// Every architecture, and what a folder says of its layers.
#[test]
fn a_smaller_model_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, layers, field) in [
        ("tiny-mpnet", vec![1], "num_hidden_layers"),
        ("architectures/bert", vec![1], "num_hidden_layers"),
        ("architectures/distilbert", vec![1], "n_layers"),
        ("architectures/modernbert", vec![0, 2], "num_hidden_layers"),
    ] {
        let mut checkpoint = open(name);
        checkpoint.keep_layers(&layers).unwrap();
        let path = folder.path().join(field).join(name);
        load_and_save(&checkpoint, &path).unwrap();
        let config = std::fs::read(path.join("config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config[field], layers.len(), "{name}");
        // The folder has the vectors of the network in memory.
        let small = SentenceEncoder::from_pretrained(path.to_str().unwrap(), test_device());
        let small = small.unwrap().encode(&TEXTS).unwrap();
        let kept = &checkpoint;
        let expected = on_test_device!(vectors(kept: &Checkpoint) -> Vec<f32>);
        assert_close(name, small.values(), &expected, 1e-5);
    }
}

const TEXTS: [&str; 2] = ["a steel bottle", "compact keyboard"];

fn vectors<B: EncoderOps>(device: &B::Device, checkpoint: &Checkpoint) -> Vec<f32> {
    let model = checkpoint.load::<B>(device).unwrap();
    let encoder = SentenceEncoder::builder().device(test_device());
    let encoder = encoder.with_model(checkpoint.clone(), model).unwrap();
    encoder.encode(&TEXTS).unwrap().into_values()
}

#[test]
fn layers_that_make_no_network_are_refused() {
    for (name, layers, words) in [
        ("tiny-mpnet", vec![], "one or more layers"),
        ("tiny-mpnet", vec![1, 0], "ascending order"),
        ("tiny-mpnet", vec![0, 0], "ascending order"),
        (
            "tiny-mpnet",
            vec![0, 2],
            "there is no layer 2: the model has layers 0 to 1",
        ),
        // Layers 0 and 3 attend to the whole text, and layer 0 has no LayerNorm before attention.
        (
            "architectures/modernbert",
            vec![1],
            "layer 1 would be layer 0",
        ),
        (
            "architectures/modernbert",
            vec![0, 3],
            "layer 3 would be layer 1",
        ),
    ] {
        let error = open(name).keep_layers(&layers).unwrap_err().to_string();
        assert!(
            error.contains(words) && error.contains("config.json"),
            "{error}"
        );
    }
}
