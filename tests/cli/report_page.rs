//! The page of `report --html`: what it holds, that nothing in it needs a network or is taken
//! for markup, and, where a Chromium is installed, that it works in a browser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{experiments, repository, run, run_directory, scratch, trained_copy};

/// A caption that would be a program if it were taken for markup.
const EVIL: &str = "<script>window.broken = 1</script> & \"rain\"";

const CLIPS: usize = 5;

/// The tiny suite's page, an evil caption among its captions and references.
fn page(name: &str) -> (PathBuf, String) {
    let runs = trained_copy(name);
    let t2 = run_directory(&runs, "t2");
    let clips = fs::read_to_string(t2.join("clips.jsonl")).unwrap();
    let mut first: serde_json::Value = serde_json::from_str(clips.lines().next().unwrap()).unwrap();
    first["references"][0] = EVIL.into();
    let rest = clips.split_once('\n').unwrap().1;
    fs::write(t2.join("clips.jsonl"), format!("{first}\n{rest}")).unwrap();
    let file = t2.join("predictions/t2_zero_shot-none-0.csv");
    let mut rows: Vec<csv::StringRecord> =
        csv::Reader::from_path(&file).unwrap().records().map(Result::unwrap).collect();
    rows[0] = csv::StringRecord::from(vec![&rows[0][0], EVIL, ""]);
    let mut writer = csv::Writer::from_path(&file).unwrap();
    writer.write_record(["id", "caption", "references"]).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    writer.flush().unwrap();
    let folder = scratch(&format!("{name}-out"));
    let clips = CLIPS.to_string();
    let said =
        run(experiments(&runs).arg("report").arg("--html").arg(&folder).args(["--clips", &clips]))
            .ok();
    let path = folder.join("report.html");
    assert!(said.err.contains(&format!("written: {}", path.display())), "{}", said.err);
    assert!(said.out.contains("T1: modality gap"), "{}", said.out);
    let html = fs::read_to_string(&path).unwrap();
    (path, html)
}

#[test]
fn the_page_holds_tables_figures_and_captions_and_needs_nothing_else() {
    let (path, html) = page("page");
    for (what, count) in [
        // T1, four of T2, recognition.
        ("<table id=\"table-", 6),
        ("data-copy=\"latex\"", 6),
        ("data-copy=\"markdown\"", 6),
        ("data-copy=\"csv\"", 6),
        // A forest for each, the migration and the histograms.
        ("<svg ", 8),
        ("<article ", CLIPS),
        ("src=\"data:audio/wav;base64,", CLIPS),
        ("src=\"data:image/png;base64,", CLIPS),
        ("up to +52.5<small>not comparable</small>", 1),
        ("up to +7.5<small>not comparable</small>", 1),
        // The script of the page; the forms of each table.
        ("<script>", 1),
        ("<script type=\"application/json\"", 6),
        // As a reference, in the list of clips (cut off) and as a caption.
        ("&lt;script&gt;window.broken = 1&lt;/script&gt;", 3),
    ] {
        assert_eq!(html.matches(what).count(), count, "{what}");
    }
    for part in
        ["Is that good?", "Nearest training captions", "diffusion link", "id hash", "▲ better than"]
    {
        assert!(html.contains(part), "{part} is not there");
    }
    assert!(!html.contains("window.broken = 1</script>"));
    // Nothing is fetched: addresses are data or names of namespaces, and the policy says so.
    for word in ["src=\"http", "href=\"http", "url(", "@import", "fetch("] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
    // The same runs give the same page.
    let again = scratch("page-again").join("other.html");
    let runs = path.parent().unwrap().parent().unwrap().join("page");
    let clips = CLIPS.to_string();
    run(experiments(&runs).arg("report").arg("--html").arg(&again).args(["--clips", &clips])).ok();
    assert!(fs::read_to_string(again).unwrap() == html);
}

