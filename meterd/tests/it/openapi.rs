//! The description of the API: as it is committed, and every example in it run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use api_conformance::{Answer, Description};
use serde_json::Value;
use tokio::process::Command;

use crate::support::letters::bury;
use crate::support::{Meterd, finish, meterd};

/// The one that the others read.
const FIRST: &str = "ingest_events";
/// Two of each language are worked off.
const LETTERS: u128 = 4;
const VISIBLE: Duration = Duration::from_secs(20);

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")
}

/// (method, path, operation) of every operation.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter()
            .map(|(method, o)| (method.as_str(), path.as_str(), o))
    });
    operations.collect()
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} of {value}"))
}

#[tokio::test]
async fn the_committed_description_is_the_programs() {
    let printed = finish(meterd().arg("openapi")).await;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let committed = fs::read_to_string(committed()).unwrap_or_default();
    assert!(
        printed.stdout == committed,
        "docs/openapi.json is not what this program prints; run: target/release/meterd openapi > docs/openapi.json"
    );
    let document: Value = serde_json::from_str(&committed).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    for (method, path, operation) in operations(&document) {
        assert!(!text(operation, "summary").is_empty(), "{method} {path}");
        assert!(text(operation, "description").len() > 40, "{method} {path}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')));
        let samples = operation["x-codeSamples"].as_array().expect("samples");
        let languages: Vec<_> = samples.iter().map(|sample| text(sample, "lang")).collect();
        assert_eq!(languages, ["Shell", "Python"], "{method} {path}");
        if path.starts_with("/v1") {
            for status in ["401", "403", "503"] {
                assert!(
                    responses.contains_key(status),
                    "{status} of {method} {path}"
                );
            }
        }
    }
}

/// What a program prints that has to succeed.
async fn run(sample: &Value, meterd: &Meterd) -> Result<String, String> {
    let program = match text(sample, "lang") {
        "Shell" => "bash",
        "Python" => "python3",
        other => panic!("{other}"),
    };
    let mut command = Command::new(program);
    command
        .args(["-c", text(sample, "source")])
        .env("METERD_URL", &meterd.url)
        .env("METERD_API_KEY", &meterd.admin_key)
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null());
    let finished = finish(&mut command).await;
    match finished.code {
        Some(0) => Ok(finished.stdout),
        _ => Err(finished.stdout + &finished.stderr),
    }
}

#[tokio::test]
async fn every_example_runs() {
    let meterd = Meterd::start(&[]).await;
    for number in 0..LETTERS {
        bury(&meterd, "org_001", number).await;
    }
    let answer = reqwest::get(format!("{}/openapi.json", meterd.url)).await;
    let document: Value = answer.expect("an answer").json().await.expect("JSON");
    let description = Description::new(document.clone());
    let mut operations = operations(&document);
    operations.sort_by_key(|(_, _, operation)| text(operation, "operationId") != FIRST);
    let mut ran = 0;
    for (method, path, operation) in operations {
        let responses = operation["responses"].as_object().expect("responses");
        let (status, success) = responses.iter().next().expect("a success");
        let contents = success["content"].as_object();
        let content_type = contents.and_then(|contents| contents.keys().next());
        for sample in operation["x-codeSamples"].as_array().expect("samples") {
            // What has just been accepted may not be visible yet.
            let deadline = Instant::now() + VISIBLE;
            let printed = loop {
                match run(sample, &meterd).await {
                    Ok(printed) => break printed,
                    Err(said) => assert!(Instant::now() < deadline, "{sample:#}\n{said}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            description.check(Answer {
                method,
                path,
                status: status.parse().expect("a status"),
                content_type: content_type.map_or("", String::as_str),
                body: printed.trim().as_bytes(),
            });
            ran += 1;
        }
    }
    assert!(ran >= 54, "{ran}");
    meterd.stop().await;
}

#[tokio::test]
async fn the_pages_are_whole() {
    let meterd = Meterd::start(&[]).await;
    let page = reqwest::get(format!("{}/docs", meterd.url))
        .await
        .expect("an answer");
    assert_eq!(page.url().path(), "/docs/");
    let policy = page.headers()["content-security-policy"].to_str();
    assert!(policy.expect("a text").starts_with("default-src 'none'"));
    let html = page.text().await.expect("a text");
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in html.split(attribute).skip(1) {
            let file = rest.split('"').next().expect("a quoted value");
            assert!(!file.contains("//"), "{file} is elsewhere");
            let url = format!("{}/docs/{}", meterd.url, file.trim_start_matches("./"));
            let answer = reqwest::get(url).await.expect("an answer");
            assert_eq!(answer.status(), 200, "{file}");
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "{loaded} files in {html}");
    let initializer = format!("{}/docs/swagger-initializer.js", meterd.url);
    let initializer = reqwest::get(initializer).await.expect("an answer");
    assert!(
        initializer
            .text()
            .await
            .expect("a text")
            .contains("/openapi.json")
    );
    meterd.stop().await;
}
