//! The grammar as a file: numbers of few bytes, then deflate. Weights are rounded to
//! 1/256, the beam's tables to 1/16. Of a word's tags only those are kept that were seen
//! with it or that training moved.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use super::{
    chart::Beam,
    grammar::{Grammar, GrammarError, Rules},
    lexicon::{Lexicon, SHAPES},
    symbols::{Binary, Symbol, Unary},
};

/// The first bytes of a file of weights.
const MAGIC: &[u8] = b"dl-spice 1\n";
/// Weights are whole numbers of this.
const STEP: f32 = 1.0 / 256.0;
/// The beam's tables are.
const COARSE: f32 = 1.0 / 16.0;

/// Bytes that are no weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Another file.
    #[error("these are not weights of the caption parser; they begin with \"dl-spice 1\"")]
    Kind,
    /// Cut off or changed.
    #[error("the weights of the caption parser are broken: {0}; write them again")]
    Broken(&'static str),
    /// Deflate.
    #[error("the weights of the caption parser do not unpack: {0}; write them again")]
    Packed(#[from] std::io::Error),
    /// Rules.
    #[error("the weights of the caption parser: {0}")]
    Grammar(#[from] GrammarError),
}

/// Writes numbers.
struct Out(Vec<u8>);

impl Out {
    fn number(&mut self, mut number: u64) {
        while number >= 128 {
            self.0.push(number as u8 | 128);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    fn weight(&mut self, weight: f32, step: f32) {
        self.signed((weight / step).round() as i64);
    }

    /// Numbers, each as the difference from the one before.
    fn differences(&mut self, numbers: impl ExactSizeIterator<Item = i64>) {
        self.number(numbers.len() as u64);
        let mut last = 0;
        for number in numbers {
            self.signed(number - last);
            last = number;
        }
    }

    fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        self.number(texts.len() as u64);
        for text in texts {
            self.number(text.len() as u64);
            self.0.extend_from_slice(text.as_bytes());
        }
    }
}

/// Reads them.
struct In<'a>(&'a [u8]);

impl In<'_> {
    fn byte(&mut self) -> Result<u8, WeightsError> {
        let (&byte, rest) = self.0.split_first().ok_or(WeightsError::Broken("they end early"))?;
        self.0 = rest;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, WeightsError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(WeightsError::Broken("a number has no end"))
    }

    /// How many of something follow; each takes a byte at least.
    fn count(&mut self) -> Result<usize, WeightsError> {
        let count = self.number()?;
        if count > self.0.len() as u64 {
            return Err(WeightsError::Broken("a list is longer than the file"));
        }
        Ok(count as usize)
    }

    fn signed(&mut self) -> Result<i64, WeightsError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn weight(&mut self, step: f32) -> Result<f32, WeightsError> {
        Ok(self.signed()? as f32 * step)
    }

    fn weights(&mut self, step: f32) -> Result<Vec<f32>, WeightsError> {
        (0..self.count()?).map(|_| self.weight(step)).collect()
    }

    /// Numbers below `bound`.
    fn differences<T: TryFrom<i64>>(&mut self, bound: usize) -> Result<Vec<T>, WeightsError> {
        let mut last = 0_i64;
        (0..self.count()?)
            .map(|_| {
                last = last.wrapping_add(self.signed()?);
                match T::try_from(last) {
                    Ok(number) if (0..bound as i64).contains(&last) => Ok(number),
                    _ => Err(WeightsError::Broken("a number is out of range")),
                }
            })
            .collect()
    }

    fn texts(&mut self) -> Result<Vec<String>, WeightsError> {
        (0..self.count()?)
            .map(|_| {
                let length = self.count()?;
                let (text, rest) = self.0.split_at(length);
                self.0 = rest;
                let text = std::str::from_utf8(text);
                text.map(str::to_owned).map_err(|_| WeightsError::Broken("a word is no text"))
            })
            .collect()
    }
}

fn sorted(rows: &std::collections::HashMap<String, u32, foldhash::fast::FixedState>) -> Vec<&str> {
    let mut texts: Vec<(&str, u32)> = rows.iter().map(|(text, &row)| (&**text, row)).collect();
    texts.sort_unstable_by_key(|&(_, row)| row);
    texts.into_iter().map(|(text, _)| text).collect()
}

/// Packs a grammar.
pub(super) fn write(grammar: &Grammar, beam: &Beam) -> Result<Vec<u8>, WeightsError> {
    let mut out = Out(Vec::new());
    let rules = &grammar.rules;
    out.texts(rules.symbols().iter().map(String::as_str));
    let fields: [fn(&Binary) -> Symbol; 3] =
        [|rule| rule.left, |rule| rule.right, |rule| rule.parent];
    for field in fields {
        out.differences(rules.binary().iter().map(|rule| i64::from(field(rule))));
    }
    let fields: [fn(&Unary) -> Symbol; 2] = [|rule| rule.child, |rule| rule.parent];
    for field in fields {
        out.differences(rules.unary().iter().map(|rule| i64::from(field(rule))));
    }
    out.number(grammar.weights.len() as u64);
    grammar.weights.iter().for_each(|&weight| out.weight(weight, STEP));

    let lexicon = &grammar.lexicon;
    out.differences(lexicon.tags.iter().map(|&tag| i64::from(tag)));
    out.differences(lexicon.plain.iter().map(|&tag| i64::from(tag)));
    out.differences(lexicon.open.iter().map(|&tag| i64::from(tag)));
    let (words, endings) = (sorted(&lexicon.words), sorted(&lexicon.endings));
    out.texts(words.iter().copied());
    out.texts(endings.iter().copied());
    out.differences(lexicon.rare.iter().map(|&rare| i64::from(rare)));
    out.differences(lexicon.classes.iter().map(|&class| i64::from(class)));
    out.number(lexicon.floors.len() as u64);
    lexicon.floors.iter().for_each(|&floor| out.weight(floor, STEP));
    let width = lexicon.tags.len();
    let rows = lexicon.row_at.len() - 1;
    out.number(rows as u64);
    for row in 0..rows {
        let range = lexicon.row_at[row] as usize..lexicon.row_at[row + 1] as usize;
        let floor = lexicon.floors.get(row).copied().unwrap_or(0.0);
        let kept: Vec<(u16, i64)> = range
            .map(|at| {
                let column = lexicon.columns[at];
                let usual = if (column as usize) < width { floor } else { 0.0 };
                let round = |weight: f32| (weight / STEP).round() as i64;
                (column, round(lexicon.weights[at]), round(usual))
            })
            .filter(|&(_, weight, usual)| weight != usual)
            .map(|(column, weight, _)| (column, weight))
            .collect();
        out.differences(kept.iter().map(|&(column, _)| i64::from(column)));
        kept.iter().for_each(|&(_, weight)| out.signed(weight));
    }

    out.number((beam.width * 64.0) as u64);
    out.number(beam.classes as u64);
    for table in [&beam.outside, &beam.before, &beam.behind] {
        out.number(table.len() as u64);
        table.iter().for_each(|&weight| out.weight(weight, COARSE));
    }

    let mut packed = ZlibEncoder::new(MAGIC.to_vec(), Compression::best());
    packed.write_all(&out.0)?;
    Ok(packed.finish()?)
}

/// Unpacks it.
pub(super) fn read(bytes: &[u8]) -> Result<(Grammar, Beam), WeightsError> {
    let packed = bytes.strip_prefix(MAGIC).ok_or(WeightsError::Kind)?;
    let mut body = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut body)?;
    let mut from = In(&body);
    let symbols = from.texts()?;
    let count = symbols.len();
    let [left, right, parent] = [(); 3].map(|()| from.differences::<Symbol>(count));
    let (left, right, parent) = (left?, right?, parent?);
    let [child, above] = [(); 2].map(|()| from.differences::<Symbol>(count));
    let (child, above) = (child?, above?);
    if left.len() != right.len() || left.len() != parent.len() || child.len() != above.len() {
        return Err(WeightsError::Broken("a rule lacks a symbol"));
    }
    let binary = left
        .into_iter()
        .zip(right)
        .zip(parent)
        .map(|((left, right), parent)| Binary { left, right, parent })
        .collect();
    let unary =
        child.into_iter().zip(above).map(|(child, parent)| Unary { child, parent }).collect();
    let rules = Rules::new(symbols, binary, unary)?;
    let weights = from.weights(STEP)?;
    if weights.len() != rules.weights() {
        return Err(WeightsError::Broken("a rule lacks its weight"));
    }
    let lexicon = lexicon(&mut from, count)?;
    let width = from.number()? as f32 / 64.0;
    let classes = from.number()? as usize;
    let [outside, before, behind] = [(); 3].map(|()| from.weights(COARSE));
    let beam = Beam { outside: outside?, before: before?, behind: behind?, classes, width };
    if classes != lexicon.classes() + 1
        || beam.outside.len() != count
        || beam.before.len() != count * classes
        || beam.behind.len() != count * classes
    {
        return Err(WeightsError::Broken("the beam's tables do not fit"));
    }
    if !from.0.is_empty() {
        return Err(WeightsError::Broken("something follows"));
    }
    Ok((Grammar { rules, weights, lexicon }, beam))
}

