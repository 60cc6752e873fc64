//! Text files of users: captions, manifests, ids, vocabularies, configurations. What
//! editors, spreadsheets and other systems do to a text is undone or refused here, once,
//! so that no reader takes a byte-order mark for part of an id.

use std::path::Path;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{FileError, regular};

/// Largest text that is read, in bytes: fifty times the captions of all public sets.
pub const LIMIT: u64 = 1 << 30;

/// The text of a UTF-8 file: without byte-order marks (also those that joining files left
/// at the beginning of later lines), every line end a `\n`.
///
/// # Errors
/// [`FileError`] when it cannot be read, is no regular file, is larger than [`LIMIT`], is
/// UTF-16, or has bytes that are not UTF-8; the line of the first one is told.
pub fn read(path: &Path) -> Result<String, FileError> {
    let length = regular::open(path)?.metadata().map_err(|error| FileError::io(path, error))?.len();
    if length > LIMIT {
        let problem = format!("has {length} bytes, too many for a text; at most {LIMIT} are read");
        return Err(FileError::invalid(path, problem));
    }
    parse(regular::read(path)?).map_err(|problem| FileError::invalid(path, problem))
}

/// The text in `bytes`, as [`read`] gives it.
///
/// # Errors
/// What is wrong and what to do, without a path.
pub fn parse(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("is UTF-16; save it as UTF-8".into());
    }
    let line_of = |bytes: &[u8]| 1 + bytes.iter().filter(|&&byte| byte == b'\n').count();
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        let line = line_of(&bytes[..at]);
        return Err(format!(
            "line {line} has a zero byte, so this is no text, or UTF-16; save it as UTF-8"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let (line, byte) = (line_of(&error.as_bytes()[..at]), error.as_bytes()[at]);
        format!(
            "line {line}: byte 0x{byte:02x} is not UTF-8; convert the file, for example with iconv"
        )
    })?;
    Ok(plain(text))
}

/// Without marks at the beginnings of lines and with plain line ends.
fn plain(text: String) -> String {
    let mut text = text;
    if text.contains('\r') {
        text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    if text.contains('\u{feff}') {
        text = text
            .split('\n')
            .map(|line| line.trim_start_matches('\u{feff}'))
            .collect::<Vec<_>>()
            .join("\n");
    }
    text
}

/// A field of a CSV file that goes over several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongField {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// The line that it ends on.
    pub end: usize,
}

/// Checks the quotation marks of a CSV file: one that is never closed swallows the rows
/// below it, and readers say nothing. Fields over several lines are given: they may be
/// meant so.
///
/// # Errors
/// The line on which a quoted field begins that does not end, or ends in the middle of
/// other text; cause and remedy, without a path.
pub fn csv_quotes(text: &str) -> Result<Vec<LongField>, String> {
    let mut long = Vec::new();
    let (mut line, mut begin) = (1, 0);
    let (mut inside, mut field_start) = (false, true);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        line += usize::from(letter == '\n');
        if !inside {
            inside = letter == '"' && field_start;
            field_start = matches!(letter, ',' | '\n');
            begin = if inside { line } else { begin };
            continue;
        }
        if letter != '"' || letters.next_if_eq(&'"').is_some() {
            continue;
        }
        inside = false;
        if !matches!(letters.peek(), None | Some(',' | '\n')) {
            return Err(format!(
                "line {begin}: the quoted field that begins here ends on line {line} in the middle \
                 of text; write every quotation mark inside of a field twice, and close each field"
            ));
        }
        if line > begin {
            long.push(LongField { line: begin, end: line });
        }
    }
    if inside {
        return Err(format!(
            "line {begin}: the quoted field that begins here never ends and takes all rows below \
             for its text; close it with a quotation mark"
        ));
    }
    Ok(long)
}

/// Text in quotes, for errors: what cannot be told apart by eye (spaces at the ends or in a
/// row, letters that look alike, accents as letters of their own) is shown by its number.
pub fn shown(text: &str) -> String {
    let mut shown = String::from("'");
    let mut before = None;
    let last = text.chars().count().saturating_sub(1);
    for (index, letter) in text.chars().enumerate() {
        let space_apart = letter == ' ' && index > 0 && index < last && before != Some(' ');
        if letter.is_ascii_graphic() && letter != '\'' || space_apart {
            shown.push(letter);
        } else {
            shown.extend(format!("\\u{{{:x}}}", letter as u32).chars());
        }
        before = Some(letter);
    }
    shown + "'"
}

