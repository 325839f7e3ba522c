use super::*;

#[test]
fn a_map_is_read_as_it_is_printed() {
    for (text, kind) in [
        ("anchor=a,positive=b", RowKind::Pairs),
        (
            "anchor=q,positive=p,negative=n 2,negative=n=1",
            RowKind::Tuples { negatives: 2 },
        ),
        ("anchor=q,positive=p,score=relevance", RowKind::Scored),
        ("anchor=q,positive=p,label=is match", RowKind::Labelled),
        (
            "anchor=q,positive=p,negative=n,score=margin",
            RowKind::ScoredTuples {
                negatives: 1,
                scores: 1,
            },
        ),
        (
            "anchor=q,positive=p,negative=n,negative=m,score=a,score=b,score=c",
            RowKind::ScoredTuples {
                negatives: 2,
                scores: 3,
            },
        ),
    ] {
        let columns: ColumnMap = text.parse().unwrap();
        assert_eq!(columns.to_string(), text);
        assert_eq!(columns.kind(), kind, "{text}");
        assert_eq!(columns.texts().len(), kind.text_columns(), "{text}");
        assert_eq!(columns.targets().len(), kind.targets(), "{text}");
    }
}

#[test]
fn roles_come_in_any_order_and_case_with_spaces_around() {
    let columns: ColumnMap = " Score = s , POSITIVE= p, anchor =a".parse().unwrap();
    assert_eq!(columns.to_string(), "anchor=a,positive=p,score=s");
    assert_eq!(columns.texts(), ["a", "p"]);
    assert_eq!(columns.targets(), ["s"]);
    let columns: ColumnMap = "first=a,Second=b,third=c".parse().unwrap();
    assert_eq!(columns.to_string(), "anchor=a,positive=b,negative=c");
}

#[test]
fn a_bad_map_is_explained() {
    for (text, message) in [
        (
            "",
            "`` is not ROLE=COLUMN; write for example anchor=query,positive=description",
        ),
        (
            "anchor=a,title",
            "`title` is not ROLE=COLUMN; write for example anchor=query,positive=description",
        ),
        (
            "anchor=a,query=b",
            "`query` is not a role; the roles are: anchor, positive, negative, score, label",
        ),
        (
            "anchor=a,group=b",
            "`group` is not a role; the roles are: anchor, positive, negative, score, label",
        ),
        (
            "anchor=a,positive=",
            "the positive has no column; write positive=COLUMN",
        ),
        (
            "anchor=a",
            "the positive has no column; write positive=COLUMN",
        ),
        (
            "positive=a",
            "the anchor has no column; write anchor=COLUMN",
        ),
        (
            "anchor=a,anchor=b,positive=c",
            "columns `a` and `b` both have the role anchor; keep one",
        ),
        (
            "anchor=a,positive=a",
            "column `a` has the roles anchor and positive; give it one role",
        ),
        (
            "anchor=a,positive=b,negative=c,negative=c",
            "column `c` has the role negative more than once; name it once",
        ),
        (
            "anchor=a,positive=b,score=c,label=d",
            "rows cannot have both a score and a label; leave out column `c` or `d`",
        ),
        (
            "anchor=a,positive=b,negative=c,label=d",
            "rows with negatives cannot have a label; leave out the label or the negatives",
        ),
        (
            "anchor=a,positive=b,score=c,score=d",
            "2 scores do not fit 0 negatives: give one score per negative (the positive's lead), or one per text but the anchor",
        ),
        (
            "anchor=a,positive=b,negative=c,negative=d,score=e",
            "1 scores do not fit 2 negatives: give one score per negative (the positive's lead), or one per text but the anchor",
        ),
    ] {
        let error = text.parse::<ColumnMap>().unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn a_text_may_be_made_of_several_columns() {
    let text = "anchor=query,positive={title}, by {brand} {color},label=bought";
    let columns: ColumnMap = text.parse().unwrap();
    assert_eq!(columns.to_string(), text);
    assert_eq!(columns.texts(), ["query", "{title}, by {brand} {color}"]);
    let read = super::super::read::Layout::new(&columns, None).columns;
    assert_eq!(read, ["query", "title", "brand", "color", "bought"]);
    assert_eq!(pieces("a}{b"), [Piece::Column("a}{b")]);
    let expected = [Piece::Column("a"), Piece::Literal("{b")];
    assert_eq!(pieces("{a}{b"), expected);
}

#[test]
fn an_evaluation_takes_the_columns_that_it_needs() {
    let all: ColumnMap = "anchor=a,positive=b,negative=c,score=d".parse().unwrap();
    for (kind, expected) in [
        (RowKind::Pairs, "anchor=a,positive=b"),
        (RowKind::Scored, "anchor=a,positive=b,score=d"),
        (
            RowKind::Tuples { negatives: 1 },
            "anchor=a,positive=b,negative=c",
        ),
    ] {
        assert_eq!(all.of_kind(kind).unwrap().to_string(), expected);
    }
    let pair: ColumnMap = "anchor=a,positive=b".parse().unwrap();
    for (kind, role) in [
        (RowKind::Scored, Role::Score),
        (RowKind::Tuples { negatives: 1 }, Role::Negative),
    ] {
        let error = pair.of_kind(kind).unwrap_err();
        assert_eq!(error, ColumnMapError::Missing { role });
    }
}
