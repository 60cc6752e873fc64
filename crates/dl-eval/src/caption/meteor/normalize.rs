//! The jar's own preparation of a line (its option `-norm`, punctuation kept),
//! which pycocoevalcap runs on captions that the PTB tokenizer has already cut:
//! hyphens and contractions are cut once more, dots inside of abbreviations go.
//! Each pass below is one of the jar's replacements, in its order.

use super::data::{MeteorData, Prefix};

/// Stands for a run of dots while other passes look at dots; the jar's own word.
const DOTS: &str = "DOTMULTI";

/// The words of a line, in lower case, as the jar aligns them.
pub(super) fn words(line: &str, data: Option<&MeteorData>) -> Vec<String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b' ';
    if line.bytes().all(plain) {
        // No pass finds anything to do, as in most captions.
        return line.split_ascii_whitespace().map(str::to_owned).collect();
    }
    let line = format!(" {} ", trim(line));
    let line = hide_dots(&separate(&line));
    let line = apostrophes(&hyphens(&quotes(&commas(&line))));
    let mut line = full_stops(&line, data);
    while line.contains("DOTDOTMULTI") {
        line = line.replace("DOTDOTMULTI", "DOTMULTI.");
    }
    let line = line.replace(DOTS, ".");
    let line: String = line.chars().map(|c| if is_wide_space(c) { ' ' } else { c }).collect();
    tokens(&trim(&line).to_lowercase()).map(str::to_owned).collect()
}

/// `String.trim` of Java.
fn trim(line: &str) -> &str {
    line.trim_matches(|c| c <= ' ')
}

/// `StringTokenizer` of Java with its own delimiters.
fn tokens(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t', '\n', '\r', '\u{c}']).filter(|token| !token.is_empty())
}

/// What the jar takes for a letter: Latin and Cyrillic.
fn is_letter(c: char) -> bool {
    matches!(c,
        'A'..='Z' | 'a'..='z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ž' | '\u{400}'..='\u{527}'
        | '\u{a640}'..='\u{a66e}' | '\u{a67e}'..='\u{a697}' | '\u{1d00}'..='\u{1d7f}')
}

fn is_letter_or_digit(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

fn is_wide_space(c: char) -> bool {
    matches!(c, '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{a0}')
}

/// Every sign becomes a word of its own, but for those that later passes treat.
fn separate(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        let stays = is_letter_or_digit(c)
            || is_space(c)
            || matches!(c, '.' | '\'' | '`' | ',' | '-' | '‘' | '’');
        if stays {
            out.push(c);
        } else {
            out.extend([' ', c, ' ']);
        }
    }
    out
}

/// A run of dots becomes one word that has no dot.
fn hide_dots(line: &str) -> String {
    let characters: Vec<char> = line.chars().collect();
    let mut out = String::with_capacity(line.len());
    for run in characters.chunk_by(|&a, &b| a == '.' && b == '.') {
        if run.len() > 1 {
            out.push(' ');
            out.push_str(DOTS);
            out.extend(&run[1..]);
        } else {
            out.extend(run);
        }
    }
    while out.contains("DOTMULTI.") {
        // The last dot of a run also takes a space after it.
        let mut spaced = String::with_capacity(out.len() + 8);
        let mut rest = out.as_str();
        while let Some((before, after)) = rest.split_once("DOTMULTI.") {
            spaced.push_str(before);
            rest = after;
            match after.chars().next().filter(|&c| c != '.') {
                Some(c) => {
                    spaced.push_str("DOTDOTMULTI ");
                    spaced.push(c);
                    rest = &after[c.len_utf8()..];
                }
                None => spaced.push_str("DOTMULTI."),
            }
        }
        spaced.push_str(rest);
        out = spaced.replace("DOTMULTI.", "DOTDOTMULTI");
    }
    out
}

