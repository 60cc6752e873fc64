//! The lexical rules of the Penn Treebank tokenizer, as expressions over the one-byte
//! classes of [`super::classes`]. The longest match wins, then the earlier rule. They
//! accept the same texts as Stanford's PTBTokenizer 3.4.1 does in its usual state.

use super::words::{
    ABBREVIATIONS, BEFORE_NUMBERS, COUNTRIES, ELISIONS, EXTENSIONS, STARTERS, TITLES, any_of,
};

/// What becomes of the text that a rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A token as it stands.
    Copy,
    /// A token without soft hyphens; a lone soft hyphen is a hyphen.
    Soften,
    /// A token of this text.
    Name(&'static str),
    /// Nothing.
    Skip,
    /// Three or four hyphens are a dash; other counts stay.
    Hyphens,
    /// Quotation marks in the manner of LaTeX, opening if true.
    Quote(bool),
    /// Fractions of one character are spelled out.
    Fraction,
    /// Currency signs that the treebank lacked are replaced.
    Currency,
    /// Round brackets are named.
    Brackets,
    /// Round brackets are named and spaces do not break.
    Phone,
    /// Spaces do not break.
    Unbroken,
    /// `&amp;` is `&`.
    Ampersand,
}

/// Where the token ends within the match; what follows is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the end of the match.
    Whole,
    /// So many characters before the end of the match.
    Less(usize),
    /// After so many characters.
    After(usize),
    /// Before the first white space, or else before the last character.
    Space,
    /// After the first full stop.
    Stop,
    /// Before the last apostrophe.
    Apostrophe,
    /// Before the letter before the last apostrophe.
    Negation,
    /// Before the first white space if there is any; the last full stop belongs to
    /// the token and is read again.
    Sentence,
    /// As `Sentence`, but a single letter loses its stop.
    Initials,
}

/// An expression, where its token ends and what it becomes.
pub(super) type Rule = (String, End, Action);

// Members of sets in square brackets.
const LETTER: &str = r"A-Za-z\x80\x81";
const DIGIT: &str = r"0-9\x83";
const BLANK: &str = r" \t\x89\x8e";
const BREAK: &str = r"\n\r\x0c\x8f\x90";

/// Letters with accents as old mark-up writes them.
const ACCENTED: &str = "(?i:&[aeiou](?:acute|grave|uml);)";
const APOSTROPHE: &str = r"(?:['\x93]|(?i:&apos;))";
/// Any mark that people type for an apostrophe within a word.
const WITHIN: &str = r"(?:['`\x93\x94]|(?i:&apos;))";
const COMMA: &str = r"[,;:\x97]";

/// All rules, the more urgent first.
pub(super) fn rules() -> Vec<Rule> {
    let mut all = fixed_words();
    all.extend(words());
    all.extend(numbers_and_names());
    all.extend(abbreviations());
    all.extend(signs());
    all.extend(joined_words());
    all.extend(rest());
    all
}

fn rule(expression: impl Into<String>, end: End, action: Action) -> Rule {
    (expression.into(), end, action)
}

fn fixed_words() -> Vec<Rule> {
    vec![
        rule(r"(?i:c\+\+|[cf]#)", End::Whole, Action::Copy),
        rule("(?i:cannot|'twas)", End::Less(3), Action::Copy),
        rule("(?i:'tis|gonna|gotta|lemme|gimme|wanna)", End::Less(2), Action::Copy),
        rule(tag(), End::Whole, Action::Unbroken),
        rule(r"\x8d|(?i:&(?:md|mdash|ndash);)", End::Whole, Action::Name("--")),
        rule("(?i:&amp;)", End::Whole, Action::Ampersand),
        rule("(?i:&(?:ht|tl|ur|lr|qc|ql|qr|odq|cdq);)|&#[0-9]+;", End::Whole, Action::Copy),
    ]
}

