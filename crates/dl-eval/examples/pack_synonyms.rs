//! Makes `data/spice/synonyms.bin` and its licence from METEOR 1.5's jar, as the package
//! `pycocoevalcap` 1.2 ships it:
//!
//!     cargo run -p dl-eval --example pack_synonyms -- pycocoevalcap/meteor/meteor-1.5.jar

#![allow(clippy::print_stdout)] // a program that speaks to its user

use std::{error::Error, fs::File, io::Read, path::Path};

use dl_core::atomic;
use dl_eval::caption::spice::synonyms::pack;
use zip::ZipArchive;

fn main() -> Result<(), Box<dyn Error>> {
    let jar = std::env::args_os().nth(1).ok_or("name METEOR's jar")?;
    let mut jar = ZipArchive::new(File::open(jar)?)?;
    let mut text = |name: &str| -> Result<String, Box<dyn Error>> {
        let mut text = String::new();
        jar.by_name(name)?.read_to_string(&mut text)?;
        Ok(text)
    };
    let packed = pack(&text("synonym/english.synsets")?, &text("synonym/english.exceptions")?)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/spice");
    atomic::write_bytes(&folder.join("synonyms.bin"), &packed)?;
    let licence = text("synonym/COPYING.WORDNET")?;
    atomic::write_bytes(&folder.join("WORDNET-LICENSE"), licence.as_bytes())?;
    println!("{} bytes", packed.len());
    Ok(())
}
