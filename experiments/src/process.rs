//! What must be set before libtorch starts, however the program was started.
//!
//! glibc reads its settings when a process begins, and so does the OpenMP library under
//! libtorch. [`settle`] therefore sets them and starts the same program over, once, in the
//! same process.

use std::{env, ffi::OsString, os::unix::process::CommandExt, process::Command};

/// Says that the process was started over.
const MARK: &str = "DIFFUSION_LINK_SETTLED";

/// Always so: results must not depend on the machine's number of cores, so work is done side
/// by side on one thread each (`--jobs`). Where libtorch has more threads all the same, they
/// wait for one another by spinning 3,000 times and then sleep. Measured with one step of
/// the bridge at D = 512 for 64 embeddings on two threads of an Intel Xeon (2026-11-27): alone
/// 8.2 to 8.7 ms without spinning, 5.4 to 5.6 with this bound, 5.6 to 5.7 without any; beside
/// another of the kind 15 to 17 ms, 18 to 20 and 15 to 114.
const THREADS: [(&str, &str); 4] = [
    ("OMP_NUM_THREADS", "1"),
    ("MKL_NUM_THREADS", "1"),
    ("OMP_WAIT_POLICY", "passive"),
    ("GOMP_SPINCOUNT", "3000"),
];

/// Unless the user says otherwise. glibc gives every large tensor fresh pages and takes
/// them back at once; the kernel clears them each time. Kept for reuse instead (up to
/// 1 GiB beyond what is in use), CLAP's audio tower is 15 % faster.
const ALLOCATOR: [(&str, &str); 2] =
    [("MALLOC_MMAP_MAX_", "0"), ("MALLOC_TRIM_THRESHOLD_", "1073741824")];

/// Makes sure that the settings are in force; returns in the process that has them. Where
/// the program cannot be started over it goes on without: results are the same, only the
/// speed is not.
pub fn settle() {
    let set = |(name, value): (&str, &str)| env::var_os(name).is_some_and(|own| own == value);
    let settled = THREADS.into_iter().all(set)
        && ALLOCATOR.into_iter().all(|(name, _)| env::var_os(name).is_some());
    if !settled
        && env::var_os(MARK).is_none()
        && let Ok(program) = env::current_exe()
    {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_else(|| OsString::from("experiments"));
        let mut command = Command::new(program);
        command.arg0(name).args(arguments).env(MARK, "1").envs(THREADS);
        for (name, value) in ALLOCATOR {
            if env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        // It returns only when it failed.
        let _ = command.exec();
    }
    // Also where it was not started over; a thread takes this on when it begins.
    tch::set_num_threads(1);
}

/// One line for `doctor`.
pub fn in_force() -> String {
    let value = |name: &str| {
        let value = env::var_os(name).unwrap_or_else(|| OsString::from("not set"));
        value.to_string_lossy().into_owned()
    };
    let allocator = ALLOCATOR.map(|(name, _)| format!("{name}={}", value(name))).join(", ");
    format!(
        "{} thread of libtorch for each job; OMP_WAIT_POLICY={}, GOMP_SPINCOUNT={}, {allocator}",
        tch::get_num_threads(),
        value("OMP_WAIT_POLICY"),
        value("GOMP_SPINCOUNT"),
    )
}

/// How many jobs run side by side unless `--jobs` says otherwise: one for each core.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}
