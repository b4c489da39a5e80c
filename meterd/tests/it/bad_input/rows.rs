//! What is sent, and the code it is answered with.

/// Members that go bad in an otherwise good event.
pub(super) const MEMBERS: &[(&str, &str)] = &[
    (r#""x":1"#, "unknown_field"),
    (r#""quantity":1,"quantity":1"#, "duplicate_field"),
    (r#""\u0071uantity":1,"quantity":1"#, "duplicate_field"),
    (r#""id":"nope""#, "invalid_id"),
    (r#""id":"""#, "invalid_id"),
    (r#""id":7"#, "invalid_id"),
    (
        r#""id":"00000000-0000-0000-0000-000000000000""#,
        "invalid_id",
    ),
    (r#""quantity":-1"#, "invalid_quantity"),
    (r#""quantity":1.0"#, "invalid_quantity"),
    (r#""quantity":1e2"#, "invalid_quantity"),
    (r#""quantity":-0"#, "invalid_quantity"),
    (r#""quantity":"1""#, "invalid_quantity"),
    (r#""quantity":true"#, "invalid_quantity"),
    (r#""quantity":null"#, "invalid_quantity"),
    (r#""quantity":1000000000001"#, "invalid_quantity"),
    (r#""quantity":9223372036854775808"#, "invalid_quantity"),
    (r#""timestamp":1763634660"#, "invalid_timestamp"),
    (r#""timestamp":"2025-11-20T10:31:00""#, "invalid_timestamp"),
    (r#""timestamp":"2025-02-30T10:31:00Z""#, "invalid_timestamp"),
    (r#""timestamp":"2025-11-20T10:31:60Z""#, "invalid_timestamp"),
    (r#""timestamp":"0000-11-20T10:31:00Z""#, "invalid_timestamp"),
    (
        r#""timestamp":"10000-11-20T10:31:00Z""#,
        "invalid_timestamp",
    ),
    (
        r#""timestamp":"9998-01-01T00:00:00Z""#,
        "timestamp_in_future",
    ),
    (r#""metadata":null"#, "invalid_metadata"),
    (r#""metadata":[]"#, "invalid_metadata"),
    (r#""metadata":{"a":"\u0000"}"#, "invalid_metadata"),
    (r#""metadata":{"\u0000":1}"#, "invalid_metadata"),
    (r#""metadata":{"a":9007199254740993}"#, "invalid_metadata"),
    (r#""metadata":{"a":-1e17}"#, "invalid_metadata"),
    (r#""metadata":{"a":1e131071}"#, "invalid_metadata"),
    (r#""metadata":{"a":1e-131071}"#, "invalid_metadata"),
    (r#""metadata":{"a":1,"a":2}"#, "invalid_metadata"),
];

/// Names that are none, written as JSON.
pub(super) const NAMES: &[&str] = &[
    r#""""#,
    r#"" ""#,
    r#""-a""#,
    r#""a b""#,
    r#""a*""#,
    r#""a>""#,
    r#""a..b""#,
    r#""..""#,
    r#""a\u0000""#,
    r#""a\r\nb""#,
    r#""\u001b[0m""#,
    r#""\u202ea""#,
    r#""a\u200b""#,
    r#""é""#,
    r#""'; drop table usage_event""#,
    "7",
    "null",
    "[]",
    "{}",
    "true",
];

/// Bodies that are refused whole as `application/json`.
pub(super) fn json_bodies() -> Vec<(Vec<u8>, u16, &'static str)> {
    let event = super::event("");
    let texts: &[(&str, u16, &str)] = &[
        ("", 400, "empty_body"),
        (" \n\t", 400, "empty_body"),
        ("{", 400, "invalid_json"),
        (&event[..event.len() - 1], 400, "invalid_json"),
        (&format!("[{event}"), 400, "invalid_json"),
        (&format!("[{event},]"), 400, "invalid_json"),
        (&format!("{event} x"), 400, "invalid_json"),
        (&format!("{event}{event}"), 400, "invalid_json"),
        (&format!("// why\n{event}"), 400, "invalid_json"),
        (&format!("\u{feff}{event}"), 400, "invalid_json"),
        ("[NaN]", 400, "invalid_json"),
        ("[01]", 400, "invalid_json"),
        ("nonsense", 400, "invalid_json"),
        (
            &super::event(r#","metadata":{"a":"\ud800"}"#),
            400,
            "invalid_json",
        ),
        ("7", 400, "invalid_shape"),
        ("\"text\"", 400, "invalid_shape"),
        ("null", 400, "invalid_shape"),
        ("{\"events\":{}}", 400, "invalid_shape"),
        (
            &format!("{{\"events\":[{event}],\"x\":1}}"),
            400,
            "invalid_shape",
        ),
        ("[]", 422, "empty_batch"),
        ("{\"events\":[]}", 422, "empty_batch"),
        ("{}", 422, "missing_field"),
        (&format!("[{event}7]"), 400, "invalid_json"),
        ("[7]", 422, "all_rejected"),
    ];
    let deep = |open: &str, close: &str| [open.repeat(10_000), close.repeat(10_000)].concat();
    let mut rows: Vec<_> = texts
        .iter()
        .map(|(text, status, code)| (text.as_bytes().to_vec(), *status, *code))
        .collect();
    rows.push((deep("[", "]").into_bytes(), 400, "too_deep"));
    rows.push((deep("{\"a\":", "}").into_bytes(), 400, "too_deep"));
    rows.push((vec![b'['; 1_000_000], 400, "too_deep"));
    rows.push((b"[\"\xff\"]".to_vec(), 400, "invalid_json"));
    rows.push((b"[\"\x01\"]".to_vec(), 400, "invalid_json"));
    rows.push((
        format!("[{}1]", "1,".repeat(10_000)).into_bytes(),
        413,
        "batch_too_large",
    ));
    rows.push((vec![b' '; 8 * 1024 * 1024 + 1], 413, "body_too_large"));
    rows
}

/// Lines that are refused one by one.
pub(super) fn lines() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (b"{".to_vec(), "invalid_json"),
        (b"nonsense".to_vec(), "invalid_json"),
        (b"\xef\xbb\xbf{}".to_vec(), "invalid_json"),
        (b"{\"a\":\"\xff\"}".to_vec(), "invalid_json"),
        (vec![b'['; 10_000], "too_deep"),
        (b"[]".to_vec(), "invalid_shape"),
        (b"7".to_vec(), "invalid_shape"),
    ]
}

/// What goes bad in an otherwise good CloudEvent: what is replaced, by what.
pub(super) const CLOUD_EVENTS: &[(&str, &str, &str)] = &[
    (r#""1.0""#, r#""0.3""#, "invalid_cloudevent"),
    (r#""1.0""#, "1.0", "invalid_cloudevent"),
    (r#""specversion""#, r#""version""#, "missing_field"),
    (r#""id""#, r#""no""#, "missing_field"),
    (r#""A-1""#, r#""""#, "invalid_id"),
    (r#""A-1""#, "7", "invalid_id"),
    ("A-1", "00000000-0000-0000-0000-000000000000", "invalid_id"),
    (r#""source""#, r#""no""#, "missing_field"),
    (r#""/s""#, r#""""#, "invalid_cloudevent"),
    (r#""subject""#, r#""no""#, "missing_field"),
    ("org_001", "a b", "invalid_identifier"),
    (r#""type""#, r#""no""#, "missing_field"),
    ("com.example", "com example", "invalid_identifier"),
    (r#""data""#, r#""subject":"b","data""#, "duplicate_field"),
    (r#""data""#, r#""time":"now","data""#, "invalid_timestamp"),
    (
        r#""data""#,
        r#""time":"9998-01-01T00:00:00Z","data""#,
        "timestamp_in_future",
    ),
    (
        r#""data""#,
        r#""datacontenttype":"text/xml","data""#,
        "invalid_cloudevent",
    ),
    (
        r#""data""#,
        r#""data_base64":"AA==","data""#,
        "invalid_cloudevent",
    ),
    ("{\"quantity\":2}", "[]", "invalid_cloudevent"),
    ("{\"quantity\":2}", "\"text\"", "invalid_cloudevent"),
    ("\"quantity\":2", "\"quantity\":2.0", "invalid_quantity"),
    ("\"quantity\":2", "\"feature\":7", "invalid_identifier"),
    ("\"quantity\":2", "\"a\":\"\\u0000\"", "invalid_metadata"),
    ("\"quantity\":2", "\"a\":1,\"a\":1", "invalid_metadata"),
];

/// What goes bad in an otherwise good CloudEvent in binary mode: a header, its value, the data.
pub(super) const BINARY: &[(&str, &[u8], &str, u16, &str)] = &[
    ("ce-specversion", b"0.3", "", 422, "invalid_cloudevent"),
    ("ce-specversion", b"", "", 422, "invalid_cloudevent"),
    ("ce-source", b"", "", 422, "invalid_cloudevent"),
    ("ce-source", b"%ff", "", 422, "invalid_cloudevent"),
    ("ce-id", b"", "", 422, "invalid_id"),
    ("ce-type", b"a%20b", "", 422, "invalid_identifier"),
    ("ce-subject", b"a b", "", 422, "invalid_identifier"),
    ("ce-subject", b"\"a\\\"b\"", "", 422, "invalid_identifier"),
    ("ce-subject", b"a%00", "", 422, "invalid_identifier"),
    ("ce-time", b"yesterday", "", 422, "invalid_timestamp"),
    ("ce-subject", b"t", "{", 400, "invalid_json"),
    ("ce-subject", b"t", "[]", 422, "invalid_cloudevent"),
    (
        "ce-subject",
        b"t",
        "{\"quantity\":-1}",
        422,
        "invalid_quantity",
    ),
];
