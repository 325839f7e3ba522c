//! `losses`: what each loss wants.

use std::io::{self, Write};

use crate::error::TrainError;
use crate::losses::Loss;

pub(super) fn run() -> Result<(), TrainError> {
    let mut out = io::stdout().lock();
    table(&mut out)
        .and_then(|()| out.flush())
        .map_err(TrainError::Stdout)
}

fn table(out: &mut impl Write) -> io::Result<()> {
    let width = Loss::ALL.iter().map(|loss| loss.name().len()).max();
    let width = width.unwrap_or_default();
    for loss in Loss::ALL {
        writeln!(out, "{:width$}  {}", loss.name(), loss.description())?;
        writeln!(out, "{:width$}  needs {}", "", loss.needs())?;
        writeln!(out, "{:width$}  {}", "", loss.advice())?;
    }
    writeln!(
        out,
        "\ncached-NAME computes a loss in parts of --mini-batch-size texts (GradCache); --matryoshka \
         64,128,... takes any of them at the first dimensions too."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_listed_with_its_needs() {
        let mut out = Vec::new();
        table(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for loss in Loss::ALL {
            assert!(text.contains(loss.name()), "{loss}");
            assert!(text.contains(&format!("needs {}", loss.needs())), "{loss}");
        }
    }
}