/// A tag of a mark-up language.
fn tag() -> String {
    let name = "[A-Za-z][A-Za-z0-9_:.-]*";
    let value = r#"(?:'[^']*'|"[^"]*")"#;
    let attributes = format!("(?: +(?:{name}|{name} *= *{value}))*");
    format!(r"<(?:[!?][A-Za-z-][^>\r\n]*|{name}{attributes} */?|/{name}) *>")
}

/// A word of letters and digits that begins with a letter, and such words around a
/// mark without space ("barks.a").
fn word() -> String {
    let letter = word_letter();
    let part = format!("{letter}(?:{letter}|[{DIGIT}])*");
    format!("{part}(?:[.!?]{part})*")
}

fn word_letter() -> String {
    format!(r"(?:[{LETTER}\x82\x84]|{ACCENTED})")
}

/// What stands behind an apostrophe: 's, 'm, 'd, 're, 've, 'll.
fn clitic() -> String {
    format!("{APOSTROPHE}(?:[msdMSD]|(?i:re|ve|ll))")
}

fn negation() -> String {
    format!("(?i:n){WITHIN}(?i:t)")
}

fn words() -> Vec<Rule> {
    let word = word();
    let elisions = [
        format!("{APOSTROPHE}(?i:n){APOSTROPHE}?"),
        format!("(?:[lLdDjJ]|(?i:dunkin|somethin|ol)){APOSTROPHE}"),
        format!("{APOSTROPHE}(?i:em|till?|cause|[2-9]0s)"),
        format!("[A-HJ-XZn]{WITHIN}[{LETTER}]{{2,}}"),
        format!("[{LETTER}]+[aeiouyAEIOUY]{WITHIN}[aeiouA-Z][{LETTER}]*"),
        format!("(?i:o){WITHIN}(?i:o)"),
        any_of(&ELISIONS),
    ];
    vec![
        rule(format!("{word}{}", clitic()), End::Apostrophe, Action::Soften),
        rule(
            format!(r"[A-Za-z\x84]*[A-MO-Za-mo-z]\x84*{}", negation()),
            End::Negation,
            Action::Soften,
        ),
        rule(word, End::Whole, Action::Soften),
        rule(elisions.join("|"), End::Whole, Action::Copy),
        rule(format!("(?i:y){APOSTROPHE}[{LETTER}]"), End::Less(1), Action::Copy),
    ]
}

fn numbers_and_names() -> Vec<Rule> {
    let digit = format!("[{DIGIT}]");
    let part = "[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}";
    vec![
        rule(web(), End::Whole, Action::Copy),
        rule(mail(), End::Whole, Action::Copy),
        rule(format!("@[a-zA-Z_][a-zA-Z_0-9]*|#{}+", word_letter()), End::Whole, Action::Copy),
        rule(format!("{}[^A-Za-z]", clitic()), End::Less(1), Action::Quote(false)),
        rule(format!("{}[^{LETTER}]", negation()), End::Less(1), Action::Quote(false)),
        rule(
            format!("{digit}{{1,2}}[-/]{digit}{{1,2}}[-/]{digit}{{2,4}}"),
            End::Whole,
            Action::Copy,
        ),
        rule(
            format!(r"[-+]?(?:{digit}*(?:[.:,\x84\x85]{digit}+)+|{digit}+)"),
            End::Whole,
            Action::Soften,
        ),
        rule(r"\x86?(?:\x87+|\x88+)", End::Whole, Action::Copy),
        rule(
            format!(r"(?:{digit}{{1,4}}[- \x89])?{digit}{{1,4}}(?:\\?/|\x8a){digit}{{1,4}}"),
            End::Whole,
            Action::Unbroken,
        ),
        rule(r"\x8b", End::Whole, Action::Fraction),
        rule(
            format!(
                r"(?i:-(?:rrb|lrb|rcb|lcb|rsb|lsb)-|c\.d\.s|pro-|anti-|s(?:&|&amp;)(?:p-500|ls)|cap{APOSTROPHE}n|c{APOSTROPHE}est)"
            ),
            End::Whole,
            Action::Ampersand,
        ),
        rule(format!(r"{part}(?:\\?/{part}){{1,2}}"), End::Whole, Action::Copy),
        rule(r"[A-Z]*\$|#", End::Whole, Action::Copy),
        rule(r"\x8c", End::Whole, Action::Currency),
    ]
}

