//! `embed --shard` and `merge`: the same file as one run, or a refusal.

use std::fs;

use crate::{
    embed::{CLIPS, corpus, embed, toy},
    harness::{Said, experiments, run, scratch},
};

#[test]
fn shards_join_to_the_whole_and_anything_else_is_refused() {
    let folder = scratch("shards");
    corpus(&folder, CLIPS);
    let at = |name: &str| folder.join(format!("{name}.safetensors"));
    let shard = |name: &str, shard: &str, more: &[&str]| {
        let output = format!("{name}.safetensors");
        run(embed(&folder, &toy(), &output).args(["--shard", shard]).args(more))
    };
    let merge = |shards: &[&str]| -> Said {
        let mut command = experiments(&folder.join("runs"));
        command.arg("merge").arg("--output").arg(at("merged")).args(shards.iter().map(|n| at(n)));
        run(&mut command)
    };
    run(&mut embed(&folder, &toy(), "whole.safetensors")).ok();
    for (name, text) in [("a", "0/3"), ("b", "1/3"), ("c", "2/3")] {
        shard(name, text, &[]).ok();
    }
    let said = merge(&["c", "a", "b"]).ok();
    assert!(said.out.contains("70 clips, 105 captions"), "{}", said.out);
    assert!(fs::read(at("merged")).unwrap() == fs::read(at("whole")).unwrap());

    merge(&["a", "c"]).fails_with(1, &["shard 1/3 is missing"]);
    fs::copy(at("b"), at("again")).unwrap();
    merge(&["a", "b", "c", "again"])
        .fails_with(1, &["shard 1/3 is there twice", "again.safetensors"]);
    merge(&["a", "whole"]).fails_with(1, &["whole.safetensors", "is no shard"]);
    merge(&["a", "nowhere"]).fails_with(1, &["nowhere.safetensors"]);
    let half = fs::read(at("b")).unwrap();
    fs::write(at("again"), &half[..half.len() / 2]).unwrap();
    merge(&["a", "again", "c"]).fails_with(1, &["again.safetensors", "make it again"]);
    shard("other", "1/2", &[]).ok();
    merge(&["a", "other"]).fails_with(1, &["different numbers of shards"]);
    shard("other", "1/3", &["--int16"]).ok();
    merge(&["a", "other", "c"]).fails_with(1, &["different encoders"]);
    let manifest = folder.join("pairs.csv");
    let rows = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{rows}clip 0,0.wav,one more\n")).unwrap();
    shard("other", "1/3", &[]).ok();
    merge(&["a", "other", "c"]).fails_with(1, &["different manifests"]);

    shard("other", "0/4", &[]).fails_with(1, &["70 clips are 3 pieces", "give at most 3"]);
    for odd in ["3/3", "1", "a/b"] {
        let said = shard("other", odd, &[]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("count i from 0 to n - 1"), "{}", said.err);
    }
    assert_eq!(shard("other", "0/3", &["--npy"]).code, Some(2));
}