/// `text` in quotes, by numbers too where another of `others` looks like it.
pub fn told_apart<'a>(text: &str, others: impl IntoIterator<Item = &'a str>) -> String {
    let key = look(text);
    let alike = others.into_iter().any(|other| other != text && look(other) == key);
    let plain = !text.is_empty() && !text.chars().any(char::is_control) && text.trim() == text;
    if alike || !plain { shown(text) } else { format!("'{text}'") }
}

/// What of a text meets the eye: letters without accents, spaces and what is never drawn.
fn look(text: &str) -> String {
    let hidden = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || is_combining_mark(letter)
            || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    text.nfkd().filter(|&letter| !hidden(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<String, String> {
        parse(bytes.to_vec())
    }

    #[test]
    fn marks_and_line_ends_are_no_part_of_the_text() {
        for bytes in [
            &b"a\nb\n"[..],
            b"\xef\xbb\xbfa\nb\n",
            b"a\r\nb\r\n",
            b"a\rb\r",
            b"\xef\xbb\xbfa\r\n\xef\xbb\xbfb\n",
        ] {
            assert_eq!(of(bytes).unwrap(), "a\nb\n", "{bytes:?}");
        }
        // Inside of a line it is a letter like any other.
        assert_eq!(of("a\u{feff}b".as_bytes()).unwrap(), "a\u{feff}b");
        assert_eq!(of(b"").unwrap(), "");
    }

    #[test]
    fn other_encodings_are_told_with_the_line() {
        assert!(of(b"\xff\xfea\0").unwrap_err().contains("UTF-16"));
        assert!(of(b"\xfe\xff\0a").unwrap_err().contains("UTF-16"));
        assert!(of(b"ab\nc\0d\0").unwrap_err().starts_with("line 2 has a zero byte"));
        // "caf\xe9" is Latin-1.
        let fault = of(b"a\nb\ncaf\xe9\n").unwrap_err();
        assert!(fault.starts_with("line 3: byte 0xe9 is not UTF-8"), "{fault}");
    }

    #[test]
    fn a_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ids.txt");
        std::fs::write(&path, b"\xef\xbb\xbffirst\r\nsecond").unwrap();
        assert_eq!(read(&path).unwrap().lines().collect::<Vec<_>>(), ["first", "second"]);
        std::fs::write(&path, b"\xe9").unwrap();
        let fault = read(&path).unwrap_err().to_string();
        assert!(fault.starts_with(&format!("{}: line 1: ", path.display())), "{fault}");
        assert!(read(directory.path()).unwrap_err().to_string().contains("is a folder"));
    }

    #[test]
    fn quotes_that_swallow_rows_are_found() {
        for text in ["a,b\n1,\"x, y\"\n", "a,b\n1,say \"hi\"\n", "a\n\"he said \"\"hi\"\"\"\n", ""]
        {
            assert_eq!(csv_quotes(text), Ok(vec![]), "{text}");
        }
        let long = LongField { line: 2, end: 3 };
        assert_eq!(csv_quotes("a,b\n1,\"two\nlines\"\n2,c\n"), Ok(vec![long]));
        let fault = csv_quotes("id,caption\n1,\"a dog\n2,a cat\n3,rain\n").unwrap_err();
        assert!(fault.starts_with("line 2: ") && fault.contains("never ends"), "{fault}");
        let fault = csv_quotes("id,caption\n1,\"a dog\n2,a cat\n3,\"rain\"\n").unwrap_err();
        assert!(fault.starts_with("line 2: ") && fault.contains("ends on line 4"), "{fault}");
    }

    #[test]
    fn texts_that_look_alike_are_shown_by_their_numbers() {
        assert_eq!(told_apart("rain 1", ["rain 1", "rain 2"]), "'rain 1'");
        assert_eq!(told_apart("rain 1", ["rain  1"]), "'rain 1'");
        assert_eq!(told_apart("rain  1", ["rain 1"]), r"'rain \u{20}1'");
        assert_eq!(told_apart("rain ", []), r"'rain\u{20}'");
        // An accent of its own, and one with its letter.
        assert_eq!(told_apart("cafe\u{301}", ["caf\u{e9}"]), r"'cafe\u{301}'");
        assert_eq!(shown("caf\u{e9}"), r"'caf\u{e9}'");
        assert_eq!(shown("cafe\u{301}"), r"'cafe\u{301}'");
        assert_eq!(told_apart("a\u{200b}b", ["ab"]), r"'a\u{200b}b'");
        assert_eq!(told_apart("gr\u{fc}n", ["rot"]), "'gr\u{fc}n'");
    }
}
