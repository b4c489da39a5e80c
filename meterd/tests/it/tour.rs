//! The documents, word for word: their commands run and their answers are compared.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Meterd, without_configuration};

/// A fenced block of the README.
pub(crate) struct Block<'a> {
    pub(crate) language: &'a str,
    pub(crate) text: &'a str,
}

pub(crate) fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut fences = markdown.split("\n```");
    fences.next();
    let mut blocks = Vec::new();
    while let (Some(block), Some(_)) = (fences.next(), fences.next()) {
        let (language, text) = block.split_once('\n').expect("a fence opens with a line");
        blocks.push(Block { language, text });
    }
    blocks
}

/// What the sample shows has to be in the answer; the answer may have more members.
fn assert_shows(sample: &Value, answer: &Value) {
    let sample = sample.as_object().expect("samples are objects");
    for (member, expected) in sample {
        assert_eq!(
            Some(expected),
            answer.get(member),
            "member {member} of {answer}"
        );
    }
}

/// Runs all commands of a document in one shell, as a reader has it, in a directory of their own.
/// Returns how many blocks ran, and how many answers were compared.
async fn walk(
    document: &str,
    variables: impl Fn(&Meterd) -> Vec<(&'static str, String)>,
) -> (usize, usize) {
    let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
    let text = fs::read_to_string(format!("{checkout}{document}")).expect("it is there");
    let meterd = Meterd::start(&[]).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Each block prints a mark, so that outputs can be told apart.
    let mut script = "set -euo pipefail\n".to_owned();
    let blocks = blocks(&text);
    let commands: Vec<usize> = (0..blocks.len())
        .filter(|n| blocks[*n].language == "sh")
        .collect();
    for n in &commands {
        script.push_str(blocks[*n].text);
        script.push_str("\nprintf '\\n=====\\n'\n");
    }
    let mut shell = Command::new("bash");
    without_configuration(&mut shell);
    let output = shell
        .arg("-c")
        .arg(script)
        .current_dir(directory.path())
        .env("METERD_DATA_DIR", meterd.home().data_dir())
        .envs(variables(&meterd))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("bash runs");
    let stdout = String::from_utf8(output.stdout).expect("answers are UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{stdout}");
    let outputs: Vec<&str> = stdout.split("\n=====\n").collect();
    let mut compared = 0;
    for (n, printed) in commands.iter().zip(outputs) {
        let Some(Block {
            language: "json",
            text,
        }) = blocks.get(n + 1)
        else {
            continue;
        };
        let sample: Value = serde_json::from_str(text).expect("samples are JSON");
        let answer =
            serde_json::from_str(printed.trim()).unwrap_or_else(|e| panic!("{e}: {printed}"));
        assert_shows(&sample, &answer);
        compared += 1;
    }
    meterd.stop().await;
    (commands.len(), compared)
}

#[tokio::test]
async fn the_tour_of_the_readme_is_true() {
    let (ran, compared) = walk("README.md", |meterd| {
        vec![("METERD_URL", meterd.url.clone())]
    })
    .await;
    assert!(ran >= 9 && compared == 4, "{ran} {compared}");
}

#[tokio::test]
async fn what_is_said_of_the_command_line_is_true() {
    // The built program is the `meterd` of the document.
    let program = Path::new(env!("CARGO_BIN_EXE_meterd"));
    let directory = program.parent().expect("a directory").display();
    let path = format!("{directory}:/usr/local/bin:/usr/bin:/bin");
    let (ran, compared) = walk("docs/cli.md", |_| vec![("PATH", path.clone())]).await;
    assert!(ran >= 6 && compared == 1, "{ran} {compared}");
}
