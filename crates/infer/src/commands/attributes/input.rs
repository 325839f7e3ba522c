//! The rows that `attributes` reads, and where their texts are.

use std::path::PathBuf;

use records::{ReaderOptions, Row, RowReader, Source};

use crate::cli::{AttributesArgs, AttributesForm, ReadArgs};
use crate::error::{Error, UsageError};
use crate::input::open_texts_beside;

/// An opened input.
pub(super) struct Input {
    pub(super) reader: RowReader,
    pub(super) places: Places,
}

/// Where the text of a row and its category are among its fields.
#[derive(Clone, Debug)]
pub(super) struct Places {
    text: Vec<usize>,
    category: Option<usize>,
}

impl Places {
    /// The text of a row: the fields that are not blank, joined by a space.
    pub(super) fn text(&self, row: &Row) -> String {
        if let [place] = self.text.as_slice() {
            return row.fields[*place].clone();
        }
        let fields = self.text.iter().map(|&place| row.fields[place].as_str());
        let fields = fields.filter(|field| !field.trim().is_empty());
        fields.collect::<Vec<_>>().join(" ")
    }

    /// The category of a row; `None` where it has none.
    pub(super) fn category<'a>(&self, row: &'a Row) -> Option<&'a str> {
        let category = row.fields.get(self.category?)?.trim();
        Some(category).filter(|category| !category.is_empty())
    }
}

impl Input {
    /// Opens the input: for spans the columns of the text and the category alone, and for rows all columns.
    pub(super) fn open(
        paths: &[PathBuf],
        args: &AttributesArgs,
        form: AttributesForm,
    ) -> Result<Self, Error> {
        let (named, category) = (&args.read.columns, args.category_column.as_ref());
        let reader = if form == AttributesForm::Spans {
            open_texts_beside(paths, &with_category(args), named.len())?
        } else {
            open_rows(paths, args)?
        };
        let columns = reader.columns();
        let place = |name: &String| {
            let place = columns.iter().position(|column| column == name);
            place.ok_or_else(|| UsageError::UnknownColumn {
                name: name.clone(),
                columns: columns.to_vec(),
            })
        };
        let text = if named.is_empty() {
            // Plain text has one field and no columns.
            (0..columns.len().max(1)).collect()
        } else {
            named.iter().map(place).collect::<Result<_, _>>()?
        };
        let category = category.map(place).transpose()?;
        let places = Places { text, category };
        Ok(Self { reader, places })
    }

    /// The columns whose rows are checked before the model is loaded.
    pub(super) fn checked(&self, args: &AttributesArgs) -> ReadArgs {
        with_category(args)
    }
}

/// What to read for spans.
fn with_category(args: &AttributesArgs) -> ReadArgs {
    let mut read = args.read.clone();
    let category = args.category_column.iter();
    let category: Vec<String> = category
        .filter(|name| !read.columns.contains(name))
        .cloned()
        .collect();
    read.columns.extend(category);
    read
}

/// Opens all columns of one input. Rows of JSON also keep the keys that are no columns.
fn open_rows(paths: &[PathBuf], args: &AttributesArgs) -> Result<RowReader, Error> {
    if args.read.columns.is_empty() {
        return Err(UsageError::RowsWithoutColumn.into());
    }
    let sources = Source::expand(paths)?;
    let [source] = sources.as_slice() else {
        return Err(UsageError::RowsOfSeveral.into());
    };
    let options = ReaderOptions {
        columns: Vec::new(),
        id_column: None,
        // Rows stay what they are, except the texts of a bad one.
        skip_empty_rows: false,
        keep_objects: true,
        ..ReaderOptions::from(&args.read)
    };
    Ok(RowReader::open_every_scalar(source, &options)?)
}
