//! From a loaded configuration to the list of runs.
//!
//! A run is identified by its [`RunSpec`] alone: everything its numbers depend on, and nothing
//! else (not what is recorded, fitted or drawn, nor how many run at once). Adding a value to an
//! axis therefore leaves the identity, and the stored record, of every other run as it was.

use gradient_tracking::CellShape;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::{Config, Loaded, Loss, Sequence};
use crate::input_file::InputFiles;
use crate::network::Network;
use crate::tables;

/// Everything there is to compute, in the order of the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The configuration the plan was made from.
    pub config: Config,
    /// The grid: cells in the order of the file, axes in the order of `[sweep]`, the last fastest.
    pub points: Vec<GridPoint>,
}

/// One combination of factor values for one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct GridPoint {
    /// The cell's label and its factor values, as printed in the tables.
    pub key: tables::Key,
    /// One run per replicate.
    pub runs: Vec<PlannedRun>,
}

/// A run and its identity.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// The cell's label and 16 hexadecimal digits of the SHA-256 of the spec's JSON.
    pub id: String,
    /// Index of the replicate, from 0.
    pub replicate: usize,
    /// What to compute.
    pub spec: RunSpec,
}

/// Everything the numbers of one run depend on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSpec {
    /// Seed of the experiment.
    pub seed: u64,
    /// Index of the replicate, from 0.
    pub replicate: usize,
    /// What the cell is fed.
    pub sequence: Sequence,
    /// Where the gradient starts.
    pub loss: Loss,
    /// The cell's label, which keys its weights' streams.
    pub label: String,
    /// The cell.
    pub cell: Network,
    /// SHA-256 of the input file, for inputs that come from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_sha256: Option<String>,
}

impl RunSpec {
    /// The spec as JSON with sorted keys.
    pub fn spec_json(&self) -> String {
        let mut json = serde_json::to_value(self).expect("a run spec has string keys only");
        // A no-op unless some dependency turns on serde_json's `preserve_order`.
        json.sort_all_objects();
        json.to_string()
    }

    /// Row counts of every layer.
    pub fn shapes(&self) -> Vec<CellShape> {
        self.cell.shapes(self.sequence.input.size())
    }

    /// The run's identity.
    pub fn id(&self) -> String {
        let digest = Sha256::digest(self.spec_json());
        let hex: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}-{hex}", self.label)
    }
}

impl Plan {
    /// The runs of a loaded configuration. `inputs` are the files that inputs come from: other
    /// contents are other runs.
    pub fn new(loaded: &Loaded, inputs: &InputFiles) -> Self {
        let points = loaded.grid.iter().map(|point| GridPoint {
            key: tables::Key {
                cell: point.label.clone(),
                factors: point.factors.clone(),
            },
            runs: (0..loaded.config.replicates)
                .map(|replicate| {
                    let spec = RunSpec {
                        seed: point.seed,
                        replicate,
                        sequence: point.sequence.clone(),
                        loss: point.loss.clone(),
                        label: point.label.clone(),
                        cell: point.cell.clone(),
                        input_sha256: inputs
                            .of(&point.sequence.input)
                            .map(|file| file.sha256.clone()),
                    };
                    PlannedRun {
                        id: spec.id(),
                        replicate,
                        spec,
                    }
                })
                .collect(),
        });
        Self {
            config: loaded.config.clone(),
            points: points.collect(),
        }
    }

    /// The plan of those runs alone that are wanted.
    pub fn only(mut self, is_wanted: impl Fn(&PlannedRun) -> bool) -> Self {
        for point in &mut self.points {
            point.runs.retain(&is_wanted);
        }
        self.points.retain(|point| !point.runs.is_empty());
        self
    }

