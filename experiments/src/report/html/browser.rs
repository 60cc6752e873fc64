//! Captions clip by clip: the sound, its spectrogram, its references, the nearest training
//! captions and what every row says of it.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use anyhow::Result;
use dl_data::{Corpus, Split};
use rayon::prelude::*;

use super::{
    Finished,
    sound::{self, Sound},
};
use crate::report::{
    escape::escape,
    items::{self, ClipFacts, Items},
    tables,
};

/// Scores of single captions that are shown, where a run has them.
const SCORES: [(&str, &str); 3] =
    [("cider_d", "CIDEr-D"), ("spice", "SPICE"), ("spider", "SPIDEr")];

/// A section of the page.
pub(super) struct Browser {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) html: String,
}

/// The captions of a run of T2, of at most `count` clips that stand at even distances; `None`
/// for other runs. `place` tells it apart on the page.
///
/// # Errors
/// When a file of the run is spoilt.
pub(super) fn browser(
    (run, info, records): &Finished,
    place: usize,
    count: usize,
    left_out: &mut Vec<String>,
) -> Result<Option<Browser>> {
    if info.experiment != "t2" || count == 0 {
        return Ok(None);
    }
    if !items::are_there(run) {
        left_out.push(format!(
            "Captions clip by clip of {} are left out: this run does not have them (it is a kept \
             result, or of an older version; `run t2` writes them and computes no stage again).",
            info.suite
        ));
        return Ok(None);
    }
    let clips = items::read_clips(run)?;
    let seed = info.seeds.first().copied();
    let mut rows = Vec::new();
    for items in items::read_items(run, clips.len())? {
        if let Some(file) = items.captions.as_ref().filter(|_| Some(items.seed) == seed) {
            let captions = items::read_captions(run, file, &clips)?;
            rows.push((items, captions));
        }
    }
    let chosen = evenly(clips.len(), count);
    let config = run.file("config.toml");
    let sounds = match sounds(&config, &info.split, &chosen, &clips) {
        Ok(sounds) => sounds,
        Err(why) => {
            left_out.push(format!(
                "Sounds and spectrograms of {} are left out: {}.",
                info.suite,
                format!("{why:#}").trim_end_matches('.')
            ));
            HashMap::new()
        }
    };
    let titles: BTreeMap<String, String> =
        tables::build(info, records)?.into_iter().map(|table| (table.name, table.title)).collect();
    let id = format!("captions-{place}");
    let mut options = String::new();
    let mut articles = String::new();
    for (number, &clip) in chosen.iter().enumerate() {
        let facts = &clips[clip];
        let first = facts.references.first().map_or("", String::as_str);
        options.push_str(&format!(
            "<option value=\"{number}\">{}: {}</option>\n",
            escape(&facts.id),
            escape(&shortened(first))
        ));
        articles.push_str(&article(&id, number, facts, sounds.get(&clip)));
        articles.push_str(&captions(&titles, &rows, clip));
        articles.push_str("</article>\n");
    }
    let name = format!("Captions, clip by clip ({})", info.suite);
    let seed = seed.map_or_else(String::new, |seed| format!(" Captions are those of seed {seed}."));
    let html = format!(
        "<section id=\"{id}\" class=\"browser\" aria-labelledby=\"{id}-name\">\n\
         <h2 id=\"{id}-name\">{}</h2>\n\
         <p>{} of {} clips, at even distances.{seed} Left and right arrow keys turn the pages.</p>\n\
         <div class=\"picker\">\n<label for=\"{id}-choice\">Clip</label>\n\
         <select id=\"{id}-choice\">\n{options}</select>\n\
         <button type=\"button\" class=\"previous\">← Previous</button>\n\
         <button type=\"button\" class=\"next\">Next →</button>\n\
         <span class=\"where\">1 of {}</span>\n</div>\n{articles}</section>\n",
        escape(&name),
        chosen.len(),
        clips.len(),
        chosen.len(),
    );
    Ok(Some(Browser { id, name, html }))
}

/// At most `count` of the places `0..of`, the first among them.
fn evenly(of: usize, count: usize) -> Vec<usize> {
    let count = count.min(of);
    (0..count).map(|place| place * of / count).collect()
}

/// The sounds of the chosen clips, by their place.
fn sounds(
    config: &Path,
    split: &str,
    chosen: &[usize],
    clips: &[ClipFacts],
) -> Result<HashMap<usize, Sound>> {
    let corpus: Box<dyn Corpus> = sound::corpus(config)?;
    let split = Split::ALL.into_iter().find(|own| own.name() == split).unwrap_or(Split::Test);
    if corpus.embeddings(split).is_some() {
        anyhow::bail!("the corpus is nothing but embeddings");
    }
    let places: HashMap<&str, usize> = corpus
        .clips(split)
        .iter()
        .enumerate()
        .map(|(place, clip)| (clip.id.as_str(), place))
        .collect();
    let of = |&clip: &usize| {
        let place = *places.get(clips[clip].id.as_str())?;
        Some(sound::sound(corpus.as_ref(), split, place).map(|sound| (clip, sound)))
    };
    chosen.par_iter().filter_map(of).collect()
}

