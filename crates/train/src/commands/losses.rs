//! `losses`: the losses, the data they need and when to use them.

use std::io::{self, Write};

use crate::error::TrainError;
use crate::losses::{Loss, PairLoss};

pub(super) fn run() -> Result<(), TrainError> {
    super::print(|out| table(out))
}

fn table(out: &mut impl Write) -> io::Result<()> {
    losses(out, &Loss::ALL)?;
    writeln!(out, "\nFor train rerank:\n")?;
    losses(out, &PairLoss::ALL.map(Loss::OfPairs))?;
    writeln!(
        out,
        "\ncached-LOSS computes any of them in micro-batches of --mini-batch-size texts (GradCache): \
         large batches in little memory.\n--matryoshka 64,128,... also trains the first dimensions of the vectors, \
         with any loss of train fit.\n--negatives N takes texts of other rows as negatives of a row in train rerank."
    )
}

fn losses(out: &mut impl Write, losses: &[Loss]) -> io::Result<()> {
    let rows: Vec<[String; 3]> = losses
        .iter()
        .map(|loss| {
            [
                loss.name().to_owned(),
                loss.needs().to_string(),
                loss.when_to_use().to_owned(),
            ]
        })
        .collect();
    let header = ["LOSS", "NEEDS", "USE FOR"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]);
        cells.map(|row| row[column].len()).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    for [loss, needs, advice] in [&header].into_iter().chain(&rows) {
        writeln!(out, "{loss:first$}  {needs:second$}  {advice}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_listed_with_its_needs() {
        let mut out = Vec::new();
        table(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("LOSS "), "{text}");
        for loss in Loss::ALL {
            let mut lines = text.lines();
            let line = lines.find(|line| line.starts_with(&format!("{} ", loss.name())));
            let line = line.unwrap_or_else(|| panic!("{loss} in\n{text}"));
            assert!(line.contains(&loss.needs().to_string()), "{line}");
        }
    }
}