/// Addresses of pages. The range from comma to underscore in the second is one, with
/// digits, capitals and slashes in it.
fn web() -> String {
    let stop = r"\t\n\x0c\r\x22<>|";
    let path = format!(r"/[^ {stop}()]+[^ {stop}.!?(){{}},-]");
    let full = format!(r"(?i:https?)://[^ {stop}(){{}}]+[^ {stop}.!?(){{}},-]");
    let www = format!(r"(?i:www)\.(?:[^ {stop}.!?(){{}},]+\.)+[a-zA-Z]{{2,4}}");
    let bare = format!(r"(?:[^ {stop}`'.!?(){{}},-_$]+\.)+(?i:com|net|org|edu)");
    format!("{full}|(?:{www}|{bare})(?:{path})?")
}

fn mail() -> String {
    let stop = r"\t\n\x0c\r\x22<>|(){}\x89";
    format!(
        r"(?:<|(?i:&lt;))?[a-zA-Z0-9][^ {stop}]*@(?:[^ {stop}.]+\.)*[^ {stop}.]+(?:>|(?i:&gt;))?"
    )
}

/// U.S, a.m, one letter; names of countries before U.S.
fn initials(repeats: char) -> String {
    let countries = any_of(&COUNTRIES);
    format!(r"(?:[A-Za-z](?:\.[A-Za-z]){repeats}|{countries})")
}

fn abbreviations() -> Vec<Rule> {
    let blank = format!("[{BLANK}]");
    let space = format!("(?:[{BLANK}]|\r\n|[{BREAK}])");
    let initials = initials('*');
    let starters = any_of(&STARTERS);
    let before_numbers = any_of(&BEFORE_NUMBERS);
    let extensions = any_of(&EXTENSIONS);
    // Besides: short for "proprietary" and for "manufacturing" or "meeting", where case
    // matters within the word.
    let abbreviations = format!("(?:{}|(?i:pp?t(?-i:[ye])s?))", any_of(&ABBREVIATIONS));
    let titles = format!("(?:{}|(?i:m(?-i:[ft])g))", any_of(&TITLES));
    let tag = tag();
    let file = format!("(?:{}|[{DIGIT}])+", word_letter());
    vec![
        rule(
            format!(r"{initials}\.{space}+(?:{starters}|{tag}){space}"),
            End::Initials,
            Action::Copy,
        ),
        rule(format!(r"{before_numbers}\.{space}?[{DIGIT}]"), End::Stop, Action::Copy),
        rule(
            format!(r"(?:(?i:pt)[eyEY]|(?i:co))\.{blank}(?i:ltd|lim)"),
            End::Less(4),
            Action::Copy,
        ),
        rule(
            format!(r"{abbreviations}\.{space}(?:{space}|[A-Z\x81\x91\x92]|{tag})"),
            End::Sentence,
            Action::Copy,
        ),
        rule(format!(r"{abbreviations}\.[\x00-\xff]{{2}}"), End::Less(2), Action::Copy),
        rule(format!(r"{abbreviations}\."), End::Sentence, Action::Copy),
        rule(format!(r"(?:{titles}|{initials})\."), End::Whole, Action::Copy),
        rule(format!("(?:{titles}|{initials}){blank}"), End::Less(1), Action::Copy),
        rule(format!("(?:{initials}|{APOSTROPHE}[0-9][0-9]){space}"), End::Space, Action::Copy),
        rule(
            format!(r"{file}(?:\.{file})*\.{extensions}(?:{space}|[.?!,])"),
            End::Space,
            Action::Copy,
        ),
        rule(format!(r"{}\.{COMMA}", word()), End::Less(1), Action::Soften),
    ]
}

