//! A quota service whose clock is wrong.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::deployment::Deployment;
use crate::support::quota::Caller;

/// Instead of the C library's: as many seconds ahead as the file named by CLOCK_AHEAD has bytes.
const CLOCK: &str = r#"
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    struct stat ahead;
    int failed = syscall(SYS_clock_gettime, clock, now);
    const char *file = getenv("CLOCK_AHEAD");
    if (clock == CLOCK_REALTIME && file && stat(file, &ahead) == 0)
        now->tv_sec += ahead.st_size;
    return failed;
}
"#;

/// A library that puts a process' clock forward.
fn library(home: &Path) -> String {
    let (source, library) = (home.join("clock.c"), home.join("clock.so"));
    std::fs::write(&source, CLOCK).expect("a file");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(made.expect("the linker that Rust needs").success());
    library.to_str().expect("UTF-8").to_owned()
}

#[tokio::test]
async fn a_service_whose_clock_is_wrong_appends_nothing_until_it_is_set_right() {
    let mut deployment = Deployment::start(0, &[]).await;
    deployment.add_worker().await;
    let home = tempfile::tempdir().expect("a directory");
    let ahead = home.path().join("ahead");
    let own = [
        ("LD_PRELOAD", library(home.path())),
        ("CLOCK_AHEAD", ahead.to_str().expect("UTF-8").to_owned()),
    ];
    let own = own.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut quota = deployment.role("quota", &own);
    quota.ready().await;
    let gateway = deployment.gateway.url();
    let caller = Caller::of(vec![quota.url()], &gateway, &deployment.admin_key);
    let limit = json!({ "tenant_id": "t", "feature": "f", "limit": 9, "period": "lifetime" });
    caller.put(&limit).await;
    let check = json!({ "tenant_id": "t", "feature": "f" });
    assert_eq!(caller.decide(&check).await["remaining"], 9);

    std::fs::write(&ahead, [0; 8]).expect("a file");
    let refused = caller
        .until_refused(&check, "the clocks of this service and of the broker")
        .await;
    assert_eq!(refused["code"], "decision_unknown");

    std::fs::remove_file(&ahead).expect("it was there");
    assert_eq!(caller.decide(&check).await["remaining"], 9);
    quota.stop().await;
}
