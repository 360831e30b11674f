//! Writing to a results folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{
    CONFIG, FIGURES, LOCK, MANIFEST, Manifest, NETWORKS, PLOTS, RECORDS, REQUEST, REQUEST_TOOL,
    ResultsFolder, SUMMARY, State, StoreError, TEMPORARY_PREFIX, TEMPORARY_SUFFIX, is_temporary,
    record_file, record_name,
};
use crate::record::RunRecord;

/// What happens to the results that a folder already holds.
#[derive(Clone, Copy)]
pub enum Reuse<'a> {
    /// Keep them, if this function, given the stored config, finds no difference that matters. It
    /// says which key differs and how.
    Unless(&'a dyn Fn(&str) -> Option<String>),
    /// Remove them, whatever config they are of.
    Nothing,
}

/// A results folder that no other process writes to, until this value is dropped or the process
/// ends, however it ends.
#[derive(Debug)]
pub struct LockedFolder {
    /// The folder, for reading.
    pub folder: ResultsFolder,
    /// The operating system holds the lock for as long as this file is open.
    _lock: File,
}

impl LockedFolder {
    /// Locks the folder of a run, makes it if need be, and stores the resolved config in it. What
    /// is derived from records is removed, since it is not true while runs are being computed: an
    /// interrupted sweep then looks like one.
    ///
    /// Refuses a folder that holds anything but results, results of another config (as `reuse`
    /// judges), and a folder in use. Then nothing has been created or changed.
    pub fn for_run(path: &Path, config: &str, reuse: Reuse) -> Result<Self, StoreError> {
        let folder = ResultsFolder::at(path);
        check(&folder, reuse)?;
        let created = CreatedFolders::create(&folder.path)?;
        let locked = Self::lock(folder)?;
        if let Err(error) = locked.begin(config, reuse) {
            created.remove_lock(&locked);
            return Err(error);
        }
        created.keep();
        Ok(locked)
    }

    fn begin(&self, config: &str, reuse: Reuse) -> Result<(), StoreError> {
        // Again, now that nobody else can change it.
        check(&self.folder, reuse)?;
        self.clear_temporary_files()?;
        // Before the config is replaced, which says what figures are ours.
        for name in self.folder.files()? {
            let is_record = Path::new(&name).parent() == Some(Path::new(RECORDS));
            if !is_record || matches!(reuse, Reuse::Nothing) {
                self.remove(&name)?;
            }
        }
        self.write(CONFIG, config.as_bytes())
    }

    /// Locks a folder that `run` made, to add to it.
    pub fn existing(path: &Path) -> Result<Self, StoreError> {
        let locked = Self::lock(ResultsFolder::open(path)?)?;
        locked.clear_temporary_files()?;
        Ok(locked)
    }

    /// Locks the folder of the claims' verdicts, and makes it if need be.
    ///
    /// Refuses a folder that holds anything else, and one in use. Then nothing has been created or
    /// changed.
    pub fn for_claims(path: &Path) -> Result<Self, StoreError> {
        let folder = ResultsFolder::at(path);
        check_for_claims(&folder)?;
        let created = CreatedFolders::create(&folder.path)?;
        let locked = Self::lock(folder)?;
        // Again, now that nobody else can change it.
        if let Err(error) = check_for_claims(&locked.folder) {
            created.remove_lock(&locked);
            return Err(error);
        }
        created.keep();
        locked.clear_temporary_files()?;
        Ok(locked)
    }

    /// Locks a folder that `trace` or `reproduce` made, to add to it.
    pub fn existing_other(path: &Path) -> Result<Self, StoreError> {
        let locked = Self::lock(ResultsFolder::at(path))?;
        locked.clear_temporary_files()?;
        Ok(locked)
    }

    /// Stores what ends a `trace`; everything written so far then survives a power cut.
    pub fn write_summary(&self, json: &str) -> Result<(), StoreError> {
        self.write(SUMMARY, json.as_bytes())?;
        self.sync()
    }

