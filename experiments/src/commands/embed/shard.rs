//! One slice of a manifest. Slices are cut between pieces, never inside of one: the other
//! clips of a batch change the last bit of an embedding, and merged shards must equal the
//! file that one run would have written.

use std::{fmt, ops::Range, str::FromStr};

use anyhow::{Result, bail};

/// Number `index`, from 0, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').map(|(i, n)| (i.trim().parse(), n.trim().parse()));
        match parts {
            Some((Ok(index), Ok(count))) if index < count => Ok(Self { index, count }),
            _ => Err(format!(
                "'{text}' is no shard; write i/n and count i from 0 to n - 1, from 0/8 to 7/8"
            )),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// The mark that a shard's file carries as its split.
    pub fn mark(self) -> String {
        format!("shard {self}")
    }

    /// The shard behind a mark; none for any other set.
    pub fn of_mark(mark: &str) -> Option<Self> {
        mark.strip_prefix("shard ")?.parse().ok()
    }

    /// Its part of `clips`, whole pieces of `piece` clips. Every shard has one at least.
    pub fn clips(self, clips: usize, piece: usize) -> Result<Range<usize>> {
        let pieces = clips.div_ceil(piece);
        if self.count > pieces {
            bail!(
                "--shard {self}: {clips} clips are {pieces} pieces of at most {piece}, which do \
                 not make {} shards; give at most {pieces}",
                self.count
            );
        }
        let start = |index: usize| clips.min(pieces * index / self.count * piece);
        Ok(start(self.index)..start(self.index + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_all_clips_in_whole_pieces() {
        // 70 clips in pieces of 32: 0..32, 32..64, 64..70.
        let clips = |text: &str| text.parse::<Shard>().unwrap().clips(70, 32).unwrap();
        assert_eq!(clips("0/1"), 0..70);
        assert_eq!([clips("0/2"), clips("1/2")], [0..32, 32..70]);
        assert_eq!([clips("0/3"), clips("1/3"), clips("2/3")], [0..32, 32..64, 64..70]);
        let error = "0/4".parse::<Shard>().unwrap().clips(70, 32).unwrap_err().to_string();
        assert!(error.contains("70 clips are 3 pieces") && error.ends_with("at most 3"), "{error}");
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["3/3", "1", "a/b", "/", "-1/2", "0/0", ""] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains("from 0 to n - 1"), "{error}");
        }
        let shard = Shard { index: 2, count: 5 };
        assert_eq!(Shard::of_mark(&shard.mark()), Some(shard));
        assert_eq!(Shard::of_mark("test"), None);
    }
}
