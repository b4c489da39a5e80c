//! Good requests with some bytes changed, in every form.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::header::CONTENT_ENCODING;
use tokio::runtime::Runtime;

use super::{CLOUD_EVENT, CLOUD_EVENT_BATCH, GOOD_CLOUD_EVENT, Gateway, JSON, NDJSON, event};

const CASES: u32 = 1000;

#[derive(Debug, Clone)]
struct Changed {
    media_type: &'static str,
    encoding: Option<&'static str>,
    body: Vec<u8>,
}

fn changed() -> impl Strategy<Value = Changed> {
    let batch = format!("[{GOOD_CLOUD_EVENT}]");
    let metadata = event(r#","metadata":{"a":[1.5e3,"\ud83d\ude00",{"b":null}]}"#);
    let good = prop_oneof![
        Just((JSON, metadata.clone())),
        Just((JSON, format!("{{\"events\":[{metadata}]}}"))),
        Just((NDJSON, format!("{metadata}\n{metadata}\n"))),
        Just((CLOUD_EVENT, GOOD_CLOUD_EVENT.to_owned())),
        Just((CLOUD_EVENT_BATCH, batch)),
    ];
    let encoding = prop_oneof![8 => Just(None), 1 => Just(Some("gzip")), 1 => Just(Some("zstd"))];
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        "[\\[\\]{}\",:\\\\0-9eE.+-]{0,4}".prop_map(String::into_bytes),
    ];
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize, bytes), 0..4);
    (good, encoding, edits).prop_map(|((media_type, text), encoding, edits)| {
        let mut body = text.into_bytes();
        for (at, length, bytes) in edits {
            let at = at.index(body.len() + 1);
            let end = (at + length).min(body.len());
            body.splice(at..end, bytes);
        }
        Changed {
            media_type,
            encoding,
            body,
        }
    })
}

#[test]
fn no_changed_body_is_answered_with_a_5xx() {
    let runtime = Runtime::new().expect("a runtime");
    let gateway = runtime.block_on(Gateway::start());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let sent = TestRunner::new(config).run(&changed(), |changed| {
        let mut request = gateway.post(changed.media_type, changed.body);
        if let Some(encoding) = changed.encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        let answer = runtime.block_on(request.send()).expect("an answer");
        if answer.status() != 202 {
            runtime.block_on(super::problem("a changed body", answer));
        }
        Ok(())
    });
    sent.expect("202 or a problem with 4xx");
    // Before the runtime that its connections are on.
    let _guard = runtime.enter();
    drop(gateway);
}
