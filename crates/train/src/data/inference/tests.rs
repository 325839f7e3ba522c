use super::*;

fn inferred(names: &str, first_row: &str, group: Option<&str>) -> Result<String, String> {
    let cells = |line: &str| -> Vec<String> { line.split('|').map(str::to_owned).collect() };
    match infer(&cells(names), &cells(first_row), group) {
        Ok(columns) => Ok(columns.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn names_tell_the_roles() {
    for (names, expected) in [
        ("anchor|positive", "anchor=anchor,positive=positive"),
        ("Positive|Anchor", "anchor=Anchor,positive=Positive"),
        (
            "source|id|title|description",
            "anchor=title,positive=description",
        ),
        (
            "id|name|description|price",
            "anchor=name,positive=description",
        ),
        (
            "query|title|description",
            "anchor=query,positive=description",
        ),
        (
            "genre|source|year|id|score|sentence1|sentence2",
            "anchor=sentence1,positive=sentence2,score=score",
        ),
        (
            "text1|text2|Label",
            "anchor=text1,positive=text2,label=Label",
        ),
        ("a|b|similarity", "anchor=a,positive=b,score=similarity"),
        (
            "question|answer|rating",
            "anchor=question,positive=answer,score=rating",
        ),
        (
            "query|passage|negative_1|negative_2",
            "anchor=query,positive=passage,negative=negative_1,negative=negative_2",
        ),
        (
            "neg2|query|document|neg1|negotiable|Hard_Negative",
            "anchor=query,positive=document,negative=neg2,negative=neg1,negative=Hard_Negative",
        ),
    ] {
        assert_eq!(
            inferred(names, "", None).as_deref(),
            Ok(expected),
            "{names}"
        );
    }
}

#[test]
fn one_missing_text_is_the_one_that_is_left() {
    for (names, row, expected) in [
        ("query|product", "x|y", Ok("anchor=query,positive=product")),
        (
            "product|answer",
            "x|y",
            Ok("anchor=product,positive=answer"),
        ),
        (
            "query|docid|text|rating",
            "x|12|y|1",
            Ok("anchor=query,positive=text,score=rating"),
        ),
        (
            "query|text|clicks",
            "x|y|12",
            Ok("anchor=query,positive=text"),
        ),
        (
            "query|docid|rating",
            "x|12|3",
            Err(
                "training needs an anchor and a positive, but the columns are: query, docid, rating; name two with --columns anchor=COLUMN,positive=COLUMN",
            ),
        ),
        (
            "query|brand|text",
            "x|y|z",
            Err(
                "which column is the positive? Candidates: brand, text; name the columns with --columns anchor=COLUMN,positive=COLUMN",
            ),
        ),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(inferred(names, row, None), expected, "{names}");
    }
}

#[test]
fn else_the_shape_tells_the_roles() {
    for (names, row, expected) in [
        ("x|y", "one|two", "anchor=x,positive=y"),
        ("id|x|y", "1|one|two", "anchor=x,positive=y"),
        ("x|y|product_id", "one|two|1", "anchor=x,positive=y"),
        ("x|y|z", "one|two|three", "anchor=x,positive=y,negative=z"),
        (
            "w|x|y|z",
            "one|two|three|four",
            "anchor=w,positive=x,negative=y,negative=z",
        ),
        ("x|y|z", "one|two|0.5", "anchor=x,positive=y,score=z"),
        ("x|y|z", "one|two| 1 ", "anchor=x,positive=y,label=z"),
        ("x|y|z", "one|two|0", "anchor=x,positive=y,label=z"),
        // Only a score is written with a point, though it is 1.
        ("x|y|z", "one|two|1.0", "anchor=x,positive=y,score=z"),
        ("x|y|score", "one|two|1", "anchor=x,positive=y,score=score"),
        (
            "label|x|y",
            "0.5|one|two",
            "anchor=x,positive=y,label=label",
        ),
        (
            "x|y|negative",
            "one|two|three",
            "anchor=x,positive=y,negative=negative",
        ),
    ] {
        assert_eq!(
            inferred(names, row, None).as_deref(),
            Ok(expected),
            "{names}: {row}"
        );
    }
}

#[test]
fn what_is_open_is_asked() {
    for (names, row, start) in [
        ("x", "one", "training needs an anchor and a positive"),
        ("x|y", "one|2", "training needs an anchor and a positive"),
        (
            "x|y|z",
            "300|two|three",
            "is column `x` a text? Its first value is `300`",
        ),
        (
            "w|x|y|z",
            "one|two|three|0.5",
            "which column is the anchor?",
        ),
        (
            "query|text|score|label",
            "x|y|1|1",
            "rows cannot have both a score and a label",
        ),
        (
            "query|text|negative|label",
            "x|y|z|1",
            "rows with negatives cannot have a label",
        ),
    ] {
        let error = inferred(names, row, None).unwrap_err();
        assert!(error.starts_with(start), "{names}: {row}: {error}");
    }
}

#[test]
fn the_group_is_no_text_unless_its_name_says_so() {
    assert_eq!(
        inferred("brand|x|y", "b|one|two", Some("brand")).as_deref(),
        Ok("anchor=x,positive=y")
    );
    assert_eq!(
        inferred("title|description", "one|two", Some("title")).as_deref(),
        Ok("anchor=title,positive=description")
    );
}

#[test]
fn names_that_only_begin_like_a_negative_are_none() {
    for (name, expected) in [
        ("negative", true),
        ("NEG_10", true),
        ("hard_neg-3", true),
        ("negatives", true),
        ("negotiable", false),
        ("negative_score", false),
        ("hard", false),
    ] {
        assert_eq!(is_negative(name), expected, "{name}");
    }
}
