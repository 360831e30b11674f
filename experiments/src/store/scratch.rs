//! Folders for results that nobody keeps.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use tempfile::TempDir;

use super::{LOCK, StoreError};

/// Begins the names of all of them, so that those which are left over can be found.
const PREFIX: &str = ".vangrad-scratch-";

/// A folder for results that nobody keeps; removed when dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// A new folder among the system's temporary ones. Removes those that killed processes have left
    /// there: they may be large.
    pub fn new() -> Result<Self, StoreError> {
        Self::below(&std::env::temp_dir())
    }

    fn below(parent: &Path) -> Result<Self, StoreError> {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_ours && is_folder && is_abandoned(&entry.path()) {
                remove(&entry.path());
            }
        }
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        let folder = made.map_err(|error| StoreError::write(parent, error))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What removes the folder from another thread, for a process that ends without dropping this.
    /// What is being written meanwhile may be left, for the next process to remove.
    pub fn remover(&self) -> impl Fn() + Send + use<> {
        let path = self.path().to_owned();
        move || remove(&path)
    }
}

/// Whether the process that made a folder is no more.
fn is_abandoned(path: &Path) -> bool {
    // The first thing in it is the lock, which is held for as long as the folder is used.
    let is_new = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
    match File::open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound && !is_new,
    }
}

/// Removes a folder as far as that can be: nobody misses what is left.
fn remove(path: &Path) {
    /// A folder cannot be removed in which a file has just been written.
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        let _ = fs::remove_dir_all(path);
        if !path.exists() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{LockedFolder, Reuse};

    #[test]
    fn what_killed_processes_have_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        // One in use, one that is new, and two of processes that are no more.
        let used = Scratch::below(parent.path()).unwrap();
        let locked = LockedFolder::for_run(used.path(), "name = \"x\"\n", Reuse::Nothing).unwrap();
        let new = Scratch::below(parent.path()).unwrap();
        let abandoned = [LOCK, "records"].map(|name| {
            let folder = path(&format!("{PREFIX}{name}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(name), "").unwrap();
            folder
        });
        // A folder and a file of somebody else.
        fs::create_dir(path("vangrad-results")).unwrap();
        fs::write(path("vangrad-results").join(LOCK), "").unwrap();
        fs::write(path(&format!("{PREFIX}notes")), "").unwrap();

        let made = Scratch::below(parent.path()).unwrap();
        assert!(abandoned.iter().all(|folder| !folder.exists()));
        let left = fs::read_dir(parent.path()).unwrap().count();
        assert_eq!(left, 5);
        assert!(locked.folder.has("config.toml") && new.path().exists());

        // Another thread's end of it.
        std::thread::spawn(made.remover()).join().unwrap();
        assert!(!made.path().exists());
    }
}
