//! Tells the binary which commit and which compiler made it, for the manifest of a results folder.

use std::path::Path;
use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let unknown = || "unknown".to_owned();
    let commit = first_line("git", &["rev-parse", "HEAD"]).unwrap_or_else(unknown);
    let rustc = first_line(&rustc, &["--version"]).unwrap_or_else(unknown);
    println!("cargo::rustc-env=VANGRAD_COMMIT={commit}");
    println!("cargo::rustc-env=VANGRAD_RUSTC={rustc}");

    println!("cargo::rerun-if-changed=build.rs");
    // Wherever this checkout keeps them: `.git` is a file in a linked worktree. A path that does
    // not exist would rerun this script on every build.
    for name in ["HEAD", "refs", "packed-refs"] {
        let path = first_line("git", &["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The first line a command prints, if there is such a command and it succeeds.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