fn signs() -> Vec<Rule> {
    let double = r#"(?:"|(?i:&quot;))"#;
    let phone = [
        r"(?:\([0-9]{2,3}\)[ \x89]?|(?:\+\+?)?(?:[0-9]{2,4}[- \x89])?[0-9]{2,4}[- \x89])",
        r"[0-9]{3,4}[- \x89]?[0-9]{3,5}",
        r"|(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}",
    ];
    // The first alternative looks like a slip for another, but it is what is matched.
    let faces = [
        r"[\^x=~<>]\.\[\^(?i:x)=[^<]*<>\]",
        r"[-^x=~<>']_[-^x=~<>']",
        r"\([-^x=~<>'][_.]?[-^x=~<>']\)",
        r"\([\^x=~<>']-[\^x=~<>'`]\)",
    ];
    let mut all = vec![
        rule(phone.concat(), End::Whole, Action::Phone),
        rule(format!("{double}[A-Za-z0-9$]"), End::Less(1), Action::Quote(true)),
        rule(double, End::Whole, Action::Quote(false)),
        rule(r"\x7f", End::Whole, Action::Skip),
        rule("<|(?i:&lt;)", End::Whole, Action::Name("<")),
        rule(">|(?i:&gt;)", End::Whole, Action::Name(">")),
        rule(r"[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]][^A-Za-z0-9]", End::Less(1), Action::Brackets),
        rule(faces.join("|"), End::Whole, Action::Brackets),
    ];
    let brackets = [
        (r"\{", "-LCB-"),
        (r"\}", "-RCB-"),
        (r"\[", "-LSB-"),
        (r"\]", "-RSB-"),
        (r"\(", "-LRB-"),
        (r"\)", "-RRB-"),
        (r"\.{3,5}|[\x90\x96]|(?:\.[ \x89]){2,4}\.", "..."),
    ];
    all.extend(brackets.map(|(sign, name)| rule(sign, End::Whole, Action::Name(name))));
    all.push(rule("-+", End::Whole, Action::Hyphens));
    all.extend(
        ["@+|#+|_+", r"\*+|(?:\\\*){1,3}", COMMA, "[?!]+", r"\.", "=", "/"]
            .map(|sign| rule(sign, End::Whole, Action::Copy)),
    );
    all
}

fn joined_words() -> Vec<Rule> {
    let many = initials('+');
    let hyphened = format!(r"[A-Za-z0-9][A-Za-z0-9.,\x84]*(?:-(?:[A-Za-z0-9\x84]+|{many}\.))+");
    let part = format!("(?:[dDoOlL]{WITHIN}[{LETTER}{DIGIT}])?[{LETTER}{DIGIT}]+");
    let thing = format!(r"{part}(?:[-_\x95]{part})*");
    let firm = "[A-Z]+(?:(?:[+&]|(?i:&amp;))[A-Z]+)+";
    [(hyphened, Action::Soften), (thing, Action::Copy), (firm.to_owned(), Action::Ampersand)]
        .into_iter()
        .flat_map(|(expression, action)| {
            [
                rule(format!(r"{expression}\.{COMMA}"), End::Less(1), action),
                rule(expression, End::Whole, action),
            ]
        })
        .collect()
}

fn rest() -> Vec<Rule> {
    vec![
        rule(r"'[A-Za-z][^ \t\n\r\x89]", End::After(1), Action::Quote(true)),
        rule(format!("{}|{}", clitic(), negation()), End::Whole, Action::Quote(false)),
        rule(format!(r"{APOSTROPHE}|''|[`\x93\x94\x98]{{1,2}}"), End::Whole, Action::Quote(false)),
        rule(r"<<|>>|[+%&~^|\\\x86\x87\x8a\x92\x99]", End::Whole, Action::Copy),
        rule(format!(r"\x9a|[{BLANK}]+|[{BREAK}]|\r\n|(?i:&nbsp;)"), End::Whole, Action::Skip),
        rule(r"[^\n]", End::Whole, Action::Skip),
    ]
}
