//! Words that the rules of [`super::rules`] know, each list in the order of the alphabet,
//! capitals first. Case does not matter, but a capital here stands for a capital.

/// An expression for any of `words`.
pub(super) fn any_of(words: &[&str]) -> String {
    let letter = |c: char| match c {
        '.' => r"\.".to_owned(),
        capital if capital.is_ascii_uppercase() => format!("(?-i:{capital})"),
        other => other.to_string(),
    };
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    format!("(?i:{})", words.join("|"))
}

/// Abbreviations that a sentence goes on after, unless a capital follows.
pub(super) const ABBREVIATIONS: [&str; 87] = [
    "Ark", "Az", "Del", "Ill", "La", "Mass", "Miss", "Ore", "Pa", "Tex", "Wash", "al", "ala",
    "apr", "ariz", "assn", "aug", "bancorp", "bhd", "bldg", "blvd", "bros", "calif", "co", "colo",
    "conn", "corp", "cos", "ct", "dak", "dec", "ed.d", "esq", "est", "etc", "ext", "feb", "fla",
    "fri", "ga", "inc", "ind", "intl", "jan", "jr", "jul", "jun", "kan", "kans", "ky", "ltd",
    "mar", "md", "mich", "minn", "mo", "mon", "mont", "neb", "nev", "nov", "oct", "okla", "penn",
    "ph.d", "plc", "rd", "rt", "sep", "sept", "seq", "sq", "sr", "sys", "tel", "tenn", "thu",
    "thurs", "tue", "tues", "univ", "va", "vt", "wed", "wis", "wisc", "wyo",
];

/// Titles and other abbreviations that a capital may follow within a sentence.
pub(super) const TITLES: [&str; 66] = [
    "Miss", "a.k.a", "adj", "adm", "adv", "alex", "assoc", "asst", "atty", "attys", "ave", "brig",
    "capt", "cf", "cie", "cmdr", "col", "comdr", "cpl", "dept", "det", "dr", "drs", "elec", "ens",
    "ft", "gen", "gov", "govs", "hon", "insp", "invt", "jos", "lieut", "lt", "maj", "messrs",
    "mlle", "mme", "mr", "mrs", "ms", "msgr", "mt", "natl", "pfc", "ph", "pres", "prof", "profs",
    "pvt", "rep", "reps", "rev", "sen", "sens", "sfc", "sgt", "spc", "st", "ste", "supt", "supts",
    "treas", "vs", "wm",
];

/// Abbreviations only before a number.
pub(super) const BEFORE_NUMBERS: [&str; 10] =
    ["art", "bldg", "ca", "fig", "figs", "no", "nos", "op", "pp", "prop"];

/// Initials that do not stand alone; the last stop is left to the rules.
pub(super) const COUNTRIES: [&str; 8] = [
    "canada-u.s",
    "eu-u.s",
    "japan-u.s",
    "korean-u.s",
    "non-u.s",
    "sino-u.s",
    "u.s.-u.k",
    "u.s.-u.s.s.r",
];

/// Words that begin a sentence after initials.
pub(super) const STARTERS: [&str; 46] = [
    "A",
    "About",
    "According",
    "Additionally",
    "After",
    "An",
    "As",
    "At",
    "But",
    "Earlier",
    "He",
    "Her",
    "Here",
    "However",
    "If",
    "In",
    "It",
    "Last",
    "Many",
    "More",
    "Mr.",
    "Ms.",
    "Now",
    "Once",
    "One",
    "Other",
    "Our",
    "She",
    "Since",
    "So",
    "Some",
    "Such",
    "That",
    "The",
    "Their",
    "Then",
    "There",
    "These",
    "They",
    "This",
    "We",
    "What",
    "When",
    "While",
    "Yet",
    "You",
];

/// Words with an apostrophe that stay whole.
pub(super) const ELISIONS: [&str; 9] =
    ["c'mon", "cont'd", "cont'd.", "e'er", "ev'ry", "li'l", "nat'l", "nor'easter", "s'mores"];

/// Endings of file names.
pub(super) const EXTENSIONS: [&str; 35] = [
    "bat", "bmp", "c", "cgi", "class", "cpp", "dll", "doc", "docx", "exe", "gif", "gz", "h", "htm",
    "html", "jar", "java", "jpeg", "jpg", "mov", "mp3", "pdf", "php", "pl", "png", "ppt", "ps",
    "py", "sql", "tar", "txt", "wav", "x", "xml", "zip",
];
