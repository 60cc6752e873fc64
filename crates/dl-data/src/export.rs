//! Scenes as files to listen to: one WAV each, and `scenes.csv` beside them.

use std::path::Path;

use dl_core::{FileError, Progress, atomic};
use rayon::prelude::*;

use crate::{
    corpus::{Corpus, EventRecord},
    error::DataError,
    split::Split,
};

/// The table that [`export`] writes last.
pub const SCENES: &str = "scenes.csv";

/// Renders the first `count` clips of a split (or all there are) in parallel into
/// `directory`: `<id>.wav` (16-bit PCM; the clip's number where the id is a path or another
/// bad name for a file) and `scenes.csv` with the columns `id`, `file`,
/// `captions` (parted by ` | `) and `events` (`label @ onset+onset s, source, gain`, parted
/// by ` | `; empty where clips are no scenes). Each file is written whole or not at all,
/// the table last. Returns the number of clips.
///
/// # Errors
/// The first [`DataError`] of a render or of the disk.
pub fn export(
    corpus: &dyn Corpus,
    split: Split,
    count: usize,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<usize, DataError> {
    let clips = corpus.clips(split);
    let clips = &clips[..count.min(clips.len())];
    progress.begin(&format!("writing {} scenes", split.name()), clips.len() as u64);
    let done = std::sync::atomic::AtomicU64::new(0);
    let result = clips.par_iter().enumerate().try_for_each(|(index, clip)| {
        let path = directory.join(file_name(&clip.id, index));
        corpus.render(split, index)?.write_wav(&path)?;
        let written = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        progress.update(written, "");
        Ok::<(), DataError>(())
    });
    progress.end();
    result?;
    let table = directory.join(SCENES);
    atomic::write(&table, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(["id", "file", "captions", "events"])?;
        for (index, clip) in clips.iter().enumerate() {
            let events = corpus.as_scenes().map(|scenes| scenes.events(split, index));
            let events: Vec<String> = events.iter().flatten().map(event_text).collect();
            writer.write_record([
                &clip.id,
                &file_name(&clip.id, index),
                &clip.captions.join(" | "),
                &events.join(" | "),
            ])?;
        }
        writer.flush()
    })
    .map_err(|source| FileError::io(&table, source))?;
    Ok(clips.len())
}

/// Ids of users' own lists may be paths, which would lead out of the folder.
fn file_name(id: &str, index: usize) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_. ".contains(letter);
    if id.chars().all(plain) && !id.starts_with('.') {
        format!("{id}.wav")
    } else {
        format!("{index:05}.wav")
    }
}

fn event_text(event: &EventRecord) -> String {
    let onsets: Vec<String> = event.onsets.iter().map(|onset| format!("{onset:.2}")).collect();
    let (label, source, gain) = (&event.label, &event.source, event.gain);
    format!("{label} @ {} s, {source}, gain {gain:.2}", onsets.join("+"))
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn no_id_leads_out_of_the_folder() {
        assert_eq!(file_name("-soundscapes-test 7.x", 3), "-soundscapes-test 7.x.wav");
        for id in ["../a", "/a", "a/b", "a\\b", ".a", ".."] {
            assert_eq!(file_name(id, 3), "00003.wav", "{id}");
        }
    }
}
