//! The tables that each experiment's figures are shown in: which metrics, under
//! which heads, in which order.

use anyhow::{Result, bail};

use dl_eval::{caption::registry, stats};

use super::{
    claim,
    record::{Record, RunInfo},
    table::{Column, Row, Table},
};

/// Metric, head, digits after the point.
type Head = (&'static str, &'static str, usize);

const T1: &[Head] = &[
    ("paired_cosine", "paired cosine ↑", 3),
    ("text_ceiling", "text ceiling", 3),
    ("centroid_distance", "centroid ↓", 3),
    ("frechet", "Fréchet ↓", 3),
    ("separability", "separability ↓", 3),
    ("knn_mixing", "kNN mixing ↑", 3),
    ("relative_gap", "relative gap ↓", 3),
    ("effective_dim_audio", "dims of audio", 1),
    ("effective_dim_text", "dims of text", 1),
    ("a2t_r1", "A→T R@1", 3),
    ("a2t_r10", "A→T R@10", 3),
    ("a2t_map10", "A→T mAP@10", 3),
    ("t2a_r1", "T→A R@1", 3),
    ("t2a_r10", "T→A R@10", 3),
    ("t2a_map10", "T→A mAP@10", 3),
];

const ABLATION: &[Head] = &[
    ("paired_cosine", "paired cosine ↑", 3),
    ("centroid_distance", "centroid ↓", 3),
    ("frechet", "Fréchet ↓", 3),
    ("separability", "separability ↓", 3),
    ("knn_mixing", "kNN mixing ↑", 3),
    ("a2t_r10", "A→T R@10", 3),
];

const T2: &[Head] = &[
    ("bleu_1", "BLEU-1", 3),
    ("bleu_2", "BLEU-2", 3),
    ("bleu_3", "BLEU-3", 3),
    ("bleu_4", "BLEU-4", 3),
    ("meteor", "METEOR", 3),
    ("rouge_l", "ROUGE-L", 3),
    ("cider_d", "CIDEr-D", 3),
    ("spice", "SPICE", 3),
    ("spider", "SPIDEr", 3),
    ("sbert", "sentences", 3),
    ("fense", "FENSE", 3),
    ("fluency_error", "fluency errors", 3),
    ("gain", "gain in CIDEr-D %", 1),
    ("gain_spider", "gain in SPIDEr %", 1),
    ("share_of_way", "share of the way %", 1),
    ("distinct", "distinct", 2),
    ("vocabulary", "words", 0),
    ("own_label", "names a sound", 3),
];

const T2_TABLES: [(&str, &str); 4] = [
    ("t2_zero_shot", "T2: captioning, zero-shot"),
    ("t2_zero_shot_hardened", "T2: captioning, zero-shot, hardened decoder"),
    ("t2_supervised", "T2: captioning, fully supervised"),
    ("t2_supervised_hardened", "T2: captioning, fully supervised, hardened decoder"),
];

const RECOGNITION: &[Head] = &[
    ("top1", "names the class", 3),
    ("wrong", "names another", 3),
    ("none", "names none", 3),
    ("clips", "recordings", 0),
];

/// All tables of a run.
///
/// # Errors
/// When no table is known for the experiment.
pub fn build(info: &RunInfo, records: &[Record]) -> Result<Vec<Table>> {
    let specifications: Vec<(&str, String, &[Head], &[&str])> = match info.experiment.as_str() {
        "t1" => vec![("t1", "T1: modality gap".into(), T1, T1_NOTES)],
        "t2" => T2_TABLES
            .iter()
            .filter(|(name, _)| records.iter().any(|record| record.table == *name))
            .map(|&(name, title)| (name, title.into(), T2, T2_NOTES))
            .collect(),
        "encoders" => {
            vec![("encoders", "T1 over several encoders on the same scenes".into(), T1, T1_NOTES)]
        }
        "recognition" => vec![(
            "recognition",
            "How often a caption names the class of an unmixed test recording".into(),
            RECOGNITION,
            &[],
        )],
        "ablations" => {
            let mut names: Vec<&str> = records.iter().map(|record| record.table.as_str()).collect();
            names.dedup();
            let title = |name: &str| format!("Ablation: {}", name.replace('_', " "));
            let of_captions = |name: &str| {
                let mut own = records.iter().filter(|record| record.table == name);
                own.any(|record| record.metrics.contains_key("cider_d"))
            };
            let specify = |name| match of_captions(name) {
                true => (name, title(name), T2, CAPTION_ABLATION_NOTES),
                false => (name, title(name), ABLATION, T1_NOTES),
            };
            names.into_iter().map(specify).collect()
        }
        "transfer" => {
            let mut names: Vec<&str> = records.iter().map(|record| record.table.as_str()).collect();
            names.dedup();
            let title = |name: &str| {
                let to = name.trim_start_matches("transfer_").replace('_', " ");
                format!("T1 on {to}, bridges fitted on {} and there", info.suite)
            };
            names.into_iter().map(|name| (name, title(name), ABLATION, T1_NOTES)).collect()
        }
        other => bail!("no table is known for experiment '{other}'"),
    };
    let tables = specifications.into_iter().map(|(name, title, heads, notes)| {
        let shown: Vec<&Record> =
            records.iter().filter(|record| record.table == name && record.seed.is_none()).collect();
        // A column that no row has a figure for is left out.
        let has = |key: &str| shown.iter().any(|record| record.metrics.contains_key(key));
        let others = registry::registered();
        let others = others.iter().map(|other| (other.key, other.title, other.decimals));
        let heads: Vec<Head> =
            heads.iter().copied().chain(others).filter(|(key, ..)| has(key)).collect();
        let columns = heads
            .iter()
            .map(|&(key, title, decimals)| Column {
                key: key.into(),
                title: title.into(),
                decimals,
            })
            .collect();
        let rows = shown
            .iter()
            .map(|record| Row {
                label: record.row.clone(),
                cells: heads.iter().map(|(key, ..)| record.metrics.get(*key).copied()).collect(),
            })
            .collect();
        let title = format!("{title} ({})", info.suite);
        let notes = info.notes().into_iter().chain(notes.iter().map(|&n| n.into())).collect();
        let mut table = Table { name: name.into(), title, columns, rows, notes };
        table.notes.extend(dimensions_note(&table));
        table.notes.extend(sentences_note(info, &table));
        table.notes.extend(absent_note(&table));
        table.notes.extend(test_note(info, &table));
        table.notes.extend(claim::note(info, &table));
        table
    });
    Ok(tables.collect())
}

