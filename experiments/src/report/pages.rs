//! Pages that show kept results: the README and the pages under `experiments/results`. What
//! stands between a mark and `<!-- end -->` is written from the records beside the
//! configurations, never by hand:
//!
//! - `<!-- table SUITE/TABLE -->`: the whole table;
//! - `<!-- excerpt SUITE/TABLE: row, row; column, column -->`: some of its rows and columns.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{kept, table::Table};

const OPEN: &str = "<!-- ";
const CLOSE: &str = " -->";
const END: &str = "<!-- end -->";

/// Writes the tables of every page anew; the pages that changed.
///
/// # Errors
/// When a page cannot be read or written, a mark is not closed, or it names a table, row or
/// column that is not kept.
pub fn write_pages(repository: &Path) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for page in pages(repository)? {
        let text = read(&page)?;
        let written = rewritten(repository, &text).with_context(|| page.display().to_string())?;
        if written != text {
            dl_core::atomic::write_bytes(&page, written.as_bytes())?;
            changed.push(page);
        }
    }
    Ok(changed)
}

fn pages(repository: &Path) -> Result<Vec<PathBuf>> {
    let folder = repository.join("experiments/results");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut pages: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.sort();
    pages.insert(0, repository.join("README.md"));
    Ok(pages)
}

fn read(page: &Path) -> Result<String> {
    fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))
}

/// `text` with the tables of all its marks.
fn rewritten(repository: &Path, text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, mark, after)) = next_mark(rest) {
        let (_, tail) = after.split_once(END).with_context(|| format!("{mark}: no {END}"))?;
        let table = marked(repository, mark).with_context(|| format!("mark '{mark}'"))?;
        out.push_str(&format!("{before}{OPEN}{mark}{CLOSE}\n{}{END}", table.to_markdown()));
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands before the next mark, what it says, and what follows it.
fn next_mark(text: &str) -> Option<(&str, &str, &str)> {
    let starts = ["table ", "excerpt "].map(|kind| text.find(&format!("{OPEN}{kind}")));
    let start = starts.into_iter().flatten().min()?;
    let (mark, after) = text[start + OPEN.len()..].split_once(CLOSE)?;
    Some((&text[..start], mark, after))
}

/// The table that a mark asks for.
fn marked(repository: &Path, mark: &str) -> Result<Table> {
    if let Some(name) = mark.strip_prefix("table ") {
        return kept::table(repository, name);
    }
    let parts = mark.strip_prefix("excerpt ").and_then(|rest| {
        let (name, rest) = rest.split_once(": ")?;
        let (rows, columns) = rest.split_once("; ")?;
        Some((name, rows.split(", ").collect::<Vec<_>>(), columns.split(", ").collect::<Vec<_>>()))
    });
    let Some((name, rows, columns)) = parts else {
        bail!("write it as `excerpt SUITE/TABLE: row, row; column, column`");
    };
    kept::table(repository, name)?.excerpt(&rows, &columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_holds_what_report_writes() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut tables = 0;
        for page in pages(repository).unwrap() {
            let text = read(&page).unwrap();
            tables += text.matches("<!-- table ").count();
            assert!(
                rewritten(repository, &text).unwrap() == text,
                "{} is not what `report --keep` writes; run it and commit the result",
                page.display()
            );
        }
        let front = read(&repository.join("README.md")).unwrap();
        for excerpt in ["embedded/t1", "embedded/t2_zero_shot"] {
            assert!(front.contains(&format!("<!-- excerpt {excerpt}: ")), "README: no {excerpt}");
        }
        assert!(tables >= 20, "only {tables} whole tables are left on the pages");
        assert!(front.lines().count() <= 200 && front.len() <= 16 << 10, "README is too long");
    }

    #[test]
    fn marks_that_cannot_be_met_are_errors() {
        let nowhere = Path::new("/nowhere");
        let error = |text: &str| format!("{:#}", rewritten(nowhere, text).unwrap_err());
        let absent = error("<!-- table nowhere/t1 --><!-- end -->");
        assert!(absent.contains("no results are kept for the table nowhere/t1"), "{absent}");
        assert!(error("<!-- table a/b --> x").contains("no <!-- end -->"));
        assert!(error("<!-- excerpt a/b --><!-- end -->").contains("write it as `excerpt"));
        assert_eq!(rewritten(nowhere, "<!-- a comment --> x").unwrap(), "<!-- a comment --> x");
    }
}
