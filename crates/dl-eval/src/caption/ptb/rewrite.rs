//! What the treebank writes for the text that a rule matched.

use std::borrow::Cow;

use super::rules::Action;

/// The token, or nothing.
pub(super) fn rewrite(text: &str, action: Action) -> Option<Cow<'_, str>> {
    Some(match action {
        Action::Copy => text.into(),
        Action::Skip => return None,
        Action::Name(name) => name.into(),
        Action::Soften if text.contains('\u{ad}') => match text.replace('\u{ad}', "") {
            rest if rest.is_empty() => "-".into(),
            rest => rest.into(),
        },
        Action::Soften => text.into(),
        Action::Hyphens => if (3..=4).contains(&text.len()) { "--" } else { text }.into(),
        Action::Quote(opening) => quotes(text, opening).into(),
        Action::Fraction => match text {
            "¼" => "1/4",
            "½" => "1/2",
            "¾" => "3/4",
            "⅓" => "1/3",
            "⅔" => "2/3",
            other => other,
        }
        .into(),
        Action::Currency => match text {
            "¢" => "cents",
            "£" => "#",
            "\u{80}" | "¤" | "₠" | "€" => "$",
            other => other,
        }
        .into(),
        Action::Brackets => text.replace('(', "-LRB-").replace(')', "-RRB-").into(),
        Action::Phone => {
            text.replace('(', "-LRB-").replace(')', "-RRB-").replace(' ', "\u{a0}").into()
        }
        Action::Unbroken => text.replace(' ', "\u{a0}").into(),
        Action::Ampersand => ampersands(text).into(),
    })
}

/// Straight marks turn as told, slanted ones as they slant.
fn quotes(text: &str, opening: bool) -> String {
    let (single, double) = if opening { ("`", "``") } else { ("'", "''") };
    text.replace("&apos;", "\'")
        .replace("&quot;", "\"")
        .chars()
        .map(|c| match c {
            '\'' => single.to_owned(),
            '"' => double.to_owned(),
            '\u{91}' | '‘' | '\u{201b}' | '‹' => "`".to_owned(),
            '\u{92}' | '’' | '›' => "'".to_owned(),
            '\u{93}' | '“' | '«' => "``".to_owned(),
            '\u{94}' | '”' | '»' => "''".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// `&amp;` in any case is `&`.
fn ampersands(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let entity = after.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("amp;"));
        rest = if entity { &after[4..] } else { after };
    }
    out + rest
}