/// Replaces `middle` between two characters that fit by `with`, from left to
/// right. A match takes all three characters, so that of two signs that share a
/// neighbour ("a,b,c") the second stays: the jar's expressions do the same.
fn between(line: &str, middle: char, fits: impl Fn(char, char) -> bool, with: &str) -> String {
    if !line.contains(middle) {
        return line.to_owned();
    }
    let characters: Vec<char> = line.chars().collect();
    let mut out = String::with_capacity(line.len() + 8);
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        out.push(c);
        match characters[at + 1..] {
            [sign, after, ..] if sign == middle && fits(c, after) => {
                out.push_str(with);
                out.push(after);
                at += 3;
            }
            _ => at += 1,
        }
    }
    out
}

/// A comma is cut off unless it stands between two digits.
fn commas(line: &str) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let line = between(line, ',', |a, b| !digit(a) && !digit(b), " , ");
    let line = between(&line, ',', |a, b| digit(a) && !digit(b), " , ");
    between(&line, ',', |a, b| !digit(a) && digit(b), " , ")
}

/// One form for each kind of quotation mark and of dash.
fn quotes(line: &str) -> String {
    line.replace(['`', '‘', '’'], "'")
        .replace(['“', '”'], " \" ")
        .replace("''", " \" ")
        .replace('–', "-")
        .replace("--", "-")
}

/// Compounds are cut.
fn hyphens(line: &str) -> String {
    between(line, '-', |a, b| (is_letter_or_digit(a) || a == '.') && is_letter_or_digit(b), " ")
}

/// Contractions are cut before the apostrophe, other apostrophes stand alone.
fn apostrophes(line: &str) -> String {
    let (letter, either) = (is_letter, is_letter_or_digit);
    let line = between(line, '\'', |a, b| !letter(a) && !letter(b), " ' ");
    let line = between(&line, '\'', |a, b| !either(a) && letter(b), " ' ");
    let line = between(&line, '\'', |a, b| letter(a) && !letter(b), " ' ");
    let line = between(&line, '\'', |a, b| letter(a) && letter(b), " '");
    between(&line, '\'', |a, b| a.is_ascii_digit() && b == 's', " '")
}

/// A dot at the end of a word is cut off, unless the word is an abbreviation (its
/// dots go), is listed as one, or is followed by a lower-case word.
fn full_stops(line: &str, data: Option<&MeteorData>) -> String {
    let words: Vec<&str> = tokens(line).collect();
    let mut out = String::with_capacity(line.len());
    for (index, word) in words.iter().enumerate() {
        match word.strip_suffix('.').filter(|stem| !stem.is_empty()) {
            Some(stem) if stem.contains('.') && stem.contains(is_letter) => {
                out.push_str(&word.replace('.', ""));
            }
            Some(stem) => {
                let prefix = data.and_then(|data| data.prefix(stem));
                let next = words.get(index + 1).and_then(|word| word.chars().next());
                let stays = prefix == Some(Prefix::Any)
                    || next.is_some_and(|c| c.is_ascii_lowercase())
                    || (prefix == Some(Prefix::BeforeNumber)
                        && next.is_some_and(|c| c.is_ascii_digit()));
                out.push_str(if stays { word } else { stem });
                if !stays {
                    out.push_str(" .");
                }
            }
            None => out.push_str(word),
        }
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_as_the_jar_cuts_them() {
        // By the jar's expressions, followed by hand.
        for (line, expected) in [
            ("a dog barks", "a dog barks"),
            ("a high-pitched dog 's bark", "a high pitched dog ' s bark"),
            ("it does n't stop", "it does n 't stop"),
            ("over a p.a. system", "over a pa system"),
            ("music plays.a voice", "music plays.a voice"),
            ("it stops. then 3.5 sec. 5", "it stops. then 3.5 sec . 5"),
            ("it stops.", "it stops ."),
            ("a,b,c 1,000", "a , b,c 1,000"),
            ("wait... what ?!", "wait ... what ? !"),
            ("-lrb- loud -rrb-", "-lrb- loud -rrb-"),
            ("the ``old'' 90's bell", "the \" old \" 90 's bell"),
            ("a–b a--b\u{a0}c", "a - b a b c"),
            ("a – b", "a - b"),
            ("", ""),
            (" . ", "."),
        ] {
            assert_eq!(words(line, None).join(" "), expected, "{line}");
        }
    }
}