fn lexicon(from: &mut In<'_>, symbols: usize) -> Result<Lexicon, WeightsError> {
    let tags: Vec<Symbol> = from.differences(symbols)?;
    let plain: Vec<u8> = from.differences(256)?;
    let open: Vec<u16> = from.differences(tags.len())?;
    let (words, endings) = (from.texts()?, from.texts()?);
    let rare: Vec<u8> = from.differences(2)?;
    let classes: Vec<u8> =
        from.differences(plain.iter().max().map_or(0, |&most| most as usize + 1))?;
    let floors = from.weights(STEP)?;
    let rows = from.count()?;
    let shapes = words.len() + endings.len();
    if plain.len() != tags.len()
        || !tags.is_sorted_by(|one, next| one < next)
        || rare.len() != words.len()
        || floors.len() != words.len()
        || classes.len() != words.len() + SHAPES as usize
        || rows != shapes + SHAPES as usize
    {
        return Err(WeightsError::Broken("the lexicon's lists do not fit"));
    }
    let mut lexicon = Lexicon {
        words: words.into_iter().zip(0..).collect(),
        endings: endings.into_iter().zip(rare.len() as u32..).collect(),
        rare: rare.into_iter().map(|rare| rare == 1).collect(),
        shapes: shapes as u32,
        row_at: vec![0],
        columns: Vec::new(),
        weights: Vec::new(),
        tags,
        plain,
        open,
        floors,
        classes,
    };
    let columns = lexicon.tags.len() + lexicon.classes();
    for _ in 0..rows {
        let row: Vec<u16> = from.differences(columns)?;
        for &column in &row {
            lexicon.columns.push(column);
            lexicon.weights.push(from.weight(STEP)?);
        }
        lexicon.row_at.push(lexicon.columns.len() as u32);
    }
    Ok(lexicon)
}

