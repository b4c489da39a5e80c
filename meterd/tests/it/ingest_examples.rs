//! The examples of docs/ingest.md, word for word.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::Meterd;
use crate::tour::blocks;

#[tokio::test]
async fn the_examples_of_every_content_type_are_accepted() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ingest.md"))
        .expect("the page is there");
    let meterd = Meterd::start(&[]).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text);
    file(".curlrc", "silent\nfail-with-body\nwrite-out = \"\\n\"\n").expect("a file");
    let event = r#"{"tenant_id": "org_001", "resource": "billing", "feature": "pdf_export"}"#;
    file("events.ndjson", &format!("{event}\n{event}\n")).expect("a file");

    let examples: Vec<_> = blocks(&page)
        .into_iter()
        .filter(|block| block.language == "sh")
        .map(|block| block.text.to_owned())
        .collect();
    assert_eq!(examples.len(), 4, "the examples were not found");
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("set -euo pipefail\n{}", examples.join("\n")))
        .current_dir(directory.path())
        .env("CURL_HOME", directory.path())
        .env("URL", &meterd.url)
        .env("KEY", &meterd.admin_key)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("bash runs");
    let stdout = String::from_utf8(output.stdout).expect("answers are UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{stdout}");
    let accepted: Vec<_> = stdout
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str::<Value>(line).expect("answers are JSON"))
        .map(|answer| answer["accepted"].as_u64())
        .collect();
    assert_eq!(accepted, [1, 2, 1, 1, 2].map(Some), "{stdout}");
    meterd.stop().await;
}
