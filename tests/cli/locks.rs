//! Two programs on one run: the second says who is at work and leaves or waits, and what a
//! killed one held is free.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dl_core::{IfBusy, Lock};

use crate::harness::{assert_same_tree, experiments, fits, run, trained, trained_copy};

fn t1(runs: &Path) -> Command {
    let mut command = experiments(runs);
    command.args(["run", "t1"]);
    command
}

/// A trained suite in which one bridge has to be fitted again, and that bridge's stage.
fn without_a_bridge(name: &str) -> (PathBuf, PathBuf) {
    let runs = trained_copy(name);
    let bridge = fits(&runs, "diffusion_link").pop().unwrap();
    fs::remove_file(bridge.join("done.json")).unwrap();
    for folder in ["stages/bridged", "stages/gap", "t1"] {
        fs::remove_dir_all(runs.join("tiny").join(folder)).unwrap();
    }
    (runs, bridge)
}

#[test]
fn the_second_says_who_is_at_work_and_leaves() {
    let (runs, bridge) = without_a_bridge("locks-leave");
    let held = Lock::acquire(&bridge.join("lock"), IfBusy::Leave, &|_| {}).unwrap();
    let me = format!("in use by process {}", std::process::id());
    run(t1(&runs).args(["--if-busy", "leave"])).fails_with(1, &["stages/bridge/", &me, "for "]);
    assert!(!bridge.join("done.json").exists());
    drop(held);
    run(t1(&runs).args(["--if-busy", "leave"])).ok();
}

/// What a program in the background says on standard error, as far as it has come.
fn said(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !ready() {
        assert!(Instant::now() < deadline, "{what}: not within five minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn in_background(command: &mut Command, errors: &Path) -> Child {
    let file = fs::File::create(errors).unwrap();
    command.stdout(Stdio::null()).stderr(file).spawn().unwrap()
}

#[test]
fn the_second_waits_and_takes_over_from_a_killed_one() {
    let (runs, bridge) = without_a_bridge("locks-wait");
    // The first is held up in the bridge, with the run in its hands.
    let held = Lock::acquire(&bridge.join("lock"), IfBusy::Leave, &|_| {}).unwrap();
    let errors = [runs.join("first"), runs.join("second")];
    let mut first = in_background(&mut t1(&runs), &errors[0]);
    wait_for("the first waits for the bridge", || said(&errors[0]).contains("stages/bridge/"));
    let mut second = in_background(&mut t1(&runs), &errors[1]);
    let of_first = format!("in use by process {}", first.id());
    wait_for("the second waits for the first", || said(&errors[1]).contains(&of_first));
    assert!(said(&errors[1]).contains("run t1"), "{}", said(&errors[1]));
    first.kill().unwrap();
    first.wait().unwrap();
    drop(held);
    assert!(second.wait().unwrap().success(), "{}", said(&errors[1]));
    for stage in ["bridge", "gap"] {
        let [straight, taken_over] =
            [trained(), &runs].map(|runs| runs.join("tiny/stages").join(stage));
        assert_same_tree(&straight, &taken_over);
    }
}