    /// Every run, in the order of the tables.
    pub fn runs(&self) -> impl Iterator<Item = &PlannedRun> {
        self.points.iter().flat_map(|point| &point.runs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::input_file::InputFile;
    use crate::sequences::InputArray;

    const TEXT: &str = r#"
name = "test"
seed = 20
replicates = 2

[sequence]
steps = 10
batch = 3
input = { kind = "gaussian", size = 2 }

[[cell]]
kind = "vanilla-rnn"
hidden = 4

[[cell]]
kind = "lstm"
hidden = 4

[sweep]
"cell.hidden" = [4, 8]
"lstm.forget_bias" = [0.0, { chrono = 200 }]
"#;

    fn plan(sets: &[&str]) -> Plan {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let loaded = Config::load(TEXT, "test.toml", &sets).unwrap();
        Plan::new(&loaded, &InputFiles::default())
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.runs().map(|run| run.id.as_str()).collect()
    }

    #[test]
    fn each_cell_meets_the_axes_that_apply_to_it_the_last_one_fastest() {
        let plan = plan(&[]);
        let keys: Vec<(&str, Vec<&str>)> = plan
            .points
            .iter()
            .map(|point| {
                let factors = point.key.factors.iter().map(String::as_str).collect();
                (point.key.cell.as_str(), factors)
            })
            .collect();
        assert_eq!(
            keys,
            [
                ("vanilla-rnn", vec!["4", ""]),
                ("vanilla-rnn", vec!["8", ""]),
                ("lstm", vec!["4", "0.0"]),
                ("lstm", vec!["4", "chrono=200"]),
                ("lstm", vec!["8", "0.0"]),
                ("lstm", vec!["8", "chrono=200"]),
            ]
        );
        assert_eq!(plan.runs().count(), 12);
        let hidden: Vec<usize> = plan
            .points
            .iter()
            .map(|p| p.runs[1].spec.cell.hidden())
            .collect();
        assert_eq!(hidden, [4, 8, 4, 4, 8, 8]);
        assert_eq!(plan.points[0].runs[1].replicate, 1);
    }

    /// Changing this text makes every stored record a foreign one.
    #[test]
    fn a_spec_is_json_with_sorted_keys() {
        let plan = plan(&[]);
        let run = &plan.points[3].runs[1];
        assert_eq!(
            run.spec.spec_json(),
            concat!(
                r#"{"cell":{"bias":0.0,"forget_bias":{"chrono":200.0},"forget_gate":true,"hidden":4,"#,
                r#""input_weights":{"gain":1.0,"init":"gaussian"},"kind":"lstm","#,
                r#""recurrent_weights":{"gain":1.0,"init":"gaussian"}},"#,
                r#""label":"lstm","loss":{"kind":"terminal"},"replicate":1,"seed":20,"#,
                r#""sequence":{"batch":3,"input":{"kind":"gaussian","size":2,"std":1.0},"steps":10}}"#,
            )
        );
        assert_eq!(run.id, "lstm-18e13ac85855a2e7");
    }

    #[test]
    fn identities_differ_from_run_to_run() {
        let plan = plan(&[]);
        let mut ids = ids(&plan);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 12);
    }

    #[test]
    fn identities_survive_new_values_replicates_and_what_is_recorded() {
        let small = plan(&[]);
        let large = plan(&[
            "cell.hidden=[2, 8, 4]",
            "lstm.forget_bias=[{ chrono = 200.0 }, 5, 0]",
            "replicates=3",
            "record.quantities=[\"adjoint\", \"gates\"]",
            "fit.from=2",
        ]);
        let large = ids(&large);
        assert!(ids(&small).iter().all(|id| large.contains(id)));
    }

    #[test]
    fn other_contents_of_an_input_file_are_other_runs() {
        let sets = ["sequence.input={ kind = \"file\", path = \"x.npy\" }".to_owned()];
        let loaded = Config::load(TEXT, "test.toml", &sets).unwrap();
        let [first, second] = ["ab", "cd"].map(|sha256| {
            let file = InputFile {
                array: InputArray {
                    shape: [0; 3],
                    values: Vec::new(),
                },
                sha256: sha256.to_owned(),
            };
            let files = BTreeMap::from([("x.npy".to_owned(), file)]);
            Plan::new(&loaded, &InputFiles(files))
        });
        assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)));
    }
}
