//! Hub options of `train`, with a progress bar for downloads.

use model::hub::HubOptions;
use model::{HeadBuilder, PairScorer, SentenceEncoder, SentenceEncoderBuilder, Tagger};
use program::{Console, DownloadBar};

use crate::cli::MachineArgs;
use crate::stop::Stop;

/// Options to resolve a model's name, with a progress bar for downloads, which end if `stop` is asked.
pub(crate) fn hub_options(
    revision: Option<String>,
    offline: bool,
    console: Console,
    stop: Stop,
) -> HubOptions {
    let bar = DownloadBar::new(console);
    HubOptions::of_program(
        revision,
        offline,
        move |progress| bar.update(&progress.label, progress.received, progress.total),
        move || stop.is_asked(),
    )
}

impl MachineArgs {
    /// An encoder to load on this device.
    pub(crate) fn encoder(&self, console: Console) -> SentenceEncoderBuilder {
        let hub = hub_options(None, self.offline, console, Stop::default());
        SentenceEncoder::builder().device(self.device).hub(hub)
    }

    /// A tagger to load on this device.
    pub(crate) fn tagger(&self, console: Console) -> HeadBuilder<Tagger> {
        let hub = hub_options(None, self.offline, console, Stop::default());
        Tagger::builder().device(self.device).hub(hub)
    }

    /// A reranker to load on this device.
    pub(crate) fn reranker(&self, console: Console) -> HeadBuilder<PairScorer> {
        let hub = hub_options(None, self.offline, console, Stop::default());
        PairScorer::builder().device(self.device).hub(hub)
    }
}
