//! Words that the rules of [`super::rules`] know: abbreviations, what follows them,
//! elisions and endings of file names, as expressions. Case does not matter but where a
//! letter is set apart.

/// Abbreviations that a sentence goes on after, unless a capital follows.
pub(super) const ABBREVIATIONS: &str = concat!(
    "(?i:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu|thurs|fri",
    "|ala|ariz|(?-i:A)z|(?-i:A)rk|calif|colo|conn|ct|dak|(?-i:D)el|fla|ga|(?-i:I)ll|ind",
    "|kans?|ky|(?-i:L)a|(?-i:M)ass|md|mich|minn|(?-i:M)iss|mo|mont|neb|nev|okla|(?-i:O)re",
    "|(?-i:P)a|penn|tenn|(?-i:T)ex|va|vt|(?-i:W)ash|wisc?|wyo",
    "|inc|cos?|corp|pp?t(?-i:[ye])s?|ltd|plc|rt|bancorp|bhd|assn|univ|intl|sys",
    r"|tel|est|ext|sq|jr|bros|ed\.d|ph\.d|esq|etc|al|seq|rd|sr|blvd|bldg)"
);

/// Titles and other abbreviations that a capital may follow within a sentence.
pub(super) const TITLES: &str = concat!(
    "(?i:mr|mrs|ms|(?-i:M)iss|drs?|profs?|sens?|reps?|attys?|lt|col|gen|messrs|govs?|adm",
    "|rev|maj|sgt|cpl|pvt|capt|ste?|ave|pres|lieut|hon|brig|co?mdr|pfc|spc|supts?|det|mt|ft",
    "|adj|adv|asst|assoc|ens|insp|mlle|mme|msgr|sfc|vs|alex|wm|jos|cie",
    r"|a\.k\.a|cf|treas|ph|invt|elec|natl|m(?-i:[ft])g|dept)"
);

/// Abbreviations only before a number.
pub(super) const BEFORE_NUMBERS: &str = "(?i:ca|figs?|prop|nos?|op|pp|bldg|art)";

/// Initials that do not stand alone.
pub(super) const COUNTRIES: &str =
    r"(?i:(?:canada|sino|korean|eu|japan|non)-u\.s|u\.s\.-u\.k|u\.s\.-u\.s\.s\.r)";

/// Words that begin a sentence after initials.
pub(super) const STARTERS: &str = concat!(
    "(?:A(?i:bout|ccording|dditionally|fter|n|s|t)?|B(?i:ut)|E(?i:arlier)",
    "|H(?i:e|er|ere|owever)|I(?i:f|n|t)|L(?i:ast)|M(?i:any|ore|[rs]\\.)|N(?i:ow)",
    "|O(?i:nce|ne|ther|ur)|S(?i:he|ince|o|ome|uch)|T(?i:hat|he|heir|hen|here|hese|hey|his)",
    "|W(?i:e|hen|hile|hat)|Y(?i:et|ou))"
);

/// Words with an apostrophe that stay whole.
pub(super) const ELISIONS: &str = r"(?i:cont'd\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l)";

/// Endings of file names.
pub(super) const EXTENSIONS: &str = concat!(
    "(?i:bat|bmp|c|class|cgi|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3",
    "|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip)"
);
