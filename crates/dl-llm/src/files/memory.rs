//! Whether a model fits into the memory that is free, asked before anything is read.

use std::path::Path;

use tch::Kind;

use crate::LlmError;

/// # Errors
/// [`LlmError::File`] with both sizes when `needed` bytes are more than what the system can
/// give. Where the system does not say, nothing is refused.
pub(super) fn check(path: &Path, needed: u64, kind: Kind) -> Result<(), LlmError> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available(&text) {
        Some(free) if free < needed => Err(LlmError::file(path, refusal(needed, free, kind))),
        _ => Ok(()),
    }
}

/// Bytes that Linux can give without swapping.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn refusal(needed: u64, free: u64, kind: Kind) -> String {
    let remedy = match kind {
        Kind::Float => "load it with precision = bf16, take a GPU, or a smaller model",
        _ => "take a GPU, a smaller model, or a machine with more memory",
    };
    let (needed, free) = (needed as f64 / 1e9, free as f64 / 1e9);
    format!("the weights take {needed:.1} GB and {free:.1} GB of memory are free; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read_and_compared() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:    1000000 kB\nBuffers: 1 kB\n";
        assert_eq!(available(text), Some(1_024_000_000));
        assert_eq!(available("MemTotal: 1 kB"), None);
        let line = refusal(13_500_000_000, 5_000_000_000, Kind::Float);
        assert!(
            line.starts_with("the weights take 13.5 GB and 5.0 GB of memory are free; load it")
        );
        check(Path::new("x"), 1, Kind::Float).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_no_machine_has_is_refused() {
        let error = check(Path::new("m/7b"), u64::MAX, Kind::BFloat16).unwrap_err().to_string();
        assert!(error.starts_with("m/7b: the weights take") && error.contains("a GPU"), "{error}");
    }
}
