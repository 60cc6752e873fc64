//! One byte for every UTF-16 unit of a caption: ASCII stands for itself, other
//! characters for the set that the rules of [`super::rules`] know them by.

use super::letters::{DIGITS, LETTERS, MARKS, SYMBOLS};

/// Each long set with its class; letters come last, split by case.
const SETS: [(&[u16], u8); 3] = [(&SYMBOLS, SYMBOL), (&MARKS, MARK), (&DIGITS, DIGIT)];

/// Letters that are not upper case.
pub(super) const LOWER: u8 = 0x80;
/// Upper-case letters.
pub(super) const UPPER: u8 = 0x81;
/// Marks and other characters that stand within words.
pub(super) const MARK: u8 = 0x82;
/// Digits that are not ASCII.
pub(super) const DIGIT: u8 = 0x83;
/// The soft hyphen.
pub(super) const SOFT: u8 = 0x84;
/// Arabic separators of thousands and decimals.
pub(super) const SEPARATOR: u8 = 0x85;
/// Raised and lowered signs.
pub(super) const SMALL_SIGN: u8 = 0x86;
/// Raised digits.
pub(super) const RAISED: u8 = 0x87;
/// Lowered digits.
pub(super) const LOWERED: u8 = 0x88;
/// The space that does not break.
pub(super) const UNBROKEN: u8 = 0x89;
/// The slash of fractions.
pub(super) const SLASH: u8 = 0x8a;
/// Fractions of one character.
pub(super) const FRACTION: u8 = 0x8b;
/// Signs of currencies beside the dollar.
pub(super) const CURRENCY: u8 = 0x8c;
/// Dashes.
pub(super) const DASH: u8 = 0x8d;
/// Spaces of other widths.
pub(super) const SPACE: u8 = 0x8e;
/// Vertical tab, line and paragraph separators.
pub(super) const LINE: u8 = 0x8f;
/// Next line, which old Windows files use as an ellipsis.
pub(super) const NEXT_LINE: u8 = 0x90;
/// Roman numerals of one character: symbols that count as upper case.
pub(super) const ROMAN: u8 = 0x91;
/// Letters in circles: symbols that count as upper case.
pub(super) const CIRCLED: u8 = 0x92;
/// Closing single quotation marks, which also serve as apostrophes.
pub(super) const CLOSING: u8 = 0x93;
/// Opening single quotation marks.
pub(super) const OPENING: u8 = 0x94;
/// Hyphens beside the ASCII one.
pub(super) const HYPHEN: u8 = 0x95;
/// The ellipsis of one character.
pub(super) const ELLIPSIS: u8 = 0x96;
/// The ideographic comma.
pub(super) const COMMA: u8 = 0x97;
/// Double and angular quotation marks.
pub(super) const QUOTE: u8 = 0x98;
/// Symbols that are tokens of their own.
pub(super) const SYMBOL: u8 = 0x99;
/// What is skipped without breaking anything but words: zero-width space, direction
/// and byte-order marks, null.
pub(super) const IGNORED: u8 = 0x9a;
/// What the tokenizer does not know and drops.
pub(super) const UNKNOWN: u8 = 0x9b;

/// The class of one character. Four letters that are case variants of ASCII letters
/// (long s, dotless and dotted i, the Kelvin sign) are taken as letters only, never
/// as an s, i or k within one of the rules' words.
pub(super) fn class(c: char) -> u8 {
    match u32::from(c) {
        0 => IGNORED,
        0x0b => LINE,
        0x01..=0x08 | 0x0e..=0x1f => UNKNOWN,
        ascii @ 0..=0x7f => ascii as u8,
        0x10000.. => UNKNOWN,
        code => beyond_ascii(code as u16),
    }
}

fn beyond_ascii(code: u16) -> u8 {
    match code {
        0x85 => NEXT_LINE,
        0x91 | 0x2018 | 0x201b => OPENING,
        0x92 | 0x2019 => CLOSING,
        0x93 | 0x94 | 0xab | 0xbb | 0x201a | 0x201c..=0x201f | 0x2039 | 0x203a => QUOTE,
        0x96 | 0x97 | 0x2013..=0x2015 => DASH,
        0xa0 => UNBROKEN,
        0xad => SOFT,
        0xb2 | 0xb3 | 0xb9 | 0x2070 | 0x2074..=0x2079 => RAISED,
        0xbc..=0xbe | 0x2153..=0x215e => FRACTION,
        0x80 | 0xa2..=0xa5 | 0x60b | 0xe3f | 0x20a0 | 0x20a4 | 0x20ac => CURRENCY,
        0xffe0 | 0xffe1 | 0xffe5 | 0xffe6 => CURRENCY,
        0x66b | 0x66c => SEPARATOR,
        0x58a | 0x2010 | 0x2011 => HYPHEN,
        0x2000..=0x200a | 0x3000 => SPACE,
        0x200b | 0x200e | 0x200f | 0xfeff => IGNORED,
        0x2026 => ELLIPSIS,
        0x2028 | 0x2029 => LINE,
        0x2044 => SLASH,
        0x207a | 0x207b | 0x208a | 0x208b => SMALL_SIGN,
        0x2080..=0x2089 => LOWERED,
        0x2160..=0x216f => ROMAN,
        0x24b6..=0x24cf => CIRCLED,
        0x3001 => COMMA,
        _ => listed(code),
    }
}

/// The sets that are long lists. Cherokee had no case when the sets were made.
fn listed(code: u16) -> u8 {
    if let Some((_, class)) = SETS.iter().find(|(set, _)| contains(set, code)) {
        return *class;
    }
    if !contains(&LETTERS, code) {
        return UNKNOWN;
    }
    let upper = char::from_u32(u32::from(code)).is_some_and(char::is_uppercase);
    if upper && !(0x13a0..=0x13f4).contains(&code) { UPPER } else { LOWER }
}

fn contains(boundaries: &[u16], code: u16) -> bool {
    boundaries.partition_point(|&boundary| boundary <= code) % 2 == 1
}
