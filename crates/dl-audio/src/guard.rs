//! A panic inside a decoder is the fault of one file, not of the program. It is caught
//! here, and its message goes into the file's error in place of the user's terminal.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Once,
};

use crate::{AudioError, Waveform};

thread_local! {
    /// Whether this thread is within [`quietly`].
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What a decoder of somebody else's makes of the file `path`. One that panics has met a file
/// that it does not understand.
pub(crate) fn decoder(
    path: &Path,
    work: impl FnOnce() -> Result<Waveform, AudioError>,
) -> Result<Waveform, AudioError> {
    quietly(work).unwrap_or_else(|panic| {
        let problem = format!("its decoder gave up with \"{panic}\"");
        Err(AudioError::Damaged { path: path.into(), problem })
    })
}

/// Runs `work`; a panic in it is returned as its message.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is one for the whole process: it is put before the one that is there, once,
    // and passes on whatever other threads have to say.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    // One line: the message may quote what was compared.
    text.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_an_error_of_the_file() {
        let error = decoder(Path::new("a.wav"), || panic!("no room")).unwrap_err();
        assert!(matches!(error, AudioError::Damaged { .. }));
        assert!(error.to_string().starts_with("a.wav: "), "{error}");
        assert!(error.to_string().contains("its decoder gave up with \"no room\""), "{error}");
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(quietly(|| 7), Ok(7));
        assert_eq!(quietly(|| panic!("plain")), Err::<(), _>("plain".into()));
        let number = 3;
        assert_eq!(quietly(|| panic!("of {number}\nlines")), Err::<(), _>("of 3".into()));
        assert!(!QUIET.get());
    }
}
