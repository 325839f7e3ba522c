//! The losses against sentence-transformers, and at the edges of what data can be.

mod edges;
mod names;
mod pairs;
mod reference;
mod tiny_model;

use serde_json::Value;

use super::{Loss, Matryoshka, Objective};

/// A loss of a fixture, with its parameters.
fn loss(name: &str, parameters: &Value) -> Loss {
    let mut loss: Loss = name.parse().unwrap();
    if let Some(scale) = parameters["scale"].as_f64() {
        loss = loss.with_scale(scale).unwrap();
    }
    if let Some(margin) = parameters["margin"].as_f64() {
        loss = loss.with_margin(margin).unwrap();
    }
    loss
}

/// An objective, from the dimensions and weights of a fixture.
fn objective(loss: Loss, dimensions: &Value, weights: &Value) -> Objective {
    let Ok(dimensions) = serde_json::from_value(dimensions.clone()) else {
        return Objective::new(loss);
    };
    let mut matryoshka = Matryoshka::new(dimensions);
    if let Ok(weights) = serde_json::from_value(weights.clone()) {
        matryoshka.weights = weights;
    }
    Objective::new(loss).with_matryoshka(matryoshka)
}
