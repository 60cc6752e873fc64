//! SentencePiece's `tokenizer.model` (Kudo and Richardson, 2018) as a `tokenizers` pipeline.
//! The file is a protocol buffer; of its messages only the fields that change the tokens of a
//! text are read (`sentencepiece_model.proto`).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// What stands for a space in the pieces.
const SPACE: &str = "\u{2581}";

/// `type` of a piece.
const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
const BYTE: u64 = 6;

/// `model_type` of the trainer.
const UNIGRAM: u64 = 1;
const BPE: u64 = 2;

/// One piece of a vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: u64,
}

/// What decides the tokens of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    pub(super) bpe: bool,
    pub(super) byte_fallback: bool,
    /// Whether a space is put before every text.
    pub(super) dummy_prefix: bool,
    /// Whether runs of spaces become one and those at the ends go.
    pub(super) squeeze_spaces: bool,
    /// Rules of normalisation, compiled; empty for none.
    pub(super) charsmap: Vec<u8>,
    /// The mark that is put before a text to be continued.
    pub(super) begin: Option<usize>,
}

impl Model {
    /// Reads the bytes of a `tokenizer.model`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut model = Self {
            pieces: Vec::new(),
            bpe: false,
            byte_fallback: false,
            dummy_prefix: true,
            squeeze_spaces: true,
            charsmap: Vec::new(),
            begin: None,
        };
        let mut kind = UNIGRAM;
        for field in Fields(bytes) {
            match field? {
                (1, Field::Bytes(piece)) => model.pieces.push(parse_piece(piece)?),
                (2, Field::Bytes(trainer)) => {
                    for field in Fields(trainer) {
                        match field? {
                            (3, Field::Number(number)) => kind = number,
                            (35, Field::Number(flag)) => model.byte_fallback = flag != 0,
                            _ => {}
                        }
                    }
                }
                (3, Field::Bytes(normalizer)) => {
                    for field in Fields(normalizer) {
                        match field? {
                            (2, Field::Bytes(map)) => model.charsmap = map.to_vec(),
                            (3, Field::Number(flag)) => model.dummy_prefix = flag != 0,
                            (4, Field::Number(flag)) => model.squeeze_spaces = flag != 0,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err("it holds no pieces".into());
        }
        model.bpe = match kind {
            UNIGRAM => false,
            BPE => true,
            other => return Err(format!("its model is of type {other}; unigram and BPE are read")),
        };
        let begin = |piece: &Piece| piece.kind == CONTROL && piece.text == "<s>";
        model.begin = model.pieces.iter().position(begin);
        Ok(model)
    }

    /// The same as a `tokenizer.json`.
    pub(super) fn pipeline(&self) -> Result<Value, String> {
        let unknown = self.pieces.iter().position(|piece| piece.kind == UNKNOWN);
        let mut normalizers = Vec::new();
        if !self.charsmap.is_empty() {
            normalizers.push(json!({
                "type": "Precompiled",
                "precompiled_charsmap": base64(&self.charsmap),
            }));
        }
        if self.squeeze_spaces {
            let replace = |pattern: &str, content: &str| json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content });
            normalizers.extend([replace("^ +| +$", ""), replace(" {2,}", " ")]);
        }
        if self.dummy_prefix {
            normalizers.push(json!({ "type": "Prepend", "prepend": SPACE }));
        }
        let space = json!({ "String": " " });
        normalizers.push(json!({ "type": "Replace", "pattern": space, "content": SPACE }));
        let mark = json!({ "String": SPACE });
        let mut decoders = vec![
            json!({ "type": "Replace", "pattern": mark, "content": " " }),
            json!({ "type": "ByteFallback" }),
            json!({ "type": "Fuse" }),
        ];
        if self.dummy_prefix {
            decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        let added = self.pieces.iter().enumerate().filter_map(|(id, piece)| {
            let special = matches!(piece.kind, UNKNOWN | CONTROL);
            (special || piece.kind == USER_DEFINED).then(|| {
                json!({
                    "id": id,
                    "content": piece.text,
                    "single_word": false,
                    "lstrip": false,
                    "rstrip": false,
                    "normalized": false,
                    "special": special,
                })
            })
        });
        let model = if self.bpe { self.bpe(unknown) } else { self.unigram(unknown) };
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": null,
            "post_processor": self.begin.map(|id| begins_with(id, &self.pieces[id].text)),
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": model,
        }))
    }

    fn unigram(&self, unknown: Option<usize>) -> Value {
        let scored = self.pieces.iter().map(|piece| json!([piece.text, f64::from(piece.score)]));
        json!({
            "type": "Unigram",
            "unk_id": unknown,
            "vocab": scored.collect::<Vec<_>>(),
            "byte_fallback": self.byte_fallback,
        })
    }

    fn bpe(&self, unknown: Option<usize>) -> Value {
        let ids: BTreeMap<&str, usize> =
            self.pieces.iter().enumerate().map(|(id, piece)| (piece.text.as_str(), id)).collect();
        json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": unknown.map(|id| &self.pieces[id].text),
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": self.byte_fallback,
            "ignore_merges": false,
            "vocab": ids,
            "merges": self.merges(),
        })
    }

    /// SentencePiece joins the two neighbours whose joined piece has the best score, however
    /// that piece is cut; a list of merges says the same when it holds every cut, the best
    /// piece first.
    fn merges(&self) -> Vec<[&str; 2]> {
        let usable = |piece: &Piece| matches!(piece.kind, NORMAL | USER_DEFINED | BYTE);
        let ids: HashMap<&str, usize> = self
            .pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| usable(piece))
            .map(|(id, piece)| (piece.text.as_str(), id))
            .collect();
        let mut merges = Vec::new();
        for piece in self.pieces.iter().filter(|piece| piece.kind == NORMAL) {
            for (place, _) in piece.text.char_indices().skip(1) {
                let (left, right) = piece.text.split_at(place);
                if let (Some(&a), Some(&b)) = (ids.get(left), ids.get(right)) {
                    merges.push((piece.score, a, b, [left, right]));
                }
            }
        }
        merges.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        merges.into_iter().map(|(_, _, _, pair)| pair).collect()
    }
}