#[cfg(test)]
mod tests {
    use super::super::parser::Parser;
    use super::*;

    #[test]
    fn weights_survive_packing() {
        let parser = Parser::embedded().unwrap();
        let bytes = parser.write().unwrap();
        let again = Parser::read(&bytes).unwrap();
        assert_eq!(again.grammar().weights, parser.grammar().weights);
        assert_eq!(again.grammar().lexicon, parser.grammar().lexicon);
        assert_eq!(again.beam(), parser.beam());
        assert_eq!(again.write().unwrap(), bytes);
    }

    #[test]
    fn broken_weights_are_refused() {
        let parser = Parser::embedded().unwrap();
        let bytes = parser.write().unwrap();
        assert!(matches!(Parser::read(b"weights"), Err(WeightsError::Kind)));
        assert!(matches!(Parser::read(MAGIC), Err(WeightsError::Packed(_))));
        assert!(Parser::read(&bytes[..bytes.len() / 2]).is_err());
        // A body that unpacks but is cut or changed anywhere: an error or a parser.
        let mut body = Vec::new();
        ZlibDecoder::new(&bytes[MAGIC.len()..]).read_to_end(&mut body).unwrap();
        let read = |body: &[u8]| {
            let mut packed = ZlibEncoder::new(MAGIC.to_vec(), Compression::fast());
            packed.write_all(body).unwrap();
            Parser::read(&packed.finish().unwrap())
        };
        for part in 1..8 {
            let at = body.len() * part / 8;
            assert!(read(&body[..at]).is_err(), "cut at {at}");
            let mut changed = body.clone();
            changed[at] ^= 0x55;
            if let Ok(parser) = read(&changed) {
                assert_eq!(parser.parse(&["a", "dog", "barks"]).words(), 3);
            }
        }
    }
}
