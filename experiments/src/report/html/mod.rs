//! A report as one HTML file that needs nothing else: tables, figures and captions of any
//! runs. It is read from run directories; for sounds the corpus of a run is opened. The
//! script only sorts, copies and turns the pages of captions: what a run found stands in the
//! HTML.

mod browser;
mod figures;
mod published;
mod ranges;
mod sound;
mod tables;

use std::path::Path;

use anyhow::{Context, Result};
use dl_core::RunDir;

use super::{
    escape::escape,
    figure,
    record::{Record, RunInfo},
    tables as all_tables,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A run and what it found.
pub type Finished = (RunDir, RunInfo, Vec<Record>);

/// Writes the page of `runs`, with the captions of at most `clips` clips. Gives what had to
/// be left out, one sentence each, as the page says it too.
///
/// # Errors
/// When a file of a run is spoilt or the page cannot be written.
pub fn write(
    path: &Path,
    runs: &[Finished],
    clips: usize,
    warning: Option<&str>,
) -> Result<Vec<String>> {
    let (page, left_out) = page(runs, clips, warning)?;
    dl_core::atomic::write_bytes(path, page.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(left_out)
}

/// The page, and what had to be left out.
fn page(runs: &[Finished], clips: usize, warning: Option<&str>) -> Result<(String, Vec<String>)> {
    let mut suites: Vec<&str> = runs.iter().map(|(_, info, _)| info.suite.as_str()).collect();
    suites.dedup();
    let title = format!("Diffusion-Link: {}", suites.join(", "));
    let mut main = String::new();
    let mut contents = Vec::new();
    let mut left_out = Vec::new();
    let mut number = 0;
    for (place, finished) in runs.iter().enumerate() {
        let (run, info, records) = finished;
        let id = format!("run-{place}");
        let name = section_name(info);
        contents.push((id.clone(), name.clone()));
        main.push_str(&format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-name\">\n<h2 id=\"{id}-name\">{}</h2>\n{}",
            escape(&name),
            facts(run, info)
        ));
        for table in all_tables::build(info, records)? {
            number += 1;
            main.push_str(&tables::table(run, info, &table, number)?);
            main.push_str(&ranges::ranges(info, &table));
            main.push_str(&figures::of_table(finished, &table)?);
        }
        main.push_str(&figures::of_run(finished)?);
        main.push_str("</section>\n");
    }
    for (place, finished) in runs.iter().enumerate() {
        if let Some(browser) = browser::browser(finished, place, clips, &mut left_out)? {
            contents.push((browser.id, browser.name));
            main.push_str(&browser.html);
        }
    }
    let links: String = contents
        .iter()
        .map(|(id, name)| format!("<li><a href=\"#{id}\">{}</a></li>", escape(name)))
        .collect();
    let warnings: String = warning
        .into_iter()
        .map(str::to_owned)
        .chain(left_out.iter().cloned())
        .map(|line| format!("<p class=\"warning\">{}</p>\n", escape(&line)))
        .collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         img-src data:; media-src data:; style-src 'unsafe-inline'; script-src '{}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the tables</a>\n\
         <header>\n<h1>{}</h1>\n\
         <p>How far audio embeddings are from text, before and after every bridge, and what \
         captions gain by it. Every figure has its 95 % interval below it.</p>\n\
         <nav aria-label=\"Contents\"><ul>{links}</ul></nav>\n</header>\n\
         <main id=\"main\">\n{warnings}{main}</main>\n\
         <p id=\"said\" class=\"said\" role=\"status\" aria-live=\"polite\"></p>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        script_hash(),
        escape(&title),
        figure::STYLE,
        escape(&title),
    );
    Ok((page, left_out))
}

/// What the page's policy lets run: this script and no other.
fn script_hash() -> String {
    use sha2::{Digest, Sha256};
    format!("sha256-{}", base64::encode(Sha256::digest(SCRIPT.as_bytes())))
}

/// The head of a run's section.
fn section_name(info: &RunInfo) -> String {
    let name = match info.experiment.as_str() {
        "t1" => "T1: modality gap",
        "t2" => "T2: captioning",
        "encoders" => "T1 over several encoders",
        "recognition" => "Recognition of single sounds",
        "ablations" => "Ablations",
        "transfer" => "Transfer to other corpora",
        other => other,
    };
    format!("{name} ({})", info.suite)
}

/// What a run is over, in a line that opens to all of it.
fn facts(run: &RunDir, info: &RunInfo) -> String {
    let notes: String =
        info.notes().iter().map(|note| format!("<p>{}</p>\n", escape(note))).collect();
    let seeds = info.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let directory = run.dir().components().rev().take(3).collect::<Vec<_>>();
    let directory: std::path::PathBuf = directory.into_iter().rev().collect();
    format!(
        "<details class=\"facts\"><summary>{} {} clips, seeds {}, id hash {}</summary>\n{notes}\
         <p>Run directory: <code>{}</code></p>\n</details>\n",
        info.clips,
        escape(&info.split),
        escape(&seeds),
        escape(&info.id_hash),
        escape(&directory.display().to_string()),
    )
}