/// The step that puts a mark before every text.
fn begins_with(id: usize, mark: &str) -> Value {
    let token = json!({ "SpecialToken": { "id": mark, "type_id": 0 } });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    json!({
        "type": "TemplateProcessing",
        "single": [token, text("A")],
        "pair": [token, text("A"), text("B")],
        "special_tokens": { mark: { "id": mark, "ids": [id], "tokens": [mark] } },
    })
}

fn parse_piece(bytes: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: NORMAL };
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(text)) => {
                piece.text = String::from_utf8(text.to_vec()).map_err(|_| "a piece is no text")?;
            }
            (2, Field::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Field::Number(kind)) => piece.kind = kind,
            _ => {}
        }
    }
    Ok(piece)
}

/// One field of a protocol buffer.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    Fixed64,
}

/// The fields of a message with their numbers, in the order of the bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed64)?,
            2 => {
                let count = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(count)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            // Nothing after a fault can be understood.
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "it ends within a field, or is no protocol buffer".into()))
    }
}

/// Base 64 with padding (RFC 4648, section 4), as `tokenizer.json` keeps compiled rules.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = word >> (18 - 6 * digit) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_of_the_standard_vectors() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_message_by_hand() {
        // Piece "ab" with score 0.5, a BPE model with byte fallback, no prefix.
        let piece = [0x0a, 2, b'a', b'b', 0x15, 0, 0, 0, 0x3f];
        let mut bytes = vec![0x0a, piece.len() as u8];
        bytes.extend(piece);
        bytes.extend([0x12, 5, 0x18, 2, 0x98, 0x02, 1]);
        bytes.extend([0x1a, 2, 0x18, 0]);
        let model = Model::parse(&bytes).unwrap();
        assert_eq!(model.pieces, [Piece { text: "ab".into(), score: 0.5, kind: NORMAL }]);
        assert!(model.bpe && model.byte_fallback && !model.dummy_prefix && model.squeeze_spaces);
        for cut in [1, 5, bytes.len() - 1] {
            assert!(Model::parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Model::parse(b"<html>").is_err());
    }

    #[test]
    fn every_cut_of_the_best_piece_comes_first() {
        let piece = |text: &str, score| Piece { text: text.into(), score, kind: NORMAL };
        let model = Model {
            pieces: vec![
                piece("a", -9.0),
                piece("b", -9.0),
                piece("ab", -2.0),
                piece("aab", -1.0),
                piece("aa", -3.0),
            ],
            bpe: true,
            byte_fallback: true,
            dummy_prefix: true,
            squeeze_spaces: false,
            charsmap: Vec::new(),
            begin: None,
        };
        assert_eq!(model.merges(), [["a", "ab"], ["aa", "b"], ["a", "b"], ["a", "a"]]);
    }
}