#[test]
fn what_is_not_there_is_left_out_and_said() {
    // Kept results have neither captions nor pictures.
    let runs = scratch("page-kept");
    let kept = repository().join("configs/embedded/results");
    let file = runs.join("kept.html");
    let said = run(experiments(&runs)
        .arg("report")
        .args(["t1", "t2"].map(|name| kept.join(name)))
        .arg("--html")
        .arg(&file))
    .ok();
    let line = "Captions clip by clip of embedded are left out";
    assert!(said.err.contains(line), "{}", said.err);
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains(line) && html.contains("data:image/svg+xml;base64,"));
    assert!(!html.contains("<article"));
    // A corpus that cannot be opened costs the sounds, not the captions.
    let runs = trained_copy("page-mute");
    let config = run_directory(&runs, "t2").join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("kind = \"soundscapes\"", "kind = \"gone\"")).unwrap();
    let file = runs.join("mute.html");
    let said = run(experiments(&runs).arg("report").arg("--html").arg(&file)).ok();
    assert!(said.err.contains("Sounds and spectrograms of tiny are left out"), "{}", said.err);
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains("<article") && !html.contains("data:audio/wav"));
    // A place that cannot be written is told before anything is read.
    run(experiments(&runs).args(["report", "--html", "/proc/nowhere/page.html"]))
        .fails_with(1, &["--html", "/proc/nowhere"]);
    assert_eq!(run(experiments(&runs).args(["report", "--clips", "3"])).code, Some(2));
    assert_eq!(run(experiments(&runs).args(["report", "--as", "other"])).code, Some(2));
    // Nothing is kept where a name is for one run and there are more, or is no name.
    run(experiments(&runs).args(["report", "--keep", "--as", "other"]))
        .fails_with(1, &["--as other: that names one run", "give the one"]);
    let t1 = run_directory(&runs, "t1");
    run(experiments(&runs).args(["report", "--keep", "--as", "../other"]).arg(t1))
        .fails_with(1, &["--as", "'../other' is no name for results"]);
}

/// The whole suite ends with its page.
#[test]
fn a_run_leaves_its_page() {
    let html = fs::read_to_string(crate::harness::trained().join("tiny/report.html")).unwrap();
    for part in
        ["T1: modality gap (tiny)", "T2: captioning (tiny)", "Captions, clip by clip (tiny)"]
    {
        assert!(html.contains(part), "{part}");
    }
}

/// A Chromium on this machine, if there is any.
fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// The page as the browser has it after its scripts, and what its console says.
fn opened(browser: &Path, page: &Path) -> (String, String) {
    let profile = scratch("browser-profile");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=20000", "--window-size=1280,900"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let console = String::from_utf8_lossy(&output.stderr);
    let console = console.lines().filter(|line| line.contains("CONSOLE"));
    (String::from_utf8_lossy(&output.stdout).into_owned(), console.collect::<Vec<_>>().join("\n"))
}

/// What a user does, and what is there to be seen of it.
const ACTS: &str = r#"
addEventListener("load", async () => {
  const seen = {};
  try {
    const wait = () => new Promise((done) => setTimeout(done, 0));
    const copied = [];
    Object.defineProperty(navigator, "clipboard", {
      value: { writeText: async (words) => { copied.push(words); } },
    });
    const table = document.getElementById("table-1");
    const rows = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
    const values = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[1].dataset.value));
    const sorter = table.tHead.rows[0].cells[1].querySelector("button");
    const state = () => table.tHead.rows[0].cells[1].getAttribute("aria-sort");
    seen.rows = [rows()];
    seen.values = [];
    seen.states = [state()];
    for (let time = 0; time < 3; time += 1) {
      sorter.click();
      seen.rows.push(rows());
      seen.values.push(values());
      seen.states.push(state());
      if (time === 0) {
        for (const form of ["latex", "markdown", "csv"]) {
          document.querySelector(`button[data-copy=${form}][data-table=table-1]`).click();
          await wait();
        }
        seen.said = document.getElementById("said").textContent;
      }
    }
    seen.copied = copied;
    // Every figure is drawn and has a size.
    seen.figures = [...document.querySelectorAll("figure svg")].map((svg) => {
      const box = svg.getBoundingClientRect();
      return [box.width, box.height, svg.querySelectorAll("circle, path").length];
    });
    // Captions.
    const browser = document.querySelector(".browser");
    const shown = () => [...browser.querySelectorAll(".clip")]
      .flatMap((clip, place) => (clip.hidden ? [] : [place]));
    const choice = browser.querySelector("select");
    seen.clips = [shown()];
    browser.querySelector(".next").click();
    seen.clips.push(shown());
    choice.value = "3";
    choice.dispatchEvent(new Event("change"));
    seen.clips.push(shown());
    browser.querySelector(".next").dispatchEvent(
      new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    seen.clips.push(shown());
    seen.where = browser.querySelector(".where").textContent;
    const images = [...document.querySelectorAll(".sound img")];
    await Promise.all(images.map((image) => image.decode()));
    seen.images = images.map((image) => [image.naturalWidth, image.naturalHeight]);
    const audio = document.querySelector("audio");
    audio.preload = "auto";
    await new Promise((done, fail) => {
      audio.addEventListener("loadedmetadata", done);
      audio.addEventListener("error", () => fail(new Error("the sound does not load")));
      audio.load();
    });
    seen.seconds = audio.duration;
    // The page itself is never wider than the window; wide tables roll inside.
    seen.overflow = document.documentElement.scrollWidth - innerWidth;
    // Everything that can be used has a name and can be reached by the keyboard.
    seen.nameless = [...document.querySelectorAll("button, select, audio, img, [role=region], svg")]
      .filter((part) => !(part.textContent.trim() || part.getAttribute("aria-label")
        || part.getAttribute("alt") || part.getAttribute("aria-labelledby") || part.labels?.length))
      .map((part) => part.outerHTML.slice(0, 80));
    seen.unreachable = [...document.querySelectorAll("button, select, summary, .scroll[role]")]
      .filter((part) => part.tabIndex < 0).length;
    seen.headless = [...document.querySelectorAll("th")].filter((head) => !head.scope).length;
    seen.broken = "broken" in window;
  } catch (error) {
    seen.error = String(error);
  }
  const outcome = document.createElement("pre");
  outcome.id = "outcome";
  const bytes = new TextEncoder().encode(JSON.stringify(seen));
  outcome.textContent = btoa(String.fromCharCode(...bytes));
  document.body.append(outcome);
});
"#;

