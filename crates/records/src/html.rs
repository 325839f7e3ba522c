//! HTML in texts: finding it, and turning it into plain text.

/// Tags that stand within a word or a sentence. All others separate words.
const INLINE: [&str; 21] = [
    "a", "abbr", "b", "bdi", "big", "cite", "code", "em", "font", "i", "ins", "kbd", "mark", "s",
    "small", "span", "strong", "sub", "sup", "u", "wbr",
];

/// Tags whose content is no text.
const HIDDEN: [&str; 2] = ["script", "style"];

/// Characters of the longest tag.
const LONGEST_TAG: usize = 2000;

/// Whether a text has a tag or an entity.
pub(crate) fn has_html(text: &str) -> bool {
    let tags = text.match_indices('<');
    let entities = text.match_indices('&');
    tags.into_iter()
        .any(|(start, _)| tag(&text[start..]).is_some())
        || entities
            .into_iter()
            .any(|(start, _)| is_entity(&text[start..]))
}

/// The text without tags and comments, with entities decoded and white space collapsed; a text without
/// HTML is returned as it is.
pub(crate) fn clean(text: String) -> String {
    if !has_html(&text) {
        return text;
    }
    let mut without_tags = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        without_tags.push_str(before);
        let Some(tag) = tag(from) else {
            without_tags.push('<');
            rest = &from[1..];
            continue;
        };
        if !INLINE.contains(&tag.name.as_str()) {
            without_tags.push(' ');
        }
        rest = &from[tag.length..];
        if !tag.closes && HIDDEN.contains(&tag.name.as_str()) {
            rest = after_closing(rest, &tag.name);
        }
    }
    without_tags.push_str(rest);
    let plain = htmlize::unescape(without_tags);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Tag {
    /// In lower case; empty for a comment or a declaration.
    name: String,
    closes: bool,
    length: usize,
}

/// The tag, comment or declaration that `text`, which begins with `<`, begins with.
fn tag(text: &str) -> Option<Tag> {
    if text.starts_with("<!--") {
        let length = text.find("-->").map_or(text.len(), |end| end + 3);
        return Some(Tag {
            name: String::new(),
            closes: false,
            length,
        });
    }
    let inner = text.strip_prefix('<')?;
    let closes = inner.starts_with('/');
    let inner = inner.strip_prefix(['/', '!', '?']).unwrap_or(inner);
    let name: String = inner
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return None;
    }
    let mut quote = None;
    for (index, letter) in text.char_indices().take(LONGEST_TAG).skip(1) {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), _) => {}
            // A quote outside of an attribute is an apostrophe.
            (None, '"' | '\'') if text[..index].ends_with('=') => quote = Some(letter),
            (None, '>') => {
                return Some(Tag {
                    name,
                    closes,
                    length: index + 1,
                });
            }
            (None, '<') => return None,
            _ => {}
        }
    }
    None
}

/// The rest after the closing tag of `name`; empty if there is none.
fn after_closing<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(start) = rest.find("</") {
        rest = &rest[start..];
        match tag(rest) {
            Some(tag) if tag.name == name => return &rest[tag.length..],
            _ => rest = &rest[2..],
        }
    }
    ""
}

/// Whether `text`, which begins with `&`, begins with an entity that ends in `;`.
fn is_entity(text: &str) -> bool {
    const LONGEST: usize = 32;
    let Some(end) = text.bytes().take(LONGEST).position(|byte| byte == b';') else {
        return false;
    };
    end > 1 && htmlize::unescape(&text[..=end]) != text[..=end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_entities_become_plain_text() {
        for (html, plain) in [
            (
                "<p>Steel&nbsp;kettle<br/>1.7&thinsp;l</p>",
                "Steel kettle 1.7 l",
            ),
            ("H<sub>2</sub>O &amp; <b>more</b>", "H2O & more"),
            ("<ul><li>red</li><li>blue</li></ul>", "red blue"),
            (
                "<a title=\"a > b\" href='x'>mug</a><!-- no > --> cup",
                "mug cup",
            ),
            (
                "a<script>if (a < b) {}</script>b<STYLE>p{}</STYLE >c",
                "a b c",
            ),
            ("24&quot; monitor &#8211; &#x41;", "24\" monitor – A"),
            ("cut <b>off <scr", "cut off <scr"),
            ("<script>never closed", ""),
        ] {
            assert!(has_html(html), "{html}");
            assert_eq!(clean(html.to_owned()), plain, "{html}");
        }
    }

    #[test]
    fn a_text_without_html_stays_as_it_is() {
        for text in [
            "a < b  and b > c",
            "AT&T; R&D",
            "<3 it",
            "size <M",
            "",
            "5 & 6;",
        ] {
            assert!(!has_html(text), "{text}");
            assert_eq!(clean(text.to_owned()), text);
        }
    }
}
