//! The README's tour, word for word: its commands run and its answers are compared.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::Meterd;

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

#[tokio::test]
async fn the_tour_of_the_readme_is_true() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))
        .expect("the README is there");
    let meterd = Meterd::start(&[]).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    // One shell for all blocks, as a reader has; each prints a mark, so that outputs can be told apart.
    let mut script = "set -euo pipefail\n".to_owned();
    let blocks = blocks(&readme);
    let commands: Vec<usize> = (0..blocks.len())
        .filter(|n| blocks[*n].language == "sh")
        .collect();
    assert!(commands.len() >= 7, "the tour was not found");
    for n in &commands {
        script.push_str(blocks[*n].text);
        script.push_str("\nprintf '\\n=====\\n'\n");
    }
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(directory.path())
        .env("METERD_URL", &meterd.url)
        .env("METERD_DATA_DIR", meterd.home().data_dir())
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
    assert_eq!(compared, 3);
    meterd.stop().await;
}
