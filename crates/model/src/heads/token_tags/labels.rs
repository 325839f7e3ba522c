//! The labels of a tagger, and the tag of each of its outputs.

/// What a token is: outside of every span, the first of a span, or another one of it (IOB2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `O`.
    Outside,
    /// `B-`: the first token of a span with the label of this number.
    Begin(usize),
    /// `I-`: a further token of a span with the label of this number.
    Inside(usize),
}

/// Labels such as `brand`, and the tags that the outputs of a head stand for: `O`, and `B-` and `I-` of every label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagLabels {
    labels: Vec<String>,
    /// The tag of each output.
    outputs: Vec<Tag>,
    outside: usize,
    /// The outputs of `B-` and `I-` of each label.
    of_label: Vec<[usize; 2]>,
}

impl TagLabels {
    /// Labels in this order, with the outputs `O`, `B-` of the first label, its `I-`, `B-` of the second, and so on.
    /// Repeated labels count once.
    #[must_use]
    pub fn new(labels: impl IntoIterator<Item = String>) -> Self {
        let mut distinct: Vec<String> = Vec::new();
        for label in labels {
            if !distinct.contains(&label) {
                distinct.push(label);
            }
        }
        let of_labels =
            (0..distinct.len()).flat_map(|label| [Tag::Begin(label), Tag::Inside(label)]);
        Self {
            outputs: std::iter::once(Tag::Outside).chain(of_labels).collect(),
            outside: 0,
            of_label: (0..distinct.len())
                .map(|label| [1 + 2 * label, 2 + 2 * label])
                .collect(),
            labels: distinct,
        }
    }

    /// The labels of outputs with these names: one `O`, and `B-` and `I-` of every label, in any order.
    ///
    /// # Errors
    ///
    /// Why the names are not of this form.
    pub(crate) fn of_names(names: &[String]) -> Result<Self, String> {
        let mut labels: Vec<String> = Vec::new();
        let mut outputs = Vec::with_capacity(names.len());
        let mut of_label: Vec<[Option<usize>; 2]> = Vec::new();
        let mut outside = None;
        for (output, name) in names.iter().enumerate() {
            let twice = || format!("`{name}` is there twice");
            let part = |start| {
                name.strip_prefix(start)
                    .filter(|label: &&str| !label.is_empty())
            };
            let (begins, label) = match (name.as_str(), part("B-"), part("I-")) {
                ("O", ..) => {
                    if outside.replace(output).is_some() {
                        return Err(twice());
                    }
                    outputs.push(Tag::Outside);
                    continue;
                }
                (_, Some(label), _) => (true, label),
                (_, _, Some(label)) => (false, label),
                _ => {
                    return Err(format!(
                        "`{name}` is neither O nor B- or I- with a label, which a tagger of spans needs"
                    ));
                }
            };
            let known = labels.iter().position(|known| known == label);
            let number = known.unwrap_or_else(|| {
                labels.push(label.to_owned());
                of_label.push([None; 2]);
                labels.len() - 1
            });
            outputs.push(if begins {
                Tag::Begin(number)
            } else {
                Tag::Inside(number)
            });
            if of_label[number][usize::from(!begins)]
                .replace(output)
                .is_some()
            {
                return Err(twice());
            }
        }
        let complete = labels
            .iter()
            .zip(&of_label)
            .map(|(label, outputs)| match *outputs {
                [Some(begin), Some(inside)] => Ok([begin, inside]),
                [None, _] => Err(format!("B-{label} is missing")),
                [_, None] => Err(format!("I-{label} is missing")),
            });
        let of_label = complete.collect::<Result<_, _>>()?;
        Ok(Self {
            labels,
            outputs,
            outside: outside.ok_or("O is missing")?,
            of_label,
        })
    }

    /// The names of the outputs, such as `O`, `B-brand` and `I-brand`.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |tag: &Tag| match *tag {
            Tag::Outside => "O".to_owned(),
            Tag::Begin(label) => format!("B-{}", self.labels[label]),
            Tag::Inside(label) => format!("I-{}", self.labels[label]),
        };
        self.outputs.iter().map(name).collect()
    }

    /// The labels, by their numbers.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The number of a label.
    #[must_use]
    pub fn number(&self, label: &str) -> Option<usize> {
        self.labels.iter().position(|known| known == label)
    }

    /// The tag of each output.
    #[must_use]
    pub fn outputs(&self) -> &[Tag] {
        &self.outputs
    }

    /// The output of a tag.
    ///
    /// # Panics
    ///
    /// When there is no label of that number.
    #[must_use]
    pub fn output(&self, tag: Tag) -> usize {
        match tag {
            Tag::Outside => self.outside,
            Tag::Begin(label) => self.of_label[label][0],
            Tag::Inside(label) => self.of_label[label][1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn outputs_may_have_any_order() {
        let given = names(&["I-brand", "B-colour", "O", "I-colour", "B-brand"]);
        let labels = TagLabels::of_names(&given).unwrap();
        assert_eq!(labels.labels(), ["brand", "colour"]);
        assert_eq!(labels.names(), given);
        for (output, tag) in labels.outputs().iter().enumerate() {
            assert_eq!(labels.output(*tag), output);
        }
        let own = TagLabels::new(names(&["brand", "colour", "brand"]));
        assert_eq!(
            own.names(),
            names(&["O", "B-brand", "I-brand", "B-colour", "I-colour"])
        );
        assert_eq!(TagLabels::of_names(&own.names()), Ok(own));
    }

    #[test]
    fn outputs_of_other_models_are_refused() {
        for (given, reason) in [
            (&["O", "B-a"][..], "I-a is missing"),
            (&["O", "I-a"], "B-a is missing"),
            (&["B-a", "I-a"], "O is missing"),
            (&["O", "O"], "`O` is there twice"),
            (&["O", "B-a", "I-a", "B-a"], "`B-a` is there twice"),
            (&["LABEL_0", "LABEL_1"], "`LABEL_0` is neither O"),
            (&["O", "B-"], "`B-` is neither O"),
        ] {
            let error = TagLabels::of_names(&names(given)).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