#[test]
fn the_page_works_in_a_browser() {
    let Some(browser) = browser() else {
        println!("no chromium on PATH: the page was not opened in a browser");
        return;
    };
    let (path, html) = page("page-browser");
    // As it is: its own script runs under its own policy, and the console stays empty.
    let (dom, console) = opened(&browser, &path);
    assert_eq!(console, "");
    assert_eq!(dom.matches("hidden=\"\"").count(), CLIPS - 1, "the script did not run");
    // With a user: the policy would rightly keep the user's script out.
    let (before, rest) = html.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let rest = rest.split_once('>').unwrap().1;
    let acted =
        format!("{before}{rest}").replace("</body>", &format!("<script>{ACTS}</script></body>"));
    let copy = path.with_file_name("acted.html");
    fs::write(&copy, acted).unwrap();
    // On a busy machine the browser's own clock runs out before the sound is loaded: then again.
    const DONE: &str = "<pre id=\"outcome\">";
    let mut tries = (0..5).map(|_| opened(&browser, &copy));
    let (dom, console) = tries.find(|(dom, _)| dom.contains(DONE)).expect("the acts did not end");
    assert_eq!(console, "");
    let outcome = dom.split_once(DONE).unwrap().1;
    let outcome = base64::decode(outcome.split_once('<').unwrap().0).unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&outcome).unwrap();
    assert!(seen["error"].is_null(), "{}", seen["error"]);
    assert_eq!(seen["states"], serde_json::json!(["none", "descending", "ascending", "none"]));
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let (down, up) = (numbers(&seen["values"][0]), numbers(&seen["values"][1]));
    assert_eq!(down.len(), 4);
    assert!(down.is_sorted_by(|a, b| a >= b) && up.is_sorted(), "{down:?} {up:?}");
    assert_eq!(seen["rows"][0], seen["rows"][3]);
    assert_eq!(seen["rows"][0], serde_json::json!(["none", "projection", "c3", "diffusion link"]));
    // Copied while sorted: every form has all rows in the order that is seen.
    let sorted: Vec<&str> =
        seen["rows"][1].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
    let copied = seen["copied"].as_array().unwrap();
    let starts = ["\\begin{tabular}{l", "**T1: modality gap (tiny)**", "row,paired_cosine,"];
    assert_eq!(copied.len(), 3);
    for (form, start) in copied.iter().zip(starts) {
        let form = form.as_str().unwrap();
        assert!(form.contains(start), "{form}");
        let places: Vec<usize> = sorted
            .iter()
            .map(|row| {
                let line = |line: &&str| {
                    [format!("{row} &"), format!("| {row} |"), format!("{row},")]
                        .iter()
                        .any(|start| line.starts_with(start.as_str()))
                };
                form.lines().position(|l| line(&l)).unwrap_or_else(|| panic!("{row} in {form}"))
            })
            .collect();
        assert!(places.is_sorted(), "{places:?} in {form}");
    }
    assert_eq!(seen["said"], "CSV is in the clipboard.");
    let figures = seen["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 8);
    for figure in figures {
        let [width, height, parts] = [0, 1, 2].map(|part| figure[part].as_f64().unwrap());
        assert!(width > 300.0 && height > 60.0 && parts > 5.0, "{figure}");
    }
    assert_eq!(seen["clips"], serde_json::json!([[0], [1], [3], [2]]));
    assert_eq!(seen["where"], "3 of 5");
    for image in seen["images"].as_array().unwrap() {
        assert!(image[0].as_u64() > Some(100) && image[1] == 80, "{image}");
    }
    assert!((seen["seconds"].as_f64().unwrap() - 2.5).abs() < 0.01, "{}", seen["seconds"]);
    assert!(seen["overflow"].as_f64().unwrap() <= 0.0, "{}", seen["overflow"]);
    assert_eq!(seen["nameless"], serde_json::json!([]));
    assert_eq!((&seen["unreachable"], &seen["headless"]), (&0.into(), &0.into()));
    assert_eq!(seen["broken"], false);
}