const T1_NOTES: &[&str] = &[
    "Paired cosine: to all captions of the clip. Text ceiling: between two captions of one clip. \
     Separability: a linear probe tells audio from text (0.5 is no gap). Centroid, Fréchet, \
     separability, mixing and relative gap are figures of the whole set.",
    "The intervals of centroid and Fréchet are those of resamples, shifted to the figure (on a \
     resample both come out larger); that of separability keeps the probes' decisions; those of \
     mixing and relative gap are over seeds alone, from two seeds on.",
];

const T2_NOTES: &[&str] =
    &["Gain: relative to the first row. Distinct: share of captions that are unlike all \
     others. \"text (ceiling)\" decodes the first \
     caption's own embedding in place of the audio."];

const CAPTION_ABLATION_NOTES: &[&str] = &["Gain: relative to the first \
     row. Distinct: share of captions that are unlike all others."];

/// What the numbers of dimensions say, where a table has them.
fn dimensions_note(table: &Table) -> Option<String> {
    let shown = table.columns.iter().any(|column| column.key == "effective_dim_audio");
    shown.then(|| {
        "Dims: the effective number of dimensions of a side, the participation ratio of its \
         covariance over the whole set (interval over seeds alone); behind a bridge that \
         collapses, audio has far fewer than text."
            .into()
    })
}

/// Which model's similarity a table shows.
fn sentences_note(info: &RunInfo, table: &Table) -> Option<String> {
    let shown = table.columns.iter().any(|column| column.key == "sbert");
    let models = info.sentences.as_ref().filter(|_| shown)?;
    Some(format!(
        "Sentences: mean cosine of the caption and its references by the sentence encoder {models}; \
         figures of other encoders are not comparable."
    ))
}

/// Which of the field's caption metrics a table of captions lacks.
fn absent_note(table: &Table) -> Option<String> {
    let has = |key: &str| table.columns.iter().any(|column| column.key == key);
    let absent: Vec<&str> = [
        ("meteor", "METEOR (`cargo setup --metrics` brings its data)"),
        ("spice", "SPICE"),
        ("spider", "SPIDEr"),
    ]
    .into_iter()
    .filter_map(|(key, name)| (!has(key)).then_some(name))
    .collect();
    let lacks = has("cider_d") && !absent.is_empty();
    lacks.then(|| format!("Not computed: {}.", absent.join(", ")))
}

/// What the marks of a table mean, where it has any.
fn test_note(info: &RunInfo, table: &Table) -> Option<String> {
    let compare = info.compare.as_deref()?;
    let tested = |key: &str| {
        let found = table.columns.iter().position(|column| column.key == key);
        found.is_some_and(|column| table.is_tested(column))
    };
    let flips = stats::PERMUTATIONS;
    let how = if tested("paired_cosine") {
        format!(
            "paired cosine and separability by {flips} sign flips of the clips' differences, \
             means over seeds; centroid and Fréchet by a paired bootstrap over clips and seeds"
        )
    } else if tested("cider_d") {
        format!("CIDEr-D by {flips} sign flips of the clips' differences, means over seeds")
    } else {
        return None;
    };
    Some(format!(
        "▲ better than \"{compare}\", ▼ worse, no mark: not distinguishable (two-sided, 95 %, \
         Holm's correction over the rows of a column; {how})."
    ))
}