fn shortened(text: &str) -> String {
    const LETTERS: usize = 60;
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The head of a clip: what it sounds and looks like, and what people say of it.
fn article(id: &str, number: usize, facts: &ClipFacts, sound: Option<&Sound>) -> String {
    let name = escape(&facts.id);
    let media = sound.map_or_else(String::new, |Sound { wav, png, seconds }| {
        format!(
            "<div class=\"sound\">\n<img src=\"{png}\" alt=\"Log-mel spectrogram of {name}\">\n\
             <p class=\"scale\"><span>0 s</span><span>50 Hz (bottom) to half the sample rate (top)</span>\
             <span>{seconds:.1} s</span></p>\n\
             <audio controls preload=\"none\" src=\"{wav}\" aria-label=\"Sound of {name}\"></audio>\n</div>\n"
        )
    });
    let references: String =
        facts.references.iter().map(|caption| format!("<li>{}</li>\n", escape(caption))).collect();
    let nearest: String = facts
        .nearest
        .iter()
        .map(|(row, found)| {
            let found: String = found
                .iter()
                .map(|(cosine, caption)| {
                    format!(
                        "<li><span class=\"cosine\">{cosine:.2}</span> {}</li>\n",
                        escape(caption)
                    )
                })
                .collect();
            format!("<h5>{}</h5>\n<ul>{found}</ul>\n", escape(row))
        })
        .collect();
    let nearest = if nearest.is_empty() {
        nearest
    } else {
        format!("<div>\n<h4>Nearest training captions</h4>\n{nearest}</div>\n")
    };
    format!(
        "<article id=\"{id}-clip-{number}\" class=\"clip\" aria-labelledby=\"{id}-clip-{number}-name\">\n\
         <h3 id=\"{id}-clip-{number}-name\">{name}</h3>\n<div class=\"sides\">\n{media}\
         <div>\n<h4>References</h4>\n<ol>{references}</ol>\n</div>\n{nearest}</div>\n"
    )
}

/// What every row says of a clip, table by table.
fn captions(
    titles: &BTreeMap<String, String>,
    rows: &[(Items, Vec<String>)],
    clip: usize,
) -> String {
    let mut names: Vec<&str> = rows.iter().map(|(items, _)| items.table.as_str()).collect();
    names.dedup();
    let mut html = String::new();
    for (place, name) in names.into_iter().enumerate() {
        let own: Vec<&(Items, Vec<String>)> =
            rows.iter().filter(|(items, _)| items.table == name).collect();
        let scores: Vec<(&str, &str)> = SCORES
            .into_iter()
            .filter(|(key, _)| own.iter().any(|(items, _)| items.values.contains_key(*key)))
            .collect();
        let heads: String = scores
            .iter()
            .map(|(_, head)| format!("<th scope=\"col\" class=\"figures\">{head}</th>"))
            .collect();
        let body: String = own
            .iter()
            .map(|(items, captions)| {
                let figures: String = scores
                    .iter()
                    .map(|(key, _)| match items.values.get(*key) {
                        Some(values) => format!("<td>{:.2}</td>", values[clip]),
                        None => "<td class=\"none\">–</td>".into(),
                    })
                    .collect();
                format!(
                    "<tr><th scope=\"row\">{}</th><td class=\"words\">{}</td>{figures}</tr>\n",
                    escape(&items.row),
                    escape(&captions[clip])
                )
            })
            .collect();
        let open = if place == 0 { " open" } else { "" };
        let title = titles.get(name).map_or(name, String::as_str);
        html.push_str(&format!(
            "<details{open}><summary>{}</summary>\n<div class=\"scroll\">\n<table class=\"said-of\">\
             <thead><tr><th scope=\"col\">row</th><th scope=\"col\" class=\"words\">caption</th>{heads}</tr></thead>\
             <tbody>\n{body}</tbody></table>\n</div>\n</details>\n",
            escape(title)
        ));
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_stand_at_even_distances() {
        assert_eq!(evenly(400, 4), [0, 100, 200, 300]);
        assert_eq!(evenly(3, 24), [0, 1, 2]);
        assert!(evenly(0, 24).is_empty());
    }

    #[test]
    fn captions_are_words_whatever_they_hold() {
        let evil = "<script>alert(1)</script> \"a\" & b";
        let facts = ClipFacts {
            id: "<b>".into(),
            cluster: 0,
            references: vec![evil.into()],
            nearest: BTreeMap::from([(evil.to_owned(), vec![(0.5, evil.to_owned())])]),
        };
        let items = Items {
            table: "t2_zero_shot".into(),
            row: evil.into(),
            seed: 0,
            captions: None,
            values: BTreeMap::from([("cider_d".into(), vec![1.25])]),
            resampled: BTreeMap::new(),
        };
        let html = article("captions-0", 0, &facts, None)
            + &captions(&BTreeMap::new(), &[(items, vec![evil.into()])], 0);
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert_eq!(
            html.matches("&lt;script&gt;alert(1)&lt;/script&gt; &quot;a&quot; &amp; b").count(),
            5
        );
        assert!(html.contains("<td>1.25</td>") && !html.contains("SPICE"));
    }

    #[test]
    fn long_references_are_cut_between_letters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(70)), format!("{}…", "ä".repeat(60)));
    }
}
