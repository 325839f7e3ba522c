//! The figures that burn's dashboard shows.

use std::sync::Arc;

use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::{
    EvaluationName, EvaluationProgress, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining, ProgressType, TrainingProgress,
};

use crate::step::StepOutput;

/// One number of a step.
pub(crate) struct Reading(f64);

/// The loss, or the validation score, as burn counts it.
#[derive(Clone)]
pub(crate) struct Gauge<const SCORE: bool> {
    name: MetricName,
    state: NumericMetricState,
}

/// The loss of a step.
pub(crate) type LossGauge = Gauge<false>;
/// The score of a validation.
pub(crate) type ScoreGauge = Gauge<true>;

/// A [`Reading`] of the loss.
pub(crate) struct OfLoss(Reading);
/// A [`Reading`] of the score.
pub(crate) struct OfScore(Reading);

impl<const SCORE: bool> Gauge<SCORE> {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            state: NumericMetricState::new(),
        }
    }

    fn show(&mut self, Reading(value): &Reading) -> SerializedEntry {
        let format = FormatOptions::new(Arc::clone(&self.name)).precision(4);
        self.state.update(*value, 1, format)
    }
}

impl Adaptor<OfLoss> for StepOutput {
    fn adapt(&self) -> OfLoss {
        OfLoss(Reading(self.loss))
    }
}

impl Adaptor<OfScore> for StepOutput {
    fn adapt(&self) -> OfScore {
        OfScore(Reading(self.score.unwrap_or(f64::NAN)))
    }
}

macro_rules! metric {
    ($score:literal, $input:ty) => {
        impl Metric for Gauge<$score> {
            type Input = $input;

            fn name(&self) -> MetricName {
                Arc::clone(&self.name)
            }

            fn attributes(&self) -> MetricAttributes {
                NumericAttributes {
                    unit: None,
                    higher_is_better: $score,
                }
                .into()
            }

            fn update(&mut self, input: &$input, _: &MetricMetadata) -> SerializedEntry {
                self.show(&input.0)
            }

            fn clear(&mut self) {
                self.state.reset();
            }
        }
    };
}
metric!(false, OfLoss);
metric!(true, OfScore);

impl<const SCORE: bool> Numeric for Gauge<SCORE> {
    fn value(&self) -> NumericEntry {
        self.state.current_value()
    }

    fn running_value(&self) -> NumericEntry {
        self.state.running_value()
    }
}

/// Shows nothing: without a dashboard the run prints lines of its own. (burn's fallback prints every
/// step to stdout, which is for results.)
pub(crate) struct NoDashboard;

impl MetricsRendererTraining for NoDashboard {
    fn update_train(&mut self, _: MetricState) {}
    fn update_valid(&mut self, _: MetricState) {}
    fn render_train(&mut self, _: TrainingProgress, _: Vec<ProgressType>) {}
    fn render_valid(&mut self, _: TrainingProgress, _: Vec<ProgressType>) {}
}

impl MetricsRendererEvaluation for NoDashboard {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
    fn render_test(&mut self, _: EvaluationProgress, _: Vec<ProgressType>) {}
}

impl MetricsRenderer for NoDashboard {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _: MetricDefinition) {}
}
