//! Tokens as the caption-evaluation tools see them: the Penn Treebank rules that
//! occur in captions, lower case, punctuation removed. The full tokenizer of
//! those tools has more rules (titles, currencies, addresses); captions that need
//! them may be cut differently here.

/// Contractions that stand behind a word and become tokens of their own.
const CLITICS: [&str; 7] = ["n't", "'s", "'re", "'ve", "'ll", "'m", "'d"];

/// One-word forms that the treebank writes as two.
const PAIRS: [(&str, &str, &str); 8] = [
    ("cannot", "can", "not"),
    ("gonna", "gon", "na"),
    ("gotta", "got", "ta"),
    ("wanna", "wan", "na"),
    ("lemme", "lem", "me"),
    ("gimme", "gim", "me"),
    ("d'ye", "d", "'ye"),
    ("more'n", "more", "'n"),
];

/// Lower-case tokens of a caption, without punctuation.
pub fn tokenize(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['’', '‘'], "'");
    let mut tokens = Vec::new();
    let mut word = String::new();
    let characters: Vec<char> = text.chars().collect();
    for (index, &c) in characters.iter().enumerate() {
        let inside = |other: Option<&char>| other.is_some_and(|c| c.is_alphanumeric());
        let before = index.checked_sub(1).and_then(|i| characters.get(i));
        let joins = match c {
            // Inside of words (high-pitched, dog's) and numbers (3.5, 1,000).
            '-' | '\'' => inside(before) && inside(characters.get(index + 1)),
            '.' | ',' | ':' => {
                let digit = |other: Option<&char>| other.is_some_and(char::is_ascii_digit);
                let letter = |other: Option<&char>| other.is_some_and(|c| c.is_alphabetic());
                let after = characters.get(index + 1);
                (digit(before) && digit(after))
                    || (c == '.' && letter(before) && (letter(after) || is_initials(&word)))
            }
            '/' => inside(before) && inside(characters.get(index + 1)),
            _ => c.is_alphanumeric() || is_mark(c),
        };
        if joins {
            word.push(c);
            continue;
        }
        finish(&mut word, &mut tokens);
        if let Some(name) = bracket(c) {
            tokens.push(name.to_owned());
        } else if is_cry(c) {
            // One mark is dropped; two or more together are one token that stays ("!!!").
            let run = characters[index..].iter().take_while(|&&c| is_cry(c));
            if !before.is_some_and(|&c| is_cry(c)) && run.clone().count() > 1 {
                tokens.push(run.collect());
            }
        } else if !c.is_whitespace() && !is_removed(c) {
            tokens.push(c.to_string());
        }
    }
    finish(&mut word, &mut tokens);
    tokens
}

/// The treebank's names of brackets. The tools mean to drop them but compare with
/// upper-case names after lower-casing, so the names stay among the words; equal
/// numbers need the same.
fn bracket(c: char) -> Option<&'static str> {
    Some(match c {
        '(' => "-lrb-",
        ')' => "-rrb-",
        '[' => "-lsb-",
        ']' => "-rsb-",
        '{' => "-lcb-",
        '}' => "-rcb-",
        _ => return None,
    })
}

/// "p.a" keeps its last dot, "barks" and "barks.a cat" have none to keep.
fn is_initials(word: &str) -> bool {
    let mut parts = word.split('.');
    word.contains('.') && parts.all(|part| part.chars().count() == 1)
}

fn is_cry(c: char) -> bool {
    matches!(c, '!' | '?')
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Punctuation that the tools drop, in the forms that the treebank gives it.
fn is_removed(c: char) -> bool {
    matches!(c, '.' | ',' | ':' | ';' | '-' | '–' | '—' | '\'' | '"' | '`' | '“' | '”' | '…')
        || c.is_control()
}

fn finish(word: &mut String, tokens: &mut Vec<String>) {
    if word.is_empty() {
        return;
    }
    let whole = std::mem::take(word);
    if let Some((_, first, second)) = PAIRS.iter().find(|(form, ..)| *form == whole) {
        tokens.extend([(*first).to_owned(), (*second).to_owned()]);
        return;
    }
    for clitic in CLITICS {
        if let Some(stem) = whole.strip_suffix(clitic).filter(|stem| !stem.is_empty()) {
            tokens.extend([stem.to_owned(), clitic.to_owned()]);
            return;
        }
    }
    tokens.push(whole);
}

#[cfg(test)]
mod tests {
    use super::tokenize;

    #[test]
    fn treebank_rules_that_captions_need() {
        let cases = [
            ("A man speaks, followed by a dog's bark.", "a man speaks followed by a dog 's bark"),
            ("It doesn't stop; they're high-pitched", "it does n't stop they 're high-pitched"),
            ("“Hello” (twice) -- cannot 3.5 sec...", "hello -lrb- twice -rrb- can not 3.5 sec"),
            ("A [beep]! {hum}?", "a -lsb- beep -rsb- -lcb- hum -rcb-"),
            ("vroom!!! what?!", "vroom !!! what ?!"),
            ("", ""),
            (" ?! ", "?!"),
            (" ? ! ", ""),
            ("barks.A cat over a P.A.", "barks.a cat over a p.a."),
        ];
        for (text, expected) in cases {
            assert_eq!(tokenize(text).join(" "), expected);
        }
    }
}
