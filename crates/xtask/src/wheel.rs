//! Unpacks the wanted members of a wheel (a zip archive) into a directory.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component as Step, Path},
};

use zip::{ZipArchive, result::ZipError};

use crate::{components::Wheel, fault::Fault, progress::Progress};

/// Unpacks what `wheel.take` names from `archive` into `into`.
pub(crate) fn unpack(archive: &Path, wheel: &Wheel, into: &Path) -> Result<(), Fault> {
    let refuse = |error: ZipError| match error {
        ZipError::Io(error) => read_fault(archive, error),
        other => Fault::Archive { path: archive.into(), cause: other.to_string() },
    };
    let file = File::open(archive).map_err(Fault::disk("read", archive))?;
    let mut members = ZipArchive::new(io::BufReader::new(file)).map_err(refuse)?;
    let mut wanted = Vec::new();
    let mut total = 0;
    for index in 0..members.len() {
        let member = members.by_index_raw(index).map_err(refuse)?;
        let name = member.name().map_err(refuse)?;
        if let Some(target) = wheel.target(&name) {
            total += member.size();
            wanted.push((index, target));
        }
    }
    let mut progress = Progress::start(format!("unpacking {}", wheel.requirement), total);
    for (index, target) in wanted {
        if !Path::new(&target).components().all(|step| matches!(step, Step::Normal(_))) {
            let cause = format!("its member {target} leads out of the directory");
            return Err(Fault::Archive { path: archive.into(), cause });
        }
        let member = members.by_index(index).map_err(refuse)?;
        store(member, archive, &into.join(target), &mut progress)?;
    }
    Ok(())
}

/// Copies one member into a new file.
fn store(
    mut member: impl Read,
    archive: &Path,
    path: &Path,
    progress: &mut Progress,
) -> Result<(), Fault> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Fault::disk("make", parent))?;
    }
    let mut file = File::create(path).map_err(Fault::disk("write", path))?;
    let mut block = vec![0; 1 << 18];
    // Not `io::copy`: whether reading or writing failed decides the remedy.
    loop {
        let read = member.read(&mut block).map_err(|error| read_fault(archive, error))?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&block[..read]).map_err(Fault::disk("write", path))?;
        progress.advance(read as u64);
    }
}

/// Bad checksums and cut streams come as errors of reading.
fn read_fault(archive: &Path, error: io::Error) -> Fault {
    Fault::Archive { path: archive.into(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_while_unpacking_is_named() {
        let mut progress = Progress::start("test".into(), 3);
        let (archive, full) = (Path::new("a.whl"), Path::new("/dev/full"));
        let fault = store(&b"abc"[..], archive, full, &mut progress).unwrap_err();
        assert!(fault.to_string().starts_with("the disk is full at /dev/full"), "{fault}");
    }
}
