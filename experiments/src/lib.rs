//! Experiments on how gradients vanish and explode in recurrent networks: one TOML file in;
//! curves, fits and figures out.
//!
//! The way of the data, each step a module: [`config`] (text → checked config) → [`plan`] (grid of
//! runs) → [`sweep`] and [`run`] (spec → [`record`]) → [`store`] (files) → [`analysis`] (records →
//! [`tables`]) → [`figures`] (tables → drawings) → [`report`] (all of it → a page). [`commands`] strings them together, one file per
//! command; [`registry`] is the only place that knows the kinds of cells. [`trace`] is the way of
//! somebody else's network instead of a config's: its files → norms → tables and figures.
//!
//! Invariants: only [`store`] touches files, only [`sweep`] has threads, only the manifest knows a
//! clock; figures are functions of stored tables, reports of stored files.

pub mod analysis;
pub mod claims;
pub mod cli;
pub mod closer;
pub mod commands;
pub mod comparison;
pub mod config;
pub mod cost;
pub mod figures;
pub mod grids;
pub mod input_file;
mod nearest;
pub mod network;
pub mod npy;
pub mod plan;
mod progress;
pub mod record;
pub mod registry;
pub mod report;
pub mod run;
pub mod sequences;
pub mod store;
pub mod sweep;
pub mod tables;
pub mod trace;
