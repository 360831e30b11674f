//! `records/builds.json`: which build of the program has computed which records.
//!
//! A record holds nothing but what its run determines, and the manifest is there only once a sweep has
//! ended. So the builds stand beside the records, written before the first of them: a sweep that was
//! killed and is resumed by another build can say so.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{LockedFolder, Machine, Manifest, RECORDS, StoreError};

/// The name of the file.
pub(super) const BUILDS: &str = "builds.json";

/// What the last bits of a record can depend on besides its spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The version of vangrad.
    pub version: String,
    /// The commit it was built from, or `unknown`.
    pub commit: String,
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub arch: String,
    /// What the last bits of the kernels' results depend on.
    pub kernel_path: String,
}

impl Build {
    /// This build on `machine`.
    pub fn this(machine: &Machine) -> Self {
        Self::new(env!("CARGO_PKG_VERSION"), env!("VANGRAD_COMMIT"), machine)
    }

    /// The build that has written a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        Self::new(&manifest.version, &manifest.commit, &manifest.machine)
    }

    fn new(version: &str, commit: &str, machine: &Machine) -> Self {
        Self {
            version: version.to_owned(),
            commit: commit.to_owned(),
            os: machine.os.clone(),
            arch: machine.arch.clone(),
            kernel_path: machine.kernel_path.clone(),
        }
    }

    /// In what it differs from `here`, such as `commit 1f0c instead of 2a9e`.
    pub fn difference(&self, here: &Build) -> String {
        let fields = |build: &Build| {
            [
                ("version", build.version.clone()),
                ("commit", build.commit.clone()),
                ("system", format!("{} {}", build.os, build.arch)),
                ("kernels", build.kernel_path.clone()),
            ]
        };
        let pairs = fields(self).into_iter().zip(fields(here));
        let differing = pairs.filter(|((_, there), (_, here))| there != here);
        let said =
            differing.map(|((name, there), (_, here))| format!("{name} {there} instead of {here}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

/// Records and the build that has computed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Computed {
    /// The build; none if nothing tells.
    pub build: Option<Build>,
    /// The runs' identities. Of the last build in the file there are none: every record that is not
    /// one of another build is its.
    pub run_ids: BTreeSet<String>,
}

impl LockedFolder {
    /// Notes that records are from now on computed by the build `here`, and returns those that other
    /// builds have left. `before` is the build of the manifest, for a folder that knows no builds.
    pub fn begin_build(
        &self,
        here: &Build,
        before: Option<Build>,
    ) -> Result<Vec<Computed>, StoreError> {
        let name = format!("{RECORDS}/{BUILDS}");
        let text = self.folder.text(&name)?;
        // One that cannot be read tells nothing.
        let noted = text.and_then(|text| serde_json::from_str::<Vec<Computed>>(&text).ok());
        let is_noted = noted.is_some();
        let mut builds = noted.unwrap_or_else(|| {
            vec![Computed {
                build: before,
                run_ids: BTreeSet::new(),
            }]
        });
        let mut unclaimed = self.folder.recorded()?;
        for computed in &mut builds {
            computed.run_ids.retain(|id| unclaimed.remove(id));
        }
        let is_last = builds
            .last()
            .is_some_and(|last| last.build.as_ref() == Some(here));
        if !is_last {
            if let Some(last) = builds.last_mut() {
                last.run_ids.append(&mut unclaimed);
            }
            builds.retain(|computed| !computed.run_ids.is_empty());
            builds.push(Computed {
                build: Some(here.clone()),
                run_ids: BTreeSet::new(),
            });
        }
        if !(is_last && is_noted) {
            let json = serde_json::to_string_pretty(&builds).expect("builds are plain data");
            self.write(&name, format!("{json}\n").as_bytes())?;
        }
        builds.retain(|computed| computed.build.as_ref() != Some(here));
        Ok(builds)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reuse;
    use super::*;

    fn build(commit: &str, kernel_path: &str) -> Build {
        let machine = Machine::this(kernel_path);
        Build::new("1.0", commit, &machine)
    }

    fn put(folder: &LockedFolder, run_id: &str) {
        let name = super::super::record_name(run_id);
        folder.write(&name, b"").unwrap();
    }

    /// Commits, and the last digit of each run.
    fn told(computed: &[Computed]) -> Vec<String> {
        let tell = |computed: &Computed| {
            let commit = computed.build.as_ref().map_or("?", |build| &build.commit);
            let runs = computed.run_ids.iter().map(|id| &id[id.len() - 1..]);
            format!("{commit}: {}", runs.collect::<String>())
        };
        computed.iter().map(tell).collect()
    }

    #[test]
    fn records_are_those_of_the_build_that_was_at_work() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("out");
        let folder = LockedFolder::for_run(&path, "", Reuse::Nothing).unwrap();
        let id = |digit: u8| format!("rnn-000000000000000{digit}");
        let begin = |commit: &str| told(&folder.begin_build(&build(commit, "k"), None).unwrap());
        assert_eq!(begin("a"), [""; 0]);
        put(&folder, &id(1));
        put(&folder, &id(2));
        // Killed here, and resumed by the same build.
        assert_eq!(begin("a"), [""; 0]);
        assert_eq!(begin("b"), ["a: 12"]);
        put(&folder, &id(3));
        assert_eq!(begin("c"), ["a: 12", "b: 3"]);
        put(&folder, &id(4));
        // Those of this very build are none of another, wherever they stand in the file.
        assert_eq!(begin("b"), ["a: 12", "c: 4"]);
        folder.remove(&super::super::record_name(&id(1))).unwrap();
        assert_eq!(begin("b"), ["a: 2", "c: 4"]);
    }

    #[test]
    fn a_folder_without_the_file_is_of_the_build_of_its_manifest() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = LockedFolder::for_run(scratch.path(), "", Reuse::Nothing).unwrap();
        put(&folder, "rnn-0000000000000001");
        let told = |before| told(&folder.begin_build(&build("b", "k"), before).unwrap());
        assert_eq!(told(Some(build("a", "k"))), ["a: 1"]);
        folder.remove("records/builds.json").unwrap();
        assert_eq!(told(None), ["?: 1"]);
        folder.write("records/builds.json", b"[").unwrap();
        assert_eq!(told(Some(build("b", "k"))), [""; 0]);
    }

    #[test]
    fn a_difference_names_what_differs() {
        assert_eq!(
            build("a", "portable").difference(&build("b", "avx")),
            "commit a instead of b, kernels portable instead of avx"
        );
    }
}