    /// Makes the names of all files durable.
    pub fn sync(&self) -> Result<(), StoreError> {
        for below in [RECORDS, FIGURES, PLOTS, ""] {
            let path = self.folder.path.join(below);
            sync_folder(&path).map_err(|error| StoreError::write(&path, error))?;
        }
        Ok(())
    }

    fn lock(folder: ResultsFolder) -> Result<Self, StoreError> {
        let path = folder.path.join(LOCK);
        let open = File::options().create(true).append(true).open(&path);
        let lock = open.map_err(|error| StoreError::write(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                folder,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy { path: folder.path }),
            Err(TryLockError::Error(error)) => Err(StoreError::write(&path, error)),
        }
    }

    /// Writes a file of this folder (`curves.csv`, `figures/decay.svg`): all of it, or nothing.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_with(name, |file| file.write_all(bytes))
    }

    /// Writes a file of this folder piece by piece, for what is too large to hold: all of it, or
    /// nothing.
    ///
    /// Different files may be written at the same time by different threads.
    pub fn write_with(
        &self,
        name: &str,
        contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let path = self.folder.path.join(name);
        write_atomically(&path, contents).map_err(|error| StoreError::write(&path, error))
    }

    /// Stores the record of a finished run.
    pub fn write_record(&self, run_id: &str, record: &RunRecord) -> Result<(), StoreError> {
        self.write_with(&record_name(run_id), |file| {
            record_file::write(record, file)
        })
    }

    /// Stores what computed the results, which ends a command: everything written so far then
    /// survives a power cut.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let mut json = serde_json::to_string_pretty(manifest).expect("a manifest is plain data");
        json.push('\n');
        self.write(MANIFEST, json.as_bytes())?;
        self.sync()
    }

    /// Removes a file of this folder, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::write(&path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what killed processes left. Whoever writes holds the lock, so nobody is writing
    /// them.
    fn clear_temporary_files(&self) -> Result<(), StoreError> {
        for below in ["", RECORDS, FIGURES, NETWORKS, PLOTS] {
            for name in self.folder.list(below)? {
                if is_temporary(&name) {
                    self.remove(&Path::new(below).join(name).to_string_lossy())?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a run may use the folder.
fn check(folder: &ResultsFolder, reuse: Reuse) -> Result<(), StoreError> {
    let path = || folder.path.clone();
    match (folder.state()?, reuse) {
        (State::Trace, _) => Err(StoreError::OfTrace { path: path() }),
        (State::Claims, _) => Err(StoreError::OfClaims { path: path() }),
        (State::Ours, Reuse::Unless(differs)) => match differs(&folder.config()?) {
            Some(difference) => Err(StoreError::OtherConfig {
                path: path(),
                difference,
            }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The folder of a `trace` that has nothing to write yet: locked and known to be writable, with
/// whatever it held before. Dropped, it is gone again if it was not there.
#[derive(Debug)]
pub struct NewFolder {
    /// Until it is begun.
    held: Option<(LockedFolder, CreatedFolders)>,
}

impl NewFolder {
    /// Locks the folder, and makes it if need be.
    ///
    /// Refuses a folder that holds anything but what `trace` writes, and one in use. Then nothing
    /// has been created or changed.
    pub fn for_trace(path: &Path) -> Result<Self, StoreError> {
        let folder = ResultsFolder::at(path);
        check_for_trace(&folder)?;
        let created = CreatedFolders::create(&folder.path)?;
        let locked = LockedFolder::lock(folder.clone())?;
        let new = Self {
            held: Some((locked, created)),
        };
        // Again, now that nobody else can change it.
        check_for_trace(&folder)?;
        Ok(new)
    }

    /// Replaces what an earlier trace left by the request of this one.
    pub fn begin(mut self, request: &serde_json::Value) -> Result<LockedFolder, StoreError> {
        if let Some((locked, _)) = &self.held {
            locked.clear_temporary_files()?;
            for name in locked.folder.files_of_trace()? {
                locked.remove(&name)?;
            }
            let mut request = request.clone();
            request["tool"] = REQUEST_TOOL.into();
            locked.write(REQUEST, format!("{request:#}\n").as_bytes())?;
        }
        let (locked, created) = self.held.take().expect("held until now");
        created.keep();
        Ok(locked)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if let Some((locked, created)) = self.held.take() {
            created.remove_lock(&locked);
        }
    }
}

fn check_for_trace(folder: &ResultsFolder) -> Result<(), StoreError> {
    match folder.state()? {
        State::Ours => Err(StoreError::OfRun {
            path: folder.path.clone(),
        }),
        State::Claims => Err(StoreError::OfClaims {
            path: folder.path.clone(),
        }),
        State::Absent | State::Empty | State::Trace => Ok(()),
    }
}

fn check_for_claims(folder: &ResultsFolder) -> Result<(), StoreError> {
    let path = || folder.path.clone();
    match folder.state()? {
        State::Ours => Err(StoreError::OfRun { path: path() }),
        State::Trace => Err(StoreError::OfTrace { path: path() }),
        State::Absent | State::Empty | State::Claims => Ok(()),
    }
}

/// The folders made on the way to a results folder; unless kept, removed again when dropped.
#[derive(Debug)]
struct CreatedFolders {
    /// From the outermost to the results folder.
    paths: Vec<PathBuf>,
}

impl CreatedFolders {
    fn create(path: &Path) -> Result<Self, StoreError> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        let mut created = Self { paths: Vec::new() };
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => created.paths.push(path.to_owned()),
                // Another process was faster; the lock decides.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::write(path, error)),
            }
        }
        Ok(created)
    }

    fn keep(mut self) {
        self.paths.clear();
    }

    /// Removes the lock's file if the results folder is new, and only while the lock is held:
    /// another process that holds it would not keep out one that makes a new file.
    fn remove_lock(&self, held: &LockedFolder) {
        if self.paths.last() == Some(&held.folder.path) {
            let _ = fs::remove_file(held.folder.path.join(LOCK));
        }
    }
}

impl Drop for CreatedFolders {
    fn drop(&mut self) {
        // Best effort, innermost first: there is already an error to report, and a folder that
        // another process has begun to use is not empty and stays.
        for path in self.paths.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}

/// Writes to a temporary name in the same folder (a rename is atomic only within one file
/// system), syncs, and renames, so that even after a power cut the file is complete or absent.
///
/// The rename itself is not synced, which would double the time: until the manifest is written a
/// power cut may cost the newest records, and the next command computes them again.
fn write_atomically(
    path: &Path,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{TEMPORARY_PREFIX}{name}{TEMPORARY_SUFFIX}"));

    let write = || -> io::Result<()> {
        // The folder is there, but for its first file.
        let file = match File::create(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                File::create(&temporary)
            }
            file => file,
        };
        let mut file = BufWriter::new(file?);
        contents(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // Best effort: the error that brought us here is the one to report.
        let _ = fs::remove_file(&temporary);
    })
}

/// Makes the renames in a folder, if there is one, durable. Only Unix opens folders as files;
/// elsewhere the file system decides.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) && folder.exists() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both processes find no folder; the one that makes it is not the one that locks it.
    #[test]
    fn who_does_not_get_the_lock_does_not_remove_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("results");
        let created = CreatedFolders::create(&path).unwrap();
        let other = LockedFolder::lock(ResultsFolder::at(&path)).unwrap();
        let busy = LockedFolder::lock(ResultsFolder::at(&path));
        assert!(matches!(busy, Err(StoreError::Busy { .. })));
        drop(created);
        assert!(path.join(LOCK).exists());
        drop(other);
    }
}
